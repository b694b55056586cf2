"""An upload's bytes: the store never sees a whole request for a body that was wrong."""

from __future__ import annotations

import zlib
from base64 import b64encode
from hashlib import md5, sha256

import pytest

from gateway.core.pattern import NamePattern
from gateway.core.policy import LimitRule
from gateway.core.record import Outcome
from gateway.core.request import Action
from gateway.data import body as room
from tests.data.harness import APP, Rig, policy, request, running

BODY = bytes(range(256)) * 1000
WRITE = frozenset({Action.WRITE})


def b64(raw: bytes) -> str:
    return b64encode(raw).decode()


RIGHT = {
    "Content-MD5": b64(md5(BODY).digest()),
    "x-amz-checksum-sha256": b64(sha256(BODY).digest()),
    "x-amz-checksum-crc32": b64(zlib.crc32(BODY).to_bytes(4)),
    "x-amz-content-sha256": sha256(BODY).hexdigest(),
}


@pytest.mark.parametrize("name", RIGHT)
async def test_a_right_digest_passes(app: Rig, name: str) -> None:
    """What was declared is what came."""
    got = await app.ask("PUT", "/reports/a", {name: RIGHT[name]}, BODY)
    assert (200, BODY) == (got.status, app.store.stored("inside/a"))
    record = await app.last()
    assert (len(BODY), Outcome.OK) == (record.bytes_in, record.outcome)


@pytest.mark.parametrize("name", ["Content-MD5", "x-amz-checksum-sha256", "x-amz-checksum-crc32"])
async def test_a_wrong_digest_leaves_no_whole_request(app: Rig, name: str) -> None:
    """The check ends with the last byte, and the last chunk was held back until then."""
    got = await app.ask("PUT", "/reports/a", {name: RIGHT[name]}, BODY[:-1] + b"!")
    assert (400, None) == (got.status, app.store.stored("inside/a"))
    [seen] = app.store.calls("PUT")
    assert not seen.whole
    assert len(seen.body) < len(BODY)


async def test_without_the_held_chunk_the_store_would_have_it_all(app: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: a body passed on as it comes has left us whole when the digest is known to be wrong."""

    async def as_it_comes(plane, request, permit, verified):
        checks = room.BodyChecks.from_request(request.headers, None, ())
        async for chunk in room._prove(permit.exchange.body(), room._Proof(checks, None)):
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


@pytest.mark.parametrize(("checksum", "status"), [(RIGHT["x-amz-checksum-crc32"], 200), ("AAAAAA==", 400)])
async def test_aws_chunks_are_unwrapped_and_their_trailer_checked(app: Rig, checksum: str, status: int) -> None:
    """No framing is stored as data, and a wrong trailer leaves nothing."""
    headers = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": str(len(BODY)),
        "x-amz-trailer": "x-amz-checksum-crc32",
        "Content-Encoding": "aws-chunked",
    }
    body = unsigned_chunks(BODY, f"x-amz-checksum-crc32:{checksum}")
    got = await app.ask("PUT", "/reports/a", headers, body)
    assert status == got.status
    assert (BODY if status == 200 else None) == app.store.stored("inside/a")


@pytest.mark.parametrize("claimed", [len(BODY) - 1, len(BODY) + 1])
async def test_the_decoded_length_is_the_length(app: Rig, claimed: int) -> None:
    """More or less than declared is neither."""
    headers = {
        "x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        "x-amz-decoded-content-length": str(claimed),
        "Content-Encoding": "aws-chunked",
    }
    got = await app.ask("PUT", "/reports/a", headers, b"%x\r\n%s\r\n0\r\n\r\n" % (len(BODY), BODY))
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
