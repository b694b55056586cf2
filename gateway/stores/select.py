"""Owns which stored grants a list's filter and a revocation mean: in Python and, condition for condition, in SQL.

Refuses to own connections; `place` puts a value into a statement and returns its placeholder.

Law: both languages say the same, and the contract suite asks every engine the same questions. Names are compared by
code point, from the start; nothing is folded.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Final, assert_never

from gateway.core.attempt import Principal
from gateway.core.grant import Grant, GrantFilter, GrantKind, GrantState
from gateway.core.intake import FILES
from gateway.core.lease import Usage, state_with
from gateway.core.narrowing import Narrowing
from gateway.core.request import Action
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.stores.codec import GRANT_COLUMNS
from gateway.stores.lists import SHELVES, Count, Look, Read, after

IDEMPOTENCY_WINDOW: Final = 86400.0
"""Seconds for which the text of an `Idempotency-Key` is remembered."""

Place = Callable[[object], str]
_UNREVOKED: Final = "g.revoked_at IS NULL"

_PLACES: Final = {
    "?": (
        "json_each(g.document, '$.narrowed') AS n",
        "json_extract(n.value, '$[0]')",
        "json_extract(n.value, '$[1]')",
        "json_each(n.value, '$[2]') AS k",
        "k.value",
    ),
    "$": (
        "json_array_elements(g.document::json -> 'narrowed') AS n (value)",
        "n.value ->> 0",
        "n.value ->> 1",
        "json_array_elements_text(n.value -> 2) AS k (value)",
        "k.value",
    ),
}
"""How the places of a key are read from its document, by the mark of the engine's values: the places themselves, the
bucket and the prefix of one, its names, and one name."""

_INTAKE: Final = {
    "?": (
        "json_extract(g.document, '$.actions')",
        "json_extract(g.document, '$.intake.max_files')",
        "json_extract(g.document, '$.intake.total_bytes')",
    ),
    "$": (
        "g.document::json ->> 'actions'",
        "(g.document::json #>> '{intake,max_files}')::bigint",
        "(g.document::json #>> '{intake,total_bytes}')::bigint",
    ),
}
"""In the same way, what a link does, and how many files and bytes it may receive."""


def placing(mark: str, values: list[object]) -> Place:
    """A `place` that adds to `values` and returns `mark` with the value's number, like `?1` or `$1`."""

    def place(value: object) -> str:
        values.append(value)
        return f"{mark}{len(values)}"

    return place


def wants(wanted: GrantFilter, grant: Grant, usage: Usage, received: Usage) -> bool:
    """Whether the list shows this grant; `received` are the files that came in through it."""
    return (
        (wanted.kind is None or grant.kind is wanted.kind)
        and (wanted.owner is None or grant.owner == wanted.owner)
        and _is_there(wanted, grant)
        and _is_shown(wanted, grant)
        and (wanted.label is None or grant.label == wanted.label)
        and (wanted.state is None or state_with(grant, usage, received, wanted.now) is wanted.state)
        and (wanted.ends_before is None or _ends_between(grant, wanted.now, wanted.ends_before))
    )


def _is_shown(wanted: GrantFilter, grant: Grant) -> bool:
    """Whether it exists for whoever the list is for."""
    if wanted.shown_to is None or grant.owner == wanted.shown_to:
        return True
    return grant.rule in wanted.approves and grant.state(wanted.now) is GrantState.AWAITING_APPROVAL


def _is_there(wanted: GrantFilter, grant: Grant) -> bool:
    """Whether a link's scope, or one place of a key, is in the bucket and inside the prefix that are wanted."""
    if wanted.bucket is None and wanted.prefix is None:
        return True
    scope = grant.scope
    if scope is None:
        return any(_is_inside(part, wanted.bucket, wanted.prefix) for part in grant.narrowed)
    return wanted.bucket in {None, scope.bucket} and scope.root.startswith(wanted.prefix or "")


