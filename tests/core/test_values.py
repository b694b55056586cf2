"""Values without a guard at run time are values all the same."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from pathlib import Path

import pytest

from gateway.core.record import TrailHead
from gateway.core.units import Rate
from gateway.core.values import dataclass


@dataclass(frozen=True, slots=True)
class Pair:
    first: int
    second: str = "b"


def test_values_are_equal_and_hashed_by_their_fields() -> None:
    """As any frozen dataclass; they have slots, and copies are made by `replace`."""
    assert (Pair(1), hash(Pair(1)), "Pair(first=1, second='b')") == (Pair(1), hash(Pair(1)), repr(Pair(1)))
    assert Pair(1) != Pair(2) == replace(Pair(1), first=2)
    assert not hasattr(Pair(1), "__dict__")


def test_what_is_not_frozen_is_not_hashed() -> None:
    """It may change, and so may its hash."""

    @dataclass(slots=True)
    class Changing:
        number: int

    with pytest.raises(TypeError):
        hash(Changing(1))


@pytest.mark.slow
def test_the_type_checker_refuses_to_change_one(tmp_path: Path) -> None:
    """It is the guard: an assignment is an error in any module, of values of either kind."""
    module = tmp_path / "changing.py"
    module.write_text(
        "from gateway.core.units import Rate\nfrom gateway.core.record import TrailHead\n"
        "TrailHead().number = 1\nRate(1, 1.0, 1).count = 2\n"
    )
    told = subprocess.run(
        [sys.executable, "-m", "mypy", "--follow-imports=silent", module], capture_output=True, text=True, check=False
    ).stdout
    assert 2 == told.count("is read-only"), told


def test_python_guards_the_others() -> None:
    """Control: the guard that is left out here is there elsewhere."""
    TrailHead().number = 1  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        Rate(1, 1.0, 1).count = 2  # type: ignore[misc]
