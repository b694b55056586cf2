"""Questions and signatures without HTTP."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.control.caller import EVERYTHING, Admitted, Reach
from gateway.control.usecases.policies import SIGNABLE, Question
from gateway.core.attempt import Principal
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
