"""The snapshot: a request is judged from its first step to its last by what was in force when it came."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace

import pytest

from gateway.core.limits import Demand
from gateway.core.reasons import DependencyDown
from gateway.core.request import Action
from gateway.core.units import Rate
from tests.data.harness import Rig, policy, request, rule


def _nothing():
    return policy(rule("nothing", "other/**"))


async def test_a_snapshot_does_not_change(rig: Rig) -> None:
    """It is replaced."""
    with pytest.raises(FrozenInstanceError):
        rig.plane.snapshot.region = "elsewhere"


async def test_another_snapshot_is_for_the_next_request(app: Rig) -> None:
    """What is under way is finished by the old one, its source of a copy included."""
    app.store.hold("inside/a", b"hello")
    held = app.store._honest

    def swapped(seen):
        app.use(_nothing())
        return held(seen)

    app.store._honest = swapped
    async with app.client() as client:
        await client.send(request("GET", "/reports/a") * 2)
        assert [200, 403] == [(await client.answer()).status for _ in range(2)]


async def test_draining_changes_one_backend_of_a_new_snapshot(rig: Rig) -> None:
    """Requests that hold the old snapshot are judged as before."""
    before = rig.plane.snapshot
    [name, *others] = before.policy.backends
    drained = before.with_drained(name, drained=True)
    assert drained.policy.backends[name].drained
    assert not before.policy.backends[name].drained
    assert all(drained.policy.backends[other] == before.policy.backends[other] for other in others)
    assert before == drained.with_drained(name, drained=False)
    with pytest.raises(KeyError):
        before.with_drained("nobody", drained=True)


async def test_a_limit_store_that_is_down_does_what_its_posture_says(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Open, nothing is limited, and that is counted; closed, nothing is done."""
    demands, snapshot = [Demand("x", Rate(1, 60.0, 1))], rig.plane.snapshot
    known = [await rig.plane.take_limits(snapshot, demands, 1.0) for _ in range(2)]
    assert [True, False] == [verdict is not None and verdict.allowed for verdict in known]

    async def down(*_: object) -> None:
        raise DependencyDown("limits", "gone")

    monkeypatch.setattr(rig.plane.limits, "take", down)
    assert None is await rig.plane.take_limits(snapshot, demands, 1.0)
    assert 1 == rig.metric("gateway_limiter_decisions_total", decision="skipped")
    closed = replace(snapshot, posture=replace(snapshot.posture, limits="closed"))
    with pytest.raises(DependencyDown):
        await rig.plane.take_limits(closed, demands, 1.0)


async def test_a_plane_that_cannot_ask_again_stores_nothing(rig: Rig) -> None:
    """What is set after the plane is made has no default that lets anything through: an upload ends as a fault."""
    token = await rig.link(actions=[Action.WRITE])
    del rig.plane.renewals
    assert 500 == (await rig.ask("PUT", f"/s/{token}", body=b"x")).status
    assert None is rig.store.stored("inside/a.txt")
