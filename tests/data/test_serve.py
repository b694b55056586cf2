"""The eight steps, from socket to record."""

from __future__ import annotations

from gateway.core.record import Outcome
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
