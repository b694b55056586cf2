"""Owns continuation tokens: a store's token as a caller may see it, and back.

Refuses to own listings themselves (`gateway.wire.s3.listing`, `gateway.wire.s3.calls`).

Law: a real prefix never leaves. Many stores make their token of the last key, plain or in base64; the prefix is taken
out of such a token and put back on its return. A token that a caller made up can only be refused by the store: the
prefix of a listing is sent beside it and does not depend on it.
"""

from __future__ import annotations

import binascii
import re
from base64 import b64decode, b64encode
from typing import Final
from urllib.parse import quote, unquote

from gateway.core.reasons import Reason, Refused

_OPAQUE: Final = "t."
_QUOTED: Final = "u."
"""Before a token that has characters which are not safe everywhere; the whole of it is percent-encoded behind this."""
_PLAIN: Final = "n."
_CODED: Final = "b"
_SAFE: Final = re.compile(r"[ -~]*", re.ASCII)
_FURTHEST: Final = 3
"""Bytes that a store may put before the key in a coded token."""


def wrap_token(token: str, real_prefix: str) -> str:
    """The token for a caller, in visible ASCII; "" stays ""."""
    shown = _without_prefix(token, real_prefix)
    return shown if _SAFE.fullmatch(shown) else _QUOTED + quote(shown, safe="")


def _without_prefix(token: str, real_prefix: str) -> str:
    if not token or not real_prefix:
        return token and _OPAQUE + token
    if token.startswith(real_prefix):
        return _PLAIN + token.removeprefix(real_prefix)
    raw, prefix = _decoded(token), real_prefix.encode()
    at = raw.find(prefix) if raw is not None else -1
    if raw is None or not 0 <= at <= _FURTHEST:
        return _OPAQUE + token
    return f"{_CODED}{at}.{b64encode(raw[:at] + raw[at + len(prefix) :]).decode()}"


def unwrap_token(token: str, real_prefix: str) -> str:
    """The store's token for one that `wrap_token` made; "" stays "".

    Raises:
        Refused: BAD_ARGUMENT when it was made elsewhere.
    """
    if token.startswith(_QUOTED):
        token = unquote(token.removeprefix(_QUOTED))
    if not token or token.startswith(_OPAQUE):
        return token.removeprefix(_OPAQUE)
    if token.startswith(_PLAIN):
        return real_prefix + token.removeprefix(_PLAIN)
    kind, _, text = token.partition(".")
    raw = _decoded(text)
    if raw is None or kind not in {f"{_CODED}{at}" for at in range(_FURTHEST + 1)}:
        raise Refused(Reason.BAD_ARGUMENT, "the continuation token is none of ours")
    at = int(kind.removeprefix(_CODED))
    return b64encode(raw[:at] + real_prefix.encode() + raw[at:]).decode()


def _decoded(text: str) -> bytes | None:
    """The bytes of canonical base64: of a text that encoding them gives again."""
    try:
        raw = b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None
    return raw if b64encode(raw).decode() == text else None
