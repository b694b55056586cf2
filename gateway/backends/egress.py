"""Owns which resolved addresses a backend may have: never one where a cloud serves instance credentials.

Refuses to own resolving and connecting (`gateway.backends.pool`). The check is made on the address that is dialled, so
that a name which changes its mind between check and use cannot slip through.
"""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address, ip_network
from typing import Final

__all__ = ["refuses"]

_FORBIDDEN: Final = tuple(
    ip_network(text)
    for text in (
        "169.254.0.0/16",  # link-local (RFC 3927): instance metadata and container credentials of most clouds
        "fe80::/10",  # link-local (RFC 4291)
        "fd00:ec2::/32",  # instance metadata over IPv6 on EC2
        "fd20:ce::/32",  # the same on Google Cloud
        "100.100.100.200/32",  # the same on Alibaba Cloud
        "192.0.0.192/32",  # the same on Oracle Cloud
    )
)
_NAT64: Final = ip_network("64:ff9b::/96")


def refuses(host: str) -> str | None:
    """Why this numeric address must not be dialled, or None.

    Looks through IPv4 addresses that are wrapped in IPv6 ones (mapped, 6to4, NAT64). Raises ValueError for a text that
    is no address.
    """
    address = ip_address(host.partition("%")[0])
    candidates = [address]
    if isinstance(address, IPv6Address):
        wrapped = (address.ipv4_mapped, address.sixtofour)
        candidates += [inner for inner in wrapped if inner is not None]
        if address in _NAT64:
            candidates.append(ip_address(int(address) & 0xFFFFFFFF))
    for candidate in candidates:
        if any(candidate in network for network in _FORBIDDEN if network.version == candidate.version):
            return f"{address} is a link-local or metadata address"
    return None
