"""Owns the way of a code from whoever asked for it to their mailbox: written as a mail, handed to the outbox.

Refuses to own what a mail says (`gateway.pages.mails`), how it is sent (`gateway.mail`), and who gets a code
(`gateway.data.links.codes`).

Law: whether somebody gets a mail is not told by time: one is written for nobody, too, and none is begun to be sent
before the answer has long left.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from secrets import randbelow
from typing import Final

from gateway.core.holder_pass import CODE_SECONDS
from gateway.core.reasons import Reason, Refused
from gateway.mail.outbox import Outbox
from gateway.pages.mails import code_mail
from gateway.pages.render import Look

_NOBODY: Final = "nobody@mail.invalid"
_MINUTES: Final = int(CODE_SECONDS / 60)
_SOON: Final = 100, 400
"""Milliseconds until a mail is handed on. To send it is work for this process, which whoever asked could feel."""


class CodeMailer:
    """A `gateway.data.plane.SendCode` that hands its mails to an outbox."""

    def __init__(self, outbox: Outbox, later: Callable[[float, Callable[[], None]], object] | None = None) -> None:
        """`later` is the loop's own, unless a test has another."""
        self._outbox = outbox
        self._later = later

    async def __call__(self, address: str | None, code: str, look: Look) -> None:
        """Raises Refused(DEPENDENCY_DOWN) where there is no way to send mail, for whomever it is."""
        if self._outbox.mailer is None:
            raise Refused(Reason.DEPENDENCY_DOWN, "no way to send mail is configured")
        mail = code_mail(look, address or _NOBODY, code, _MINUTES)
        later = self._later or asyncio.get_running_loop().call_later
        first, last = _SOON
        later((first + randbelow(last - first)) / 1000, lambda: None if address is None else self._outbox.take(mail))
