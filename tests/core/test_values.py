"""Values without a guard at run time are values all the same."""

from __future__ import annotations

import dataclasses
import subprocess
import sys
from dataclasses import FrozenInstanceError, field, replace
from pathlib import Path
from typing import Any

import pytest

from gateway.core.record import TrailHead
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


def _declared(declare: Any) -> list[Any]:
    """Values of a class and of one that derives from it, both declared so; some of their fields do not count."""

    @declare(frozen=True, slots=True)
    class Base:
        first: int
        told: str = field(default="", compare=False)
        kept: str = field(default="", repr=False)

    @declare(frozen=True, slots=True)
    class Derived(Base):
        last: tuple[int, ...] = ()

    return [Base(1), Base(1, "x"), Base(1, "", "y"), Derived(1), Derived(1, "", "", (2,)), Derived(1, "x")]


def test_equality_hash_and_text_are_those_of_dataclasses() -> None:
    """Whichever declares them, the same values are equal, with equal hashes, and have the same text."""
    told = []
    for values in map(_declared, (dataclass, dataclasses.dataclass)):
        pairs = [(one, other) for one in values for other in values]
        told.append(([*map(repr, values)], [one == other for one, other in pairs], [one == 1 for one in values]))
        assert all(hash(one) == hash(other) for one, other in pairs if one == other)
    assert told[1] == told[0]
    assert {True, False} == set(told[0][1])


def test_what_a_class_says_itself_stays() -> None:
    """Its own text and equality, and identity where none is asked for."""

    @dataclass(frozen=True, slots=True)
    class Secret:
        text: str

        def __repr__(self) -> str:
            return "Secret(...)"

    @dataclass(slots=True, eq=False)
    class Thing:
        text: str

    assert "Secret(...)" == repr(Secret("a"))
    assert Thing("a") != Thing("a")


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
        "from gateway.data.call import LinkCall, S3Call\n"
        "TrailHead().number = 1\nRate(1, 1.0, 1).count = 2\n"
        "def step(call: LinkCall, other: S3Call) -> None:\n    call.takes_use = False\n    other.as_of = 1\n"
    )
    told = subprocess.run(
        [sys.executable, "-m", "mypy", "--follow-imports=silent", module], capture_output=True, text=True, check=False
    ).stdout
    assert 4 == told.count("is read-only"), told


def test_python_guards_the_others() -> None:
    """Control: the guard that is left out here is there elsewhere."""

    @dataclasses.dataclass(frozen=True)
    class Guarded:
        number: int = 0

    TrailHead().number = 1  # type: ignore[misc]
    with pytest.raises(FrozenInstanceError):
        Guarded().number = 2  # type: ignore[misc]
