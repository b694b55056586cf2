"""Patterns, rules, session policies and lists of what is revoked."""

from __future__ import annotations

import json

from gateway.core.attempt import Attempt, Principal
from gateway.core.generations import Generations
from gateway.core.pattern import NamePattern, PathPattern, Wildcard
from gateway.core.policy import Policy, decide
from gateway.core.request import Action, Operation
from gateway.core.revocation_list import ListText
from gateway.core.route import Backend, Bucket
from gateway.core.rule import Rule
from gateway.core.session_policy_text import read_session_policy
from gateway.core.units import Rate, duration, end_instant, instant, size, whole_number
from tests.linear.case import Case, Thunk, collect
from tests.linear.inputs import DAY

CASES: list[Case] = []
case = collect(CASES)

PEOPLE = Principal("app", "billing")


@case("core.pattern:PathPattern", 250)
def stars_and_dashes(n: int) -> Thunk:
    pattern = PathPattern.parse("docs/*-*-*-*.pdf")
    return lambda: pattern.covers("docs", "-" * n)


@case("core.pattern:PathPattern core.pattern:NamePattern", 60)
def a_pattern_of_many_stars(n: int) -> Thunk:
    pattern, name = PathPattern.parse("docs/" + "*a" * n + "*b"), NamePattern.parse("app:" + "*a" * n + "*b")

    def run() -> None:
        pattern.covers("docs", "a" * 4 * n)
        pattern.covers_all_below("docs", "a/" * n)
        pattern.may_touch_below("docs", "a/" * n)
        name.matches("app:" + "a" * 4 * n)

    return run


@case("core.pattern:Wildcard", 60)
def a_wildcard_of_many_marks(n: int) -> Thunk:
    places, stars = Wildcard.parse("*?a" * 20 + "*b"), Wildcard.parse("*a" * n + "*b")

    def run() -> None:
        places.matches("a" * 16 * n)
        stars.matches("a" * 4 * n)

    return run


@case("core.session_policy_text:read_session_policy core.session_policy:SessionPolicy", 4)
def a_session_policy_of_many_statements(n: int) -> Thunk:
    one = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::docs/*?a*b"}
    policy = read_session_policy(json.dumps({"Version": "2012-10-17", "Statement": [one] * n}))
    attempt = Attempt(
        principal=PEOPLE, operation=Operation.GET_OBJECT, action=Action.READ, bucket="docs", key="a" * 900, peer=None,
        now=DAY,
    )  # fmt: skip

    def run() -> None:
        read_session_policy(policy.text)
        list(policy.objections(attempt))

    return run


def decided(rules: tuple[Rule, ...], key: str) -> None:
    place = {"backends": {"lab": Backend("lab")}, "buckets": {"docs": Bucket("docs", "lab", "real")}}
    policy = Policy(rules=rules, **place)
    attempt = Attempt(
        principal=PEOPLE, operation=Operation.GET_OBJECT, action=Action.READ, bucket="docs", key=key, peer=None, now=DAY
    )
    decide(policy, None, attempt)


@case("core.policy:Policy core.policy:decide", 60)
def a_decision_among_many_rules(n: int) -> Thunk:
    who, may = (NamePattern.parse("app:*"),), frozenset({Action.READ})
    rules = tuple(Rule(name=str(at), who=who, may=may, on=(PathPattern.parse(f"docs/{at}/*-*"),)) for at in range(n))
    last = Rule(name="last", who=who, may=may, on=(PathPattern.parse("docs/**"),))
    return lambda: decided((*rules, last), f"{n - 1}/{'-' * 99}/x")


@case("core.generations:Generations", 150)
def many_revoked_names(n: int) -> Thunk:
    known = Generations()

    def run() -> None:
        for number in range(n):
            known.put(f"l_{number}", number + 1)
            known.of(f"l_{number}")

    return run


@case("core.attempt:Principal", 1000)
def a_long_principal(n: int) -> Thunk:
    return lambda: Principal.parse("app:" + "a" * n)


@case(
    "core.units:duration core.units:size core.units:instant core.units:end_instant core.units:Rate "
    "core.units:whole_number",
    300,
)
def long_quantities(n: int) -> Thunk:
    texts = ["1" * n, "1m" * n + "x", "1.5h" * n + "x", "1/" + " " * n + "x", "1" + " " * n + "x", "2027-01-31" * n]

    def run() -> None:
        for text in texts:
            for read in (duration, size, Rate.parse, instant, end_instant, whole_number):
                try:
                    read(text)
                except (ValueError, OverflowError):
                    continue

    return run


@case("core.revocation_list:ListText", 100)
def a_list_of_many_entries(n: int) -> Thunk:
    entries = [{"kind": "link", "name": f"l_{number}"} for number in range(n)]
    text = ListText(json.dumps({"revocations": entries}, indent=1), "list", DAY)
    return lambda: list(text.entries())


@case("core.revocation_list:ListText", 100)
def a_list_of_many_faults(n: int) -> Thunk:
    faults = ",\n".join('{"kind": 1}' for _ in range(n)) + "],\n" + ",\n".join('"a": 1' for _ in range(n))
    text = ListText('{"revocations": [' + faults + "}", "list", DAY)
    return lambda: list(text.entries())
