"""One request and its answer against servers that misbehave, over real sockets."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
from collections.abc import AsyncIterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.backends.connection import READ_SIZE
from gateway.core.reasons import Reason, Refused, UpstreamFailed
from tests.backends.fault_server import Peer, call, drain, fault_server, read, reply, upstream_to


async def source(*chunks: bytes, error: Exception | None = None) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk
    if error is not None:
        raise error


async def stalled(first: bytes, reached: asyncio.Event, stopped: list[str] | None = None) -> AsyncIterator[bytes]:
    try:
        yield first
        reached.set()
        await asyncio.Event().wait()
    finally:
        (stopped if stopped is not None else []).append("stopped")


async def answer_all(peer: Peer) -> None:
    """A well-behaved store: gives back what it got."""
    while True:
        _, body = await peer.request()
        await peer.send(reply(body or b"object", extra="etag: 1\r\n"))


async def test_a_whole_exchange_returns_its_connection() -> None:
    """Requests one after the other use one connection."""
    async with fault_server(answer_all) as seen, upstream_to(seen.port) as upstream:
        for number in range(5):
            async with upstream.open(call(key=f"k{number}")) as answer:
                assert (200, 6, b"object") == (answer.status, answer.length, await answer.body.read(100))
    assert 1 == seen.connections


async def test_a_connection_passed_on_while_its_answer_is_taken_harms_neither() -> None:
    """A whole answer gives its connection to whoever waits, who may begin an upload before it is looked at."""
    async with fault_server(answer_all) as seen, upstream_to(seen.port, max_connections=1) as upstream:

        async def get(number: int) -> bytes:
            return await read(upstream, call(key=f"get{number}"))

        async def put(number: int) -> bytes:
            async with upstream.open(call("PUT", f"put{number}", 8), source(b"up", b"load", b"ed")) as answer:
                return await answer.body.read(100)

        got = await asyncio.gather(*(kind(number) for number in range(20) for kind in (get, put)))
    assert [b"object", b"uploaded"] * 20 == got
    assert 1 == seen.connections


async def test_a_whole_body_is_asked_for_when_there_is_a_connection() -> None:
    """The last moment to say no: the one connection is taken, and nothing was sent yet. A yes goes with the head."""
    free, asked = asyncio.Event(), []

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\netag: 1\r\ncontent-length: 6\r\n\r\n")
        await free.wait()
        await peer.send(b"object")
        await answer_all(peer)

    async def body() -> bytes:
        asked.append(free.is_set())
        return b"upload"

    async with fault_server(script) as seen, upstream_to(seen.port, max_connections=1) as upstream:

        async def put() -> bytes:
            async with upstream.open(call("PUT", "put", 6), body) as answer:
                return await answer.body.read(100)

        async with upstream.open(call()) as taken, asyncio.TaskGroup() as group:
            putting = group.create_task(put())
            await asyncio.sleep(0)
            free.set()
            assert b"object" == await taken.body.read(100)
    assert b"upload" == putting.result()
    assert ([True], 1) == (asked, seen.connections)


async def test_of_a_whole_body_that_is_refused_nothing_is_sent() -> None:
    """Not even a head, from which some stores make an empty object. The next upload finds another connection."""
    async with fault_server(answer_all) as seen, upstream_to(seen.port) as upstream:

        async def refused() -> bytes:
            raise Refused(Reason.REVOKED, "meanwhile")

        async def allowed() -> bytes:
            return b"upload"

        with pytest.raises(Refused):
            async with upstream.open(call("PUT", "no", 6), refused):
                pytest.fail("there is no answer")
        async with upstream.open(call("PUT", "yes", 6), allowed) as answer:
            assert b"upload" == await answer.body.read(100)
    assert (["PUT"], True) == ([head.split()[0] for head in seen.heads], "yes" in seen.heads[0])


async def test_an_answer_that_nobody_reads_to_the_end_ends_its_connection() -> None:
    """Leaving early closes the connection instead of reading on for nobody."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + b"x" * 10)
        await peer.until_closed()

    async with fault_server(script) as seen, upstream_to(seen.port) as upstream:
        async with upstream.open(call()) as answer:
            assert b"x" * 10 == await anext(aiter(answer.body))
        await seen.closed.wait()
        async with upstream.open(call()):
            pass
    assert 2 == seen.connections


