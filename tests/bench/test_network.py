"""The bench's own network is loopback alone, and sends as Linux does by itself."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.bench.network import congestion_control

_APART = """
import socket
from tests.bench.network import congestion_control, set_apart
print(set_apart())
with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as client:
    print(client.getsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, 16).rstrip(bytes(1)).decode())
print([name for _, name in socket.if_nameindex()])
print(set_apart())
"""


def test_a_network_apart_sends_as_linux_does_by_itself() -> None:
    """Whatever this machine is set to; what runs outside of it keeps what it has; a second time changes nothing."""
    before = congestion_control()
    done = subprocess.run([sys.executable, "-c", _APART], check=True, capture_output=True, text=True)
    apart, control, devices, again = done.stdout.splitlines()
    assert before == congestion_control()
    assert "False" == again
    if apart == "False" and before not in {"cubic", "reno"}:
        pytest.skip("a network of its own is not allowed here")
    assert control in {"cubic", "reno"}
    assert "lo" in devices
