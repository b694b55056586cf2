"""Owns the socket of a client's connection: how much of what was written may wait, still waits, in its transport and in
the kernel's queue, and has come to the other side.

Refuses to own what follows from it.
"""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
from contextlib import suppress
from fcntl import ioctl
from functools import lru_cache
from ipaddress import ip_address
from termios import TIOCOUTQ
from typing import Final

from gateway.core.attempt import Address, address_texts, unmap

NOT_ACKNOWLEDGED: Final = TIOCOUTQ
"""What the client's kernel has not confirmed."""

NOT_SENT: Final = 0x894B
"""What has not left: SIOCOUTQNSD of Linux (linux/sockios.h), which Python does not name."""

_BYTES_ACKED: Final = 120
"""Where `tcpi_bytes_acked` stands in Linux's tcp_info (linux/tcp.h), eight bytes."""

_UNSENT_LIMIT: Final = 128 * 1024
"""Bytes that may wait unsent in the kernel, per socket; half of the 256 KiB that promise 2 allows after a cut."""

_UNREAD_MILLISECONDS: Final = 20_000
"""After which the kernel gives up a client that takes nothing of what is sent: the tail of an answer, which no transfer
waits for any more (tcp(7), TCP_USER_TIMEOUT)."""

_LINGER_NONE: Final = struct.pack("ii", 1, 0)


def bound_sending(listening: socket.socket) -> None:
    """Have whatever is accepted there send at once, and have little wait: Linux copies the options of the listening
    socket, so that no connection costs the system calls of setting them."""
    if listening.family in {socket.AF_INET, socket.AF_INET6}:
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _UNSENT_LIMIT)
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, _UNREAD_MILLISECONDS)


def peer_of(stream: asyncio.Transport) -> tuple[Address | None, tuple[str, str]]:
    """The address of the other side and its texts. None on a Unix socket, and of a connection that has ended already,
    which `is_local` tells from one."""
    return named_peer(stream.get_extra_info("peername"))


def named_peer(name: object) -> tuple[Address | None, tuple[str, str]]:
    """The same, of the name that the kernel gives."""
    return _read_peer(name[0]) if isinstance(name, tuple) else (None, address_texts(None))


def is_local(descriptor: int) -> bool:
    """Whether this is a Unix socket, whose peer has no address."""
    same = socket.socket(fileno=descriptor)
    try:
        return same.family == socket.AF_UNIX
    finally:
        same.detach()


@lru_cache(4096)
def _read_peer(name: str) -> tuple[Address, tuple[str, str]]:
    address = unmap(ip_address(name.partition("%")[0]))
    return address, address_texts(address)


def close_once(stream: asyncio.Transport) -> None:
    """Close what is not closing yet: asyncio's transport of TLS that is closed twice can no longer be aborted."""
    if not stream.is_closing():
        stream.close()


def forget_unsent(stream: asyncio.Transport) -> int:
    """Have the end of the connection reset it, with linger 0; returns the bytes that will never have left."""
    unsent = waiting(stream, NOT_SENT)
    sock = stream.get_extra_info("socket")
    if sock is not None:
        with suppress(OSError):  # closed already: nothing is left to cut
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NONE)
    return unsent


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
