"""Addresses that a backend may never have."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

import pytest

from gateway.core.egress import refuse_reason


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.170.2",
        "169.254.0.1",
        "fe80::1",
        "fe80::1%eth0",
        "febf::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "100.100.100.200",
        "192.0.0.192",
        "168.63.129.16",
        "fd00:42::42",
    ],
)
def test_metadata_and_link_local_addresses_are_refused(address: str) -> None:
    """Of every cloud that has one."""
    assert refuse_reason(address) is not None


def _wrapped(prefix: str, shift: int = 0, xor: int = 0) -> Callable[[str], str]:
    """How an IPv4 address is put into a prefix, so many bits from the end."""
    return lambda inner: str(IPv6Address(int(IPv6Address(prefix)) | (int(IPv4Address(inner)) ^ xor) << shift))


def _local_nat64(length: int) -> Callable[[str], str]:
    """RFC 6052, 2.2, as its table is written: octets of the address in turn, and none at 64 to 71."""

    def wrap(inner: str) -> str:
        octets = bytearray(IPv6Address("64:ff9b:1::").packed)
        place = length // 8
        for octet in IPv4Address(inner).packed:
            place += place == 8
            octets[place] = octet
            place += 1
        return str(IPv6Address(bytes(octets)))

    return wrap


WRAPPINGS = {
    "compatible": _wrapped("::"),
    "mapped": _wrapped("::ffff:0:0"),
    "translated": _wrapped("::ffff:0:0:0"),
    "NAT64": _wrapped("64:ff9b::"),
    "NAT64, local /48": _local_nat64(48),
    "NAT64, local /56": _local_nat64(56),
    "NAT64, local /64": _local_nat64(64),
    "NAT64, local /96": _local_nat64(96),
    "6to4": _wrapped("2002::1", 80),
    "Teredo, client": _wrapped("2001::", 0, 0xFFFFFFFF),
    "Teredo, server": _wrapped("2001::", 64),
    "ISATAP": _wrapped("2001:db8::5efe:0:0"),
    "ISATAP, global": _wrapped("fd12::200:5efe:0:0"),
}


@pytest.mark.parametrize(
    "inner", ["169.254.169.254", "169.254.170.23", "168.63.129.16", "100.100.100.200", "192.0.0.192"]
)
@pytest.mark.parametrize("wrapping", WRAPPINGS)
def test_a_wrapping_hides_nothing(wrapping: str, inner: str) -> None:
    """Whatever would translate it; the same wrapping of a store's address is let pass."""
    wrap = WRAPPINGS[wrapping]
    assert refuse_reason(wrap(inner)) is not None
    for store in ("10.1.2.3", "192.168.1.1", "203.0.113.7"):
        assert refuse_reason(wrap(store)) is None


def test_the_standard_s_own_examples_are_read() -> None:
    """RFC 6052, 2.4, RFC 4380, and what Python itself finds."""
    assert "64:ff9b:1:c000:2:2100::" == WRAPPINGS["NAT64, local /48"]("192.0.2.33")
    assert IPv4Address("192.0.2.45") == IPv6Address(WRAPPINGS["Teredo, client"]("192.0.2.45")).teredo[1]  # type: ignore[index]
    assert IPv4Address("192.0.2.45") == IPv6Address(WRAPPINGS["6to4"]("192.0.2.45")).sixtofour
    assert IPv4Address("192.0.2.45") == IPv6Address(WRAPPINGS["mapped"]("192.0.2.45")).ipv4_mapped


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "169.253.255.255", "168.63.129.17"),
        *("0.0.0.0", "::", "::1", "fd00::1", "fec0::1", "2a00:1450:4001::200e", "2001:db8::1", "52.95.110.1"),
    ],
)
def test_private_and_public_addresses_are_allowed(address: str) -> None:
    """Stores live in private networks."""
    assert refuse_reason(address) is None


def test_a_name_is_no_address() -> None:
    """The check is for what was resolved, never for a name."""
    with pytest.raises(ValueError):
        refuse_reason("localhost")
