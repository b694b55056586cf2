"""Owns mails between being asked for and being sent: a bounded queue, few attempts, and what became of each.

Refuses to own the way a mail takes (`gateway.mail.smtp`, `gateway.mail.webhook`) and what it says.

Laws: handing a mail in takes no time that depends on its address, its way or how many wait, and never fails: whoever
asks for one learns nothing by it. A mail that cannot be sent while it is of use is dropped, counted and told. No line
of the log holds its text.
"""

from __future__ import annotations

import asyncio
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final, Literal, Protocol

import structlog

from gateway.core.mail import Mail, Mailer
from gateway.core.reasons import Reason, UpstreamFailed
from gateway.core.values import dataclass

_log = structlog.get_logger("gateway.mail")

MOST_WAITING: Final = 1000
"""Ten minutes of one code each second or two. What comes on top is dropped: nobody waits for a code of an hour ago."""

SENDERS: Final = 4
"""Mails on their way at once, each on a connection of its own."""

PAUSES: Final = (5.0, 30.0, 120.0)
"""Seconds before each further attempt. Servers that have unknown senders come again ask for a minute or two."""

USEFUL: Final = 300.0
"""Seconds after which a mail is not tried again: of the ten minutes that a code is good for, half are over."""

Result = Literal["sent", "failed", "dropped"]


class MailMetrics(Protocol):
    def count_mail(self, result: Result) -> None:
        """One mail was sent, was refused or tried in vain, or did not fit."""

    def set_mails_waiting(self, count: int) -> None:
        """So many are queued or on their way."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    mail: Mail
    since: float
    attempt: int = 1


class Outbox:
    """A `Mailer` that takes everything at once and sends it later, as long as `run` runs.

    `mailer` may be assigned at any time; None is no way to send. `shown` makes of an address what the log may show.
    """

    def __init__(
        self,
        mailer: Mailer | None,
        metrics: MailMetrics,
        shown: Callable[[str], str],
        *,
        monotonic: Callable[[], float] = time.monotonic,
        later: Callable[[float, Callable[..., None], Any], object] | None = None,
    ) -> None:
        self.mailer = mailer
        self._metrics = metrics
        self._shown = shown
        self._monotonic = monotonic
        self._later = later
        self._queue: asyncio.Queue[_Waiting] = asyncio.Queue()
        self._held = self._paused = 0

    @property
    def busy(self) -> bool:
        """Whether any mail is queued or on its way. What waits to be tried again is not waited for."""
        return self._held > self._paused

    async def send(self, mail: Mail) -> None:
        """See `Mailer`. Never raises."""
        self.take(mail)

    def take(self, mail: Mail) -> None:
        """The same."""
        if self.mailer is None or self._held >= MOST_WAITING:
            why = "no way to send is configured" if self.mailer is None else "too many are waiting"
            self._end(mail, "dropped", why, held=0)
            return
        self._held += 1
        self._metrics.set_mails_waiting(self._held)
        self._queue.put_nowait(_Waiting(replace(mail, id=mail.id or secrets.token_hex(16)), self._monotonic()))

    async def run(self) -> None:
        """Send until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(SENDERS):
                    group.create_task(self._send_for_ever())
        finally:
            if self._held:
                _log.warning("mails were left unsent", count=self._held)

    async def _send_for_ever(self) -> None:
        while True:
            await self._try(await self._queue.get())

    async def _try(self, waiting: _Waiting) -> None:
        mail, mailer = waiting.mail, self.mailer
        if mailer is None or self._monotonic() - waiting.since > USEFUL:
            self._end(mail, "dropped", "it waited for too long")
            return
        try:
            await mailer.send(mail)
        except UpstreamFailed as failure:
            if failure.reason is Reason.UPSTREAM_REFUSED or waiting.attempt > len(PAUSES):
                self._end(mail, "failed", failure.detail, attempt=waiting.attempt)
            else:
                self._try_later(waiting, failure)
        except Exception as failure:  # noqa: BLE001 (whatever one mail does to a library, the next ones are sent)
            self._end(mail, "failed", type(failure).__name__, attempt=waiting.attempt)
        else:
            self._end(mail, "sent", attempt=waiting.attempt)

    def _try_later(self, waiting: _Waiting, failure: UpstreamFailed) -> None:
        pause = PAUSES[waiting.attempt - 1]
        _log.warning(
            "a mail is tried again", id=waiting.mail.id, why=failure.detail, attempt=waiting.attempt, in_s=pause
        )
        later = self._later or asyncio.get_running_loop().call_later
        self._paused += 1
        later(pause, self._again, replace(waiting, attempt=waiting.attempt + 1))

    def _again(self, waiting: _Waiting) -> None:
        self._paused -= 1
        self._queue.put_nowait(waiting)

    def _end(self, mail: Mail, result: Result, why: str = "", *, attempt: int = 0, held: int = 1) -> None:
        self._held -= held
        self._metrics.count_mail(result)
        self._metrics.set_mails_waiting(self._held)
        tell = _log.info if result == "sent" else _log.error
        more = {"why": why} if why else {}
        tell(f"a mail was {result}", id=mail.id, to=self._shown(mail.to), attempt=attempt, **more)
