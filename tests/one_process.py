"""A whole gateway in the loop of a test, before a store that can be held up."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import structlog

from gateway import app as room
from gateway.settings import watch
from tests.backends.fault_server import Peer, fault_server, reply
from tests.data.harness import request
from tests.data.raw_client import RawClient
from tests.servers import over_tls
from tests.servers.process import free_ports

ENVIRON = {
    "ADMIN": "an-admin-token-for-tests-0123456789",
    "KEY": "AKIATEST",
    "SECRET": "secret",
    **over_tls.gateway_variables(),
}

SETTINGS = """
data: {{listen: "127.0.0.1:{data}", public_url: "http://127.0.0.1:{data}"}}
control: {{listen: "127.0.0.1:{control}", tokens: [{{name: ops, secret: "env:ADMIN"}}]}}
state: {state}
policies: policies/
log: {{level: error, format: json}}
{more}
"""

POLICY = """
backends:
  lab: {{profile: generic, endpoint: "http://127.0.0.1:{store}", region: us-east-1,
        credentials: {{access_key: "env:KEY", secret_key: "env:SECRET"}}}}
buckets: {{reports: {{backend: lab, bucket: real, prefix: inside/}}}}
rules:
  - {{name: all, who: ["admin:ops"], may: [read, share], on: {on}, links: {{actions: [read]}}}}
limits:
  - {{who: "admin:*", requests: 1000/s}}
"""


@dataclass
class Store:
    """An object of 200,000 bytes under every name; `hold` keeps the second half of a slow one back, and all of a silent
    one."""

    hold: asyncio.Event = field(default_factory=asyncio.Event)
    body: bytes = b"x" * 200_000

    async def script(self, peer: Peer) -> None:
        while True:
            head, _ = await peer.request()
            if "/silent" in head.split("\r\n")[0]:
                await self.hold.wait()
            if "/slow" not in head.split("\r\n")[0]:
                await peer.send(reply(self.body))
                continue
            whole = reply(self.body)
            await peer.send(whole[:100_000])
            await self.hold.wait()
            await peer.send(whole[100_000:])


@dataclass
class Running:
    """One process under test."""

    directory: Path
    data: int
    control: int
    store: Store
    store_port: int
    session: aiohttp.ClientSession
    stop: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None

    async def api(self, method: str, path: str, **body: Any) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {ENVIRON['ADMIN']}"}
        url = f"{over_tls.scheme()}://127.0.0.1:{self.control}{path}"
        async with self.session.request(method, url, json=body or None, headers=headers) as answer:
            kind = answer.headers.get("Content-Type", "")
            return answer.status, await (answer.json(content_type=None) if "json" in kind else answer.text())

    async def link(self, key: str = "a.txt", **more: Any) -> Any:
        status, made = await self.api("POST", "/v1/links", bucket="reports", key=key, owner="admin:ops", **more)
        assert 201 == status, made
        return made

    async def fetch(self, link: Any) -> int:
        async with RawClient(self.data) as client:
            await client.send(request("GET", f"/s/{link['token']}"))
            got = await client.answer()
            return got.status if got.whole else 0

    async def readiness(self) -> int:
        return (await self.api("GET", "/readyz"))[0]

    async def metric(self, line: str) -> bool:
        return line in (await self.api("GET", "/metrics"))[1]

    def write_policy(self, on: str = "reports/**") -> None:
        policies = self.directory / "policies"
        policies.mkdir(exist_ok=True)
        (policies / "p.yaml").write_text(POLICY.format(store=self.store_port, on=on))

    async def hup(self) -> None:
        os.kill(os.getpid(), signal.SIGHUP)
        await asyncio.sleep(0.05)

    async def ended(self) -> None:
        assert self.task is not None
        async with asyncio.timeout(5):
            await self.task


async def until_answered(ask: Callable[[], Awaitable[int]], wanted: int) -> None:
    """What a caller outside sees soon."""
    async with asyncio.timeout(5):
        while await ask() != wanted:  # noqa: ASYNC110 (it is asked over HTTP)
            await asyncio.sleep(0.02)


@contextmanager
def logging_as_before() -> Iterator[None]:
    """A process takes logging over; the next test gets it back."""
    before = logging.root.handlers[:], logging.root.level
    yield
    logging.root.handlers[:], level = before
    logging.root.setLevel(level)
    structlog.reset_defaults()


@asynccontextmanager
async def serving(
    directory: Path,
    more: str = "",
    state: str = '"memory://"',
    settle: Callable[[], None] | None = None,
    look_seconds: float = 3600.0,
) -> AsyncIterator[Running]:
    """`run` as a task, ready; it is told to stop in the end.

    Nobody looks into the directory meanwhile, unless that often: a reload is by a signal, whenever a file was written.
    """
    data, control = free_ports(2)
    store = Store()
    async with AsyncExitStack() as stack:
        stack.enter_context(pytest.MonkeyPatch.context()).setattr(watch, "_LOOK_SECONDS", look_seconds)
        stack.enter_context(logging_as_before())
        seen = await stack.enter_async_context(fault_server(store.script, plain=True))
        connector = aiohttp.TCPConnector(ssl=over_tls.client() or True)
        session = await stack.enter_async_context(aiohttp.ClientSession(connector=connector))
        running = Running(directory, data, control, store, seen.port, session)
        running.write_policy()
        settings = directory / "gateway.yaml"
        settings.write_text(SETTINGS.format(data=data, control=control, state=state, more=more))
        ready = asyncio.Event()
        group = await stack.enter_async_context(asyncio.TaskGroup())
        running.task = group.create_task(
            room.run(settings, environ=ENVIRON, settle=settle, ready=ready.set, stop=running.stop), name="gateway"
        )
        waiting = group.create_task(ready.wait())
        await asyncio.wait({running.task, waiting}, return_when=asyncio.FIRST_COMPLETED)
        try:
            yield running
        finally:
            waiting.cancel()
            store.hold.set()
            running.stop.set()
