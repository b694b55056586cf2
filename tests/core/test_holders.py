"""Laws of `gateway.core.holders`."""

from __future__ import annotations

import time

import pytest

from gateway.core.holders import Claim, Holder, Holders, ProvedBy, make_key, parse_address, parse_domain
from gateway.core.sealing import UNSEALED, number_of

OIDC = ProvedBy.OIDC


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ann@acme.example", "ann@acme.example"),
        ("Ann.Lee+x@ACME.Example", "Ann.Lee+x@acme.example"),
        ("o'neil@a-b.example", "o'neil@a-b.example"),
        ("ann@bücher.example", "ann@xn--bcher-kva.example"),
        ("ann@BÜCHER.example", "ann@xn--bcher-kva.example"),
        ("ann@xn--bcher-kva.example", "ann@xn--bcher-kva.example"),
        ("ann@例え.テスト", "ann@xn--r8jz45g.xn--zckzah"),
    ],
)
def test_an_address_has_one_form(text: str, expected: str) -> None:
    """Its domain in lower-case ASCII, its name as it was written."""
    assert expected == parse_address(text)
    assert expected == parse_address(expected)


@pytest.mark.parametrize(
    "text",
    [
        *("", "@", "ann", "ann@", "@acme.example", "ann@acme", "ann@acme.", "ann@.example", "ann@a..example"),
        *("a b@acme.example", ".a@acme.example", "a.@acme.example", "a..b@acme.example", '"a b"@acme.example'),
        *(
            "ann@acme.example\n",
            "ann\r\nBcc: eve@x.example@acme.example",
            "ann@acme.example\r\nBcc:x",
            "a\0@acme.example",
        ),
        *("<ann@acme.example>", "Ann <ann@acme.example>", "ann@acme.example,eve@x.example", "ann@[192.0.2.1]"),
        *("ann@192.0.2.1", "ann@-a.example", "ann@a-.example", "ann@a_b.example", "änn@acme.example"),
        *("a" * 65 + "@acme.example", "ann@" + "a" * 64 + ".example", "ann@" + "a." * 126 + "aa.example"),
        *("ann@straße.example", "ann@βόλος.example", "ann@a\u200db.example"),
    ],
)
def test_what_is_no_address_is_refused(text: str) -> None:
    """Whatever else mail knows: nothing that ends a line, quotes, or means two mailboxes."""
    with pytest.raises(ValueError, match=r"write|characters"):
        parse_address(text)


def test_an_address_is_as_long_as_mail_can_carry() -> None:
    """RFC 5321, 4.5.3.1.3, without the brackets: 254 characters in all, though its two halves could be longer."""
    longest = f"{'a' * 64}@{'b' * 61}.{'c' * 61}.{'d' * 57}.example"
    assert (254, longest) == (len(longest), parse_address(longest))
    with pytest.raises(ValueError, match="at most 254 characters"):
        parse_address(longest.replace(".example", "d.example"))


def test_a_fault_does_not_repeat_a_long_text() -> None:
    """However long what was sent is, the sentence stays short."""
    with pytest.raises(ValueError, match="write") as caught:
        parse_address("x" * 100_000)
    assert 300 > len(str(caught.value))


@pytest.mark.parametrize("domain", ["\ufdfa" * 20_000, "ü" * 60_000, "ü." * 30_000, "\u0300" * 60_000])
def test_no_text_that_is_too_long_for_a_domain_is_converted(domain: str) -> None:
    """Anybody may send one who has a link for certain people, and everybody else would wait for seconds."""
    began = time.process_time()
    with pytest.raises(ValueError, match="no domain"):
        parse_address(f"ann@{domain}.example")
    assert 0.1 > time.process_time() - began


def test_a_long_domain_in_letters_of_its_own_is_one() -> None:
    """What is bounded is what no domain could be."""
    label = "ü" * 40
    expected = ".".join([label.encode("idna").decode()] * 4)
    assert f"ann@{expected}.de" == parse_address(f"ann@{'.'.join([label] * 4)}.de")


