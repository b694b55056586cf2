"""Owns what is noted of requests for those that are alike (`gateway.wire.likeness`): the notes that were used last.

Refuses to own what a note says and whether it still holds (`gateway.data.plans`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Final

from gateway.core.request import RawRequest
from gateway.wire.likeness import likeness

_MOST: Final = 1024
_LONGEST: Final = 2048


class Alike:
    """Notes by what their requests have in common: 1,024 unless given."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._notes: OrderedDict[Hashable, object] = OrderedDict()

    def find(self, raw: RawRequest) -> object:
        """What was noted of an earlier request like this one, None if nothing was."""
        if not self._notes:
            return None
        key = likeness(raw)
        note = self._notes.get(key)
        if note is not None:
            self._notes.move_to_end(key)
        return note

    def keep(self, raw: RawRequest, note: object) -> None:
        """Have later requests like this one find a note."""
        if len(raw.path) + len(raw.query) + sum([len(value) for _, value in raw.headers]) > _LONGEST:
            return
        self._notes[likeness(raw)] = note
        if len(self._notes) > self._most:
            self._notes.popitem(last=False)
