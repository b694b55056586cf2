"""Step 7: what is forwarded is what was declared, or the connection breaks."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.core.limits import Limit
from gateway.core.reasons import Reason, UpstreamFailed
from gateway.core.record import Outcome
from gateway.data.state.transfers import Permit
from gateway.data.steps import relay as room
from gateway.server.connection import Connection
from gateway.server.exchange import ClientExchange
from gateway.server.sending import _UNSENT_LIMIT
from tests.data.harness import Rig, running
from tests.data.scripted_store import Scripted
from tests.servers import over_tls
from tests.waiting import until

BROKE = UpstreamFailed(Reason.UPSTREAM_BROKE, "gone")


@pytest.mark.parametrize("size", [0, 1, 65536, 65537, 3_000_000])
async def test_every_size_comes_whole(rig: Rig, size: int) -> None:
    """Small and large objects take two paths and look the same."""
    body = bytes(range(256)) * (size // 256) + b"x" * (size % 256)
    rig.store.hold("inside/a.txt", body)
    got = await rig.fetch(await rig.link())
    record = await rig.last()
    assert (200, True, str(size)) == (got.status, got.whole, got.header("content-length"))
    assert body == got.body
    assert size == record.bytes_out


async def test_a_chunked_answer_stays_chunked(rig: Rig) -> None:
    """A store that promises no length is relayed with an explicit end."""
    rig.store.script(Scripted(200, {}, [b"one", b"two"], length=None))
    got = await rig.fetch(await rig.link())
    assert ("chunked", b"onetwo", True) == (got.header("transfer-encoding"), got.body, got.whole)
    assert 6 == (await rig.last()).bytes_out


@pytest.mark.parametrize(
    ("length", "end"),
    [(100_000, BROKE), (100_000, None), (None, BROKE)],
    ids=["known length, it says so", "known length, it says nothing", "chunked"],
)
async def test_a_large_body_that_ends_early_never_looks_whole(
    rig: Rig, length: int | None, end: UpstreamFailed | None
) -> None:
    """The client sees an error, and the record names the store."""
    rig.store.script(Scripted(200, {}, [b"x" * 70_000, *([end] if end else [])], length=length))
    got = await rig.fetch(await rig.link())
    record = await rig.last()
    assert not got.whole
    assert (Outcome.UPSTREAM_FAILED, "upstream_broke", 200) == (record.outcome, record.reason, record.status)


@pytest.mark.parametrize("end", [BROKE, None], ids=["it says so", "it says nothing"])
async def test_a_small_body_that_ends_early_is_a_502(rig: Rig, end: UpstreamFailed | None) -> None:
    """Nothing was sent yet, so the client gets an answer of ours and no byte of the object."""
    token, grant = await rig.granted(uses=1)
    rig.store.script(Scripted(200, {}, [b"x" * 50, *([end] if end else [])], length=100))
    got = await rig.fetch(token)
    record = await rig.last()
    assert (502, True) == (got.status, got.whole)
    assert b"xxx" not in got.body
    assert (Outcome.UPSTREAM_FAILED, "upstream_broke") == (record.outcome, record.reason)
    assert 0 == await rig.used(grant)


async def test_a_store_that_sends_more_than_it_promised_is_a_failure(rig: Rig) -> None:
    """Neither path forwards a byte beyond the declared length as if it were another answer."""
    for length in (10, 70_000):
        rig.store.script(Scripted(200, {}, [b"x" * 80_000], length=length))
        got = await rig.fetch(await rig.link())
        assert Outcome.UPSTREAM_FAILED == (await rig.last()).outcome
        assert 502 == got.status or (len(got.body) <= length and not got.whole)


async def test_without_the_count_a_short_body_would_pass(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: with the check taken out, the same short answer is recorded as fine, so the tests above can fail."""

    async def unchecked(plane, permit, answer, claimed):
        async for chunk in answer.body:
            await permit.exchange.write(chunk)
        permit.moved = answer.length or 0

    monkeypatch.setattr(room, "_stream", unchecked)
    rig.store.script(Scripted(200, {}, [b"x" * 70_000], length=100_000))
    async with rig.client() as client:
        await client.send(f"GET /s/{await rig.link()} HTTP/1.1\r\nHost: gw\r\n\r\n".encode())
        await client.head()
        assert Outcome.OK == (await rig.recorded(1))[0].outcome


