"""Owns the answers about what is loaded: backends, rules, and what the rules say about an attempt.

Refuses to own the decision (`gateway.core.policy`).

Law: no endpoint, real bucket name or credential stands in any of them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Annotated, Self

from pydantic import BeforeValidator

from gateway.control.answers import ObjectionView, RateText, View
from gateway.core.policy import Explanation, Policy
from gateway.core.route import Delivery
from gateway.core.rule import Rule

PatternText = Annotated[str, BeforeValidator(lambda pattern: pattern.text)]


class BackendView(View):
    name: str
    profile: str
    capabilities: list[str]
    drained: bool


class BackendList(View):
    backends: list[BackendView]

    @classmethod
    def of(cls, policy: Policy, profile_of: Callable[[str], str]) -> Self:
        return cls(
            backends=[
                BackendView(
                    name=name,
                    profile=profile_of(name),
                    capabilities=sorted(backend.capabilities),
                    drained=backend.drained,
                )
                for name, backend in sorted(policy.backends.items())
            ]
        )


class BucketView(View):
    name: str
    backend: str
    delivery: Delivery


class RuleView(View):
    name: str
    effect: str
    who: list[str]
    may: list[str]
    on: list[str]
    networks: list[str]
    max_size: int | None
    signatures: list[str]
    when: str | None
    links: dict[str, int | float | bool | list[str] | None] | None
    keys: dict[str, int | float | bool | None] | None
    approval: dict[str, float | list[str]] | None
    delivery: Delivery | None
    source: str

    @classmethod
    def of(cls, rule: Rule) -> Self:
        links = rule.links
        return cls(
            name=rule.name,
            effect=str(rule.effect),
            who=[pattern.text for pattern in rule.who],
            may=sorted(rule.may),
            on=[pattern.text for pattern in rule.on],
            networks=[str(network) for network in rule.networks],
            max_size=rule.max_size,
            signatures=sorted(rule.signatures),
            when=None if rule.condition is None else rule.condition.text,
            links=None if links is None else asdict(links) | {"actions": sorted(links.actions)},
            keys=None if rule.keys is None else asdict(rule.keys),
            approval=None
            if rule.approval is None
            else {"by": [pattern.text for pattern in rule.approval.by], "within": rule.approval.within},
            delivery=rule.delivery,
            source=rule.source,
        )


class BucketNames(View):
    """Those that there are for the caller, by the names that links and rules know."""

    buckets: list[str]


class LimitView(View):
    who: PatternText
    per: str
    requests: RateText | None
    bandwidth: int | None
    concurrent: int | None
    source: str


class PolicyView(View):
    """The compiled rules in force, with the places they came from."""

    buckets: list[BucketView]
    rules: list[RuleView]
    limits: list[LimitView]

    @classmethod
    def of(cls, policy: Policy) -> Self:
        buckets = [bucket for _, bucket in sorted(policy.buckets.items())]
        rules = [RuleView.of(rule) for rule in policy.rules]
        return cls.model_validate({"buckets": buckets, "rules": rules, "limits": policy.limits})


class VerdictView(View):
    rule: str
    source: str
    verdict: str


class MissingView(View):
    """A `field` of the question that was left out, and what it decides."""

    field: str
    detail: str


class ExplanationView(View):
    """`rule` and `delivery` say how it would be allowed, `session` by which statements of a session's policy;
    `objections` every reason why not. With what is `missing` from the question the answer may be another one."""

    allowed: bool
    rule: str | None
    delivery: Delivery | None
    objections: list[ObjectionView]
    rules: list[VerdictView]
    session: list[str]
    missing: list[MissingView]

    @classmethod
    def of(cls, explanation: Explanation) -> Self:
        route = explanation.route
        return cls(
            allowed=explanation.allowed,
            rule=None if route is None else route.rule,
            delivery=None if route is None else route.delivery,
            objections=[ObjectionView.model_validate(found) for found in explanation.objections],
            rules=[
                VerdictView(rule=rule.name, source=rule.source, verdict=verdict) for rule, verdict in explanation.rules
            ],
            session=list(explanation.session),
            missing=[MissingView(field=field, detail=detail) for field, detail in explanation.missing],
        )
