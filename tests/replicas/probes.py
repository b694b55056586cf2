"""What the replicas are asked over and over: is this link refused yet, who was let in."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import ssl
import struct
import termios
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

import aiohttp

from tests.replicas.fleet import Fleet, refused_by
from tests.servers import over_tls
from tests.servers.gateway import Link, RunningGateway

__all__ = ["Clients", "Download", "Seen", "Stalled", "Watch", "quantile"]


def quantile(times: Sequence[float], share: float) -> float:
    """The value that so much of the sorted times lies at or below."""
    ordered = sorted(times)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


@dataclass(frozen=True, slots=True)
class Seen:
    """One answer: when the request was sent and when it was answered (monotonic seconds), its status and reason.

    Status 0 is a connection that broke.
    """

    sent: float
    at: float
    status: int
    reason: str = ""


class Clients:
    """HTTP clients of a fleet; use it as a context manager."""

    def __init__(self, fleet: Fleet) -> None:
        self.fleet = fleet
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        limits = aiohttp.ClientTimeout(total=30)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=over_tls.client() or True), timeout=limits
        )
        return self

    async def __aexit__(self, *failure: object) -> None:
        await self.session.close()

    @property
    def session(self) -> aiohttp.ClientSession:
        assert self._session is not None
        return self._session

    async def get(self, replica: int, token: str, agent: str = "probe") -> Seen:
        """One download of a small object."""
        sent = time.monotonic()
        headers = {"User-Agent": agent, "Accept": "application/json"}
        try:
            async with self.session.get(self.fleet.url(replica, token), headers=headers) as answer:
                text = await answer.read()
                reason = (await answer.json(content_type=None)).get("reason", "") if answer.status >= 400 else ""
                return Seen(sent, time.monotonic(), answer.status, reason if text else "")
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return Seen(sent, time.monotonic(), 0)

    async def control(self, replica: int, method: str, path: str, body: object = None) -> tuple[int, dict[str, object]]:
        """One call of a replica's control API; status 0 if it broke."""
        gateway: RunningGateway = self.fleet.gateways[replica]
        headers = {"Authorization": f"Bearer {gateway.admin_token}"}
        try:
            async with self.session.request(method, gateway.control + path, json=body, headers=headers) as answer:
                return answer.status, await answer.json(content_type=None)
        except (aiohttp.ClientError, TimeoutError, ValueError):
            return 0, {}

    async def link(self, replica: int, key: str = "small", **more: object) -> Link:
        """A new link, made through one replica."""
        body = {"bucket": "lab", "key": key, "actions": ["read"], "expires_in": 7200, **more}
        status, made = await self.control(replica, "POST", "/v1/links", body)
        assert status == 201, made
        return Link(str(made["id"]), str(made["url"]), str(made["token"]))

    async def revoke(self, replica: int, link: Link) -> bool:
        """Whether the replica acknowledged it."""
        status, _ = await self.control(replica, "DELETE", f"/v1/links/{link.id}")
        return status == 200

    async def until_refused(self, replica: int, link: Link, within: float = 10.0) -> float:
        """When the first request was answered with a refusal; asks without a pause."""
        deadline = time.monotonic() + within
        while time.monotonic() < deadline:
            seen = await self.get(replica, link.token)
            if refused_by(seen.status):
                return seen.at
        raise AssertionError(f"replica {replica} still honours a revoked link after {within} s")


