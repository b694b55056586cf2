"""Owns the table from names to the newest serial that revoked them, made for millions of names in one process.

Refuses to own what a name stands for and what a serial decides (`gateway.core.revocation`).

Laws: a name that was put in is always found, with its greatest serial; nothing is ever taken out. Nearly every name
that is asked for was never put in, and learning that costs one look at one byte.

A name is kept as its 64-bit hash, which is keyed afresh in every process, with the serial beside it: sixteen bytes,
where a dict of texts takes a hundred and fifty. Two names share a hash once in 2**64 pairs, so this process would
refuse a living link by mistake once in 2**44 links, were a million others revoked.
"""

from __future__ import annotations

from array import array
from itertools import combinations
from typing import Final

_SHARDS: Final = 256
_SMALLEST: Final = 4
"""Slots of a new shard, two words each. A shard grows alone, so that no revocation waits for a million to move."""

_BYTES_EACH: Final = 4
"""Bytes of the filter a name at least. In one of them it sets three bits, so one name in a hundred is looked for in
vain at most, and mostly one in two hundred."""

_MARKS: Final = (bytes(sum(1 << bit for bit in bits) for bits in combinations(range(8), 3)) * 2)[:64]
"""64 ways to set three bits of a byte."""


class Generations:
    """The newest serial (above 0) of each name. `newest` is the greatest of all, 0 while there is none."""

    __slots__ = ("_count", "_counts", "_filter", "_last", "_shards", "newest")

    def __init__(self) -> None:
        self.newest = 0
        self._count = 0
        self._counts = [0] * _SHARDS
        self._shards: list[array[int]] = [_slots(1)] * _SHARDS  # one for all, until they are written to
        self._filter = bytearray(64)
        self._last = len(self._filter) - 1

    def of(self, name: str) -> int:
        """The newest serial of a name, or 0."""
        key = hash(name) or 1  # a free slot's key is 0, and so is the hash of the empty name
        mark = _MARKS[key >> 58 & 63]
        if self._filter[key & self._last] & mark != mark:
            return 0
        shard = self._shards[key >> 50 & 255]
        return shard[_place(shard, key) + 1]

    def put(self, name: str, serial: int) -> None:
        """Remember that this name was revoked at this serial, if it was not later."""
        key = hash(name) or 1
        self._mark(key)
        number = key >> 50 & 255
        shard = self._shards[number]
        at = _place(shard, key)
        if not shard[at]:
            if 3 * self._counts[number] >= len(shard) - 2:  # always leaves a free slot, where a search ends
                shard = self._shards[number] = _grown(shard)
                at = _place(shard, key)
            shard[at] = key
            self._counts[number] += 1
            self._count += 1
        shard[at + 1] = max(shard[at + 1], serial)
        self.newest = max(self.newest, serial)
        if self._count * _BYTES_EACH > len(self._filter):
            self._widen()

    def __len__(self) -> int:
        return self._count

    def _mark(self, key: int) -> None:
        self._filter[key & self._last] |= _MARKS[key >> 58 & 63]

    def _widen(self) -> None:
        """Four times the filter. Rare: the tenth time is at half a million names, and takes a tenth of a second."""
        self._filter = bytearray(4 * len(self._filter))
        self._last = len(self._filter) - 1
        for shard in self._shards:
            for key in shard[::2]:
                if key:
                    self._mark(key)


def _slots(count: int) -> array[int]:
    return array("q", bytes(16 * count))


def _place(shard: array[int], key: int) -> int:
    """Where this key stands, or the free slot where it belongs. A free slot's key is 0."""
    last = len(shard) - 2
    at = key << 1 & last
    while (found := shard[at]) and found != key:
        at = (at + 2) & last
    return at


def _grown(shard: array[int]) -> array[int]:
    """The same in twice the room."""
    grown = _slots(max(_SMALLEST, len(shard)))
    for at in range(0, len(shard), 2):
        if shard[at]:
            place = _place(grown, shard[at])
            grown[place], grown[place + 1] = shard[at], shard[at + 1]
    return grown
