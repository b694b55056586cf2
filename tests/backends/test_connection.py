"""One socket: what it holds back, and what it notices."""

from __future__ import annotations

import asyncio

import pytest

from gateway.backends.connection import READ_SIZE, Connection, Timeouts
from gateway.backends.response import Response


class FakeTransport(asyncio.Transport):
    """Records what a connection asks of its socket."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.written = b""
        self.pending = 0

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        return None

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def get_write_buffer_size(self) -> int:
        return self.pending

    def abort(self) -> None:
        self.calls.append("abort")

    def pause_reading(self) -> None:
        self.calls.append("pause")

    def resume_reading(self) -> None:
        self.calls.append("resume")


def made(patience: Timeouts | None = None) -> tuple[Connection, FakeTransport, bytearray]:
    buffer = bytearray(READ_SIZE)
    loop = asyncio.get_running_loop()
    connection = Connection(loop, memoryview(buffer), patience or Timeouts(head=10, body=10))
    transport = FakeTransport()
    connection.connection_made(transport)
    return connection, transport, buffer


async def progress(connection: Connection) -> None:
    await connection.wait_for_progress()


def arrive(connection: Connection, buffer: bytearray, data: bytes) -> None:
    buffer[: len(data)] = data
    connection.buffer_updated(len(data))


async def test_reading_pauses_when_nobody_asks_and_resumes_when_somebody_does() -> None:
    """Bytes that wait untaken stop the socket; asking starts it again."""
    connection, transport, buffer = made()
    connection.begin(Response())
    arrive(connection, buffer, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")
    assert [] == transport.calls
    arrive(connection, buffer, b"abc")
    arrive(connection, buffer, b"d")
    assert ["pause"] == transport.calls
    asking = asyncio.get_running_loop().create_task(progress(connection))
    await asyncio.sleep(0)
    assert ["pause", "resume"] == transport.calls
    arrive(connection, buffer, b"efghi")
    await asking


async def test_a_byte_that_nobody_asked_for_ends_the_connection() -> None:
    """Between exchanges a store has nothing to say."""
    connection, transport, buffer = made()
    arrive(connection, buffer, b"H")
    assert (["abort"], True) == (transport.calls, connection.closed)


async def test_a_former_reader_does_not_lose_the_next_ones_wake_up() -> None:
    """A connection that went to somebody else in the turn between wake-up and resumption wakes the new reader."""
    connection, _, buffer = made()
    connection.on_done = lambda _: None
    whole = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
    loop = asyncio.get_running_loop()
    gate = loop.create_future()

    async def next_reader() -> None:
        await gate
        connection.begin(Response())
        connection.request_sent = True
        await connection.wait_for_progress()

    connection.begin(Response())
    connection.request_sent = True
    first, second = loop.create_task(progress(connection)), loop.create_task(next_reader())
    await asyncio.sleep(0)
    # The next reader's turn comes before the former one's, as when it was in the loop's queue already.
    gate.set_result(None)
    arrive(connection, buffer, whole)
    await first
    arrive(connection, buffer, whole)
    await asyncio.wait_for(second, 1)


@pytest.mark.parametrize(("slow_head", "late"), [(False, 311.0), (True, 501.0)])
async def test_a_store_that_works_may_take_its_time(slow_head: bool, late: float) -> None:
    """The head of a copy or a batch is waited for twenty times as long, and not for ever."""
    connection, _, _ = made()
    response = Response()
    connection.begin(response, slow_head=slow_head)
    connection.request_sent = True
    connection.check(300.0)
    connection.check(late - 2)
    assert None is response.failure
    connection.check(late)
    assert response.failure is not None


async def test_patience_counts_only_what_is_owed() -> None:
    """The head is owed once the request is out, body bytes only while somebody asks."""
    connection, _, buffer = made()
    response = Response()
    connection.begin(response)
    for now in (0.0, 100.0, 200.0):
        connection.check(now)
    assert None is response.failure
    connection.request_sent = True
    connection.check(300.0)
    connection.check(309.0)
    arrive(connection, buffer, b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")
    for now in (400.0, 500.0):
        connection.check(now)
    assert None is response.failure
    asking = asyncio.get_running_loop().create_task(progress(connection))
    await asyncio.sleep(0)
    connection.check(600.0)
    connection.check(609.0)
    assert None is response.failure
    connection.check(611.0)
    assert response.failure is not None
    asking.cancel()


async def test_a_body_needs_a_kibibyte_a_second() -> None:
    """Over a window of patience at least 1 KiB a second has to come; less is a stall, and a stall is cut."""
    for step, cut in ((900, True), (1100, False)):
        connection, _, buffer = made()
        response = Response()
        connection.begin(response)
        connection.request_sent = True
        arrive(connection, buffer, b"HTTP/1.1 200 OK\r\ncontent-length: 999999\r\n\r\n")
        for second in range(40):
            asking = asyncio.get_running_loop().create_task(progress(connection))
            await asyncio.sleep(0)
            connection.check(float(second))
            if not connection.closed:
                arrive(connection, buffer, b"x" * step)
            asking.cancel()
            await asyncio.sleep(0)
        assert cut is (response.failure is not None)


async def test_an_upload_that_the_store_does_not_take_is_cut() -> None:
    """While the socket is full the store owes progress, and gets its time anew for every bit of it."""
    connection, transport, _ = made()
    response = Response()
    connection.begin(response)
    connection.write(bytes(1_000_000))
    transport.pending = 1_000_000
    connection.pause_writing()
    connection.check(0.0)
    transport.pending = 900_000
    connection.check(9.0)
    connection.check(18.0)
    assert None is response.failure
    connection.check(20.0)
    assert response.failure is not None
