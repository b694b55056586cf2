"""Laws of `gateway.core.rule`."""

from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from typing import Any

import pytest

from gateway.core.attempt import Attempt, Principal
from gateway.core.grant import Grant, GrantKind, Scope
from gateway.core.intake import Intake
from gateway.core.narrowing import Narrowing
from gateway.core.pattern import NamePattern, PathPattern
from gateway.core.request import Action, Operation
from gateway.core.rule import Effect, KeyLimits, LinkLimits, Rule
from gateway.core.token import SecretHash

_RULE = Rule(
    name="reading",
    who=(NamePattern.parse("app:billing"),),
    may=frozenset({Action.READ, Action.LIST}),
    on=(PathPattern.parse("reports/billing/**"),),
)
_ATTEMPT = Attempt(
    principal=Principal("app", "billing"),
    operation=Operation.GET_OBJECT,
    action=Action.READ,
    bucket="reports",
    key="billing/a.pdf",
    peer=ip_address("10.1.2.3"),
    now=1000.0,
)
_LINK = Grant(
    id="l_1",
    kind=GrantKind.LINK,
    hash=SecretHash(b"h"),
    owner=Principal("app", "billing"),
    issued_at=1000.0,
    expires_at=2000.0,
    scope=Scope("reports", key="billing/a.pdf"),
    actions=frozenset({Action.READ}),
    uses=2,
    max_size=100,
    password="scrypt$a$b",
)


_UPLOAD = replace(_LINK, actions=frozenset({Action.WRITE}))


@dataclass(frozen=True)
class _Says:
    """A condition with a fixed answer."""

    answer: bool | None
    text: str = "fixed"

    def holds(self, attempt: Attempt, grant: Grant | None) -> bool | None:
        return self.answer


def test_a_link_within_every_limit_has_no_fault() -> None:
    """Limits that a link just keeps are kept."""
    limits = LinkLimits(max_expires=1000.0, max_uses=2, max_size=100, password=True)
    assert [] == list(limits.faults(_LINK))


def test_what_links_may_receive_is_for_links_that_do() -> None:
    """A link within all of it has no fault, and one that only reads is not asked."""
    limits = LinkLimits(
        actions=frozenset({Action.READ, Action.WRITE}), max_files=9, total_bytes=9, types=("image/*", "text/csv")
    )
    within = Intake(max_files=9, total_bytes=9, types=("image/png", "image/*"))
    assert [] == list(limits.faults(replace(_UPLOAD, intake=within)))
    assert [] == list(limits.faults(_LINK))


@pytest.mark.parametrize(
    ("limits", "link"),
    [
        (LinkLimits(max_expires=998.0), _LINK),
        (LinkLimits(max_expires=1e9), replace(_LINK, expires_at=None)),
        (LinkLimits(max_uses=1), _LINK),
        (LinkLimits(max_uses=9), replace(_LINK, uses=None)),
        (LinkLimits(password=True), replace(_LINK, password=None)),
        (LinkLimits(holders=True), _LINK),
        (LinkLimits(actions=frozenset({Action.LIST})), _LINK),
        (LinkLimits(actions=frozenset({Action.WRITE}), max_size=99), replace(_LINK, actions=frozenset({Action.WRITE}))),
        (
            LinkLimits(actions=frozenset({Action.WRITE}), max_size=99),
            replace(_LINK, actions=frozenset({Action.WRITE}), max_size=None),
        ),
        *(
            (LinkLimits(actions=frozenset({Action.WRITE}), **limit), replace(_UPLOAD, intake=Intake(**wish)))
            for limit, wish in (
                ({"max_files": 9}, {}),
                ({"max_files": 9}, {"max_files": 10}),
                ({"total_bytes": 9}, {}),
                ({"total_bytes": 9}, {"total_bytes": 10}),
                ({"types": ("image/*",)}, {}),
                ({"types": ("image/*",)}, {"types": ("image/png", "text/csv")}),
                ({"types": ("image/png",)}, {"types": ("image/*",)}),
            )
        ),
    ],
)
def test_a_link_beyond_any_one_limit_has_one_fault(limits: LinkLimits, link: Grant) -> None:
    """Each limit is checked by itself, and a limit that a link leaves open counts as passed."""
    assert 1 == len(list(limits.faults(link)))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"action": Action.WRITE}, "is not about write"),
        ({"key": "payroll/a.pdf"}, "covers other names"),
        ({"bucket": "other"}, "covers other names"),
        ({}, None),
    ],
)
def test_a_rule_says_why_it_is_not_about_an_attempt(change: dict[str, object], why: str | None) -> None:
    """Action first, then place; None means that it applies."""
    assert why == _RULE.mismatch(replace(_ATTEMPT, **change), None)  # type: ignore[arg-type]


