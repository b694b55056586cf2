"""Another process on the same file is noticed; serials only grow."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

from gateway.core.revocation import FeedEntry
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.stores.engine import Engine
from gateway.stores.sqlite.engine import open_sqlite
from gateway.stores.sqlite.feed import add_entry
from tests.contract.sample import NOW
from tests.stores.sqlite.conftest import rows_in

LINK = [RevocationTarget(FeedKind.LINK, "l_1")]


async def test_another_process_is_noticed_soon(path: Path, state: Engine) -> None:
    """A second store on the same file wakes the first within the second that promise 2 allows."""
    other = await open_sqlite(path)
    async with asyncio.timeout(1), asyncio.TaskGroup() as group:
        group.create_task(state.feed.changed(0, 60))
        await asyncio.sleep(0)
        (entry,) = await other.feed.revoke(LINK, NOW, "", "admin:ops")
    assert list(await state.feed.since(0, 9)) == [entry]
    await other.close()


async def test_serials_are_never_given_twice(state: Engine, tx: sqlite3.Connection) -> None:
    """Even where entries are gone: all but the newest are pruned, and somebody's hand may have taken that one, too."""
    for left in (1, 0):
        first = add_entry(tx, FeedEntry(0, FeedKind.CHANGED, "l_1", at=NOW))
        await state.ledger.prune(NOW + 1)
        assert 1 == rows_in(tx, "feed")
        if not left:
            tx.execute("DELETE FROM feed")
        assert add_entry(tx, FeedEntry(0, FeedKind.CHANGED, "l_1", at=NOW)).serial > first.serial
