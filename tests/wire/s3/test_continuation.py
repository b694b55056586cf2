"""Laws of `gateway.wire.s3.continuation`."""

from __future__ import annotations

from base64 import b64decode, b64encode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.reasons import Reason, Refused
from gateway.wire.s3.continuation import unwrap_token, wrap_token

TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=20)


@given(TEXT, st.sampled_from(["", "pre/", "d\u00e9p/artment/"]))
def test_tokens_come_back(token: str, prefix: str) -> None:
    """Whatever a store's token is, it is the same again when the caller returns it."""
    for theirs in (token, prefix + token, b64encode((prefix + token).encode()).decode()):
        assert unwrap_token(wrap_token(theirs, prefix), prefix) == theirs


@pytest.mark.parametrize("head", [b"", b"]", b"v1:"])
def test_no_token_shows_the_real_prefix(head: bytes) -> None:
    """A token made of the last key is shown without the real prefix, plain or in base64."""
    assert wrap_token("secret/a/b", "secret/") == "n.a/b"
    shown = wrap_token(b64encode(head + b"secret/a/b[cache:1]").decode(), "secret/")
    assert b64decode(shown.partition(".")[2]) == head + b"a/b[cache:1]"


@pytest.mark.parametrize("token", ["x", "b.YQ==", "b4.YQ==", "b0.***", "nothing", "\u00e9.x"])
def test_other_tokens_are_refused(token: str) -> None:
    """A token that was not made here is an invalid argument, as at S3."""
    with pytest.raises(Refused) as caught:
        unwrap_token(token, "pre/")
    assert caught.value.reason is Reason.BAD_ARGUMENT