@pytest.mark.parametrize(
    "wire",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n" + b"x" * 50,
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n32\r\n" + b"x" * 50 + b"\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n64\r\n" + b"x" * 50,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n32\r\n" + b"x" * 50 + b"\r\n0\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n32\r\n" + b"x" * 50 + b"\r\nnonsense\r\n",
    ],
)
@pytest.mark.parametrize("whole", [True, False])
async def test_a_truncated_body_raises(wire: bytes, whole: bool) -> None:
    """A body that ends early fails, read at once or chunk by chunk, and is never delivered as whole."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(wire)

    async with fault_server(script) as seen, upstream_to(seen.port) as upstream:
        with pytest.raises(UpstreamFailed) as failed:
            await (read if whole else drain)(upstream, call())
        assert Reason.UPSTREAM_BROKE is failed.value.reason


@pytest.mark.parametrize(
    "wire",
    [
        b"",
        b"HTTP/1.1 200 OK\r\ncontent-le",
        b"HTTP/1.1 100 Continue\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nuntil the close",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nx: " + b"y" * 70000,
    ],
)
@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
async def test_a_broken_head_fails_and_is_not_repeated_on_a_new_connection(wire: bytes, method: str) -> None:
    """On a connection that was never used before, nothing is sent twice, whatever the method."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(wire)

    body = b"body" if method == "PUT" else None
    async with fault_server(script) as seen, upstream_to(seen.port) as upstream:
        with pytest.raises(UpstreamFailed) as failed:
            async with upstream.open(call(method, length=4 if body else None), body):
                pytest.fail("there is no answer")
    assert Reason.UPSTREAM_BROKE is failed.value.reason
    assert 1 == len(seen.heads)


@pytest.mark.parametrize(("method", "times"), [("GET", 2), ("HEAD", 2), ("PUT", 1), ("POST", 1), ("DELETE", 1)])
async def test_only_reads_are_repeated_after_a_kept_connection_dropped(method: str, times: int) -> None:
    """A kept connection that drops at the next request: reads go again on a new one, writes are seen exactly once."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(b"warm"))
        head, _ = await peer.request()
        if peer.number:
            await peer.send(reply(b"" if head.startswith("HEAD") else b"again"))

    async with fault_server(script) as seen, upstream_to(seen.port) as upstream:
        async with upstream.open(call()) as answer:
            await answer.body.read(10)
        with contextlib.suppress(UpstreamFailed):
            async with upstream.open(call(method, key="target")) as answer:
                await answer.body.read(10)
                assert times == 2
    assert times == sum("/target?" in head for head in seen.heads)


async def test_a_read_is_sent_twice_at_most() -> None:
    """A store that drops every connection sees a read on the kept one and on a new one, then we give up."""

    async def script(peer: Peer) -> None:
        while "/target?" not in (await peer.request())[0]:
            await peer.send(reply(b"warm"))

    async with fault_server(script) as seen, upstream_to(seen.port) as upstream:
        async with upstream.open(call()) as answer:
            await answer.body.read(10)
        with pytest.raises(UpstreamFailed):
            async with upstream.open(call(key="target")):
                pytest.fail("there is no answer")
    assert 2 == sum("/target?" in head for head in seen.heads)


async def test_a_read_that_got_one_byte_is_not_repeated() -> None:
    """Once the store has begun to answer, a drop is a failure, also on a kept connection."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(b"warm"))
        await peer.request()
        await peer.send(b"H")

    async with fault_server(script) as seen, upstream_to(seen.port) as upstream:
        async with upstream.open(call()) as answer:
            await answer.body.read(10)
        with pytest.raises(UpstreamFailed):
            async with upstream.open(call()):
                pytest.fail("there is no answer")
    assert 2 == len(seen.heads)


