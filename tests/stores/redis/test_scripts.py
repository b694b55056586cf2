"""The indexes that scripts keep."""

from __future__ import annotations

from dataclasses import replace

from gateway.core.grant import Scope
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.stores.engine import Engine
from tests.contract.sample import link


async def test_indexes_follow_an_edit(state: Engine) -> None:
    """A link that moved to another bucket is revoked with the new one and not with the old one."""
    grant = await state.grants.create(link(rule="old"))
    await state.grants.save(replace(grant, scope=Scope("archive", prefix=""), rule=None))
    assert await state.grants.count(RevocationTarget(FeedKind.PREFIX, "reports")) == 0
    assert await state.grants.count(RevocationTarget(FeedKind.POLICY, "old")) == 0
    assert await state.grants.count(RevocationTarget(FeedKind.PREFIX, "archive")) == 1
