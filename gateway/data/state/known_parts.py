"""Owns which parts of unfinished uploads this process has seen, so that a step lists only those behind them.

Refuses to own what the store holds (`gateway.data.tus.store`): each step asks it all the same.

Laws: what is known of an upload is its beginning, without a gap, as the store has listed or taken it. Until the upload
ends no part of it goes, and none changes its size. One may have been sent again, through any gateway, and have another
entity tag since then: the store says so when it is to complete the object, and then all are listed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from cachetools import LRUCache

from gateway.wire.s3.multipart import MAX_PARTS, Part

_MOST: Final = MAX_PARTS + MAX_PARTS // 4
"""Parts of all uploads together, some two hundred bytes each: the largest upload has a place."""


class KnownParts:
    """Those of the uploads that came last."""

    def __init__(self, most: int = _MOST) -> None:
        self._known: LRUCache[tuple[str, str], list[Part]] = LRUCache(most, getsizeof=_weight)

    def of(self, upload: str, parts_id: str) -> Sequence[Part]:
        """The beginning of an upload, possibly nothing; `parts_id` is the store's own name of it."""
        return self._known.get((upload, parts_id), ())

    def keep(self, upload: str, parts_id: str, parts: list[Part]) -> None:
        """Know these, and what is added to the list."""
        self._known[upload, parts_id] = parts


def _weight(parts: Sequence[Part]) -> int:
    return 1 + len(parts)
