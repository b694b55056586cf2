"""Many transfers at once, whose clients and whose store stall, go on and leave, on connections that are used again.

`STRESS_SECONDS=300 STRESS_SEED=7 pytest tests/splice/test_stress.py` for more of it.
"""

from __future__ import annotations

import asyncio
import os
import random
import re
import socket
import threading
import time
from base64 import b64encode
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from hashlib import md5

from gateway.backends.profiles import PROFILES
from gateway.backends.upstream import StoreUpstream
from gateway.core.backend import BackendSpec
from gateway.splice import pump
from tests.backends.fault_server import CREDENTIALS, reply
from tests.data.harness import APP, request, running
from tests.splice.conftest import plain_only

SECONDS = float(os.environ.get("STRESS_SECONDS", "2"))
SEED = int(os.environ.get("STRESS_SEED", "1"))
CLIENTS = 12
PATIENCE = 20.0
"""Seconds after which what has not gone on hangs: a hundred times longer than any stall here."""

LARGEST = 16 * 1024 * 1024
BODY = os.urandom(1024 * 1024) * (LARGEST // 1024**2 + 1)
_LENGTH = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_SIZE = re.compile(rb"/(\d+)[? ]")


class Wire:
    """One side of a connection, that stalls now and then."""

    def __init__(self, sock: socket.socket, chance: random.Random) -> None:
        self.sock, self.chance = sock, chance
        self._left = b""
        sock.settimeout(PATIENCE)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def stall(self) -> None:
        if self.chance.random() < 0.02:
            time.sleep(self.chance.choice((0.001, 0.01, 0.05, 0.2)))

    def head(self) -> bytes:
        """The next head; nothing once the other side has ended."""
        while b"\r\n\r\n" not in self._left:
            piece = self.sock.recv(65536)
            if not piece:
                return b""
            self._left += piece
        head, _, self._left = self._left.partition(b"\r\n\r\n")
        return head

    def expect(self, length: int) -> None:
        """A body: so many bytes of BODY."""
        came, wanted = 0, memoryview(BODY)
        while came < length:
            piece, self._left = self._left[: length - came], self._left[length - came :]
            if not piece:
                self.stall()
                piece = self.sock.recv(min(length - came, self.chance.choice((1000, 65536, 1 << 20))))
            if not piece or piece != wanted[came : came + len(piece)]:
                raise ConnectionError(f"{len(piece)} wrong bytes behind {came} of {length}")
            came += len(piece)

    def give(self, length: int) -> None:
        sent = 0
        while sent < length:
            self.stall()
            size = min(length - sent, self.chance.choice((500, 65536, 1 << 20)))
            self.sock.sendall(memoryview(BODY)[sent : sent + size])
            sent += size


def serve(wire: Wire) -> None:
    """A store: of every object, the name is its size."""
    with wire.sock, suppress(ConnectionError):  # the gateway ends what was cut
        while head := wire.head():
            if head.startswith(b"GET"):
                size = int(_SIZE.findall(head)[0])
                wire.sock.sendall(f"HTTP/1.1 200 OK\r\ncontent-length: {size}\r\n\r\n".encode())
                wire.give(size)
            else:
                found = _LENGTH.search(head + b"\r\n")
                assert found is not None
                wire.expect(int(found[1]))
                wire.sock.sendall(reply(extra='etag: "v"\r\n'))


@contextmanager
def store() -> Iterator[int]:
    """Its port. One thread for each connection."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:

        def accept() -> None:
            chance = random.Random(SEED)
            with suppress(OSError):
                while True:
                    sock, _ = server.accept()
                    wire = Wire(sock, random.Random(chance.random()))
                    threading.Thread(target=serve, args=(wire,), daemon=True).start()

        thread = threading.Thread(target=accept, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)
        thread.join()


class Client:
    """Asks for one thing after the other, on one connection until it leaves."""

    def __init__(self, port: int, seed: int, done: Counter[str]) -> None:
        self.port, self.chance, self.done = port, random.Random(seed), done
        self.now = "nothing"

    def run(self, until: float) -> None:
        while time.monotonic() < until:
            with socket.create_connection(("127.0.0.1", self.port)) as sock:
                wire = Wire(sock, self.chance)
                while time.monotonic() < until and self.ask(wire):
                    pass

    def ask(self, wire: Wire) -> bool:
        """One request; false if it was left in the middle."""
        kind = self.chance.choice(("small", "small", "get", "get", "put", "put", "checked", "leave", "break off"))
        size = 4096 if kind == "small" else self.chance.randrange(256 * 1024, self.chance.choice((1, 4, 16)) << 20)
        part = self.chance.randrange(size)
        self.now = f"{kind} {size}"
        self.done["begun"] += 1
        if kind in {"small", "get", "leave"}:
            wire.sock.sendall(request("GET", f"/reports/{size}"))
            self.require(wire.head())
            wire.expect(part if kind == "leave" else size)
        else:
            headers = {"Content-Length": str(size)}
            if kind == "checked":
                headers["Content-MD5"] = b64encode(md5(memoryview(BODY)[:size]).digest()).decode()
            wire.sock.sendall(request("PUT", f"/reports/{size}", headers))
            wire.give(part if kind == "break off" else size)
            if kind != "break off":
                self.require(wire.head())
        self.done[kind] += 1
        self.now = "nothing"
        return kind not in {"leave", "break off"}

    @staticmethod
    def require(head: bytes) -> None:
        if not head.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(f"answered {head!r}")


async def stress(seconds: float) -> Counter[str]:
    """How many of each kind came to their end; raises if one did not, or came wrong."""
    done: Counter[str] = Counter()
    with store() as port:
        async with running(trusted=APP) as rig:
            spec = BackendSpec.resolve("lab", PROFILES["generic"], CREDENTIALS, endpoint=f"http://127.0.0.1:{port}")
            rig.plane.upstream = upstream = StoreUpstream([spec])
            until = time.monotonic() + seconds
            clients = [Client(rig.port, SEED * 1000 + number, done) for number in range(CLIENTS)]
            loop = asyncio.get_running_loop()
            with ThreadPoolExecutor(CLIENTS) as threads:
                runs = [loop.run_in_executor(threads, client.run, until) for client in clients]
                ended = await asyncio.gather(*runs, return_exceptions=True)
            wrong = [f"{client.now}: {end!r}" for client, end in zip(clients, ended, strict=True) if end is not None]
            await upstream.close()
    assert [] == wrong, (wrong, state())
    return done


def state() -> list[dict[str, object]]:
    """What the pumps still have in work, for whoever has to find out why."""
    names = ("left", "held", "least", "readable", "writable", "queued", "ended")
    return [
        {name: getattr(one, name) for name in names}
        for pumped in pump._pumps.values()
        for one in {entry[0] for entry in pumped._ends.values()}
    ]


@plain_only
async def test_nothing_hangs_and_nothing_comes_wrong(way: str) -> None:
    """Whatever stalls goes on, however many others do, on either way."""
    done = await stress(SECONDS)
    assert {"small", "get", "put", "checked", "leave", "break off", "begun"} == set(done), done
