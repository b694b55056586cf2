"""An upload's bytes: the store never sees a whole request for a body that was wrong."""

from __future__ import annotations

import zlib
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import nullcontext
from hashlib import md5, sha256, sha512
from types import SimpleNamespace
from typing import Any, cast
from unittest.mock import AsyncMock

import pytest

from gateway.core.pattern import NamePattern
from gateway.core.policy import LimitRule
from gateway.core.reasons import Reason, Refused
from gateway.core.record import Outcome
from gateway.core.request import Action
from gateway.data import body as room
from gateway.data.state.transfers import Permit
from gateway.server.exchange import ClientExchange
from tests.data.harness import APP, Rig, policy, request, running

BODY = bytes(range(256)) * 1000
WRITE = frozenset({Action.WRITE})


def b64(raw: bytes) -> str:
    return b64encode(raw).decode()


def digests(body: bytes) -> dict[str, str]:
    """Every header that says what these bytes are."""
    return {
        "Content-MD5": b64(md5(body).digest()),
        "x-amz-checksum-sha256": b64(sha256(body).digest()),
        "x-amz-checksum-sha512": b64(sha512(body).digest()),
        "x-amz-checksum-crc32": b64(zlib.crc32(body).to_bytes(4)),
        "x-amz-content-sha256": sha256(body).hexdigest(),
    }


RIGHT = digests(BODY)
SMALL = BODY[:1000]
"""A body that is taken whole."""

sizes = pytest.mark.parametrize("body", [BODY, SMALL, BODY[:65536], BODY[:65537]], ids=len)


@sizes
@pytest.mark.parametrize("name", RIGHT)
async def test_a_right_digest_passes(app: Rig, name: str, body: bytes) -> None:
    """What was declared is what came."""
    got = await app.ask("PUT", "/reports/a", {name: digests(body)[name]}, body)
    assert (200, body) == (got.status, app.store.stored("inside/a"))
    record = await app.last()
    assert (len(body), Outcome.OK) == (record.bytes_in, record.outcome)


@sizes
@pytest.mark.parametrize(
    "name", ["Content-MD5", "x-amz-checksum-sha256", "x-amz-checksum-crc32", "x-amz-checksum-sha512"]
)
async def test_a_wrong_digest_leaves_no_whole_request(app: Rig, name: str, body: bytes) -> None:
    """The check ends with the last byte, and the last chunk was held back until then; a small body is not begun."""
    got = await app.ask("PUT", "/reports/a", {name: digests(body)[name]}, body[:-1] + b"!")
    assert (400, None) == (got.status, app.store.stored("inside/a"))
    assert (len(body) > 65536) == bool(app.store.calls("PUT"))
    assert not any(seen.whole or len(seen.body) == len(body) for seen in app.store.calls("PUT"))


