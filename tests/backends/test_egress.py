"""Addresses that a backend may never have."""

from __future__ import annotations

import pytest

from gateway.backends.egress import refuses


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
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:a9fe:a9fe::1",
    ],
)
def test_metadata_and_link_local_addresses_are_refused(address: str) -> None:
    """Also when an IPv4 address is wrapped into an IPv6 one."""
    assert refuses(address) is not None


@pytest.mark.parametrize(
    "address", ["127.0.0.1", "10.0.0.1", "192.168.1.1", "169.253.255.255", "::1", "fd00::1", "fec0::1"]
)
def test_private_and_public_addresses_are_allowed(address: str) -> None:
    """Stores live in private networks."""
    assert refuses(address) is None


def test_a_name_is_no_address() -> None:
    """The check is for what was resolved, never for a name."""
    with pytest.raises(ValueError):
        refuses("localhost")