async def test_redirects_are_not_followed() -> None:
    """A 307 is an answer like any other; its target is never contacted (traps T7)."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(b"", "307 Temporary Redirect", f"location: http://127.0.0.1:{seen.port}/other\r\n"))
        await peer.until_closed()

    async with fault_server(script) as seen, upstream_to(seen.port) as upstream, upstream.open(call()) as answer:
        assert 307 == answer.status
    assert 1 == len(seen.heads)


async def test_compressed_bodies_stay_as_they_are() -> None:
    """Content-Encoding describes the object; nothing unpacks it (traps T3)."""
    packed = gzip.compress(b"hello" * 100)

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(packed, extra="content-encoding: gzip\r\n"))

    async with fault_server(script) as seen, upstream_to(seen.port) as upstream, upstream.open(call()) as answer:
        assert (packed, "gzip") == (await answer.body.read(10000), answer.headers["content-encoding"])


async def test_unsolicited_bytes_on_a_kept_connection_end_it() -> None:
    """A store that speaks unasked loses the connection; what it said answers nobody."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(b"first") if peer.number else reply(b"first") + reply(b"poison"))
        if peer.number == 0:
            assert b"" == await peer.until_closed()

    async with fault_server(script) as seen, upstream_to(seen.port) as upstream:
        for _ in range(2):
            async with upstream.open(call()) as answer:
                assert b"first" == await answer.body.read(100)
    assert 2 == seen.connections


async def test_a_late_head_times_out() -> None:
    """No head in time fails as a timeout, and the request is not repeated."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.until_closed()

    async with fault_server(script) as seen, upstream_to(seen.port, headers_timeout=0.1) as upstream:
        with pytest.raises(UpstreamFailed) as failed:
            async with upstream.open(call()):
                pytest.fail("there is no answer")
        await seen.closed.wait()
    assert Reason.UPSTREAM_TIMED_OUT is failed.value.reason
    assert 1 == len(seen.heads)


async def test_a_dripping_head_times_out() -> None:
    """Bytes that never become a head do not extend the time for it."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\n")
        while not peer.reader.at_eof():
            await peer.send(b"a: b\r\n")
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.02):
                    await peer.reader.read()

    async with fault_server(script) as seen, upstream_to(seen.port, headers_timeout=0.1) as upstream:
        with pytest.raises(UpstreamFailed) as failed:
            async with upstream.open(call()):
                pytest.fail("there is no answer")
    assert Reason.UPSTREAM_TIMED_OUT is failed.value.reason


@pytest.mark.parametrize("drip", [b"", b"x"])
async def test_a_stalled_or_dripping_body_times_out(drip: bytes) -> None:
    """A body that stops, or comes slower than 1 KiB a second, is cut; what was delivered is not called whole."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + b"x" * 100)
        while not peer.reader.at_eof():
            await peer.send(drip)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.03):
                    await peer.reader.read()

    async with fault_server(script) as seen, upstream_to(seen.port, read_timeout=0.15) as upstream:
        with pytest.raises(UpstreamFailed) as failed:
            await drain(upstream, call())
    assert Reason.UPSTREAM_TIMED_OUT is failed.value.reason


async def test_a_slow_reader_is_not_the_stores_fault() -> None:
    """While nobody asks for bytes the store owes none: the body's clock stands still, and reading pauses."""
    content = bytes(3_000_000)

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(content))
        await peer.until_closed()

    async with (
        fault_server(script) as seen,
        upstream_to(seen.port, read_timeout=0.5) as upstream,
        upstream.open(call()) as answer,
    ):
        parts = aiter(answer.body)
        got = len(await anext(parts))
        for _ in range(10):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.1):
                    await asyncio.Event().wait()
        async for chunk in parts:
            got += len(chunk)
    assert len(content) == got


