"""Requests a second of 4 KiB objects, and bytes a second of large ones: our upstream client against aiohttp's session.

Run it: `python -m tests.bench.upstream [--seconds S] [--rounds N] [--connections N]`. A store that answers from memory
runs in a process of its own; the rounds of both clients take turns, and medians are compared. It prints one ratio a
size: how many times as much our client does.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import statistics
import sys
import time
from collections.abc import Awaitable, Callable
from multiprocessing.connection import Connection as Pipe

import aiohttp
import uvloop
import yarl

from gateway.backends.presign import Presigner
from gateway.backends.profiles import PROFILES
from gateway.backends.upstream import StoreUpstream
from gateway.core.backend import BackendSpec, Credentials
from gateway.core.route import UpstreamCall

SMALL = 4096
LARGE = 64 * 1024 * 1024
CREDENTIALS = Credentials("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
HEADERS = (
    "accept-ranges: bytes\r\ncontent-type: text/plain\r\nserver: bench\r\n"
    "x-amz-request-id: 18EA3BD755A5FC3FE284D2BE\r\n"
    'etag: "5d41402abc4b2a76b9719d911017c592"\r\nlast-modified: Sun, 22 Nov 2026 02:06:37 GMT\r\n'
    "date: Sun, 22 Nov 2026 02:06:37 GMT\r\n"
)


class MemoryStore(asyncio.Protocol):
    """Answers every request at once: `/b/large` with many bytes, anything else with few."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.seen = b""

    def data_received(self, data: bytes) -> None:
        self.seen += data
        while b"\r\n\r\n" in self.seen:
            head, _, self.seen = self.seen.partition(b"\r\n\r\n")
            self.transport.write(ANSWERS[b"large" if head.startswith(b"GET /b/large") else b"small"])


def answer(size: int) -> bytes:
    return f"HTTP/1.1 200 OK\r\n{HEADERS}content-length: {size}\r\n\r\n".encode() + b"x" * size


ANSWERS = {b"small": answer(SMALL), b"large": answer(LARGE)}


def serve(pipe: Pipe) -> None:
    async def main() -> None:
        server = await asyncio.get_running_loop().create_server(MemoryStore, "127.0.0.1", 0)
        pipe.send(server.sockets[0].getsockname()[1])
        await server.serve_forever()

    uvloop.run(main())


async def rate(once: Callable[[], Awaitable[int]], tasks: int, seconds: float) -> tuple[float, float]:
    """Requests a second and CPU microseconds a request."""
    end = time.perf_counter() + seconds

    async def worker() -> int:
        count = 0
        while time.perf_counter() < end:
            await once()
            count += 1
        return count

    started, cpu = time.perf_counter(), time.process_time()
    counts = await asyncio.gather(*(worker() for _ in range(tasks)))
    return sum(counts) / (time.perf_counter() - started), (time.process_time() - cpu) / sum(counts) * 1e6


async def compare(port: int, options: argparse.Namespace) -> None:
    spec = BackendSpec.resolve("bench", PROFILES["generic"], CREDENTIALS, endpoint=f"http://127.0.0.1:{port}")
    upstream, presigner = StoreUpstream([spec]), Presigner(spec)
    connector = aiohttp.TCPConnector(limit=256)
    async with aiohttp.ClientSession(connector=connector, auto_decompress=False) as session:

        def ours(key: str) -> Callable[[], Awaitable[int]]:
            async def once() -> int:
                size = 0
                async with upstream.open(UpstreamCall(backend="bench", method="GET", bucket="b", key=key)) as found:
                    async for chunk in found.body:
                        size += len(chunk)
                return size

            return once

        def theirs(key: str) -> Callable[[], Awaitable[int]]:
            async def once() -> int:
                size = 0
                url = presigner.url(
                    UpstreamCall(backend="bench", method="GET", bucket="b", key=key), CREDENTIALS, time.time(), 60
                )
                async with session.get(yarl.URL(url, encoded=True), allow_redirects=False) as found:
                    async for chunk in found.content.iter_any():
                        size += len(chunk)
                return size

            return once

        for key, tasks in (("small", options.connections), ("large", 4)):
            results: dict[str, list[tuple[float, float]]] = {"ours": [], "aiohttp": []}
            for _ in range(options.rounds):
                results["ours"].append(await rate(ours(key), tasks, options.seconds))
                results["aiohttp"].append(await rate(theirs(key), tasks, options.seconds))
            rates = {name: statistics.median(row[0] for row in rows) for name, rows in results.items()}
            costs = {name: statistics.median(row[1] for row in rows) for name, rows in results.items()}
            for name, found in rates.items():
                say(f"{key:6} {name:8} {found:10.1f} requests/s {costs[name]:10.1f} us CPU a request")
            say(f"{key:6} ratio    {rates['ours'] / rates['aiohttp']:.2f}")
    await upstream.close()


def say(line: str) -> None:
    sys.stdout.write(line + "\n")


def presign_cost() -> None:
    spec = BackendSpec.resolve("bench", PROFILES["generic"], CREDENTIALS, endpoint="http://127.0.0.1:9000")
    presigner = Presigner(spec)
    call = UpstreamCall(backend="bench", method="GET", bucket="bucket", key="some/prefix/object-0001.bin")
    started = time.perf_counter()
    for number in range(20_000):
        presigner.request(call, CREDENTIALS, 1_800_000_000 + number)
    say(f"presigned head: {(time.perf_counter() - started) / 20_000 * 1e6:.1f} us")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=1.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, default=32)
    options = parser.parse_args()
    presign_cost()
    here, there = multiprocessing.get_context("spawn").Pipe()
    child = multiprocessing.get_context("spawn").Process(target=serve, args=(there,), daemon=True)
    child.start()
    try:
        uvloop.run(compare(here.recv(), options))
    finally:
        child.terminate()
        child.join()


if __name__ == "__main__":
    main()
