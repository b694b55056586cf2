"""Four eyes: what waits, who releases it, and what they never can."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any, Final

import pytest

from gateway.core.approval import ApprovalTerms
from gateway.core.attempt import Principal
from gateway.core.duty import AdminTerms, Duty
from gateway.core.identity import Proved, User
from gateway.core.issued import IssuedKey
from gateway.core.pattern import NamePattern
from gateway.core.rule import LinkLimits, Rule
from gateway.core.source import Session
from gateway.core.token import hash_secret
from gateway.core.trail import entry_fields
from tests.control.desk import ADMIN, APP, CALLERS, POLICY, Desk, Reply, rule, serving

OTHER: Final = APP + "2"
NIGHT: Final = ADMIN + "2"
ANN, BOB, NARROW = "ann.an.n", "bob.bo.b", "a-narrow-token"
HOUR: Final = 3600.0
TERMS: Final = ApprovalTerms(
    (NamePattern.of("user:ann"), NamePattern.of("group:owners"), NamePattern.of("app:*")), HOUR
)
RULES: Final = (
    rule("short links", "app:billing", "share", "reports/invoices/**", links=LinkLimits(max_expires=60.0)),
    rule("long links", "app:billing", "share", "reports/invoices/**", approval=TERMS, links=LinkLimits(max_uses=99)),
    rule("invoices", "app:billing", "read", "reports/invoices/**"),
    rule("drafts", "app:billing", "read write", "reports/drafts/**", approval=TERMS),
)
OPS: Final = Principal("admin", "ops")


class Issuer:
    """Knows ann, and bob, who is in a group."""

    async def prove(self, token: str, role: str) -> Proved | None:
        return None

    async def prove_user(self, token: str) -> User | None:
        known = {ANN: User(Principal("user", "ann"), (), None), BOB: User(Principal("user", "bob"), ("owners",), None)}
        return known.get(token)


class Rules:
    """Rules that a test changes."""

    def __init__(self) -> None:
        self.now: tuple[Rule, ...] = RULES

    def __call__(self) -> Any:
        return replace(POLICY, rules=self.now)


@pytest.fixture
def rules() -> Rules:
    return Rules()


@pytest.fixture
async def desk(rules: Rules) -> AsyncIterator[Desk]:
    admins = {**CALLERS["admins"], hash_secret(NARROW): AdminTerms("narrow", may=frozenset({Duty.SHARE, Duty.READ}))}
    async with serving(policy=rules, identity=Issuer(), admins=lambda: admins) as opened:
        yield opened


LINK: Final = {"bucket": "reports", "key": "invoices/a.pdf", "expires_in": "1d", "uses": 5}
KEY: Final = {"app": "billing", "bucket": "reports", "prefix": "drafts/"}
BODIES: Final = {"links": LINK, "keys": KEY}


async def make(desk: Desk, what: str, token: str = APP, **more: Any) -> str:
    """The path of something of app:billing that waits."""
    desk.token = token
    owner = {"owner": "app:billing"} if what == "links" else {}
    made = await desk.ask("POST", f"/v1/{what}", {**BODIES[what], **owner, **more})
    assert (201, "awaiting_approval") == (made.status, made.json["state"]), made.text
    return f"/v1/{what}/{made.json['id']}"


async def say(desk: Desk, token: str, path: str, act: str = "approve", query: str = "") -> Reply:
    desk.token = token
    return await desk.ask("POST", f"{path}/{act}{query}")


async def state(desk: Desk, path: str) -> str:
    desk.token = ADMIN
    return str((await desk.ask("GET", path)).json["state"])


def acts(desk: Desk) -> list[dict[str, Any]]:
    return [entry_fields(entry) for entry in desk.state.ledger._trail]


@pytest.mark.parametrize("what", ["links", "keys"])
async def test_what_waits_says_for_whom_and_till_when(what: str, desk: Desk) -> None:
    """Until it is released by one who is named; then it says who that was, and the trail who asked, and for whom."""
    path = await make(desk, what)
    shown = (await desk.ask("GET", path)).json["approval"]
    assert ["app:billing"] == shown["asked_by"]
    assert ("2027-01-15T08:00:00Z", "2027-01-15T09:00:00Z") == (shown["asked_at"], shown["until"])
    done = await say(desk, ANN, path, query="?reason=fine")
    assert (200, "active") == (done.status, done.json["state"])
    name = "long links" if what == "links" else "drafts"
    given = {"rule": name, "by": "user:ann", "at": "2027-01-15T08:00:00Z"}
    assert {"rule": None, "asked_by": [], "asked_at": None, "until": None, "given": [given]} == done.json["approval"]
    made, approved = acts(desk)
    assert (f"{what[:-1]}.create", name) == (made["act"], made["detail"]["waits_under"])
    assert (f"{what[:-1]}.approve", "user:ann") == (approved["act"], approved["actor"])
    detail = {"reason": "fine", "owner": "app:billing", "asked_by": "app:billing", "rule": name, "version": "1"}
    assert detail == approved["detail"]
    assert (200, 1) == ((await say(desk, ADMIN, path)).status, acts(desk).count(approved))


@pytest.mark.parametrize("what", ["links", "keys"])
@pytest.mark.parametrize(
    ("maker", "who", "status"),
    [
        (APP, ANN, 200),
        (APP, BOB, 200),
        (APP, OTHER, 200),
        (APP, ADMIN, 200),
        (APP, APP, 403),
        (APP, NARROW, 403),
        (ADMIN, ADMIN, 403),
        (ADMIN, NIGHT, 200),
        (ADMIN, ANN, 200),
        (ADMIN, APP, 403),
    ],
)
async def test_nobody_approves_their_own(what: str, maker: str, who: str, status: int, desk: Desk) -> None:
    """Neither the owner, though a pattern names them, nor who made it, admins included; nor who may not at all."""
    path = await make(desk, what, maker)
    for act in ("reject", "approve") if status == 403 else ("approve",):
        assert status == (await say(desk, who, path, act)).status
    assert ("active" if status == 200 else "awaiting_approval") == await state(desk, path)


async def test_a_session_is_as_who_had_it_issued(desk: Desk) -> None:
    """An owner who takes a role that may approve is still the owner."""
    path = await make(desk, "links")
    for holder, status in (("billing", 403), ("catalog", 200)):
        key = await desk.api.keys.issue(OPS, holder)
        session = await desk.api.keys.issue_by(key.grant, "lake", 900.0, Session("lake", "x"), None)
        assert status == (await desk.sign(session, "POST", f"{path}/approve")).status


@pytest.mark.parametrize("what", ["links", "keys"])
async def test_a_rejection_ends_it(what: str, desk: Desk) -> None:
    """It is revoked with that reason, and stays so; what does not wait is not rejected."""
    path = await make(desk, what)
    done = await say(desk, ANN, path, "reject", "?reason=ask%20legal")
    assert (200, "revoked", "ask legal") == (done.status, done.json["state"], done.json["revoked_reason"])
    assert [409, 409] == [(await say(desk, ADMIN, path, act)).status for act in ("approve", "reject")]
    assert 404 == (await say(desk, ANN, path)).status
    assert [f"{what[:-1]}.revoke", f"{what[:-1]}.reject"] == [event["act"] for event in acts(desk)[1:]]
    path = await make(desk, what)
    assert 200 == (await say(desk, ANN, path)).status
    assert 412 == (await say(desk, ADMIN, path, "reject")).status
    assert "active" == await state(desk, path)


@pytest.mark.parametrize("what", ["links", "keys"])
async def test_after_its_time_it_is_too_late(what: str, desk: Desk) -> None:
    """Till its last instant it can be approved; then nobody sees it wait, and its owner asks anew by any edit."""
    first, path = await make(desk, what), await make(desk, what)
    desk.clock.now += HOUR - 1
    assert 200 == (await say(desk, ANN, first)).status
    desk.clock.now += 1
    assert "expired" == await state(desk, path)
    assert [404, 409, 409] == [
        (await say(desk, ANN, path)).status,
        (await say(desk, ADMIN, path)).status,
        (await say(desk, ADMIN, path, "reject")).status,
    ]
    desk.token = APP
    again = await desk.ask("PATCH", path, {"label": "please"})
    assert (200, "awaiting_approval") == (again.status, again.json["state"])
    assert ["app:billing"] == again.json["approval"]["asked_by"]
    assert 200 == (await say(desk, ANN, path)).status


@pytest.mark.parametrize(
    ("what", "edit", "waits"),
    [
        ("links", {"uses": 6}, True),
        ("links", {"expires_in": "2d"}, True),
        ("links", {"key": "invoices/b.pdf"}, True),
        ("links", {"bytes": 5}, False),
        ("links", {"uses": 4}, False),
        ("links", {"password": "x"}, False),
        ("links", {"label": "x"}, False),
        ("links", {"expires_in": 30}, False),
        ("keys", {"prefix": "drafts/2026/"}, False),
        ("keys", {"actions": ["read"]}, False),
        ("keys", {"prefix": ""}, True),
        ("keys", {"scopes": []}, True),
        ("keys", {"expires_in": "1h"}, False),
    ],
)
async def test_an_edit_that_gives_more_is_approved_again(
    what: str, edit: dict[str, Any], waits: bool, desk: Desk
) -> None:
    """And whoever asked for it cannot approve; one that takes away is not, and its approval stands."""
    path = await make(desk, what)
    assert 200 == (await say(desk, ANN, path)).status
    desk.token = NIGHT
    edited = await desk.ask("PATCH", path, edit)
    assert (200, "awaiting_approval" if waits else "active") == (edited.status, edited.json["state"]), edited.text
    if waits:
        assert ["admin:night"] == edited.json["approval"]["asked_by"]
        assert 403 == (await say(desk, NIGHT, path)).status
        assert 200 == (await say(desk, ANN, path)).status
        assert "active" == await state(desk, path)


async def test_taking_away_and_giving_back_is_giving_more(desk: Desk) -> None:
    """What was approved once is not remembered beyond an edit."""
    path = await make(desk, "links")
    await say(desk, ANN, path)
    desk.token = APP
    for uses, expected in ((4, "active"), (5, "awaiting_approval")):
        assert expected == (await desk.ask("PATCH", path, {"uses": uses})).json["state"]


async def test_all_who_asked_for_more_are_remembered(desk: Desk) -> None:
    """A harmless edit of another's in between does not launder a wide one; who changed a label may still approve."""
    path = await make(desk, "links")
    for token, edit in ((ADMIN, {"uses": 50}), (APP, {"label": "x"}), (NIGHT, {"label": "y"})):
        desk.token = token
        assert 200 == (await desk.ask("PATCH", path, edit)).status
    assert 403 == (await say(desk, ADMIN, path)).status
    assert 200 == (await say(desk, NIGHT, path)).status


