"""How bytes go from socket to socket."""

from __future__ import annotations

import os
import socket
from collections.abc import Sequence
from contextlib import suppress

import pytest

from gateway.core.loan import Loan
from gateway.splice.passage import BufferedPassage, KernelPassage, Passage
from gateway.splice.pipes import TINY, Pipes

BUFFER = memoryview(bytearray(1000))


def ends() -> tuple[socket.socket, socket.socket, Loan]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    return ours, theirs, Loan(ours.fileno(), lambda count: None, lambda lost: None)


def test_what_goes_on_is_what_whoever_looks_gives() -> None:
    """More or less than came, in any number of pieces."""
    near, source, start = ends()
    far, sink, goal = ends()
    given: list[Sequence[bytes | memoryview]] = [[], [b"a"] * 200, [b"", b"b", b""]]
    passage = BufferedPassage(start, goal, 2500, lambda view: given.pop(0), BUFFER)
    with near, source, far, sink:
        source.send(b"x" * 3000)
        assert [True, True, True] == [passage.advance(1, 1000) for _ in range(3)]
        assert b"a" * 200 + b"b" == sink.recv(1000)
        assert (0, 0, 201) == (passage.left, passage.held, passage.written)
        assert b"x" * 500 == near.recv(1000)


def test_what_does_not_go_is_kept_apart_from_the_buffer() -> None:
    """The next passage may overwrite that one."""
    near, source, start = ends()
    far, sink, goal = ends()
    buffer = memoryview(bytearray(1000_000))
    passage = BufferedPassage(start, goal, 1000_000, lambda view: [view], buffer)
    body = os.urandom(1000_000)
    with near, source, far, sink:
        sent = came = 0
        read = b""
        while len(read) < len(body):
            with suppress(BlockingIOError):
                sent += source.send(body[sent:]) if sent < len(body) else 0
            passage.readable = passage.writable = True
            assert passage.advance(1, 1000_000)
            buffer[:] = bytes(len(buffer))
            came = max(came, passage.held)
            if not passage.writable:
                read += sink.recv(10_000)
            elif sent == len(body) and not passage.left and not passage.held:
                read += sink.recv(1000_000)
        assert body == read
        assert came


def test_without_a_pipe_a_passage_goes_little_by_little(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that is stuck holds no more than a tiny pipe would; what it moves comes in order, each byte counted once."""
    near, source, start = ends()
    far, sink, goal = ends()
    pipes, told = Pipes(), list[int]()
    take = Pipes.take
    monkeypatch.setattr(Pipes, "take", lambda self: None)
    body = os.urandom(400_000)
    passage = KernelPassage(start, goal, len(body), told.append, pipes)
    with near, source, far, sink:
        sent, read = 0, b""
        while passage.writable:
            with suppress(BlockingIOError):
                sent += source.send(body[sent:])
            passage.readable = True
            assert passage.advance(1_000_000, 1_000_000)
        assert 0 < passage.held <= TINY
        while len(read) < len(body):
            read += sink.recv(1_000_000)
            with suppress(BlockingIOError):
                sent += source.send(body[sent:]) if sent < len(body) else 0
            passage.readable = passage.writable = True
            assert passage.advance(1_000_000, 1_000_000)
            if len(read) > len(body) // 2:  # from here on there is one, once what was kept has gone
                monkeypatch.setattr(Pipes, "take", take)
        assert (body, len(body), (0, 0)) == (read, sum(told), (passage.left, passage.held))
        assert pipes.count
        pipes.close()


def test_a_pipe_is_held_only_while_it_holds_something() -> None:
    """Who waits for its source has none."""
    near, source, start = ends()
    far, sink, goal = ends()
    pipes = Pipes()
    passage = KernelPassage(start, goal, 100, lambda count: None, pipes)
    with near, source, far, sink:
        source.send(b"x" * 50)
        assert passage.advance(100, 100)
        pipe = pipes.take()
        assert (1, 50, False) == (pipes.count, passage.written, passage.readable)
        assert pipe is not None
        pipes.give_back(pipe)
        pipes.close()


@pytest.mark.parametrize("kind", ["spliced", "carried"])
def test_a_piece_is_no_larger_than_was_said(kind: str) -> None:
    """However much has come, and however much may still move."""
    near, source, start = ends()
    far, sink, goal = ends()
    pipes = Pipes()
    passage: Passage = BufferedPassage(start, goal, 1000, lambda view: [bytes(view)], BUFFER)
    if kind == "spliced":
        passage = KernelPassage(start, goal, 1000, lambda count: None, pipes)
    with near, source, far, sink:
        source.send(b"x" * 1000)
        assert passage.advance(1, 300)
        assert (300, 700, 0) == (passage.written, passage.left, passage.held)
        pipes.close()
