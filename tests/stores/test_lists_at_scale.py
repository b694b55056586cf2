"""Work is counted, not timed: a page of any list costs no more than its bound among so many that a walk would show.

Timed, and among a million: `python -m tests.replicas.lists`, whose figures are in `tests/replicas/LISTS.md`.
"""

from __future__ import annotations

import json
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from redis.asyncio import Redis

from gateway.core.grant import GrantFilter, GrantPage
from gateway.core.grant_codec import GrantRow
from gateway.stores import lists, memory
from gateway.stores.codec import grant_of
from gateway.stores.lists import LOOKED_AT, READ_AT_ONCE, Count, Read, page_steps
from gateway.stores.postgres.schema import migrate
from gateway.stores.select import look_sql, read_sql, sizes_sql
from tests.replicas.filled import fill_postgres, filled, sqlite_file, varied
from tests.replicas.lists import PAGE, WANTED
from tests.replicas.servers import postgres

COUNT = 20_000

MOST_STEPS = 100_000
"""Of SQLite's machine: some ten for each entry of an index that is read, and sixty for each grant that is judged."""

MOST_COMMANDS = 6 * LOOKED_AT
"""Of Valkey: a few for each grant that is looked at."""


def sqlite_page(connection: sqlite3.Connection, wanted: GrantFilter, cursor: str | None) -> tuple[GrantPage, int]:
    """A page, and the steps that SQLite's machine took for it."""
    counted = Counter[str]()
    connection.set_progress_handler(lambda: counted.update(["hundred"]), 100)
    steps = page_steps(wanted, cursor, PAGE)
    try:
        asked = next(steps)
        while True:
            if isinstance(asked, Count):
                asked = steps.send(connection.execute(*sizes_sql("?", "", asked)).fetchall()[0])
            elif isinstance(asked, Read):
                asked = steps.send([serial for (serial,) in connection.execute(*read_sql("?", "", asked))])
            else:
                rows = connection.execute(*look_sql("?", "", wanted, asked)).fetchall()
                asked = steps.send([grant_of(GrantRow(*row)) for row in rows])
    except StopIteration as done:
        return done.value, counted["hundred"] * 100


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[sqlite3.Connection]:
    path = tmp_path_factory.mktemp("lists") / "many.db"
    sqlite_file(path, COUNT, make=varied(COUNT))
    with closing(sqlite3.connect(path)) as connection:
        yield connection


@pytest.mark.parametrize("what", WANTED)
def test_sqlite_takes_a_bounded_number_of_steps(opened: sqlite3.Connection, what: str) -> None:
    """For the first page and the next."""
    page, first = sqlite_page(opened, WANTED[what], None)
    assert first <= MOST_STEPS
    if page.cursor is not None:
        assert sqlite_page(opened, WANTED[what], page.cursor)[1] <= MOST_STEPS


def test_a_walk_would_be_seen(opened: sqlite3.Connection) -> None:
    """The control: one look at each grant is above the bound."""
    counted = Counter[str]()
    opened.set_progress_handler(lambda: counted.update(["hundred"]), 100)
    walk = "SELECT g.serial FROM grants AS g LEFT JOIN usage AS u ON u.grant_id = g.id WHERE coalesce(u.uses, 0) > 1e9"
    assert [] == opened.execute(walk).fetchall()
    assert counted["hundred"] * 100 > 2 * MOST_STEPS


def touched(plan: dict[str, Any]) -> int:
    """Rows that a node of PostgreSQL's plan and all below it gave or left out."""
    left_out = sum(plan.get(f"Rows Removed by {why}", 0) for why in ("Filter", "Join Filter", "Index Recheck"))
    own = (plan["Actual Rows"] + left_out) * plan["Actual Loops"]
    return int(own) + sum(touched(below) for below in plan.get("Plans", ()))


