"""What the server leaves out of a page, and what it lets through to be judged."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from gateway.core.attempt import Principal
from gateway.core.grant import GrantFilter, GrantKind, GrantState, Scope
from gateway.core.lease import Reservation
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.stores.engine import Engine
from gateway.stores.redis import pages
from tests.contract.sample import NOW, link

LINKS = GrantFilter(now=NOW, kind=GrantKind.LINK)
OTHER = Principal("app", "other")
LABELLED = {"label": "a"}
ENDING = {"expires_at": NOW + 5, "label": "b"}
BEGINNING = {"not_before": NOW + 9}
IN_A, IN_B = {"bucket": "reports", "prefix": "a/"}, Scope("reports", key="b/x")


@pytest.fixture
def judged(monkeypatch: pytest.MonkeyPatch) -> Counter[str]:
    counted = Counter[str]()
    real = pages.wants
    monkeypatch.setattr(pages, "wants", lambda *given: counted.update(["grants"]) or real(*given))
    return counted


@pytest.mark.parametrize(
    ("wanted", "fits", "others"),
    [
        (replace(LINKS, label="a", owner=OTHER), {"label": "a", "owner": OTHER}, [{"label": "a"}, {"owner": OTHER}]),
        (replace(LINKS, label="a", ends_before=NOW + 9), LABELLED | {"expires_at": NOW + 9}, [LABELLED, ENDING]),
        (replace(LINKS, label="a", state=GrantState.PENDING), LABELLED | BEGINNING, [LABELLED, BEGINNING]),
        (replace(LINKS, owner=OTHER, **IN_A), {"owner": OTHER}, [{"owner": OTHER, "scope": IN_B}, {}]),
        (replace(LINKS, label="a", prefix="a/"), LABELLED, [LABELLED | {"scope": IN_B}, {}]),
        (replace(LINKS, state=GrantState.ACTIVE), {}, [{"suspended_at": NOW}, {"expires_at": NOW}]),
        (replace(LINKS, state=GrantState.USED_UP), {"uses": 0}, [{"uses": 3}]),
        (replace(LINKS, state=GrantState.USED_UP), {"budget": 0}, [{"budget": 3}]),
    ],
)
async def test_what_a_set_rules_out_is_not_fetched(
    engine: Engine,
    judged: Counter[str],
    wanted: GrantFilter,
    fits: dict[str, object],
    others: list[dict[str, object]],
) -> None:
    """Of many that one condition leads to, only those are judged that stand where the others lead, too."""
    expected = await engine.grants.create(link(**{"scope": Scope("reports", key="a/x")} | fits))
    for other in others * 9:
        await engine.grants.create(link(**{"scope": Scope("reports", key="a/x")} | other))
    assert [expected] == list((await engine.grants.page(wanted, None, 50)).grants)
    assert 1 == judged["grants"]


async def test_what_is_revoked_is_not_fetched(engine: Engine, judged: Counter[str]) -> None:
    """Unless that is asked for."""
    for _ in range(9):
        gone = await engine.grants.create(link())
        await engine.feed.revoke([RevocationTarget(FeedKind.LINK, gone.id)], NOW, "", "admin:ops")
    there = await engine.grants.create(link())
    assert [there] == list((await engine.grants.page(replace(LINKS, state=GrantState.ACTIVE), None, 50)).grants)
    assert 1 == judged["grants"]
    assert 9 == len((await engine.grants.page(replace(LINKS, state=GrantState.REVOKED), None, 50)).grants)


async def test_what_was_used_is_judged_by_its_counters(engine: Engine, judged: Counter[str]) -> None:
    """A link that nobody used cannot be used up, unless it has no use at all; of one that was, the counters tell."""
    spent, left, _ = [await engine.grants.create(link(uses=uses)) for uses in (1, 2, 1)]
    for grant in (spent, left):
        await engine.leases.open_lease(Reservation(grant.id, "k"), grant.uses, NOW, 60)
    assert [spent] == list((await engine.grants.page(replace(LINKS, state=GrantState.USED_UP), None, 50)).grants)
    assert 2 == judged["grants"]


async def test_a_page_takes_no_more_rows_than_it_may_show(engine: Engine, judged: Counter[str]) -> None:
    """Where all fit, one more than the page: it says that the list goes on."""
    for _ in range(20):
        await engine.grants.create(link())
    page = await engine.grants.page(LINKS, None, 4)
    assert (4, 5) == (len(page.grants), judged["grants"])
    assert page.cursor is not None
