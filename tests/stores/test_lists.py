"""A page's work is bounded, whatever is wanted and however many there are. All engines: `tests.contract.test_lists`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.attempt import Principal
from gateway.core.grant import GrantFilter, GrantKind, GrantPage, GrantState
from gateway.stores.codec import read_cursor
from gateway.stores.lists import (
    COUNTED_TO,
    LOOKED_AT,
    READ_AT_ONCE,
    Count,
    Look,
    Range,
    Read,
    after,
    page_steps,
    ways_of,
)
from tests.contract.sample import NOW, link

TEXTS = st.text(st.characters(codec="utf-8"), max_size=4)


@given(TEXTS.filter(bool), TEXTS)
def test_what_begins_with_a_prefix_is_between_two_texts(prefix: str, rest: str) -> None:
    """As databases compare texts, byte by byte: from the prefix on, and before what comes after it."""
    end = after(prefix)
    for text in (prefix + rest, rest):
        inside = prefix.encode() <= text.encode() and (end is None or text.encode() < end.encode())
        assert text.startswith(prefix) == inside


@pytest.mark.parametrize(
    ("prefix", "end"), [("a/", "a0"), ("\ud7ff", "\ue000"), ("a\U0010ffff", "b"), ("\U0010ffff", None)]
)
def test_the_ends_of_the_code_points(prefix: str, end: str | None) -> None:
    """No surrogate is made, and behind the last text there is none."""
    assert end == after(prefix)


class Served:
    """Answers questions from what is on the shelves; `fits` says which grants are wanted. Counts what was looked at."""

    def __init__(self, shelves: dict[str, Sequence[int]], fits: Callable[[int], bool]) -> None:
        self.shelves = shelves
        self.fits = fits
        self.read = self.looked_at = 0

    def page(self, wanted: GrantFilter, cursor: str | None, limit: int, **more: int) -> GrantPage:
        steps = page_steps(wanted, cursor, limit, **more)
        try:
            asked = next(steps)
            while True:
                asked = steps.send(self._answer(asked))
        except StopIteration as done:
            page: GrantPage = done.value
            return page

    def _answer(self, asked: Count | Read | Look) -> Sequence[object]:
        if isinstance(asked, Count):
            return [len(self._serials(one)) for one in asked.reads]
        if isinstance(asked, Read):
            found = self._serials(asked)
            self.read += len(found)
            return found
        self.looked_at += len(asked.serials)
        return [link(serial=serial) for serial in asked.serials if self.fits(serial)][: asked.most]

    def _serials(self, asked: Read) -> list[int]:
        below = asked.below if asked.range.by_serial and asked.below is not None else 1 << 62
        on_it = self.shelves[asked.range.shelf]
        return [serial for serial in sorted(on_it, reverse=True) if serial < below][: asked.most]


OWNED = GrantFilter(now=NOW, kind=GrantKind.LINK, owner=Principal("app", "a"))


@pytest.mark.parametrize("count", [1000, 20_000])
def test_what_most_fit_is_found_among_the_newest(count: int) -> None:
    """As much is looked at among few as among many."""
    served = Served({"kind": range(1, count + 1)}, lambda _: True)
    page = served.page(GrantFilter(now=NOW, kind=GrantKind.LINK), None, 50)
    assert (58, 57) == (served.read, served.looked_at)
    assert [count - place for place in range(50)] == [grant.serial for grant in page.grants]


def test_what_nothing_fits_ends_after_a_bounded_look() -> None:
    """The page is empty, and its cursor goes on after the last one that was looked at, until the end."""
    count = 3 * LOOKED_AT
    served = Served({"kind": range(1, count + 1)}, lambda serial: serial == 1)
    cursor, pages = None, 0
    while True:
        before = served.looked_at
        page = served.page(GrantFilter(now=NOW, kind=GrantKind.LINK, prefix="a/"), cursor, 50)
        assert served.looked_at - before <= LOOKED_AT
        pages += 1
        if (cursor := page.cursor) is None:
            break
        assert not page.grants
        assert [count - served.looked_at + 1] == read_cursor("g", cursor, 1)
    assert (3, [1]) == (pages, [grant.serial for grant in page.grants])


def test_the_narrow_way_is_taken_to_its_end() -> None:
    """Where few are owned by somebody, they are all found at once, be they the oldest of a million."""
    served = Served({"kind": range(1, 50_000), "owner": [7, 8, 9]}, lambda serial: serial != 8)
    page = served.page(OWNED, None, 50)
    assert ([9, 7], None) == ([grant.serial for grant in page.grants], page.cursor)
    assert (3, 3) == (served.read, served.looked_at)


def test_the_narrowest_of_several_ways_is_looked_for() -> None:
    """Much has the owner, little is in the place: which is read to its end, in the order of the list."""
    wanted = replace(OWNED, bucket="lab", prefix="a/")
    shelves = {name: range(1, 50_000) for name in ("kind", "owner", "bucket")} | {"place": [9, 49_999, 40_000]}
    served = Served(shelves, lambda serial: serial in {9, 40_000})
    page = served.page(wanted, None, 50)
    assert ([40_000, 9], None) == ([grant.serial for grant in page.grants], page.cursor)
    assert (3, 3) == (served.read, served.looked_at)


def test_what_is_read_whole_is_before_what_is_wide() -> None:
    """However many more than are counted of the other one: a thousand of a million bring nothing."""
    place = range(1, COUNTED_TO + 500)
    served = Served({"kind": range(50_000), "bucket": range(50_000), "place": place}, place.__contains__)
    page = served.page(replace(OWNED, owner=None, bucket="lab", prefix="a/"), None, 50)
    assert [place[-1] - below for below in range(50)] == [grant.serial for grant in page.grants]
    assert 57 == served.looked_at


def test_of_two_wide_ways_one_is_read_to_a_bound() -> None:
    """No way is narrow: as many are looked at as for any page, and the cursor says how far that went."""
    served = Served({"kind": range(50_000), "owner": range(0, 50_000, 2)}, lambda _: False)
    page = served.page(OWNED, None, 50)
    assert (LOOKED_AT + 3, LOOKED_AT) == (served.read, served.looked_at)
    assert [50_000 - 2 * LOOKED_AT] == read_cursor("g", page.cursor or "", 1)


def test_a_way_that_grew_meanwhile_is_left_for_another() -> None:
    """What is not in the order of the list is read to its end, or is no way."""
    steps = page_steps(replace(OWNED, owner=None, bucket="lab", prefix="a/"), None, 50)
    assert isinstance(next(steps), Count)
    place = steps.send([READ_AT_ONCE - 1, READ_AT_ONCE, READ_AT_ONCE])
    assert isinstance(place, Read)
    assert Range("place", ("lab",), "a/", "a0") == place.range
    instead = steps.send(range(READ_AT_ONCE))
    assert isinstance(instead, Read)
    assert Range("bucket", ("lab",)) == instead.range


def test_an_engine_may_look_at_fewer() -> None:
    """Its bound holds too, but a page that everything fits is as long as was asked for."""
    served = Served({"kind": range(5000)}, lambda _: False)
    served.page(GrantFilter(now=NOW, kind=GrantKind.LINK), None, 50, looks=300)
    assert 300 == served.looked_at
    served = Served({"kind": range(5000)}, lambda _: True)
    assert 1000 == len(served.page(GrantFilter(now=NOW, kind=GrantKind.LINK), None, 1000, looks=300).grants)


def test_several_ranges_are_one_way() -> None:
    """What has ended ended by its time or by that of its approval: both are read, and each counts once."""
    ended = {"ends": range(0, 100, 2), "lapses": [51, 52], "kind": range(50_000)}
    served = Served(ended, lambda serial: serial in {*range(0, 100, 2), 51})
    page = served.page(GrantFilter(now=NOW, kind=GrantKind.LINK, state=GrantState.EXPIRED), None, 30)
    assert [*range(98, 50, -2), 51, *range(50, 40, -2)] == [grant.serial for grant in page.grants]


def test_every_filter_has_a_way_that_always_leads() -> None:
    """The last of the ways has everything of the kinds that are wanted."""
    for wanted in (OWNED, GrantFilter(now=NOW), GrantFilter(now=NOW, state=GrantState.ACTIVE, label="x")):
        kinds = [wanted.kind] if wanted.kind else list(GrantKind)
        assert tuple(Range("kind", (kind,)) for kind in kinds) == list(ways_of(wanted))[-1]
