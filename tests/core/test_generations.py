"""The laws of the table of revoked names."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from gateway.core.generations import Generations


@given(st.lists(st.tuples(st.text(max_size=3), st.integers(1, 2**63 - 1)), max_size=60))
def test_it_agrees_with_a_dict(puts: list[tuple[str, int]]) -> None:
    """In any order and with repetitions, the greatest serial of each name is found, the empty name's too."""
    table, expected = Generations(), dict[str, int]()
    for name, serial in puts:
        table.put(name, serial)
        expected[name] = max(expected.get(name, 0), serial)
    assert {name: table.of(name) for name in expected} == expected
    assert len(table) == len(expected)
    assert table.newest == max(expected.values(), default=0)
    assert table.of("a name that was not put in") == 0


def test_no_name_is_lost_while_it_grows() -> None:
    """Through every growth of shards and filter, all that was put in is found and nothing else is."""
    table, count = Generations(), 40_000
    for number in range(count):
        table.put(f"l_{number}", number + 1)
    assert [table.of(f"l_{number}") for number in range(count)] == list(range(1, count + 1))
    assert not any(table.of(f"k_{number}") for number in range(count))
    assert len(table) == count


def test_the_empty_name_is_not_lost_while_it_grows() -> None:
    """A whole bucket is revoked as the empty prefix, whose hash is 0: the filter knows it after it was widened too."""
    table = Generations()
    table.put("", 1)
    for number in range(100):
        table.put(f"folder-{number}/", number + 2)
        assert 1 == table.of("")


class _Alike(str):
    """A name whose hash is chosen."""

    __slots__ = ("chosen",)

    chosen: int

    def __hash__(self) -> int:
        return self.chosen


def _name(chosen: int) -> _Alike:
    name = _Alike(f"name {chosen}")
    name.chosen = chosen
    return name


@given(st.lists(st.integers(-4, 4).map(lambda number: number << 32), unique=True, max_size=9))
def test_names_that_meet_in_one_place_are_kept_apart(chosen: list[int]) -> None:
    """Hashes that lead to the same shard, slot and byte, the hash 0 among them, each keep a serial of their own."""
    table = Generations()
    for number, one in enumerate(chosen, 1):
        table.put(_name(one), number)
    assert [table.of(_name(one)) for one in chosen] == list(range(1, len(chosen) + 1))
    assert table.of(_name(5 << 32)) == 0