async def test_a_store_that_takes_no_body_times_out() -> None:
    """An upload that the store stops reading is cut as a timeout."""

    async def script(peer: Peer) -> None:
        await peer.head()
        peer.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await seen.closed.wait()

    async with fault_server(script) as seen, upstream_to(seen.port, read_timeout=0.1) as upstream:
        size = 64 * 1024 * 1024
        with pytest.raises(UpstreamFailed) as failed:
            async with upstream.open(call("PUT", length=size), source(*[bytes(1024 * 1024)] * 64)):
                pytest.fail("there is no answer")
        seen.closed.set()
    assert Reason.UPSTREAM_TIMED_OUT is failed.value.reason


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=70_000), max_size=6))
async def test_an_upload_arrives_as_it_was_given(chunks: list[bytes]) -> None:
    """Whatever the chunks, empty ones included, the store receives exactly their sum, and its answer comes back."""
    whole = b"".join(chunks)
    async with (
        fault_server(answer_all) as seen,
        upstream_to(seen.port) as upstream,
        upstream.open(call("PUT", length=len(whole)), source(*chunks)) as answer,
    ):
        assert (whole or b"object") == await answer.body.read(10**6)
    assert [whole] == seen.bodies


@pytest.mark.parametrize("size", [0, 1, 70_000, 1_000_000])
async def test_a_body_in_memory_arrives(size: int) -> None:
    """Bytes are sent as they are, small or large."""
    async with (
        fault_server(answer_all) as seen,
        upstream_to(seen.port) as upstream,
        upstream.open(call("PUT", length=size), b"y" * size) as answer,
    ):
        assert 200 == answer.status
    assert [b"y" * size] == seen.bodies


@pytest.mark.parametrize(
    ("declared", "chunks"),
    [(10, (b"12345",)), (10, (b"12345", b"678901")), (10, ()), (0, (b"x",)), (3, (b"abc", b"d"))],
)
async def test_a_body_of_another_length_never_looks_whole(declared: int, chunks: tuple[bytes, ...]) -> None:
    """Fewer or more bytes than declared: the request is cut before its last byte and refused."""
    received: list[bytes] = []

    async def script(peer: Peer) -> None:
        await peer.head()
        received.append(await peer.until_closed())

    async with fault_server(script) as seen, upstream_to(seen.port) as upstream:
        with pytest.raises(Refused) as refused:
            async with upstream.open(call("PUT", length=declared), source(*chunks)):
                pytest.fail("there is no answer")
        if declared:
            await seen.closed.wait()
    assert Reason.INCOMPLETE_BODY is refused.value.reason
    assert all(len(got) < declared for got in received)
    assert declared > 0 or not seen.heads


@pytest.mark.parametrize("size", [4, 6])
async def test_a_whole_body_of_another_length_is_not_sent(size: int) -> None:
    """It is here, so its length is known: that the other one was declared is a fault of ours, and no store sees it."""

    async def script(peer: Peer) -> None:
        await peer.until_closed()

    async with fault_server(script) as seen, upstream_to(seen.port) as upstream:
        with pytest.raises(ValueError, match="not as long as declared"):
            async with upstream.open(call("PUT", length=5), b"x" * size):
                pytest.fail("there is no answer")
        with contextlib.suppress(TimeoutError):  # over TLS, who leaves right behind the handshake was never there
            await asyncio.wait_for(seen.closed.wait(), 1)
    assert not seen.heads


@pytest.mark.parametrize("chunks", [(b"12345",), (b"1234567890",), (b"12345", b"67890", b""), ()])
async def test_a_source_that_raises_never_looks_whole(chunks: tuple[bytes, ...]) -> None:
    """A source's failure, even after its last byte, cuts the request before that byte and reaches the caller."""
    received: list[bytes] = []

    async def script(peer: Peer) -> None:
        await peer.head()
        received.append(await peer.until_closed())

    async with fault_server(script) as seen, upstream_to(seen.port) as upstream:
        error = Refused(Reason.BAD_DIGEST)
        with pytest.raises(Refused) as refused:
            async with upstream.open(call("PUT", length=10), source(*chunks, error=error)):
                pytest.fail("there is no answer")
        await seen.closed.wait()
    assert refused.value is error
    assert all(len(got) < 10 for got in received)


