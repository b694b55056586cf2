"""One question with two halves, asked together in one place."""

from __future__ import annotations

import ast
from dataclasses import replace
from pathlib import Path

import pytest

from gateway.core.attempt import ANONYMOUS, Attempt, Principal
from gateway.core.grant import Grant
from gateway.core.policy import explain
from gateway.core.reasons import Reason, Refused
from gateway.core.request import Action, Operation
from gateway.core.revocation_target import FeedKind
from gateway.data.state.transfers import Allowed
from gateway.data.steps import authorise as room
from gateway.data.steps.authorise import authorise, authorise_same, find_readable, reauthorise
from tests.data.harness import APP, NOW, Rig, deny, policy, rule

READ = Attempt(
    principal=APP, operation=Operation.GET_OBJECT, action=Action.READ, bucket="reports", key="a", peer=None, now=NOW
)


def refusal(*asked: object, ask=authorise) -> Reason | None:
    """Why it is not allowed, or None."""
    try:
        ask(*asked)
    except Refused as refused:
        return refused.reason
    return None


async def test_both_halves_have_to_say_yes(rig: Rig) -> None:
    """What no rule allows is refused, and so is what is revoked, and what nobody can know to be unrevoked."""
    _, key = await rig.key()
    assert ("everything", "inside/a") == (
        (route := authorise(rig.plane, key, READ)).rule,
        route.real_key,
    )
    rig.use(policy(rule("elsewhere", "other/**")))
    assert Reason.NOT_ALLOWED == refusal(rig.plane, key, READ)
    rig.use(policy())
    await rig.revoke(FeedKind.PREFIX, "reports", "a")
    assert Reason.REVOKED == refusal(rig.plane, key, READ)
    assert None is refusal(rig.plane, key, replace(READ, key="b"))
    rig.clock.tick(5.1)
    assert Reason.VIEW_TOO_OLD == refusal(rig.plane, key, replace(READ, key="b"))


async def test_what_may_not_be_read_has_no_route(rig: Rig) -> None:
    """Of another object whose bytes would be shown, both halves are asked too, as of a download."""
    _, key = await rig.key()
    looking = replace(READ, operation=Operation.HEAD_OBJECT)
    found = find_readable(rig.plane, key, looking, "b")
    assert found is not None
    assert "inside/b" == found.real_key
    await rig.revoke(FeedKind.PREFIX, "reports", "b")
    assert None is find_readable(rig.plane, key, looking, "b")
    rig.use(policy(rule("elsewhere", "other/**")))
    assert None is find_readable(rig.plane, key, looking, "c")


async def test_it_asks_what_explain_explains(rig: Rig) -> None:
    """Whatever `explain` objects to first is what is refused, and where it objects to nothing there is a route."""
    rig.use(policy(rule("read", may=[Action.READ]), deny("no", "reports/b")))
    _, key = await rig.key()
    for attempt in (READ, replace(READ, key="b"), replace(READ, action=Action.WRITE), replace(READ, bucket="none")):
        objections = explain(rig.plane.snapshot.policy, key, attempt).objections
        assert (objections[0].reason if objections else None) == refusal(rig.plane, key, attempt)


async def test_the_list_of_buckets_is_shown_to_whom_rules_name(rig: Rig) -> None:
    """It has no bucket to decide on; a grant that is over shows nothing."""
    listing = replace(READ, operation=Operation.LIST_BUCKETS, action=None, bucket="", key="")
    _, key = await rig.key(expires_at=NOW)
    assert None is refusal(rig.plane, None, listing)
    assert Reason.EXPIRED == refusal(rig.plane, key, listing)
    assert Reason.NOT_ALLOWED == refusal(rig.plane, None, replace(listing, principal=ANONYMOUS))


def before(rig: Rig, grant: Grant, *, told: bool) -> Allowed:
    """What was allowed, and by whom if that is told."""
    route = authorise(rig.plane, grant, READ)
    return Allowed(READ, route, rig.plane.snapshot.policy, grant) if told else Allowed(READ, route)


both = pytest.mark.parametrize("told", [False, True], ids=["decided again", "by the same"])


@both
async def test_again_is_now_and_at_the_same_place(rig: Rig, told: bool) -> None:
    """What goes on is judged by the time it is now, and by where its name leads now; a drained store lets it end."""
    _, key = await rig.key(expires_at=NOW + 10)
    allowed = before(rig, key, told=told)

    def again(now: float = NOW) -> Reason | None:
        return refusal(rig.plane, key, allowed, now, ask=reauthorise)

    assert (None, Reason.EXPIRED) == (again(), again(NOW + 10))
    rig.use(policy(drained=True))
    assert (None, Reason.BACKEND_DRAINED) == (again(), refusal(rig.plane, key, READ))
    moved = policy()
    rig.use(replace(moved, buckets={**moved.buckets, "reports": replace(moved.buckets["reports"], prefix="new/")}))
    assert (Reason.NOT_ALLOWED, None) == (again(), refusal(rig.plane, key, READ))


