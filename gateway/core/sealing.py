"""Owns how a wrapped secret tells its sealing key, and the interfaces of sealing, resealing and the book of such keys.

Refuses to own ciphers and keys (`gateway.stores.keyring`).

Law: a number stands for one key for good. The mark tells two keys apart and tells nothing else about either.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol, runtime_checkable

from gateway.core.values import dataclass

NONCE_BYTES: Final = 12
"""The nonce of AES-GCM."""

_FORM: Final = b"\x02"
"""A key's secret under its access key id alone begins with 1 (`gateway.stores.seal`)."""

_NUMBER_BYTES: Final = 2
WRAPPED_HEAD: Final = len(_FORM) + _NUMBER_BYTES

UNSEALED: Final = 0
"""The number that says: some of what is stored may be under no sealing key at all."""


def wrapped_head(number: int) -> bytes:
    """What a secret that is wrapped under this key begins with. Raises ValueError for a number that no key has."""
    if not UNSEALED < number < 1 << 8 * _NUMBER_BYTES:
        raise ValueError("a sealing key's number is from 1 to 65535")
    return _FORM + number.to_bytes(_NUMBER_BYTES)


def number_of(stored: bytes) -> int:
    """Under which key a stored secret is; `UNSEALED` for one that is not wrapped."""
    return int.from_bytes(stored[len(_FORM) : WRAPPED_HEAD]) if stored.startswith(_FORM) else UNSEALED


class Sealer(Protocol):
    """Keeps a key's secret so that only who presents the access key id can open it."""

    def seal(self, access_key_id: str, secret: str, nonce: bytes) -> bytes: ...

    def open(self, access_key_id: str, sealed: bytes) -> str: ...


@runtime_checkable
class SealBook(Protocol):
    """Where a store of grants keeps the numbers and marks of the sealing keys that it was opened with.

    Implementations raise `DependencyDown("grants")` when they cannot answer.
    """

    async def seals(self) -> Mapping[int, str]:
        """Every number that was noted and not forgotten, with its mark."""
        ...

    async def note_seal(self, number: int, mark: str) -> str:
        """Remember a number, durably; returns the mark that stands, which is the first one that was noted for it."""
        ...

    async def forget_seal(self, number: int) -> None:
        """Nothing that is stored is under this number any more."""
        ...


@dataclass(frozen=True, slots=True)
class Resealed:
    """What one batch did. `cursor` continues it, None at the end; what stayed `unreadable` needs a key that is gone."""

    examined: int
    resealed: int
    unreadable: int
    cursor: str | None


class Resealer(Protocol):
    """Brings what is stored under the sealing key that is in force."""

    async def reseal(self, cursor: str | None, limit: int) -> Resealed:
        """One batch of grants, newest first.

        Raises:
            ValueError: the cursor was not given by an earlier batch.
            DependencyDown: the store cannot answer.
        """
        ...
