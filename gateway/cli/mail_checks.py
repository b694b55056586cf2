"""Owns the doctor's trial of the way by which mails are sent: name, connection, TLS, login.

Refuses to own the conversation with a mail server (`gateway.mail.smtp`).

Law: nothing is sent to anybody.
"""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway.core.finding import Finding
from gateway.core.mail import MailHook, MailServer
from gateway.core.reasons import UpstreamFailed

if TYPE_CHECKING:
    from gateway.settings.mail import MailSettings


async def examine_mail(mail: MailSettings) -> list[Finding]:
    """Whether the server would take a mail from us; nothing where no mail is sent."""
    match mail.way:
        case MailServer() as server:
            return [await _try_server(server)]
        case MailHook() as hook:
            return [await _try_hook(hook)]
        case None:
            return []


async def _try_server(server: MailServer) -> Finding:
    from gateway.mail.smtp import SmtpMailer

    try:
        name = await SmtpMailer(server).try_login()
    except UpstreamFailed as failure:
        return Finding("mail", "smtp", False, f"{server.host}:{server.port}: {failure.detail}")
    way = {"tls": "over TLS", "starttls": "over TLS", "plain": "in clear"}[server.security]
    login = "without a login" if server.user is None else "logged in"
    return Finding("mail", "smtp", True, f"{server.host}:{server.port}: {name} answers {way}, {login}")


async def _try_hook(hook: MailHook) -> Finding:
    """A connection is all that can be tried: whatever is posted there is a mail."""
    parts = urlsplit(hook.url)
    secure = parts.scheme == "https"
    context = ssl.create_default_context(cafile=hook.ca_file) if secure else None
    host, port = parts.hostname or "", parts.port or (443 if secure else 80)
    try:
        async with asyncio.timeout(hook.timeout):
            _, writer = await asyncio.open_connection(host, port, ssl=context)
    except (OSError, TimeoutError) as failure:
        return Finding("mail", "webhook", False, f"{host}:{port}: {str(failure) or type(failure).__name__}")
    writer.close()
    return Finding("mail", "webhook", True, f"{host}:{port}: accepts connections; nothing was posted")
