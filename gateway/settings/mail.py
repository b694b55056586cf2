"""Owns what `mail` may say: by what way people are sent mails that they need to open a link.

Refuses to own sending them (`gateway.mail`) and what they say.

Law: what is sent holds codes, so nobody reads along on the way unless the file says so: TLS, except on this machine.
"""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, PlainValidator, StrictBool, StrictInt, WithJsonSchema, model_validator

from gateway.core.attempt import is_address, is_guarded, is_loopback
from gateway.core.holders import parse_address
from gateway.core.mail import MailHook, MailServer, Security
from gateway.core.names import is_shown
from gateway.schema.addresses import HostName
from gateway.schema.quantities import Duration
from gateway.settings.entry import Section
from gateway.settings.files import Authorities
from gateway.settings.secret import SecretRef

_PORTS: Final = {"tls": 465, "starttls": 587, "plain": 25}
_LONGEST_WAIT: Final = 60.0
_SHORTEST_SECRET: Final = 16
_SENDER: Final = re.compile(r'"?([^<>@"]{1,100}?)"?[ ]*<([^<>@]+)@([^<>@]+)>|([^<>@]+)@([^<>@]+)')
_HOST: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?:\.[a-z0-9-]{1,63})*", re.ASCII)


def _parse_sender(value: object) -> tuple[str, str]:
    """The name and the address, its domain in ASCII."""
    read = _SENDER.fullmatch(value if isinstance(value, str) else "")
    name, local, domain = ("", "", "") if read is None else (read[1] or "", read[2] or read[4], read[3] or read[5])
    try:
        address = parse_address(f"{local}@{domain}")
    except ValueError:
        address = ""
    if not address or not all(map(is_shown, name)):
        raise ValueError("is not one address: write files@example.com, or Name <files@example.com>")
    return name, address


def _parse_host(value: object) -> str:
    if not isinstance(value, str) or not (is_address(value) or _HOST.fullmatch(value.lower())):
        raise ValueError("must be the name or the address of a server like mx.example.com, without a port")
    return value.lower()


def _check_hook(value: str) -> str:
    parts = urlsplit(value)
    if not (parts.hostname and is_guarded(value)):
        raise ValueError("must be an https URL: what is posted there holds codes")
    if parts.username is not None or parts.password is not None:
        raise ValueError("must be an https URL without user name and password")
    return value


def _check_wait(value: float) -> float:
    if value > _LONGEST_WAIT:
        raise ValueError(f"is longer than {_LONGEST_WAIT:g}s, and the person waits for a code")
    return value


Sender = Annotated[
    tuple[str, str],
    PlainValidator(_parse_sender),
    WithJsonSchema({"type": "string", "examples": ["Acme <files@acme.example>"]}),
]
Host = Annotated[str, PlainValidator(_parse_host), WithJsonSchema({"type": "string", "examples": ["mx.example.com"]})]
Wait = Annotated[Duration, AfterValidator(_check_wait)]


class SmtpSettings(Section):
    """An SMTP server that takes mails for everybody (a relay, or a submission server with a login)."""

    host: Host
    port: Annotated[StrictInt, Field(ge=1, le=65535)] | None = None
    """Left out, 587 with `starttls`, 465 with `tls`, 25 with `plain`."""
    security: Security = "starttls"
    """`starttls` and `tls` check the certificate; `plain` is for a server on this machine."""
    accept_plain: StrictBool = False
    """With `security: plain`: send codes over a network where they can be read."""
    sender: Annotated[Sender, Field(alias="from")]
    """From whom the mails are: `files@acme.example`, or `Acme <files@acme.example>`."""
    user: Annotated[str, Field(min_length=1, max_length=256)] | None = None
    password: SecretRef | None = None
    domain: HostName | None = None
    """Where ids of messages are from, and what this side calls itself; left out, the domain of `from`."""
    ca_file: Authorities | None = None
    """Certificate authorities to trust instead of the system's, PEM."""
    timeout: Wait = 20.0
    """For one mail, from connecting to its last byte."""

    @model_validator(mode="after")
    def _require_privacy(self) -> SmtpSettings:
        if (self.user is None) != (self.password is None):
            raise ValueError("has a user without a password, or a password without a user")
        if self.security == "plain" and not is_loopback(self.host) and not self.accept_plain:
            raise ValueError(
                "sends codes over a network where they can be read: use security: starttls or tls, "
                "or write accept_plain: true"
            )
        return self

    @property
    def way(self) -> MailServer:
        name, address = self.sender
        return MailServer(
            host=self.host,
            port=self.port or _PORTS[self.security],
            security=self.security,
            name=name,
            address=address,
            domain=self.domain or address.rpartition("@")[2],
            user=self.user,
            password=None if self.password is None else self.password.resolve(),
            ca_file=None if self.ca_file is None else str(self.ca_file),
            timeout=self.timeout,
        )


class HookSettings(Section):
    """A program of yours that sends mails: it is posted each one as JSON, signed as Standard Webhooks has it."""

    url: Annotated[str, AfterValidator(_check_hook)]
    secret: SecretRef
    """Signs what is posted: at least 16 characters, or `whsec_` and base64."""
    ca_file: Authorities | None = None
    timeout: Wait = 10.0

    @model_validator(mode="after")
    def _require_key(self) -> HookSettings:
        secret = self.secret.resolve()
        if len(secret) < _SHORTEST_SECRET:
            raise ValueError(f"has a secret of fewer than {_SHORTEST_SECRET} characters")
        if secret.startswith("whsec_"):
            try:
                b64decode(secret.removeprefix("whsec_"), validate=True)
            except ValueError:
                raise ValueError("has a secret that begins with whsec_ and goes on with no base64") from None
        return self

    @property
    def way(self) -> MailHook:
        return MailHook(
            url=self.url,
            secret=self.secret.resolve(),
            ca_file=None if self.ca_file is None else str(self.ca_file),
            timeout=self.timeout,
        )


class MailSettings(Section):
    """How mails are sent: by an SMTP server, or by a program of yours. Without one of the two, none is."""

    smtp: SmtpSettings | None = None
    webhook: HookSettings | None = None

    @model_validator(mode="after")
    def _require_one(self) -> MailSettings:
        if self.smtp is not None and self.webhook is not None:
            raise ValueError("says how mails are sent in two ways: write smtp, or webhook")
        return self

    @property
    def way(self) -> MailServer | MailHook | None:
        chosen = self.smtp or self.webhook
        return None if chosen is None else chosen.way