async def test_a_small_body_is_asked_about_when_it_leaves(app: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it may still be stored is asked once a connection is there, with all of it counted: a no leaves nothing
    of it, and a yes all."""
    counted = []

    async def refuse(permit: Permit) -> None:
        counted.append((permit.moved, len(app.store.calls("PUT"))))
        raise Refused(Reason.REVOKED, "meanwhile")

    with monkeypatch.context() as patched:
        patched.setattr(app.plane.renewals, "confirm", refuse)
        assert 403 == (await app.ask("PUT", "/reports/a", body=SMALL)).status
    assert ([(len(SMALL), 1)], None) == (counted, app.store.stored("inside/a"))
    assert b"" == app.store.calls("PUT")[0].body
    assert 200 == (await app.ask("PUT", "/reports/a", body=SMALL)).status


async def test_a_small_body_may_come_in_pieces(rig: Rig) -> None:
    """It is sent when all is here; nothing of it reaches the store before, and a slow client gets leave to send it."""
    token = await rig.link(actions=WRITE)
    async with rig.client() as client:
        asked = {"Content-Length": str(len(SMALL)), "Expect": "100-continue"}
        await client.send(request("PUT", f"/s/{token}", asked))
        assert 100 == (await client.head()).status
        for start in range(0, len(SMALL), 250):
            assert [] == rig.store.calls("PUT")
            await client.send(SMALL[start : start + 250])
        assert 201 == (await client.answer()).status
    assert SMALL == rig.store.stored("inside/a.txt")


async def test_who_sends_all_at_once_gets_no_leave_to(rig: Rig) -> None:
    """It would come when it is of no use (RFC 9110, 10.1.1); the connection goes on, since nothing of it is unread."""
    token = await rig.link(actions=WRITE, overwrite=True)
    async with rig.client() as client:
        for _ in range(2):
            asked = {"Content-Length": str(len(SMALL)), "Expect": "100-continue"}
            await client.send(request("PUT", f"/s/{token}", asked) + SMALL)
            assert 201 == (await client.answer()).status


async def test_without_the_held_chunk_the_store_would_have_it_all(app: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: a body passed on as it comes has left us whole when the digest is known to be wrong."""

    async def as_it_comes(plane, request, permit, verified):
        checks = room.BodyChecks.from_request(request.headers, None, ())
        async for chunk in room._Proved(permit.exchange.body(), room._Proof(checks, None)):
            yield chunk

    monkeypatch.setattr("gateway.data.s3.put.read_plain", as_it_comes)
    got = await app.ask("PUT", "/reports/a", {"Content-MD5": RIGHT["Content-MD5"]}, BODY[:-1] + b"!")
    assert 400 == got.status
    assert len(BODY) == len(app.store.calls("PUT")[0].body)


async def test_a_signed_payload_hash_is_held(rig: Rig) -> None:
    """What the signature pinned is what may be stored."""
    credentials, _ = await rig.key()
    target, headers = rig.signed(credentials, "PUT", "reports/a", payload_hash=sha256(BODY).hexdigest())
    assert 400 == (await rig.ask("PUT", target, headers, BODY[:-1] + b"!")).status
    assert None is rig.store.stored("inside/a")
    assert 200 == (await rig.ask("PUT", target, headers, BODY)).status
    assert BODY == rig.store.stored("inside/a")


async def test_a_body_that_ends_early_is_not_stored(rig: Rig) -> None:
    """A client that breaks off leaves no object, and a record that says so."""
    token = await rig.link(actions=WRITE)
    async with rig.client() as client:
        await client.send(request("PUT", f"/s/{token}", {"Content-Length": "1000"}, b"x" * 999))
    [record] = await rig.recorded(1)
    assert Outcome.CLIENT_GONE == record.outcome
    assert None is rig.store.stored("inside/a.txt")
    assert not any(seen.whole for seen in rig.store.calls("PUT"))


@pytest.mark.parametrize("declared", [True, False], ids=["declared", "chunked"])
async def test_a_link_takes_no_more_than_its_max_size(rig: Rig, declared: bool) -> None:
    """A declared length is refused before a byte, an undeclared one at the byte too many."""
    token = await rig.link(actions=WRITE, max_size=1000)
    if declared:
        got = await rig.ask("PUT", f"/s/{token}", body=b"x" * 1001)
        assert [] == rig.store.calls("PUT")
    else:
        chunked = b"3e9\r\n" + b"x" * 1001 + b"\r\n0\r\n\r\n"
        got = await rig.ask("PUT", f"/s/{token}", {"Transfer-Encoding": "chunked"}, chunked)
    assert 413 == got.status
    assert None is rig.store.stored("inside/a.txt")


async def test_a_body_of_unknown_length_goes_in_parts(rig: Rig) -> None:
    """Whole or not at all."""
    token = await rig.link(actions=WRITE)
    chunked = b"5\r\nhello\r\n6\r\n world\r\n0\r\n\r\n"
    got = await rig.ask("PUT", f"/s/{token}", {"Transfer-Encoding": "chunked"}, chunked)
    assert (201, b"hello world") == (got.status, rig.store.stored("inside/a.txt"))


async def test_a_chunked_body_without_its_end_is_not_stored(rig: Rig) -> None:
    """The last chunk is what makes it whole."""
    token = await rig.link(actions=WRITE)
    async with rig.client() as client:
        chunked = b"5\r\nhello\r\n"
        await client.send(request("PUT", f"/s/{token}", {"Transfer-Encoding": "chunked"}, chunked))
    assert Outcome.CLIENT_GONE == (await rig.recorded(1))[0].outcome
    assert None is rig.store.stored("inside/a.txt")


def unsigned_chunks(body: bytes, trailer: str) -> bytes:
    return b"%x\r\n%s\r\n0\r\n%s\r\n\r\n" % (len(body), body, trailer.encode())


@sizes
@pytest.mark.parametrize(("wrong", "status"), [(None, 200), ("AAAAAA==", 400)])
async def test_aws_chunks_are_unwrapped_and_their_trailer_checked(
    app: Rig, wrong: str | None, status: int, body: bytes
) -> None:
    """No framing is stored as data, and a wrong trailer leaves nothing."""
    checksum = wrong or digests(body)["x-amz-checksum-crc32"]
    headers = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": str(len(body)),
        "x-amz-trailer": "x-amz-checksum-crc32",
        "Content-Encoding": "aws-chunked",
    }
    got = await app.ask("PUT", "/reports/a", headers, unsigned_chunks(body, f"x-amz-checksum-crc32:{checksum}"))
    assert status == got.status
    assert (body if status == 200 else None) == app.store.stored("inside/a")


@sizes
@pytest.mark.parametrize("more", [-1, 1])
async def test_the_decoded_length_is_the_length(app: Rig, more: int, body: bytes) -> None:
    """More or less than declared is neither."""
    headers = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": str(len(body) + more),
        "Content-Encoding": "aws-chunked",
    }
    got = await app.ask("PUT", "/reports/a", headers, b"%x\r\n%s\r\n0\r\n\r\n" % (len(body), body))
    assert 400 == got.status
    assert None is app.store.stored("inside/a")


