"""A client that hides nothing: raw sockets, and an answer is whole only if its framing says so."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
import termios
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from tests.servers import over_tls
from tests.servers.over_tls import ClientTls

__all__ = ["Got", "RawClient", "held_by_client"]


@dataclass
class Got:
    """One answer as it came. `whole` is false if the connection ended before the framing did, `reset` if by RST.
    `interim` are those that came before it, but for `100 Continue`."""

    status: int = 0
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes = b""
    whole: bool = False
    reset: bool = False
    interim: list[Got] = field(default_factory=list)

    def header(self, name: str) -> str | None:
        return next((value for key, value in self.headers if key == name.lower()), None)

    def headers_named(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name.lower()]

    @property
    def text(self) -> str:
        return self.body.decode()


class RawClient:
    """One connection, by TLS where the listeners of this run have it, but for those on a path and `plain` ones.
    `window` bounds the receive buffer, for readers that do not read."""

    def __init__(self, place: int | Path, window: int | None = None, *, plain: bool = False) -> None:
        self._address = str(place) if isinstance(place, Path) else ("127.0.0.1", place)
        self.sock = socket.socket(socket.AF_UNIX if isinstance(place, Path) else socket.AF_INET)
        trust = None if plain or isinstance(place, Path) else over_tls.client()
        self._tls = None if trust is None else ClientTls(trust)
        if window is not None:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self.sock.setblocking(False)
        self._left = b""
        self.ended = False
        self.reset = False

    async def __aenter__(self) -> Self:
        try:
            await asyncio.get_running_loop().sock_connect(self.sock, self._address)
            if self.sock.family == socket.AF_INET:
                self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while self._tls is not None and not self._tls.agree():
                await self.send(b"")
                self._tls.take(await asyncio.get_running_loop().sock_recv(self.sock, 65536))
            await self.send(b"")
        except OSError:
            self.sock.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        self.sock.close()

    def leave(self) -> None:
        """Be gone at once, as whoever closes with bytes that it did not read: its system resets the connection."""
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.sock.close()

    async def send(self, data: bytes) -> None:
        await asyncio.get_running_loop().sock_sendall(self.sock, self.encrypted(data))

    def encrypted(self, data: bytes) -> bytes:
        """What has to go over the socket for it, in this order."""
        return data if self._tls is None else self._tls.encrypt(data)

    async def receive(self, most: int = 65536) -> bytes:
        """What is there next; empty at the end, which may have been a reset."""
        if self._left:
            data, self._left = self._left, b""
            return data
        try:
            async with asyncio.timeout(15):
                data = await self._read(most)
        except ConnectionError:
            self.reset = True
            data = b""
        self.ended = self.ended or not data
        return data

    async def _read(self, most: int) -> bytes:
        loop = asyncio.get_running_loop()
        if self._tls is None:
            return await loop.sock_recv(self.sock, most)
        while (data := self._tls.decrypt(most)) is None:
            self._tls.take(await loop.sock_recv(self.sock, most))
        return data

    async def rest(self) -> bytes:
        """Everything until the end of the connection."""
        data = b""
        while piece := await self.receive():
            data += piece
        return data

    async def rest_of(self, length: int) -> bytes:
        """That many bytes, or as many as came."""
        data = b""
        while len(data) < length and (piece := await self.receive()):
            data += piece
        self._left = data[length:]
        return data[:length]

    async def head(self) -> Got:
        """The next answer's head; what of the body came along stays for `receive`."""
        data = b""
        while b"\r\n\r\n" not in data:
            piece = await self.receive()
            if not piece:
                return Got(reset=self.reset)
            data += piece
        raw, _, self._left = data.partition(b"\r\n\r\n")
        status_line, *lines = raw.decode("latin-1").split("\r\n")
        fields = [line.partition(":") for line in lines]
        return Got(int(status_line.split()[1]), [(name.lower(), value.strip()) for name, _, value in fields])

    async def answer(self, method: str = "GET") -> Got:
        """The next answer, whole or as far as it came, with the interim ones before it."""
        interim: list[Got] = []
        while 100 <= (got := await self.head()).status < 200:
            interim += [got] if got.status != 100 else []
        got.interim = interim
        if method == "HEAD" or got.status in {0, 204, 304}:
            got.whole = got.status != 0
        elif got.header("transfer-encoding") == "chunked":
            await self._chunks(got)
        else:
            await self._counted(got, int(got.header("content-length") or 0))
        got.reset = self.reset
        return got

    async def _counted(self, got: Got, length: int) -> None:
        while len(got.body) < length:
            piece = await self.receive()
            if not piece:
                return
            got.body += piece
        got.body, self._left = got.body[:length], got.body[length:]
        got.whole = True

    async def _chunks(self, got: Got) -> None:
        data = b""
        while True:
            while b"\r\n" not in data:
                piece = await self.receive()
                if not piece:
                    return
                data += piece
            size_line, _, data = data.partition(b"\r\n")
            size = int(size_line, 16)
            while len(data) < size + 2:
                piece = await self.receive()
                if not piece:
                    got.body += data[:size]
                    return
                data += piece
            got.body += data[:size]
            data = data[size + 2 :]
            if not size:
                got.whole, self._left = True, data
                return


async def held_by_client(client: RawClient) -> int:
    """Bytes that wait in the client's own kernel, once these have not become more for a while."""
    before, same = -1, 0
    while same < 3:
        await asyncio.sleep(0.05)
        now = struct.unpack("i", fcntl.ioctl(client.sock.fileno(), termios.FIONREAD, b"\0" * 4))[0]
        same = same + 1 if now and now == before else 0
        before = now
    return before
