"""Owns the types of places in a network: addresses, networks, host names, URLs, origins, mailboxes, where one binds.

Refuses to own who is believed about whose address (`gateway.settings.proxies`).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import PlainValidator, WithJsonSchema

from gateway.core.attempt import is_address, is_loopback, read_network, unmap
from gateway.core.holders import parse_address, parse_domain
from gateway.core.said import phrase

_HOST: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*", re.ASCII)
_PORT: Final = re.compile(r"[0-9]{1,5}", re.ASCII)
_ORIGIN: Final = re.compile(r"\*|(?:https?|[a-z][a-z0-9+.-]*)://(?:\*\.)?[A-Za-z0-9.\[\]:_-]+", re.ASCII)
_PATH: Final = re.compile(r"(/[A-Za-z0-9._~-]+)*", re.ASCII)
_LONGEST_NETWORK: Final = 64
_ZONE: Final = "%"
"""Before the name of an interface (RFC 4007, 11), which is this machine's own affair."""


def parse_network(value: object) -> IPv4Network | IPv6Network:
    """A network in CIDR form, by `gateway.core.attempt.read_network`. Raises ValueError for any other value."""
    if not isinstance(value, str) or len(value) > _LONGEST_NETWORK or _ZONE in value:
        raise ValueError(phrase("network_kind", "must be a network like 10.0.0.0/8, or one address"))
    try:
        return read_network(value)
    except ValueError:
        pass
    try:
        meant = ip_network(value, strict=False)
    except ValueError:
        raise ValueError(
            phrase(
                "network_form",
                "{value!r} is not a network: write CIDR form like 10.0.0.0/8, or one address",
                value=value,
            )
        ) from None
    raise ValueError(
        phrase(
            "network_bits",
            "{value!r} has address bits below its mask (did you mean '{meant}'?)",
            value=value,
            meant=meant,
        )
    )


def _parse_mailbox(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(phrase("mail_kind", "must be a mail address like ann@acme.example"))
    return parse_address(value)


def _parse_mail_domain(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError(phrase("domain_kind", "must be a domain of mail addresses like acme.example"))
    return parse_domain(value)


def _parse_peer(value: object) -> IPv4Address | IPv6Address:
    try:
        return unmap(ip_address(value if isinstance(value, str) and _ZONE not in value else ""))
    except ValueError:
        raise ValueError(phrase("address_form", "must be an IP address like 10.1.2.3")) from None


def _parse_host_name(value: object) -> str:
    if not isinstance(value, str) or not _HOST.fullmatch(value.lower()) or len(value) > 253:
        raise ValueError("must be a host name like s3.example.com, without scheme, port or wildcard")
    return value.lower()


def _check_origin(value: object) -> str:
    if not isinstance(value, str) or not _ORIGIN.fullmatch(value):
        raise ValueError("must be an origin like https://app.example.com, or *")
    return value


def parse_base_url(value: object) -> str:
    """A URL of scheme, host and port alone, without a trailing slash. The sentence never repeats the value."""
    form = "write http(s)://HOST or http(s)://HOST:PORT"
    if not isinstance(value, str):
        raise ValueError(f"must be a URL: {form}")
    try:
        parts = urlsplit(value)
        port = parts.port
        host = parts.hostname
    except ValueError:
        raise ValueError(f"is not a URL: {form}") from None
    if parts.scheme not in {"http", "https"} or not host or not value.isprintable() or " " in value:
        raise ValueError(f"is not a URL: {form}")
    if parts.username is not None or parts.password is not None:
        raise ValueError(f"holds a user name or password, which a URL here must not: {form}")
    if parts.path not in {"", "/"} or "?" in value or "#" in value:
        raise ValueError(f"has a path, query or fragment: {form}")
    if not is_address(host) and not _HOST.fullmatch(host):
        raise ValueError(f"has a host that is no name and no address: {form}")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" if port is None else f"{parts.scheme}://{shown}:{port}"


def _parse_path_url(value: object) -> str:
    """As `parse_base_url`, and a path may follow. Without a slash at its end."""
    whole = value.rstrip("/") if isinstance(value, str) else ""
    scheme, mark, rest = whole.partition("://")
    host, slash, path = rest.partition("/")
    if not _PATH.fullmatch(slash + path) or any(part in {".", ".."} for part in path.split("/")):
        raise ValueError("is not a URL: write http(s)://HOST[:PORT][/PATH], without query and fragment")
    return parse_base_url(scheme + mark + host if mark else value) + slash + path


@dataclass(frozen=True, slots=True)
class ListenAddress:
    """Where a listener binds: a host and a port, or (`path` is set) a Unix socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    @classmethod
    def parse(cls, value: object) -> ListenAddress:
        """Raises ValueError for anything but `HOST:PORT`, `[IPV6]:PORT` and `unix:/PATH`. Port 0 is "any free port"."""
        form = "write HOST:PORT like 127.0.0.1:8080 or [::1]:8080, or unix:/PATH"
        if isinstance(value, ListenAddress):
            return value
        if not isinstance(value, str):
            raise ValueError(f"must be an address: {form}")
        if value.startswith("unix:"):
            path = value.removeprefix("unix:")
            if not path.startswith("/") or len(path.encode()) > 107:
                raise ValueError("a Unix socket needs an absolute path of at most 107 bytes: write unix:/PATH")
            return cls(path=path)
        host, _, port = value.rpartition(":")
        bare = host[1:-1] if host.startswith("[") and host.endswith("]") else host
        if not bare:
            raise ValueError(f"names no host and port: {form}; for every interface 0.0.0.0:PORT or [::]:PORT")
        if not _PORT.fullmatch(port) or int(port) > 65535:
            raise ValueError(f"has no port from 0 to 65535: {form}")
        if not (is_address(bare) and (":" in bare) == (bare != host)) and not _HOST.fullmatch(host.lower()):
            raise ValueError(f"has a host that is no name and no address: {form}")
        return cls(bare.lower(), int(port))

    @property
    def is_local(self) -> bool:
        """Whether only processes of this machine (or pod) can reach it."""
        return bool(self.path) or is_loopback(self.host)

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return handler.generate_schema(Annotated[object, PlainValidator(cls.parse), _text_schema("127.0.0.1:8080")])


def _text_schema(example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "examples": [example]})


Network = Annotated[IPv4Network | IPv6Network, PlainValidator(parse_network), _text_schema("10.0.0.0/8")]
Peer = Annotated[IPv4Address | IPv6Address, PlainValidator(_parse_peer), _text_schema("192.0.2.7")]
HostName = Annotated[str, PlainValidator(_parse_host_name), _text_schema("s3.example.com")]
BaseUrl = Annotated[str, PlainValidator(parse_base_url), _text_schema("https://s3.example.com")]
PathUrl = Annotated[str, PlainValidator(_parse_path_url), _text_schema("https://files.example.com/gateway")]
MailAddress = Annotated[str, PlainValidator(_parse_mailbox), _text_schema("ann@acme.example")]
MailDomain = Annotated[str, PlainValidator(_parse_mail_domain), _text_schema("acme.example")]
Origin = Annotated[str, PlainValidator(_check_origin), _text_schema("https://app.example.com")]
