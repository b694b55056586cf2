"""Owns the text of secrets: link tokens, access key ids and their hashes.

Refuses to own randomness (entropy is an argument) and storage.

A link token is `gl_` + 29 base58 characters of 168 random bits + 5 characters of checksum: one word under a double
click, no look-alike letters, nothing a shell or a URL would touch. The checksum lets a wrong or cut token be refused
without a look-up; it protects nothing else.
"""

from __future__ import annotations

import hashlib
import zlib
from functools import lru_cache
from typing import Final, NewType

from gateway.core.values import dataclass

ENTROPY_BYTES: Final = 21
"""168 bits, above the 160 that promise 9 asks for."""

SecretHash = NewType("SecretHash", bytes)
"""SHA-256 of a secret's text. A fast hash is enough: the secret holds at least 160 random bits."""

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_UPPER: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
_MEMBERS: Final = frozenset(_ALPHABET)
_PREFIX: Final = "gl_"
_BODY: Final = 29
_CHECK: Final = 5
_LENGTH: Final = len(_PREFIX) + _BODY + _CHECK
_MOST_MARKS: Final = 8
"""Characters: a closing quotation mark, brackets and a full stop, and room."""


def _encode(number: int, length: int, alphabet: str = _ALPHABET) -> str:
    digits = []
    for _ in range(length):
        number, digit = divmod(number, len(alphabet))
        digits.append(alphabet[digit])
    return "".join(reversed(digits))


def _checksum(body: str) -> str:
    return _encode(zlib.crc32((_PREFIX + body).encode()) % 58**_CHECK, _CHECK)


def hash_secret(text: str) -> SecretHash:
    """The only form in which a secret is stored or compared."""
    return SecretHash(hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest())


remembered_hash = lru_cache(4096)(hash_secret)
"""The same of what comes again and again: a link's token, a key's id. Not for what has to stay unknown here."""


@dataclass(frozen=True, slots=True, repr=False)
class LinkToken:
    """The secret text in a link's URL. An instance that exists has a right checksum; its repr shows no secret."""

    text: str

    def __post_init__(self) -> None:
        body = self.text[len(_PREFIX) : -_CHECK]
        if (
            len(self.text) != _LENGTH
            or not self.text.startswith(_PREFIX)
            or not _MEMBERS.issuperset(self.text[len(_PREFIX) :])
            or _checksum(body) != self.text[-_CHECK:]
        ):
            raise ValueError("not a link token")

    def __repr__(self) -> str:
        return "LinkToken(…)"

    @classmethod
    def mint(cls, entropy: bytes) -> LinkToken:
        """A new token from `ENTROPY_BYTES` random bytes."""
        if len(entropy) != ENTROPY_BYTES:
            raise ValueError(f"a token needs {ENTROPY_BYTES} random bytes")
        body = _encode(int.from_bytes(entropy), _BODY)
        return cls(f"{_PREFIX}{body}{_checksum(body)}")

    @property
    def hash(self) -> SecretHash:
        return remembered_hash(self.text)


def without_marks(text: str) -> str:
    """A token's text without what was caught behind it when it was pasted: a full stop, a bracket, a blank.

    Only marks that no token holds are taken off, so the checksum still tells a wrong token from a right one. Any other
    text comes back as it is.
    """
    token, behind = text[:_LENGTH], text[_LENGTH:]
    if len(behind) > _MOST_MARKS or any(mark.isalnum() for mark in behind):
        return text
    return token


def grant_id(kind_letter: str, entropy: bytes) -> str:
    """A public id such as `l_8fKq2…`: no secret, safe in lists, logs and audit. 12 random bytes."""
    return f"{kind_letter}_{_encode(int.from_bytes(entropy[:12]), 17)}"


def access_key_id(entropy: bytes) -> str:
    """`GWK` + 34 base32 letters from 21 random bytes.

    Longer than a vendor's 20 letters on purpose: the secret is sealed under this id, so the id itself has to be
    impossible to guess.
    """
    return "GWK" + _encode(int.from_bytes(entropy), 34, _UPPER)


def secret_access_key(entropy: bytes) -> str:
    """43 base58 characters from 31 random bytes."""
    return _encode(int.from_bytes(entropy), 43)
