"""What the command says of its own rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.grant import GrantFilter
from tests.replicas.filled import ENGINES, ISSUED, filled, varied
from tests.replicas.lists import FEW, PAGE, WANTED, Row, judge


def row(few: float, many: float, answered: tuple[int, int] = (50, 50)) -> Row:
    made = Row("memory", "all links")
    made.few, made.many, made.answered = [few], [many], list(answered)
    return made


@pytest.mark.parametrize(("few", "many"), [(0.1, 2.1), (2.0, 5.0), (31.0, 48.0), (40.0, 20.0)])
def test_a_row_within_the_promise_is_kept(few: float, many: float) -> None:
    """At most half as long again and two milliseconds, and at most fifty."""
    assert (True, 0) == (row(few, many).good, judge([row(few, many)]))


@pytest.mark.parametrize(
    ("few", "many", "answered"),
    [(0.1, 2.2, (50, 50)), (2.0, 5.1, (50, 50)), (40.0, 51.0, (50, 50)), (1.0, 1.0, (50, 49)), (1.0, 1.0, (3, 50))],
)
def test_a_row_that_breaks_it_is_named(
    few: float, many: float, answered: tuple[int, int], capsys: pytest.CaptureFixture[str]
) -> None:
    """And fails the command: a longer time, or one that is compared with that of another answer."""
    assert 1 == judge([row(1.0, 1.0), row(few, many, answered)])
    assert "Not kept: | memory | all links |" in capsys.readouterr().err


@pytest.mark.parametrize("engine", ENGINES)
async def test_as_many_are_answered_among_few_and_among_more(engine: str, tmp_path: Path) -> None:
    """Whatever is asked for: else the times of two different answers would be compared."""
    held = []
    for count in (FEW, 12 * FEW):
        async with filled(engine, count, tmp_path, varied(count)) as store:
            pages = {what: await store.grants.page(wanted, None, PAGE) for what, wanted in WANTED.items()}
            held.append({what: len(page.grants) for what, page in pages.items()})
            assert (await store.grants.page(GrantFilter(now=ISSUED), None, PAGE)).cursor is not None
    assert held[0] == held[1]
    assert {0, 50} >= set(held[0].values()) - {held[0]["label of half and state of few"]}
