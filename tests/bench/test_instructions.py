"""A request that needs more than 3 % more instructions than the last time is told."""

from __future__ import annotations

import shutil

import pytest

from tests.bench.cases import CASES
from tests.bench.instructions import Compared, compare, count


def test_more_than_allowed_is_told() -> None:
    """Up to 3 % more passes, anything above fails, less never does, and a new case has nothing to fail against."""
    now = {"same": 1030, "grown": 1031, "shrunk": 10, "new": 5}
    found = compare({"same": 1000, "grown": 1000, "shrunk": 1000, "gone": 1}, now)
    assert ["same", "grown", "shrunk", "new"] == [compared.name for compared in found]
    assert [False, True, False, False] == [compared.grown for compared in found]


def test_what_depends_on_time_has_a_bound_of_its_own() -> None:
    """Batches behind the answers differ from run to run, and only more than that fails."""
    for name in [name for name, case in CASES.items() if case.behind]:
        found = [compare({name: 100}, {name: now})[0].grown for now in (125, 126)]
        assert [False, True] == found, name


def test_a_case_is_told_in_one_line() -> None:
    """What grew too much is marked where it stands."""
    assert str(Compared("a", 1000, 1100)).endswith("+10.0%  TOO MANY")
    assert str(Compared("a", 1000, 900)).endswith("-10.0%")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.skipif(shutil.which("valgrind") is None, reason="needs valgrind, which counts instructions")
def test_an_added_loop_is_told() -> None:
    """A useless loop of a thousand rounds in each request is told by the comparison that is used for real."""
    chosen = {"GET 4 KiB, link": CASES["GET 4 KiB, link"]}
    [compared] = compare(dict(count(chosen)), dict(count(chosen, "tests.bench.slowed")))
    assert compared.grown
