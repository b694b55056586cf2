"""What happens when the audit trail is down."""

from __future__ import annotations

import pytest

from gateway.core.record import AuditEvent
from tests.control.desk import FailingLedger, serving


async def test_an_open_posture_goes_on_and_says_so(caplog: pytest.LogCaptureFixture) -> None:
    """With audit open, a lost event is logged in a line that says why, and the act is done."""
    async with serving(ledger=FailingLedger()) as desk:
        assert (await desk.ask("POST", "/v1/keys", {"app": "billing"})).status == 201
    [lost] = [record for record in caplog.records if "audit event lost: admin:ops key.create" in record.getMessage()]
    assert None is lost.exc_info, "what went on in the ledger's driver helps nobody, and is pages long"


async def test_the_log_has_a_line_of_every_act(caplog: pytest.LogCaptureFixture) -> None:
    """Whatever becomes of the ledger."""
    told: list[AuditEvent] = []
    for ledger in ({}, {"ledger": FailingLedger()}):
        async with serving(tell=told.append, **ledger) as desk:
            await desk.ask("POST", "/v1/keys", {"app": "billing"})
    assert [("admin:ops", "key.create")] * 2 == [(event.actor, event.act) for event in told]


async def test_a_closed_posture_refuses() -> None:
    """With audit closed, the caller is told 503; a revocation is in force all the same."""
    async with serving(ledger=FailingLedger(), audit_required=lambda: True) as desk:
        answer = await desk.ask("POST", "/v1/revocations", {"owner": "app:billing"})
        assert answer.status == 503
        assert answer.json["reason"] == "dependency_down"
        assert len(await desk.state.feed.revocations(0, 10)) == 1


async def test_a_revocation_that_is_repeated_leaves_the_event_that_the_first_could_not() -> None:
    """With audit closed, nobody ends a link or key without a trace by asking twice."""
    ledger = FailingLedger()
    async with serving(ledger=ledger, audit_required=lambda: True) as desk:
        ledger.down = False
        made = [(await desk.ask("POST", "/v1/keys", {"app": "billing"})).json["id"], (await desk.link())["id"]]
        places = [f"/v1/keys/{made[0]}", f"/v1/links/{made[1]}"]
        ledger.down, ledger.acts = True, []
        assert [503, 503] == [(await desk.ask("DELETE", place)).status for place in places]
        ledger.down = False
        assert [200, 200] == [(await desk.ask("DELETE", place)).status for place in places]
        assert ["key.revoke", "link.revoke"] == ledger.acts
        assert 2 == len(await desk.state.feed.revocations(0, 10))
