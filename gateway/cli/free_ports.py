"""Owns the search for ports of 127.0.0.1 on which servers of our own can listen.

Refuses to own the servers.

Law: the kernel gives none of them to an outgoing connection, which would keep a server from its port, be it on its
first start or on a restart.
"""

from __future__ import annotations

import random
import socket
from contextlib import ExitStack
from pathlib import Path
from typing import Final

_CHANCE: Final = random.SystemRandom()
_FIRST: Final = 10_000
"""Below are ports that services are known by."""
_BEYOND_ALL: Final = 65_536
_GIVEN_BY_KERNEL: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on, all different."""
    found: list[int] = []
    end = _given_by_kernel()
    with ExitStack() as held:
        while len(found) < count:
            probe, port = held.enter_context(socket.socket()), _CHANCE.randrange(_FIRST, end)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
    return found


def _given_by_kernel() -> int:
    """The first port of those that outgoing connections get (ip(7), ip_local_port_range); beyond all, if all are, or
    the system does not tell."""
    try:
        first = int(_GIVEN_BY_KERNEL.read_text().split()[0])
    except OSError:
        return _BEYOND_ALL
    return first if first > 2 * _FIRST else _BEYOND_ALL
