"""Owns the list of revocations that somebody else keeps, in a running gateway: opened, watched, and read again.

Refuses to own what a list says (`gateway.stores.revocation_file`), what it ends (`gateway.data.state.list_follower`),
and who is told (`gateway.app`).

Law: what a list says holds within a second. A change is read when it is first seen, and not only once the file rests:
half of a list is no list, and changes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

from gateway.core.revocation import FeedEntry
from gateway.data.state.list_follower import ListFollower
from gateway.settings.state import ListSettings
from gateway.settings.watch import watch
from gateway.stores.revocation_file import RevocationFile


class ListedRevocations:
    """The list that the settings name; its new entries go to `take`."""

    def __init__(self, listed: ListSettings, take: Callable[[Sequence[FeedEntry]], None]) -> None:
        self._file = RevocationFile(listed.file, clock=time.time)
        self.follower = ListFollower(self._file, listed.max_age, take, clock=time.time)

    async def open(self) -> None:
        """Read it for the first time. Raises SettingsError: it cannot be read or is wrong."""
        self._file.settle()
        await self.follower.load()

    def work(self) -> Sequence[tuple[str, Coroutine[Any, Any, None]]]:
        """What has to run as long as the gateway does, each part with its name."""
        return (
            ("revocation list", self.follower.run()),
            ("list's watch", watch(self._file, self._note_change, most_looks=1)),
        )

    def _note_change(self) -> None:
        self._file.settle()
        self.follower.note()
