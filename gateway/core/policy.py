"""Owns the one authorisation function, `decide`, and its talkative twin, `explain`.

Refuses to own files and their syntax (`gateway.settings`), who the caller is, revocations by generation and counting.

Law: nothing is allowed unless a rule says so, a deny rule wins over every allow rule, and a link can do no more than
its owner may do, and may share, at the moment of use. `decide` and `explain` read the same objections, so they
cannot disagree.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import field
from typing import Final

from gateway.core.attempt import Attempt, Principal, address_class
from gateway.core.grant import Grant, GrantKind
from gateway.core.limits import Limit
from gateway.core.narrowing import Narrowing
from gateway.core.pattern import key_fault, prefix_fault
from gateway.core.reasons import Reason, Refused
from gateway.core.request import Action, Operation
from gateway.core.route import Backend, Bucket, Capability, Route
from gateway.core.rule import UNRELEASED, Effect, LimitRule, LinkLimits, Rule
from gateway.core.said import phrase
from gateway.core.values import dataclass

_REMEMBERED: Final = 4096
_NO_MORE: Final = LinkLimits()


@dataclass(frozen=True, slots=True)
class Objection:
    """One reason against an attempt; `detail` is for logs and `explain`, `rule` names a deny rule."""

    reason: Reason
    detail: str
    rule: str | None = None


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that `explain` knows: every objection, and what each rule about the acting principal had to say.

    `session` are the statements of a session policy that allow what is allowed. `missing` is what was not said although
    the answer depends on it: the question's fields, and what each decides.
    """

    allowed: bool
    route: Route | None
    objections: tuple[Objection, ...]
    rules: tuple[tuple[Rule, str], ...]
    session: tuple[str, ...] = ()
    missing: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Relevant:
    """One principal's rules that cover a place: those about one action there, and those about sharing it.

    `conditional` is whether more than name, action and place decides if any of them speaks.
    """

    deny: tuple[Rule, ...]
    allow: tuple[Rule, ...]
    deny_sharing: tuple[Rule, ...]
    allow_sharing: tuple[Rule, ...]
    conditional: bool

    @classmethod
    def of(cls, rules: Sequence[Rule], attempt: Attempt) -> _Relevant:
        about = [rule for rule in rules if rule.beside(attempt) is None]
        sharing = [rule for rule in rules if Action.SHARE in rule.may]
        return cls(
            tuple([rule for rule in about if rule.effect is Effect.DENY]),
            tuple([rule for rule in about if rule.effect is Effect.ALLOW]),
            tuple([rule for rule in sharing if rule.effect is Effect.DENY]),
            tuple([rule for rule in sharing if rule.effect is Effect.ALLOW]),
            True in [rule.conditional for rule in (*about, *sharing)],
        )

    def allowing(self, attempt: Attempt, grant: Grant | None) -> Rule | None:
        """The first rule that allows the attempt, deny rules aside."""
        for rule in self.allow:
            if rule.unmet(attempt, grant) is None:
                return rule
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The compiled rules. Immutable but for two memos, which no copy with other rules shares: whose rules, and which
    cover a place."""

    backends: Mapping[str, Backend] = field(default_factory=dict)
    buckets: Mapping[str, Bucket] = field(default_factory=dict)
    rules: tuple[Rule, ...] = ()
    limits: tuple[LimitRule, ...] = ()
    _named: dict[tuple[Principal, tuple[str, ...]], tuple[Rule, ...]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )
    _relevant: dict[tuple[str, str, tuple[str, ...], Action | None, str, str], _Relevant] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def rules_for(self, principal: Principal, groups: tuple[str, ...] = ()) -> tuple[Rule, ...]:
        """The rules that name this principal, or a group that it is in, deny rules first."""
        found = self._named.get((principal, groups))
        if found is None:
            named = [rule for rule in self.rules if rule.names(principal, groups)]
            found = tuple(sorted(named, key=lambda rule: rule.effect is Effect.ALLOW))
            if len(self._named) >= _REMEMBERED:
                self._named.clear()
            self._named[principal, groups] = found
        return found

    def relevant(self, principal: Principal, groups: tuple[str, ...], attempt: Attempt) -> _Relevant:
        """Those of them that say something here. Remembered: neither time nor conditions can change it."""
        place = (principal.kind, principal.name, groups, attempt.action, attempt.bucket, attempt.key)
        found = self._relevant.get(place)
        if found is None:
            named = self.rules_for(principal, groups)
            found = _Relevant.of([rule for rule in named if rule.covers(attempt)], attempt)
            if len(self._relevant) >= _REMEMBERED:
                self._relevant.clear()
            self._relevant[place] = found
        return found

    def visible_buckets(self, principal: Principal, grant: Grant | None = None) -> list[Bucket]:
        """The buckets that some allow rule of this principal names, by name, as far as its grant sees them."""
        acting = grant.owner if grant is not None and grant.kind is GrantKind.LINK else principal
        groups = () if grant is None else grant.groups
        by_key = grant is not None and grant.kind is GrantKind.KEY
        allow = (rule for rule in self.rules_for(acting, groups) if rule.effect is Effect.ALLOW)
        rules = [rule for rule in allow if grant is None or not by_key or rule.released(grant)]
        return [
            bucket
            for name, bucket in sorted(self.buckets.items())
            if (grant is None or grant.sees(name))
            and any(pattern.names_bucket(name) for rule in rules for pattern in rule.on)
        ]

    def limits_for(self, attempt: Attempt, grant: Grant | None) -> tuple[Limit, ...]:
        """Every limit that holds for the attempt, with the key of the count it shares."""
        if not self.limits and (grant is None or grant.rate is None):
            return ()
        subjects = [str(attempt.principal)]
        if grant is not None and grant.owner != attempt.principal:
            subjects.append(str(grant.owner))
        groups = attempt.groups if grant is None else grant.groups
        found = []
        for index, rule in enumerate(self.limits):
            subject = next((text for text in subjects if rule.who.matches(text)), None)
            if subject is None and any(rule.who.matches(f"group:{group}") for group in groups):
                subject = subjects[-1]  # each of a group has a count of their own
            if subject is None:
                continue
            if rule.per == "address":
                subject = address_class(attempt.peer)
            elif rule.per == "link":
                if grant is None or grant.kind is not GrantKind.LINK:
                    continue
                subject = grant.id
            found.append(Limit(f"{index}:{subject}", rule.requests, rule.bandwidth, rule.concurrent))
        if grant is not None and grant.rate is not None:
            found.append(Limit(f"grant:{grant.id}", grant.rate))
        return tuple(found)


def decide(policy: Policy, grant: Grant | None, attempt: Attempt) -> Route:
    """The one authorisation function: the route of an allowed attempt.

    `grant` is None for a principal without one: an anonymous caller or a trusted listener's app.

    Raises:
        Refused: with the first objection, in the order in which `explain` lists them.
    """
    relevant = policy.relevant(*_acting(grant, attempt), attempt)
    for objection in _objections(policy, relevant, grant, attempt):
        raise Refused(objection.reason, objection.detail, rule=objection.rule)
    rule = relevant.allowing(attempt, grant)
    if rule is None:
        raise Refused(Reason.INTERNAL, "no objection and no rule")
    bucket = policy.buckets[attempt.bucket]
    return Route(
        rule=rule.name,
        backend=policy.backends[bucket.backend],
        bucket=bucket,
        key=attempt.key,
        limits=policy.limits_for(attempt, grant),
        delivery=rule.delivery or bucket.delivery,
        max_size=rule.max_size,
    )


def only_time_can_end(policy: Policy, grant: Grant | None, attempt: Attempt) -> bool:
    """Whether what `decide` allows here is allowed to the same attempt from anywhere and at any time, and leads to the
    same route, as long as the grant has not lapsed."""
    if policy.limits and any(limit.per == "address" for limit in policy.limits):
        return False
    if grant is not None and (grant.cidrs or (grant.session_policy is not None and grant.session_policy.passing)):
        return False
    return not policy.relevant(*_acting(grant, attempt), attempt).conditional


def explain(policy: Policy, grant: Grant | None, attempt: Attempt) -> Explanation:
    """Why `decide` would allow or refuse this attempt: all reasons, and every rule that names who acts."""
    objections = tuple(_objections(policy, policy.relevant(*_acting(grant, attempt), attempt), grant, attempt))
    route = None if objections else decide(policy, grant, attempt)
    rules = tuple(
        (
            rule,
            rule.mismatch(attempt, grant)
            or (phrase("rule_allows", "allows") if rule.effect is Effect.ALLOW else phrase("rule_denies", "denies")),
        )
        for rule in policy.rules_for(*_acting(grant, attempt))
    )
    session = grant.session_policy if grant is not None and route is not None else None
    statements = () if session is None else session.allowing(attempt)
    return Explanation(route is not None, route, objections, rules, statements)


def objections_to_share(policy: Policy, link: Grant) -> tuple[tuple[Objection, ...], Rule | None]:
    """Why the owner may not have this link, and the share rule that lets them, judged at the moment of issue.

    That an approval is still to be given is no objection. A rule that asks for none, or was given one, comes first.
    """
    if link.scope is None:
        raise ValueError("only links are shared")
    whole = _whole_scope(link, Action.SHARE)
    found: list[Objection] = []
    if (fault := key_fault(link.scope.root)) is not None:
        return (Objection(Reason.BAD_KEY, phrase("of_key", "the key {fault}", fault=fault)),), None
    for action in sorted(link.actions | ({Action.DELETE} if link.intake.undo is not None else set())):
        attempt = _whole_scope(link, action)
        if (folded := _folding(policy, attempt)) is not None:
            found.append(folded)
        found.extend(_rule_objections(policy.relevant(link.owner, link.groups, attempt), link.owner, None, attempt))
    relevant = policy.relevant(link.owner, link.groups, whole)
    found.extend(_share_objections(relevant, link, whole, released=False))
    share_rules = [rule for rule, faults in _share_rules(relevant, link, whole) if not faults]
    return tuple(dict.fromkeys(found)), min(share_rules, key=lambda rule: not rule.released(link), default=None)


def objections_to_key(policy: Policy, key: Grant) -> tuple[Objection, ...]:
    """Why no rule counts for a key like this where it reaches, if that is because of what keys have to be there."""
    judged = _judge_key(policy, key)
    if not judged or not all(faults for _, faults in judged):
        return ()
    return tuple(
        Objection(Reason.NOT_ALLOWED, phrase("rule_faults", "{faults}", faults=faults), rule.name)
        for rule, faults in judged
    )


def rules_counting(policy: Policy, key: Grant) -> list[Rule]:
    """The rules that allow its app something where the key reaches, and count for a key like this."""
    return [rule for rule, faults in _judge_key(policy, key) if not faults]


def rules_to_approve(policy: Policy, grant: Grant) -> tuple[Rule, ...]:
    """The rules under which the grant has to be approved before it may be used at all, and was not yet.

    For a link, the share rule that lets its owner have it, where that asks. For a key, each rule that asks and lets its
    app do something where the key reaches; but none where another rule, that asks for nothing, lets it do the same.
    """
    if grant.kind is GrantKind.LINK:
        rule = objections_to_share(policy, grant)[1]
        return () if rule is None or rule.released(grant) else (rule,)
    rules = [rule for rule in rules_counting(policy, grant) if rule.may - {Action.SHARE}]
    free = [rule for rule in rules if rule.approval is None and not rule.conditional]
    return tuple(
        rule
        for rule in rules
        if not rule.released(grant)
        and _is_for(rule, grant)
        and not any(other.may >= rule.may - {Action.SHARE} and _covers_all(other, rule) for other in free)
    )


def _covers_all(outer: Rule, inner: Rule) -> bool:
    return all(any(pattern.includes(other) for pattern in outer.on) for other in inner.on)


def _is_for(rule: Rule, key: Grant) -> bool:
    """Whether the rule allows something that the key is not held from."""
    return not key.narrowed or any(_meets(rule, part) for part in key.narrowed)


def _meets(rule: Rule, part: Narrowing) -> bool:
    if part.actions and not part.actions & rule.may:
        return False
    if part.bucket is None:
        return True
    if part.keys:
        return any(pattern.covers(part.bucket, name) for pattern in rule.on for name in part.keys)
    return any(pattern.may_touch_below(part.bucket, part.prefix) for pattern in rule.on)


def _judge_key(policy: Policy, key: Grant) -> list[tuple[Rule, tuple[str, ...]]]:
    """The allow rules of the key's app that say anything where it reaches, with what each has against such a key."""
    rules = [
        rule for rule in policy.rules_for(key.owner, key.groups) if rule.effect is Effect.ALLOW and _reached(rule, key)
    ]
    return [(rule, tuple(rule.keys.faults(key)) if rule.keys is not None else ()) for rule in rules]