async def postgres_page(connection: Any, wanted: GrantFilter, cursor: str | None) -> tuple[GrantPage, float]:
    """A page, and the most that a statement for it touched, as a share of its bound."""
    steps = page_steps(wanted, cursor, PAGE)
    worst = 0.0
    try:
        asked = next(steps)
        while True:
            if isinstance(asked, Count):
                statement, values = sizes_sql("$", "gateway_", asked)
                bound = sum(4 * one.most for one in asked.reads)
            elif isinstance(asked, Read):
                (statement, values), bound = read_sql("$", "gateway_", asked), 4 * asked.most
            else:
                (statement, values), bound = look_sql("$", "gateway_", wanted, asked), 16 * len(asked.serials)
            plan = json.loads(await connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {statement}", *values))
            worst = max(worst, touched(plan[0]["Plan"]) / bound)
            rows = await connection.fetch(statement, *values)
            if isinstance(asked, Count):
                asked = steps.send(rows[0])
            else:
                read = isinstance(asked, Read)
                asked = steps.send(rows[0][0] if read else [grant_of(GrantRow(*row)) for row in rows])
    except StopIteration as done:
        return done.value, worst


async def test_postgres_touches_what_is_asked_for() -> None:
    """A few rows for each entry that is read and each grant that is judged, as the plan is deep; never all."""
    with postgres() as server:
        connection = await asyncpg.connect(server.url)
        await migrate(connection)
        await fill_postgres(server.url, COUNT, varied(COUNT))
        for what, wanted in WANTED.items():
            page, worst = await postgres_page(connection, wanted, None)
            assert worst <= 1, what
            if page.cursor is not None:
                assert (await postgres_page(connection, wanted, page.cursor))[1] <= 1, what
        plan = await connection.fetchval(
            "EXPLAIN (ANALYZE, FORMAT JSON) SELECT serial FROM gateway_grants WHERE label || '' = 'none'"
        )
        assert touched(json.loads(plan)[0]["Plan"]) > 4 * READ_AT_ONCE
        await connection.close()


async def commands(client: Redis) -> int:
    """How many commands the server has run, those of scripts among them."""
    found = await client.info("commandstats")
    return sum(one["calls"] for name, one in found.items() if name != "cmdstat_info")


async def test_valkey_is_asked_a_bounded_number_of_times(tmp_path: Path) -> None:
    """A few commands for each grant that is looked at, however many of them there are, and few questions in all."""
    async with filled("Valkey", COUNT, tmp_path, varied(COUNT)) as store:
        assert (await store.grants.page(WANTED["all links"], None, PAGE)).cursor is not None
        async with Redis.from_url((tmp_path / "url").read_text()) as client:
            for what, wanted in WANTED.items():
                before = await commands(client)
                page = await store.grants.page(wanted, None, PAGE)
                assert await commands(client) - before <= MOST_COMMANDS, what
                if page.cursor is not None:
                    before = await commands(client)
                    await store.grants.page(wanted, page.cursor, PAGE)
                    assert await commands(client) - before <= MOST_COMMANDS, what
            # The control: a look at each grant would be seen.
            before, cursor = await commands(client), None
            while (cursor := (await store.grants.page(WANTED["all links"], cursor, PAGE)).cursor) is not None:
                pass
            assert await commands(client) - before > 2 * MOST_COMMANDS


async def test_in_memory_few_are_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As many as a page looks at, of the first page and the next."""
    judged = Counter[str]()
    real = memory.wants
    monkeypatch.setattr(memory, "wants", lambda *given: judged.update(["grants"]) or real(*given))
    async with filled("memory", COUNT, tmp_path, varied(COUNT)) as store:
        for what, wanted in WANTED.items():
            cursor = None
            for _ in range(2):
                judged.clear()
                cursor = (await store.grants.page(wanted, cursor, PAGE)).cursor
                assert judged["grants"] <= LOOKED_AT, what
                if cursor is None:
                    break
        # The control: a page that looks as far as it must would be seen.
        judged.clear()
        monkeypatch.setattr(lists.page_steps, "__defaults__", (COUNT,))
        await store.grants.page(WANTED["label of half, used up, and place of none"], None, PAGE)
        assert judged["grants"] > 2 * LOOKED_AT
