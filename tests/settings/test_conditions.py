"""Conditions: only a truth value counts, and an expression that cannot be evaluated never allows and always denies."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.attempt import Attempt, Principal
from gateway.core.grant import Grant, GrantKind, Scope
from gateway.core.pattern import NamePattern, PathPattern
from gateway.core.policy import Policy, decide
from gateway.core.reasons import Refused
from gateway.core.request import Action, Operation
from gateway.core.route import Backend, Bucket
from gateway.core.rule import Effect, Rule
from gateway.core.token import hash_secret
from gateway.settings import conditions
from gateway.settings.conditions import VARIABLES, CelCondition, ConditionFault, compile_condition

_SIZ = f"undeclared reference to 'siz'; the variables are {', '.join(sorted(VARIABLES))}"

READ = Attempt(
    principal=Principal("app", "billing"),
    operation=Operation.GET_OBJECT,
    action=Action.READ,
    bucket="reports",
    key="billing/a.csv",
    peer=ip_address("10.1.2.3"),
    now=datetime(2031, 3, 8, 22, 30, tzinfo=UTC).timestamp(),
)
WRITE = replace(READ, operation=Operation.PUT_OBJECT, action=Action.WRITE, size=1000)
LINK = Grant(
    id="l_1",
    kind=GrantKind.LINK,
    hash=hash_secret("x"),
    owner=Principal("app", "owner"),
    issued_at=0.0,
    scope=Scope("reports", key="billing/a.csv"),
    actions=frozenset({Action.READ}),
)


def compiled(text: str) -> CelCondition:
    condition = compile_condition(text)
    assert isinstance(condition, CelCondition)
    return condition


def fault(text: str) -> ConditionFault:
    found = compile_condition(text)
    assert isinstance(found, ConditionFault)
    return found


@pytest.mark.parametrize(
    ("text", "held"),
    [
        ('principal == "app:billing" && owner == principal', True),
        ('action == "read" && operation == "GetObject"', True),
        ('bucket == "reports" && key.endsWith(".csv")', True),
        ('key.matches("^[a-z]+/")', True),
        ('peer.startsWith("10.1.")', True),
        ("size == 0", True),
        ('now > timestamp("2031-01-01T00:00:00Z")', True),
        ("now.getHours() == 22 && now.getDayOfWeek() == 6", True),
        ('now.getHours("Europe/Berlin") == now.getHours()', False),
        ("false", False),
        ('key in ["a", "b"]', False),
        ("size > 0 || true", True),
    ],
)
def test_every_variable_can_be_asked(text: str, held: bool) -> None:
    """An expression sees the attempt as the decision sees it."""
    assert held is compiled(text).holds(READ, None)


def test_a_link_has_an_owner_beside_its_principal() -> None:
    """`owner` is whose link it is; without a link it is the principal itself."""
    used = replace(READ, principal=LINK.principal)
    assert True is compiled('owner == "app:owner" && principal == "link:l_1"').holds(used, LINK)
    assert True is compiled("owner == principal").holds(READ, None)


def test_a_unix_socket_has_no_address() -> None:
    """Its peer is an empty text, and no pattern of networks matches it by mistake."""
    assert True is compiled('peer == ""').holds(replace(READ, peer=None), None)


@pytest.mark.parametrize(
    "text",
    [
        "size / 0 == 1",
        "int(key) > 3",
        "[1][5] == 1",
        "timestamp(key) < now",
        '{"a": 1}[key] == 1',
    ],
)
def test_an_error_is_never_true(text: str) -> None:
    """The engine's error values are true to Python; asked as conditions they are None."""
    condition = compiled(text)
    raw = condition._expression.eval(data=conditions._collect_values(READ, None))
    assert "ERROR" == raw.type().name()
    assert raw.value(), "an error value that were false would make this test prove nothing"
    assert None is condition.holds(READ, None)


def test_the_size_of_a_write_without_a_length_is_unknown() -> None:
    """Zero would let an endless upload pass `size < 1000`; a read has no body and its size is zero."""
    condition = compiled("size < 1001")
    assert True is condition.holds(WRITE, None)
    assert None is condition.holds(replace(WRITE, size=None), None)
    assert True is condition.holds(READ, None)


def _policy(effect: Effect, text: str) -> Policy:
    place: dict[str, Any] = {
        "who": (NamePattern.parse("*"),),
        "may": frozenset(Action),
        "on": (PathPattern.parse("**"),),
    }
    conditional = Rule(name="conditional", effect=effect, condition=compiled(text), **place)
    always = (Rule(name="always", **place),) if effect is Effect.DENY else ()
    return Policy(
        backends={"near": Backend("near")},
        buckets={"reports": Bucket("reports", "near", "acme")},
        rules=(conditional, *always),
    )