def _reached(rule: Rule, key: Grant) -> bool:
    """Whether the rule says anything about a bucket that the key sees."""
    buckets = {part.bucket for part in key.narrowed}
    if not buckets or None in buckets:
        return True
    return any(pattern.names_bucket(bucket) for bucket in buckets if bucket is not None for pattern in rule.on)


def _acting(grant: Grant | None, attempt: Attempt) -> tuple[Principal, tuple[str, ...]]:
    """Whose rules count, and as a user of which groups: a link acts for its owner."""
    if grant is None:
        return attempt.principal, attempt.groups
    return grant.owner if grant.kind is GrantKind.LINK else attempt.principal, grant.groups


def _objections(policy: Policy, relevant: _Relevant, grant: Grant | None, attempt: Attempt) -> Iterator[Objection]:
    fault = prefix_fault(attempt.key) if attempt.action is Action.LIST else key_fault(attempt.key)
    if fault is not None:
        yield Objection(Reason.BAD_KEY, phrase("of_key", "the key {fault}", fault=fault))
    if grant is not None:
        for reason, detail in grant.objections(attempt):
            yield Objection(reason, detail)
    if grant is not None and grant.kind is GrantKind.LINK:
        for objection in _rule_objections(relevant, grant.owner, grant, attempt):
            yield Objection(
                Reason.OWNER_NOT_ALLOWED,
                phrase("of_owner", "the owner {owner}: {detail}", owner=grant.owner, detail=objection.detail),
                objection.rule,
            )
        yield from _share_objections(relevant, grant, attempt)
    else:
        yield from _rule_objections(relevant, attempt.principal, grant, attempt)
    if attempt.bucket not in policy.buckets:
        yield Objection(
            Reason.UNKNOWN_BUCKET, phrase("no_bucket_named", "no bucket is named {bucket!r}", bucket=attempt.bucket)
        )
    elif (folded := _folding(policy, attempt)) is not None:
        yield folded
    elif policy.backends[policy.buckets[attempt.bucket].backend].drained:
        yield Objection(
            Reason.BACKEND_DRAINED,
            phrase("bucket_drained", "the backend of {bucket} is drained", bucket=attempt.bucket),
        )


