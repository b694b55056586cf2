"""Grants stand on their shelves in the order of their serials, wherever an edit puts them."""

from __future__ import annotations

import random
from dataclasses import replace

from gateway.core.grant import Grant, GrantKind
from gateway.stores.lists import Count, Range, Read
from gateway.stores.memory_shelves import MemoryShelves
from tests.contract.sample import link


def read(shelves: MemoryShelves, label: str, below: int | None, most: int) -> list[int]:
    asked = Read(Range("label", (label, GrantKind.LINK)), below, most)
    found = shelves.read(asked)
    assert len(found) == min(most, *shelves.count(Count([asked])))
    return sorted(found, reverse=True)


def test_a_shelf_has_what_was_put_there_last() -> None:
    """After any edits, each range holds the newest of its grants below the limit, and no others."""
    draw = random.Random(5)
    grants: dict[str, Grant] = {}
    shelves = MemoryShelves(grants)
    for serial in range(1, 60):
        one = link(serial=serial, label=draw.choice("ab"))
        grants[one.id] = one
        shelves.move(None, one)
        other = draw.choice(list(grants.values()))
        grants[other.id] = replace(other, label=draw.choice("ab"))
        shelves.move(other, grants[other.id])
    for label in "ab":
        for below in (None, 1, 30, 99):
            there = [
                one.serial for one in grants.values() if one.label == label and (below is None or one.serial < below)
            ]
            for most in (1, 7, 100):
                assert sorted(there, reverse=True)[:most] == read(shelves, label, below, most)
    assert {one.serial for one in grants.values()} == {
        serial for label in "ab" for serial in read(MemoryShelves(grants), label, None, 100)
    }


def test_there_is_no_index_of_an_ordered_column() -> None:
    """It counts as the widest there is, so that nothing is looked for along it."""
    asked = [Read(Range("ends", low=0.0), None, 9), Read(Range("kind", (GrantKind.LINK,)), None, 9)]
    assert [9, 0] == MemoryShelves({}).count(Count(asked))
