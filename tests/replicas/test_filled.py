"""What is filled in bulk is what the gateway itself would have stored."""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.grant import Grant
from gateway.core.revocation import RevocationView
from gateway.core.token import SecretHash
from gateway.stores.memory import MemoryGrants, MemoryTables, open_memory
from gateway.stores.sqlite.engine import open_sqlite
from tests.replicas.filled import ENGINES, filled, grant, revocations, sqlite_file, token
from tests.replicas.million import Looker

COUNT = 300


@pytest.mark.parametrize("engine", ENGINES)
async def test_every_link_is_found_as_it_was_meant(engine: str, tmp_path: Path) -> None:
    """By its hash and by its id, and the next one that is made in the usual way is found beside it."""
    async with filled(engine, COUNT, tmp_path) as store:
        for number in range(COUNT):
            expected = replace(grant(number), serial=number + 1)
            assert await store.grants.find(token(number).hash) == expected == await store.grants.get(expected.id)
        assert await store.grants.find(token(COUNT).hash) is None
        made = await store.grants.create(grant(COUNT))
        assert (await store.grants.find(token(COUNT).hash), made.serial) == (made, COUNT + 1)


async def test_a_look_up_is_a_miss_each_time(tmp_path: Path) -> None:
    """The cache that is in between forgets the link again; else the second look would be at memory."""
    asked: list[bytes] = []

    class Asked(MemoryGrants):
        async def find(self, secret_hash: SecretHash) -> Grant | None:
            asked.append(secret_hash)
            return await super().find(secret_hash)

    store = replace(open_memory(), grants=Asked(MemoryTables()))
    await store.grants.create(grant(0))
    looker = Looker(store, RevocationView(), 1, time.perf_counter_ns)
    assert await looker.look(token(0).text) > 0
    assert await looker.look(looker.any().text) > 0
    assert asked == [token(0).hash] * 2


async def test_revocations_come_after_the_links(tmp_path: Path) -> None:
    """They are as many as was said, newer than every link, and mean none of them."""
    path = tmp_path / "gateway.db"
    sqlite_file(path, COUNT, key="small", revoked=COUNT)
    store = await open_sqlite(path)
    entries = await store.feed.revocations(0, 10 * COUNT)
    assert list(entries) == list(revocations(COUNT, COUNT + 1))
    view = RevocationView()
    view.apply(entries)
    assert len(view) == COUNT
    for number in range(COUNT):
        found = await store.grants.find(token(number).hash)
        assert found is not None
        assert found.serial < entries[0].serial
        assert view.revoked(found, "lab", "small", "lab") is None
    await store.close()
