"""Owns handing a mail to a program of the operator's that sends it: one signed JSON document by POST.

Refuses to own trying again and waiting (`gateway.mail.outbox`).

Laws: the document is signed together with its id and its time, so that a receiver can tell it from a forged, changed or
repeated one. No redirect is followed, no address of a cloud's metadata is dialled, and nothing of the answer but its
status is read.
Source: Standard Webhooks 1.0 (standardwebhooks.com), for which receivers have libraries.
"""

from __future__ import annotations

import asyncio
import hmac
import json
import socket
import ssl
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from hashlib import sha256
from typing import Any, Final

import aiohttp

from gateway.certificate_fault import certificate_fault
from gateway.core.egress import refuse_reason
from gateway.core.mail import Mail, MailHook
from gateway.core.reasons import Reason, UpstreamFailed

_LATER: Final = frozenset({408, 425, 429})
"""Statuses of the 4xx class that say: not now."""


def sign_document(secret: str, name: str, at: int, body: bytes) -> str:
    """What stands in `webhook-signature`. A secret that begins with `whsec_` is base64 behind it."""
    key = b64decode(secret.removeprefix("whsec_")) if secret.startswith("whsec_") else secret.encode()
    signed = hmac.digest(key, f"{name}.{at}.".encode() + body, sha256)
    return f"v1,{b64encode(signed).decode()}"


class WebhookMailer:
    """A `Mailer`."""

    def __init__(self, hook: MailHook, clock: Callable[[], float] = time.time) -> None:
        self._hook = hook
        self._clock = clock
        self._trust: ssl.SSLContext | None = None

    async def send(self, mail: Mail) -> None:
        """See `Mailer`."""
        said = {"type": "mail", "to": mail.to, "subject": mail.subject, "text": mail.text, "language": mail.language}
        body, at = json.dumps(said).encode(), int(self._clock())
        headers = {
            "Content-Type": "application/json",
            "webhook-id": mail.id,
            "webhook-timestamp": str(at),
            "webhook-signature": sign_document(self._hook.secret, mail.id, at, body),
        }
        try:
            status = await self._post(body, headers)
        except TimeoutError:
            raise UpstreamFailed(Reason.UPSTREAM_TIMED_OUT, "the webhook did not answer in time") from None
        except (aiohttp.ClientError, OSError, ValueError) as failure:
            fault = certificate_fault(failure) or type(failure).__name__
            detail = f"the webhook cannot be reached ({fault})"
            raise UpstreamFailed(Reason.UPSTREAM_UNREACHABLE, detail) from None
        if not 200 <= status < 300:
            for_good = status < 500 and status not in _LATER
            reason = Reason.UPSTREAM_REFUSED if for_good else Reason.UPSTREAM_BROKE
            raise UpstreamFailed(reason, f"the webhook answered {status}")

    async def _post(self, body: bytes, headers: dict[str, str]) -> int:
        hook = self._hook
        if self._trust is None:  # beside the loop: the system's authorities take tens of milliseconds
            self._trust = await asyncio.to_thread(ssl.create_default_context, cafile=hook.ca_file)
        connector = aiohttp.TCPConnector(
            limit=1,
            force_close=True,
            ssl=self._trust,
            socket_factory=_open_socket,
        )
        timeout = aiohttp.ClientTimeout(total=hook.timeout)
        async with (
            aiohttp.ClientSession(connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session,
            session.post(hook.url, data=body, headers=headers, allow_redirects=False) as answer,
        ):
            return answer.status


def _open_socket(found: Any) -> socket.socket:
    """The socket for an address that a name led to, or none: it is the address dialled that counts."""
    family, kind, protocol, _, address = found
    if why := refuse_reason(str(address[0])):
        raise OSError(why)
    return socket.socket(family, kind, protocol)
