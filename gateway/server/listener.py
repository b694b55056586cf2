"""Owns the listening sockets of either plane, the connections made to them, and the clock that watches these.

Refuses to own one connection's bytes (`gateway.server.connection`) and what a request means (`gateway.data.routes`,
`gateway.control.serve`).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable
from functools import partial
from mmap import mmap
from typing import Final, Protocol

from gateway.core.attempt import Address
from gateway.server.connection import Connection
from gateway.server.handshakes import AT_ONCE, Handshakes
from gateway.server.head import KnownHeads
from gateway.server.request import IncomingRequest
from gateway.server.sending import bound_sending, is_local
from gateway.server.tls import ListenerContext
from gateway.wire.http.date import http_date

_BACKLOG: Final = 1024
_DESCRIPTORS: Final = 4
"""Of each listening socket. uvloop accepts one connection a turn from each: with a single one, whoever comes while many
are busy waits for as many long turns as others came before, and where each request has a connection, each has a turn.
"""

READ_SIZE: Final = 262144
"""Bytes of one read that a task waits for. The cost of a read is that of many bytes, so few large ones are cheaper."""

FIRST_READ_SIZE: Final = 16384
"""Bytes of one read that no task waits for yet: a head, and the beginning of a body. No more is read then, so that
waiting clients hold little memory."""

_LONGEST_TICK: Final = 1.0
_PROXY_PROTOCOL: Final = (b"PROXY ", b"\r\n\r\n\x00\r\nQUIT\n")
"""How its versions 1 and 2 begin (haproxy's doc/proxy-protocol.txt, 2.1 and 2.2)."""

Handle = Callable[[Connection, IncomingRequest], Awaitable[None]]


def _bind_both(port: int, *, reuse_port: bool) -> socket.socket:
    """A socket at every address of both versions of IP: the event loops would leave one out."""
    sock = socket.socket(socket.AF_INET6)
    try:
        sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, reuse_port)
        sock.bind(("::", port))
    except OSError:
        sock.close()
        raise
    return sock


def _have_wait(server: asyncio.Server) -> None:
    """Have the kernel keep as many that were not accepted yet as `_BACKLOG`."""
    for listening in server.sockets:
        same = socket.socket(fileno=listening.fileno())
        try:
            same.listen(_BACKLOG)
        finally:
            same.detach()


class PeerLimit(Protocol):
    """Decides which peers may open one more connection; is notified of the PROXY protocol."""

    def enter(self, peer: Address | None, descriptor: int) -> bool:
        """Whether one more connection of this peer may be, of which the socket has this number; if so, `leave`
        follows."""
        ...

    def leave(self, peer: Address | None) -> None: ...

    def note_proxy_protocol(self, peer: Address | None, *, encrypted: bool = False) -> None:
        """A connection began with it; before TLS, the peer's address is unknown."""
        ...


