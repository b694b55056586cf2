"""Owns how `trusted_proxies` is written: networks, and the names that stand for some.

Refuses to own whose word counts for what (`gateway.server.exchange`).
"""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Network, ip_network
from typing import Annotated, Final

from pydantic import PlainValidator, WithJsonSchema

from gateway.schema.addresses import parse_network

_NAMED: Final = {
    "loopback": ("127.0.0.0/8", "::1/128"),
    "private": ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7"),
    "unix": (),
}
"""RFC 1122, 3.2.1.3; RFC 1918; RFC 4193. Peers on a Unix socket have no address, and so no network."""


def _parse_proxy(value: object) -> IPv4Network | IPv6Network | str:
    if isinstance(value, str) and value in _NAMED:
        return value
    try:
        found = parse_network(value)
    except ValueError as fault:
        raise ValueError(f"{fault}; or {', '.join(_NAMED)}") from None
    if found.prefixlen == 0:
        raise ValueError("would let every caller choose its own address: name the networks of your own proxies")
    return found


Proxy = Annotated[
    IPv4Network | IPv6Network | str,
    PlainValidator(_parse_proxy),
    WithJsonSchema({"type": "string", "examples": ["10.0.0.0/8", *_NAMED]}),
]


def expand_networks(proxies: Sequence[IPv4Network | IPv6Network | str]) -> tuple[IPv4Network | IPv6Network, ...]:
    """The networks that these stand for."""
    found: list[IPv4Network | IPv6Network] = []
    for proxy in proxies:
        found += [ip_network(text) for text in _NAMED[proxy]] if isinstance(proxy, str) else [proxy]
    return tuple(found)
