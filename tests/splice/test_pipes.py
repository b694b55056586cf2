"""Pipes are few, large, and used again."""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator

import pytest

from gateway.splice import pipes
from gateway.splice.pipes import LARGE, SMALL, TINY, Pipe, Pipes


@pytest.fixture
def all_pipes(monkeypatch: pytest.MonkeyPatch) -> Iterator[Pipes]:
    """Pipes that are all closed in the end."""
    made: list[Pipe] = []
    begin, close = Pipe.__init__, Pipe.close

    def begun(pipe: Pipe, *ends: int) -> None:
        begin(pipe, *ends)
        made.append(pipe)

    def closed(pipe: Pipe) -> None:
        made.remove(pipe)
        close(pipe)

    monkeypatch.setattr(Pipe, "__init__", begun)
    monkeypatch.setattr(Pipe, "close", closed)
    yield Pipes()
    for pipe in tuple(made):
        pipe.close()


def test_an_empty_pipe_is_used_again(all_pipes: Pipes) -> None:
    """Who is next gets the same."""
    first = all_pipes.take()
    assert first is not None
    all_pipes.give_back(first)
    assert (first, 1) == (all_pipes.take(), all_pipes.count)


def test_what_is_left_in_a_pipe_reaches_nobody(all_pipes: Pipes) -> None:
    """It is closed, and the next one is another."""
    first = all_pipes.take()
    assert first is not None
    os.write(first.into, b"secret")
    all_pipes.give_back(first, empty=False)
    second = all_pipes.take()
    assert second is not None
    with pytest.raises(BlockingIOError):
        os.read(second.out, 6)


def test_the_first_are_large_many_are_tiny_and_there_is_a_bound(
    all_pipes: Pipes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In all less than what an unprivileged user may have; a tiny one is not kept for who comes when there are few."""
    monkeypatch.setattr(pipes, "_LARGE_COUNT", 2)
    monkeypatch.setattr(pipes, "_TINY_FROM", 4)
    monkeypatch.setattr(pipes, "_COUNT", 6)
    taken = [all_pipes.take() for _ in range(7)]
    assert [LARGE, LARGE, SMALL, SMALL, TINY, TINY, None] == [pipe and pipe.size for pipe in taken]
    for first, last in ((taken[0], taken[4]), (taken[2], taken[5])):
        assert first is not None
        assert last is not None
        all_pipes.give_back(last)
        all_pipes.give_back(first)
        assert all_pipes.take() is first


def test_the_bound_is_what_a_user_may_have() -> None:
    """`fs.pipe-user-pages-soft` is 64 MiB by default."""
    large, small = pipes._LARGE_COUNT, pipes._TINY_FROM
    assert large * LARGE + (small - large) * SMALL + (640 - small) * TINY < 64 * 1024**2
    assert pipes._COUNT <= 640


@pytest.mark.parametrize("refused", ["pipe2", "size", "kept"])
def test_none_is_given_where_the_system_has_no_more(
    all_pipes: Pipes, monkeypatch: pytest.MonkeyPatch, refused: str
) -> None:
    """Without descriptors, with the last ones only, and where the kernel only gives one of two pages."""
    if refused == "pipe2":

        def none_left(flags: int) -> tuple[int, int]:
            raise OSError(errno.EMFILE, "too many open files")

        monkeypatch.setattr(os, "pipe2", none_left)
    elif refused == "kept":
        monkeypatch.setattr(pipes, "is_kept", lambda number: True)
    else:
        monkeypatch.setattr(fcntl, "fcntl", lambda *given: 8192)
    assert (None, 0) == (all_pipes.take(), all_pipes.count)


def test_a_pipe_that_may_not_grow_is_as_large_as_it_is(all_pipes: Pipes, monkeypatch: pytest.MonkeyPatch) -> None:
    """The kernel's refusal is no failure."""
    ask = fcntl.fcntl

    def refuse(end: int, command: int, *more: int) -> int:
        if command == fcntl.F_SETPIPE_SZ:
            raise PermissionError
        return ask(end, command, *more)

    monkeypatch.setattr(fcntl, "fcntl", refuse)
    pipe = all_pipes.take()
    assert pipe is not None
    assert SMALL == pipe.size
