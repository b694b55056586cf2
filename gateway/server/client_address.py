"""Owns whose address counts where proxies stand before us: what they say, as far as they are trusted.

Refuses to own which ones are (`gateway.settings.proxies`) and what an address is good for.

Law: no word of a client's own is believed; the walk along the hops ends at the first one that no trusted proxy wrote.
"""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Final

from gateway.core.attempt import Address, unmap

BELIEVED: Final = "x-forwarded-for"
"""The field that is read, where its proxy is trusted."""

FORWARDING: Final = frozenset(
    {BELIEVED, "forwarded", "x-real-ip", "x-client-ip", "true-client-ip", "cf-connecting-ip", "fastly-client-ip"}
)
"""The fields in which proxies name their clients."""


def client_address(
    peer: Address | None,
    forwarded: list[str],
    trusted: tuple[IPv4Network | IPv6Network, ...],
    *,
    trusted_socket: bool = False,
) -> Address | None:
    """The rightmost address that no trusted proxy added; the socket's own peer unless that is a trusted proxy.

    `trusted_socket` says that a Unix socket's peer, which has no address, is one. A malformed hop ends the walk: what
    stands left of it was not written by a trusted proxy.
    """
    current = peer
    hops = [hop.strip() for value in forwarded for hop in value.split(",")]
    while hops and is_trusted(current, trusted, trusted_socket=trusted_socket):
        try:
            current = unmap(ip_address(_bare(hops.pop())))
        except ValueError:
            break
    return current


def is_trusted(peer: Address | None, trusted: tuple[IPv4Network | IPv6Network, ...], *, trusted_socket: bool) -> bool:
    """Whether this is a trusted proxy."""
    return trusted_socket if peer is None else bool(trusted) and any(peer in network for network in trusted)


def _bare(hop: str) -> str:
    """The address of a hop alone. Some proxies (Azure's, IIS) write the client's port behind it, and IPv6 then in
    brackets. The zone of an IPv6 address (RFC 4007) is a name of that proxy's own, and may be any text."""
    if hop.startswith("["):
        hop = hop[1:].partition("]")[0]
    elif hop.count(":") == 1:
        hop = hop.partition(":")[0]
    return hop.partition("%")[0]