def _rule_objections(
    relevant: _Relevant, actor: Principal, grant: Grant | None, attempt: Attempt
) -> Iterator[Objection]:
    for rule in relevant.deny:
        if rule.unmet(attempt, grant) is None:
            yield Objection(
                Reason.DENIED_BY_RULE,
                phrase("rule_denies_it", "the rule {name!r} denies it", name=rule.name),
                rule.name,
            )
    if relevant.allowing(attempt, grant) is None:
        waits = next((rule for rule in relevant.allow if rule.unmet(attempt, grant) is UNRELEASED), None)
        if waits is not None:
            yield Objection(
                Reason.AWAITING_APPROVAL,
                phrase("of_rule", "the rule {name!r} {unreleased}", name=waits.name, unreleased=UNRELEASED),
                waits.name,
            )
        else:
            yield Objection(
                Reason.NOT_ALLOWED,
                phrase(
                    "no_rule", "no rule allows {actor} to {action} this", actor=actor, action=attempt.action or "see"
                ),
            )


def _meant(rules: tuple[Rule, ...], link: Grant, attempt: Attempt) -> list[Rule]:
    """Those of the rules about sharing whose conditions are met: by sharing the attempt's place."""
    if not any(rule.conditional for rule in rules):
        return list(rules)
    sharing = attempt.touching(Action.SHARE, attempt.bucket, attempt.key)
    return [rule for rule in rules if rule.unmet(sharing, link) is None]


