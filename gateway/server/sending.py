"""Owns how much of what was written to a connection still waits, in its transport and in the kernel's queue, and how
much the other side has.

Refuses to own what follows from it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from contextlib import suppress
from fcntl import ioctl
from termios import TIOCOUTQ
from typing import Final

NOT_ACKNOWLEDGED: Final = TIOCOUTQ
"""What the client's kernel has not confirmed."""

NOT_SENT: Final = 0x894B
"""What has not left: SIOCOUTQNSD of Linux (linux/sockios.h), which Python does not name."""

_BYTES_ACKED: Final = 120
"""Where `tcpi_bytes_acked` stands in Linux's tcp_info (linux/tcp.h), eight bytes."""


def acknowledged(stream: asyncio.Transport) -> int:
    """Bytes that the other side's kernel has confirmed since the connection began, as they are on the wire: with TLS,
    encrypted. 0 where nobody counts them."""
    sock = stream.get_extra_info("socket")
    try:
        told = sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, _BYTES_ACKED + 8)
        return int.from_bytes(told[_BYTES_ACKED:], sys.byteorder)
    except (AttributeError, OSError):  # not a TCP socket, or closed
        return 0


def waiting(stream: asyncio.Transport, queue: int) -> int:
    """Bytes written that are still in this one of the kernel's queues, or not even there."""
    count = stream.get_write_buffer_size()
    sock = stream.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):  # not a TCP socket, or closed: the transport's own buffer is all there is to count
            count += struct.unpack("i", ioctl(sock.fileno(), queue, b"\0\0\0\0"))[0]
    return count
