"""Owns what a mail is, by what way one is sent, and who sends it.

Refuses to own sending (`gateway.mail`), the words of a mail (`gateway.pages.mails`), what an address is, and who may be
sent one (`gateway.core.holders`).

Law: a `Mail` that exists is to one person, and neither its address nor its subject ends a line: whoever writes it into
a header writes one header.
"""

from __future__ import annotations

from dataclasses import field
from typing import Final, Literal, Protocol

from gateway.core.holders import parse_address
from gateway.core.names import is_shown
from gateway.core.values import dataclass

Security = Literal["tls", "starttls", "plain"]

_LONGEST_SUBJECT: Final = 200
_LONGEST_TEXT: Final = 20_000


def shown_address(address: str, level: Literal["full", "short", "none"]) -> str:
    """As much of an address for mail as the log may show: all of it, its domain, or nothing."""
    return {"full": address, "short": "…@" + address.rpartition("@")[2], "none": ""}[level]


@dataclass(frozen=True, slots=True)
class Mail:
    """A text to one person. Its repr shows neither the text, which may hold a code, nor whom it is to.

    `id` is the same at each attempt to send it, so that a receiver knows a second copy.

    Raises:
        ValueError: the address is none, or the subject would end its line.
    """

    to: str = field(repr=False)
    subject: str
    text: str = field(repr=False)
    language: str = "en"
    id: str = ""

    def __post_init__(self) -> None:
        try:
            whole = parse_address(self.to) == self.to
        except ValueError:
            whole = False
        if not whole:
            raise ValueError("is not an address for mail: write one like ann@example.com")
        if not 0 < len(self.subject) <= _LONGEST_SUBJECT or not all(map(is_shown, self.subject)):
            raise ValueError("the subject of a mail is one line")
        if not 0 < len(self.text) <= _LONGEST_TEXT:
            raise ValueError(f"the text of a mail has at most {_LONGEST_TEXT} characters")


class Mailer(Protocol):
    """Who sends mails, or takes them to be sent."""

    async def send(self, mail: Mail) -> None:
        """Send it, or hand it on.

        Raises:
            UpstreamFailed: it was not taken. UPSTREAM_REFUSED is for good; anything else may pass by. No detail holds
                the address, the text or a secret.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """An SMTP server. `name` and `address` are the sender's; the address has its domain in ASCII.

    `security` is TLS from the first byte, STARTTLS before anything is said, or none. `domain` is where ids of messages
    are from and what this side calls itself.
    """

    host: str
    port: int
    security: Security
    address: str
    domain: str
    name: str = ""
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    ca_file: str | None = None
    timeout: float = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class MailHook:
    """A place that takes mails as JSON and sends them by itself. `secret` signs what is posted there."""

    url: str
    secret: str = field(repr=False)
    ca_file: str | None = None
    timeout: float = 10.0
