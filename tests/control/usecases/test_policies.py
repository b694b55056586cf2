"""Questions and signatures without HTTP."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from gateway.control.caller import EVERYTHING, Admitted, Reach
from gateway.control.usecases.policies import SIGNABLE, Question
from gateway.core.attempt import Principal
from gateway.core.holders import Holder
from gateway.core.reasons import Reason, Refused
from gateway.core.request import ACTION_OF, Action, Operation
from gateway.core.rule import Effect
from tests.control.desk import POLICY, Desk, rule, serving

SIGNER = Principal("app", "signer")


@pytest.mark.parametrize("method", SIGNABLE)
async def test_a_signature_needs_both_rights(desk: Desk, method: str) -> None:
    """To sign and to do what the URL does are two rights; without either nothing is signed or written."""
    call = desk.api.policies.presign(
        SIGNER, SIGNER, groups=(), method=method, bucket="reports", key="signed/a", headers=(), expires_in=60
    )
    if ACTION_OF[SIGNABLE[method]] in {Action.READ, Action.WRITE}:
        assert "X-Amz-Signature" not in repr(await call)
        assert len(desk.upstream.calls) == 1
    else:
        with pytest.raises(Refused) as refused:
            await call
        assert refused.value.reason is Reason.NOT_ALLOWED
        assert desk.upstream.calls == []
        assert desk.audited() == []


@pytest.mark.parametrize("do", [*Operation, *Action])
async def test_every_doing_can_be_asked_about(desk: Desk, do: Operation | Action) -> None:
    """No operation and no action breaks `explain`, and an answer without a rule has an objection."""
    question = Question(do=do, bucket="reports", key="invoices/1", who=Principal("app", "billing"))
    explanation = await desk.api.policies.explain(question)
    assert explanation.allowed is not bool(explanation.objections)


async def test_nobody_is_no_question(desk: Desk) -> None:
    """A question names somebody or a link."""
    with pytest.raises(Refused):
        await desk.api.policies.explain(Question(do=Action.READ, bucket="reports", key="a"))


async def test_the_buckets_are_those_that_ones_rules_name() -> None:
    """Of the caller's own rules and of their groups'; a denial names none, and whoever sees everything sees all."""
    grouped = rule("people read drafts", "group:staff", "read", "drafts/**")
    denied = rule("not these", "user:*", "read", "reports/**", effect=Effect.DENY)
    policy = replace(POLICY, rules=(*POLICY.rules, grouped, denied))
    async with serving(policy=lambda: policy) as desk:
        ann, billing = Principal("user", "ann"), Principal("app", "billing")
        for caller, buckets in (
            (Admitted(principal=billing, reach=Reach(billing)), ["reports"]),
            (Admitted(principal=ann, reach=Reach(ann)), []),
            (Admitted(principal=ann, reach=Reach(ann), groups=("staff",)), ["drafts"]),
            (Admitted(principal=ann, reach=EVERYTHING), ["drafts", "reports"]),
        ):
            assert buckets == desk.api.policies.buckets_of(caller)


@pytest.mark.parametrize(
    ("holders", "asked", "allowed", "missing"),
    [
        ({"domains": ["acme.example"]}, {}, False, ["holder"]),
        ({"domains": ["acme.example"]}, {"holder": "ann@acme.example"}, True, []),
        ({"domains": ["acme.example"]}, {"holder": "ann@b.example"}, False, []),
        ({"domains": ["acme.example"], "excluded": ["ann@acme.example"]}, {"holder": "Ann@acme.example"}, False, []),
        ({"groups": ["ops"], "by": "oidc"}, {"holder": "ann@acme.example"}, False, ["groups"]),
        ({"groups": ["ops"], "by": "oidc"}, {"holder": "ann@acme.example", "groups": ["ops"]}, True, []),
        ({"groups": ["ops"], "by": "oidc"}, {"holder": "ann@acme.example", "groups": ["other"]}, False, []),
        (
            {"groups": ["ops"], "by": "oidc", "excluded": ["ann@acme.example"]},
            {"holder": "ann@acme.example", "groups": ["ops"]},
            False,
            [],
        ),
        (None, {"holder": "ann@acme.example"}, True, []),
        (None, {}, True, []),
    ],
)
async def test_who_comes_to_a_link_is_part_of_the_question(
    desk: Desk, holders: dict[str, Any] | None, asked: dict[str, Any], allowed: bool, missing: list[str]
) -> None:
    """By address and groups, as the link asks for them; what was not said and decides is named, and nothing else."""
    made = await desk.link(**({} if holders is None else {"holders": holders}))
    body = {"link": made["id"], "do": "read", "on": "reports/a.pdf", **asked}
    found = (await desk.ask("POST", "/v1/policy/explain", body)).json
    assert (allowed, missing) == (found["allowed"], [one["field"] for one in found["missing"]])


async def test_what_a_question_leaves_out_and_the_answer_depends_on_is_named(desk: Desk) -> None:
    """An address where networks are let in, a size where files may be so large."""
    made = await desk.link(cidrs=["192.0.2.0/24"], actions=["write"], prefix="a/", key=None, max_size=5)
    body = {"link": made["id"], "do": "write", "on": "reports/a/b"}
    for more, missing in (({}, ["from", "size"]), ({"from": "192.0.2.1"}, ["size"]), ({"size": 5}, ["from"])):
        found = (await desk.ask("POST", "/v1/policy/explain", body | more)).json
        assert missing == [one["field"] for one in found["missing"]]


async def test_a_links_credentials_are_explained_as_their_holders(desk: Desk) -> None:
    """Who had them is known, and need not be said."""
    made = await desk.link(holders={"domains": ["acme.example"]})
    stored = await desk.state.grants.get(made["id"])
    assert stored is not None
    key = await desk.api.keys.issue_for_link(stored, "w:R1", Holder("ann@acme.example", until=desk.clock.now + 60))
    body = {"key": key.grant.id, "do": "read", "on": "reports/a.pdf"}
    found = (await desk.ask("POST", "/v1/policy/explain", body)).json
    assert (True, []) == (found["allowed"], found["missing"])
