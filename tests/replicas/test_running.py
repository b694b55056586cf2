"""Transfers on a gateway that is cut off from its state: they end with its revocation view, and no earlier."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.contract.servers import postgres_server, valkey_server
from tests.replicas.fleet import Fleet, fleet
from tests.replicas.probes import Clients, Download
from tests.servers.store import RunningStore
from tests.stores.cutting import wire_to

pytestmark = [pytest.mark.e2e, pytest.mark.slow]

TOKEN = "a-sidecars-token-of-many-letters"
SIZE = 64 * 1024 * 1024
BLIP = 2.5
_PACED = 'limits: [{who: "link:*", bandwidth: 2MiB/s}]'


@dataclass
class Scene:
    """Gateways by their engine, and what takes each engine's state away and gives it back."""

    fleet: Fleet
    names: tuple[str, ...]
    faults: dict[str, tuple[Callable[[], None], Callable[[], None]]] = field(default_factory=dict)

    def take(self) -> None:
        for begin, _ in self.faults.values():
            begin()

    def give_back(self) -> None:
        for _, end in self.faults.values():
            end()


@asynccontextmanager
async def opened(rclone: RunningStore, folder: Path) -> AsyncIterator[Scene]:
    """The first gateway is the control: nothing of its state is ever away."""
    async with AsyncExitStack() as stack:
        database = stack.enter_context(postgres_server())
        valkey = stack.enter_context(valkey_server(folder / "valkey"))
        database_wire = await stack.enter_async_context(wire_to(database))
        silent_wire = await stack.enter_async_context(wire_to(database))
        valkey_wire = await stack.enter_async_context(wire_to(valkey))

        async def started(name: str, *states: str, **more: object) -> Fleet:
            starting = fleet(folder / name, rclone, states, policy=_PACED, environ={"SIDECAR_TOKEN": TOKEN}, **more)  # type: ignore[arg-type]
            running = await asyncio.to_thread(starting.__enter__)
            stack.callback(starting.__exit__, None, None, None)
            return running

        sidecars = 'sidecars: [{name: first, secret: "env:SIDECAR_TOKEN"}]'
        own = await started("own", '"sqlite:///a.db"', '"sqlite:///b.db"', control=sidecars)
        control, central = own.gateways
        followers = await started(
            "cut-off",
            f'"{database_wire.url}"',
            f'"{silent_wire.url}"',
            f'{{grants: "{valkey_wire.url}", accept_redis_durability: true}}',
            f'{{grants: "central+{central.control}", token: "env:SIDECAR_TOKEN"}}',
            bucket=own.real_bucket,
        )
        own.put("large", bytes(SIZE))
        gateways = [control, *followers.gateways, central]
        scene = Scene(Fleet(gateways, rclone, own.real_bucket), ("control", "postgres", "silent", "redis", "central"))
        stack.callback(scene.give_back)
        scene.faults = {
            "postgres": (database_wire.cut, database_wire.heal),
            "silent": (silent_wire.deafen, silent_wire.heal),
            "redis": (valkey_wire.cut, valkey_wire.heal),
            "central": (lambda: os.kill(central.pid, signal.SIGSTOP), lambda: os.kill(central.pid, signal.SIGCONT)),
        }
        yield scene


async def test_a_transfer_ends_with_the_view_and_not_before(rclone: RunningStore, tmp_path: Path) -> None:
    """Cut off, every engine's transfers are broken off within a second of the bound; a blip below it ends none."""
    async with opened(rclone, tmp_path) as scene, Clients(scene.fleet) as clients:
        makers = {"central": scene.names.index("central") + 1}
        links = [await clients.link(makers.get(name, number), "large") for number, name in enumerate(scene.names)]
        async with AsyncExitStack() as stack:
            running = {
                name: await stack.enter_async_context(Download(clients, number, links[number].token))
                for number, name in enumerate(scene.names)
            }
            scene.take()
            await asyncio.sleep(BLIP)
            scene.give_back()
            await asyncio.sleep(BLIP)  # more than the bound since it began, and less since each was heard again
            assert dict.fromkeys(running) == {name: one.ended for name, one in running.items()}
            scene.take()
            away = time.monotonic()
            for name in scene.faults:
                await running[name].until_ended(8.0)
            lasted = {name: (one.ended or away) - away for name, one in running.items()}
            assert all(3.5 < lasted[name] <= 6.0 for name in scene.faults), lasted
            assert {name: name != "control" for name in running} == {name: one.broken for name, one in running.items()}
            assert running["control"].ended is None
            scene.give_back()
        for number, name in enumerate(scene.names):
            gateway, expected = scene.fleet.gateways[number], name != "control"
            assert gateway.metric("gateway_streams_cut_total", reason="view_too_old") == expected, name
            deadline = time.monotonic() + 5  # what was used is settled with the store before it is told
            while expected and '"outcome":"cut","reason":"view_too_old"' not in gateway.log():
                assert time.monotonic() < deadline, name
                await asyncio.sleep(0.05)
