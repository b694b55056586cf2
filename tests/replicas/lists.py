"""Measures lists among a million links against the same among a thousand.

    python -m tests.replicas.lists [--many 1000000] [--engines SQLite,PostgreSQL] [--out FILE]

Every filter that the API, the command line and the console have, and several at once, for what most links fit, few, and
none: a page of 50 and the one after it, from each engine; and from outside, as answers of `GET /v1/links` and of the
console's page to a gateway on SQLite. Pages among few and among many take turns, so that whatever else the machine does
falls on both alike. What is told is the middle one of the times. Then, how long it takes to make links, one after the
other.

Exits with 1 if a page takes more than 50 ms. One that takes 5 ms more than 1.5 times as long as among few is marked:
its work is bounded (`tests/stores/test_lists_at_scale.py`), and among few there is less of it than the bound.
"""

from __future__ import annotations

import argparse
import asyncio
import http.client
import os
import sys
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack, closing
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from urllib.parse import urlencode, urlsplit

from gateway.core.attempt import Principal
from gateway.core.grant import GrantFilter, GrantKind, GrantState
from gateway.stores.engine import Engine
from tests.replicas.filled import ENGINES, ISSUED, filled, varied
from tests.replicas.fleet import fleet
from tests.replicas.probes import quantile
from tests.servers.rclone import rclone_store

FEW = 1000
PAGE = 50
TURNS = 15
MADE = 200
MOST_MILLISECONDS = 50.0
_LINKS = {"now": ISSUED, "kind": GrantKind.LINK}

WANTED: Mapping[str, GrantFilter] = MappingProxyType(
    {
        "all links": GrantFilter(**_LINKS),
        "all keys": GrantFilter(now=ISSUED, kind=GrantKind.KEY),
        **{f"state {state}": GrantFilter(**_LINKS, state=state) for state in GrantState},
        "owner": GrantFilter(**_LINKS, owner=Principal("app", "app17")),
        "an owner of none": GrantFilter(**_LINKS, owner=Principal("app", "nobody")),
        "a label of one": GrantFilter(**_LINKS, label="link number 17"),
        "a label of many": GrantFilter(**_LINKS, label="common"),
        "a label of none": GrantFilter(**_LINKS, label="none"),
        "bucket": GrantFilter(**_LINKS, bucket="lab"),
        "place of few": GrantFilter(**_LINKS, bucket="lab", prefix="folder17/"),
        "place of many": GrantFilter(**_LINKS, bucket="lab", prefix="folder1"),
        "place of none": GrantFilter(**_LINKS, bucket="lab", prefix="nowhere/"),
        "keys in a bucket": GrantFilter(now=ISSUED, kind=GrantKind.KEY, bucket="lab"),
        "ends within a day": GrantFilter(**_LINKS, ends_before=ISSUED + 86_400),
        "ends within a minute": GrantFilter(**_LINKS, ends_before=ISSUED + 60),
        "owner and state": GrantFilter(**_LINKS, owner=Principal("app", "app6"), state=GrantState.REVOKED),
        "label and state": GrantFilter(**_LINKS, label="common", state=GrantState.SUSPENDED),
        "label and owner, both of many": GrantFilter(**_LINKS, label="common", owner=Principal("app", "app10")),
        "label of many and place of none": GrantFilter(**_LINKS, label="common", bucket="lab", prefix="nowhere/"),
        "place, state, and ends": GrantFilter(
            **_LINKS, bucket="lab", prefix="folder", state=GrantState.ACTIVE, ends_before=ISSUED + 3600
        ),
        "what fits nothing, of much": GrantFilter(
            **_LINKS, label="common", state=GrantState.USED_UP, prefix="folder5/"
        ),
        "own, and what waits": GrantFilter(**_LINKS, shown_to=Principal("app", "app3"), approves=frozenset({"team"})),
    }
)
"""What is asked of `tests.replicas.filled.varied`, by its name."""

