"""Filters and targets say the same in Python and in SQL: compared here on SQLite, elsewhere by contract."""

from __future__ import annotations

import sqlite3
from contextlib import closing

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.approval import Waiting
from gateway.core.attempt import Principal
from gateway.core.grant import Grant, GrantFilter, GrantKind, GrantState, Scope
from gateway.core.grant_codec import document_of
from gateway.core.intake import Intake
from gateway.core.lease import UNUSED, Usage, state_with
from gateway.core.narrowing import Narrowing
from gateway.core.request import Action
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.stores.select import _filter_sql, hit, lapsed_session, placing, target_sql, wants
from tests.contract.sample import NOW, key, link

NAMES = st.sampled_from(["a", "a/", "a/b", "a/b/", "A/", "a_", "%", "ä/", "ä", "", "b/"])
INSTANTS = st.one_of(st.none(), st.sampled_from([NOW - 1, NOW, NOW + 1]))
SCOPES = st.one_of(
    st.builds(lambda name: Scope("reports", key=name or "x"), NAMES),
    st.builds(lambda name: Scope("archive", prefix=name if name.endswith("/") else ""), NAMES),
)
COMMON = {
    "owner": st.sampled_from([Principal("app", "a"), Principal("app", "b")]),
    "rule": st.one_of(st.none(), NAMES),
    "label": st.one_of(st.none(), NAMES),
    "expires_at": INSTANTS,
    "not_before": INSTANTS,
    "revoked_at": INSTANTS,
    "suspended_at": INSTANTS,
    "waiting": st.one_of(st.none(), INSTANTS.filter(bool).map(lambda until: Waiting(NOW - 2, until, ()))),
    "uses": st.one_of(st.none(), st.integers(0, 2)),
    "budget": st.one_of(st.none(), st.integers(0, 2)),
}
PLACES = st.one_of(
    st.builds(Narrowing, actions=st.just(frozenset({Action.READ}))),
    st.builds(Narrowing, bucket=st.just("reports"), prefix=NAMES.map(lambda name: name if name.endswith("/") else "")),
    st.builds(Narrowing, bucket=st.just("archive"), keys=st.frozensets(NAMES.filter(bool), min_size=1, max_size=2)),
)
NARROWED = st.lists(PLACES, max_size=3).map(tuple)
INTAKES = st.builds(
    Intake, max_files=st.one_of(st.none(), st.integers(1, 2)), total_bytes=st.one_of(st.none(), st.integers(1, 2))
)
ACTIONS = st.sampled_from([frozenset({Action.WRITE}), frozenset({Action.READ, Action.WRITE})])
GRANTS = st.one_of(
    st.builds(link, st.just("l_1"), scope=SCOPES, intake=INTAKES, actions=ACTIONS, **COMMON),
    st.builds(key, st.just("k_1"), narrowed=NARROWED, **COMMON),
)
USAGES = st.one_of(st.none(), st.builds(Usage, st.integers(0, 2), st.integers(0, 2)))
FILTERS = st.builds(
    GrantFilter,
    now=st.just(NOW),
    kind=st.one_of(st.none(), st.sampled_from(GrantKind)),
    owner=st.one_of(st.none(), COMMON["owner"]),
    bucket=st.one_of(st.none(), st.sampled_from(["reports", "archive"])),
    prefix=st.one_of(st.none(), NAMES),
    label=st.one_of(st.none(), NAMES),
    state=st.one_of(st.none(), st.sampled_from(GrantState)),
    shown_to=st.one_of(st.none(), COMMON["owner"]),
    approves=st.frozensets(NAMES, max_size=2),
    ends_before=INSTANTS,
)
TARGETS = st.one_of(
    st.builds(RevocationTarget, st.sampled_from([FeedKind.LINK, FeedKind.KEY]), st.sampled_from(["l_1", "k_1"])),
    st.builds(RevocationTarget, st.just(FeedKind.OWNER), st.sampled_from(["app:a", "app:c"])),
    st.builds(RevocationTarget, st.just(FeedKind.POLICY), NAMES),
    st.builds(RevocationTarget, st.just(FeedKind.BACKEND), NAMES),
    st.builds(RevocationTarget, st.just(FeedKind.PREFIX), st.sampled_from(["reports", "archive"]), NAMES),
)


def answer(
    grant: Grant, usage: Usage | None, conditions: list[str], values: list[object], received: Usage | None = None
) -> bool:
    """Ask SQLite about one grant."""
    where = " AND ".join(f"({condition})" for condition in conditions) or "TRUE"
    scope = grant.scope
    columns = "id kind owner bucket root label rule expires_at not_before revoked_at uses budget suspended_at"
    columns += " waiting_until document"
    row = [
        grant.id,
        str(grant.kind),
        str(grant.owner),
        scope and scope.bucket,
        None if scope is None else scope.root,
        grant.label,
        grant.rule,
        grant.expires_at,
        grant.not_before,
        grant.revoked_at,
        grant.uses,
        grant.budget,
        grant.suspended_at,
        grant.waiting and grant.waiting.until,
        document_of(grant),
    ]
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(f"CREATE TABLE grants ({', '.join(columns.split())})")
        connection.execute("CREATE TABLE usage (grant_id, uses, moved)")
        connection.execute(f"INSERT INTO grants VALUES ({', '.join('?' * len(row))})", row)
        for counter, counted in ((grant.id, usage), (grant.intake_id, received)):
            if counted is not None:
                connection.execute("INSERT INTO usage VALUES (?, ?, ?)", (counter, counted.uses, counted.moved))
        found = connection.execute(
            f"SELECT 1 FROM grants AS g LEFT JOIN usage AS u ON u.grant_id = g.id WHERE {where}", values
        )
        return found.fetchone() is not None


@given(GRANTS, USAGES, USAGES, FILTERS)
def test_both_tongues_filter_alike(
    grant: Grant, usage: Usage | None, received: Usage | None, wanted: GrantFilter
) -> None:
    """A filter shows the same grants in Python and in SQL."""
    values: list[object] = []
    place = placing("?", values)
    conditions = _filter_sql("?", "", wanted, place)
    expected = wants(wanted, grant, usage or UNUSED, received or UNUSED)
    assert expected == answer(grant, usage, conditions, values, received)


@given(GRANTS, TARGETS)
def test_both_tongues_revoke_alike(grant: Grant, target: RevocationTarget) -> None:
    """A revocation ends the same grants in Python and in SQL."""
    values: list[object] = []
    place = placing("?", values)
    condition = target_sql(target, place)
    expected = hit(grant, target) and grant.revoked_at is None
    assert expected == answer(grant, None, [condition], values)


@given(GRANTS, USAGES, USAGES)
def test_a_grant_is_in_one_state(grant: Grant, usage: Usage | None, received: Usage | None) -> None:
    """Exactly one state's filter shows a grant."""
    used, came = usage or UNUSED, received or UNUSED
    states = [state for state in GrantState if wants(GrantFilter(now=NOW, state=state), grant, used, came)]
    assert states == [state_with(grant, used, came, NOW)]


def test_only_short_lived_keys_lapse() -> None:
    """A key without a session is kept however long it has been expired."""
    session = link().hash
    assert lapsed_session(key(session_hash=session, expires_at=NOW - 1), NOW)
    assert not lapsed_session(key(session_hash=session, expires_at=NOW), NOW)
    assert not lapsed_session(key(session_hash=session), NOW)
    assert not lapsed_session(key(expires_at=NOW - 1), NOW)
