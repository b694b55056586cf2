"""Measures lists among a million links against the same among a thousand.

    python -m tests.replicas.lists [--many 1000000] [--engines SQLite,PostgreSQL] [--out FILE]

Every filter that the API, the command line and the console have, and several at once, for what most links fit, few, and
none: a page of 50 and the one after it, from each engine; and from outside, as answers of `GET /v1/links` to a gateway
on SQLite. Among few and among many as many are answered: what fits is as rare, sixty in all, or of the same share.
Pages among few and among many take turns, so that whatever else the machine does falls on both alike. What is told is
the time that a fourth of the pages took at most: the rest is what else the machine did. Then, how long it takes to make
links, one after the other, and to exclude one person from ten thousand that are for everybody in a domain.

Exits with 1, and names the rows, if a page takes longer than 1.5 times as long as among few and 2 ms, or 50 ms, or
if not as many are answered. How much is looked at for a page is counted in `tests/stores/test_lists_at_scale.py`.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
import time
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack, closing
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from urllib.parse import urlencode, urlsplit

from gateway.core.attempt import Principal
from gateway.core.grant import Grant, GrantFilter, GrantKind, GrantState
from gateway.core.holders import Holders
from gateway.stores.engine import Engine
from tests.control.desk import serving
from tests.replicas.filled import ENGINES, ISSUED, filled, grant, varied
from tests.replicas.fleet import fleet
from tests.replicas.probes import quantile
from tests.servers import over_tls
from tests.servers.rclone import rclone_store

FEW = 1000
PAGE = 50
TURNS = 15
MADE = 200
HELD = 10_000
MOST_MILLISECONDS = 50.0
LONGER = 1.5
MORE_MILLISECONDS = 2.0
_LINKS = {"now": ISSUED, "kind": GrantKind.LINK}

_RARE, _MANY = Principal("app", "rare"), Principal("app", "many")

WANTED: Mapping[str, GrantFilter] = MappingProxyType(
    {
        "all links": GrantFilter(**_LINKS),
        "all keys": GrantFilter(now=ISSUED, kind=GrantKind.KEY),
        **{f"state {state}": GrantFilter(**_LINKS, state=state) for state in GrantState},
        "an owner of few": GrantFilter(**_LINKS, owner=_RARE),
        "an owner of half": GrantFilter(**_LINKS, owner=_MANY),
        "an owner of none": GrantFilter(**_LINKS, owner=Principal("app", "nobody")),
        "a label of few": GrantFilter(**_LINKS, label="rare"),
        "a label of half": GrantFilter(**_LINKS, label="common"),
        "a label of none": GrantFilter(**_LINKS, label="none"),
        "bucket": GrantFilter(**_LINKS, bucket="lab"),
        "a place of few": GrantFilter(**_LINKS, bucket="lab", prefix="rare/"),
        "a place of a fourth": GrantFilter(**_LINKS, bucket="lab", prefix="team1/"),
        "a place of none": GrantFilter(**_LINKS, bucket="lab", prefix="nowhere/"),
        "a prefix in any bucket": GrantFilter(**_LINKS, prefix="team2"),
        "keys in a bucket": GrantFilter(now=ISSUED, kind=GrantKind.KEY, bucket="lab"),
        "ends within a day": GrantFilter(**_LINKS, ends_before=ISSUED + 86_400),
        "ends within a minute": GrantFilter(**_LINKS, ends_before=ISSUED + 60),
        "owner of half and state of few": GrantFilter(**_LINKS, owner=_MANY, state=GrantState.REVOKED),
        "label of half and state of few": GrantFilter(**_LINKS, label="common", state=GrantState.SUSPENDED),
        "label and owner, both of half": GrantFilter(**_LINKS, label="common", owner=_MANY),
        "label of half and place of none": GrantFilter(**_LINKS, label="common", bucket="lab", prefix="nowhere/"),
        "place, state, and ends": GrantFilter(
            **_LINKS, bucket="lab", prefix="team", state=GrantState.ACTIVE, ends_before=ISSUED + 86_400
        ),
        "label of half, used up, and place of none": GrantFilter(
            **_LINKS, label="common", state=GrantState.USED_UP, prefix="nowhere/"
        ),
        "own, and what waits": GrantFilter(**_LINKS, shown_to=_RARE, approves=frozenset({"team"})),
    }
)
"""What is asked of `tests.replicas.filled.varied`, by its name."""

_QUERIES = {
    "all links": {},
    "state pending": {"state": "pending"},
    "state revoked": {"state": "revoked"},
    "a label of few": {"label": "rare"},
    "a place of few": {"bucket": "lab", "prefix": "rare/"},
    "a place of a fourth": {"bucket": "lab", "prefix": "team1/"},
    "label of half and state of few": {"label": "common", "state": "suspended"},
    "an owner of half": {"owner": "app:many"},
}


class Row:
    """Times of one page among few and among many, in milliseconds, and how many links the first page held."""

    def __init__(self, where: str, what: str) -> None:
        self.where, self.what = where, what
        self.few: list[float] = []
        self.many: list[float] = []
        self.answered: list[int] = [0, 0]

    @property
    def good(self) -> bool:
        few, many = quantile(self.few, 0.25), quantile(self.many, 0.25)
        alike = self.answered[0] == self.answered[1]
        return alike and many <= min(LONGER * few + MORE_MILLISECONDS, MOST_MILLISECONDS)

    def __str__(self) -> str:
        few, many = quantile(self.few, 0.25), quantile(self.many, 0.25)
        mark = "" if self.good else " (broken)"
        held = "/".join(map(str, sorted(set(self.answered))))
        return f"| {self.where} | {self.what} | {held} | {few:.1f} ms | {many:.1f} ms{mark} |"


async def among(engine: str, folder: Path, many: int) -> tuple[list[Row], str]:
    """The pages of this engine, and what making a link takes."""
    async with AsyncExitStack() as stack:
        stores = [
            await stack.enter_async_context(filled(engine, count, folder, varied(count))) for count in (FEW, many)
        ]
        for store in stores:
            await store.grants.page(WANTED["all links"], None, PAGE)
        rows = [Row(engine, what) for what in WANTED]
        for _ in range(TURNS):
            for row in rows:
                for place, (store, times) in enumerate(zip(stores, (row.few, row.many), strict=True)):
                    taken, row.answered[place] = await _two_pages(store, WANTED[row.what])
                    times.extend(taken)
        return rows, f"{engine} {await _make(stores[1], many):.2f} ms"


async def _two_pages(store: Engine, wanted: GrantFilter) -> tuple[list[float], int]:
    """What the first page took, and the next if it is full as well; how many the first one held."""
    began = time.perf_counter()
    first = await store.grants.page(wanted, None, PAGE)
    times = [time.perf_counter() - began]
    if first.cursor is not None:
        began = time.perf_counter()
        second = await store.grants.page(wanted, first.cursor, PAGE)
        times += [time.perf_counter() - began] if len(second.grants) == len(first.grants) else []
    return [taken * 1000 for taken in times], len(first.grants)


async def _make(store: Engine, number: int) -> float:
    make = varied(number)
    made = [make(number + more) for more in range(MADE)]
    began = time.perf_counter()
    for one in made:
        await store.grants.create(one)
    return (time.perf_counter() - began) * 1000 / MADE


def held(number: int) -> Grant:
    """A link for everybody in one domain."""
    return replace(grant(number), holders=Holders(domains=("acme.example",), key=b"k" * 32))


async def exclude(engine: str, folder: Path) -> str:
    """One person is excluded from all that there are, by one call of the API."""
    async with (
        filled(engine, HELD, folder, held) as store,
        serving(grants=store.grants, leases=store.leases, feed=store.feed, ledger=store.ledger) as desk,
    ):
        began = time.perf_counter()
        answer = await desk.ask("POST", "/v1/revocations", {"holder": "ann@acme.example"})
        took = time.perf_counter() - began
    assert answer.json["revoked"] == HELD, answer.text
    return f"{engine} {took:.1f} s"


def outside(folder: Path, many: int) -> list[Row]:
    """Whole answers of the control listener, on the files that are there already."""
    rows = [Row("`GET /v1/links`, SQLite", what) for what in _QUERIES]
    (folder / "store").mkdir()
    with rclone_store(folder / "store") as store:
        states = [f'"sqlite:///{folder}/{count}.db"' for count in (FEW, many)]
        with fleet(folder / "fleet", store, states) as running:
            for _ in range(TURNS):
                for row in rows:
                    query = urlencode({"limit": PAGE, **_QUERIES[row.what]})
                    for place, (gateway, times) in enumerate(zip(running.gateways, (row.few, row.many), strict=True)):
                        took, row.answered[place] = _ask(gateway.control, gateway.admin_token, f"/v1/links?{query}")
                        times.append(took)
    return rows


def _ask(control: str, token: str, path: str) -> tuple[float, int]:
    place = urlsplit(control)
    with closing(over_tls.dial(place.geturl(), timeout=30)) as line:
        began = time.perf_counter()
        line.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = line.getresponse()
        body = answer.read()
        took = (time.perf_counter() - began) * 1000
    assert answer.status == 200, body
    return took, len(json.loads(body)["links"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--out", type=Path)
    wanted = parser.parse_args()
    rows: list[Row] = []
    made, excluding = [], []
    for engine in wanted.engines.split(","):
        with TemporaryDirectory(prefix="gateway-lists-") as name:
            found, making = asyncio.run(among(engine, Path(name), wanted.many))
            excluding.append(asyncio.run(exclude(engine, Path(name))))
            if engine == "SQLite":
                found += outside(Path(name), wanted.many)
        rows += found
        made.append(making)
        sys.stdout.write("\n".join(map(str, found)) + "\n")
        sys.stdout.flush()
    many = f"{wanted.many:,}"
    lines = [
        f"| where | what | answered | among {FEW:,} | among {many} |",
        "|---|---|---|---|---|",
        *map(str, rows),
        "",
        f"One more link among {many}: {', '.join(made)}.",
        "",
        f"One person excluded from {HELD:,} links: {', '.join(excluding)}.",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    if wanted.out is not None:
        title = (
            "# Lists among many\n\nPrinted by `python -m tests.replicas.lists`, which says what each row is "
            f"({os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end): a page of {PAGE}, the time that a "
            f"fourth of them took at most. Promised: at most {LONGER} times as long as among {FEW:,}, and "
            f"{MORE_MILLISECONDS:.0f} ms; at most {MOST_MILLISECONDS:.0f} ms. Valkey syncs each write (`appendfsync "
            "always`).\n\n"
        )
        wanted.out.write_text(title + "\n".join(lines) + "\n")
    return judge(rows)


def judge(rows: Sequence[Row]) -> int:
    """The exit code; names the rows that break the promise."""
    broken = [row for row in rows if not row.good]
    for row in broken:
        sys.stderr.write(f"Not kept: {row}\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
