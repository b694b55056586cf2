"""A socket is lent empty, by a duplicate, and never under TLS."""

from __future__ import annotations

import asyncio
import errno
import os
import socket

import pytest

from gateway.splice import lending as lending_module
from gateway.splice.lending import Lending, flush, may_be_lent

HIGH = 65536


class Waits(asyncio.Protocol):
    """What a connection does when its client is behind."""

    def __init__(self) -> None:
        self.drained: asyncio.Future[None] | None = None

    def pause_writing(self) -> None:
        self.drained = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        if self.drained is not None:
            self.drained.set_result(None)
            self.drained = None

    def connection_lost(self, exc: Exception | None) -> None:
        self.resume_writing()

    async def drain(self) -> None:
        if self.drained is not None:
            await self.drained


async def opened() -> tuple[asyncio.Transport, Waits, socket.socket]:
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    theirs.setblocking(False)
    transport, protocol = await asyncio.get_running_loop().create_connection(Waits, sock=ours)
    return transport, protocol, theirs


async def test_all_that_was_written_leaves_first() -> None:
    """Though the other side takes it slowly; afterwards the transport's limit is what it was."""
    transport, protocol, theirs = await opened()
    with theirs:
        transport.write(b"x" * 4_000_000)
        came = 0

        async def take() -> None:
            nonlocal came
            while came < 4_000_000:
                came += len(await asyncio.get_running_loop().sock_recv(theirs, 65536))

        async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
            tasks.create_task(take())
            await flush(transport, protocol.drain, HIGH)
            assert 0 == transport.get_write_buffer_size()
        assert 4_000_000 == came
        assert HIGH == transport.get_write_buffer_limits()[1]
        transport.abort()


async def test_a_connection_that_ends_ends_the_wait() -> None:
    """Nobody waits for what will never leave."""
    transport, protocol, theirs = await opened()
    with theirs:
        transport.write(b"x" * 4_000_000)
        asyncio.get_running_loop().call_later(0.05, transport.abort)
        async with asyncio.timeout(5):
            await flush(transport, protocol.drain, HIGH)
        assert not may_be_lent(transport)


async def test_what_is_lent_is_the_same_socket(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a descriptor of its own; there is none where the process has no more, and none once the connection ends."""
    transport, _, theirs = await opened()
    lending, cut = Lending(), list[str]()
    with theirs:
        loan = lending.lend(transport, lambda count: None, lambda: cut.append("cut"))
        assert loan is not None
        os.write(loan.descriptor, b"hello")
        os.close(loan.descriptor)
        assert b"hello" == await asyncio.get_running_loop().sock_recv(theirs, 9)
        loan.awaited = True
        during = lending.awaited
        lending.recall()
        loan.returned(0)
        assert (True, True, False, []) == (during, loan.recalled, lending.awaited, cut)

        def none_left(_: int) -> int:
            raise OSError(errno.EMFILE, "too many open files")

        with monkeypatch.context() as poor:
            poor.setattr(os, "dup", none_left)
            assert None is lending.lend(transport, lambda count: None, lambda: None)
        transport.abort()
        assert None is lending.lend(transport, lambda count: None, lambda: None)


async def test_a_connection_whose_bytes_were_lost_is_cut() -> None:
    """It would go on with a gap."""
    transport, _, theirs = await opened()
    lending, cut = Lending(), list[str]()
    with theirs:
        loan = lending.lend(transport, lambda count: None, lambda: cut.append("cut"))
        assert loan is not None
        os.close(loan.descriptor)
        loan.returned(1)
        assert ["cut"] == cut
        transport.abort()


async def test_nothing_is_lent_under_tls() -> None:
    """What crosses such a socket are other bytes than the connection's."""
    transport, _, theirs = await opened()
    with theirs:

        class Sealed:
            def is_closing(self) -> bool:
                return False

            def get_extra_info(self, name: str) -> object:
                return object() if name == "sslcontext" else transport.get_extra_info(name)

        assert (True, False, False) == tuple(may_be_lent(stream) for stream in (transport, Sealed(), None))  # type: ignore[arg-type]
        transport.abort()


async def test_none_of_the_last_descriptors_is_lent(monkeypatch: pytest.MonkeyPatch) -> None:
    """They are for other things than bodies: the duplicate is closed, and the connection goes on by itself."""
    transport, _, theirs = await opened()
    lent: list[int] = []
    with theirs, monkeypatch.context() as short:
        short.setattr(lending_module, "is_kept", lambda number: not lent.append(number))
        assert Lending().lend(transport, lambda count: None, transport.abort) is None
        (number,) = lent
        with pytest.raises(OSError, match="Bad file"):
            os.fstat(number)
    loan = Lending().lend(transport, lambda count: None, transport.abort)
    assert loan is not None
    os.close(loan.descriptor)
    transport.abort()