@dataclass(slots=True)
class Download:
    """One download that reads as fast as bytes come, for as long as the block runs; entered once the first came.

    `ended` is when it did (monotonic seconds), `broken` whether that was no proper end.
    """

    clients: Clients
    replica: int
    token: str
    moved: int = 0
    ended: float | None = None
    broken: bool = False
    _began: asyncio.Event = field(default_factory=asyncio.Event)
    _task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.get_running_loop().create_task(self._run())
        async with asyncio.timeout(10):
            await self._began.wait()
        return self

    async def __aexit__(self, *failure: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def until_ended(self, within: float) -> None:
        """Raises TimeoutError when it goes on for longer."""
        assert self._task is not None
        async with asyncio.timeout(within):
            await asyncio.wait([self._task])

    async def _run(self) -> None:
        wanted = aiohttp.ClientTimeout(total=None)
        try:
            async with self.clients.session.get(
                self.clients.fleet.url(self.replica, self.token), timeout=wanted
            ) as answer:
                async for data in answer.content.iter_any():
                    self.moved += len(data)
                    self._began.set()
        except (aiohttp.ClientError, OSError):
            self.broken = True
        self.ended = time.monotonic()


class Stalled:
    """A client with a small receive buffer that asks for a link and reads nothing until it is told to."""

    def __init__(self, clients: Clients, replica: int, token: str, window: int = 64 * 1024) -> None:
        self._place = urlsplit(clients.fleet.url(replica, token))
        self._socket = socket.socket()
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, window)
        self._socket.setblocking(False)

    async def __aenter__(self) -> Self:
        place, loop = self._place, asyncio.get_running_loop()
        await loop.sock_connect(self._socket, (place.hostname, place.port))
        head = f"GET {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\n\r\n".encode()
        context = over_tls.client()
        await loop.sock_sendall(self._socket, head if context is None else await self._encrypt(context, head))
        return self

    async def _encrypt(self, context: ssl.SSLContext, head: bytes) -> bytes:
        """Agree with the server on TLS; what comes after that is counted as it is on the wire."""
        loop, tls = asyncio.get_running_loop(), over_tls.ClientTls(context)
        while not tls.agree():
            await loop.sock_sendall(self._socket, tls.encrypt(b""))
            tls.take(await loop.sock_recv(self._socket, 16 * 1024))
        return tls.encrypt(head)

    async def __aexit__(self, *failure: object) -> None:
        self._socket.close()

    async def steady(self, within: float = 10.0) -> int:
        """How many bytes its own kernel holds for it, once these have been the same for a while."""
        deadline, seen = time.monotonic() + within, [0]
        while seen[-1] == 0 or seen[-8:] != seen[-1:] * 8:
            assert time.monotonic() < deadline, seen[-8:]
            await asyncio.sleep(0.05)
            seen.append(self._held())
        return seen[-1]

    async def rest(self) -> tuple[int, bool]:
        """Read to the end: how many bytes came, those that were held included, and whether the end was an error."""
        loop, moved = asyncio.get_running_loop(), 0
        try:
            async with asyncio.timeout(30):
                while data := await loop.sock_recv(self._socket, 256 * 1024):
                    moved += len(data)
        except ConnectionError:
            return moved, True
        return moved, False

    def _held(self) -> int:
        return int(struct.unpack("i", fcntl.ioctl(self._socket.fileno(), termios.FIONREAD, b"\0\0\0\0"))[0])


@dataclass(slots=True)
class Watch:
    """Asks one replica for one link, every `pause` seconds, for as long as the block runs."""

    clients: Clients
    replica: int
    link: Link
    pause: float = 0.05
    seen: list[Seen] = field(default_factory=list)
    _task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.get_running_loop().create_task(self._run())
        return self

    async def __aexit__(self, *failure: object) -> None:
        assert self._task is not None
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as group:
            while True:  # a request that hangs holds up none of the next
                group.create_task(self._ask())
                await asyncio.sleep(self.pause)

    async def _ask(self) -> None:
        self.seen.append(await self.clients.get(self.replica, self.link.token))

    def last(self, status: int, before: float = float("inf")) -> float | None:
        """When the last request with this answer was sent."""
        return max((seen.sent for seen in self.seen if seen.status == status and seen.sent < before), default=None)

    def first(self, status: int, after: float) -> float | None:
        """When the first of the requests sent after this instant was answered so."""
        return min((seen.at for seen in self.seen if seen.status == status and seen.sent > after), default=None)
