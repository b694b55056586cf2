"""Measures what several replicas promise, with real gateways on a real PostgreSQL and a real Valkey, whole and broken.

    python -m tests.replicas.figures [--revocations 1000] [--rounds 100] [--only PART] [--out FILE]

Every figure is seen from outside, by HTTP clients; the machine's load is in it. Exits with 1 if a promise was broken.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.replicas.fleet import Fleet, fleet
from tests.replicas.probes import Clients, Download, Stalled, Watch, quantile
from tests.replicas.servers import Server, postgres, promote, valkey
from tests.servers.gateway import Link
from tests.servers.rclone import rclone_store
from tests.servers.store import RunningStore
from tests.stores.cutting import Wire, wire_to

REPLICAS = 4
FAULT_SECONDS = 8.0
BACK_SECONDS = 6.0
LARGE = 192 * 1024 * 1024
AFTER_CUT = 256 * 1024
BURST = 24 * 1024 * 1024
"""After so many bytes a transfer moves at its pace, and no faster."""

SKEWS = ("+0", "+3600", "-3600", "+7200")
LIMIT = (50, 100)
_WIDE = 'limits: [{who: "link:*", requests: 20000/s, burst: 20000, bandwidth: 20MiB/s}]'
_NARROW = f'limits: [{{who: "link:*", requests: {LIMIT[0]}/s, burst: {LIMIT[1]}}}]'


@dataclass
class Report:
    """Rows of figures, each with what was promised and whether it held."""

    rows: list[tuple[str, str, str, bool]] = field(default_factory=list)

    def add(self, what: str, figure: str, promise: str, held: bool) -> None:
        self.rows.append((what, figure, promise, held))
        sys.stdout.write(f"{'ok  ' if held else 'LOST'}  {what}: {figure}  ({promise})\n")
        sys.stdout.flush()

    def text(self) -> str:
        lines = ["| what | measured | promise | held |", "|---|---|---|---|"]
        lines += [
            f"| {what} | {figure} | {promise} | {'yes' if held else '**no**'} |"
            for what, figure, promise, held in self.rows
        ]
        return "\n".join(lines) + "\n"


@dataclass
class Scene:
    """What a measurement works with. Replica 0 reaches PostgreSQL directly, the others through `wire`."""

    clients: Clients
    database: Server
    wire: Wire
    counters: Server
    counter_wire: Wire
    report: Report
    folder: Path


def _spread(times: Sequence[float]) -> str:
    middle, most = quantile(times, 0.5), quantile(times, 0.99)
    return f"p50 {middle * 1000:.0f} ms, p99 {most * 1000:.0f} ms, max {max(times) * 1000:.0f} ms"


async def revoke_to_refuse(scene: Scene, count: int) -> None:
    """From sending the revocation to the first refusal that a client of another replica has in hand."""
    clients, times = scene.clients, []
    for number in range(count):
        revoking = number % REPLICAS
        others = [replica for replica in range(REPLICAS) if replica != revoking]
        link = await clients.link(revoking)
        for replica in others:
            seen = await clients.get(replica, link.token)
            assert seen.status == 200, seen
        began = time.monotonic()
        refused = [clients.until_refused(replica, link) for replica in others]
        acknowledged, *refused_at = await asyncio.gather(clients.revoke(revoking, link), *refused)
        assert acknowledged
        times.append(max(refused_at) - began)
    figure = f"{count} revocations: {_spread(times)}"
    held = quantile(times, 0.99) <= 1 and max(times) <= 2
    scene.report.add("revoked on one replica, refused on the slowest of three others", figure, "p99 1 s, max 2 s", held)


async def cut_to_last_byte(scene: Scene, count: int) -> None:
    """From sending the revocation to the broken end of a transfer through another replica, and the bytes after it.

    The gateway paces the transfer and the client reads at once, so that no buffer of the client's hides what came late.
    """
    clients, times, known, whole = scene.clients, [], [], 0
    for number in range(count):
        revoking = number % REPLICAS
        link = await clients.link(revoking, "large")
        async with Download(clients, (revoking + 1) % REPLICAS, link.token) as running:
            while running.moved < BURST:  # noqa: ASYNC110 (what a client has read has no event)
                await asyncio.sleep(0.01)
            sent = time.monotonic()
            assert await clients.revoke(revoking, link)
            at_acknowledgement = running.moved
            await running.until_ended(5.0)
        times.append((running.ended or float("inf")) - sent)
        whole += not running.broken
        known.append(running.moved - at_acknowledgement)
    figure = f"{count} transfers at 20 MiB/s: {_spread(times)}; {whole} looked whole"
    held = max(times) <= 1 and not whole
    scene.report.add("revoked on one replica, transfer on another broken off", figure, "1 s, none looks whole", held)
    what, most = "bytes that the client read after the acknowledgement", 20 * 1024 * 1024
    scene.report.add(what, _sizes(known), "1 s at 20 MiB/s", max(known) <= most)


async def left_after_cut(scene: Scene, count: int) -> None:
    """What still reaches a client that had stopped reading, from a replica that has cut its transfer.

    The client's window is small and 192 MiB wait for it, so whatever comes beyond what its own kernel held before the
    revocation left the replica after it. The control, seen once with a gateway that was changed for it: with a plain
    close instead of linger 0 and an abort it is 0.4 MB, without the bound on what waits unsent (TCP_NOTSENT_LOWAT) as
    well 4.1 MB, and no client sees an error. tests/traps, T5, has the control of both in one process.
    """
    clients, later, errors = scene.clients, [], 0
    for number in range(count):
        revoking, other = number % REPLICAS, (number + 1) % REPLICAS
        gateway = scene.clients.fleet.gateways[other]
        link = await clients.link(revoking, "large")
        async with Stalled(clients, other, link.token) as client:
            held = await client.steady()
            before = await asyncio.to_thread(gateway.metric, "gateway_streams_cut_total")
            assert await clients.revoke(revoking, link)
            deadline = time.monotonic() + 5
            while await asyncio.to_thread(gateway.metric, "gateway_streams_cut_total") == before:
                assert time.monotonic() < deadline, "the other replica did not cut"
            moved, error = await client.rest()
        later.append(max(0, moved - held))
        errors += error
    figure = f"{count} stalled readers: {_sizes(later)}; {errors} saw an error"
    kept = max(later) <= AFTER_CUT and errors == count
    what = "bytes that left a replica after it had heard of a revocation on another one"
    scene.report.add(what, figure, "256 KiB, and an error", kept)


def _sizes(sizes: Sequence[int]) -> str:
    return f"p50 {quantile(sizes, 0.5) / 1024:.0f} KiB, max {max(sizes) / 1024:.0f} KiB"


async def one_use(scene: Scene, rounds: int, crowd: int = 200) -> None:
    """Different clients at once, on all replicas, for a link that may be used once."""
    clients, exact, broken = scene.clients, 0, 0
    for number in range(rounds):
        link = await clients.link(number % REPLICAS, uses=1)
        seen = await asyncio.gather(
            *(clients.get(one % REPLICAS, link.token, f"client {number}.{one}") for one in range(crowd))
        )
        statuses = [each.status for each in seen]
        exact += statuses.count(200) == 1
        broken += sum(status not in {200, 410} for status in statuses)
    others = f"{crowd} clients, {REPLICAS} replicas; {broken} answers that were neither 200 nor 410"
    figure = f"{exact} of {rounds} rounds had exactly one success ({others})"
    scene.report.add("a link for one use, tried at once", figure, "exactly one", exact == rounds)


async def one_clients_downloads(scene: Scene, rounds: int, number: int = 20) -> None:
    """One client that asks many times at once for the whole of a link for one use, on all replicas: a use may move
    three times the object, so that three come through whole; the others are refused before their first byte."""
    clients, exact, broken = scene.clients, 0, 0
    clients.fleet.put("twenty", bytes(3 * 1024 * 1024))
    for one in range(rounds):
        link = await clients.link(one % REPLICAS, "twenty", uses=1)
        asked = (clients.get((one + nth) % REPLICAS, link.token, f"manager {one}") for nth in range(number))
        statuses = [each.status for each in await asyncio.gather(*asked)]
        exact += (statuses.count(200), statuses.count(410)) == (3, number - 3)
        broken += sum(status not in {200, 410} for status in statuses)
    others = f"{number} at once, {REPLICAS} replicas; {broken} answers that were neither whole nor 410"
    figure = f"{exact} of {rounds} rounds had exactly three whole downloads ({others})"
    name = "a link for one use, downloaded whole by one client"
    scene.report.add(name, figure, "three whole, none cut", exact == rounds)


async def limits_with_skewed_clocks(scene: Scene, store: RunningStore, faketime: str, seconds: float = 6.0) -> None:
    """Requests admitted by replicas whose clocks are hours apart, against what one exact counter would admit."""
    state = f'{{grants: "{scene.database.url}", limits: "{scene.counters.url}"}}'
    environs = [
        {"LD_PRELOAD": faketime, "FAKETIME": skew, "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_RESET": "1"}
        for skew in SKEWS
    ]
    # Closed, so that a counter that a busy machine lets wait admits nothing: what is measured is the counter.
    closed = "fail: {limits: closed}"
    with fleet(
        scene.folder / "skewed", store, [state] * REPLICAS, policy=_NARROW, environs=environs, more=closed
    ) as skewed:
        async with Clients(skewed) as clients:
            link = await clients.link(0, expires_in=30 * 86400)
            began = time.monotonic()
            admitted: list[float] = []

            async def press(replica: int) -> None:
                while time.monotonic() - began < seconds:
                    seen = await clients.get(replica, link.token)
                    # What was admitted may fail later: the store refuses skewed signatures. 503 is no counter's word.
                    if seen.status not in {429, 503}:
                        admitted.append(seen.at)

            await asyncio.gather(*(press(one % REPLICAS) for one in range(4 * REPLICAS)))
    rate, burst = LIMIT
    most = burst + rate * (max(admitted) - began)
    figure = f"{len(admitted)} admitted in {max(admitted) - began:.2f} s, one exact counter admits {most:.1f}"
    held = 0.97 * most <= len(admitted) <= most + 1
    scene.report.add(
        f"{rate}/s, burst {burst}, on 4 replicas, clocks {' '.join(SKEWS)} s", figure, "never more, hardly less", held
    )


async def database_fault(
    scene: Scene, name: str, begin: Callable[[], None], end: Callable[[], None], *, reaches: bool
) -> None:
    """What is honoured while PostgreSQL is away, and how everything comes back.

    `reaches` says that replica 0 still reaches the database: it revokes while the others cannot know.
    """
    clients = scene.clients
    living, doomed = await clients.link(0), await clients.link(0)
    cut_off = range(1, REPLICAS)
    watches = [Watch(clients, replica, link) for replica in cut_off for link in (living, doomed)]
    large = await clients.link(0, "large")
    downloads = [Download(clients, replica, large.token) for replica in cut_off]
    async with _all([*watches, *downloads]):
        await asyncio.sleep(0.5)
        if reaches:
            begin()
            began = time.monotonic()  # until it is whole, a replica may hear from the database
            acknowledged = await _revoke(clients, doomed)
        else:
            acknowledged = await _revoke(clients, doomed)
            begin()
            began = time.monotonic()
        await asyncio.sleep(FAULT_SECONDS)
        ended = [(one.ended or float("inf")) - began for one in downloads if one.broken]
        await asyncio.to_thread(end)
        healed = time.monotonic()
        await asyncio.sleep(BACK_SECONDS)
    honoured = [(watch.last(200) or began) - acknowledged for watch in watches if watch.link is doomed]
    last = [(watch.last(200, before=healed) or began) - began for watch in watches if watch.link is living]
    back = [(watch.first(200, after=healed) or float("inf")) - healed for watch in watches if watch.link is living]
    refusals = {
        f"{seen.status} {seen.reason}".strip()
        for watch in watches
        for seen in watch.seen
        if watch.link is living and seen.status != 200
    }
    figure = f"last honoured {max(0.0, *honoured):.2f} s after the acknowledgement"
    scene.report.add(f"{name}: a revoked link", figure, "5 s at most, never again", max(honoured) <= 5.0)
    told = ", ".join(sorted(refusals)) or "none"
    figure = f"served for {max(last):.2f} s, then {told}; served again {max(back):.2f} s after the store was back"
    scene.report.add(
        f"{name}: other links", figure, "503 within 5 s; back by itself", max(last) <= 5.1 and max(back) <= 5
    )
    scene.report.add(
        f"{name}: transfers that were running",
        f"{len(ended)} of {len(downloads)} broken off, the last after {max(ended, default=0.0):.2f} s",
        "all, within 6 s",
        len(ended) == len(downloads) and max(ended) <= 6.0,
    )
    fresh = await clients.link(1)
    assert (await clients.get(2, fresh.token)).status == 200


async def _revoke(clients: Clients, link: Link) -> float:
    """When that was acknowledged."""
    assert await clients.revoke(0, link)
    return time.monotonic()


async def counter_fault(scene: Scene, name: str, begin: Callable[[], None], end: Callable[[], None]) -> None:
    """Limits are declared open: requests go on while Valkey is away, and how long they take."""
    clients = scene.clients
    link = await clients.link(0)
    watches = [Watch(clients, replica, link) for replica in range(REPLICAS)]
    async with _all(watches):
        await asyncio.sleep(1.0)
        began = time.monotonic()
        await asyncio.to_thread(begin)
        await asyncio.sleep(FAULT_SECONDS)
        await asyncio.to_thread(end)
        healed = time.monotonic()
        await asyncio.sleep(BACK_SECONDS / 2)
    during = [seen for watch in watches for seen in watch.seen if began <= seen.sent < healed]
    served = sum(seen.status == 200 for seen in during)
    slow = [seen.at - seen.sent for seen in during]
    figure = f"{served} of {len(during)} served, {_spread(slow)}"
    scene.report.add(
        f"{name}: requests under an open limit",
        figure,
        "all served, p99 1 s",
        served == len(during) and quantile(slow, 0.99) <= 1,
    )


@asynccontextmanager
async def _all(watches: Sequence[Watch | Download]) -> AsyncIterator[None]:
    for watch in watches:
        await watch.__aenter__()
    try:
        yield
    finally:
        for watch in watches:
            await watch.__aexit__()


async def database_faults(scene: Scene) -> None:
    database, wire = scene.database, scene.wire
    await database_fault(scene, "PostgreSQL cut off by the network", wire.cut, wire.heal, reaches=True)
    await database_fault(scene, "PostgreSQL behind a silent network", wire.deafen, wire.heal, reaches=True)
    await database_fault(scene, "PostgreSQL stopped (SIGSTOP)", database.pause, database.go_on, reaches=False)
    await database_fault(
        scene, "PostgreSQL killed (kill -9) and started again", database.kill, database.start, reaches=False
    )


async def counter_faults(scene: Scene) -> None:
    counters, wire = scene.counters, scene.counter_wire
    await counter_fault(scene, "Valkey cut off by the network", wire.cut, wire.heal)
    await counter_fault(scene, "Valkey stopped (SIGSTOP)", counters.pause, counters.go_on)
    await counter_fault(scene, "Valkey killed (kill -9) and started again", counters.kill, counters.start)
    with valkey(scene.folder / "second", of=counters) as second:
        await asyncio.sleep(1.0)

        def fail_over() -> None:
            promote(second)
            wire.lead_to(second.url)

        await counter_fault(scene, "Valkey killed, its replica promoted", counters.kill, fail_over)
        wire.lead_to(second.url)
        counters.start()
        wire.lead_to(counters.url)


@asynccontextmanager
async def opened(folder: Path, store: RunningStore, report: Report) -> AsyncIterator[Scene]:
    """The servers, the gateways before them, and clients."""
    with postgres() as database, valkey(folder / "valkey") as counters:
        async with wire_to(database.url) as wire, wire_to(counters.url) as counter_wire:
            limits = f'limits: "{counter_wire.url}"'
            states = [f'{{grants: "{database.url}", {limits}}}'] + [f'{{grants: "{wire.url}", {limits}}}'] * (
                REPLICAS - 1
            )
            running = await asyncio.to_thread(lambda: fleet(folder / "fleet", store, states, policy=_WIDE))
            gateways = await asyncio.to_thread(running.__enter__)
            try:
                await asyncio.to_thread(_fill, gateways)
                async with Clients(gateways) as clients:
                    yield Scene(clients, database, wire, counters, counter_wire, report, folder)
            finally:
                await asyncio.to_thread(running.__exit__, None, None, None)


def _fill(gateways: Fleet) -> None:
    gateways.put("small", b"small")
    gateways.put("large", bytes(LARGE))


async def measure(folder: Path, wanted: argparse.Namespace, report: Report) -> None:
    faketime = next(iter(sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))), None)
    assert faketime, "libfaketime is missing: run `apt-get install -y libfaketime`"
    (folder / "store").mkdir()
    with rclone_store(folder / "store") as store:
        async with opened(folder, store, report) as scene:
            steps: dict[str, Callable[[], Awaitable[None]]] = {
                "refuse": lambda: revoke_to_refuse(scene, wanted.revocations),
                "cut": lambda: cut_to_last_byte(scene, wanted.cuts),
                "after": lambda: left_after_cut(scene, wanted.stalled),
                "uses": lambda: one_use(scene, wanted.rounds),
                "downloads": lambda: one_clients_downloads(scene, wanted.rounds),
                "limits": lambda: limits_with_skewed_clocks(scene, store, str(faketime)),
                "database": lambda: database_faults(scene),
                "counters": lambda: counter_faults(scene),
            }
            for name, step in steps.items():
                if wanted.only in {None, name}:
                    await step()


def _heading(seconds: float) -> str:
    cores = os.cpu_count()
    load = os.getloadavg()[0]
    return (
        "# What several replicas do, whole and broken\n\n"
        "Printed by `make replicas`: four gateways on one PostgreSQL and one Valkey, seen by HTTP clients of the same "
        f"machine ({cores} cores, load {load:.1f} at the end, {platform.system()}, "
        f"Python {platform.python_version()}). The run took {seconds:.0f} s.\n\n"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--revocations", type=int, default=1000)
    parser.add_argument("--cuts", type=int, default=60)
    parser.add_argument("--stalled", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=100)
    steps = ("refuse", "cut", "after", "uses", "downloads", "limits", "database", "counters")
    parser.add_argument("--only", choices=steps)
    parser.add_argument("--out", type=Path)
    wanted = parser.parse_args()
    report, began = Report(), time.monotonic()
    with TemporaryDirectory(prefix="gateway-replicas-") as name:
        asyncio.run(measure(Path(name), wanted, report))
    text = _heading(time.monotonic() - began) + report.text()
    if wanted.out is not None:
        wanted.out.write_text(text)
    return 0 if all(held for *_, held in report.rows) else 1


if __name__ == "__main__":
    sys.exit(main())
