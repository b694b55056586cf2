"""The law of a list's pages, for every engine: complete however they are found, and however far each of them looks."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from itertools import product

import pytest

from gateway.core.approval import Waiting
from gateway.core.attempt import Principal
from gateway.core.grant import Grant, GrantFilter, GrantKind, GrantState, Scope
from gateway.core.intake import Intake
from gateway.core.lease import UNUSED, Reservation, Usage
from gateway.core.narrowing import Narrowing
from gateway.core.request import Action
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.stores import lists
from gateway.stores.engine import Engine
from gateway.stores.select import wants
from tests.contract.sample import NOW, key, link

OWNERS = (Principal("app", "a"), Principal("user", "b-link"))
LABELS = (None, None, "one", "two:key", "ü")
ROOTS = ("", "a/", "a/b", "a/b/c", "a0", "b/\ud7ff", "b/\ue000", "ü/", "\U0010ffff/")
TIMES = (None, None, NOW - 1, NOW, NOW + 1, NOW + 2)


def some(draw: random.Random) -> Grant:
    common = {
        "owner": draw.choice(OWNERS),
        "label": draw.choice(LABELS),
        "rule": draw.choice((None, "one", "two")),
        "expires_at": draw.choice(TIMES),
        "not_before": draw.choice(TIMES),
        "suspended_at": draw.choice((None, None, None, NOW)),
        "waiting": draw.choice((None, None, Waiting(NOW - 5, NOW + 1, ()), Waiting(NOW - 5, NOW, ()))),
        "uses": draw.choice((None, 1, 2)),
    }
    if draw.random() < 0.2:
        places = (Narrowing(bucket=draw.choice(("reports", "archive")), prefix="a/"),)
        return key(narrowed=draw.choice(((), places)), **common | {"uses": None})
    root = draw.choice(ROOTS)
    name = {"key": root} if root and not root.endswith("/") else {"prefix": root}
    if draw.random() < 0.2:
        common |= {"actions": frozenset({Action.WRITE}), "intake": draw.choice((Intake(max_files=1), Intake(undo=9.0)))}
    return link(scope=Scope(draw.choice(("reports", "archive")), **name), **common)


def filters(draw: random.Random, count: int) -> Iterator[GrantFilter]:
    """Every single one, and so many of several fields."""
    fields = {
        "kind": list(GrantKind),
        "owner": list(OWNERS),
        "label": ["one", "two:key", "ü", "none"],
        "state": list(GrantState),
        "bucket": ["reports", "nowhere"],
        "prefix": ["", "a/", "a", "b/\ud7ff", "ü", "\U0010ffff"],
        "ends_before": [NOW, NOW + 1, NOW + 9],
        "shown_to": list(OWNERS),
        "approves": [frozenset({"one"})],
    }
    yield GrantFilter(now=NOW)
    for name, value in ((name, value) for name, values in fields.items() for value in values):
        yield GrantFilter(now=NOW, **{name: value})
    for kind, state in product(GrantKind, GrantState):
        yield GrantFilter(now=NOW, kind=kind, state=state)
    for _ in range(count):
        names = draw.sample(list(fields), draw.randint(2, 4))
        yield GrantFilter(now=NOW, **{name: draw.choice(fields[name]) for name in names})


async def fill(engine: Engine, draw: random.Random, count: int) -> list[tuple[Grant, Usage, Usage]]:
    """Grants that were made, edited, used, revoked and forgotten; those that are left, newest first."""
    made = [await engine.grants.create(some(draw)) for _ in range(count)]
    for grant in draw.sample(made, count // 4):
        other = some(draw)
        changes = {name: getattr(other, name) for name in ("owner", "label", "expires_at", "waiting", "suspended_at")}
        changes |= {"scope": other.scope} if grant.kind is other.kind is GrantKind.LINK else {}
        assert await engine.grants.save(replace(grant, **changes)) is not None
    for grant in draw.sample(made, count // 6):
        await engine.feed.revoke([RevocationTarget(FeedKind(grant.kind), grant.id)], NOW, "", "admin:ops")
    for grant in draw.sample(made, count // 6):
        for name in (grant.id, grant.intake_id):
            await engine.leases.open_lease(Reservation(name, "k"), None, NOW, 60)
    await engine.grants.prune_ended(NOW - 0.5)
    left = [grant for one in reversed(made) if (grant := await engine.grants.get(one.id)) is not None]
    assert len(left) < count
    used = await engine.leases.usage([name for grant in left for name in (grant.id, grant.intake_id)])
    return [(grant, used.get(grant.id, UNUSED), used.get(grant.intake_id, UNUSED)) for grant in left]


async def read_all(engine: Engine, wanted: GrantFilter, limit: int) -> list[Grant]:
    found: list[Grant] = []
    cursor = None
    while True:
        page = await engine.grants.page(wanted, cursor, limit)
        assert len(page.grants) <= limit
        found += page.grants
        if (cursor := page.cursor) is None:
            return found


@pytest.mark.parametrize("looked_at", [3, 2000])
async def test_all_pages_together_are_the_list(engine: Engine, monkeypatch: pytest.MonkeyPatch, looked_at: int) -> None:
    """Whatever is wanted, each grant that fits comes once and newest first, and no other, however far a page looks."""
    monkeypatch.setattr(lists, "COUNTED_TO", looked_at)
    monkeypatch.setattr(lists, "READ_AT_ONCE", looked_at)
    monkeypatch.setattr(lists.page_steps, "__defaults__", (looked_at,))
    draw = random.Random(looked_at)
    there = await fill(engine, draw, 90)
    for wanted in filters(draw, 40):
        expected = [grant for grant, *usages in there if wants(wanted, grant, *usages)]
        assert expected == await read_all(engine, wanted, draw.choice((4, 100))), wanted
