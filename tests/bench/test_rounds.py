"""Rounds take turns, the first one is thrown away, and what is shared is measured once."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tests.bench.figures import Spread
from tests.bench.rounds import compare
from tests.bench.rows import ROWS, Aim, Row, Work

_SCENE: Any = SimpleNamespace(sizes=SimpleNamespace(rounds=3))


def _work(name: str) -> Work:
    return Work(name, 0, lambda: 1.0)


def _row(ours: str, theirs: str) -> Row:
    return Row(f"{ours} / {theirs}", lambda _: _work(ours), lambda _: _work(theirs), Aim(1.5, 1.0))


def test_turns_alternate_and_what_is_shared_is_measured_once_a_round() -> None:
    """Two rows against the same reference: five measurements a round would be four, one after the other."""
    order: list[str] = []

    def cost(work: Work) -> float:
        order.append(work.name)
        return 2.0 if work.name == "reference" else 3.0 * len(order)

    found = compare(_SCENE, {"a": _row("first", "reference"), "b": _row("second", "reference")}, cost)
    warming, then = ["reference", "first", "second"], ["first", "reference", "second"]
    assert [*warming, *then, *warming, *then] == order
    assert [3, 3] == [len(compared.ours) for compared in found.values()]
    assert [2.0, 2.0, 2.0] == found["a"].theirs


def test_a_row_is_told_with_its_aims() -> None:
    """Ratio, spread, both figures in their unit, and what is aimed at."""
    figures: Iterator[float] = iter([1, 1, 0.5, 0.25, 0.25, 1, 0.75, 0.25])
    [compared] = compare(_SCENE, {"a": _row("ours", "theirs")}, lambda _: next(figures)).values()
    assert Spread(3.0, 2.0, 4.0) == compared.ratio
    assert "| ours / theirs | 3.00 (2.00–4.00) | 7.5e+05 / 2.5e+05 µs a request | 1.5 | 1 |" == str(compared)


def test_a_subject_that_is_not_to_be_had_is_left_out(capsys: pytest.CaptureFixture[str]) -> None:
    """Its row is missing from the table, and that is said."""

    def missing(_: Any) -> Work:
        raise KeyError("Envoy")

    rows = {"a": Row("Envoy / njs", missing, lambda _: _work("njs")), "b": _row("ours", "njs")}
    assert ["b"] == list(compare(_SCENE, rows, lambda _: 1.0))
    assert "Envoy" in capsys.readouterr().err


def test_every_figure_of_the_plan_has_its_aim() -> None:
    """What is aimed at stands in the table, less in the end than at first."""
    aims = {name: row.aim for name, row in ROWS.items() if row.aim is not None}
    assert {"get4k", "get4k-sigv4", "put4k", "get1g", "put1g", "put1g-sdk", "ranges"} <= set(aims)
    assert [] == [name for name, aim in aims.items() if aim.then > aim.reach]