def test_what_applies_and_what_mismatches_are_opposites() -> None:
    """For a place that the rule covers, `applies` is exactly "no mismatch"."""
    rules = [
        _RULE,
        replace(_RULE, networks=(ip_network("10.0.0.0/8"),)),
        replace(_RULE, networks=(ip_network("192.168.0.0/16"),)),
        replace(_RULE, max_size=10),
        replace(_RULE, signatures=frozenset({"v2"})),
        *(
            replace(_RULE, condition=_Says(answer), effect=effect)
            for answer in (True, False, None)
            for effect in Effect
        ),
    ]
    changes = ({}, {"size": 11}, {"peer": None}, {"action": None}, {"signature": "v4"})
    attempts = [replace(_ATTEMPT, **change) for change in changes]  # type: ignore[arg-type]
    for rule in rules:
        for attempt in attempts:
            applies = rule.beside(attempt) is None and rule.unmet(attempt, None) is None
            assert (rule.mismatch(attempt, None) is None) == applies
            assert rule.conditional or rule.unmet(attempt, None) is None


@pytest.mark.parametrize(
    ("effect", "signed", "applies"),
    [
        (Effect.ALLOW, "v4", True),
        (Effect.ALLOW, "v2", False),
        (Effect.ALLOW, None, True),
        (Effect.DENY, "v4", True),
        (Effect.DENY, "v2", False),
        (Effect.DENY, None, False),
    ],
)
def test_a_rule_for_one_version_of_signatures_is_for_no_other(effect: Effect, signed: Any, applies: bool) -> None:
    """What signs nothing is let be by an allow rule and not meant by a deny rule."""
    rule = replace(_RULE, effect=effect, signatures=frozenset({"v4"}))
    told = rule.unmet(replace(_ATTEMPT, signature=signed), None)
    assert (None if applies else "is for requests signed with v4") == told
    assert None is replace(rule, signatures=frozenset()).unmet(replace(_ATTEMPT, signature=signed), None)


@pytest.mark.parametrize(("answer", "effect", "applies"), [
    (True, Effect.ALLOW, True), (False, Effect.ALLOW, False), (None, Effect.ALLOW, False),
    (True, Effect.DENY, True), (False, Effect.DENY, False), (None, Effect.DENY, True),
])  # fmt: skip
def test_a_condition_that_cannot_be_evaluated_never_allows_and_always_denies(
    answer: bool | None, effect: Effect, applies: bool
) -> None:
    """An unknown answer falls to the safe side of the rule it stands in."""
    assert applies == (replace(_RULE, condition=_Says(answer), effect=effect).unmet(_ATTEMPT, None) is None)


def test_a_deny_rule_stands_against_a_listing_that_could_show_what_it_denies() -> None:
    """Listing a folder above, or a part of a name, touches the denied folder; a sibling does not."""
    deny = replace(_RULE, effect=Effect.DENY)
    listing = replace(_ATTEMPT, action=Action.LIST)
    covered = {prefix: deny.covers(replace(listing, key=prefix)) for prefix in ("", "bill", "billing/", "payroll/")}
    assert {"": True, "bill": True, "billing/": True, "payroll/": False} == covered


_KEY = Grant(
    id="k_1",
    kind=GrantKind.KEY,
    hash=SecretHash(b"k"),
    owner=Principal("app", "billing"),
    issued_at=1000.0,
    expires_at=2000.0,
    narrowed=(Narrowing(bucket="reports"),),
    uses=2,
    budget=100,
)


@pytest.mark.parametrize(
    ("limits", "key"),
    [
        (KeyLimits(max_expires=998.0), _KEY),
        (KeyLimits(max_expires=1e9), replace(_KEY, expires_at=None)),
        (KeyLimits(max_uses=1), _KEY),
        (KeyLimits(max_uses=9), replace(_KEY, uses=None)),
        (KeyLimits(max_bytes=99), _KEY),
        (KeyLimits(max_bytes=999), replace(_KEY, budget=None)),
        (KeyLimits(narrowed=True), replace(_KEY, narrowed=())),
        (KeyLimits(narrowed=True), replace(_KEY, narrowed=(Narrowing(actions=frozenset({Action.READ})),))),
    ],
)
def test_a_rule_counts_only_for_keys_within_its_limits(limits: KeyLimits, key: Grant) -> None:
    """Each limit is checked by itself, at every use; who comes without a key is not meant."""
    assert 1 == len(list(limits.faults(key)))
    rule = replace(_RULE, keys=limits)
    assert "is for other keys" in str(rule.mismatch(_ATTEMPT, key))
    assert rule.mismatch(_ATTEMPT, None) is None
    kept = replace(_RULE, keys=KeyLimits(max_expires=1000.0, max_uses=2, max_bytes=100, narrowed=True))
    assert kept.mismatch(_ATTEMPT, _KEY) is None
