"""Owns what a mail is, which addresses one is sent to, by what way, and who sends it.

Refuses to own sending (`gateway.mail`), the words of a mail (`gateway.pages.mails`), and who may be sent one.

Law: a `Mail` that exists is to one person, and neither its address nor its subject ends a line: whoever writes it into
a header writes one header.
"""

from __future__ import annotations

import re
from dataclasses import field
from typing import Final, Literal, Protocol

from gateway.core.names import is_shown
from gateway.core.values import dataclass

Security = Literal["tls", "starttls", "plain"]

_LONGEST_ADDRESS: Final = 254
"""RFC 5321, 4.5.3.1.3: a path of 256 octets, brackets included."""

_LONGEST_LOCAL: Final = 64
_LONGEST_SUBJECT: Final = 200
_LONGEST_TEXT: Final = 20_000

_ATOM: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
_ADDRESS: Final = re.compile(rf"({_ATOM}(?:\.{_ATOM})*)@({_LABEL}(?:\.{_LABEL})*)")
"""RFC 5322, 3.4.1: a dot-atom and a domain, which is in ASCII by now. No quoted names: nobody has one."""


def check_address(text: str) -> str:
    """The address itself, if a mail can be sent there. Raises ValueError with a sentence that does not repeat it."""
    read = _ADDRESS.fullmatch(text)
    if read is None or len(text) > _LONGEST_ADDRESS or len(read[1]) > _LONGEST_LOCAL:
        raise ValueError("is not an address for mail: write one like ann@example.com")
    return text


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
        check_address(self.to)
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
