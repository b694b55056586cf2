"""Owns what valid entries mean together: rules that could never matter, and the compiled `Policy`.

Refuses to own reading files (`gateway.settings.collect`) and decisions (`gateway.core.policy`).
Law: a rule that no attempt could ever be decided by is a fault.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from gateway.core.approval import ApprovalTerms
from gateway.core.backend import BackendSpec
from gateway.core.pattern import NamePattern, PathPattern
from gateway.core.policy import Policy
from gateway.core.profile import Profile
from gateway.core.route import Bucket, Cors, Delivery
from gateway.core.rule import Effect, KeyLimits, LimitRule, LinkLimits, Rule
from gateway.core.units import Rate
from gateway.settings.backend import compile_backend
from gateway.settings.collect import Draft, Entry
from gateway.settings.examples import Example, compile_example
from gateway.settings.grammar import BucketEntry, KeysEntry, LimitEntry, LinksEntry, RuleEntry


def compile_draft(
    draft: Draft, profiles: Mapping[str, Profile]
) -> tuple[Policy, tuple[BackendSpec, ...], tuple[Example, ...]]:
    """The policy, its backends and its examples; adds every fault to the draft, whose owner must then refuse it."""
    compiled = (compile_backend(entry, profiles, draft.faults) for entry in draft.backends)
    backends = tuple(found for found in compiled if found is not None)
    rules = tuple(map(_compile_rule, draft.rules))
    for entry in draft.rules:
        draft.faults.extend(_find_pointless(entry, rules))
    examples = (compile_example(entry, draft.faults) for entry in draft.examples)
    policy = Policy(
        backends={backend.name: backend.backend for backend in backends},
        buckets={entry.name: _compile_bucket(entry) for entry in draft.buckets},
        rules=rules,
        limits=tuple(map(_compile_limit, draft.limits)),
    )
    return policy, backends, tuple(found for found in examples if found is not None)


def _compile_bucket(entry: Entry[BucketEntry]) -> Bucket:
    value = entry.value
    return Bucket(
        name=entry.name,
        backend=value.backend,
        real_bucket=value.bucket or entry.name,
        prefix=value.prefix,
        cors=tuple(
            Cors(cors.origins, tuple(cors.methods), cors.headers, cors.expose, int(cors.max_age)) for cors in value.cors
        ),
        delivery=Delivery(value.delivery),
    )


def _compile_limit(entry: Entry[LimitEntry]) -> LimitRule:
    value = entry.value
    return LimitRule(
        who=value.who,
        per=value.per,
        requests=_compile_rate(value),
        bandwidth=value.bandwidth,
        concurrent=value.concurrent,
        source=entry.where,
    )


def _compile_rate(value: LimitEntry) -> Rate | None:
    if value.requests is None or value.burst is None:
        return value.requests
    return replace(value.requests, burst=value.burst)


def _compile_rule(entry: Entry[RuleEntry]) -> Rule:
    value = entry.value
    return Rule(
        name=value.name,
        who=value.who,
        may=frozenset(value.may),
        on=value.on,
        effect=value.effect,
        networks=value.networks or (),
        max_size=value.max_size,
        links=None if value.links is None else _compile_links(value.links),
        keys=None if value.keys is None else _compile_keys(value.keys),
        approval=None if value.approval is None else ApprovalTerms(value.approval.by, value.approval.within),
        delivery=None if value.delivery is None else Delivery(value.delivery),
        condition=value.when,
        signatures=frozenset(value.signatures or ()),
        source=entry.where,
    )


def _compile_links(value: LinksEntry) -> LinkLimits:
    return LinkLimits(
        actions=frozenset(value.actions),
        max_expires=value.max_expires,
        max_uses=value.max_uses,
        max_size=value.max_size,
        max_files=value.max_files,
        total_bytes=value.total_bytes,
        types=value.types or (),
        password=value.password is not None,
        holders=value.holders is not None,
        credentials=value.credentials,
    )


def _compile_keys(value: KeysEntry) -> KeyLimits:
    return KeyLimits(
        max_expires=value.max_expires,
        max_uses=value.max_uses,
        max_bytes=value.max_bytes,
        narrowed=value.narrowed is not None,
    )


def _find_pointless(entry: Entry[RuleEntry], rules: Iterable[Rule]) -> Iterator[str]:
    """Why the rule can never decide anything."""
    if entry.value.effect is Effect.ALLOW:
        for rule in rules:
            if rule.effect is Effect.DENY and _always_wins(rule, entry.value):
                yield entry.fault(f"never allows anything: the rule {rule.name!r} denies all of it")


def _always_wins(deny: Rule, allow: RuleEntry) -> bool:
    """Whether a deny rule meets every attempt that the allow rule could allow, judged by the patterns' texts."""
    return (
        not deny.networks
        and not deny.signatures
        and deny.condition is None
        and deny.may.issuperset(allow.may)
        and all(any(_includes(outer, inner) for outer in deny.who) for inner in allow.who)
        and all(any(_covers(outer, inner) for outer in deny.on) for inner in allow.on)
    )


def _includes(outer: NamePattern, inner: NamePattern) -> bool:
    kind, _, name = inner.text.partition(":")
    return outer.text in {"*", inner.text} or (outer.text == f"{kind}:*" and "/" not in name)


def _covers(outer: PathPattern, inner: PathPattern) -> bool:
    return outer.text in {"**", inner.text} or outer.text == inner.text.partition("/")[0] + "/**"