def test_a_domain_is_read_as_that_of_an_address() -> None:
    """In the form that resolvers know, and without the sign that begins it in an address."""
    assert "xn--bcher-kva.example" == parse_domain("Bücher.example")
    with pytest.raises(ValueError, match="no domain"):
        parse_domain("@acme.example")


def test_holders_are_somebody_and_groups_sign_in() -> None:
    """Nobody is not a list, and no code tells a group."""
    with pytest.raises(ValueError, match="named"):
        Holders()
    with pytest.raises(ValueError, match="oidc"):
        Holders(groups=("a",))
    assert ("a",) == Holders(groups=("a",), by=OIDC).groups


@pytest.mark.parametrize(
    ("holder", "admitted"),
    [
        (None, False),
        (Holder("ann@a.example"), True),
        (Holder("ANN@a.example"), True),
        (Holder("bob@a.example"), False),
        (Holder("bob@b.example"), True),
        (Holder("bob@sub.b.example"), False),
        (Holder("bob@xb.example"), False),
        (Holder("b.example"), False),
        (Holder("bob@b.example", by=OIDC), False),
        (Holder("", ("ann@a.example", "b.example")), False),
    ],
)
def test_one_of_them_is_admitted(holder: Holder | None, admitted: bool) -> None:
    """By address or by the very domain, proved in the way that is asked for."""
    assert admitted is Holders(("Ann@a.example",), ("b.example",)).admit(holder)


def test_one_group_is_enough() -> None:
    """Who is in any of the groups is admitted, and who is in none is not."""
    holders = Holders(groups=("a", "b"), by=OIDC)
    assert [True, False, False] == [holders.admit(Holder("x", groups, OIDC)) for groups in (("b", "c"), ("c",), ())]


def test_a_code_goes_to_the_mailbox_that_was_named() -> None:
    """As its owner wrote it; one of a domain as it was typed; to nobody else."""
    holders = Holders(("Ann@a.example",), ("b.example",))
    asked = ("ann@a.example", "Bob@b.example", "bob@a.example")
    assert ["Ann@a.example", "Bob@b.example", None] == [holders.addressee(address) for address in asked]


def test_who_is_excluded_is_none_of_them() -> None:
    """Named, of the domain or of a group, in any letters; no code goes to them. Everybody else is as before."""
    holders = Holders(("ann@a.example",), ("b.example",), excluded=("Ann@a.example", "eve@b.example"))
    asked = ("ANN@a.example", "Eve@b.example", "bob@b.example")
    assert [False, False, True] == [holders.admit(Holder(address)) for address in asked]
    assert [None, None, "bob@b.example"] == [holders.addressee(address) for address in asked]
    grouped = Holders(groups=("a",), by=OIDC, excluded=("eve@b.example",))
    assert [False, True] == [grouped.admit(Holder(one, ("a",), OIDC)) for one in ("EVE@b.example", "ann@b.example")]
    assert [False, True] == [grouped.may_admit(one) for one in ("EVE@b.example", "ann@b.example")]
    assert [False, True] == [holders.may_admit(one) for one in ("ann@a.example", "bob@b.example")]


def test_why_somebody_is_none_of_them_is_told_without_their_address() -> None:
    """Nobody, proved otherwise, excluded, a stranger: each its own sentence."""
    holders = Holders(domains=("b.example",), excluded=("eve@b.example",))
    tried = (None, Holder("a@b.example", by=OIDC), Holder("eve@b.example"), Holder("x@c.example"))
    told = [holders.objection_to(one) for one in tried]
    assert (4, False) == (len(set(told)), any("@" in text for text in told))


def test_a_secret_is_in_no_text_and_no_comparison() -> None:
    """Nor is what somebody typed; and no secret reads as one that is wrapped under a sealing key."""
    one, other = Holders(("a@a.example",), key=b"secret-1"), Holders(("a@a.example",), key=b"secret-2")
    assert (one, False) == (other, "secret" in repr(one))
    assert "12345678" not in repr(Claim(code="12345678"))
    assert {UNSEALED} == {number_of(make_key(bytes([first]) * 32)) for first in range(256)}
