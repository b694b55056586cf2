"""A real SMTP server for a test: aiosmtpd in a thread, with TLS and a login where they are asked for.

What it should not do, as an operator's or an attacker's server might, is a member of `Post`, to be set by tests.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import SMTP as POLICY
from pathlib import Path
from typing import Any, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session

__all__ = ["Post", "running_post"]

USER, PASSWORD = "files", "a password of a mail server"


@dataclass
class Post:
    """Where it is, and what it took: each mail as a message, with who it was handed over for."""

    port: int = 0
    mails: list[EmailMessage] = field(default_factory=list)
    recipients: list[str] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)
    known: list[bool] = field(default_factory=list)
    """Whether each came from somebody who had logged in."""
    answers: list[str] = field(default_factory=list)
    """To the next recipients, instead of taking them."""
    taken: Callable[[EmailMessage], None] = lambda _: None
    """Called with each mail before it is acknowledged, in the server's thread."""
    _came: threading.Condition = field(default_factory=threading.Condition)

    def wait(self, count: int = 1, seconds: float = 20.0) -> EmailMessage:
        """The newest mail, once there are so many."""
        with self._came:
            assert self._came.wait_for(lambda: len(self.mails) >= count, seconds), f"{len(self.mails)} mails came"
            return self.mails[-1]

    def wait_for(self, address: str, seconds: float = 20.0) -> EmailMessage:
        """The newest mail to this address, once there is one."""
        with self._came:
            assert self._came.wait_for(lambda: address in self.recipients, seconds), f"no mail came to {address}"
            return self.mails[len(self.recipients) - 1 - self.recipients[::-1].index(address)]

    async def handle_RCPT(  # noqa: N802 (the library's name)
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self.answers:
            return self.answers.pop(0)
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802 (the library's name)
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        content = envelope.content if isinstance(envelope.content, bytes) else b""
        message = cast("EmailMessage", message_from_bytes(content, policy=POLICY))
        self.taken(message)
        with self._came:
            self.mails.append(message)
            self.recipients += envelope.rcpt_tos
            self.encrypted.append(server.transport.get_extra_info("ssl_object") is not None)
            self.known.append(bool(session.authenticated))
            self._came.notify_all()
        return "250 2.0.0 OK"


def _check_login(server: SMTP, session: Session, envelope: Envelope, mechanism: str, login: Any) -> AuthResult:
    good = (login.login, login.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=good, handled=good)


@contextmanager
def running_post(
    certificate: tuple[Path, Path] | None = None, *, tls_first: bool = False, login: bool = False
) -> Iterator[Post]:
    """A server at a free port of this machine: with STARTTLS if there is a certificate, or TLS first."""
    post = Post()
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*certificate)
    options: dict[str, Any] = {"enable_SMTPUTF8": True, "hostname": "post.example"}
    if login:
        options |= {"authenticator": _check_login, "auth_required": not tls_first}
    if context is not None and not tls_first:
        options |= {"tls_context": context, "require_starttls": True}
    elif context is not None:
        options["auth_require_tls"] = False
    loop, ready = asyncio.SelectorEventLoop(), threading.Event()

    async def open_server() -> asyncio.Server:
        secure = context if tls_first else None
        return await loop.create_server(lambda: SMTP(post, loop=loop, **options), "127.0.0.1", 0, ssl=secure)

    async def end() -> None:
        tasks = asyncio.all_tasks(loop) - {asyncio.current_task(loop)}
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def serve() -> None:
        server = loop.run_until_complete(open_server())
        post.port = server.sockets[0].getsockname()[1]
        ready.set()
        loop.run_forever()
        server.close()
        loop.run_until_complete(end())
        loop.close()

    thread = threading.Thread(target=serve)
    thread.start()
    assert ready.wait(10)
    try:
        yield post
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