class HttpServer:
    """Every request of its connections goes to one handler. To be made inside the event loop that it serves in.

    `head_seconds` is how long a connection may take to send a whole head, and before it to agree on TLS. Without
    `peer_limit` every peer may connect.
    """

    def __init__(self, handle: Handle, *, head_seconds: float, peer_limit: PeerLimit | None = None) -> None:
        self.loop = asyncio.get_running_loop()
        self.handle = handle
        self.head_seconds = head_seconds
        self.peer_limit = peer_limit
        self.read_buffer = memoryview(mmap(-1, READ_SIZE))  # of which only what was read into is held
        self.first_read_buffer = self.read_buffer[:FIRST_READ_SIZE]
        self.known_heads = KnownHeads()
        self.draining = False
        """Each answer ends its connection, so that no client sends a request into one that is about to close."""
        self._connections: set[Connection] = set()
        self._sockets: list[asyncio.Server] = []
        self._handshakes = Handshakes(self, self._enter, self._leave, head_seconds)
        self._tick = min(_LONGEST_TICK, head_seconds / 4)
        self._clock: asyncio.TimerHandle | None = None
        self._second = 0
        self._date = ""

    def __call__(self) -> Connection:
        return Connection(self)

    async def listen(
        self, host: str | None, port: int, tls: ssl.SSLContext | None = None, *, reuse_port: bool | None = None
    ) -> int:
        """Accept connections there, at `::` those of IPv4 too; returns the port. Raises OSError."""
        self._watch(tls)
        make = partial(self.loop.create_server, self, backlog=AT_ONCE, start_serving=False)
        if host == "::":
            server = await make(sock=_bind_both(port, reuse_port=bool(reuse_port)))
        else:
            server = await make(host, port, reuse_port=reuse_port, reuse_address=True)
        if not server.sockets:  # the event loops pass over an address for which the system gives them no socket
            raise OSError("the system gives no socket for this address")
        for listening in server.sockets:
            bound_sending(listening)
        given = int(server.sockets[0].getsockname()[1])
        if tls is not None:
            self._handshakes.accept_from(server, tls, _BACKLOG)
            return given
        servers = [server]
        self._sockets.append(server)
        for listening in server.sockets * (_DESCRIPTORS - 1):
            servers.append(await self._share(listening))
            self._sockets.append(servers[-1])
        for each in servers:
            await each.start_serving()
        _have_wait(server)
        return given

    async def _share(self, listening: socket.socket) -> asyncio.Server:
        """A server of the same socket that does not serve yet. Raises OSError."""
        same = socket.socket(fileno=socket.dup(listening.fileno()))
        return await self.loop.create_server(self, sock=same, backlog=AT_ONCE, start_serving=False)

    async def listen_on_path(self, path: str, tls: ssl.SSLContext | None = None) -> None:
        """Accept connections on a Unix socket. Raises OSError."""
        self._watch(tls)
        server = await self.loop.create_unix_server(
            self,
            path,
            ssl=tls,
            ssl_handshake_timeout=None if tls is None else self.head_seconds,  # without TLS, the loop wants none
            backlog=AT_ONCE,
        )
        _have_wait(server)
        self._sockets.append(server)

    def _watch(self, tls: ssl.SSLContext | None) -> None:
        if isinstance(tls, ListenerContext) and self.peer_limit is not None:
            tls.on_first_bytes = self._look_at_first_bytes

    def _look_at_first_bytes(self, data: bytes) -> None:
        """Bytes in place of a handshake: the head of an unencrypted request is seen nowhere else."""
        if self.peer_limit is not None and data.startswith(_PROXY_PROTOCOL):
            self.peer_limit.note_proxy_protocol(None, encrypted=True)

    def stop_listening(self) -> None:
        """Accept nothing new, and end the connections that ask for nothing."""
        for server in self._sockets:
            server.close()
        self._handshakes.stop()
        for connection in tuple(self._connections):
            connection.close_when_idle()

    async def close(self, seconds: float = 1.0) -> None:
        """End everything; answers in work get so many seconds to notice."""
        self.stop_listening()
        await self._handshakes.close()
        tasks = [connection.task for connection in self._connections if connection.task is not None]
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=seconds)
            for task in late:
                task.cancel()
            if late:
                await asyncio.wait(late, timeout=seconds)
        for connection in tuple(self._connections):
            connection.abort()
        if self._clock is not None:
            self._clock.cancel()

    @property
    def busy(self) -> bool:
        """Whether any request is being answered."""
        return any(connection.busy for connection in self._connections)

    # -- what connections call

    def add_connection(self, connection: Connection) -> None:
        if connection.peer is None and not is_local(connection.descriptor):
            connection.abort()  # reset already: what it sent could still be read, and would be nobody's
            return
        if not self._handshakes.take(connection) and not self._enter(connection.peer, connection.descriptor):
            connection.abort()
            return
        self._connections.add(connection)
        if self._clock is None:
            self._clock = self.loop.call_later(self._tick, self._check_connections)

    def remove_connection(self, connection: Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)
            self._leave(connection.peer)

    def _enter(self, peer: Address | None, descriptor: int) -> bool:
        return self.peer_limit is None or self.peer_limit.enter(peer, descriptor)

    def _leave(self, peer: Address | None) -> None:
        if self.peer_limit is not None:
            self.peer_limit.leave(peer)

    def note_malformed_head(self, connection: Connection, data: bytes, *, first: bool) -> None:
        """These bytes of a connection, maybe its first, were no request."""
        if first and self.peer_limit is not None and data.startswith(_PROXY_PROTOCOL):
            self.peer_limit.note_proxy_protocol(connection.peer)

    def date(self) -> str:
        """The value of a Date field now (RFC 9110, 6.6.1), made once a second."""
        second = int(time.time())
        if second != self._second:
            self._second, self._date = second, http_date(second)
        return self._date

    def _check_connections(self) -> None:
        now = self.loop.time()
        for connection in tuple(self._connections):
            connection.check(now)
        self._clock = self.loop.call_later(self._tick, self._check_connections) if self._connections else None