@both
async def test_a_drained_store_hides_no_revocation(rig: Rig, told: bool) -> None:
    """What is revoked ends there too."""
    _, key = await rig.key()
    allowed = before(rig, key, told=told)
    rig.use(policy(drained=True))
    await rig.revoke(FeedKind.KEY, key.id)
    assert Reason.REVOKED == refusal(rig.plane, key, allowed, NOW, ask=reauthorise)


async def test_what_nothing_but_time_can_end_is_not_decided_on_again(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same policy said so to the same grant: then only time and revocations are asked. Another policy, another
    grant, and rules with conditions decide anew."""
    _, key = await rig.key(expires_at=NOW + 10)
    allowed, decided = before(rig, key, told=True), []
    decide = room._decide
    monkeypatch.setattr(room, "_decide", lambda *asked: decided.append(asked) or decide(*asked))

    def decisions(grant: Grant, was: Allowed) -> int:
        decided.clear()
        refusal(rig.plane, grant, was, NOW, ask=reauthorise)
        return len(decided)

    assert 0 == decisions(key, allowed)
    assert 1 == decisions(replace(key), allowed)
    assert 1 == decisions(key, Allowed(READ, allowed.route))
    rig.use(policy())
    assert 1 == decisions(key, allowed)
    rig.use(policy(replace(rule("small", may=[Action.READ]), max_size=5)))
    assert 1 == decisions(key, before(rig, key, told=True))


@both
async def test_what_is_revoked_meanwhile_does_not_go_on(rig: Rig, told: bool) -> None:
    """Whoever decided on it before."""
    _, key = await rig.key()
    allowed = before(rig, key, told=told)
    assert None is refusal(rig.plane, key, allowed, NOW, ask=reauthorise)
    await rig.revoke(FeedKind.PREFIX, "reports", "a")
    assert Reason.REVOKED == refusal(rig.plane, key, allowed, NOW, ask=reauthorise)


def halves(source: str) -> list[str]:
    """Where a module asks one half of the question: decides, or looks whether something stands."""
    tree = ast.parse(source)
    named = [alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) for alias in node.names]
    asked = [node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)]
    return [
        name for name in named + asked if name in {"decide", "explain", "require_standing", "revoked", "objections"}
    ]


def test_nobody_else_asks_half_of_it() -> None:
    """The one that cuts what a revocation ends asks that half alone: nothing else has changed for it."""
    allowed = {"authorise.py", "revocation_follower.py", "transfers.py"}
    rooms = sorted(Path(room.__file__).parents[1].rglob("*.py"))
    found = {path.name: asked for path in rooms if (asked := halves(path.read_text()))}
    assert allowed == found.keys()
    assert ["revoked"] == found["transfers.py"]


@pytest.mark.parametrize(
    "half",
    [
        "from gateway.core.policy import decide",
        "plane.follower.require_standing(grant, bucket, key, backend)",
        "view.revoked(grant, bucket, key, backend)",
        "tried.grant.objections(attempt)",
    ],
)
def test_half_a_question_is_found(half: str) -> None:
    """Control: each of the old ways would be seen."""
    assert halves(half)


async def test_another_apps_listing_is_its_own(rig: Rig) -> None:
    """Both sides: who has a rule is shown buckets under it, whoever else has none."""
    rig.use(policy(rule("mine", "reports/**", who="app:billing")))
    listing = replace(READ, operation=Operation.LIST_BUCKETS, action=None, bucket="", key="")
    assert None is refusal(rig.plane, None, listing)
    assert Reason.NOT_ALLOWED == refusal(rig.plane, None, replace(listing, principal=Principal("app", "other")))


async def test_the_same_attempt_again_is_asked_of_time_and_revocations(rig: Rig) -> None:
    """What has lapsed is `authorise`'s to tell; what is revoked is refused here, as is what nobody can know."""
    _, key = await rig.key(expires_at=NOW + 10)
    route = authorise(rig.plane, key, READ)
    assert route == authorise_same(rig.plane, key, READ, route, NOW)
    assert None is authorise_same(rig.plane, key, READ, route, NOW + 10)
    rig.clock.tick(5.1)
    assert Reason.VIEW_TOO_OLD == refusal(rig.plane, key, READ, route, NOW, ask=authorise_same)
    await rig.revoke(FeedKind.PREFIX, "reports", "a")
    assert Reason.REVOKED == refusal(rig.plane, key, READ, route, NOW, ask=authorise_same)