@pytest.mark.parametrize(
    ("effect", "text", "allowed"),
    [
        (Effect.ALLOW, "true", True),
        (Effect.ALLOW, "false", False),
        (Effect.ALLOW, "size / 0 == 1", False),
        (Effect.DENY, "true", False),
        (Effect.DENY, "false", True),
        (Effect.DENY, "size / 0 == 1", False),
    ],
)
def test_a_condition_that_fails_never_allows_and_always_denies(effect: Effect, text: str, allowed: bool) -> None:
    """Whichever way round the rule is written, an error ends in a no."""
    policy = _policy(effect, text)
    if allowed:
        assert "reports" == decide(policy, None, READ).bucket.name
    else:
        with pytest.raises(Refused):
            decide(policy, None, READ)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("siz < 3", ConditionFault(_SIZ, 1, 1)),
        ('key == "a" && siz < 3', ConditionFault(_SIZ, 1, 15)),
        ("true &&\n  siz < 3", ConditionFault(_SIZ, 2, 3)),
        ("key == 1", ConditionFault("found no matching overload for '_==_' applied to '(string, int)'", 1, 5)),
        ("size", ConditionFault("must be true or false, but it is of type int")),
        ("dyn(true)", ConditionFault("must be true or false, but it is of type dyn")),
        ('key.matches("[")', ConditionFault("has an invalid regular expression")),
        (
            'now.getHours("Europe/Berlln") >= 18',
            ConditionFault("names a time zone that this host does not know: write one like Europe/Berlin"),
        ),
        ("true " + "|| true " * 1000, ConditionFault("is longer than 4096 characters")),
    ],
)
def test_what_could_not_decide_is_found_when_it_is_loaded(text: str, expected: ConditionFault) -> None:
    """Unknown names, wrong types, and anything that is not a truth value."""
    assert expected == fault(text)


def test_a_syntax_error_has_its_place() -> None:
    """The engine's own words, at the column where it stopped."""
    found = fault("size <")
    assert (1, 7) == (found.line, found.column)
    assert found.text.startswith("Syntax error")


def test_the_readme_names_every_variable() -> None:
    """What an expression may name is closed."""
    assert {"principal", "owner", "action", "operation", "bucket", "key", "peer", "size", "now", "groups"} == set(
        VARIABLES
    )


@pytest.fixture
def without_the_engine(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    real = importlib.import_module

    def refuse(name: str, package: str | None = None) -> ModuleType:
        if name.startswith("cel_expr_python"):
            raise ImportError(name)
        return real(name, package)

    conditions._load_engine.cache_clear()
    monkeypatch.setattr(importlib, "import_module", refuse)
    yield
    conditions._load_engine.cache_clear()


@pytest.mark.usefixtures("without_the_engine")
def test_without_the_engine_a_condition_is_a_fault() -> None:
    """A condition is never skipped because nothing is there to judge it."""
    assert ConditionFault("needs the CEL engine, which is not installed: install gateway[cel]") == fault("true")


def test_the_text_stays_for_people() -> None:
    """`explain` and reviewers see what was written; the engine's object stays out of a repr."""
    condition = compiled("size < 5")
    assert "CelCondition(text='size < 5')" == repr(condition)


@given(st.text(max_size=40))
def test_no_text_gives_anything_but_a_condition_or_a_fault(text: str) -> None:
    """Whatever is written, loading it ends in one or the other, and holding it in True, False or None."""
    found = compile_condition(text)
    if isinstance(found, CelCondition):
        assert found.holds(READ, None) in {True, False, None}
    else:
        assert found.text


@pytest.mark.parametrize(
    ("text", "groups", "held"),
    [
        ('"finance" in groups', ("finance", "ops"), True),
        ('"finance" in groups', (), False),
        ('groups.exists(g, g.startsWith("/teams/"))', ("/teams/a",), True),
        ("size(groups) == 0", (), True),
    ],
)
def test_groups_are_those_of_the_user_or_of_the_links_owner(text: str, groups: tuple[str, ...], held: bool) -> None:
    """With a link it is the link's groups that count, whatever else came."""
    condition = compiled(text)
    assert held is condition.holds(replace(READ, groups=groups), None)
    assert held is condition.holds(replace(READ, groups=("finance",)), replace(LINK, groups=groups))
