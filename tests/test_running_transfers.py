"""Transfers of all processes of one gateway."""

from __future__ import annotations

from ipaddress import ip_address
from types import SimpleNamespace
from typing import Any
from unittest.mock import Mock

from gateway.core.attempt import Attempt, Principal
from gateway.core.holders import Holder
from gateway.core.reasons import Reason
from gateway.core.request import Action, Operation
from gateway.core.route import Backend, Bucket, Route
from gateway.data.state.transfers import Permit, Transfers
from gateway.running_transfers import WorkerTransfers
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.worker_mesh import WorkerMesh


def permit(cuts: list[Reason]) -> Permit:
    exchange: Any = SimpleNamespace(
        request_id="r1",
        bytes_in=3,
        bytes_out=4,
        cut_reason=None,
        awaits_answer=False,
        cut=cuts.append,
        address_class="192.0.2.1",
    )
    attempt = Attempt(
        principal=Principal("app", "billing"),
        operation=Operation.GET_OBJECT,
        action=Action.READ,
        bucket="b",
        key="a\udcff",
        peer=ip_address("192.0.2.1"),
        now=5.0,
        holder=Holder("ann@acme.example"),
    )
    route = Route(rule="r", backend=Backend("lab"), bucket=Bucket("b", "lab", "real"), key="k", limits=())
    return Permit(exchange=exchange, grant=None, attempt=attempt, route=route)


async def test_transfers_are_told_and_cut_by_whoever_runs_them() -> None:
    """With addresses as the log shows them and names that JSON can hold; another owner's word cuts nothing."""
    cuts: list[Reason] = []
    running = Transfers(monotonic=lambda: 0.0, on_cut=lambda reason: None, refuse=Mock())
    running.enter(permit(cuts), 10)
    told = WorkerTransfers(lambda: running, lambda address: address.rpartition(".")[0], lambda address: address[-7:])
    mesh = WorkerMesh(Metrics(), None, 1, told.orders)
    [found] = await told.all(mesh)
    assert "example" == found.holder
    assert ("r1", "app:billing", "b", "a?", "192.0.2", 5.0, 7) == (
        found.id,
        found.owner,
        found.bucket,
        found.key,
        found.peer,
        found.began_at,
        found.moved,
    )
    assert not await told.cut(mesh, "r1", "app:other")
    assert not await told.cut(mesh, "r2", "app:billing")
    assert await told.cut(mesh, "r1", "app:billing")
    assert [Reason.ENDED_BY_OWNER] == cuts
