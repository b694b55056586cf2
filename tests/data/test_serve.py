"""The eight steps, from socket to record."""

from __future__ import annotations

import pytest

from gateway.core.record import Outcome
from gateway.data import serve as room
from tests.data.harness import Rig


async def test_a_link_gives_its_object_and_leaves_one_record(rig: Rig) -> None:
    """Bytes, the head's promises, and a record that says who, what, where and how much."""
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted()
    got = await rig.fetch(token)
    record = await rig.last()
    assert (200, b"hello", True) == (got.status, got.body, got.whole)
    assert 1 == len(rig.records)
    assert (f"link:{grant.id}", grant.id, "GetObject") == (record.principal, record.grant_id, record.operation)
    assert ("reports", "a.txt", "lab", "127.0.0.1") == (record.bucket, record.key, record.backend, record.peer)
    assert (200, Outcome.OK, "", 5, 0) == (
        record.status,
        record.outcome,
        record.reason,
        record.bytes_out,
        record.bytes_in,
    )


async def test_the_steps_are_taken_in_order(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Parse, identify, resolve (and read the call), decide, admit, open, relay, account: each once, in this order."""
    taken: list[str] = []

    def watched(name: str) -> None:
        step = getattr(room, name)

        def called(*arguments, **named):
            taken.append(name)
            return step(*arguments, **named)

        monkeypatch.setattr(room, name, called)

    steps = ["parse", "identify", "resolve", "read_call", "authorise", "Admission", "open_answer", "relay"]
    for name in steps:
        watched(name)
    close = rig.plane.accounts.close
    monkeypatch.setattr(rig.plane.accounts, "close", lambda account: (taken.append("account"), close(account)))
    rig.store.hold("inside/a.txt", b"hello")
    await rig.fetch(await rig.link())
    await rig.settled()
    assert [*steps, "account"] == taken


@pytest.mark.parametrize(
    ("target", "reached"),
    [("/reports/%zz", 1), ("/s/none", 2), ("/reports/a", 4)],
    ids=["malformed", "no token", "nobody"],
)
async def test_a_step_that_says_no_is_the_last(rig: Rig, monkeypatch, target: str, reached: int) -> None:
    """Nothing is asked of anybody behind it."""
    steps = ["identify", "resolve", "authorise", "Admission"]

    def never(*_):
        raise AssertionError("a step too far")

    for name in steps[reached:]:
        monkeypatch.setattr(room, name, never)
    assert 400 <= (await rig.ask("GET", target)).status < 500
    assert [] == rig.store.seen