async def test_a_store_that_fails_before_the_first_byte_gives_the_use_back(rig: Rig) -> None:
    """A use is counted for bytes, not for a head."""
    token, grant = await rig.granted(uses=1)
    rig.store.script(Scripted(200, {}, [BROKE], length=100_000))
    assert not (await rig.fetch(token)).whole
    assert 0 == await rig.used(grant)
    rig.store.hold("inside/a.txt", b"fine")
    assert b"fine" == (await rig.fetch(token)).body
    assert 1 == await rig.used(grant)


async def test_a_broken_transfer_is_a_use_once_bytes_left(rig: Rig) -> None:
    """Who got some of the object has used the link; the same client may resume."""
    token, grant = await rig.granted(uses=1)
    rig.store.script(Scripted(200, {}, [b"x" * 70_000, BROKE], length=100_000))
    await rig.fetch(token)
    assert 1 == await rig.used(grant)
    rig.store.hold("inside/a.txt", b"y" * 100_000)
    assert 206 == (await rig.fetch(token, Range="bytes=70000-")).status


@pytest.mark.parametrize("header", ["GET", "HEAD"])
async def test_head_tells_the_length_and_sends_nothing(rig: Rig, header: str) -> None:
    """HEAD and GET agree about everything but the body."""
    rig.store.hold("inside/a.txt", b"x" * 1234, content_type="text/plain")
    got = await rig.ask(header, f"/s/{await rig.link()}")
    assert (200, "1234", "text/plain; charset=utf-8") == (
        got.status,
        got.header("content-length"),
        got.header("content-type"),
    )
    assert (1234 if header == "GET" else 0) == (await rig.last()).bytes_out


@pytest.mark.parametrize(("method", "target"), [("GET", "a.txt"), ("HEAD", "a.txt"), ("PUT", "b.txt")])
async def test_a_relayed_answer_on_the_s3_face_has_both_ids(app: Rig, method: str, target: str) -> None:
    """SDKs show `x-amz-request-id` and `x-amz-id-2` of every answer; they are ours, never the store's."""
    app.store.hold("inside/a.txt", b"x")
    got = await app.ask(method, f"/reports/{target}")
    assert 200 == got.status
    assert got.header("x-amz-request-id")
    assert got.header("x-amz-id-2")


async def test_not_modified_has_no_body(rig: Rig) -> None:
    """A 304 is relayed as it is."""
    rig.store.hold("inside/a.txt", b"x" * 10)
    etag = rig.store.objects["real", "inside/a.txt"][1]["etag"]
    got = await rig.fetch(await rig.link(), If_None_Match=etag)
    assert (304, b"", etag) == (got.status, got.body, got.header("etag"))


async def test_a_limited_transfer_is_paced(app: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A limited body moves in pieces of a quarter second's worth, with a wait after each."""
    waits: list[float] = []

    async def pause(self, seconds):
        waits.append(seconds)
        app.clock.tick(seconds)

    monkeypatch.setattr("gateway.data.state.transfers.Permit.pause", pause)
    limited = (Limit("all", bandwidth=400_000),)
    monkeypatch.setattr("gateway.core.policy.Policy.limits_for", lambda *_: limited)
    app.store.hold("inside/a.txt", b"x" * 1_000_000)
    started = app.clock.passed
    got = await app.ask("GET", "/reports/a.txt")
    assert got.whole
    assert 15 == len(waits)  # one for each 64 KiB that the store gave, but the burst's
    assert 2.2 <= app.clock.passed - started <= 2.6


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    sizes=st.lists(st.integers(0, 90_000), max_size=4),
    promise=st.sampled_from(["exact", "more", "none"]),
    broken=st.booleans(),
)
async def test_bytes_recorded_are_bytes_seen(sizes: list[int], promise: str, broken: bool) -> None:
    """Whatever a store does, the record says what the peer got, and only a whole body ends properly."""
    async with running() as rig:
        total = sum(sizes)
        broken = broken and promise != "exact"  # what came after the promised bytes could not be told
        length = {"exact": total, "more": total + 1, "none": None}[promise]
        pieces = [b"x" * size for size in sizes] + ([BROKE] if broken else [])
        rig.store.script(Scripted(200, {}, pieces, length=length))
        got = await rig.fetch(await rig.link())
        record = await rig.last()
        fine = not broken and promise != "more"
        assert fine == (got.whole and got.status == 200)
        assert (Outcome.OK if fine else Outcome.UPSTREAM_FAILED) == record.outcome
        framing = 64 if promise == "none" and not fine else 0  # of chunks that were never read
        # Below TLS the kernel may send on between the look at what has not left and the reset.
        sent_on = _UNSENT_LIMIT if over_tls.trust() is not None and not fine else 0
        assert -sent_on <= len(got.body) - record.bytes_out <= framing + sent_on


