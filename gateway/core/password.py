"""Owns how a link's password is kept: scrypt (RFC 7914) with a salt, in one text.

Refuses to own randomness (the salt is an argument) and threads: one call takes some 50 ms of a core, so the caller
runs it outside the event loop.
"""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64decode, b64encode
from typing import Final

SALT_BYTES: Final = 16
_COST: Final = 2**14
_BLOCK: Final = 8
_MEMORY: Final = 64 * 1024 * 1024


def _derive(password: str, salt: bytes) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=_COST, r=_BLOCK, p=1, maxmem=_MEMORY, dklen=32)


def hash_password(password: str, salt: bytes) -> str:
    """The text to store: `scrypt$salt$hash`."""
    if len(salt) != SALT_BYTES:
        raise ValueError(f"a salt has {SALT_BYTES} bytes")
    return f"scrypt${b64encode(salt).decode()}${b64encode(_derive(password, salt)).decode()}"


def password_matches(password: str, stored: str) -> bool:
    """Compare in constant time. False for a stored text of another form."""
    scheme, _, rest = stored.partition("$")
    salt, _, expected = rest.partition("$")
    if scheme != "scrypt" or not expected:
        return False
    return hmac.compare_digest(_derive(password, b64decode(salt)), b64decode(expected))
