"""The stand-in before a store of grants: what the contract suite cannot ask of every engine."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.core.grant import Grant
from gateway.core.reasons import DependencyDown, SettingsError
from gateway.core.sealing import UNSEALED
from gateway.stores.keyring import KeyRing
from gateway.stores.memory import MemoryGrants, MemoryTables, open_memory
from gateway.stores.sealed import check_seals, count_seals
from tests.contract.sample import FIRST, SECOND, link, sealed


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    with capture_logs() as lines:
        yield lines


async def test_old_seals_are_told_until_there_are_none(logged: list[Any]) -> None:
    """With counts and with what to do; a book that knows of nothing old costs no look at any grant."""
    store = open_memory()
    await check_seals(store.grants, store.seals, None)
    await store.grants.create(link(password="scrypt$a$b"))
    await check_seals(store.grants, store.seals, KeyRing([FIRST]))
    await sealed(store, FIRST).create(link(password="scrypt$a$b"))
    await check_seals(store.grants, store.seals, KeyRing([SECOND, FIRST]))
    grants = sealed(store, SECOND, FIRST)
    await grants.log_old_seals()
    assert [(1, 1)] == [(line["unsealed"], line["older"]) for line in logged]
    assert "gateway key reseal" in logged[0]["event"]
    await grants.reseal(None, 10)
    await grants.log_old_seals()
    assert 1 == len(logged)
    assert {1, 2} == set(await store.seals.seals())
    await check_seals(store.grants, store.seals, KeyRing([SECOND]))
    store.grants.page = None  # type: ignore[assignment,method-assign]
    await sealed(store, SECOND).log_old_seals()


async def test_a_sealed_password_that_was_damaged_is_not_taken_for_a_plain_one(logged: list[Any]) -> None:
    """It proves nothing and stays as it is."""
    store = open_memory()
    stored = await store.grants.create(link(password="sealed$!"))
    with pytest.raises(DependencyDown):
        await sealed(store, FIRST).find(stored.hash)
    assert 1 == (await sealed(store, FIRST).reseal(None, 10)).unreadable
    assert stored == await store.grants.get(stored.id)
    assert stored.id == logged[0]["grant"]


class Changing(MemoryGrants):
    """Somebody else is faster, so many times."""

    def __init__(self, times: int) -> None:
        super().__init__(MemoryTables())
        self.times = times

    async def save(self, grant: Grant) -> Grant | None:
        self.times -= 1
        if self.times >= 0:
            await super().save(replace(grant, password="scrypt$c$d"))
        return await super().save(grant)


@pytest.mark.parametrize("times", [0, 1, 2])
async def test_a_change_meanwhile_is_not_written_away(times: int) -> None:
    """The reseal reads again; the password is the newer one, under the key in force."""
    store = replace(open_memory(), grants=Changing(times))
    stored = await store.grants.create(link(password="scrypt$a$b"))
    assert 1 == (await sealed(store, FIRST).reseal(None, 10)).resealed
    found = await sealed(store, FIRST).find(stored.hash)
    assert found is not None
    assert ("scrypt$c$d" if times else "scrypt$a$b") == found.password
    assert {1: 1} == await count_seals(store.grants)


async def test_what_changes_all_the_time_is_told() -> None:
    """Instead of trying for ever."""
    store = replace(open_memory(), grants=Changing(100))
    await store.grants.create(link(password="scrypt$a$b"))
    with pytest.raises(DependencyDown, match="again and again"):
        await sealed(store, FIRST).reseal(None, 10)


async def test_a_central_gateway_keeps_the_keys() -> None:
    """A store without a book is no place for sealing keys, and without them it asks for nothing."""
    await check_seals(open_memory().grants, None, None)
    with pytest.raises(SettingsError, match="central gateway"):
        await check_seals(open_memory().grants, None, KeyRing([FIRST]))


async def test_a_cursor_of_another_list_is_refused() -> None:
    """As everywhere."""
    with pytest.raises(ValueError, match="cursor"):
        await sealed(open_memory(), FIRST).reseal("Z2FyYmFnZQ", 10)


async def test_rows_of_before_are_counted_as_unsealed() -> None:
    """A plain link has nothing to seal."""
    store = open_memory()
    await store.grants.create(link())
    await store.grants.create(link(password="scrypt$a$b"))
    assert {UNSEALED: 1} == await count_seals(store.grants)


async def test_what_is_saved_at_once_is_sealed_and_shown_opened() -> None:
    """As one alone is: no secret reaches the store as it is, and none above it is wrapped."""
    store = open_memory()
    made = [await store.grants.create(link(password="scrypt$a$b")) for _ in range(2)]
    gone = replace(made[1], version=9)
    saved = await sealed(store, FIRST).save_all([made[0], gone])
    assert [replace(made[0], version=2), None] == list(saved)
    kept = await store.grants.get(made[0].id)
    assert kept is not None
    assert (kept.password or "").startswith("sealed$")
