"""What the starting of servers rests on."""

from __future__ import annotations

import socket

from tests.servers.process import free_ports


def test_no_outgoing_connection_takes_a_free_port() -> None:
    """The kernel gives these to nobody by itself: a server finds its port free, after a restart too."""
    found = free_ports(50)
    assert 50 == len(set(found))
    with socket.create_server(("127.0.0.1", 0)) as listener:
        for _ in range(200):
            with socket.create_connection(listener.getsockname()) as client, listener.accept()[0]:
                assert client.getsockname()[1] > max(found)
