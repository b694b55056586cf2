"""The model's words in the gateway's: its grants and rules, as they are stored and compiled."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any

from gateway.core.attempt import Attempt, Principal
from gateway.core.grant import Grant as Stored
from gateway.core.narrowing import Narrowing
from gateway.core.password import SALT_BYTES, hash_password
from gateway.core.pattern import NamePattern, PathPattern
from gateway.core.policy import Policy
from gateway.core.request import Action
from gateway.core.route import Backend, Bucket
from gateway.core.rule import Effect, KeyLimits, LimitRule, LinkLimits
from gateway.core.rule import Rule as RealRule
from gateway.core.units import Rate
from tests.data.harness import EVERY
from tests.model.oracle import Grant, Part, Place, Rule, Rules

__all__ = ["REAL", "principal", "real_policy", "stored_fields"]

REAL = {"reports": ("real", "inside/"), "other": ("real-other", ""), "far": ("real-far", "")}
"""Where each bucket's objects are: the real bucket and the prefix."""

_FOR_EVER = 1e12


@dataclass
class _Until:
    """A rule's `when`: before an instant."""

    until: float
    text: str = "now < until"

    def holds(self, attempt: Attempt, grant: Stored | None) -> bool | None:
        return attempt.now < self.until


def principal(text: str) -> Principal:
    return Principal.parse(text)


def stored_fields(grant: Grant, now: float) -> dict[str, Any]:
    """The fields of a stored grant that the model's has."""
    found: dict[str, Any] = {
        "not_before": grant.begins,
        "expires_at": grant.ends,
        "uses": grant.uses,
        "budget": grant.budget,
        "cidrs": tuple(map(ip_network, grant.cidrs)),
        "max_size": grant.max_size,
        "suspended_at": now if grant.suspended else None,
    }
    if grant.kind == "link":
        found["actions"] = frozenset(map(Action, grant.actions))
        found["password"] = None if grant.password is None else hash_password(grant.password, b"0" * SALT_BYTES)
    else:
        found["narrowed"] = tuple(_narrowing(part) for part in grant.parts)
    return found


def _narrowing(part: Part) -> Narrowing:
    actions = frozenset(map(Action, part.actions))
    return Narrowing(bucket=part.bucket or None, prefix=part.prefix, keys=part.keys, actions=actions)


def real_policy(rules: Rules) -> Policy:
    lab, away = (Backend(name, EVERY, drained=name in rules.drained) for name in ("lab", "away"))
    return Policy(
        backends={"lab": lab, "away": away},
        buckets={name: Bucket(name, home, *REAL[name]) for name, home in rules.homes.items()},
        rules=tuple(map(_rule, rules.rules)),
        limits=tuple(
            LimitRule(who=NamePattern.parse(one.who), per=one.per, requests=Rate(one.count, _FOR_EVER, one.count))  # type: ignore[arg-type]
            for one in rules.limits
        ),
    )


def _rule(rule: Rule) -> RealRule:
    shares = LinkLimits(
        actions=frozenset(map(Action, rule.share_actions)),
        max_expires=rule.share_seconds,
        max_uses=rule.share_uses,
        password=rule.share_password,
        credentials=rule.share_credentials,
    )
    keys = KeyLimits(max_expires=rule.keys_seconds, narrowed=rule.keys_narrowed)
    return RealRule(
        name=rule.name,
        who=tuple(map(NamePattern.parse, rule.who)),
        may=frozenset(map(Action, rule.may)),
        on=tuple(PathPattern.parse(_pattern(place)) for place in rule.on),
        effect=Effect.DENY if rule.deny else Effect.ALLOW,
        networks=tuple(map(ip_network, rule.networks)),
        max_size=rule.max_size,
        links=shares,
        keys=None if rule.deny else keys,
        condition=None if rule.until is None else _Until(rule.until),
        signatures=frozenset(rule.signatures),  # type: ignore[arg-type]
    )


def _pattern(place: Place) -> str:
    if not place.bucket:
        return "**"
    return (
        f"{place.bucket}/{place.name}**"
        if place.name.endswith("/") or not place.name
        else f"{place.bucket}/{place.name}"
    )
