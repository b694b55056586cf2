"""Owns what is told in milliseconds, seconds and bytes instead of CPU time: latency, memory, the start, many grants.

Refuses to own what is compared by CPU time (`tests.bench.rows`).

Law: latency is told as what is added to the store's own, asked in turns within the same seconds; memory as what is held
above an idle process.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.bench.figures import Spread, percentile
from tests.bench.load import at_rate, downloading, stalled, wrk
from tests.bench.measure import resident
from tests.bench.peers import Subject
from tests.bench.requests import Message, plain
from tests.bench.rounds import FAILURES
from tests.bench.scene import Scene
from tests.bench.start import compiled, started

__all__ = ["EXTENTS", "Extent", "extents"]

_MIB, _GIB = 1 << 20, 1 << 30
_IN_PROGRESS = "gateway_transfers_in_progress"
_RATE = 200
_SMALL = 4096
_STARTS = 5
_PACE = "32M"
_PATIENCE = 30


@dataclass(frozen=True, slots=True)
class Extent:
    """One figure with its unit, and what is aimed at: first, and in the end."""

    title: str
    spread: Spread
    unit: str
    reach: float | None = None
    then: float | None = None

    def __str__(self) -> str:
        cells = [self.title, f"{self.spread} {self.unit}".strip()]
        cells += ["" if aim is None else f"{aim:g}" for aim in (self.reach, self.then)]
        return f"| {' | '.join(cells)} |"


def _small(subject: Subject) -> Message:
    return subject.get(f"{_SMALL}-a")


def _added(scene: Scene) -> Iterator[Extent]:
    """The gateway, njs, and a relay that reads nothing, against the store itself, each 200 times a second, in turns.

    The store that is asked directly stands on the subjects' CPU: it is woken from another one, as each subject is.
    """
    direct = plain("GET", f"{scene.stand_apart.objects}/{_SMALL}-a")
    subjects = {"gateway": scene.gateway.by_link()} | {other.name: other for other in (scene.njs, scene.relay)}
    named = {name: _small(subject) for name, subject in subjects.items()}
    added: dict[str, list[list[float]]] = {name: [] for name in named}
    for _ in range(scene.sizes.rounds):
        own, *through = at_rate([direct, *named.values()], _RATE, 2 * scene.sizes.seconds)
        for name, latencies in zip(named, through, strict=True):
            added[name].append([percentile(latencies, share) - percentile(own, share) for share in (0.5, 0.99)])
    for name, rounds in added.items():
        for at, (share, reach, then) in enumerate((("median", 0.3, 0.2), ("p99", 2.0, 1.0))):
            aims = (reach, then) if name == "gateway" else (None, None)
            spread = Spread.of([figures[at] for figures in rounds])
            yield Extent(f"added {share} of a 4 KiB GET at {_RATE}/s, {name}", spread, "ms", *aims)


def _crowd(scene: Scene) -> Iterator[Extent]:
    """The slowest hundredth at 256 connections, all of them asking at once."""
    subjects = (scene.gateway.by_link(), scene.njs)
    found = [
        [wrk([_small(subject)], 256, scene.sizes.seconds).p99 for subject in subjects]
        for _ in range(scene.sizes.rounds)
    ]
    yield Extent(
        "p99 of 4 KiB at 256 connections / njs", Spread.of([ours / their for ours, their in found]), "×", 2, 1.3
    )


def _beside(scene: Scene) -> Iterator[Extent]:
    """Small ones at a fixed rate beside eight large downloads, and alone, through the same subject.

    The store itself is asked meanwhile, past the subject: what is slower there is not the subject's doing. The
    downloads are paced: at full speed all would wait for the CPU of the load, whatever the subject does.
    """
    direct = plain("GET", f"{scene.stand.objects}/{_SMALL}-a")
    for subject, aims in ((scene.gateway.by_link(), (2.0, 1.3)), (scene.nginx[""], (None, None))):
        targets, large = [_small(subject), direct], subject.get(f"{scene.sizes.large}-a")
        found: list[list[float]] = []
        for _ in range(scene.sizes.rounds):
            alone = at_rate(targets, _RATE, 2 * scene.sizes.seconds)
            with downloading(large, 8, _PACE):
                beside = at_rate(targets, _RATE, 2 * scene.sizes.seconds)
            found.append(
                [
                    percentile(with_, 0.99) / percentile(without, 0.99)
                    for with_, without in zip(beside, alone, strict=True)
                ]
            )
        title = f"p99 of 4 KiB beside 8 downloads of {_PACE}iB/s each / alone, {subject.name}"
        through, past = (Spread.of(ratios) for ratios in zip(*found, strict=True))
        yield Extent(title, through, "×", *aims)
        yield Extent(f"{title}, the store itself meanwhile", past, "×")


def _start(scene: Scene) -> Iterator[Extent]:
    """From the start of the process until it accepts requests, and what it holds when it has come to rest."""
    with compiled(scene.tree or Path.cwd()) as code:
        starts = [started(code, "sqlite:///gateway.db") for _ in range(_STARTS)]
    yield Extent("ready", Spread.of([start.ready for start in starts]), "s", 0.6, 0.4)
    yield Extent("CPU until ready", Spread.of([start.cpu for start in starts]), "s")
    yield Extent("idle", Spread.of([start.resident / _MIB for start in starts]), "MiB", 56, 48)


def _stalled(scene: Scene) -> Iterator[Extent]:
    """What clients that stopped reading, or sending, cost above the same process before they came."""
    for count in scene.sizes.stalled:
        aims = (20.0, 10.0) if count == 500 else (None, None)
        readers = _held(scene, count, lambda subject: (subject.get(f"{_GIB}-a"), b""))
        yield Extent(f"{count} stalled readers, above idle", Spread.of([readers]), "MiB", *aims)
        uploaders = _held(scene, count, lambda subject: (_begun(subject), bytes(100_000)))
        yield Extent(f"{count} stalled uploaders, above idle", Spread.of([uploaders]), "MiB")


def _begun(subject: Subject) -> Message:
    sent = subject.upload(f"{_GIB}-p", _GIB)
    return Message(sent.host, sent.port, sent.head)


def _held(scene: Scene, count: int, ask: Callable[[Subject], tuple[Message, bytes]]) -> float:
    """MiB that so many stalled clients hold in a process of their own, all of them admitted."""
    with scene.fresh() as measured:
        subject = measured.by_link()
        message, body = ask(subject)
        wrk([_small(subject)], 32, 1)
        measured.running.metric(_IN_PROGRESS)
        before = resident(measured.pid)
        with stalled(message, count, body):
            deadline = time.monotonic() + _PATIENCE
            while (admitted := measured.running.metric(_IN_PROGRESS)) < count:
                if time.monotonic() > deadline:
                    raise RuntimeError(f"{admitted:.0f} of {count} stalled clients are being served")
                time.sleep(1)
            return (resident(measured.pid) - before) / _MIB


def _million(scene: Scene) -> Iterator[Extent]:
    """What `tests.replicas.million` finds with SQLite: look-ups and whole requests among a million links."""
    out = scene.directory() / "million.md"
    command = [sys.executable, "-m", "tests.replicas.million", "--engines", "SQLite", "--out", str(out)]
    subprocess.run(command, check=False, stdout=subprocess.DEVNULL, cwd=Path.cwd())
    yield from million_rows(out.read_text())


def million_rows(text: str) -> Iterator[Extent]:
    """The rows of that table, each with its ratio of the p99 among many to that among few."""
    for line in text.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        found = re.match(r"([\d.]+)( \(told\))?$", cells[-1])
        if len(cells) == 6 and found:
            aims = (None, None) if found[2] else (1.1, 1.05)
            yield Extent(f"p99 among a million / a thousand: {cells[0]}", Spread.of([float(found[1])]), "×", *aims)


def extents(scene: Scene, names: Iterable[str]) -> Iterator[Extent]:
    """What these came to. What cannot be had, or fails, is told on the error output and left out."""
    for name in names:
        try:
            yield from EXTENTS[name](scene)
        except FAILURES as failure:
            sys.stderr.write(f"\n{name}: left out: {type(failure).__name__}: {str(failure)[:500]}\n")


EXTENTS: dict[str, Callable[[Scene], Iterator[Extent]]] = {
    "rate": _added,
    "crowd": _crowd,
    "beside": _beside,
    "start": _start,
    "stalled": _stalled,
    "million": _million,
}
"""By the name that `--only` takes."""
