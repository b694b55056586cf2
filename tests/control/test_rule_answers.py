"""What is loaded, as it is shown."""

from __future__ import annotations

from gateway.control.rule_answers import BackendList, PolicyView
from gateway.core.limits import Limit
from gateway.core.pattern import NamePattern
from gateway.core.policy import Policy
from gateway.core.route import Backend, Bucket, Capability
from gateway.core.rule import LimitRule
from gateway.core.units import Rate


def test_real_names_are_hidden() -> None:
    """A bucket's real name and prefix are nobody's business, an operator's console log included."""
    policy = Policy(backends={"a": Backend("a")}, buckets={"b": Bucket("b", "a", "real-name", "real-prefix/")})
    assert "real-" not in repr(PolicyView.of(policy))


def test_limits_are_shown_as_they_were_written() -> None:
    """A limit shows whom it holds for and how much it allows."""
    rule = LimitRule(who=NamePattern.parse("app:*"), requests=Rate.parse("200/s"), concurrent=5, source="p.yaml:3")
    [view] = PolicyView.of(Policy(limits=(rule,))).limits
    assert (view.who, view.per, view.requests, view.concurrent) == ("app:*", "principal", "200/1s", 5)
    assert view.source == "p.yaml:3"
    assert Limit("k", Rate.parse(view.requests or "")).requests == rule.requests


def test_backends_are_sorted() -> None:
    """Backends and their capabilities come in a fixed order."""
    policy = Policy(
        backends={
            "z": Backend("z"),
            "a": Backend("a", frozenset({Capability.TAGGING, Capability.RANGES})),
        }
    )
    first, last = BackendList.of(policy, lambda name: f"profile of {name}").backends
    assert (first.name, first.capabilities, first.profile) == ("a", ["ranges", "tagging"], "profile of a")
    assert last.name == "z"