def _is_inside(part: Narrowing, bucket: str | None, prefix: str | None) -> bool:
    """A place that is wherever its app may is inside nothing; of several names, one is enough."""
    if part.bucket is None or bucket not in {None, part.bucket}:
        return False
    return any(name.startswith(prefix or "") for name in (part.keys or {part.prefix}))


def _ends_between(grant: Grant, now: float, then: float) -> bool:
    return grant.revoked_at is None and grant.expires_at is not None and now < grant.expires_at <= then


def lapsed_session(grant: Grant, before: float) -> bool:
    """Whether it is a short-lived key that ended before: apps fetch one after the other."""
    return grant.session_hash is not None and grant.expires_at is not None and grant.expires_at < before


def ended_before(grant: Grant, before: float) -> bool:
    """Whether it ended by itself before this instant: its time was over, or nobody approved of it in its time."""
    ends = (grant.expires_at, None if grant.waiting is None else grant.waiting.until)
    return any(end is not None and end < before for end in ends)


def read_sql(mark: str, tables: str, asked: Read) -> tuple[str, list[object]]:
    """The statement for the serials of a range, one a row or as one array, with its values; names of tables begin with
    `tables`."""
    values: list[object] = []
    statement = _range_sql(mark, tables, asked, placing(mark, values))
    return f"SELECT ARRAY({statement})" if mark == "$" else statement, values


def sizes_sql(mark: str, tables: str, asked: Count) -> tuple[str, list[object]]:
    """The statement for the numbers of entries of several ranges, a column each, with its values."""
    values: list[object] = []
    place = placing(mark, values)
    parts = (_range_sql(mark, tables, read, place) for read in asked.reads)
    return f"SELECT {', '.join(f'(SELECT count(*) FROM ({part}) AS s)' for part in parts)}", values  # noqa: S608


def _range_sql(mark: str, tables: str, asked: Read, place: Place) -> str:
    shelf, part = SHELVES[asked.range.shelf], asked.range
    conditions = [f"{column} = {place(value)}" for column, value in zip(shelf.columns, part.values, strict=True)]
    conditions += [shelf.where] if shelf.where else []
    if shelf.ranged:
        above, upto = (">=", "<") if isinstance(part.low, str) else (">", "<=")
        conditions += [] if part.low is None else [f"{shelf.ranged} {above} {place(part.low)}"]
        conditions += [] if part.high is None else [f"{shelf.ranged} {upto} {place(part.high)}"]
        order = f"{shelf.ranged}, serial"
    else:
        conditions += [] if asked.below is None else [f"serial < {place(asked.below)}"]
        order = "serial DESC"
    # PostgreSQL takes the index because of the order; SQLite is told.
    told = f" INDEXED BY {tables}grants_{part.shelf}" if mark == "?" else ""
    statement = f"SELECT serial FROM {tables}grants{told} WHERE {' AND '.join(conditions)} ORDER BY {order}"  # noqa: S608
    return f"{statement} LIMIT {asked.most:d}"


def look_sql(mark: str, tables: str, wanted: GrantFilter, asked: Look) -> tuple[str, list[object]]:
    """The statement for those of some grants that a list shows, with its values."""
    values: list[object] = [list(asked.serials) if mark == "$" else json.dumps(asked.serials)]
    # Each is found by its serial: else both would walk through all that one of the conditions has an index of. SQLite
    # is told so; for PostgreSQL an `OFFSET` is a fence that no condition gets behind.
    among = {
        "?": f"json_each(?1) AS s CROSS JOIN {tables}grants AS g INDEXED BY sqlite_autoindex_grants_1 "
        "ON g.serial = s.value",
        "$": "unnest($1::bigint[]) AS s (value) CROSS JOIN LATERAL "  # noqa: S608 (fixed names)
        f"(SELECT * FROM {tables}grants WHERE serial = s.value OFFSET 0) AS g",
    }[mark]
    conditions = _filter_sql(mark, tables, wanted, placing(mark, values))
    where = " AND ".join(f"({condition})" for condition in conditions) or "TRUE"
    statement = (
        f"SELECT {GRANT_COLUMNS} FROM {among} LEFT JOIN {tables}usage AS u ON u.grant_id = g.id "  # noqa: S608
        f"WHERE {where} ORDER BY g.serial DESC LIMIT {asked.most:d}"
    )
    return statement, values


