"""What is missed is told with what explains it."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bench import costs, missed
from tests.bench.cases import CASES
from tests.bench.extents import Extent
from tests.bench.figures import Spread
from tests.bench.rounds import Compared
from tests.bench.rows import ROWS


def _told(title: str, now: float, reach: float | None) -> Extent:
    return Extent(title, Spread.of([now]), "ms", reach)


def _compared(now: float) -> dict[str, Compared]:
    return {"get4k": Compared(ROWS["get4k"], [now], [1.0])}


def test_each_row_with_an_aim_is_explained() -> None:
    """None can be missed without a word about it, and each tree that is pointed to is told."""
    aimed = [name for name, row in ROWS.items() if row.aim is not None]
    assert {} == {name: missed.explained(name) for name in aimed if missed.explained(name) not in CASES}
    assert {missed.explained(name) for name in aimed} <= missed.EXPLAINING
    assert missed.explained("nginx-get4k") is None


@pytest.mark.parametrize(
    "title",
    [
        "added p99 of …",
        "p99 of 4 KiB beside …",
        "ready",
        "idle",
        "500 stalled readers",
        "p99 among a million / a thousand: …",
    ],
)
def test_each_extent_with_an_aim_is_explained(title: str) -> None:
    """By a part of the document that is no tree of a case, or by one that is."""
    assert missed.explained(title) in {missed.WAITING, missed.TURNS, missed.IDLE, missed.START, missed.MANY}


def test_only_what_is_missed_is_told() -> None:
    """With its figure, its aim, and an address in the document of costs."""
    [head, table, row, extent, end] = missed.missed(
        _compared(1.76), [_told("idle", 57.0, 56.0), _told("ready", 0.5, 0.6)]
    )
    assert "## What is missed, and why\n" == head
    assert table.startswith("| what | now | reach |")
    assert "| 4 KiB GET, link / njs | 1.76 | 1.5 | [GET 4 KiB, link](COSTS.md#get-4-kib-link) |" == row
    assert "| idle | 57.00 | 56 | [What an idle process holds](COSTS.md#what-an-idle-process-holds) |" == extent
    assert "" == end


def test_nothing_is_said_when_nothing_is_missed() -> None:
    """Nor of what has no aim."""
    assert [] == list(missed.missed(_compared(1.4), [_told("CPU until ready", 9.0, None)]))


def test_the_document_has_all_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever a missed figure points to is there."""

    def trees(chosen: dict[str, Any], *, fast: bool) -> list[str]:
        return [missed.heading(title) for title in [*chosen, missed.WAITING]]

    monkeypatch.setattr(costs, "trees", trees)
    monkeypatch.setattr(costs, "holdings", lambda: ["all 50"])
    monkeypatch.setattr(costs, "imports", lambda code, count: ["1.0 ours"])
    text = "\n".join(costs.document())
    parts = {
        missed.explained(name) for name in [*ROWS, "added", "ready", "p99 of 4 KiB beside", "p99 among a million"]
    } - {None}
    assert [] == [part for part in parts if f"## {part}\n" not in text]
