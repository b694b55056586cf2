"""Laws of `gateway.core.holder_pass`."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.holder_pass import (
    CODE_SECONDS,
    HANDOVER_SECONDS,
    LONGEST_TEXT,
    PASS_SECONDS,
    Challenge,
    _tag,
    code_of,
    open_challenge,
    open_handover,
    open_pass,
    prove,
    seal_challenge,
    seal_handover,
    seal_pass,
)
from gateway.core.holders import Holder, Holders, ProvedBy
from gateway.core.token import hash_secret
from tests.contract.sample import NOW, link

HOLDERS = Holders(("ann@acme.example",), groups=("a", "b", "c", "d", "e", "f"), by=ProvedBy.OIDC, key=bytes(range(32)))
LINK = link(holders=HOLDERS, expires_at=None)
ANN = "ann@acme.example"


def test_a_challenge_comes_back_until_its_time_is_over() -> None:
    """With the address it was made for, and not at its last instant any more."""
    text = seal_challenge(LINK, ANN, NOW + 0.5, bytes(16))
    assert Challenge("00" * 16, ANN, int(NOW + CODE_SECONDS)) == open_challenge(LINK, text, NOW)
    assert open_challenge(LINK, text, NOW + CODE_SECONDS - 0.1) is not None
    assert open_challenge(LINK, text, NOW + CODE_SECONDS) is None


def test_a_code_is_eight_digits_of_one_challenge_and_link() -> None:
    """Another challenge, link or secret has another one."""
    texts = [seal_challenge(LINK, ANN, NOW, bytes([number]) * 16) for number in range(64)]
    codes = {code_of(LINK, text) for text in texts}
    assert (64, {8}, True) == (len(codes), {len(code) for code in codes}, all(code.isdigit() for code in codes))
    for other in (link(holders=HOLDERS), replace(LINK, holders=replace(HOLDERS, key=bytes(32)))):
        assert code_of(other, texts[0]) != code_of(LINK, texts[0])


def test_a_pass_comes_back_until_its_time_is_over() -> None:
    """Twelve hours after it was proved, and never after the link; with as many groups as a cookie holds."""
    holder = prove(LINK, ANN, ProvedBy.OIDC, NOW, ("x", "a", "b", "c", "d", "e"))
    assert Holder(ANN, ("a", "b", "c", "d", "e"), ProvedBy.OIDC, int(NOW + PASS_SECONDS)) == holder
    text = seal_pass(LINK, holder)
    assert holder == open_pass(LINK, text, NOW + PASS_SECONDS - 1)
    assert open_pass(LINK, text, NOW + PASS_SECONDS) is None
    assert int(NOW + 60) == prove(replace(LINK, expires_at=NOW + 60), ANN, ProvedBy.CODE, NOW).until


def test_a_programs_code_comes_back_to_who_has_its_secret() -> None:
    """RFC 7636's own pair (appendix B); until its time is over, and as no pass, which is no code either."""
    verifier, challenge = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"
    holder = prove(LINK, ANN, ProvedBy.OIDC, NOW, ("a",))
    text = seal_handover(LINK, holder, challenge, NOW, bytes(16))
    assert ("00" * 16, holder) == open_handover(LINK, text, verifier, NOW + HANDOVER_SECONDS - 1)
    assert None is open_handover(LINK, text, verifier, NOW + HANDOVER_SECONDS)
    for wrong in ("", challenge, verifier + "A", "\ud800"):
        assert None is open_handover(LINK, text, wrong, NOW)
    assert None is open_handover(link(holders=HOLDERS), text, verifier, NOW)
    assert None is open_pass(LINK, text, NOW)
    assert None is open_handover(LINK, seal_pass(LINK, holder), verifier, NOW)


def test_the_largest_pass_fits_into_a_cookie() -> None:
    """Of 4,096 bytes (RFC 6265, 6.1), and into what is read."""
    groups = tuple(letter * 256 for letter in "\U0001f600\U0001f601\U0001f602\U0001f603")
    widest = replace(LINK, holders=replace(HOLDERS, groups=groups))
    holder = prove(widest, "a" * 64 + "@" + ("b" * 61 + ".") * 3 + "cc", ProvedBy.OIDC, NOW, groups)
    text = seal_pass(widest, holder)
    assert (groups[:1], holder) == (holder.groups, open_pass(widest, text, NOW))
    assert LONGEST_TEXT >= len(text)


def test_a_pass_is_of_one_link_one_token_and_one_secret() -> None:
    """It opens no other link, nor the same after a rotation or under another secret; an edit of anything else leaves
    it."""
    text = seal_pass(LINK, Holder(ANN, until=int(NOW + 5)))
    others = (
        link(holders=HOLDERS),
        replace(LINK, hash=hash_secret("rotated")),
        replace(LINK, holders=replace(HOLDERS, key=bytes(32))),
    )
    assert [None] * 3 == [open_pass(other, text, NOW) for other in others]
    assert open_pass(replace(LINK, holders=replace(HOLDERS, emails=()), label="x"), text, NOW) is not None


def test_one_kind_of_text_is_none_of_the_other() -> None:
    """A challenge is no pass and a pass no challenge: each kind is sealed under a tag of its own."""
    challenge, shown = seal_challenge(LINK, ANN, NOW, bytes(16)), seal_pass(LINK, Holder(ANN, until=int(NOW + 5)))
    assert (None, None) == (open_pass(LINK, challenge, NOW), open_challenge(LINK, shown, NOW))
    assert 3 == len({_tag(LINK, kind, b"[]") for kind in ("pass", "challenge", "code")})


@given(st.data())
def test_an_altered_text_is_none(data: st.DataObject) -> None:
    """Whichever of its bits is another."""
    text = seal_pass(LINK, Holder(ANN, until=int(NOW + 5)))
    whole = bytearray(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    place = data.draw(st.integers(0, len(whole) - 1))
    whole[place] ^= 1 << data.draw(st.integers(0, 7))
    assert open_pass(LINK, urlsafe_b64encode(bytes(whole)).decode().rstrip("="), NOW) is None


@given(st.text())
def test_any_other_text_is_none(text: str) -> None:
    """What was not sealed here is answered by None, and by no error."""
    assert (None, None) == (open_pass(LINK, text, NOW), open_challenge(LINK, text, NOW))


def test_a_link_without_a_secret_seals_and_opens_nothing() -> None:
    """Rather than with an empty one, which everybody knows."""
    for bare in (link(), link(holders=replace(HOLDERS, key=b""))):
        with pytest.raises(ValueError, match="secret"):
            seal_pass(bare, Holder(ANN))
