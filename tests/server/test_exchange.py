"""The client's side of one request, on real sockets."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from gateway.core.reasons import Reason, Refused
from gateway.core.record import Outcome
from gateway.core.request import Action
from gateway.server import deadline, sending
from gateway.server.connection import Connection
from gateway.server.exchange import ClientExchange
from gateway.server.request import IncomingRequest
from gateway.splice.pump import small_answers
from gateway.wire.replies import Reply
from tests.data.harness import Rig, request
from tests.data.scripted_store import Scripted
from tests.servers import over_tls


async def test_continue_is_said_when_the_body_is_wanted(rig: Rig) -> None:
    """An admitted upload gets `100 Continue`, then its answer."""
    token = await rig.link(actions=[Action.WRITE])
    async with rig.client() as client:
        head = f"PUT /s/{token} HTTP/1.1\r\nHost: gw\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n"
        await client.send(head.encode())
        assert 100 == (await client.head()).status
        await client.send(b"hello")
        assert 201 == (await client.answer()).status
    assert b"hello" == rig.store.stored("inside/a.txt")
    assert 5 == (await rig.last()).bytes_in


async def test_who_did_not_wait_is_heard_out(rig: Rig) -> None:
    """A client that asked first and sends all the same reads its refusal before anything is reset."""
    token = await rig.link()
    head = {"Expect": "100-continue", "Content-Length": "1000000"}
    async with rig.client() as client:
        await client.send(request("PUT", f"/s/{token}", head, b"x" * 1000))
        assert 405 == (await client.answer()).status
        await client.send(b"x" * 100_000)
        assert (b"", False) == (await client.rest(), client.reset)


async def test_a_head_that_cannot_be_written_leaves_room_for_another_answer(rig: Rig) -> None:
    """A field with a line break is never sent, and the client is told that something went wrong."""

    async def handle(connection: Connection, arrival: IncomingRequest) -> None:
        exchange = ClientExchange(connection, arrival, "r", None)
        with pytest.raises(ValueError, match="line break"):
            await exchange.send(Reply(200, (("X-Name", "a\r\nb"),)))
        assert not exchange.started
        await exchange.send(Reply(500))

    assert rig.server is not None
    rig.server.handle = handle
    assert 500 == (await rig.ask("GET", "/")).status


async def test_continue_is_said_once_and_only_to_who_asked(rig: Rig) -> None:
    """Without `Expect` there is no interim answer."""
    token = await rig.link(actions=[Action.WRITE])
    async with rig.client() as client:
        await client.send(f"PUT /s/{token} HTTP/1.1\r\nHost: gw\r\nContent-Length: 5\r\n\r\nhello".encode())
        assert 201 == (await client.head()).status


@pytest.mark.parametrize(("version", "told"), [("1.1", True), ("1.0", False)])
async def test_an_interim_answer_is_sent_to_who_knows_of_them(rig: Rig, version: str, told: bool) -> None:
    """Before the head of the answer, never after it; HTTP/1.0 has none."""

    async def handle(connection: Connection, arrival: IncomingRequest) -> None:
        exchange = ClientExchange(connection, arrival, "r", None)
        exchange.inform(104, (("Location", "/here"),))
        await exchange.send(Reply(200, (), b"hello"))
        exchange.inform(104, (("Location", "/late"),))

    assert rig.server is not None
    rig.server.handle = handle
    async with rig.client() as client:
        await client.send(f"GET / HTTP/{version}\r\nHost: gw\r\nConnection: close\r\n\r\n".encode())
        got = await client.rest()
    first = b"HTTP/1.1 104 Upload Resumption Supported\r\nLocation: /here\r\n\r\n"
    assert told is got.startswith(first + b"HTTP/1.1 200")
    assert got.endswith(b"\r\n\r\nhello")
    assert b"/late" not in got


async def test_a_cut_is_a_reset(rig: Rig) -> None:
    """Linger 0 and abort: the client's next read is an error, not an end."""
    hold = asyncio.Event()
    rig.store.script(Scripted(200, {}, [b"x" * 70_000, hold], length=100_000))
    async with rig.client() as client:
        await client.send(f"GET /s/{await rig.link()} HTTP/1.1\r\nHost: gw\r\n\r\n".encode())
        await client.head()
        [permit] = rig.plane.transfers
        permit.cut(Reason.REVOKED)
        await client.rest()
        assert client.reset
    [record] = await rig.recorded(1)
    assert (Outcome.CUT, "revoked") == (record.outcome, record.reason)


