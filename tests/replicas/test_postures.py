"""Each dependency down, silent and back, at a gateway whose posture is closed and at one whose posture is open."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.contract.servers import postgres_server, valkey_server
from tests.replicas.fleet import fleet
from tests.replicas.probes import Clients, Seen
from tests.servers.gateway import Link
from tests.servers.store import RunningStore
from tests.stores.cutting import Wire, wire_to

pytestmark = pytest.mark.e2e

CLOSED, OPEN = 0, 1
_LIMITS = 'limits: [{who: "link:*", requests: 1000/s, burst: 1000}]'


@dataclass(frozen=True)
class Scene:
    """Gateway 0 is closed, gateway 1 open; grants are in SQLite, limits and records behind wires."""

    clients: Clients
    limits: Wire
    records: Wire
    links: tuple[Link, Link]

    async def ask(self, gateway: int) -> Seen:
        return await self.clients.get(gateway, self.links[gateway].token)

    async def until(self, gateway: int, status: int, within: float = 8.0) -> Seen:
        deadline = time.monotonic() + within
        while (seen := await self.ask(gateway)).status != status:
            assert time.monotonic() < deadline, seen
            await asyncio.sleep(0.05)
        return seen


@pytest.fixture
async def scene(rclone: RunningStore, tmp_path: Path) -> AsyncIterator[Scene]:
    async with AsyncExitStack() as stack:
        valkey = stack.enter_context(valkey_server(tmp_path / "valkey"))
        database = stack.enter_context(postgres_server())
        limits = await stack.enter_async_context(wire_to(valkey))
        records = await stack.enter_async_context(wire_to(database))
        states = [
            f'{{grants: "sqlite:///{name}.db", limits: "{limits.url}", records: "{records.url}"}}\n'
            f"fail: {{limits: {name}, audit: {name}}}"
            for name in ("closed", "open")
        ]
        starting = fleet(tmp_path / "fleet", rclone, states, policy=_LIMITS)
        running = await asyncio.to_thread(starting.__enter__)
        stack.callback(starting.__exit__, None, None, None)
        await asyncio.to_thread(running.put, "small", b"small")
        clients = await stack.enter_async_context(Clients(running))
        yield Scene(clients, limits, records, (await clients.link(CLOSED), await clients.link(OPEN)))


@pytest.mark.parametrize("fault", ["cut", "deafen"])
async def test_without_a_limiter_closed_refuses_and_open_goes_on(scene: Scene, fault: str) -> None:
    """Down or silent is the same to a client: within a second, 503 or the body; both come back by themselves."""
    assert [(await scene.ask(gateway)).status for gateway in (CLOSED, OPEN)] == [200, 200]
    getattr(scene.limits, fault)()
    for _ in range(5):
        closed, opened = await asyncio.gather(scene.ask(CLOSED), scene.ask(OPEN))
        assert (closed.status, closed.reason) == (503, "dependency_down")
        assert opened.status == 200
        assert max(seen.at - seen.sent for seen in (closed, opened)) < 2
    scene.limits.heal()
    await scene.until(CLOSED, 200)
    assert (await scene.ask(OPEN)).status == 200


async def test_without_a_ledger_closed_refuses_and_open_goes_on(scene: Scene) -> None:
    """Once a record could not be written; when the ledger is back, what waited is written and nothing is lost."""
    scene.records.cut()
    assert (await scene.ask(OPEN)).status == 200
    refused = await scene.until(CLOSED, 503)
    assert refused.reason == "dependency_down"
    assert (await scene.ask(OPEN)).status == 200
    status, _ = await scene.clients.control(CLOSED, "DELETE", f"/v1/links/{scene.links[CLOSED].id}")
    assert status == 503  # it is revoked, and the caller is told that no trace of it could be left
    assert (await scene.clients.control(OPEN, "POST", "/v1/links", {"bucket": "lab", "key": "small"}))[0] == 201
    scene.records.heal()
    path = f"/v1/links/{scene.links[OPEN].id}/records"
    deadline = time.monotonic() + 10
    while True:
        status, page = await scene.clients.control(OPEN, "GET", path)
        if status == 200 and len(page["records"]) == 2:  # type: ignore[arg-type]
            break
        assert time.monotonic() < deadline, page
        await asyncio.sleep(0.1)
    await scene.until(CLOSED, 410)
