"""What a request presented is a value that can be logged."""

from __future__ import annotations

from gateway.core.request import LinkPlace
from gateway.core.token import ENTROPY_BYTES, LinkToken
from gateway.data.presented import TokenPresented


def test_no_secret_is_in_the_repr() -> None:
    """Neither the token, nor the password that came with it, nor a cookie that stands for it."""
    token = LinkToken.mint(b"\x01" * ENTROPY_BYTES)
    place = LinkPlace(token.text, None)
    shown = repr(TokenPresented(token, place, password="open sesame", proof="p" * 64, lease="c" * 32))
    assert [] == [secret for secret in (token.text, "open sesame", "p" * 64, "c" * 32) if secret in shown]
