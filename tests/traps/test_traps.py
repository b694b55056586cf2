"""Defects that the obvious code would have, one named test each, on real sockets.

Every trap has a control: the same client and store with the guard taken out, or the bare library, shows the defect.
A control that fails means that the trap can no longer be seen, and its test proves nothing.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
from urllib.parse import urlsplit

import aiohttp
import pytest
from aiohttp import web
from yarl import URL

from gateway.core.reasons import Reason, UpstreamFailed
from gateway.core.record import Outcome
from gateway.core.request import Action
from gateway.data import call, serve
from gateway.data.state.transfers import Permit
from gateway.data.steps import relay
from gateway.server import connection
from gateway.server.exchange import ClientExchange
from gateway.server.request import IncomingBody
from gateway.wire.http import target as targets
from gateway.wire.replies import Reply
from tests.backends.fault_server import Peer, fault_server, reply
from tests.data.harness import Rig, request, running
from tests.data.raw_client import Got, RawClient, held_by_client
from tests.data.real_store import before
from tests.data.scripted_store import Scripted
from tests.servers import over_tls
from tests.waiting import until

WRITE = frozenset({Action.WRITE})


# T1: a short body on a connection that stays open


async def _two_at_once(app: Rig) -> Got:
    """The first answer to two requests in one packet, where the store gives the first 70,000 of 100,000 bytes."""
    app.store.script(Scripted(200, {}, [b"x" * 70_000], length=100_000), Scripted(200, {}, [b"y" * 60_000]))
    async with app.client() as client:
        await client.send(request("GET", "/reports/a") + request("GET", "/reports/b"))
        return await client.answer()


async def test_t1_a_short_body_is_never_filled_by_the_next_answer(app: Rig) -> None:
    """The connection breaks; the client sees an error and no byte that is not the object's."""
    got = await _two_at_once(app)
    assert (False, b"x" * len(got.body)) == (got.whole, got.body)
    assert Outcome.UPSTREAM_FAILED == app.records[0].outcome


