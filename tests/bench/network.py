"""Owns the network that the bench runs in: one of its own, with the congestion control that Linux comes with.

Refuses to own what is measured there.

Why: some machines are set to BBR, which paces what is sent by timers. On a virtual machine such a timer is dear, and a
sender sets more of them the faster it is: of a large body, what is measured then is mostly timers, and differs by half
from one minute to the next.
"""

from __future__ import annotations

import ctypes
import fcntl
import socket
import struct
from contextlib import suppress
from pathlib import Path
from typing import Final

__all__ = ["congestion_control", "set_apart"]

_USUAL: Final = ("cubic", "reno")
"""Linux's own choice, then what every kernel has. Where nothing is lost both send alike."""

_CONTROL: Final = Path("/proc/sys/net/ipv4/tcp_congestion_control")
_NEW_NETWORK: Final = 0x40000000
"""CLONE_NEWNET of unshare(2), which this Python does not name."""

_SET_FLAGS: Final = 0x8914
"""SIOCSIFFLAGS of netdevice(7)."""

_UP: Final = 0x1


def congestion_control() -> str:
    """What the sockets made from now on send by."""
    return _CONTROL.read_text().strip()


def set_apart() -> bool:
    """Give this process, and what it starts from now on, a network with nothing but loopback in it; to be called before
    there are threads. False, and nothing is changed, where that is not allowed or would change nothing."""
    if congestion_control() in _USUAL or ctypes.CDLL(None, use_errno=True).unshare(_NEW_NETWORK):
        return False
    with socket.socket() as sock:
        fcntl.ioctl(sock, _SET_FLAGS, struct.pack("16sh", b"lo", _UP))
    for name in _USUAL:
        with suppress(OSError):
            _CONTROL.write_text(name)
            break
    return True