def _share_rules(relevant: _Relevant, link: Grant, attempt: Attempt) -> list[tuple[Rule, Sequence[str]]]:
    """The share rules of the link's owner that cover the attempt's place, with what each has against the link."""
    rules = _meant(relevant.allow_sharing, link, attempt)
    return [(rule, tuple((rule.links or _NO_MORE).faults(link))) for rule in rules]


def _share_objections(
    relevant: _Relevant, link: Grant, attempt: Attempt, *, released: bool = True
) -> Iterator[Objection]:
    """Why the link may not be shared as far as this; nothing if one share rule has no fault and no rule denies it.

    With `released`, such a rule that asks for an approval has to have it.
    """
    for rule in _meant(relevant.deny_sharing, link, attempt):
        yield Objection(
            Reason.OWNER_NOT_ALLOWED,
            phrase("rule_denies_sharing", "the rule {name!r} denies sharing it", name=rule.name),
            rule.name,
        )
    judged = _share_rules(relevant, link, attempt)
    fitting = [rule for rule, faults in judged if not faults]
    counting = [rule for rule in fitting if not released or rule.released(link)]
    if counting:
        if _by_credentials(attempt) and not any((rule.links or _NO_MORE).credentials for rule in counting):
            yield Objection(
                Reason.NO_CREDENTIALS,
                phrase("rules_no_credentials", "the rules that let this be shared give no credentials"),
            )
        return
    if fitting:
        rule = fitting[0]
        yield Objection(
            Reason.AWAITING_APPROVAL,
            phrase("of_rule", "the rule {name!r} {unreleased}", name=rule.name, unreleased=UNRELEASED),
            rule.name,
        )
    elif judged:
        found = tuple(
            phrase("of_rule_faults", "the rule {name!r}: {faults}", name=rule.name, faults=tuple(faults))
            for rule, faults in judged
        )
        yield Objection(Reason.OWNER_NOT_ALLOWED, phrase("rules_faults", "{found}", found=found))
    else:
        yield Objection(
            Reason.OWNER_NOT_ALLOWED, phrase("no_rule_to_share", "no rule lets {owner} share this", owner=link.owner)
        )


