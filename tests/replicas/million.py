"""Measures look-ups among a million links and a million revocations, against the same among a thousand.

    python -m tests.replicas.million [--many 1000000] [--out FILE]

Memory is what the process holds more than before. Exits with 1 if the p99 of a look-up is above 1.2 times that among a
thousand. Each look-up is timed alone, in CPU time, so that other programs of the machine do not count; the collector is
off meanwhile, and the two sizes take turns. Prefixes of revocations have one length here: each further length that is
in use costs one more look-up in a table, at any size.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import hashlib
import random
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from sqlite3 import Connection
from tempfile import TemporaryDirectory

from gateway.core.attempt import Principal
from gateway.core.grant import Grant, GrantKind, Scope
from gateway.core.request import Action
from gateway.core.revocation import FeedEntry, FeedKind, RevocationView
from gateway.core.token import SecretHash
from gateway.stores.sqlite import SqliteState
from gateway.stores.sqlite_schema import SqliteFile
from gateway.stores.sqlite_work import create
from tests.replicas.probes import quantile

FEW = 1000
LOOKS = 4000
TURNS = 5
_KINDS = (FeedKind.LINK, FeedKind.LINK, FeedKind.LINK, FeedKind.OWNER, FeedKind.PREFIX)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the result: microseconds among few and among many."""

    what: str
    few: float
    many: float

    @property
    def ratio(self) -> float:
        return self.many / self.few


def grant(number: int) -> Grant:
    digest = SecretHash(hashlib.sha256(b"%d" % number).digest())
    return Grant(
        id=f"l_{digest.hex()[:17]}",
        kind=GrantKind.LINK,
        hash=digest,
        owner=Principal("app", f"app{number % 5000}"),
        issued_at=1.8e9,
        scope=Scope("reports", key=f"folder{number % 1000}/file{number}.pdf"),
        actions=frozenset({Action.READ}),
        expires_at=1.9e9,
        label=f"link number {number}",
    )


def revocations(count: int) -> Iterator[FeedEntry]:
    for number in range(1, count + 1):
        kind = _KINDS[number % len(_KINDS)]
        if kind is FeedKind.PREFIX:
            yield FeedEntry(number, kind, "reports", f"gone/{number:010d}/", 1.8e9, "ended", "admin:ops")
        else:
            name = f"app:gone{number}" if kind is FeedKind.OWNER else grant(10**9 + number).id
            yield FeedEntry(number, kind, name, "", 1.8e9, "ended", "admin:ops")


def resident() -> int:
    [line] = [line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmRSS")]
    return int(line.split()[1]) * 1024


def view_of(count: int) -> tuple[RevocationView, int]:
    """A view with so many revocations, and the bytes that it holds."""
    gc.collect()
    before = resident()
    view = RevocationView()
    entries: list[FeedEntry] = []
    for entry in revocations(count):
        entries.append(entry)
        if len(entries) == 10_000:
            view.apply(entries)
            entries.clear()
    view.apply(entries)
    gc.collect()
    return view, resident() - before


def fill(path: Path, count: int) -> None:
    with closing(SqliteFile.prepare(path).connect()) as connection:
        _insert(connection, count)


def _insert(connection: Connection, count: int) -> None:
    connection.execute("PRAGMA synchronous = OFF")
    connection.execute("BEGIN")
    for number in range(count):
        create(connection, grant(number), None, 1.8e9)
    connection.execute("COMMIT")


def p99_of(look: Callable[[int], object], numbers: list[int]) -> float:
    """Microseconds."""
    times = []
    for number in numbers:
        began = time.thread_time_ns()
        look(number)
        times.append((time.thread_time_ns() - began) / 1000)
    return quantile(times, 0.99)


async def p99_of_async(look: Callable[[int], Awaitable[object]], numbers: list[int]) -> float:
    times = []
    for number in numbers:
        began = time.thread_time_ns()
        await look(number)
        times.append((time.thread_time_ns() - began) / 1000)
    return quantile(times, 0.99)


def _middle(values: list[float]) -> float:
    return sorted(values)[len(values) // 2]


def among_revocations(many: int) -> tuple[Row, int]:
    """Whether a living link is revoked: the look-up of every request."""
    few_view, _ = view_of(FEW)
    many_view, held = view_of(many)
    living = [replace(grant(number), serial=0) for number in range(LOOKS)]
    few, much = [], []
    gc.disable()
    for turn in range(2 * TURNS):
        view, times = ((few_view, few), (many_view, much))[turn % 2]

        def look(number: int, view: RevocationView = view) -> object:
            one = living[number]
            return view.revoked(one, "reports", one.scope.root if one.scope else "", "lab")

        times.append(p99_of(look, random.sample(range(LOOKS), LOOKS)))
    gc.enable()
    return Row("is this link revoked (p99)", _middle(few), _middle(much)), held


async def among_links(folder: Path, many: int) -> tuple[Row, float]:
    """A link's grant by its secret's hash, from the SQLite file; bytes of file a link."""
    states = []
    for count in (FEW, many):
        path = folder / f"{count}.db"
        fill(path, count)
        state = SqliteState(path)
        await state.open()
        states.append((state, [grant(number).hash for number in random.choices(range(count), k=LOOKS)]))
    few, much = [], []
    for state, hashes in states:  # once without a clock: what is asked for often is in memory
        for one in hashes:
            assert await state.find(one) is not None
    gc.disable()
    for turn in range(2 * TURNS):
        state, hashes = states[turn % 2]

        async def look(number: int, state: SqliteState = state, hashes: list[SecretHash] = hashes) -> object:
            return await state.find(hashes[number])

        (few, much)[turn % 2].append(await p99_of_async(look, list(range(LOOKS))))
    gc.enable()
    for state, _ in states:
        await state.close()
    return Row("a grant by its hash, SQLite (p99)", _middle(few), _middle(much)), (
        folder / f"{many}.db"
    ).stat().st_size / many


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path)
    wanted = parser.parse_args()
    revoked, held = among_revocations(wanted.many)
    with TemporaryDirectory(prefix="gateway-million-") as name:
        found, size = asyncio.run(among_links(Path(name), wanted.many))
    both = Row(
        "both, as a link that nobody asked for yet needs them", revoked.few + found.few, revoked.many + found.many
    )
    lines = ["| what | among 1,000 | among " + f"{wanted.many:,} | ratio |", "|---|---|---|---|"]
    lines += [
        f"| {row.what} | {row.few:.2f} µs | {row.many:.2f} µs | {row.ratio:.2f} |" for row in (revoked, found, both)
    ]
    memory = f"Memory of a process for {wanted.many:,} revocations: {held / 2**20:.0f} MiB."
    lines += ["", f"{memory} A link takes none until it is used, and {size:.0f} bytes of the SQLite file."]
    sys.stdout.write("\n".join(lines) + "\n")
    if wanted.out is not None:
        title = (
            "# Look-ups among many\n\nPrinted by `python -m tests.replicas.million`: CPU time of single look-ups.\n\n"
        )
        wanted.out.write_text(title + "\n".join(lines) + "\n")
    return 0 if both.ratio <= 1.2 else 1


if __name__ == "__main__":
    sys.exit(main())
