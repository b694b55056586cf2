"""Owns the small types that settings and policy files share: durations, sizes, addresses, URLs, networks, names.

Refuses to own which key has which type (`gateway.settings.model`, `gateway.settings.grammar`).
Law: a value that exists is valid, and a refusal says what to write instead.
"""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from pathlib import Path
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import BeforeValidator, ConfigDict, Field, PlainValidator, StrictInt, ValidationInfo, WithJsonSchema

from gateway.core import units
from gateway.core.attempt import Principal
from gateway.settings.secret import SecretReader

__all__ = [
    "ENTRY",
    "Authorities",
    "BaseUrl",
    "ByteRate",
    "ByteSize",
    "Count",
    "Duration",
    "FilePath",
    "HostName",
    "ListenAddress",
    "Network",
    "PrincipalName",
    "Text",
    "base_url",
    "network",
    "one_or_more",
    "written_as",
]

ENTRY: Final = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, use_attribute_docstrings=True)
"""How every model of a file behaves: unknown keys are errors and nothing changes afterwards."""

_HOST: Final = re.compile(r"(?!-)[a-z0-9-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9-]{1,63}(?<!-))*", re.ASCII)
_PORT: Final = re.compile(r"[0-9]{1,5}", re.ASCII)


def _schema(example: str, kind: str | list[str] = "string") -> WithJsonSchema:
    return WithJsonSchema({"type": kind, "examples": [example]})


def _duration(value: object) -> float:
    if not isinstance(value, str | int | float):
        raise ValueError("must be a duration: seconds or a text like 90s, 15m, 12h, 30d, 2w")
    return units.duration(value)


def _size(value: object) -> int:
    if not isinstance(value, str | int):
        raise ValueError("must be a size: bytes or a text like 64KiB, 200MB, 5GiB")
    return units.size(value)


def _byte_rate(value: object) -> int:
    if isinstance(value, str):
        amount, slash, unit = value.partition("/")
        if slash and unit.strip() not in {"s", "sec"}:
            raise ValueError(f"{value!r} is not a bandwidth: write bytes per second, like 200MiB/s")
        value = amount.strip()
    found = _size(value)
    if found < 1:
        raise ValueError("a bandwidth is at least 1 byte per second")
    return found


def network(value: object) -> IPv4Network | IPv6Network:
    """A network in CIDR form. Raises ValueError for any other value."""
    if not isinstance(value, str):
        raise ValueError("must be a network like 10.0.0.0/8, or one address")
    try:
        return ip_network(value)
    except ValueError:
        pass
    try:
        meant = ip_network(value, strict=False)
    except ValueError:
        raise ValueError(f"{value!r} is not a network: write CIDR form like 10.0.0.0/8, or one address") from None
    raise ValueError(f"{value!r} has address bits below its mask (did you mean '{meant}'?)")


def _host_name(value: object) -> str:
    if not isinstance(value, str) or not _HOST.fullmatch(value.lower()) or len(value) > 253:
        raise ValueError("must be a host name like s3.example.com, without scheme, port or wildcard")
    return value.lower()


def base_url(value: object) -> str:
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
    if not _is_ip(host) and not _HOST.fullmatch(host):
        raise ValueError(f"has a host that is no name and no address: {form}")
    shown = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{shown}" if port is None else f"{parts.scheme}://{shown}:{port}"


def _file_path(value: object, info: ValidationInfo) -> Path:
    if not isinstance(value, str) or not value:
        raise ValueError("must be the path of a file")
    reader = SecretReader.of(info)
    path = reader.directory / value
    reader.files.add(path)
    if not path.is_file():
        raise ValueError(f"there is no file {path}")
    return path


def _authorities(value: object, info: ValidationInfo) -> Path:
    """Read here, so that a file which no connection could be made with is a fault where it is named."""
    path = _file_path(value, info)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError:
        raise ValueError(f"the file {path} holds no certificate authorities in PEM") from None
    return path


def _principal(value: object) -> Principal:
    if not isinstance(value, str):
        raise ValueError("must be a principal: app:NAME, link:ID, admin:NAME or anonymous")
    return Principal.parse(value)


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def one_or_more(kind: Any) -> BeforeValidator:
    """Lets a list of texts be written as one text. `kind` is what an entry is, for the schema."""
    return BeforeValidator(_listify, json_schema_input_type=kind | list[kind])


def written_as(kind: Any) -> BeforeValidator:
    """Changes nothing: tells the schema what may be written where a model's own validator reads a shorter form."""
    return BeforeValidator(lambda value: value, json_schema_input_type=kind)


def _listify(value: object) -> object:
    return [value] if isinstance(value, str) else value


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
        if not (_is_ip(bare) and (":" in bare) == (bare != host)) and not _HOST.fullmatch(host.lower()):
            raise ValueError(f"has a host that is no name and no address: {form}")
        return cls(bare.lower(), int(port))

    @property
    def is_local(self) -> bool:
        """Whether only processes of this machine (or pod) can reach it."""
        return bool(self.path) or self.host == "localhost" or (_is_ip(self.host) and ip_address(self.host).is_loopback)

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        return handler.generate_schema(Annotated[object, PlainValidator(cls.parse), _schema("127.0.0.1:8080")])


Text = Annotated[str, Field(min_length=1, max_length=200)]
Count = Annotated[StrictInt, Field(ge=1, le=10**9)]
Duration = Annotated[float, PlainValidator(_duration), _schema("30d", ["string", "number"])]
ByteSize = Annotated[int, PlainValidator(_size), _schema("5GiB", ["string", "integer"])]
ByteRate = Annotated[int, PlainValidator(_byte_rate), _schema("200MiB/s", ["string", "integer"])]
Network = Annotated[IPv4Network | IPv6Network, PlainValidator(network), _schema("10.0.0.0/8")]
HostName = Annotated[str, PlainValidator(_host_name), _schema("s3.example.com")]
BaseUrl = Annotated[str, PlainValidator(base_url), _schema("https://s3.example.com")]
FilePath = Annotated[Path, PlainValidator(_file_path), _schema("tls/server.crt")]
Authorities = Annotated[Path, PlainValidator(_authorities), _schema("tls/ca.crt")]
PrincipalName = Annotated[Principal, PlainValidator(_principal), _schema("app:billing")]
