"""Owns which resolved addresses may be dialled: never one where a cloud serves instance credentials.

Refuses to own resolving and connecting (`gateway.backends.pool`, `gateway.mail.webhook`). The check is made on the
address that is dialled, so that a name which changes its mind between check and use cannot slip through.

Law: an IPv6 address with an IPv4 one embedded is judged as both, whichever translator might be used. Loopback and
private addresses stay allowed, because stores live there.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from typing import Final

_FORBIDDEN: Final = tuple(
    ip_network(text)
    for text in (
        "169.254.0.0/16",  # link-local (RFC 3927): instance metadata and container credentials of most clouds
        "fe80::/10",  # link-local (RFC 4291)
        "168.63.129.16/32",  # the wire server of Azure, which hands out certificates and extensions' settings
        "fd00:ec2::/32",  # instance metadata over IPv6 on EC2
        "fd00:42::/32",  # the same on Scaleway
        "fd20:ce::/32",  # the same on Google Cloud
        "100.100.100.200/32",  # the same on Alibaba Cloud
        "192.0.0.192/32",  # the same on Oracle Cloud
    )
)
_LAST_32_BITS: Final = tuple(
    ip_network(text)
    for text in (
        "::/96",  # IPv4-compatible (RFC 4291)
        "::ffff:0:0/96",  # IPv4-mapped (RFC 4291)
        "::ffff:0:0:0/96",  # IPv4-translated, of SIIT (RFC 2765)
        "64:ff9b::/96",  # NAT64 (RFC 6052)
    )
)
_LOCAL_NAT64: Final = ip_network("64:ff9b:1::/48")
"""RFC 8215: each network may choose the length of its prefix, so that the address may lie at several places."""

_NAT64_PLACES: Final = ((48, 16), (56, 8), (64, 0), (96, 32))
"""RFC 6052, 2.2: the length of the prefix, and how many bits stand before the octet at 64 that is left out."""

_SIX_TO_FOUR: Final = ip_network("2002::/16")
_TEREDO: Final = ip_network("2001::/32")
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})
"""RFC 5214: the upper half of the interface identifier, below any prefix at all."""


def refuse_reason(host: str) -> str | None:
    """Why this numeric address must not be dialled, or None. Raises ValueError for a text that is no address."""
    address = ip_address(host.partition("%")[0])
    candidates = [address, *(_embedded_addresses(address) if isinstance(address, IPv6Address) else ())]
    for candidate in candidates:
        if any(candidate in network for network in _FORBIDDEN if network.version == candidate.version):
            return f"{address} is a link-local or metadata address"
    return None


def _embedded_addresses(address: IPv6Address) -> Iterator[IPv4Address]:
    """Every IPv4 address that some way of translation or tunnelling would read in this one."""
    bits = int(address)
    if any(address in network for network in _LAST_32_BITS) or bits >> 32 & 0xFFFFFFFF in _ISATAP:
        yield IPv4Address(bits & 0xFFFFFFFF)
    if address in _SIX_TO_FOUR:
        yield IPv4Address(bits >> 80 & 0xFFFFFFFF)
    if address in _TEREDO:  # the client's address, inverted, and the server's (RFC 4380)
        yield IPv4Address(~bits & 0xFFFFFFFF)
        yield IPv4Address(bits >> 64 & 0xFFFFFFFF)
    if address in _LOCAL_NAT64:
        for length, before in _NAT64_PLACES:
            yield _octets_after(bits, length, before)


def _octets_after(bits: int, length: int, before: int) -> IPv4Address:
    """The four octets behind a prefix of this length; bits 64 to 71 are no part of them (RFC 6052, 2.2)."""
    if before == 32:
        return IPv4Address(bits & 0xFFFFFFFF)
    upper = bits >> 64 & (1 << before) - 1
    lower = bits >> 24 + before & (1 << 32 - before) - 1
    return IPv4Address(upper << 32 - before | lower)
