"""The queue of four eyes."""

from __future__ import annotations

from dataclasses import replace

from gateway.core.approval import ApprovalTerms
from gateway.core.pattern import NamePattern
from gateway.core.rule import LinkLimits
from tests.control.console.seat import Seat
from tests.control.desk import ADMIN, APP, POLICY, rule, serving

TERMS = ApprovalTerms(by=(NamePattern.parse_with_groups("admin:night"),), within=86400.0)
LOOKED_AT = rule("looked at", "app:billing", "read share", "reports/w/**", approval=TERMS,
                 links=LinkLimits())  # fmt: skip


async def test_what_waits_for_somebody_is_in_their_queue() -> None:
    """With who asked and by which rule; it is approved or rejected there, in the version that was shown, and is gone
    from the queue then. Its maker has it in no queue."""
    async with serving(policy=lambda: replace(POLICY, rules=(*POLICY.rules, LOOKED_AT))) as desk:
        desk.token = APP
        made = [await desk.link(key=f"w/{name}.pdf", label=name) for name in ("first", "second")]
        assert ["awaiting_approval"] * 2 == [link["state"] for link in made]
        desk.token = ADMIN
        mine, theirs = Seat(desk), Seat(desk)
        await mine.sign_in(APP)
        assert "Nothing waits for you." in (await mine.get("approvals")).text
        await theirs.sign_in(ADMIN + "2")
        queue = await theirs.get("approvals")
        assert all(text in queue.text for text in ("first", "second", "app:billing", "looked at"))
        late = {"version": str(made[0]["version"] + 7)}
        assert 412 == (await theirs.post(f"links/{made[0]['id']}/approve", late)).status
        assert 303 == (await theirs.post(f"links/{made[0]['id']}/approve", {"version": str(made[0]["version"])})).status
        assert 303 == (await theirs.post(f"links/{made[1]['id']}/reject")).status
        states = [(await desk.ask("GET", f"/v1/links/{link['id']}")).json["state"] for link in made]
        assert ["active", "revoked"] == states
        assert "Nothing waits for you." in (await theirs.get("approvals")).text
