"""What a key is held to covers, and nothing else: the property over random places, with a control."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.attempt import Attempt, Principal
from gateway.core.grant import Grant, GrantKind
from gateway.core.narrowing import Narrowing
from gateway.core.pattern import NamePattern, PathPattern
from gateway.core.policy import Policy, decide
from gateway.core.reasons import Refused
from gateway.core.request import ACTION_OF, Action, Operation
from gateway.core.route import Backend, Bucket
from gateway.core.rule import Rule
from gateway.core.token import hash_secret

APP = Principal("app", "billing")
_BUCKETS = ("reports", "reports2", "drafts")
_names = st.lists(st.sampled_from(("a", "b", "a-old", "%2e", "é", "A")), min_size=1, max_size=3).map("/".join)
_folders = st.one_of(st.just(""), _names.map(lambda name: f"{name}/"))
_actions = st.frozensets(st.sampled_from((Action.READ, Action.LIST, Action.WRITE, Action.DELETE)))
_narrowings = st.one_of(
    st.builds(Narrowing, actions=_actions),
    st.builds(Narrowing, bucket=st.sampled_from(_BUCKETS), prefix=_folders, actions=_actions),
    st.builds(
        Narrowing,
        bucket=st.sampled_from(_BUCKETS),
        keys=st.frozensets(_names, min_size=1, max_size=3),
        actions=_actions,
    ),
)
_requests = st.builds(
    lambda operation, bucket, name, tail: Attempt(
        principal=APP,
        operation=operation,
        action=ACTION_OF[operation],
        bucket=bucket,
        key=name + tail,
        peer=None,
        now=1.0,
    ),
    st.sampled_from([one for one in Operation if one not in {Operation.LIST_BUCKETS, Operation.PREFLIGHT}]),
    st.sampled_from(_BUCKETS),
    st.one_of(st.just(""), _names),
    st.sampled_from(("", "/", "-old", "/x")),
)


def _policy(*rules: Rule) -> Policy:
    return Policy(
        backends={"lab": Backend("lab")}, buckets={name: Bucket(name, "lab", name) for name in _BUCKETS}, rules=rules
    )


def _rule(on: str, *may: Action) -> Rule:
    patterns = (PathPattern.parse(on),)
    return Rule(name=on, who=(NamePattern.parse("app:*"),), may=frozenset(may or Action), on=patterns)


_ALL = _policy(_rule("**"))
_SOME = _policy(_rule("reports/a/**"), _rule("reports2/**", Action.READ, Action.LIST))


def _key(*narrowed: Narrowing) -> Grant:
    return Grant(
        id="k_1", kind=GrantKind.KEY, hash=hash_secret("x"), owner=APP, issued_at=0.0, narrowed=tuple(narrowed)
    )


def _allowed(policy: Policy, grant: Grant, attempt: Attempt) -> bool:
    try:
        decide(policy, grant, attempt)
    except Refused:
        return False
    return True


def _inside(narrowed: list[Narrowing], attempt: Attempt) -> bool:
    """The law once more, in other words: by the names that a request could show or touch."""
    for part in narrowed:
        if part.bucket not in {None, attempt.bucket}:
            continue
        if attempt.action is None:
            return True
        if part.actions and attempt.action not in part.actions:
            continue
        touched = [attempt.key + more for more in ("", "x", "-old/x", "/x")] if attempt.action is Action.LIST else []
        touched = touched or [attempt.key]
        if part.keys and all(name in part.keys for name in touched):
            return True
        if not part.keys and all(name[: len(part.prefix)] == part.prefix for name in touched):
            return True
    return False


@given(st.lists(_narrowings, min_size=1, max_size=3), _requests)
def test_nothing_outside_is_ever_allowed_and_all_inside_is(narrowed: list[Narrowing], attempt: Attempt) -> None:
    """A key does exactly what its app may and what one part of its narrowing covers, for every operation there is."""
    for policy in (_ALL, _SOME):
        app_may = _allowed(policy, _key(), attempt)
        assert (app_may and _inside(narrowed, attempt)) == _allowed(policy, _key(*narrowed), attempt)


def test_a_careless_prefix_would_be_found() -> None:
    """Control: were a listing covered wherever the prefix begins like the folder, the law above would be broken."""
    part = Narrowing(bucket="reports", prefix="a/")
    listing = Attempt(
        principal=APP,
        operation=Operation.LIST_OBJECTS_V2,
        action=Action.LIST,
        bucket="reports",
        key="a",
        peer=None,
        now=1.0,
    )
    assert part.prefix.startswith(listing.key)  # the careless comparison says yes
    assert not _inside([part], listing)
    assert not _allowed(_ALL, _key(part), listing)


@pytest.mark.parametrize(
    "fields",
    [
        {"prefix": "a/"},
        {"keys": frozenset({"a"})},
        {"bucket": "reports", "prefix": "a"},
        {"bucket": "reports", "prefix": "a/", "keys": frozenset({"a/b"})},
        {"bucket": "reports", "keys": frozenset({""})},
    ],
)
def test_a_narrowing_that_exists_is_a_place(fields: dict[str, object]) -> None:
    """No prefix without its slash or its bucket, no empty key, never a prefix and keys."""
    with pytest.raises(ValueError):
        Narrowing(**fields)


def test_two_parts_are_never_put_together() -> None:
    """To read here and to write there is not to write here."""
    key = _key(
        Narrowing(bucket="reports", prefix="in/", actions=frozenset({Action.READ})),
        Narrowing(bucket="drafts", actions=frozenset({Action.WRITE})),
    )
    tried = {
        (operation, bucket): _allowed(
            _ALL,
            key,
            Attempt(
                principal=APP,
                operation=operation,
                action=ACTION_OF[operation],
                bucket=bucket,
                key="in/x",
                peer=None,
                now=1.0,
            ),
        )
        for operation in (Operation.GET_OBJECT, Operation.PUT_OBJECT)
        for bucket in ("reports", "drafts")
    }
    allowed = {(Operation.GET_OBJECT, "reports"), (Operation.PUT_OBJECT, "drafts")}
    assert {place: place in allowed for place in tried} == tried
