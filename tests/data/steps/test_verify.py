"""The verifier that fits what was presented, by requests that botocore signed."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.reasons import Reason, Refused
from gateway.core.request import RawRequest
from gateway.data.steps.verify import verify_signature
from gateway.wire.parse import parse
from tests.wire import peer
from tests.wire.peer import NOW, PAIR

HASH = {"x-amz-content-sha256": "UNSIGNED-PAYLOAD"}
SIGNERS = {
    "v4 header": lambda path: peer.v4_header("GET", path),
    "v4 query": lambda path: peer.v4_query("GET", path),
    "v2 header": lambda path: peer.v2_header("GET", path),
    "v2 query": lambda path: peer.v2_query("GET", path),
}


def verified(raw: RawRequest, secret: str = PAIR.secret_key, now: float = NOW):
    signed = peer.presented(raw)
    assert signed is not None
    return verify_signature(signed, parse(raw), secret, now)


@pytest.mark.parametrize("kind", SIGNERS)
def test_every_form_is_verified(kind: str) -> None:
    """SigV4 says what it proved of the body; SigV2 says nothing about bodies."""
    found = verified(SIGNERS[kind]("/bucket/a%20b"))
    assert kind.startswith("v2") == (found is None)


@pytest.mark.parametrize("kind", SIGNERS)
@settings(max_examples=25)
@given(secret=st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1))
def test_another_secret_never_passes(kind: str, secret: str) -> None:
    """Whatever it is."""
    if secret != PAIR.secret_key:
        with pytest.raises(Refused) as no:
            verified(SIGNERS[kind]("/bucket/a"), secret)
        assert Reason.BAD_SIGNATURE == no.value.reason


@pytest.mark.parametrize("kind", SIGNERS)
def test_another_path_never_passes(kind: str) -> None:
    """A signature is for one request."""
    raw = SIGNERS[kind]("/bucket/a")
    with pytest.raises(Refused):
        verified(RawRequest(raw.method, "/bucket/b", raw.query, raw.headers))


@pytest.mark.parametrize(
    ("kind", "later"), [("v4 header", 1000), ("v4 query", 3700), ("v2 header", 1000), ("v2 query", 3700)]
)
def test_every_form_ends(kind: str, later: float) -> None:
    """After its window, or its lifetime."""
    with pytest.raises(Refused) as no:
        verified(SIGNERS[kind]("/bucket/a"), now=NOW + later)
    assert no.value.reason in {Reason.CLOCK_SKEWED, Reason.SIGNATURE_EXPIRED}
