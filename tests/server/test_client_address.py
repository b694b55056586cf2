"""Who is asking, behind proxies."""

from __future__ import annotations

from ipaddress import ip_address, ip_network

import pytest

from gateway.server.client_address import client_address

INSIDE = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))

ADDRESSES = [
    ("192.0.2.1", ["203.0.113.9"], "192.0.2.1"),  # not a proxy of ours: what it says counts for nothing
    ("10.0.0.1", ["203.0.113.9"], "203.0.113.9"),
    ("10.0.0.1", ["198.51.100.1, 203.0.113.9"], "203.0.113.9"),  # the left one was written by the client
    ("10.0.0.1", ["203.0.113.9, 10.0.0.2"], "203.0.113.9"),  # two proxies of ours
    ("10.0.0.1", ["198.51.100.1", "203.0.113.9"], "203.0.113.9"),  # two headers are one list
    ("10.0.0.1", ["[2001:db8::1]"], "2001:db8::1"),
    ("fd00::1", ["2001:db8::1"], "2001:db8::1"),
    ("10.0.0.1", [], "10.0.0.1"),
    ("10.0.0.1", ["rubbish"], "10.0.0.1"),
    ("10.0.0.1", ["203.0.113.9, rubbish"], "10.0.0.1"),  # a malformed hop ends the walk
    ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
    ("10.0.0.1", ["203.0.113.9, "], "10.0.0.1"),
    ("10.0.0.1", ["203.0.113.9, ::ffff:10.0.0.2"], "203.0.113.9"),  # as a socket for both families shows them
    ("10.0.0.1", ["::ffff:203.0.113.9"], "203.0.113.9"),
    ("10.0.0.1", ["198.51.100.1, 203.0.113.9:51234"], "203.0.113.9"),  # as Azure's gateways write it
    ("10.0.0.1", ["[2001:db8::1]:51234, 10.0.0.2:80"], "2001:db8::1"),
    ("10.0.0.1", ["203.0.113.9, unknown"], "10.0.0.1"),
    ("10.0.0.1", ["203.0.113.9, fe80::1%eth0"], "fe80::1"),  # a zone is a name, of whatever letters
    ("10.0.0.1", ["[fe80::1%\x9b31m]:80"], "fe80::1"),
    ("10.0.0.1", ["fd00::2%10.0.0.9"], "fd00::2"),
]


@pytest.mark.parametrize(("peer", "forwarded", "expected"), ADDRESSES)
def test_the_client_is_whom_the_last_proxy_of_ours_saw(peer: str, forwarded: list[str], expected: str) -> None:
    """Walk from the right, past our own proxies only."""
    assert ip_address(expected) == client_address(ip_address(peer), forwarded, INSIDE)


def test_a_unix_socket_has_no_client_address() -> None:
    """Nobody's word is taken where there is no peer to trust."""
    assert client_address(None, ["203.0.113.9"], INSIDE) is None


def test_a_unix_socket_that_is_trusted_has_one() -> None:
    """The rightmost that no proxy of ours added, as behind any other proxy."""
    hops = ["198.51.100.1, 203.0.113.9, 10.0.0.2"]
    assert ip_address("203.0.113.9") == client_address(None, hops, INSIDE, trusted_socket=True)
