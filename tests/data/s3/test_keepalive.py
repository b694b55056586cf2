"""Late replies: signs of life, then the document, and no work that outlives its request."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.reasons import Reason, UpstreamFailed
from tests.data.harness import Rig
from tests.data.scripted_store import Scripted
from tests.waiting import until

COPIED = b"<CopyObjectResult><ETag>e</ETag></CopyObjectResult>"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.data.s3.keepalive.KEEPALIVE_SECONDS", 0.01)


def asked(version: str) -> bytes:
    """A copy, on a connection that ends with its answer."""
    fields = ("Host: gw", "Connection: close", "Content-Length: 0", "x-amz-copy-source: /reports/a")
    return "\r\n".join((f"PUT /reports/b HTTP/{version}", *fields, "", "")).encode()


async def late(app: Rig, *pieces: bytes | BaseException) -> tuple[bytes, bytes]:
    """What a client gets while a copy is stuck, and what it gets when the store goes on."""
    stuck = asyncio.Event()
    app.store.script(Scripted(200, {}, [stuck, *pieces], length=None))
    async with app.client() as client:
        await client.send(asked("1.1"))
        meanwhile = b""
        while meanwhile.count(b"\r\n \r\n") < 3:
            meanwhile += await client.receive()
        stuck.set()
        return meanwhile, await client.rest()


async def test_a_client_is_kept_awake(app: Rig) -> None:
    """Status 200 and white space between the declaration and the root, then the whole document."""
    meanwhile, rest = await late(app, COPIED)
    assert meanwhile.startswith(b"HTTP/1.1 200 OK\r\n")
    assert 1 == (meanwhile + rest).count(b"<?xml")
    assert b"<CopyObjectResult" in rest
    assert rest.endswith(b"\r\n0\r\n\r\n")
    assert ("ok", 200) == ((await app.last()).outcome, (await app.last()).status)


@pytest.mark.parametrize(
    ("piece", "code", "reason"),
    [
        (b"<Error><Code>NoSuchKey</Code></Error>", b"NoSuchKey", Reason.OBJECT_GONE),
        (UpstreamFailed(Reason.UPSTREAM_BROKE, "cut"), b"BadGateway", Reason.UPSTREAM_BROKE),
    ],
)
async def test_a_late_failure_is_in_the_document(app: Rig, piece: bytes, code: bytes, reason: Reason) -> None:
    """The status has gone, so the root of the document says it, and so does the record."""
    _, rest = await late(app, piece)
    assert b"<Error><Code>" + code in rest
    assert rest.endswith(b"\r\n0\r\n\r\n")
    record = await app.last()
    assert ("refused", reason) == (record.outcome, record.reason)


async def test_a_long_document_waits_for_its_client(app: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Piece by piece, each a chunk of its own, as any document that was made at once."""
    monkeypatch.setattr("gateway.server.exchange._AT_ONCE", 32)
    _, rest = await late(app, COPIED)
    assert b"\r\n20\r\n<CopyObjectResult" in b"\r\n" + rest
    assert rest.endswith(b"\r\n0\r\n\r\n")


async def test_an_internal_error_cuts(app: Rig) -> None:
    """What nobody foresaw is never finished cleanly."""
    _, rest = await late(app, ValueError("a defect"))
    assert not rest.endswith(b"0\r\n\r\n")
    assert "error" == (await app.last()).outcome


async def test_the_work_ends_with_its_request(app: Rig) -> None:
    """A client that leaves takes its copy with it: no call to a store stays open."""
    app.store.script(Scripted(200, {}, [asyncio.Event()], length=None))
    async with app.client() as client:
        await client.send(asked("1.1"))
        await client.receive()
    await app.settled()
    assert (0, "client_gone") == (app.store.open_now, (await app.last()).outcome)


async def test_an_old_client_waits(app: Rig) -> None:
    """HTTP/1.0 cannot say that an answer goes on, so it gets the whole answer at the end."""
    stuck = asyncio.Event()
    app.store.script(Scripted(200, {}, [stuck, COPIED], length=None))
    async with app.client() as client:
        await client.send(asked("1.0"))
        await until(lambda: app.store.seen)
        await late(app, COPIED)  # by then a newer client has been told three times that its answer goes on
        stuck.set()
        got = await client.answer("PUT")
    assert (200, True) == (got.status, b"<CopyObjectResult" in got.body)
