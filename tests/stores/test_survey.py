"""A look at places of state: what there is, and nothing made or changed by looking."""

from __future__ import annotations

import fcntl
import os
import sqlite3
from contextlib import closing
from pathlib import Path

import asyncpg
import pytest

from gateway.core.password import SALT_BYTES, hash_password
from gateway.core.sealing import UNSEALED
from gateway.stores.postgres import schema as postgres_schema
from gateway.stores.sqlite import schema as sqlite_schema
from gateway.stores.state import open_state
from gateway.stores.survey import Survey, survey, unwritable
from tests.contract.sample import link

KEYS = [(7, "a sealing key of enough characters, 7")]


async def store_links(url: str, count: int, keys: list[tuple[int, str]]) -> None:
    """Links with a password, under the first of the keys."""
    state = await open_state(url, sealing_keys=keys)
    for _ in range(count):
        await state.grants.create(link(password=hash_password("open", bytes(SALT_BYTES))))
    await state.close()


async def test_secrets_are_counted_by_the_number_of_their_key(tmp_path: Path) -> None:
    """Without any of the keys, and without a number being noted or forgotten."""
    url = f"sqlite:///{tmp_path}/gateway.db"
    await store_links(url, 2, [])
    await store_links(url, 3, KEYS)
    state = await open_state(url, sealing_keys=KEYS)
    await state.grants.create(link())
    before = await state.engines[0].seals.seals()  # type: ignore[union-attr]
    assert Survey({tmp_path: True}, {UNSEALED: 2, 7: 3}) == await survey(url)
    assert before == await state.engines[0].seals.seals()  # type: ignore[union-attr]
    await state.close()


@pytest.mark.parametrize("grants", ["memory:", "central+https://central.example", "sqlite:///FOLDER/gateway.db"])
async def test_nothing_is_made_by_looking(tmp_path: Path, grants: str) -> None:
    """Where nothing is stored here there is nothing to count, and there is no file afterwards either."""
    seen = await survey(grants.replace("FOLDER", str(tmp_path)), [f"sqlite:///{tmp_path}/records.db"])
    assert Survey({tmp_path: True}, None) == seen
    assert [] == list(tmp_path.iterdir())


async def test_tables_of_an_older_form_are_left_as_they_are(tmp_path: Path, postgres_url: str) -> None:
    """The gateways that run would not start again on newer ones; and where there are none, none are made."""
    plain = await asyncpg.connect(postgres_url)
    assert Survey({}, None) == await survey(postgres_url)
    assert await plain.fetchval("SELECT to_regclass('gateway_form')") is None
    await plain.execute(postgres_schema.MIGRATIONS[0])
    await plain.execute("CREATE TABLE gateway_form (version INTEGER NOT NULL); INSERT INTO gateway_form VALUES (1)")
    path = tmp_path / "gateway.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(f"{sqlite_schema.MIGRATIONS[0]}; PRAGMA user_version = 1")
    for url in (postgres_url, f"sqlite:///{path}"):
        seen = await survey(url)
        assert (seen.seals, seen.fault) == (None, "")
        assert "the tables are of form 1" in seen.older
    assert 1 == await plain.fetchval("SELECT version FROM gateway_form")
    with closing(sqlite3.connect(path)) as connection:
        assert [(1,)] == connection.execute("PRAGMA user_version").fetchall()
    await plain.close()


def test_a_file_that_could_not_be_written_is_told_by_its_permissions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its folder or itself, once; nothing is said of other engines or of what may be written, and nothing is made."""
    (tmp_path / "there").mkdir()
    (tmp_path / "held").mkdir()
    there, held = f"sqlite:///{tmp_path}/there/g.db", f"sqlite:///{tmp_path}/held/g.db"
    assert [] == unwritable([there, there, "memory:", "redis://localhost", "sqlite:///gateway.db"])
    missing = f"sqlite:///{tmp_path}/missing/g.db"
    text = f"state: {tmp_path}/missing/g.db: there is no folder {tmp_path}/missing"
    assert [text] == unwritable([missing, there, missing])
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path).name != "held")  # root may write everywhere
    assert [f"state: {tmp_path}/held/g.db: this user may not make files in {tmp_path}/held"] == unwritable([held])
    (tmp_path / "there" / "g.db").mkdir()
    assert [f"state: {tmp_path}/there/g.db: is no file that this user may write"] == unwritable([there])
    assert ["held", "there"] == sorted(path.name for path in tmp_path.iterdir())


async def test_what_cannot_be_known_is_said(tmp_path: Path) -> None:
    """A folder that is not there, and a file that is no database, are told with their names."""
    (tmp_path / "gateway.db").write_bytes(b"no database at all " * 300)
    seen = await survey(f"sqlite:///{tmp_path}/gateway.db", [f"sqlite:///{tmp_path}/none/records.db"])
    assert "No such file or directory" == seen.locks[tmp_path / "none"]
    assert (None, True) == (seen.seals, "is no database" in seen.fault)


async def test_a_folder_without_locks_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a file system shows that grants every lock."""
    monkeypatch.setattr(fcntl, "fcntl", lambda *_: 0)
    assert {tmp_path: False} == (await survey("memory:", [f"sqlite:///{tmp_path}/records.db"])).locks
