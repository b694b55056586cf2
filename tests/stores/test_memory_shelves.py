"""Grants stand on their shelves in the order of their serials, wherever an edit puts them."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from gateway.core.grant import Grant, GrantKind
from gateway.stores import memory_shelves
from gateway.stores.lists import Count, Range, Read
from gateway.stores.memory_shelves import MemoryShelves, OrderedEntries
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


def instants(entries: OrderedEntries, low: float | None, high: float | None) -> list[float]:
    return [float(value) for value, _, _ in entries.within(Range("ends", low=low, high=high))]


def test_entries_are_in_order_however_many_chunks_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    """Above the lower end and up to the upper one, after any entries came and went."""
    monkeypatch.setattr(memory_shelves, "_CHUNK", 3)
    draw = random.Random(7)
    entries, there = OrderedEntries(), list[tuple[float, int, str]]()
    for serial in range(200):
        there.append((float(draw.randint(0, 20)), serial, f"l_{serial}"))
        entries.add(there[-1])
        if draw.random() < 0.4:
            entries.remove(there.pop(draw.randrange(len(there))))
        low, high = draw.choice((None, 3.0, 9.0)), draw.choice((None, 9.0, 15.0))
        wanted = sorted(
            value for value, _, _ in there if (low is None or value > low) and (high is None or value <= high)
        )
        assert wanted == instants(entries, low, high)
        part = Range("ends", low=low, high=high)
        assert len(wanted) == entries.size(part, 1000)
        assert min(len(wanted), 5) == min(entries.size(part, 5), 5)
    for entry in there:
        entries.remove(entry)
    assert [] == instants(entries, None, None)


def test_a_range_of_texts_has_its_lower_end() -> None:
    """And not its upper one."""
    entries = OrderedEntries()
    for serial, text in enumerate(["a", "a/", "a/b", "a0", "b"]):
        entries.add((text, serial, f"l_{serial}"))
    found = [text for text, _, _ in entries.within(Range("place", ("lab",), "a/", "a0"))]
    assert ["a/", "a/b"] == found
    assert ["a0", "b"] == [text for text, _, _ in entries.within(Range("place", ("lab",), "a0"))]


def test_an_edit_moves_what_is_ordered() -> None:
    """A grant stands once in each index, where its last value puts it."""
    grants: dict[str, Grant] = {}
    shelves = MemoryShelves(grants)
    one = link(serial=4, expires_at=5.0)
    for changed in (one, replace(one, expires_at=9.0), replace(one, expires_at=None)):
        known = grants.get(one.id)
        grants[one.id] = changed
        shelves.move(known, changed)
        asked = Read(Range("ends", low=0.0), None, 9)
        assert [int(changed.expires_at is not None)] == shelves.count(Count([asked]))
        assert ({4: changed} if changed.expires_at else {}) == shelves.read(asked)
