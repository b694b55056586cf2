"""Owns the way into a listener with TLS: which sockets are accepted, and that they agree on TLS in time.

Refuses to own what a handshake says (the event loop, `gateway.server.tls`) and the connections that come of it.

Law: who has not ended a handshake, or not even begun one, is counted as the connection of their address that they are.
The event loop alone would count nobody before, so that whoever says nothing could have every descriptor.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

from gateway.core.attempt import Address
from gateway.server.connection import Connection
from gateway.server.sending import named_peer

AT_ONCE: Final = 16
"""Connections that are accepted in one turn. asyncio's loop, which takes its argument `backlog` for that, closes none
before its end, and where descriptors run out meanwhile it goes on trying, and logs each try."""

_RESUME_SECONDS: Final = 1.0


class Handshakes:
    """The sockets of one server that have not agreed on TLS yet, and those on which they come.

    `make` makes a connection, `enter` and `leave` are as a `PeerLimit` has them, and a handshake has so many `seconds`.
    """

    def __init__(
        self,
        make: Callable[[], Connection],
        enter: Callable[[Address | None, int], bool],
        leave: Callable[[Address | None], None],
        seconds: float,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._make = make
        self._enter = enter
        self._leave = leave
        self._seconds = seconds
        self._listening: set[socket.socket] = set()
        self._entered: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def accept_from(self, server: asyncio.Server, tls: ssl.SSLContext, waiting: int) -> None:
        """Take over the sockets of a server that does not serve yet; so many may wait in the kernel. Raises OSError."""
        try:
            for bound in server.sockets:
                listening = socket.socket(fileno=socket.dup(bound.fileno()))
                self._listening.add(listening)
                listening.setblocking(False)
                listening.listen(waiting)
                self._watch(listening, tls)
        finally:
            server.close()

    def take(self, connection: Connection) -> bool:
        """Whether this connection was counted here; from now on it is its owner's to count."""
        counted = connection in self._entered
        self._entered.discard(connection)
        return counted

    def stop(self) -> None:
        """Accept nothing new."""
        for listening in self._listening:
            self._loop.remove_reader(listening)
            listening.close()
        self._listening.clear()

    async def close(self) -> None:
        """End what has not agreed."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    def _watch(self, listening: socket.socket, tls: ssl.SSLContext) -> None:
        if listening in self._listening:
            self._loop.add_reader(listening, self._accept, listening, tls)

    def _accept(self, listening: socket.socket, tls: ssl.SSLContext) -> None:
        for _ in range(AT_ONCE):
            try:
                accepted, name = listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError:  # out of descriptors: the kernel keeps the others until some end
                self._loop.remove_reader(listening)
                self._loop.call_later(_RESUME_SECONDS, self._watch, listening, tls)
                return
            peer, _ = named_peer(name)
            if self._enter(peer, accepted.fileno()):
                self._begin(accepted, peer, tls)
            else:
                accepted.close()

    def _begin(self, accepted: socket.socket, peer: Address | None, tls: ssl.SSLContext) -> None:
        accepted.setblocking(False)
        connection = self._make()
        self._entered.add(connection)
        task = self._loop.create_task(self._agree(accepted, connection, tls))
        self._tasks.add(task)
        task.add_done_callback(partial(self._end, accepted, peer, connection))

    async def _agree(self, accepted: socket.socket, connection: Connection, tls: ssl.SSLContext) -> None:
        with suppress(OSError):  # nothing that was sent, or no TLS, or not in time
            await self._loop.connect_accepted_socket(
                lambda: connection, accepted, ssl=tls, ssl_handshake_timeout=self._seconds
            )

    def _end(
        self, accepted: socket.socket, peer: Address | None, connection: Connection, task: asyncio.Task[None]
    ) -> None:
        self._tasks.discard(task)
        if self.take(connection):
            self._leave(peer)
            accepted.close()
