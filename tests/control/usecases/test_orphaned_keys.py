"""Short-lived keys end with what they came from."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace

import pytest

from gateway.control.usecases import grants
from gateway.control.usecases import orphaned_keys as room
from gateway.control.usecases.orphaned_keys import OrphanedKeys
from gateway.core.attempt import Principal
from gateway.core.issued import IssuedKey, LivingSession
from gateway.core.reasons import DependencyDown
from gateway.core.source import Source, Sources, fingerprint, from_entry
from gateway.core.token import hash_secret
from tests.control.desk import Desk
from tests.waiting import until

HERE, TOKEN = "https://gw.example", hash_secret("a token")
ENTRY = from_entry(HERE, TOKEN)
KNOWN = Sources(HERE, {fingerprint(TOKEN): "billing"}, {}, lambda *_: None, lambda *_: None)
GONE = replace(KNOWN, entries={})


def orphaned_keys_of(desk: Desk, sources: Sources) -> OrphanedKeys:
    return OrphanedKeys(desk.deps.stores, desk.deps.live, desk.api.keys.journal, lambda: sources)


async def test_keys_of_what_is_gone_are_revoked_and_no_others(desk: Desk) -> None:
    """Once: by a revocation that every replica hears of, told in the audit trail. Keys that admins issued stay."""
    keys = desk.api.keys
    session = await keys.issue_session("billing", 3600.0, "container credentials", ENTRY)
    lasting = await keys.issue(Principal("admin", "ops"), "billing")
    assert 0 == await orphaned_keys_of(desk, KNOWN).revoke_all()
    assert [1, 0] == [await orphaned_keys_of(desk, GONE).revoke_all() for _ in range(2)]
    stored = [await desk.state.grants.get(key.grant.id) for key in (session, lasting)]
    assert [True, False] == [one is not None and one.revoked_at is not None for one in stored]
    trail = await desk.state.ledger.trail(0, 100)
    assert 1 == sum('"key.revoke"' in entry.text and session.grant.id in entry.text for entry in trail.entries)


@pytest.mark.parametrize("held_back", [{"suspended_at": 1.0}, {"not_before": 1e12}, {"uses": 0}], ids=str)
async def test_what_cannot_be_used_for_now_ends_as_well(desk: Desk, held_back: dict[str, float]) -> None:
    """A key that is suspended, has not begun or is used up would come back without what it came from."""
    session = await desk.api.keys.issue_session("billing", 3600.0, "x", ENTRY)
    await desk.state.grants.save(replace(session.grant, **held_back))
    assert 1 == await orphaned_keys_of(desk, GONE).revoke_all()


async def test_more_keys_than_a_page(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """All of them, in one write."""
    monkeypatch.setattr(grants, "_PAGE", 2)
    for _ in range(5):
        await desk.api.keys.issue_session("billing", 3600.0, "x", ENTRY)
    assert 5 == await orphaned_keys_of(desk, GONE).revoke_all()


async def test_the_watch_ends_them_at_the_start_and_after_each_change(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once more a little later, for a key that was being issued; a store that is away is asked again."""
    monkeypatch.setattr(room, "_AGAIN", 0.01)
    monkeypatch.setattr(grants, "_PAUSE", 0.001)
    asked: list[int] = []

    async def revoke_all(self: OrphanedKeys) -> int:
        asked.append(1)
        if len(asked) == 1:
            raise DependencyDown("grants", "away")
        return 0

    monkeypatch.setattr(OrphanedKeys, "revoke_all", revoke_all)
    changed = asyncio.Event()
    watch = asyncio.get_running_loop().create_task(orphaned_keys_of(desk, KNOWN).watch(changed))
    for expected in (3, 5):
        await until(lambda wanted=expected: len(asked) >= wanted)
        await asyncio.sleep(0.05)
        assert expected == len(asked)
        changed.set()
    watch.cancel()


class There:
    """A central gateway, as far as it issued keys through this sidecar."""

    def __init__(self, *living: LivingSession) -> None:
        self.living, self.asked, self.ended = living, list[str](), list[str]()

    async def issue_session(self, app: str, seconds: float, label: str, source: Source) -> IssuedKey:
        raise AssertionError("nothing is issued")

    async def sessions_through(self, address: str) -> Sequence[LivingSession]:
        self.asked.append(address)
        return self.living

    async def end_sessions(self, ids: Sequence[str]) -> None:
        self.ended += ids


async def test_a_sidecar_has_ended_there_what_has_ended_here(desk: Desk) -> None:
    """Keys of an entry that is gone, or another app's now, and of no other."""
    gone = from_entry(HERE, hash_secret("the token before"))
    there = There(
        LivingSession("k_1", "billing", ENTRY),
        LivingSession("k_2", "billing", gone),
        LivingSession("k_3", "etl", ENTRY),
        LivingSession("k_4", "billing", ("a kind of later days", HERE)),
    )
    orphaned = orphaned_keys_of(desk, KNOWN)
    orphaned = replace(orphaned, stores=replace(orphaned.stores, issuer=there))
    assert (2, [HERE], ["k_2", "k_3"]) == (await orphaned.revoke_all(), there.asked, there.ended)
    there.living = there.living[:1]
    assert (0, ["k_2", "k_3"]) == (await orphaned.revoke_all(), there.ended)
