"""A log whose reader stalls, goes away, or does not want to be waited for."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gateway.telemetry import outlet as module
from gateway.telemetry.outlet import Outlet, open_outlet

LINE = b"x" * 999 + b"\n"
MANY = 500
FILLING = b"."


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    for end in (reading, writing):
        os.close(end)


def opened(writing: int) -> Outlet:
    return Outlet(writing, lambda count: b"%d lost\n" % count)


def fill(writing: int) -> None:
    """Leave the pipe no room, so that not a line is on its way before somebody reads."""
    os.set_blocking(writing, False)
    with contextlib.suppress(BlockingIOError):
        while os.write(writing, FILLING * 4096):
            pass
    os.set_blocking(writing, True)


def missing(found: bytes) -> int:
    """How many lines are told to be missing, wherever they are."""
    return sum(map(int, re.findall(rb"^(\d+) lost$", found, re.MULTILINE)))


def read(reading: int, until: Callable[[bytes], bool], within: float = 10.0) -> bytes:
    """What comes until it is enough."""
    os.set_blocking(reading, False)
    deadline, found = time.monotonic() + within, b""
    while not until(found):
        assert time.monotonic() < deadline, len(found)
        try:
            found += os.read(reading, 1 << 20)
        except BlockingIOError:
            time.sleep(0.01)
    return found


@pytest.mark.parametrize("blocking", [True, False])
def test_who_logs_does_not_wait_for_the_reader(pipe: tuple[int, int], blocking: bool) -> None:
    """More than the pipe holds is taken at once, and is read whole and in its order once somebody reads; also where the
    open file says that nobody waits for it."""
    reading, writing = pipe
    os.set_blocking(writing, blocking)
    outlet = opened(writing)
    lines = [b"%d %s" % (number, LINE) for number in range(MANY)]
    for line in lines:
        outlet.put(line, 1)
    assert not outlet.drain(0.05)
    assert b"".join(lines) == read(reading, lambda found: len(found) == sum(map(len, lines)))
    assert outlet.drain(5)
    assert 0 == outlet.lost


def test_what_waits_is_bounded_and_what_is_missing_is_told(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """At its place among the lines, in the number of them."""
    monkeypatch.setattr(module, "_MOST", 100 * len(LINE))
    reading, writing = pipe
    fill(writing)
    outlet = opened(writing)
    for _ in range(MANY):
        outlet.put(LINE, 1)
    assert MANY - 100 == outlet.lost
    found = read(reading, lambda found: missing(found) >= MANY - 100).lstrip(FILLING)
    assert (100, MANY - 100, b" lost") == (found.count(LINE), missing(found), found[-6:-1])
    assert outlet.drain(5)
    outlet.put(LINE, 1)
    assert LINE == read(reading, lambda found: found.endswith(LINE))


def test_what_is_dropped_while_the_last_lines_are_on_their_way_is_told(
    pipe: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though no line comes after it."""
    monkeypatch.setattr(module, "_MOST", len(LINE))
    reading, writing = pipe
    fill(writing)
    outlet = opened(writing)
    outlet.put(LINE, 1)
    while outlet._waiting:
        time.sleep(0.001)
    outlet.put(LINE, 1)
    assert LINE + b"1 lost\n" == read(reading, lambda found: found.endswith(b" lost\n")).lstrip(FILLING)


def test_a_reader_that_went_away_costs_the_log_alone() -> None:
    """Nothing is raised, and nothing waits for it."""
    reading, writing = os.pipe()
    os.close(reading)
    outlet = opened(writing)
    outlet.put(LINE, 1)
    assert outlet.drain(5)
    os.close(writing)


def test_what_has_no_reader_is_written_by_who_logs(tmp_path: Path, pipe: tuple[int, int]) -> None:
    """Files and memory never wait for one; pipes, sockets and terminals do."""
    with (tmp_path / "log").open("wb") as file, open(pipe[1], "wb", closefd=False) as stream:
        outlets = [open_outlet(one, lambda count: b"") for one in (file, io.BytesIO(), stream)]
        assert [False, None, True] == [outlet and outlet.stalls for outlet in outlets]
        assert outlets[0] is not None
        outlets[0].put(LINE, 1)
        assert LINE == (tmp_path / "log").read_bytes()


@pytest.mark.parametrize("stalls", [False, True])
def test_what_a_full_disk_does_not_take_is_counted_and_told(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, stalls: bool
) -> None:
    """Once there is room again, at its place, behind the end of a line that was taken by half; while there is none,
    nothing spins and nothing is raised."""
    room, tried = 1500, 0
    written = os.write

    def write(descriptor: int, text: memoryview) -> int:
        nonlocal room, tried
        tried += 1
        if not room:
            raise OSError(errno.ENOSPC, "no space left")
        taken = written(descriptor, text[:room])
        room -= taken
        return taken

    monkeypatch.setattr(os, "write", write)
    with (tmp_path / "log").open("wb") as file:
        outlet = Outlet(file.fileno(), lambda count: b"%d lost\n" % count, stalls=stalls)
        for _ in range(4):
            outlet.put(LINE, 1)
            assert outlet.drain(5)
        assert (3, 5) == (outlet.lost, tried)
        room = 10_000
        outlet.put(LINE, 1)
        assert outlet.drain(5)
    assert LINE + LINE[:500] + b"\n3 lost\n" + LINE == (tmp_path / "log").read_bytes()
    assert 3 == outlet.lost