async def test_an_early_refusal_arrives_while_the_body_is_still_sent() -> None:
    """A store that refuses before it has read the body is heard at once; sending stops and the connection ends."""
    reached = asyncio.Event()
    stopped: list[str] = []

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.reader.readexactly(5)
        await peer.send(reply(b"<Error/>", "403 Forbidden"))
        assert b"" == await peer.until_closed()

    async with fault_server(script) as seen, upstream_to(seen.port) as upstream:
        async with upstream.open(call("PUT", length=10**9), stalled(b"12345", reached, stopped)) as answer:
            assert ["stopped"] == stopped
            assert (403, b"<Error/>") == (answer.status, await answer.body.read(100))
        await seen.closed.wait()
    assert reached.is_set()
    assert 1 == seen.connections


async def test_an_early_success_is_not_believed() -> None:
    """A store that says 200 before it has the body cannot have stored it."""

    async def script(peer: Peer) -> None:
        await peer.head()
        await peer.send(reply())
        await peer.until_closed()

    async with fault_server(script) as seen, upstream_to(seen.port) as upstream:
        with pytest.raises(UpstreamFailed) as failed:
            async with upstream.open(call("PUT", length=100), stalled(b"12345", asyncio.Event())):
                pytest.fail("there is no answer")
    assert Reason.UPSTREAM_BROKE is failed.value.reason


async def test_interim_answers_during_an_upload_are_skipped() -> None:
    """100 Continue, asked for or not, is not the answer."""

    async def script(peer: Peer) -> None:
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n") if peer.number else None
        await peer.head()
        await peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        await peer.reader.readexactly(4)
        await peer.send(reply(b"done", extra="etag: 1\r\n"))

    async with (
        fault_server(script) as seen,
        upstream_to(seen.port) as upstream,
        upstream.open(call("PUT", length=4), source(b"bo", b"dy")) as answer,
    ):
        assert (200, b"done") == (answer.status, await answer.body.read(10))


@pytest.mark.parametrize("phase", ["head", "body", "upload"])
async def test_cancelling_gives_everything_back(phase: str) -> None:
    """A caller that is cancelled in any phase leaves no connection and no task behind."""
    reached = asyncio.Event()

    async def script(peer: Peer) -> None:
        await peer.head()
        if phase == "body":
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n")
        else:
            reached.set()
        await peer.until_closed()

    async with fault_server(script) as seen, upstream_to(seen.port) as upstream:

        async def use() -> None:
            body = stalled(b"x", asyncio.Event()) if phase == "upload" else None
            async with upstream.open(call("PUT" if body else "GET", length=9 if body else None), body) as answer:
                reached.set()
                await answer.body.read(10)

        before = asyncio.all_tasks()
        user = asyncio.get_running_loop().create_task(use())
        await reached.wait()
        user.cancel()
        with pytest.raises(asyncio.CancelledError):
            await user
        await seen.closed.wait()
        ours = ("use", "_send_source")
        leftover = {task for task in asyncio.all_tasks() - before if any(name in repr(task) for name in ours)}
        assert set() == leftover
        assert not upstream.store("b").busy


async def test_reading_more_than_the_limit_fails() -> None:
    """`read` never holds more than it was allowed to."""
    async with fault_server(answer_all) as seen, upstream_to(seen.port) as upstream:
        with pytest.raises(UpstreamFailed):
            async with upstream.open(call("PUT", length=20), b"x" * 20) as answer:
                await answer.body.read(19)


async def test_a_stalled_reader_costs_one_read() -> None:
    """With nobody asking, at most one read's bytes wait in memory, however large the object."""

    async def script(peer: Peer) -> None:
        await peer.request()
        with contextlib.suppress(ConnectionError):
            await peer.send(reply(bytes(16_000_000)))

    async with fault_server(script) as seen, upstream_to(seen.port) as upstream, upstream.open(call()) as answer:
        await anext(aiter(answer.body))
        for _ in range(50):
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.002):
                    await asyncio.Event().wait()
        held = answer.body._response.buffered  # type: ignore[attr-defined]
    assert held <= READ_SIZE
