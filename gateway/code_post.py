"""Owns the way of a code from whoever asked for it to their mailbox: written as a mail, handed to the outbox.

Refuses to own what a mail says (`gateway.pages.mails`), how it is sent (`gateway.mail`), and who gets a code
(`gateway.data.links.holders`).

Law: a mail is written for nobody, too. To write one takes time, which would tell whether somebody gets it.
"""

from __future__ import annotations

from typing import Final

from gateway.core.holder_pass import CODE_SECONDS
from gateway.core.reasons import Reason, Refused
from gateway.mail.outbox import Outbox
from gateway.pages.mails import code_mail
from gateway.pages.render import Look

_NOBODY: Final = "nobody@mail.invalid"
_MINUTES: Final = int(CODE_SECONDS / 60)


class CodePost:
    """A `gateway.data.plane.PostCode` before an outbox."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox

    async def __call__(self, address: str | None, code: str, look: Look) -> None:
        """Raises Refused(DEPENDENCY_DOWN) where there is no way to send mail, for whomever it is."""
        if self._outbox.mailer is None:
            raise Refused(Reason.DEPENDENCY_DOWN, "no way to send mail is configured")
        mail = code_mail(look, address or _NOBODY, code, _MINUTES)
        if address is not None:
            await self._outbox.send(mail)
