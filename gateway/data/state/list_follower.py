"""Owns the follower of a revocation list that another program maintains, beside the feed of the state.

Refuses to own the reading (`gateway.stores.revocation_file`) and the look-up (`gateway.core.revocation`).

Laws: revocations are facts, so what was listed once stays in force until the process ends, whatever later lists leave
out. A list is as old as it says, and past the operator's bound nothing is decided without a newer one: its age enters
the view's so that both are too old at the same number.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Final, Protocol

import structlog

from gateway.core.reasons import SettingsError
from gateway.core.revocation import MAX_VIEW_AGE, FeedEntry, RevocationView

_log = structlog.get_logger("gateway")
_LOOK_SECONDS: Final = 30.0
"""How often the list is read even if no change of it was noticed."""


class RevocationList(Protocol):
    """A list that another program maintains. `count` is how many entries it had when it was last read."""

    @property
    def count(self) -> int: ...

    async def read(self, take: Callable[[Sequence[FeedEntry]], None]) -> float:
        """Give what is new to `take`; returns when the list was complete, in seconds since the epoch.

        Raises:
            SettingsError: it cannot be read or is wrong; nothing was taken.
        """
        ...


class ListFollower:
    """Keeps `view` true to a list. `max_age` is in seconds, `clock` gives seconds since the epoch."""

    def __init__(
        self,
        source: RevocationList,
        max_age: float,
        on_entries: Callable[[Sequence[FeedEntry]], None],
        *,
        clock: Callable[[], float],
    ) -> None:
        self.view = RevocationView()
        self._source = source
        self._max_age = max_age
        self._on_entries = on_entries
        self._clock = clock
        self._as_of = 0.0
        self._reported: tuple[str, ...] = ()
        self._news = asyncio.Event()

    @property
    def age(self) -> float:
        """Seconds since the list was complete."""
        return max(0.0, self._clock() - self._as_of)

    @property
    def view_age(self) -> float:
        """The age as the view counts it: `MAX_VIEW_AGE` when the list has reached its own bound."""
        return max(0.0, self.age - self._max_age + MAX_VIEW_AGE)

    async def load(self) -> None:
        """Read the list, and take in what is new.

        Raises:
            SettingsError: it cannot be read or is wrong; nothing has changed.
        """
        before = self._source.count
        self._as_of = max(self._as_of, await self._source.read(self._take))
        if self._source.count < before:
            _log.warning(
                "the revocation list has become shorter: what is missing stays revoked until a restart",
                missing=before - self._source.count,
            )

    def note(self) -> None:
        """The list has changed: it is read as soon as `run` comes to it."""
        self._news.set()

    async def run(self) -> None:
        """Read whenever there is news, until cancelled. A list that is wrong changes nothing and is logged once."""
        while True:
            try:
                async with asyncio.timeout(_LOOK_SECONDS):
                    await self._news.wait()
            except TimeoutError:
                pass
            self._news.clear()
            try:
                await self.load()
            except SettingsError as failure:
                if failure.faults != self._reported:
                    _log.error("revocation list refused: nothing has changed", faults=list(failure.faults))
                self._reported = failure.faults
                continue
            if self._reported:
                _log.info("the revocation list is in order again", entries=self._source.count)
            self._reported = ()

    def _take(self, entries: Sequence[FeedEntry]) -> None:
        self.view.apply(entries)
        self._on_entries(entries)
