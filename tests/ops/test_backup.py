"""What docs/operations.md says of backups: what was kept comes back whole, and goes on."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Awaitable, Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.record import AuditEvent
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.trail import Inspection
from gateway.stores.engine import Engine
from gateway.stores.postgres.engine import open_postgres
from gateway.stores.sqlite.engine import open_sqlite
from tests.contract.sample import NOW, FakeClock, key, link
from tests.contract.servers import postgres_binary, postgres_server

pytestmark = pytest.mark.e2e

KEPT, ENDED, LATER = link("l_kept"), link("l_ended"), link("l_later")


async def _fill(engine: Engine) -> None:
    for grant in (KEPT, ENDED, key("k_kept")):
        await engine.grants.create(grant)
    await engine.feed.revoke([RevocationTarget(FeedKind.LINK, ENDED.id)], NOW, "why", "admin:ops")
    for number in range(3):
        await engine.ledger.audit(AuditEvent(at=NOW, actor="admin:ops", act="revoke", target=f"l_{number}"))


async def _add_later(engine: Engine) -> None:
    """What comes after the backup."""
    await engine.grants.create(LATER)


async def _look(engine: Engine) -> None:
    """All that was there is there, nothing else is, and what comes next has a place of its own."""
    kept, ended = await engine.grants.find(KEPT.hash), await engine.grants.find(ENDED.hash)
    assert kept is not None
    assert ended is not None
    assert (None, NOW, None) == (kept.revoked_at, ended.revoked_at, await engine.grants.find(LATER.hash))
    trail = await engine.ledger.trail(0, 10)
    inspection = Inspection()
    assert [] == [*inspection.faults(trail.entries), *inspection.end(trail.head)]
    last = await engine.feed.last()
    assert last == (await engine.feed.since(0, 100))[-1].serial
    assert await engine.grants.save(replace(kept, label="goes on")) is not None
    assert [last + 1] == [entry.serial for entry in await engine.feed.since(last, 10)]


async def _keep_and_restore(
    first: Callable[[], Awaitable[Engine]], keep: Callable[[], None], second: Callable[[], Awaitable[Engine]]
) -> None:
    """The backup is made while the engine is open and written to, and opened anew at another place."""
    running = await first()
    try:
        await _fill(running)
        keep()
        await _add_later(running)
    finally:
        await running.close()
    restored = await second()
    try:
        await _look(restored)
    finally:
        await restored.close()


async def test_a_sqlite_file_is_kept_while_it_is_written(tmp_path: Path) -> None:
    """By SQLite's own backup, which is what `.backup` of its command line does."""
    source, copy = tmp_path / "gateway.db", tmp_path / "backup.db"

    def keep() -> None:
        with closing(sqlite3.connect(source)) as here, closing(sqlite3.connect(copy)) as there:
            here.backup(there)

    await _keep_and_restore(
        lambda: open_sqlite(source, clock=FakeClock(), processes=1),
        keep,
        lambda: open_sqlite(copy, clock=FakeClock(), processes=1),
    )


async def test_a_copy_of_the_sqlite_file_alone_is_no_backup(tmp_path: Path) -> None:
    """The control, and why the document says so: what was written last stands beside the file."""
    source, copy = tmp_path / "gateway.db", tmp_path / "backup.db"
    running = await open_sqlite(source, clock=FakeClock(), processes=1)
    await _fill(running)
    copy.write_bytes(source.read_bytes())
    await running.close()
    restored = await open_sqlite(copy, clock=FakeClock(), processes=1)
    try:
        assert None is await restored.grants.find(KEPT.hash)
    finally:
        await restored.close()


async def test_a_postgres_database_is_kept_by_its_own_tools(tmp_path: Path) -> None:
    """pg_dump while gateways write, pg_restore into an empty database."""
    dump = tmp_path / "gateway.dump"
    with postgres_server() as url:
        other = url.removesuffix("/postgres") + "/restored"

        def run(program: str, *words: str) -> None:
            subprocess.run([str(postgres_binary(program)), *words], check=True, capture_output=True, timeout=60)

        async def restore() -> Engine:
            run("psql", "--dbname", url, "--command", "CREATE DATABASE restored")
            run("pg_restore", "--no-owner", "--dbname", other, str(dump))
            return await open_postgres(other, clock=FakeClock())

        await _keep_and_restore(
            lambda: open_postgres(url, clock=FakeClock()),
            lambda: run("pg_dump", "--format=custom", f"--file={dump}", url),
            restore,
        )
