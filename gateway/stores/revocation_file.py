"""Owns the file in which another gateway's revocations are listed: reading it, and telling whether it is another one.

Refuses to own its form (`gateway.core.revocation_list`), and when and how often it is read (`gateway.app`).

Laws: a file is read whole and checked whole before any of it counts. What was read before is recognised and not read
again, so that a long list that grows by an entry costs a moment. The event loop waits for none of it.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Final

from gateway.core.reasons import SettingsError
from gateway.core.revocation import FeedEntry
from gateway.core.revocation_list import ListText
from gateway.core.values import dataclass
from gateway.regular_file import open_regular

LARGEST: Final = 512 * 1024 * 1024
"""Bytes of a file, which is some four million entries."""


@dataclass(frozen=True, slots=True)
class _Begun:
    """How the last good file began, up to the end of its last entry. `size` is in bytes, `lines` are complete ones."""

    size: int = 0
    lines: int = 0
    digest: bytes = b""
    count: int = 0


@dataclass(frozen=True, slots=True)
class _Read:
    """One good file: its entries that were not taken yet, and what is known once they are."""

    entries: Iterator[list[FeedEntry]]
    begun: _Begun
    as_of: float


class RevocationFile:
    """A file that a person or a program writes. `clock` gives seconds since the epoch.

    `count` is how many entries the last good file had.
    """

    def __init__(self, path: Path, *, clock: Callable[[], float]) -> None:
        self.path = path
        self._clock = clock
        self._begun = _Begun()
        self._seen: object = None

    @property
    def count(self) -> int:
        return self._begun.count

    async def read(self, take: Callable[[Sequence[FeedEntry]], None]) -> float:
        """Give what is new in the file to `take`, some thousand entries at a time; returns when the list was complete.

        That is what the file says itself, else when it was last written; in seconds since the epoch.

        Raises:
            SettingsError: the file cannot be read or says something wrong. Nothing was taken.
        """
        found = await asyncio.to_thread(self._read)
        while entries := await asyncio.to_thread(next, found.entries, None):
            take(entries)
        self._begun = found.begun
        return found.as_of

    def check(self, max_age: float) -> None:
        """Read it and take nothing.

        Raises:
            SettingsError: as `read`, or it is more than `max_age` seconds old.
        """
        age = self._clock() - self._read().as_of
        if age > max_age:
            raise SettingsError(
                f"{self.path}: is {age:.0f} s old, which is more than state.revocations.max_age: everything would be "
                "refused"
            )

    # what a watch asks

    def changed(self) -> bool:
        """Whether the file is another one than at the last `settle`."""
        return self._facts() != self._seen

    def settle(self) -> None:
        """Take the file as it is now for known."""
        self._seen = self._facts()

    def _facts(self) -> object:
        try:
            facts = self.path.stat()
        except OSError:
            return None
        return self.path.resolve(), facts.st_ino, facts.st_mtime_ns, facts.st_size

    # reading

    def _read(self) -> _Read:
        """Check all of it; its entries are read a second time when they are taken, and never held all at once."""
        data, written_at = self._bytes()
        before = self._begun
        if not before.size or blake2b(memoryview(data)[: before.size]).digest() != before.digest:
            before = _Begun()
        try:
            text = data[before.size :].decode() if before.size else data.decode()
        except UnicodeDecodeError as fault:
            line = data.count(b"\n", 0, before.size + fault.start) + 1
            raise SettingsError(f"{self.path}:{line}: is not UTF-8") from None
        checked = self._text(text, before)
        for _ in checked.entries():
            pass
        begun = _Begun(count=before.count + checked.count)
        if begun.count and checked.leads:
            size = before.size + (checked.end if text.isascii() else len(text[: checked.end].encode()))
            digest = blake2b(memoryview(data)[:size]).digest()
            begun = _Begun(size, before.lines + text.count("\n", 0, checked.end), digest, begun.count)
        as_of = written_at if checked.as_of is None else checked.as_of
        return _Read(self._text(text, before).entries(), begun, as_of)

    def _text(self, text: str, before: _Begun) -> ListText:
        return ListText(
            text, str(self.path), self._clock(), begun=bool(before.size), lines=before.lines, before=before.count
        )

    def _bytes(self) -> tuple[bytes, float]:
        """What the file holds, and when it was written."""
        try:
            with open_regular(self.path) as file:
                facts = os.fstat(file.fileno())
                data = file.read(LARGEST + 1)
        except OSError as failure:
            raise SettingsError(f"{self.path}: {failure.strerror or failure}") from None
        if len(data) > LARGEST:
            raise SettingsError(f"{self.path}: is longer than {LARGEST // 1024 // 1024} MiB")
        return data, facts.st_mtime