async def test_a_link_waits_only_where_no_other_rule_lets_it_be(desk: Desk) -> None:
    """Short ones are free; a longer life makes one wait, a shorter one releases it."""
    desk.token = APP
    link = await desk.link(**LINK | {"expires_in": 30})
    assert ("active", "short links", None) == (link["state"], link["rule"], link["approval"])
    path = f"/v1/links/{link['id']}"
    for life, expected in ((3600, "awaiting_approval"), (30, "active")):
        assert expected == (await desk.ask("PATCH", path, {"expires_in": life})).json["state"]


async def test_what_was_looked_at_is_what_is_approved(desk: Desk) -> None:
    """With its version, an approval is for nothing else; without one it is for what is stored then."""
    path = await make(desk, "links")
    desk.token = APP
    await desk.ask("PATCH", path, {"uses": 50})
    assert 412 == (await say(desk, ANN, path, query="?version=1")).status
    assert "awaiting_approval" == await state(desk, path)
    assert 200 == (await say(desk, ANN, path, query="?version=2")).status
    for wrong in ("0", "x", "-1"):
        assert 422 == (await say(desk, ANN, path, query=f"?version={wrong}")).status


async def test_approvals_at_once_are_one(desk: Desk) -> None:
    """However many approve at the same time, there is one approval for the rule."""
    path = await make(desk, "links")
    found = await asyncio.gather(*(say(desk, token, path) for token in (ADMIN, NIGHT, ADMIN, NIGHT)))
    assert {200} == {reply.status for reply in found}
    assert 1 == len(found[-1].json["approval"]["given"])


