"""The book of sealing keys in Redis, where there were grants before there was a book."""

from __future__ import annotations

from gateway.core.sealing import UNSEALED
from gateway.stores.redis import RedisState
from tests.contract.sample import link


async def test_grants_of_before_are_believed_to_be_unsealed(valkey_url: str) -> None:
    """Until a reseal has looked at all of them; an empty store has nothing to reseal."""
    state = RedisState(valkey_url)
    await state.open()
    assert {} == await state.seals()
    await state.create(link())
    assert {UNSEALED: ""} == await state.seals()
    assert "aa" == await state.note_seal(1, "aa")
    assert {UNSEALED: "", 1: "aa"} == await state.seals()
    await state.forget_seal(UNSEALED)
    assert {1: "aa"} == await state.seals()
    await state.close()