async def test_nothing_is_read_from_the_store_for_a_client_that_does_not_read(rig: Rig) -> None:
    """Back-pressure: a stalled client holds the store's body where it is."""
    drawn = 0

    class Counting(Scripted):
        def answer(self):
            answer = super().answer()
            inner = answer.body

            class Body:
                async def __aiter__(self):
                    nonlocal drawn
                    async for chunk in inner:
                        drawn += len(chunk)
                        yield chunk

            return type(answer)(answer.status, answer.headers, answer.length, Body())

    rig.store.script(Counting(200, {}, [b"x" * 65536] * 400))
    async with rig.client(window=4096) as client:
        await client.send(f"GET /s/{await rig.link()} HTTP/1.1\r\nHost: gw\r\n\r\n".encode())
        await client.head()
        await asyncio.sleep(0.1)
        assert drawn < 2_000_000


@pytest.fixture
async def left(rig: Rig) -> str:
    """A link for one whole download, whose object a client asked for that took the head alone, and left."""
    rig.store.hold("inside/a.txt", b"x" * 100_000)
    token, _ = await rig.granted(uses=1, once=True)
    async with rig.client(window=4096) as client:
        await client.send(f"GET /s/{token} HTTP/1.1\r\nHost: gw\r\n\r\n".encode())
        await client.head()
        await until(lambda: sum(permit.moved for permit in rig.plane.transfers) >= 99_999)
    await rig.settled()
    return token


async def test_who_was_cut_off_has_not_had_the_one_download(rig: Rig, left: str) -> None:
    """What was on its way when the client vanished is no whole download: it may begin again, and then has had it."""
    assert 200 == (await rig.fetch(left)).status
    assert 410 == (await rig.fetch(left)).status


async def test_who_leaves_while_the_last_byte_waits_has_not_had_it(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Though nothing is in the queue of a socket that is closed, and its end is told in a later turn."""
    rig.store.hold("inside/a.txt", b"x" * 100_000)
    token, _ = await rig.granted(uses=1, once=True)

    async def leave(permit: Permit, seconds: float) -> None:
        permit.exchange._connection._transport.abort()

    with monkeypatch.context() as patch:
        patch.setattr(
            Connection, "unacknowledged", property(lambda it: it._transport and not it._transport.is_closing())
        )
        patch.setattr(Permit, "pause", leave)
        assert not (await rig.fetch(token)).whole
        await rig.settled()
    assert 200 == (await rig.fetch(token)).status


@pytest.fixture
def unconfirmed(monkeypatch: pytest.MonkeyPatch) -> None:
    async def confirm(self, pause):
        return None

    monkeypatch.setattr(ClientExchange, "confirm", confirm)


@pytest.mark.usefixtures("unconfirmed")
async def test_without_the_wait_it_would_have_had_it(rig: Rig) -> None:
    """Control: where the last byte does not wait, all of it is on its way, and nobody ever gets the file."""
    rig.store.hold("inside/a.txt", b"x" * 100_000)
    token, grant = await rig.granted(uses=1, once=True)
    async with rig.client(window=4096) as client:
        await client.send(f"GET /s/{token} HTTP/1.1\r\nHost: gw\r\n\r\n".encode())
        await client.head()
        async with asyncio.timeout(5):
            while await rig.moved(grant) < 100_000:  # noqa: ASYNC110 (nobody tells of it)
                await asyncio.sleep(0.01)
    await rig.settled()
    assert 410 == (await rig.fetch(token)).status


@pytest.mark.parametrize("size", [1, 2, 1000, 65_536, 65_537, 300_000])
async def test_one_whole_download_comes_whole(rig: Rig, size: int) -> None:
    """Of any size, with its last byte held back."""
    body = bytes(range(250)) * (size // 250 + 1)
    rig.store.hold("inside/a.txt", body[:size])
    token, _ = await rig.granted(uses=1, once=True)
    assert body[:size] == (await rig.fetch(token)).body
    assert 410 == (await rig.fetch(token)).status