async def test_an_empty_body_is_an_object(app: Rig) -> None:
    """Its checks run too."""
    assert 200 == (await app.ask("PUT", "/reports/a", body=b"")).status
    assert b"" == app.store.stored("inside/a")
    assert 400 == (await app.ask("PUT", "/reports/b", {"Content-MD5": RIGHT["Content-MD5"]}, b"")).status
    assert None is app.store.stored("inside/b")


async def test_uploads_are_paced_by_the_same_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bandwidth counts in both directions."""
    limits = (LimitRule(who=NamePattern.parse("app:*"), bandwidth=100_000),)
    async with running(policy(limits=limits), trusted=APP) as app:

        async def pause(self, seconds):
            app.clock.tick(seconds)

        monkeypatch.setattr("gateway.data.state.transfers.Permit.pause", pause)
        started = app.clock.passed
        monkeypatch.setattr(app.plane.follower, "_proved_at", 10.0**9)
        assert 200 == (await app.ask("PUT", "/reports/a", body=BODY)).status
        assert 2.2 < app.clock.passed - started < 2.8


@pytest.mark.parametrize("coding", [{}, {"Transfer-Encoding": "chunked"}], ids=["declared", "chunked"])
async def test_a_body_above_the_budget_spends_nothing_of_it(rig: Rig, coding: dict[str, str]) -> None:
    """It is refused whole, and a smaller one still goes through."""
    token, grant = await rig.granted(actions=WRITE, budget=1000, uses=9, overwrite=True)
    body = b"x" * 2000
    got = await rig.ask("PUT", f"/s/{token}", coding, b"7d0\r\n" + body + b"\r\n0\r\n\r\n" if coding else body)
    assert (410, 0) == (got.status, await rig.moved(grant))
    assert 201 == (await rig.ask("PUT", f"/s/{token}", body=b"x" * 500)).status
    assert 500 == await rig.moved(grant)


class _Piece(bytes):
    """Bytes that tell when nobody holds them any more."""

    gone: list[str] = []

    def __del__(self) -> None:
        _Piece.gone.append("gone")


class _Rest:
    """What follows, moved elsewhere."""

    def begins(self) -> bool:
        return True

    def end(self) -> bytes:
        return b"!"


async def test_what_was_handed_on_is_held_by_nobody(app: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A client that stalls in a large upload costs none of the bytes that it has sent."""
    _Piece.gone.clear()
    given: list[str] = []

    async def let_pass(plane: object, permit: object, count: int, declared: object, claimed: int) -> int:
        return claimed

    class Source:
        def __aiter__(self) -> AsyncIterator[bytes]:
            return self

        async def __anext__(self) -> bytes:
            if given:
                raise StopAsyncIteration
            given.append("given")
            return _Piece(BODY)

    permit: Any = SimpleNamespace(route=SimpleNamespace(limits=()), moved=5, exchange=SimpleNamespace(cut_reason=None))
    monkeypatch.setattr(room, "_let_pass", let_pass)
    monkeypatch.setattr(app.plane.renewals, "confirm", AsyncMock())
    rest = cast("room._Rest", _Rest())
    chunks = room.hold_last(app.plane, permit, room.meter(app.plane, permit, Source(), 5), rest)
    assert len(BODY) == len(cast("bytes", await anext(chunks)))
    assert rest is await anext(chunks)
    assert ["gone"] == _Piece.gone
    assert b"!" == await anext(chunks)


@pytest.mark.parametrize(("declared", "refused"), [(5, False), (None, False), (6, True)])
async def test_what_ends_before_all_has_come_is_no_whole_body(app: Rig, declared: int | None, refused: bool) -> None:
    """Whatever is read says so by itself; if it does not, the last word is had here."""

    async def source() -> AsyncIterator[bytes]:
        for piece in (b"he", b"llo"):
            yield piece

    permit: Any = SimpleNamespace(grant=None, intake=None, moved=0, largest=None, route=SimpleNamespace(limits=()))
    metered, came = room.meter(app.plane, permit, source(), declared), b""
    with pytest.raises(Refused) if refused else nullcontext() as raised:
        async for piece in metered:
            came += piece
    assert b"hello" == came
    assert not refused or Reason.INCOMPLETE_BODY == raised.value.reason


async def test_a_body_is_held_by_its_reader_alone(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came of an upload is not kept where it came in, while whoever reads it has gone on."""
    _Piece.gone.clear()

    async def read(self: ClientExchange) -> bytes:
        return _Piece(b"x")

    monkeypatch.setattr(ClientExchange, "read", read)
    monkeypatch.setattr(ClientExchange, "allow_body", lambda self: None)
    pieces = ClientExchange.__new__(ClientExchange).body()
    assert b"x" == await anext(pieces)
    assert ["gone"] == _Piece.gone