async def test_t1_control(app: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the count, the next answer becomes the end of this one, and the client calls it whole."""
    monkeypatch.setattr(relay, "_require_whole", lambda answer, came: None)
    got = await _two_at_once(app)
    assert got.whole
    assert b"HTTP/1.1 200 OK" in got.body


# T2: an answer raised after the head


async def _raised_inside(app: Rig) -> bytes:
    """All that comes after the head, until nothing more does."""
    app.store.script(Scripted(200, {}, [b"x" * 70_000, web.HTTPNotFound(text="a second answer")], length=100_000))
    body = b""
    async with app.client() as client:
        await client.send(request("GET", "/reports/a"))
        await client.head()
        async with asyncio.timeout(10):
            while b"second" not in body and (piece := await client.receive()):
                body += piece
        assert client.reset == (b"second" not in body)
    return body


async def test_t2_no_answer_is_written_into_a_body(app: Rig) -> None:
    """Whatever is raised once the head has left cuts the connection."""
    body = await _raised_inside(app)
    assert b"x" * len(body) == body


async def test_t2_control(app: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told to a client that has the head already, it stands inside the object's bytes."""

    async def tell(plane, exchange, account):
        await exchange.send(Reply(404, (), b"a second answer"))

    monkeypatch.setattr(serve, "refuse", tell)
    assert b"a second answer" in await _raised_inside(app)


# T3: decompression on the way

ZIPPED = gzip.compress(b"hello " * 1000)


async def _stored_zip(rig: Rig) -> bytes | None:
    headers = {"Content-Encoding": "gzip", "Content-Length": str(len(ZIPPED))}
    await rig.ask("PUT", "/reports/a.gz", headers, ZIPPED)
    return rig.store.stored("inside/a.gz")


async def test_t3_compressed_bytes_go_in_and_out_as_they_are(app: Rig) -> None:
    """Byte for byte, with the header that says so."""
    assert ZIPPED == await _stored_zip(app)
    app.store.hold("inside/a.gz", ZIPPED, content_encoding="gzip")
    got = await app.ask("GET", "/reports/a.gz")
    assert (ZIPPED, "gzip") == (got.body, got.header("content-encoding"))


async def test_t3_out_of_a_real_store(app: Rig) -> None:
    """The upstream client does not unpack either."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(ZIPPED, extra="content-encoding: gzip\r\n"))

    async with before(script) as (rig, _):
        assert ZIPPED == (await rig.ask("GET", "/reports/a.gz")).body


async def test_t3_control(app: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A listener that unpacks what says it is packed gives the store other bytes than were sent, if it gets any."""
    put = IncomingBody._put
    monkeypatch.setattr(IncomingBody, "_put", lambda self, piece: put(self, gzip.decompress(piece)))
    assert ZIPPED != await _stored_zip(app)


# T4: slow clients

HALF_A_HEAD = b"GET /s/x HTTP/1.1\r\nHost: gw\r\nX-Half: "


async def _ends(client: RawClient, within: float = 10.0) -> bool:
    """Whether the connection ends in that time; a control, which waits in vain, waits less."""
    try:
        async with asyncio.timeout(within):
            await client.rest()
    except TimeoutError:
        return False
    return client.ended


@pytest.mark.parametrize("sent", [b"", HALF_A_HEAD], ids=["nothing", "half a head"])
async def test_t4_a_head_that_does_not_come_ends_the_connection(sent: bytes) -> None:
    """Its time runs from the connection on."""
    async with running(head_seconds=0.05) as rig, rig.client() as client:
        if sent:
            await client.send(sent)
        assert await _ends(client)


async def test_t4_dripping_buys_no_time() -> None:
    """A byte now and then does not move the deadline."""
    async with running(head_seconds=0.05) as rig, rig.client() as client:
        await client.send(HALF_A_HEAD)
        with pytest.raises(ConnectionError):  # noqa: PT012 (which of the drops meets the closed door is not known)
            for _ in range(40):
                await client.send(b"x")
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("sent", [b"", HALF_A_HEAD], ids=["nothing", "half a head"])
async def test_t4_control_of_heads(sent: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the listener's clock a connection waits on."""
    monkeypatch.setattr(connection.Connection, "check", lambda self, now: None)
    async with running(head_seconds=0.05) as rig, rig.client() as client:
        if sent:
            await client.send(sent)
        assert not await _ends(client, 0.3)


async def _half_a_body(rig: Rig, within: float = 10.0) -> bool:
    """Whether the connection ends when eleven seconds have passed on the plane's own clock."""
    token = await rig.link(actions=WRITE)
    async with rig.client() as client:
        await client.send(request("PUT", f"/s/{token}", {"Content-Length": "100000"}, b"x" * 1000))
        await until(lambda: any(permit.exchange.awaits_client for permit in rig.plane.transfers))
        await until(lambda: all(permit.exchange.bytes_in == 1000 for permit in rig.plane.transfers))
        for _ in range(11):
            rig.clock.tick(1)
            rig.plane.transfers.cut_slow(rig.clock.passed)
        return await _ends(client, within)


async def test_t4_half_a_body_ends_the_connection(rig: Rig) -> None:
    """Less than 1 KiB/s over ten seconds, and no object is left."""
    assert await _half_a_body(rig)
    assert None is rig.store.stored("inside/a.txt")


async def test_t4_control_of_bodies(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody else counts."""
    monkeypatch.setattr(Permit, "too_slow", lambda *_: False)
    assert not await _half_a_body(rig, 0.3)


# T5: what still arrives after a cut


async def _after_the_cut(rig: Rig) -> int:
    """Bytes that reach a client after its transfer was cut, beyond those that its own kernel held already."""
    rig.store.script(Scripted(200, {}, [b"x" * 262_144] * 100))
    async with rig.client(window=65_536) as client:
        await client.send(request("GET", f"/s/{await rig.link()}"))
        held = await held_by_client(client)
        [permit] = rig.plane.transfers
        permit.cut(Reason.REVOKED)
        return len(await client.rest()) - held


async def test_t5_at_most_256_kib_leave_after_a_cut(rig: Rig) -> None:
    """For a reader that does not read, with megabytes waiting for it."""
    assert await _after_the_cut(rig) <= 256 * 1024
    [record] = await rig.recorded(1)
    assert Outcome.CUT == record.outcome


async def test_t5_control(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """An ordinary close of an ordinary socket delivers what the kernel had queued."""

    def ordinary(self: ClientExchange, reason: Reason) -> None:
        self.cut_reason = reason
        self._connection._transport.close()

    assert rig.server is not None
    plain = [bound for server in rig.server._sockets for bound in server.sockets]
    for listening in (*plain, *rig.server._handshakes._listening):
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, 2**31 - 1)
    monkeypatch.setattr(ClientExchange, "cut", ordinary)
    assert await _after_the_cut(rig) > 256 * 1024


# T6: a write that is sent again


async def _dropped_on_reuse(peer: Peer) -> None:
    """One good answer, then the connection ends after the next request."""
    await peer.request()
    await peer.send(reply(b"ok"))
    await peer.request()


@pytest.mark.parametrize(("method", "sent"), [("PUT", 1), ("DELETE", 1), ("GET", 2)])
async def test_t6_a_write_is_sent_once(method: str, sent: int) -> None:
    """When a kept connection drops, only a read is tried again: the GET here is the control."""
    async with before(_dropped_on_reuse) as (rig, seen):
        assert 200 == (await rig.ask("GET", "/reports/warm")).status
        got = await rig.ask(method, "/reports/a", body=b"body" if method == "PUT" else b"")
        assert (200 if method == "GET" else 502) == got.status
        assert sent == sum(head.startswith(f"{method} /real/inside/a") for head in seen.heads)


# T7: a redirect that is followed


async def test_t7_a_stores_redirect_is_not_followed() -> None:
    """A store cannot send us anywhere; the library's default client goes."""

    async def elsewhere(peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(b"metadata of the machine"))

    async with fault_server(elsewhere, plain=True) as target:

        async def redirecting(peer: Peer) -> None:
            await peer.request()
            place = f"location: http://127.0.0.1:{target.port}/latest\r\n"
            await peer.send(reply(b"", "307 Temporary Redirect", place))

        async with before(redirecting) as (rig, store):
            got = await rig.ask("GET", "/reports/a")
            assert (502, 0) == (got.status, target.connections)
            assert b"metadata" not in got.body
            async with (
                aiohttp.ClientSession() as session,
                session.get(store.url, ssl=over_tls.client() or True) as followed,
            ):
                assert b"metadata of the machine" == await followed.read()  # control
            assert 1 == target.connections


# T8: a name that changes on its way to the store


@pytest.mark.parametrize("path", ["allowed/../secret", "allowed/%2e%2e/secret", "allowed/%2E./secret", "./a", "a/."])
async def test_t8_dot_segments_are_refused_before_any_rule(path: str) -> None:
    """No store hears of them."""

    async def script(peer: Peer) -> None:
        await peer.request()

    async with before(script) as (rig, seen):
        assert 400 == (await rig.ask("GET", f"/reports/{path}")).status
        assert 0 == seen.connections


@pytest.mark.parametrize(
    ("path", "wire"),
    [
        ("a%252e%252e/b", "a%252e%252e/b"),
        ("%41%7e", "A~"),
        ("a%2Fb", "a/b"),
        ("a%20b+c", "a%20b%2Bc"),
        ("a//b", "a//b"),
        ("%E6%97%A5", "%E6%97%A5"),
    ],
)
async def test_t8_what_was_decided_on_is_what_is_sent(path: str, wire: str) -> None:
    """Decoded once, encoded once, and nothing in between tidies it up."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(b"ok"))

    async with before(script) as (rig, seen):
        assert 200 == (await rig.ask("GET", f"/reports/{path}")).status
        assert seen.heads[0].startswith(f"GET /real/inside/{wire}?")


def test_t8_control() -> None:
    """The library's URL collapses both spellings."""
    for text in ("http://h/bkt/allowed/../secret", "http://h/bkt/allowed/%2e%2e/secret"):
        assert "/bkt/secret" == URL(text).raw_path


# T9: a path that is read twice

READINGS = [
    ("/reports/%zz", 400),
    ("/reports/a%0", 400),
    ("/reports/a#frag", 400),
    ("/reports/a%00b", 400),
    ("//evil.example/x", 400),
    ("/reports%2Fa", 400),
]


@pytest.mark.parametrize(("target", "status"), READINGS)
async def test_t9_what_has_no_one_reading_is_refused(app: Rig, target: str, status: int) -> None:
    """Malformed escapes, fragments, control bytes, an empty bucket, a bucket with a slash."""
    assert status == (await app.ask("GET", target)).status
    assert [] == app.store.seen


def test_t9_control() -> None:
    """A library's own reading of the same target has the slash that decides which bucket it is."""
    assert "/reports/a" == URL("/reports%2Fa", encoded=True).path


# T10: two names of the host


@pytest.mark.parametrize(
    ("target", "host", "status"),
    [
        ("http://victim.example/reports/a", "gw", 400),
        ("http://gw/reports/a", "gw", 200),
        ("http://gw@victim.example/reports/a", "gw", 400),
        ("http://gw:81/reports/a", "gw", 400),
    ],
)
async def test_t10_absolute_form_names_the_host_or_is_refused(app: Rig, target: str, host: str, status: int) -> None:
    """What routes and what was signed cannot differ."""
    app.store.hold("inside/a", b"hello")
    assert status == (await app.ask("GET", target, {"Host": host})).status


async def test_t10_control(app: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Read without regard to the header, the same target is served."""
    app.store.hold("inside/a", b"hello")
    monkeypatch.setattr(targets, "_split_target", lambda text, host: (urlsplit(text).path, ""))
    assert 200 == (await app.ask("GET", "http://victim.example/reports/a", {"Host": "gw"})).status


# T11: versions that are not spoken here


@pytest.mark.parametrize("version", ["HTTP/0.9", "HTTP/2.0", "HTTP/1.2", "HTTP/3.0"])
async def test_t11_other_versions_are_refused(app: Rig, version: str) -> None:
    """400, and nothing of the object."""
    app.store.hold("inside/a", b"hello")
    async with app.client() as client:
        await client.send(f"GET /reports/a {version}\r\nHost: gw\r\n\r\n".encode())
        assert 400 == (await client.answer()).status
    assert [] == app.store.seen


async def test_t11_chunks_in_http_1_0_are_refused(app: Rig) -> None:
    """Who speaks 1.0 does not know them, so a proxy in between would read another request."""
    async with app.client() as client:
        chunked = "PUT /reports/a HTTP/1.0\r\nHost: gw\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
        await client.send(chunked.encode())
        assert 400 == (await client.answer()).status
    assert None is app.store.stored("inside/a")


async def test_t11_control(app: Rig) -> None:
    """The same request in 1.1 is an upload."""
    assert (
        200 == (await app.ask("PUT", "/reports/a", {"Transfer-Encoding": "chunked"}, b"5\r\nhello\r\n0\r\n\r\n")).status
    )


# T12: a refused upload that is sent all the same


async def _asked_first(rig: Rig) -> tuple[Got, RawClient]:
    async with rig.client() as client:
        head = "PUT /s/none HTTP/1.1\r\nHost: gw\r\nContent-Length: 1000000\r\nExpect: 100-continue\r\n\r\n"
        await client.send(head.encode())
        first = await client.head()
        if first.status >= 400:
            await client.rest_of(int(first.header("content-length") or 0))
            async with asyncio.timeout(1):
                await client.rest()
        return first, client


async def test_t12_a_refused_upload_costs_no_body_byte(rig: Rig) -> None:
    """The refusal comes first, no `100 Continue` before it, and the connection ends at once."""
    first, client = await _asked_first(rig)
    assert (404, True) == (first.status, client.ended)
    assert (0, []) == ((await rig.last()).bytes_in, rig.store.seen)


async def test_t12_control(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Said before the request is judged, as the library does, the client is told to send."""
    read_head = ClientExchange.read_head

    def eager(self: ClientExchange):
        self.allow_body()
        return read_head(self)

    monkeypatch.setattr(ClientExchange, "read_head", eager)
    first, _ = await _asked_first(rig)
    assert 100 == first.status


async def test_t12_a_refused_body_that_stalls_holds_nothing_for_long(rig: Rig) -> None:
    """Without `Expect`, part of the body is on its way: the answer comes at once, and the end soon after."""
    async with rig.client() as client:
        await client.send(b"PUT /s/none HTTP/1.1\r\nHost: gw\r\nContent-Length: 1000000\r\n\r\npart")
        got = await client.answer()
        assert (404, "close") == (got.status, got.header("connection"))
        async with asyncio.timeout(3):
            await client.rest()


# T13: metadata that HTTP cannot carry

HOSTILE = {
    "CR and LF": "a\r\nSet-Cookie: x=1",
    "a bare LF": "a\nb",
    "NUL": "a\0b",
    "DEL": "a\x7fb",
    "not ASCII": "Zoë",
}


@pytest.mark.parametrize("kind", HOSTILE)
@pytest.mark.parametrize("header", ["x-amz-meta-note", "content-type", "cache-control"])
async def test_t13_hostile_metadata_does_not_make_an_object_undownloadable(app: Rig, kind: str, header: str) -> None:
    """The bytes come, the header is encoded or left out, and nobody's header is added."""
    app.store.script(Scripted(200, {header: HOSTILE[kind]}, [b"hello"]))
    got = await app.ask("GET", "/reports/a")
    assert (200, b"hello", True) == (got.status, got.body, got.whole)
    assert None is got.header("set-cookie")


async def test_t13_control(app: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passed on as they are, the same values leave the client without its object."""
    monkeypatch.setattr(call, "response_headers", lambda answer, *_, **__: list(answer.headers.items()))
    app.store.script(Scripted(200, {"x-amz-meta-note": HOSTILE["CR and LF"]}, [b"hello"]))
    got = await app.ask("GET", "/reports/a")
    assert 200 != got.status or b"hello" != got.body


# T14: a body without any framing


async def _unframed(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\n\r\nhalf of the obj")


async def test_t14_a_body_without_length_or_chunks_is_a_502() -> None:
    """Nobody could tell its end from a break; the library's client takes it for whole."""
    async with before(_unframed) as (rig, seen):
        got = await rig.ask("GET", "/reports/a")
        assert (502, Outcome.UPSTREAM_FAILED) == (got.status, (await rig.last()).outcome)
        assert b"half" not in got.body
        async with aiohttp.ClientSession() as session, session.get(seen.url, ssl=over_tls.client() or True) as taken:
            assert b"half of the obj" == await taken.read()  # control


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + b"x" * 70_000,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n11170\r\n" + b"x" * 70_000 + b"\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n" + b"x" * 50,
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n32\r\n" + b"x" * 50 + b"\r\n",
    ],
    ids=["large, counted", "large, chunked", "small, counted", "small, chunked"],
)
async def test_t14_a_store_that_breaks_off_never_looks_whole(answer: bytes) -> None:
    """From socket to socket, whatever the framing and the size."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(answer)

    async with before(script) as (rig, _):
        got = await rig.ask("GET", "/reports/a")
        assert not (got.whole and got.status == 200)
        assert Outcome.UPSTREAM_FAILED == (await rig.last()).outcome


# T15: the other parser


async def test_t15_a_bare_cr_in_a_chunk_extension_is_no_second_request(app: Rig) -> None:
    """One request or none, never two."""
    hidden = b"5;x=\r\nhello\r\n0\r\n\r\n".replace(b"x=\r\n", b"x=\rGET /reports/b HTTP/1.1\r\n")
    async with app.client() as client:
        await client.send(request("PUT", "/reports/a", {"Transfer-Encoding": "chunked"}, hidden))
        got = await client.answer()
        assert got.status in {0, 400}
    assert None is app.store.stored("inside/a")
    assert [] == app.store.calls("GET")


# one more of our own: a failure of ours


async def test_a_store_that_fails_in_the_middle_of_an_upload_is_told(app: Rig) -> None:
    """The client hears it before it has sent everything, and the connection is not used again."""
    app.store.script(Scripted(raises=UpstreamFailed(Reason.UPSTREAM_BROKE)))
    async with app.client() as client:
        await client.send(request("PUT", "/reports/a", {"Content-Length": "1000000"}, b"x" * 1000))
        got = await client.answer()
    assert (502, "close") == (got.status, got.header("connection"))
