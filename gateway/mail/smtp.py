"""Owns the conversation with an SMTP server: connecting, TLS, signing in, handing one mail over.

Refuses to own what a mail looks like (`gateway.mail.message`), trying again and waiting (`gateway.mail.outbox`).

Laws: where TLS is wanted nothing but the wish for it is said before. Everything together has one deadline. What a
server answers is told by its numbers alone: its words may hold the address.
Sources: RFC 5321 (SMTP), RFC 3207 (STARTTLS), RFC 3463 (enhanced codes), RFC 8314 (TLS from the first byte).
"""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Final

from aiosmtplib import SMTP
from aiosmtplib.errors import (
    SMTPAuthenticationError,
    SMTPException,
    SMTPRecipientsRefused,
    SMTPResponseException,
    SMTPTimeoutError,
)

from gateway.core.mail import Mail, MailServer
from gateway.core.reasons import Reason, UpstreamFailed
from gateway.mail.message import write_message

_PARTING: Final = 2.0
_ENHANCED: Final = re.compile(r"\b[245]\.\d{1,3}\.\d{1,3}\b")


class SmtpMailer:
    """A `Mailer`. Each mail has a connection of its own: codes are few, and servers close idle ones soon."""

    def __init__(self, server: MailServer, clock: Callable[[], float] = time.time) -> None:
        self._server = server
        self._clock = clock
        self._trust: ssl.SSLContext | None = None

    async def send(self, mail: Mail) -> None:
        """See `Mailer`."""
        message = write_message(mail, self._server, self._clock())
        async with self._connected() as client:
            await client.send_message(message, sender=self._server.address, recipients=[mail.to])

    async def try_login(self) -> str:
        """How the server calls itself, once it has taken everything that comes before a mail.

        Raises:
            UpstreamFailed: it has not.
        """
        async with self._connected() as client:
            await client.noop()
            greeting = client.last_ehlo_response
            return "" if greeting is None else greeting.message.partition("\n")[0][:100]

    async def _trusted(self) -> ssl.SSLContext:
        """Whom to believe, read once and beside the loop: the system's authorities take tens of milliseconds."""
        if self._trust is None:
            self._trust = await asyncio.to_thread(ssl.create_default_context, cafile=self._server.ca_file)
        return self._trust

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[SMTP]:
        server = self._server
        client = SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            local_hostname=server.domain,
            timeout=server.timeout,
            use_tls=server.security == "tls",
            start_tls=server.security == "starttls",
            tls_context=None if server.security == "plain" else await self._trusted(),
        )
        try:
            async with asyncio.timeout(server.timeout):
                await client.connect()
                yield client
            with suppress(SMTPException, OSError):  # what was handed over is the server's, however it parts
                await client.quit(timeout=_PARTING)
        except (SMTPException, OSError, ValueError) as failure:
            raise _told(failure) from None
        finally:
            client.close()


def _told(failure: Exception) -> UpstreamFailed:
    """A failure without the server's words."""
    match failure:
        case SMTPRecipientsRefused(recipients=[refused, *_]):
            return _told(refused)
        case SMTPAuthenticationError(code=code):
            return UpstreamFailed(Reason.UPSTREAM_REFUSED, f"the mail server refused the login ({code})")
        case SMTPResponseException(code=code, message=message):
            found = _ENHANCED.search(message)
            reason = Reason.UPSTREAM_REFUSED if 500 <= code < 600 else Reason.UPSTREAM_BROKE
            return UpstreamFailed(reason, f"the mail server answered {code}{f' {found[0]}' if found else ''}")
        case SMTPException() if type(failure) is SMTPException and failure.__cause__ is None:  # the library's own words
            return UpstreamFailed(Reason.UPSTREAM_REFUSED, f"the mail server does not do what is asked: {failure}")
        case SMTPTimeoutError() | TimeoutError():
            return UpstreamFailed(Reason.UPSTREAM_TIMED_OUT, "the mail server did not answer in time")
        case ssl.SSLCertVerificationError():
            return UpstreamFailed(
                Reason.UPSTREAM_UNREACHABLE, f"the mail server's certificate: {failure.verify_message}"
            )
        case SMTPException() if isinstance(failure.__cause__, ssl.SSLError):
            return _told(failure.__cause__)
        case _:
            detail = f"the mail server cannot be reached ({type(failure).__name__})"
            return UpstreamFailed(Reason.UPSTREAM_UNREACHABLE, detail)