_QUERIES = {
    "all links": {},
    "state revoked": {"state": "revoked"},
    "a label of one": {"label": "link number 17"},
    "place of few": {"bucket": "lab", "prefix": "folder17/"},
    "owner": {"owner": "app:app17"},
}


class Row:
    """Times of one page among few and among many, in milliseconds."""

    def __init__(self, where: str, what: str) -> None:
        self.where, self.what = where, what
        self.few: list[float] = []
        self.many: list[float] = []

    @property
    def good(self) -> bool:
        return quantile(self.many, 0.5) <= MOST_MILLISECONDS

    def __str__(self) -> str:
        few, many = quantile(self.few, 0.5), quantile(self.many, 0.5)
        mark = "" if many <= 1.5 * few + 5 else " (longer)"
        return f"| {self.where} | {self.what} | {few:.1f} ms | {many:.1f} ms{mark} |"


async def among(engine: str, folder: Path, many: int) -> tuple[list[Row], str]:
    """The pages of this engine, and what making a link takes."""
    async with AsyncExitStack() as stack:
        stores = [await stack.enter_async_context(filled(engine, count, folder, varied)) for count in (FEW, many)]
        for store in stores:
            await store.grants.page(WANTED["all links"], None, PAGE)
        rows = [Row(engine, what) for what in WANTED]
        for _ in range(TURNS):
            for row in rows:
                for store, times in zip(stores, (row.few, row.many), strict=True):
                    times.extend(await _two_pages(store, WANTED[row.what]))
        return rows, f"{engine} {await _make(stores[1], many):.2f} ms"


async def _two_pages(store: Engine, wanted: GrantFilter) -> list[float]:
    times = []
    cursor = None
    for _ in range(2):
        began = time.perf_counter()
        page = await store.grants.page(wanted, cursor, PAGE)
        times.append((time.perf_counter() - began) * 1000)
        if (cursor := page.cursor) is None:
            break
    return times


async def _make(store: Engine, number: int) -> float:
    began = time.perf_counter()
    for more in range(MADE):
        await store.grants.create(varied(number + more))
    return (time.perf_counter() - began) * 1000 / MADE


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
                    for gateway, times in zip(running.gateways, (row.few, row.many), strict=True):
                        times.append(_ask(gateway.control, gateway.admin_token, f"/v1/links?{query}"))
    return rows


def _ask(control: str, token: str, path: str) -> float:
    place = urlsplit(control)
    with closing(http.client.HTTPConnection(place.hostname or "", place.port, timeout=30)) as line:
        began = time.perf_counter()
        line.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        answer = line.getresponse()
        body = answer.read()
        took = (time.perf_counter() - began) * 1000
    assert answer.status == 200, body
    return took


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--many", type=int, default=1_000_000)
    parser.add_argument("--engines", default=",".join(ENGINES))
    parser.add_argument("--out", type=Path)
    wanted = parser.parse_args()
    rows: list[Row] = []
    made = []
    for engine in wanted.engines.split(","):
        with TemporaryDirectory(prefix="gateway-lists-") as name:
            found, making = asyncio.run(among(engine, Path(name), wanted.many))
            if engine == "SQLite":
                found += outside(Path(name), wanted.many)
        rows += found
        made.append(making)
        sys.stdout.write("\n".join(map(str, found)) + "\n")
        sys.stdout.flush()
    many = f"{wanted.many:,}"
    lines = [
        f"| where | what | among {FEW:,} | among {many} |",
        "|---|---|---|---|",
        *map(str, rows),
        "",
        f"One more link among {many}: {', '.join(made)}.",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    if wanted.out is not None:
        title = (
            "# Lists among many\n\nPrinted by `python -m tests.replicas.lists`, which says what each row is "
            f"({os.cpu_count()} cores, load {os.getloadavg()[0]:.1f} at the end): a page of {PAGE}, the middle time. "
            f"Promised: at most {MOST_MILLISECONDS:.0f} ms. "
            "What takes 5 ms more than 1.5 times as long as among a thousand is marked."
            "\n\n"
        )
        wanted.out.write_text(title + "\n".join(lines) + "\n")
    return 0 if all(row.good for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
