"""The figures in the advice on capacity are those of a run."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench.capacity import FILES, replaced, table
from tests.bench.extents import Extent, million_rows
from tests.bench.figures import Spread
from tests.bench.rounds import Compared
from tests.bench.rows import ROWS

_BEGIN, _END = "<!-- figures of a run of `make bench` -->", "<!-- end of these figures -->"


def test_the_figures_stand_between_their_marks() -> None:
    """What was there is replaced, everything around it stays."""
    text = f"before\n{_BEGIN}\nold\n{_END}\nafter"
    assert f"before\n{_BEGIN}\n\nnew\n\n{_END}\nafter" == replaced(text, iter(["new"]))


def test_a_document_without_a_place_is_refused() -> None:
    """Nothing is written where nobody would look for it."""
    with pytest.raises(ValueError, match="no place"):
        replaced("text", iter(["new"]))


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_the_documents_have_their_place(file: Path) -> None:
    """The advice on capacity can be written by a run, and what the README says of speed."""
    assert "| a |" in replaced(file.read_text(), iter(["| a |"]))


def test_the_readme_tells_the_first_of_the_figures() -> None:
    """Those of the same run: no row is there that the advice on capacity has not, and some are."""
    told, first = (
        [line for line in file.read_text().partition(_BEGIN)[2].partition(_END)[0].splitlines() if line]
        for file in FILES
    )
    assert 8 <= len(first) < len(told)
    assert [line for line in told if line in first] == first


def test_only_what_was_measured_is_told() -> None:
    """A row for each figure that there is, in the unit that people size with; ratios alone are none."""
    compared = {"get4k": Compared(ROWS["get4k"], [2e-4], [1e-4])}
    extents = [Extent("idle", Spread.of([50.0]), "MiB"), Extent("p99", Spread.of([1.2]), "×")]
    assert [
        "| GET of 4 KiB, a link | 200 µs of CPU | 100 µs of CPU (nginx signing in njs) | 2.00 |",
        "| idle | 50 MiB | | |",
    ] == list(table(compared, extents))[2:]


def test_the_table_of_the_million_is_read() -> None:
    """Its rows are told with their ratios, those that decide nothing without an aim; nothing else of it is."""
    text = (
        "# Look-ups\n\n| what | p50 | p50 | p99 | p99 | p99 ratio |\n|---|---|---|---|---|---|\n"
        "| a link | 1 µs | 1 µs | 2 µs | 2 µs | 1.05 |\n| of that | 1 µs | 1 µs | 2 µs | 2 µs | 1.20 (told) |\n"
    )
    assert [(1.05, 1.1), (1.2, None)] == [(row.spread.middle, row.reach) for row in million_rows(text)]