def _by_credentials(attempt: Attempt) -> bool:
    """Whether a link's request asks for its credentials, or comes with them: links are not signed."""
    return attempt.signature is not None or attempt.operation is Operation.CREATE_SESSION


def _whole_scope(link: Grant, action: Action) -> Attempt:
    """The attempt that stands for all that a link could reach: its key, or everything below its prefix."""
    if link.scope is None:
        raise ValueError("only links have a scope")
    whole = Action.LIST if link.scope.key is None and action in {Action.LIST, Action.SHARE} else action
    return Attempt(
        principal=link.owner,
        operation=Operation.LIST_OBJECTS_V2 if whole is Action.LIST else Operation.GET_OBJECT,
        action=whole,
        bucket=link.scope.bucket,
        key=link.scope.root,
        peer=None,
        now=link.issued_at,
        groups=link.groups,
    )


def _folding(policy: Policy, attempt: Attempt) -> Objection | None:
    """An objection to a name that the store behind the bucket would take for another name."""
    bucket = policy.buckets.get(attempt.bucket)
    if bucket is None:
        return None
    capabilities = policy.backends[bucket.backend].capabilities
    key = attempt.key
    if Capability.FOLDS_SLASHES in capabilities and (key.startswith("/") or "//" in key or "\\" in key):
        return Objection(
            Reason.KEY_AMBIGUOUS, phrase("folds_slashes", "the store folds leading, repeated and backward slashes")
        )
    if Capability.FOLDS_UNICODE in capabilities and not unicodedata.is_normalized("NFC", key):
        return Objection(Reason.KEY_AMBIGUOUS, phrase("folds_unicode", "the store folds Unicode forms; use NFC names"))
    return None