async def test_without_linger_a_cut_would_look_like_an_end(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: the socket option is what makes the error."""
    monkeypatch.setattr(sending, "_LINGER_NONE", struct.pack("ii", 0, 0))
    rig.store.script(Scripted(200, {}, [b"x" * 70_000, asyncio.Event()], length=100_000))
    async with rig.client() as client:
        await client.send(f"GET /s/{await rig.link()} HTTP/1.1\r\nHost: gw\r\n\r\n".encode())
        await client.head()
        [permit] = rig.plane.transfers
        permit.cut(Reason.REVOKED)
        await client.rest()
        assert not client.reset


async def test_a_cut_counts_what_left(rig: Rig) -> None:
    """A client that does not read is charged for what reached it, not for what waited in our queues."""
    rig.store.script(Scripted(200, {}, [b"x" * 262_144] * 40))
    async with rig.client(window=4096) as client:
        await client.send(f"GET /s/{await rig.link()} HTTP/1.1\r\nHost: gw\r\n\r\n".encode())
        await client.head()
        await asyncio.sleep(0.05)
        [permit] = rig.plane.transfers
        permit.cut(Reason.REVOKED)
        await asyncio.sleep(0)  # the loop closes the socket in its next turn, before a client elsewhere could read on
        seen = len(await client.rest())
    [record] = await rig.recorded(1)
    below_tls = 0 if over_tls.listener() is None else 256 * 1024  # where nobody can look
    assert seen <= record.bytes_out <= seen + below_tls


async def test_a_connection_serves_one_request_after_another(rig: Rig) -> None:
    """Kept alive, with requests sent before the first answer came."""
    rig.store.hold("inside/a.txt", b"hello")
    line = f"GET /s/{await rig.link()} HTTP/1.1\r\nHost: gw\r\n\r\n".encode()
    async with rig.client() as client:
        await client.send(line * 3)
        assert [b"hello"] * 3 == [(await client.answer()).body for _ in range(3)]


async def test_a_body_that_nobody_read_ends_the_connection(rig: Rig) -> None:
    """What follows on the wire could be the rest of the body, so it is never read as a request."""
    token = await rig.link()
    smuggled = f"GET /s/{token} HTTP/1.1\r\nHost: gw\r\n\r\n".encode()
    rig.store.hold("inside/a.txt", b"hello")
    async with rig.client() as client:
        await client.send(f"PUT /s/{token} HTTP/1.1\r\nHost: gw\r\nContent-Length: 1000\r\n\r\n".encode() + smuggled)
        got = await client.answer()
        client.sock.shutdown(socket.SHUT_WR)
        assert b"" == await client.rest()
    assert (405, "close") == (got.status, got.header("connection"))
    assert 1 == len(rig.records)


FORMS = ["application/x-www-form-urlencoded", "multipart/form-data; boundary=b"]


@pytest.mark.parametrize("content_type", FORMS)
async def test_a_form_that_does_not_come_holds_nothing(rig: Rig, monkeypatch, content_type: str) -> None:
    """Before a request is admitted nobody counts its speed, so its form has a time limit of its own."""
    monkeypatch.setattr(deadline, "_UNADMITTED_SECONDS", 0.05)
    token = await rig.link(actions=[Action.WRITE])
    async with rig.client() as client:
        head = {"Content-Type": content_type, "Content-Length": "5000"}
        await client.send(request("POST", f"/s/{token}", head, b"--b\r\n"))
        await client.rest()
        assert client.ended
    assert "client_too_slow" == (await rig.recorded(1))[0].reason


async def test_an_early_refusal_by_the_store_is_told_at_once(rig: Rig) -> None:
    """A client that is still sending hears it, and the connection ends with it."""
    rig.store.script(Scripted(403, before_body=True))
    token = await rig.link(actions=[Action.WRITE])
    async with rig.client() as client:
        await client.send(request("PUT", f"/s/{token}", {"Content-Length": "1000000"}, b"x" * 1000))
        got = await client.answer()
    assert (502, "close") == (got.status, got.header("connection"))
    assert 0 == rig.store.open_now


async def test_the_declared_length_is_what_is_sent(rig: Rig) -> None:
    """HTTP/1.0 clients, who know no chunks, get their answer and the end of the connection."""
    rig.store.hold("inside/a.txt", b"hello")
    async with rig.client() as client:
        await client.send(f"GET /s/{await rig.link()} HTTP/1.0\r\nHost: gw\r\n\r\n".encode())
        assert b"hello" == (await client.answer()).body
        assert b"" == await client.receive()


@pytest.mark.parametrize(
    ("version", "asked", "told"),
    [
        ("0.9", "keep-alive", "close"),
        ("1.0", None, "close"),
        ("1.0", "close", "close"),
        ("1.0", "keep-alive", "keep-alive"),
        ("1.1", None, None),
        ("1.1", "keep-alive", None),
        ("1.1", "close", "close"),
    ],
)
async def test_whether_another_request_may_follow_is_told(
    rig: Rig, version: str, asked: str | None, told: str | None
) -> None:
    """Every answer is one of HTTP/1.1, where silence is a connection that is kept, so each last one says `close`."""
    rig.store.hold("inside/a.txt", b"hello")
    sent = f"GET /s/{await rig.link()} HTTP/{version}\r\nHost: gw\r\n"
    sent += "" if asked is None else f"Connection: {asked}\r\n"
    async with rig.client() as client:
        await client.send(f"{sent}\r\n".encode())
        assert told == (await client.answer()).header("connection")
        if told == "close":
            assert b"" == await client.rest()
        else:
            await client.send(f"{sent}\r\n".encode())
            assert b"hello" == (await client.answer()).body


async def test_who_serves_is_not_told(rig: Rig) -> None:
    """No library and no version in any answer."""
    rig.store.hold("inside/a.txt", b"hello")
    token = await rig.link()
    asked = [await rig.fetch(token), await rig.ask("GET", "/s/none"), await rig.ask("GET", "/robots.txt")]
    asked.append(await rig.ask("BREW", "/reports/a"))
    assert [["gateway"]] * 4 == [got.headers_named("server") for got in asked]


@pytest.mark.parametrize("field", ["Transfer-Encoding: gzip, chunked", "X-Amz_Date: 1", "Host: a b"])
async def test_after_a_doubtful_head_nothing_more_is_read(rig: Rig, field: str) -> None:
    """Where a head is refused, the next request's beginning is a guess: the connection ends with the answer."""
    token = await rig.link()
    lines = [f"POST /s/{token} HTTP/1.1", *([] if field.startswith("Host") else ["Host: gw"]), field]
    lines += [] if field.startswith("Transfer") else ["Content-Length: 0"]
    body = "0\r\n\r\n" if field.startswith("Transfer") else ""
    async with rig.client() as client:
        await client.send(("\r\n".join(lines) + "\r\n\r\n" + body).encode() + request("GET", f"/s/{token}"))
        assert 400 == (await client.answer("POST")).status
        assert b"" == await client.rest()


async def test_head_names_no_length_that_get_would_not_have(rig: Rig) -> None:
    """A file's, empty ones' too; none where it is not known, of refusals, listings, and what a store leaves out."""
    rig.store.hold("inside/a.txt", b"hello")
    rig.store.hold("inside/empty", b"")
    file, empty, folder = await rig.link(), await rig.link("empty"), await rig.link(prefix="")
    wanted = [(f"/s/{file}", "5"), (f"/s/{empty}", "0"), (f"/s/{folder}/", None), ("/s/none", None), ("/abc/x", None)]
    async with rig.client() as client:
        for path, length in wanted:
            await client.send(request("HEAD", path))
            assert (path, length) == (path, (await client.answer("HEAD")).header("content-length"))
        rig.store.script(Scripted(200, {"ETag": '"x"'}))
        await client.send(request("HEAD", f"/s/{file}"))
        assert (await client.answer("HEAD")).header("content-length") is None
        await client.send(request("GET", f"/s/{file}"))
        assert b"hello" == (await client.answer("GET")).body


class Behind:
    """A connection whose client has not taken yet what it was sent: meanwhile something `happens`."""

    peer, peer_texts, host = None, ("", "local"), SimpleNamespace(draining=False)
    unsent, behind = 0, True

    def __init__(self, happens: Callable[[], None]) -> None:
        self.happens = happens
        self.written = b""
        self.writes = 0
        self.ended = False

    def date(self) -> str:
        return "now"

    def write(self, data: bytes) -> bool:
        self.written += data
        self.writes += 1
        return True

    async def drain(self) -> None:
        self.happens()

    def reset(self) -> int:
        return self.unsent

    def break_off_alone(self) -> None:
        """Its client is still there."""

    def end(self, *, keep: bool, lingering: bool) -> None:
        self.ended = True


@pytest.mark.parametrize("lost", [False, True])
async def test_a_whole_answer_that_was_cut_while_the_client_was_behind_is_none(lost: bool) -> None:
    """Whether the client was cut off or has gone by itself: it is a refusal, and the exchange has not ended well."""

    def happens() -> None:
        if lost:
            raise ConnectionResetError
        exchange.cut(Reason.REVOKED)

    stub = Behind(happens)
    arrival = IncomingRequest("GET", "/", [(b"Host", b"gw")], (1, 1), keep_alive=True)
    exchange = ClientExchange(stub, arrival, "R1", None)
    with pytest.raises(Refused) as refused:
        await exchange.send_whole(200, (), b"body")
    assert (Reason.CLIENT_GONE if lost else Reason.REVOKED) == refused.value.reason
    assert (False, not lost) == (stub.ended, exchange.whole)
    assert stub.written.endswith(b"\r\n\r\nbody")


@pytest.mark.parametrize("size", [0, 65536, 65537, 200_000])
@pytest.mark.parametrize("version", [(1, 0), (1, 1)])
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_long_document_is_handed_over_piece_by_piece(method: str, version: tuple[int, int], size: int) -> None:
    """A small one in one write with its head; of a long one each piece waits for its client, counted as it goes."""
    counts: list[tuple[int, bool, bool]] = []
    body = bytes(range(256)) * 1000
    stub = Behind(lambda: counts.append((exchange.bytes_out, exchange.whole, exchange.client_side)))
    exchange = ClientExchange(
        stub, IncomingRequest(method, "/", [(b"Host", b"gw")], version, keep_alive=True), "R1", None
    )
    await exchange.send(Reply(200, (), body[:size]))
    head, _, sent = stub.written.partition(b"\r\n\r\n")
    assert (b"" if method == "HEAD" else body[:size]) == sent
    assert (method == "GET" or size > 0) is (b"Content-Length: %d" % size in head)
    assert b"chunked" not in head
    assert (len(sent), True, True, False) == (exchange.bytes_out, exchange.whole, stub.ended, exchange.client_side)
    if method == "HEAD":
        assert 1 == stub.writes
    elif size <= 65536:
        assert ([(size, True, True)], 1) == (counts, stub.writes)
    else:
        pieces = -(-size // 65536)
        before = [(65536 * number, False, True) for number in range(1, pieces)]
        assert [*before, (size, True, True)] == counts[:pieces]
        assert 1 + pieces == stub.writes


async def test_a_long_document_ends_where_it_was_cut() -> None:
    """Nothing follows the piece that waited, there is no second answer, and what did not leave is not counted."""

    def happens() -> None:
        assert not exchange.awaits_answer
        exchange.cut(Reason.CLIENT_TOO_SLOW)

    stub = Behind(happens)
    stub.unsent = 60_000
    exchange = ClientExchange(
        stub, IncomingRequest("GET", "/", [(b"Host", b"gw")], (1, 1), keep_alive=True), "R1", None
    )
    with pytest.raises(Refused) as refused:
        await exchange.send(Reply(200, (), b"x" * 200_000))
    assert (Reason.CLIENT_TOO_SLOW, False, False) == (refused.value.reason, exchange.whole, stub.ended)
    assert (65536, 5536) == (len(stub.written.partition(b"\r\n\r\n")[2]), exchange.bytes_out)


@pytest.mark.parametrize("size", [4096, 1 << 20])
@pytest.mark.parametrize("method", ["GET", "PUT"])
async def test_a_small_answer_is_counted_for_those_who_share_the_loop(rig: Rig, method: str, size: int) -> None:
    """Large bodies move less in a turn then; what moves such a body itself is none that waits for them."""
    rig.store.hold("inside/a.txt", bytes(size))
    token = await rig.link(actions=[Action.READ, Action.WRITE], overwrite=True)
    before = small_answers.count
    got = await rig.ask(method, f"/s/{token}", body=bytes(size) if method == "PUT" else b"")
    assert 2 == got.status // 100
    assert int(size == 4096) == small_answers.count - before


@pytest.mark.parametrize("way", ["whole", "streamed"])
async def test_what_was_ended_writes_nothing_any_more(way: str) -> None:
    """A refusal is on its way to the client: whatever ran goes on to no answer of its own."""
    stub = Behind(lambda: None)
    arrival = IncomingRequest("GET", "/", [(b"Host", b"gw")], (1, 1), keep_alive=True)
    exchange = ClientExchange(stub, arrival, "R1", None)
    exchange.cut_reason = Reason.REVOKED
    with pytest.raises(Refused) as refused:
        await (exchange.send_whole(200, (), b"body") if way == "whole" else exchange.start(200, (), 4))
    assert (Reason.REVOKED, b"", False) == (refused.value.reason, stub.written, exchange.started)
