"""The ledger as it is given away."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.core.trail import Inspection, entry_of
from tests.contract.sample import record
from tests.control.desk import Desk


async def test_the_trail_can_be_checked_by_its_reader(desk: Desk) -> None:
    """Pages in order, whose digests fit together and end with the head."""
    for _ in range(5):
        await desk.link()
    inspection, after = Inspection(), 0
    while entries := (page := (await desk.ask("GET", f"/v1/audit?after={after}&limit=2")).json)["entries"]:
        assert list(inspection.faults(entry_of(entry) for entry in entries)) == []
        after = entries[-1]["number"]
    assert page["head"] == {"number": 5, "digest": inspection.reached.digest}


async def test_a_damaged_entry_is_no_answer(desk: Desk) -> None:
    """It is the store's fault, told with its number and nothing of what is in it."""
    await desk.link()
    desk.state.ledger._trail[0] = replace(desk.state.ledger._trail[0], text='{"number": 1, "actor": "somebody"}')
    answer = await desk.ask("GET", "/v1/audit")
    assert answer.status == 503
    assert "somebody" not in answer.text


async def test_records_of_every_grant_are_exported(desk: Desk) -> None:
    """Also those that no grant stands for, and keys that no UTF-8 text can hold."""
    await desk.state.ledger.append([record("l_1"), record(None, key="a\ud800b"), record("l_2")])
    first = (await desk.ask("GET", "/v1/records?limit=2")).json
    rest = (await desk.ask("GET", f"/v1/records?limit=2&cursor={first['cursor']}")).json
    assert [entry["grant_id"] for entry in first["records"] + rest["records"]] == ["l_1", None, "l_2"]
    assert first["records"][1]["key"] == "a?b"
    assert rest["cursor"] is None


@pytest.mark.parametrize("path", ["/v1/audit?after=-1", "/v1/audit?wait=1", "/v1/audit?limit=1001"])
async def test_a_wrong_query_is_told(desk: Desk, path: str) -> None:
    """422 names the parameter."""
    assert (await desk.ask("GET", path)).status == 422


async def test_a_foreign_cursor_is_told(desk: Desk) -> None:
    """It is the caller's fault, not the store's."""
    assert (await desk.ask("GET", "/v1/records?cursor=xyz")).status == 422


@pytest.mark.parametrize("path", ["/v1/audit", "/v1/records"])
async def test_the_ledger_needs_an_admin_token(desk: Desk, path: str) -> None:
    """Nothing of it is public."""
    desk.token = None
    assert (await desk.ask("GET", path)).status == 401
