"""Owns the sockets that the gateway answers on: data listeners, the control listener, their TLS, and their ending.

Refuses to own what is answered (`gateway.data`, `gateway.control`) and when listeners open and end (`gateway.app`).
Law: a listener that cannot be bound is a fault of the settings, told with its address. A socket file on which somebody
still answers is taken from nobody; one that was left behind is replaced.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl
from collections.abc import Callable, Mapping

from gateway.control.serve import ControlPlane
from gateway.core.reasons import SettingsError
from gateway.schema.addresses import ListenAddress
from gateway.server.listener import Handle, HttpServer, PeerLimit
from gateway.server.tls import Certificates, KeyFiles


class Listeners:
    """Opened one by one; `shared` says that other processes listen on the same addresses.

    `head_seconds` is how long a request's head may take, `certificate_ends` is given the instant at which the
    first certificate ends.
    """

    def __init__(
        self,
        *,
        shared: bool,
        head_seconds: float,
        tls: Mapping[str, KeyFiles],
        certificate_ends: Callable[[float], None],
    ) -> None:
        """Raises SettingsError: a certificate and its key do not load."""
        self._shared = True if shared else None
        self._head_seconds = head_seconds
        self._certificates = Certificates(certificate_ends)
        self._contexts = self._certificates.load(tls)
        self._data: list[HttpServer] = []
        self._control: tuple[ControlPlane, HttpServer] | None = None

    async def open_data(
        self, listen: ListenAddress, handler: Handle, peer_limit: PeerLimit | None, *, tls: bool
    ) -> None:
        """Serve requests with `handler`. Raises SettingsError: the address cannot be listened on."""
        server = HttpServer(handler, head_seconds=self._head_seconds, peer_limit=peer_limit)
        self._data.append(server)
        await self._bind(server, listen, self._contexts.get("data") if tls else None)

    async def open_control(self, listen: ListenAddress, plane: ControlPlane) -> None:
        """Serve the control API. Raises SettingsError: the address cannot be had."""
        server = HttpServer(plane.handle, head_seconds=self._head_seconds)
        self._control = plane, server
        await self._bind(server, listen, self._contexts.get("control"))

    async def _bind(self, server: HttpServer, listen: ListenAddress, tls: ssl.SSLContext | None) -> None:
        if listen.path and self._shared:
            raise SettingsError(f"{listen}: several processes cannot share a Unix socket: listen on an address")
        try:
            if listen.path:
                if _is_answered(listen.path):
                    raise OSError(errno.EADDRINUSE, os.strerror(errno.EADDRINUSE))
                await server.listen_on_path(listen.path, tls)
            else:
                await server.listen(listen.host, listen.port, tls, reuse_port=self._shared)
        except OSError as failure:
            reason = str(failure.strerror or failure).rpartition(": ")[2]  # before it, asyncio repeats the address
            raise SettingsError(f"cannot listen on {listen}: {reason}") from None

    def renew(self, tls: Mapping[str, KeyFiles]) -> None:
        """Give new handshakes what the files hold now. Raises SettingsError: they do not load; nothing changes."""
        self._certificates.renew(tls)

    def part(self) -> None:
        """Have each answer of the data listeners end its connection."""
        for server in self._data:
            server.draining = True

    def stop_data(self) -> None:
        """Accept nothing more on the data listeners; the control listener answers to the last."""
        for server in self._data:
            server.stop_listening()

    @property
    def busy(self) -> bool:
        """Whether a data listener still has a request in work."""
        return any(server.busy for server in self._data)

    async def close(self) -> None:
        for server in self._data:
            await server.close()
        if self._control is not None:
            plane, server = self._control
            plane.end_waits()
            await server.close()
            await plane.finish()


def _is_answered(path: str) -> bool:
    """Whether somebody listens there: the event loop would replace their socket file without a word."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        return probe.connect_ex(path) in {0, errno.EAGAIN}