async def test_a_key_under_several_rules_needs_each(desk: Desk, rules: Rules) -> None:
    """Who is named in one leaves it waiting for the other's; an admin approves of all at once."""
    more = rule("secrets", "app:billing", "read", "reports/secrets/**", approval=replace(TERMS, by=TERMS.by[1:2]))
    rules.now = (*RULES, more)
    for tokens in ((ANN, BOB), (BOB,), (ADMIN,)):
        path = await make(desk, "keys", app="billing", bucket="reports", prefix="")
        for token in tokens:
            done = await say(desk, token, path)
            last = token is tokens[-1]
            assert (200, "active" if last else "awaiting_approval") == (done.status, done.json["state"])
            assert last or "secrets" == done.json["approval"]["rule"]
        assert 2 == len(done.json["approval"]["given"])


async def test_sessions_have_the_approval_of_the_key_they_are_from(desk: Desk, rules: Rules) -> None:
    """For the same app; one by a role has none, and none waits for anybody."""
    path = await make(desk, "keys", prefix="")
    await say(desk, ANN, path)
    holder = await desk.state.grants.get(path.rpartition("/")[2])
    assert holder is not None
    for app, expected in (("billing", 1), ("lake", 0)):
        session = (await desk.api.keys.issue_by(holder, app, 900.0, Session("", "x"), None)).grant
        assert (None, expected) == (session.waiting, len(session.approvals))


