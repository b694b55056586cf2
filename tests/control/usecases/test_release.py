"""Whether what is made or edited waits, and to whom it is shown then; the rest is in `test_approvals`."""

from __future__ import annotations

from dataclasses import replace

from gateway.control.caller import EVERYTHING, Admitted, Reach
from gateway.control.usecases.release import approving, ask_approval, is_shown, keep_approvals
from gateway.core.approval import Approval, ApprovalTerms, Waiting
from gateway.core.attempt import Principal
from gateway.core.pattern import NamePattern
from tests.contract.sample import NOW, link
from tests.control.desk import POLICY, rule

ANN, OPS = Principal("user", "ann"), Principal("admin", "ops")
RULE = rule("one", "app:billing", "share", "reports/**", approval=ApprovalTerms((NamePattern.of("group:g"),), 60.0))
GIVEN = (Approval("one", "user:ann", NOW),)


def test_an_edit_keeps_its_approvals_unless_it_gives_more() -> None:
    """They are all kept or all gone."""
    before = link(uses=5, approvals=GIVEN)
    assert GIVEN == keep_approvals(replace(before, uses=4), before).approvals
    assert () == keep_approvals(replace(before, uses=6), before).approvals


def test_it_waits_for_the_first_rule_that_still_asks() -> None:
    """From now on, for as long as the rule says, and nobody is forgotten who asked."""
    free, other = replace(RULE, approval=None), replace(RULE, name="two")
    assert None is ask_approval((free,), link(), None, OPS, NOW).waiting
    assert None is ask_approval((RULE,), link(approvals=GIVEN), None, OPS, NOW).waiting
    waits = ask_approval((RULE, other), link(approvals=GIVEN), None, OPS, NOW)
    assert ("two", Waiting(NOW, NOW + 60, ("admin:ops",))) == (waits.rule, waits.waiting)
    calm = ask_approval((other,), replace(waits, label="x"), waits, ANN, NOW + 5)
    assert Waiting(NOW + 5, NOW + 65, ("admin:ops",)) == calm.waiting
    wider = ask_approval((other,), replace(calm, overwrite=True), calm, ANN, NOW + 9)
    assert Waiting(NOW + 9, NOW + 69, ("admin:ops", "user:ann")) == wider.waiting


def test_it_is_shown_to_its_owner_and_while_it_waits_to_who_approves() -> None:
    """By a group that they are in as well; never for a rule that is not theirs, and to admins always."""
    policy = replace(POLICY, rules=(RULE,))
    ann = Admitted(principal=ANN, reach=Reach(ANN), groups=("g",))
    assert {"one"} == approving(policy, ann)
    assert not approving(policy, replace(ann, groups=()))
    waits = link(rule="one", waiting=Waiting(NOW, NOW + 60, ()))
    assert is_shown(policy, ann, waits, NOW)
    for grant in (link(rule="one"), replace(waits, rule="two"), replace(waits, suspended_at=NOW)):
        assert not is_shown(policy, ann, grant, NOW)
        assert is_shown(policy, replace(ann, reach=EVERYTHING), grant, NOW)
        assert is_shown(policy, replace(ann, reach=Reach(grant.owner)), grant, NOW)
    assert not is_shown(policy, ann, waits, NOW + 60)
    assert not is_shown(policy, replace(ann, groups=()), waits, NOW)
