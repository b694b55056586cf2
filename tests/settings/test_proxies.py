"""How trusted proxies are written."""

from __future__ import annotations

from ipaddress import ip_address

from gateway.settings.proxies import expand_networks
from tests.settings.conftest import Folder


def test_names_stand_for_networks(folder: Folder) -> None:
    """Beside networks and single addresses; a Unix socket's peer is in none of them."""
    written = 'trusted_proxies: ["192.0.2.7", loopback, private, unix]'
    found = folder.settings(f"state: memory://\n{written}").trusted_proxies
    networks = expand_networks(found)
    for address in ("192.0.2.7", "127.0.0.9", "::1", "10.1.2.3", "172.31.0.1", "192.168.7.7", "fd00::1"):
        assert any(ip_address(address) in network for network in networks), address
    for address in ("192.0.2.8", "172.32.0.1", "11.0.0.1", "fe80::1", "2001:db8::1"):
        assert not any(ip_address(address) in network for network in networks), address
    assert "unix" in found
