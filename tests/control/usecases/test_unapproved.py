"""A policy that changes, and the grants that were there before."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final

import pytest

from gateway.control.usecases.journal import Journal
from gateway.control.usecases.unapproved import UnapprovedGrants
from gateway.core.approval import Approval, ApprovalTerms
from gateway.core.attempt import Principal
from gateway.core.grant import Grant
from gateway.core.pattern import NamePattern
from gateway.core.reasons import DependencyDown
from gateway.core.rule import Rule
from gateway.core.source import Session
from gateway.core.trail import entry_fields
from tests.control.desk import POLICY, Desk, rule, serving

TERMS: Final = ApprovalTerms((NamePattern.of("user:ann"),), 3600.0)
SHARING = rule("invoices are shared", "app:billing", "read share", "reports/invoices/**")
ASKING: Final = replace(SHARING, approval=TERMS)


class Rules:
    now: tuple[Rule, ...] = (SHARING,)

    def __call__(self) -> Any:
        return replace(POLICY, rules=self.now)


@pytest.fixture
def rules() -> Rules:
    return Rules()


@pytest.fixture
async def desk(rules: Rules) -> AsyncIterator[Desk]:
    async with serving(policy=rules) as opened:
        yield opened


def unapproved(desk: Desk, told: list[int]) -> UnapprovedGrants:
    live, stores = desk.deps.live, desk.deps.stores
    journal = Journal(stores.ledger, live.clock, lambda: False, lambda event: None)
    return UnapprovedGrants(stores, live, journal, told.append)


async def make(desk: Desk) -> list[str]:
    """A link and a key of app:billing."""
    link = await desk.link(key="invoices/a.pdf", owner="app:billing", uses=5)
    return [link["id"], (await desk.ask("POST", "/v1/keys", {"app": "billing"})).json["id"]]


async def grants(desk: Desk, ids: list[str]) -> list[Grant]:
    found = [await desk.state.grants.get(one) for one in ids]
    return [one for one in found if one is not None]


async def states(desk: Desk, ids: list[str]) -> set[str]:
    return {str(grant.state(desk.clock.now)) for grant in await grants(desk, ids)}


async def test_what_nobody_approved_of_waits_when_the_policy_asks(desk: Desk, rules: Rules) -> None:
    """Links and keys; each mark is audited, and doing it again changes nothing."""
    ids, settling = await make(desk), unapproved(desk, [])
    assert 0 == await settling.settle()
    rules.now = (ASKING,)
    assert [2, 0] == [await settling.settle(), await settling.settle()]
    assert {"awaiting_approval"} == await states(desk, ids)
    for grant in await grants(desk, ids):
        assert grant.waiting is not None
        assert (ASKING.name, ("app:billing",)) == (grant.rule, grant.waiting.asked_by)
    acts = [entry_fields(entry) for entry in desk.state.ledger._trail][-2:]
    assert {("link.wait", "admin:settings"), ("key.wait", "admin:settings")} == {(a["act"], a["actor"]) for a in acts}


async def test_what_was_approved_stands(desk: Desk, rules: Rules) -> None:
    """Under the rule of this name; another name has never approved anything."""
    ids, settling = await make(desk), unapproved(desk, [])
    for grant in await grants(desk, ids):
        await desk.state.grants.save(replace(grant, approvals=(Approval(ASKING.name, "user:ann", 1.0),)))
    rules.now = (ASKING,)
    assert 0 == await settling.settle()
    rules.now = (replace(ASKING, name="another name"),)
    assert 2 == await settling.settle()
    assert {"awaiting_approval"} == await states(desk, ids)


async def test_what_waits_follows_the_policy(desk: Desk, rules: Rules) -> None:
    """Under another name it waits anew, for the same who asked; where nothing asks any more it is released."""
    rules.now, settling = (ASKING,), unapproved(desk, [])
    ids = await make(desk)
    before = await grants(desk, ids)
    desk.clock.now += 60
    assert 0 == await settling.settle()
    rules.now = (replace(ASKING, name="another name"),)
    assert 2 == await settling.settle()
    for was, now in zip(before, await grants(desk, ids), strict=True):
        assert was.waiting is not None
        assert now.waiting is not None
        assert ("another name", was.waiting.asked_by) == (now.rule, now.waiting.asked_by)
        assert now.waiting.until == was.waiting.until + 60
    rules.now = (SHARING,)
    assert [2, 0] == [await settling.settle(), await settling.settle()]
    assert {"active"} == await states(desk, ids)


async def test_what_has_ended_or_no_rule_lets_be_stays(desk: Desk, rules: Rules) -> None:
    """A rejected one, one that was not approved in time, and a link whose rule is gone are never released by this."""
    rules.now, settling = (ASKING,), unapproved(desk, [])
    rejected, lapsed = (await make(desk))[0], (await make(desk))[0]
    assert 200 == (await desk.ask("DELETE", f"/v1/links/{rejected}")).status
    desk.clock.now += 3600
    stranded = (await make(desk))[0]
    rules.now = ()
    await settling.settle()
    assert {"awaiting_approval"} == await states(desk, [stranded])
    rules.now = (SHARING,)
    await settling.settle()
    assert ["revoked", "expired", "active"] == [
        (await states(desk, [one])).pop() for one in (rejected, lapsed, stranded)
    ]


async def test_sessions_are_left_alone(desk: Desk, rules: Rules) -> None:
    """They are refused by the rule itself, and nobody could look at them in time."""
    settling = unapproved(desk, [])
    holder = (await desk.api.keys.issue(Principal("admin", "ops"), "other")).grant
    made = await desk.api.keys.issue_by(holder, "billing", 900.0, Session("lake", "x"), None)
    rules.now = (ASKING,)
    assert 0 == await settling.settle()
    assert {"active"} == await states(desk, [made.grant.id])


async def test_a_sidecar_marks_nothing(desk: Desk, rules: Rules) -> None:
    """Whose grants they are does."""
    await make(desk)
    rules.now, settling = (ASKING,), unapproved(desk, [])
    aside = replace(settling, stores=replace(settling.stores, issuer=object()))  # type: ignore[arg-type]
    assert [0, 2] == [await aside.settle(), await settling.settle()]


async def test_it_runs_at_the_start_and_at_each_change_and_tells_how_many_wait(
    desk: Desk, rules: Rules, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A store that is down is tried again."""
    monkeypatch.setattr("gateway.control.usecases.grants._PAUSE", 0.01)
    ids, told, changed = await make(desk), asyncio.Queue[int](), asyncio.Event()
    settling = replace(unapproved(desk, []), tell=told.put_nowait)
    page, down = desk.state.grants.page, [True]

    async def fail_once(*arguments: Any) -> Any:
        if down and down.pop():
            raise DependencyDown("grants", "down")
        return await page(*arguments)

    monkeypatch.setattr(desk.state.grants, "page", fail_once)
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        watching = group.create_task(settling.watch(changed))
        assert 0 == await told.get()
        rules.now = (ASKING,)
        changed.set()
        assert 2 == await told.get()
        watching.cancel()
    assert {"awaiting_approval"} == await states(desk, ids)
    assert [] == down
