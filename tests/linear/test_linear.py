"""Whatever a stranger or a store sends, four times as much of it is at most five times the work.

Work is counted in instructions, by valgrind, so that a busy machine changes nothing: Python's own, those of the C below
it, of its regular expressions and of each copy. One run counts every case; each is some lines in `tests/linear/cases`.
"""

from __future__ import annotations

import importlib
import inspect
import os
import pkgutil
import re
import shutil
import subprocess
import sys
from enum import Enum
from pathlib import Path
from typing import Final

import pytest

import gateway.wire
from tests.linear.case import OPTIONS, Case, Reported, read
from tests.linear.cases import CASES
from tests.linear.cases.not_counted import NOT_COUNTED
from tests.linear.obvious import OBVIOUS

_MOST: Final = 5.0
_ROOMS: Final = (
    *(
        module.name.removeprefix("gateway.")
        for module in pkgutil.walk_packages(gateway.wire.__path__, "gateway.wire.")
        if not module.ispkg
    ),
    *(
        "core.attempt",
        "core.generations",
        "core.revocation_list",
        "core.pattern",
        "core.session_policy_text",
        "core.token",
        "core.units",
    ),
    *(
        "backends.response",
        "pages.languages",
        "server.head",
        "server.request",
        "server.connection",
        "telemetry.redaction",
    ),
)
"""Where bytes of strangers and of stores are read."""

Counted = dict[str, tuple[Reported, Reported]]


def counted(directory: Path) -> Counted:
    """Each case's growth and its control's, in instructions."""
    valgrind = shutil.which("valgrind")
    if valgrind is None:
        if os.environ.get("GATEWAY_REQUIRE_TOOLS"):
            pytest.fail("valgrind is not installed: apt-get install valgrind")
        pytest.skip("needs valgrind, which counts instructions: apt-get install valgrind")
    out = directory / "counts"
    done = subprocess.run(
        [valgrind, *OPTIONS, f"--callgrind-out-file={out}", "--quiet", sys.executable, "-m", "tests.linear.count"],
        cwd=Path(__file__).parents[2],
        env=os.environ | {"PYTHONHASHSEED": "0"},
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )
    assert 0 == done.returncode, done.stderr
    written = sorted(directory.glob("counts.*"), key=lambda path: int(path.suffix[1:]))
    return read([_total(path) for path in written], [*CASES, *OBVIOUS])


def _total(path: Path) -> int:
    found = re.search(r"^totals: (\d+)$", path.read_text(), re.MULTILINE)
    assert found is not None, path
    return int(found[1])


@pytest.fixture(scope="module")
def all_counted(tmp_path_factory: pytest.TempPathFactory) -> Counted:
    return counted(tmp_path_factory.mktemp("linear"))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_four_times_as_much_is_at_most_five_times_the_work(case: Case, all_counted: Counted) -> None:
    """For each decoder, matcher and reader, with the worst input that we know for it."""
    grown, _ = all_counted[case.name]
    assert grown.growth <= _MOST, f"{grown.growth:.1f} times: {grown}"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_looking_again_at_what_came_before_is_seen(case: Case, all_counted: Counted) -> None:
    """The control: the same reader that also looks through a list of what it had, for each element, is found out."""
    _, grown = all_counted[case.name]
    assert grown.growth > _MOST, f"{grown.growth:.1f} times: {grown}"


@pytest.mark.timeout(600)
@pytest.mark.parametrize("case", OBVIOUS, ids=lambda case: case.name)
def test_the_obvious_code_is_found_out(case: Case, all_counted: Counted) -> None:
    """The controls of the count itself: a slice of the rest, a pattern that backtracks, a text that is added to."""
    grown, _ = all_counted[case.name]
    assert grown.growth > _MOST, f"{grown.growth:.1f} times: {grown}"


def test_every_reader_is_counted_or_has_a_reason() -> None:
    """A new public name of these rooms gets a case in `tests/linear/cases`, or a name in its `not_counted.py`."""
    covered = {name for case in CASES for name in case.covers} | set(" ".join(NOT_COUNTED.values()).split())
    assert set() == _public() - covered
    gone = {name for name in covered if name.partition(":")[0] in _ROOMS} - _public()
    assert set() == gone


def _public() -> set[str]:
    found = set()
    for room in _ROOMS:
        module = f"gateway.{room}"
        members = vars(importlib.import_module(module)).items()
        found |= {f"{room}:{name}" for name, member in members if name[0] != "_" and _works(member, module)}
    return found


def _works(member: object, module: str) -> bool:
    """Whether it is a function or a class of this module, and none that only names things."""
    if getattr(member, "__module__", None) != module:
        return False
    if inspect.isclass(member):
        return not issubclass(member, Enum) and not getattr(member, "_is_protocol", False)
    return inspect.isfunction(inspect.unwrap(member)) if callable(member) else False


def test_names_are_told_apart() -> None:
    """Counts are found by the names of cases."""
    assert len(CASES) == len({case.name for case in CASES})