async def test_a_waiting_key_opens_nothing_here_either(desk: Desk) -> None:
    """It neither acts for its app nor has sessions made, until it is released."""
    desk.token = ADMIN
    made = await desk.ask("POST", "/v1/keys", {"app": "billing"})
    path = f"/v1/keys/{made.json['id']}"
    grant = await desk.state.grants.get(made.json["id"])
    assert grant is not None
    key = IssuedKey(grant, made.json["access_key_id"], made.json["secret_access_key"], None)
    body = json.dumps(LINK).encode()
    assert 401 == (await desk.sign(key, "POST", "/v1/links", body)).status
    assert 200 == (await say(desk, ANN, path)).status
    assert 201 == (await desk.sign(key, "POST", "/v1/links", body)).status


async def test_a_suspended_one_is_not_shown_to_approve(desk: Desk) -> None:
    """Nor is it used when it was approved, until it is resumed."""
    path = await make(desk, "links")
    assert 200 == (await say(desk, APP, path, "suspend")).status
    assert 404 == (await say(desk, ANN, path)).status
    assert (200, "suspended") == ((await say(desk, ADMIN, path)).status, await state(desk, path))
    assert "active" == (await say(desk, APP, path, "resume")).json["state"]


async def test_a_rule_that_asks_no_longer_leaves_it_to_an_edit_or_an_admin(desk: Desk, rules: Rules) -> None:
    """What waits is not released by itself; who was named by a rule that is gone sees it no more."""
    paths = [await make(desk, "links"), await make(desk, "links")]
    rules.now = (*RULES[:1], replace(RULES[1], approval=None), *RULES[2:])
    assert ["awaiting_approval", 404] == [await state(desk, paths[0]), (await say(desk, ANN, paths[0])).status]
    desk.token = APP
    assert "active" == (await desk.ask("PATCH", paths[0], {"label": "x"})).json["state"]
    assert "active" == (await say(desk, NIGHT, paths[1])).json["state"]


async def test_a_key_ends_with_the_rule_under_which_it_was_approved(desk: Desk) -> None:
    """As a link does with the rule that lets it be shared, by time as well; others stay."""
    paths = [await make(desk, what) for what in ("links", "keys")]
    for path in paths:
        assert 200 == (await say(desk, ANN, path)).status
    desk.token, now = ADMIN, "2027-01-15T08:00:01Z"
    desk.clock.now += 5
    for name, more, ended in (("drafts", {"issued_before": now}, 1), ("long links", {}, 1), ("drafts", {}, 0)):
        answer = await desk.ask("POST", "/v1/revocations", {"policy": name, **more})
        assert (200, ended) == (answer.status, answer.json["revoked"])
    assert ["revoked", "revoked"] == [await state(desk, path) for path in paths]