def waiting_sql(mark: str, tables: str, now: float) -> tuple[str, list[object]]:
    """The statement that counts what waits for an approval, with its values."""
    values: list[object] = []
    which = _state_sql(GrantState.AWAITING_APPROVAL, now, placing(mark, values))
    return f"SELECT count(*) FROM {tables}grants AS g WHERE {which}", values  # noqa: S608 (placeholders)


def count_sql(mark: str, tables: str, target: RevocationTarget) -> tuple[str, list[object]]:
    """The statement that counts what a revocation would mark, with its values."""
    values: list[object] = []
    which = target_sql(target, placing(mark, values))
    return f"SELECT count(*) FROM {tables}grants AS g WHERE {which}", values  # noqa: S608 (placeholders)


def _filter_sql(mark: str, tables: str, wanted: GrantFilter, place: Place) -> list[str]:
    """The conditions of `wants`, over `grants AS g LEFT JOIN usage AS u`."""
    found = []
    if wanted.kind is not None:
        found.append(f"g.kind = {place(str(wanted.kind))}")
    if wanted.owner is not None:
        found.append(f"g.owner = {place(str(wanted.owner))}")
    if wanted.bucket is not None or wanted.prefix is not None:
        found.append(_place_sql(mark, wanted, place))
    if wanted.label is not None:
        found.append(f"g.label = {place(wanted.label)}")
    if wanted.state is not None:
        condition = _state_sql(wanted.state, wanted.now, place)
        if wanted.state in {GrantState.ACTIVE, GrantState.USED_UP}:
            spent = f"({_SPENT} OR {_full_sql(mark, tables)})"
            condition += f" AND {spent}" if wanted.state is GrantState.USED_UP else f" AND NOT {spent}"
        found.append(condition)
    if wanted.shown_to is not None:
        found.append(_shown_sql(wanted, wanted.shown_to, place))
    if wanted.ends_before is not None:
        found.append(
            f"{_UNREVOKED} AND g.expires_at > {place(wanted.now)} AND g.expires_at <= {place(wanted.ends_before)}"
        )
    return found


def _shown_sql(wanted: GrantFilter, who: Principal, place: Place) -> str:
    """The condition of `_is_shown`."""
    own = f"g.owner = {place(str(who))}"
    if not wanted.approves:
        return own
    waits = _state_sql(GrantState.AWAITING_APPROVAL, wanted.now, place)
    rules = ", ".join(place(rule) for rule in sorted(wanted.approves))
    return f"{own} OR ({waits} AND g.rule IN ({rules}))"


def _place_sql(mark: str, wanted: GrantFilter, place: Place) -> str:
    """The condition of `_is_there`. Only a list of both kinds looks at both: a list of links needs its index."""
    scope = []
    if wanted.kind is not GrantKind.KEY:
        if wanted.bucket is not None:
            scope.append(f"g.bucket = {place(wanted.bucket)}")
        if wanted.prefix is not None:
            scope.append(_starts(wanted.prefix, place))
    if wanted.kind is GrantKind.LINK:
        return " AND ".join(scope)
    places, bucket, prefix, names, name = _PLACES[mark]
    inside = [f"{bucket} IS NOT NULL" if wanted.bucket is None else f"{bucket} = {place(wanted.bucket)}"]
    if wanted.prefix:
        begins = f"substr({{}}, 1, {len(wanted.prefix)}) = {place(wanted.prefix)}"
        named = f"SELECT 1 FROM {names} WHERE {begins.format(name)}"  # noqa: S608 (fixed names, placeholders)
        inside.append(f"({begins.format(prefix)} OR EXISTS ({named}))")
    held = f"EXISTS (SELECT 1 FROM {places} WHERE {' AND '.join(inside)})"  # noqa: S608
    return f"({' AND '.join(scope)}) OR {held}" if scope else held


