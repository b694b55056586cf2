"""Transfers of every kind on a real gateway, half done; and every way to end or narrow the link that they run by."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from urllib.parse import urlsplit

from tests.data.raw_client import RawClient
from tests.replicas.probes import Clients
from tests.servers.gateway import Link

__all__ = ["ENDING", "HARMLESS", "KINDS", "READING", "Begun", "begin", "change"]

SIZE: Final = 16 * 1024 * 1024
HALF: Final = b"x" * (SIZE // 2)
READING: Final = ("get", "archive")
KINDS: Final = (*READING, "put", "parts", "form", "tus")
_WINDOW: Final = 64 * 1024
_FORM: Final = b'--b\r\nContent-Disposition: form-data; name="file"; filename="%b"\r\n\r\n'
_FORM_END: Final = b"\r\n--b--\r\n"


def _later(seconds: float) -> str:
    return (datetime.now(UTC) + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")


ENDING: Final[dict[str, Callable[[str], dict[str, Any]]]] = {
    "revoke": lambda kind: {},
    "rotate": lambda kind: {},
    "expires by itself": lambda kind: {"expires_at": _later(2)},
    "not_before": lambda kind: {"not_before": _later(1800)},
    "actions": lambda kind: {"actions": ["list"] if kind in READING else ["read", "list"]},
    "cidrs": lambda kind: {"cidrs": ["192.0.2.0/24"]},
    "password": lambda kind: {"password": "a new password"},
    "uses": lambda kind: {"uses": 1},
    "bytes": lambda kind: {"bytes": 1},
}
SIZED: Final = {"max_size": lambda kind: {"max_size": 1000}}
HARMLESS: Final[dict[str, Callable[[str], dict[str, Any]]]] = {
    "label": lambda kind: {"label": "new"},
    "longer": lambda kind: {"expires_at": _later(9000)},
    "more uses": lambda kind: {"uses": 50},
    "as many uses as taken": lambda kind: {"uses": 2},
    "wider": lambda kind: {"cidrs": ["0.0.0.0/0"]},
    "more bytes": lambda kind: {"bytes": 10**12},
    "another link": lambda kind: {},
}


async def change(clients: Clients, link: Link, name: str, kind: str) -> float:
    """Make it through the first replica; returns when it was acknowledged."""
    path = f"/v1/links/{link.id}"
    body: dict[str, Any] | None = None
    if name == "revoke":
        method = "DELETE"
    elif name == "rotate":
        method, path = "POST", f"{path}/rotate"
    elif name == "another link":
        other = await clients.link(0)
        method, path = "DELETE", f"/v1/links/{other.id}"
    else:
        method, body = "PATCH", (ENDING | SIZED | HARMLESS)[name](kind)
    status, answer = await clients.control(0, method, path, body)
    assert status in {200, 201}, (name, status, answer)
    return time.monotonic()


@dataclass
class Begun:
    """A transfer that stands still. `rest` is what its client still has to send."""

    kind: str
    client: RawClient
    name: str
    rest: bytes = b""
    read: int = 0
    length: int = 0

    async def until_cut(self, within: float) -> float | None:
        """When the connection was reset or ended, without a byte more from this side; None if it goes on.

        A reader goes on not reading: in the second that the news may take, a fast one would have all there is.
        """
        try:
            async with asyncio.timeout(within):
                if self.kind in READING:
                    while not self._broken():  # noqa: ASYNC110 (no event for it)
                        await asyncio.sleep(0.01)
                else:
                    while await self.client.receive():
                        pass
        except TimeoutError:
            return None
        return time.monotonic()

    def _broken(self) -> bool:
        return self.client.sock.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) != 0

    async def stands(self, seconds: float) -> bool:
        """Whether it is not cut for so long: nothing comes, and no error."""
        if self.kind in READING:
            await asyncio.sleep(seconds)
            return not self._broken()
        return await self.until_cut(seconds) is None

    async def finish(self) -> bool:
        """Let it come to its end; whether that was a good one."""
        try:
            async with asyncio.timeout(60):
                await self.client.send(self.rest)
                while self.kind in READING and self.read < self.length:
                    data = await self.client.receive(1024 * 1024)
                    if not data:
                        return False
                    self.read += len(data)
                return self.kind in READING or (await self.client.head()).status in {200, 201, 204}
        except (ConnectionError, TimeoutError):
            return False


async def begin(clients: Clients, replica: int, kind: str, link: Link, name: str) -> Begun:
    """Start one and bring it half way, or as far as a reader that stops reading lets it come."""
    data = clients.fleet.gateways[replica].data
    place = f"/s/{link.token}/"
    if kind in READING:
        return await begin_reading(f"{data}{place}?archive=tar" if kind == "archive" else f"{data}{place}big.bin", kind)
    client, host = await _connected(data)
    begun = Begun(kind, client, name)
    async with asyncio.timeout(30):
        head, first, begun.rest = await _sending(clients, replica, kind, place, name)
        await client.send(head + host + b"\r\n" + first)
    return begun


async def begin_reading(url: str, kind: str = "get", shown: str = "") -> Begun:
    """Read the start of what is at a URL; `shown` is a holder's pass."""
    client, host = await _connected(url)
    begun, parts = Begun(kind, client, ""), urlsplit(url)
    async with asyncio.timeout(30):
        asked = f"GET {parts.path}?{parts.query} HTTP/1.1\r\nGateway-Holder: {shown}\r\n".encode()
        await client.send(asked + host + b"\r\n")
        got = await client.head()
        assert 200 == got.status, (kind, got.status)
        begun.length = int(got.header("content-length") or "0")
    return begun


async def _connected(url: str) -> tuple[RawClient, bytes]:
    """A connection with a small window, and the header that names its host."""
    where = urlsplit(url)
    client = await RawClient(where.port or 0, _WINDOW).__aenter__()
    return client, f"Host: {where.netloc}\r\n".encode()


async def _sending(clients: Clients, replica: int, kind: str, place: str, name: str) -> tuple[bytes, bytes, bytes]:
    if kind == "put":
        return f"PUT {place}{name} HTTP/1.1\r\nContent-Length: {SIZE}\r\n".encode(), HALF, HALF
    if kind == "parts":
        chunk = b"%x\r\n%b\r\n" % (len(HALF), HALF)
        return f"PUT {place}{name} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n".encode(), chunk, chunk + b"0\r\n\r\n"
    if kind == "form":
        start = _FORM % name.encode()
        length = len(start) + SIZE + len(_FORM_END)
        kinds = "Content-Type: multipart/form-data; boundary=b\r\n"
        return f"POST {place} HTTP/1.1\r\nContent-Length: {length}\r\n{kinds}".encode(), start + HALF, HALF + _FORM_END
    headers = {"Tus-Resumable": "1.0.0", "Upload-Length": str(SIZE)}
    data = clients.fleet.gateways[replica].data
    async with clients.session.post(f"{data}{place}{name}", headers=headers) as made:
        assert 201 == made.status, await made.text()
        address = urlsplit(made.headers["Location"])
        where = f"{address.path}?{address.query}"
    told = "Tus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\n"
    return f"PATCH {where} HTTP/1.1\r\nContent-Length: {SIZE}\r\n{told}".encode(), HALF, HALF
