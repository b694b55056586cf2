"""The pages of what is loaded and what was done."""

from __future__ import annotations

import re

import pytest

from gateway.core.trail import entry_fields
from tests.control.console.seat import Seat


async def test_the_policy_in_force_is_shown(seat: Seat) -> None:
    """With the places that its rules came from."""
    await seat.sign_in()
    page = await seat.get("policy")
    assert "nobody touches payroll" in page.text
    assert "policies/test.yaml" in page.text
    assert "acme-secret-name" not in page.text


async def test_an_attempt_is_explained(seat: Seat) -> None:
    """All reasons, and which rule; a question that is none says so at its field."""
    await seat.sign_in()
    assert 200 == (await seat.get("explain")).status
    allowed = await seat.get("explain?who=app:billing&do=GetObject&on=reports/invoices/7.pdf")
    assert "It would be allowed." in allowed.text
    assert "billing shares invoices" in allowed.text
    refused = await seat.get("explain?who=app:billing&do=read&on=reports/payroll/7.pdf")
    assert "It would be refused." in refused.text
    made = await seat.desk.link(holders={"domains": ["acme.example"]})
    unsaid = await seat.get(f"explain?link={made['id']}&do=read&on=reports/a.pdf")
    assert "Person, by mail address: the link is for certain people" in unsaid.text
    ann = await seat.get(f"explain?link={made['id']}&do=read&on=reports/a.pdf&holder=ann@acme.example")
    assert "It would be allowed." in ann.text
    wrong = await seat.get("explain?do=GetObject&on=reports/a&from=nowhere")
    assert 422 == wrong.status
    assert 'aria-invalid="true"' in wrong.text


async def test_the_last_revocations_come_first(seat: Seat) -> None:
    """However many there were; older ones are a page away."""
    await seat.sign_in()
    for number in range(120):
        link = await seat.desk.link(label=str(number))
        await seat.desk.ask("DELETE", f"/v1/links/{link['id']}?reason=why{number}")
    page = await seat.get("revocations")
    assert (True, False) == ("why119" in page.text, "why3<" in page.text)
    assert 50 == page.text.count("<td>Link ")
    older = re.search(r'href="\./(revocations\?after=\d+)">Older', page.text)
    assert older is not None
    assert "why119" not in (await seat.get(older[1])).text


async def test_the_audit_trail_is_shown_and_checked(seat: Seat) -> None:
    """The last entries first; each page fits together, and the whole is walked along by a button."""
    await seat.sign_in()
    for number in range(60):
        await seat.desk.link(label=str(number))
    page = await seat.get("audit")
    assert 50 == page.text.count("link.create")
    assert "fit each other" in page.text
    checked = await seat.post("audit")
    assert "60 entries, from the first to the head" in checked.text
    assert 10 == (await seat.get("audit?after=0")).text.count("link.create") - 40


@pytest.mark.parametrize("number", [0, 30, 59])
async def test_a_trail_that_was_changed_is_told(seat: Seat, number: int) -> None:
    """Wherever it was: the first entry, one on an earlier page, the last one."""
    await seat.sign_in()
    for _ in range(60):
        await seat.desk.link()
    trail = seat.desk.state.ledger._trail  # type: ignore[attr-defined]
    entry = trail[number]
    trail[number] = type(entry)(entry.number, entry.text.replace("link.create", "link.revoke"), entry.digest)
    assert "link.revoke" == entry_fields(trail[number])["act"]
    await seat.get("sessions")
    checked = await seat.post("audit")
    assert 'role="alert"' in checked.text
    assert "was changed" in checked.text
    assert (number >= 10) == ("was changed" in (await seat.get("audit")).text)