def _starts(prefix: str, place: Place) -> str:
    # An empty prefix means every scope, and no key: a key has no root at all.
    end = after(prefix)
    begins = f"g.root >= {place(prefix)}"
    return begins if end is None else f"{begins} AND g.root < {place(end)}"


_SPENT: Final = "COALESCE(COALESCE(u.uses, 0) >= g.uses OR COALESCE(u.moved, 0) >= g.budget, FALSE)"
"""A comparison with a limit that is not there is unknown, and unknown is not spent."""


def _full_sql(mark: str, tables: str) -> str:
    """That a link which only takes files has all that it may receive."""
    actions, most, total = _INTAKE[mark]
    return (
        f"EXISTS (SELECT 1 FROM {tables}usage AS f WHERE f.grant_id = g.id || '{FILES}' "  # noqa: S608 (fixed texts)
        f"AND {actions} = '[\"{Action.WRITE}\"]' AND (f.uses >= {most} OR f.moved >= {total}))"
    )


def _state_sql(state: GrantState, now: float, place: Place) -> str:
    """The condition of a state as far as no counter is needed for it."""
    if state is GrantState.REVOKED:
        return "g.revoked_at IS NOT NULL"
    expires = place(now)
    if state is GrantState.EXPIRED:
        return f"{_UNREVOKED} AND (g.expires_at <= {expires} OR g.waiting_until <= {expires})"
    usable = f"{_UNREVOKED} AND (g.expires_at IS NULL OR g.expires_at > {expires})"
    if state is GrantState.AWAITING_APPROVAL:
        return f"{usable} AND g.suspended_at IS NULL AND g.waiting_until > {expires}"
    if state is GrantState.SUSPENDED:
        return f"{usable} AND g.suspended_at IS NOT NULL AND (g.waiting_until IS NULL OR g.waiting_until > {expires})"
    usable = f"{usable} AND g.suspended_at IS NULL AND g.waiting_until IS NULL"
    begins = place(now)
    if state is GrantState.PENDING:
        return f"{usable} AND g.not_before > {begins}"
    return f"{usable} AND (g.not_before IS NULL OR g.not_before <= {begins})"


def hit(grant: Grant, target: RevocationTarget) -> bool:
    """Whether the revocation ends this whole grant. A backend's ends uses only: no grant alone tells its backend."""
    match target.kind:
        case FeedKind.LINK:
            return grant.kind is GrantKind.LINK and grant.id == target.name
        case FeedKind.KEY:
            return grant.kind is GrantKind.KEY and grant.id == target.name
        case FeedKind.OWNER:
            return str(grant.owner) == target.name
        case FeedKind.POLICY:
            return grant.rule == target.name
        case FeedKind.PREFIX:
            scope = grant.scope
            return scope is not None and scope.bucket == target.name and scope.root.startswith(target.prefix)
        case FeedKind.BACKEND | FeedKind.ISSUED | FeedKind.CHANGED:
            return False
        case _:
            assert_never(target.kind)


def target_sql(target: RevocationTarget, place: Place) -> str:
    """The condition of `hit` among the grants that are not revoked yet."""
    return f"{_UNREVOKED} AND {_hit_sql(target, place)}"


def _hit_sql(target: RevocationTarget, place: Place) -> str:
    match target.kind:
        case FeedKind.LINK | FeedKind.KEY:
            return f"g.id = {place(target.name)} AND g.kind = '{target.kind}'"
        case FeedKind.OWNER:
            return f"g.owner = {place(target.name)}"
        case FeedKind.POLICY:
            return f"g.rule = {place(target.name)}"
        case FeedKind.PREFIX:
            return f"g.bucket = {place(target.name)} AND {_starts(target.prefix, place)}"
        case FeedKind.BACKEND | FeedKind.ISSUED | FeedKind.CHANGED:
            return "FALSE"
        case _:
            assert_never(target.kind)
