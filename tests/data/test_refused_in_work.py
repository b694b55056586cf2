"""Requests whose right ends while they wait for a store: each is refused, as one that comes a moment later is."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from gateway.core.attempt import Principal
from gateway.core.backend import Credentials
from gateway.core.grant import Grant
from gateway.core.reasons import TABLE, Reason
from gateway.core.record import Outcome
from gateway.core.request import Action
from gateway.core.revocation_target import FeedKind
from gateway.core.token import hash_secret
from gateway.data.state import transfers
from gateway.data.steps import refuse
from gateway.server import exchange
from tests.backends.fault_server import Peer
from tests.data.harness import APP, NOW, Rig, policy, request, rule, running
from tests.data.parts_store import PartsStore
from tests.data.raw_client import Got, RawClient
from tests.data.real_store import before
from tests.data.uploading import create, patching
from tests.waiting import until

_MINE = policy(rule("mine", who="app:billing"))
_FORM = b'--b\r\nContent-Disposition: form-data; name="file"; filename="in.bin"\r\n\r\nhello\r\n--b--\r\n'
_BODIES = (b"hello", b"hello\r\n0\r\n\r\n", _FORM)
_HTML = {"Accept": "text/html"}
_VARYING = frozenset({"date", "x-amz-request-id", "x-amz-id-2", "content-length", "connection"})


@dataclass
class Waiting:
    """A client whose request waits for the store, and how to make the same request once more."""

    client: RawClient
    method: str
    again: Callable[[], bytes]
    grant: Grant


@pytest.fixture
async def box() -> AsyncIterator[Rig]:
    """A listener before a store that takes parts, whose one rule is for `app:billing`."""
    async with running(_MINE, store=PartsStore()) as started:
        started.store.hold("inside/box/a.txt", b"hello")
        yield started
        started.store.answers.set()


def _link(method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Any:
    async def make(rig: Rig) -> tuple[str, Callable[[], bytes], Grant]:
        token, grant = await rig.granted(
            prefix="box/", actions=set(Action), overwrite=True, expires_at=NOW + 3600, uses=9
        )
        asked = request(method, f"/s/{token}/{path}", headers, body)
        return method, lambda: asked, grant

    return make


def _key(method: str, path: str, headers: dict[str, str] | None = None, body: bytes = b"", **query: str) -> Any:
    async def make(rig: Rig) -> tuple[str, Callable[[], bytes], Grant]:
        pair, grant = await rig.key(expires_at=NOW + 3600)
        return method, lambda: _sign(rig, pair, method, path, headers, body, query), grant

    return make


def _sign(
    rig: Rig,
    pair: Credentials,
    method: str,
    path: str,
    headers: dict[str, str] | None,
    body: bytes,
    query: dict[str, str],
) -> bytes:
    target, signed = rig.signed(pair, method, path, headers=headers, query=tuple(query.items()))
    return request(method, target, signed, body)


async def _tus(rig: Rig) -> tuple[str, Callable[[], bytes], Grant]:
    token, grant = await rig.granted(prefix="box/", actions=set(Action), overwrite=True, expires_at=NOW + 3600, uses=9)
    made = await create(rig, f"/s/{token}/in.bin", 10)
    await rig.settled()
    address = made.header("location") or ""
    rig.store.waits = lambda call: call.method == "PUT"
    return "PATCH", lambda: request("PATCH", address, {**patching(0), "Content-Length": "5"}, b"hello"), grant


KINDS: dict[str, Callable[[Rig], Awaitable[tuple[str, Callable[[], bytes], Grant]]]] = {
    "link: get": _link("GET", "a.txt"),
    "link: get, for a page": _link("GET", "a.txt?download=1", _HTML),
    "link: head": _link("HEAD", "a.txt"),
    "link: range": _link("GET", "a.txt", {"Range": "bytes=1-2"}),
    "link: list": _link("GET", "", {"Accept": "application/json"}),
    "link: page of a folder": _link("GET", "", _HTML),
    "link: archive": _link("GET", "?archive=zip"),
    "link: put": _link("PUT", "in.bin", body=b"hello"),
    "link: put in chunks": _link("PUT", "in.bin", {"Transfer-Encoding": "chunked"}, b"5\r\nhello\r\n0\r\n\r\n"),
    "link: form": _link("POST", "", {"Content-Type": "multipart/form-data; boundary=b"}, _FORM),
    "link: tus": _tus,
    "key: get": _key("GET", "reports/box/a.txt"),
    "key: head": _key("HEAD", "reports/box/a.txt"),
    "key: list": _key("GET", "reports", **{"list-type": "2"}),
    "key: put": _key("PUT", "reports/box/in.bin", body=b"hello"),
    "key: copy": _key("PUT", "reports/box/in.bin", {"x-amz-copy-source": "/reports/box/a.txt"}),
    "key: copy to another store": _key("PUT", "far/in.bin", {"x-amz-copy-source": "/reports/box/a.txt"}),
    "key: delete": _key("DELETE", "reports/box/a.txt"),
    "key: begin parts": _key("POST", "reports/box/in.bin", uploads=""),
}


async def revoked(rig: Rig, grant: Grant) -> None:
    await rig.revoke(FeedKind.LINK if grant.scope else FeedKind.KEY, grant.id)


async def owner_revoked(rig: Rig, grant: Grant) -> None:
    await rig.revoke(FeedKind.OWNER, str(APP))


async def rotated(rig: Rig, grant: Grant) -> None:
    await rig.edit(grant, hash=hash_secret("another"))


async def expired(rig: Rig, grant: Grant) -> None:
    rig.clock.tick(3600)
    await rig.plane.follower.catch_up()
    rig.plane.transfers.cut_expired(rig.clock.now)


async def suspended(rig: Rig, grant: Grant) -> None:
    await rig.edit(grant, suspended_at=NOW)


async def given_away(rig: Rig, grant: Grant) -> None:
    await rig.edit(grant, owner=Principal("app", "nobody"))


async def rule_gone(rig: Rig, grant: Grant) -> None:
    await rig.reload(policy(rule("other", who="app:other")))


async def view_too_old(rig: Rig, grant: Grant) -> None:
    rig.clock.tick(60)
    rig.plane.transfers.cut_undecided()


ENDINGS = [revoked, owner_revoked, rotated, expired, suspended, given_away, rule_gone, view_too_old]
CASES = [(kind, ending) for kind in KINDS for ending in ENDINGS if kind.startswith("link") or ending is not given_away]


@asynccontextmanager
async def waiting(rig: Rig, kind: str) -> AsyncIterator[Waiting]:
    """One request of this kind, when all of it has come and the store has all that it gets of it."""
    method, again, grant = await KINDS[kind](rig)
    rig.store.answers.clear()
    before = len(rig.store.seen)
    async with rig.client() as client:
        await client.send(again())
        await until(lambda: rig.store.seen[before:] and (not again().endswith(_BODIES) or rig.store.seen[-1].body))
        yield Waiting(client, method, again, grant)


def likeness(got: Got) -> tuple[int, bool, set[tuple[str, str]], str]:
    """All of an answer that does not tell one request from the other."""
    headers = {(name, value) for name, value in got.headers if name not in _VARYING}
    body = re.sub(r"(<HostId>)[^<]*|[0-9A-Z]{16,}|[0-9a-f]{16,}", r"\1", got.text)
    return got.status, got.whole, headers, body


def running_id(rig: Rig) -> str:
    """Under which the one request that runs is known."""
    [name] = {permit.exchange.request_id for permit in rig.plane.transfers}
    return name


@pytest.mark.parametrize(("kind", "ending"), CASES)
async def test_whose_right_ends_is_refused_as_a_later_request_is(
    box: Rig, kind: str, ending: Callable[[Rig, Grant], Awaitable[None]]
) -> None:
    """At once, though the store never answers: the same answer, one record, one refusal and no cut."""
    async with waiting(box, kind) as one:
        seen, name = len(box.records), running_id(box)
        await ending(box, one.grant)
        got = await one.client.answer(one.method)
        assert (True, False) == (got.whole, got.reset)
        async with box.client() as other:
            await other.send(one.again())
            later = await other.answer(one.method)
        assert likeness(later) == likeness(got)
        assert one.method == "HEAD" or name in got.text
        box.store.answers.set()
        await box.settled()
    [ended] = [record for record in box.records[seen:] if record.request_id == name]
    assert (Outcome.REFUSED, got.status, len(got.body)) == (ended.outcome, ended.status, ended.bytes_out)
    assert 2 == len(box.records) - seen == sum(box.metric("gateway_refusals_total", reason=reason) for reason in Reason)
    assert 0 == sum(box.metric("gateway_streams_cut_total", reason=reason) for reason in Reason)
    assert (0, 0) == (len(box.plane.transfers), box.store.open_now)


@pytest.mark.both_loops
@pytest.mark.parametrize("kind", KINDS)
async def test_its_client_goes_on(box: Rig, kind: str) -> None:
    """After a question on the same connection, be it sent already; after anything else the connection ends cleanly."""
    async with waiting(box, kind) as one:
        await one.client.send(request("GET", "/robots.txt"))
        await revoked(box, one.grant)
        got = await one.client.answer(one.method)
        asks = one.method in {"GET", "HEAD"}
        assert (None if asks else "close") == got.header("connection")
        if asks:
            assert 200 == (await one.client.answer()).status
        else:
            assert (b"", False) == (await one.client.rest(), one.client.reset)


@pytest.mark.both_loops
async def test_an_owners_word_is_told(box: Rig) -> None:
    """A later request would not be refused, so that the answer says what happened to this one."""
    async with waiting(box, "link: get") as one:
        assert 1 == box.plane.transfers.cut_of(running_id(box), str(APP))
        got = await one.client.answer()
    assert (403, True) == (got.status, got.whole)
    assert TABLE[Reason.ENDED_BY_OWNER].text in got.text


@pytest.mark.both_loops
@pytest.mark.parametrize("kind", KINDS)
async def test_without_asking_who_waits_it_would_be_cut(box: Rig, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: where no exchange counts as one that awaits its answer, each is reset, as a cut."""
    monkeypatch.setattr(exchange.ClientExchange, "awaits_answer", False)
    async with waiting(box, kind) as one:
        seen, name = len(box.records), running_id(box)
        await revoked(box, one.grant)
        got = await one.client.answer(one.method)
        assert (0, False, True) == (got.status, got.whole, got.reset)
        box.store.answers.set()
        await box.settled()
    assert [(Outcome.CUT, 0)] == [(record.outcome, record.status) for record in box.records[seen:]], name
    assert 1 == box.metric("gateway_streams_cut_total", reason="revoked")
    assert 0 == box.metric("gateway_refusals_total", reason="revoked")


@pytest.mark.both_loops
async def test_who_waits_for_leave_to_send_a_body_is_refused(rig: Rig) -> None:
    """Nothing of it was asked for, and nothing of it comes."""
    token, grant = await rig.granted(actions=[Action.WRITE], overwrite=False)
    rig.use(policy(capabilities=frozenset()))  # so that the store is asked first whether the name is free
    rig.store.answers.clear()
    async with rig.client() as client:
        await client.send(request("PUT", f"/s/{token}", {"Content-Length": "100000", "Expect": "100-continue"}))
        await until(lambda: rig.store.seen)
        await rig.revoke(FeedKind.LINK, grant.id)
        got = await client.answer("PUT")
        assert (410, True) == (got.status, got.whole)
        assert (b"", False) == (await client.rest(), client.reset)
    assert (Outcome.REFUSED, "revoked") == ((await rig.last()).outcome, rig.records[-1].reason)


@pytest.mark.both_loops
@pytest.mark.parametrize("framing", [{"Content-Length": "100000"}, {"Transfer-Encoding": "chunked"}])
async def test_who_sends_a_body_is_cut(rig: Rig, framing: dict[str, str]) -> None:
    """A body is on its way: a client that reads an answer only after all was sent sees an error at once."""
    token, grant = await rig.granted(actions=[Action.WRITE])
    async with rig.client() as client:
        await client.send(request("PUT", f"/s/{token}", framing, b"c350\r\n" + b"x" * 50_000))
        await until(lambda: rig.store.seen and rig.store.seen[0].body)
        await rig.revoke(FeedKind.LINK, grant.id)
        assert b"" == await client.rest()
        assert client.reset
    assert (Outcome.CUT, "revoked") == ((await rig.last()).outcome, rig.records[-1].reason)
    assert 1 == rig.metric("gateway_streams_cut_total", reason="revoked")


@pytest.mark.both_loops
async def test_who_takes_too_long_is_cut_without_a_word(box: Rig) -> None:
    """There is an end to all that one transfer may take, which no answer prolongs."""
    box.plane.transfers._pace = lambda: transfers.Pace(longest=10.0)
    async with waiting(box, "link: get") as one:
        assert 0 == box.plane.transfers.cut_slow(box.clock.passed)
        box.clock.tick(11)
        assert 1 == box.plane.transfers.cut_slow(box.clock.passed)
        assert b"" == await one.client.rest()
        assert one.client.reset


@pytest.mark.both_loops
async def test_who_has_gone_is_counted_once(box: Rig) -> None:
    """The client leaves in the moment in which its right ends: one record, and one count of one of the two."""
    async with waiting(box, "link: get") as one:
        one.client.sock.close()
        await revoked(box, one.grant)
        await box.settled()
    [record] = box.records
    counted = {name: box.metric(f"gateway_{name}_total", reason="revoked") for name in ("refusals", "streams_cut")}
    expected = {Outcome.REFUSED: (1, 0), Outcome.CUT: (0, 1), Outcome.CLIENT_GONE: (0, 0)}[record.outcome]
    assert expected == (counted["refusals"], counted["streams_cut"])


@pytest.mark.both_loops
async def test_nobody_waits_for_the_end_of_what_was_broken_off(box: Rig) -> None:
    """Where work goes to its end all the same, its client has the answer before, and all is counted after it."""
    async with waiting(box, "link: tus") as one:
        await revoked(box, one.grant)
        assert 410 == (await one.client.answer("PATCH")).status
    assert box.server is not None
    await until(lambda: not box.server._connections)
    await asyncio.sleep(0.01)
    assert 1 == len(box.plane.transfers)  # that its client has left disturbs no clean-up
    box.store.answers.set()
    await box.settled()
    assert all(seen.ended for seen in box.store.seen)
    assert (0, 0) == (len(box.plane.transfers), box.store.open_now)
    assert (Outcome.REFUSED, 5) == (box.records[-1].outcome, box.records[-1].bytes_in)


@pytest.mark.both_loops
async def test_a_request_that_ends_itself_is_refused(box: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it does itself may be what finds that its right has ended."""

    async def end(permit: transfers.Permit) -> None:
        box.plane.transfers.end(permit, Reason.SUSPENDED)

    async def load_pages() -> None:
        for _ in range(5):
            await asyncio.sleep(0)

    monkeypatch.setattr(box.renewals, "confirm", end)
    monkeypatch.setattr(refuse, "load_pages", load_pages)
    token = await box.link("box/in.bin", actions=[Action.WRITE])
    got = await box.ask("PUT", f"/s/{token}", _HTML, b"hello")
    assert (403, True, "suspended") == (got.status, got.whole, (await box.last()).reason)
    assert None is box.store.stored("inside/box/in.bin")


@pytest.mark.both_loops
async def test_the_stores_connection_ends_with_it() -> None:
    """What waits for a store's answer gives nothing back to the pool; the next request gets a connection of its own."""
    ended = asyncio.Event()

    async def store(peer: Peer) -> None:
        await peer.request()
        if peer.number == 0:
            await peer.until_closed()
            ended.set()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello")

    async with before(store) as (rig, seen):
        token, grant = await rig.granted()
        async with rig.client() as client:
            await client.send(request("GET", f"/s/{token}"))
            await until(lambda: seen.heads)
            await rig.revoke(FeedKind.LINK, grant.id)
            assert 410 == (await client.answer()).status
            async with asyncio.timeout(5):
                await ended.wait()
            await client.send(request("GET", f"/s/{await rig.link()}"))
            assert b"hello" == (await client.answer()).body
        assert 2 == seen.connections


@pytest.mark.both_loops
async def test_the_first_page_is_waited_for_by_nobody(box: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """What pages are made of may not be read yet: what runs is broken off all the same, and the page follows."""
    reading = asyncio.Event()
    monkeypatch.setattr(refuse, "load_pages", reading.wait)
    async with waiting(box, "link: get, for a page") as one:
        await revoked(box, one.grant)
        await until(lambda: not box.store.open_now)
        assert not box.records
        reading.set()
        got = await one.client.answer()
        assert (410, True) == (got.status, got.whole)
        assert (got.header("content-type") or "").startswith("text/html")
    await box.settled()
    assert [Outcome.REFUSED] == [record.outcome for record in box.records]


SENT = ("link: put", "link: put in chunks", "link: form", "link: tus", "key: put")


async def left(rig: Rig, one: Waiting) -> None:
    """The client goes without having heard anything, and the server has noticed."""
    one.client.sock.close()
    assert rig.server is not None
    await until(lambda: all(connection._transport is None for connection in rig.server._connections))


@pytest.mark.both_loops
@pytest.mark.parametrize("kind", SENT)
async def test_what_was_sent_whole_is_stored_though_nobody_waits_to_hear_of_it(box: Rig, kind: str) -> None:
    """As with S3 and any web server that takes files: ffmpeg sends the segments of a stream so. Who stops the server
    waits for it, and the record says that the client has gone."""
    async with waiting(box, kind) as one:
        await left(box, one)
        assert box.server is not None
        assert (1, True) == (len(box.plane.transfers), box.server.busy)
        box.store.answers.set()
        await box.settled()
    assert (0, 0, False) == (len(box.plane.transfers), box.store.open_now, box.server.busy)
    await until(lambda: not box.server._connections)
    if kind != "link: tus":
        assert b"hello" == box.store.objects["real", "inside/box/in.bin"][0]
    assert (Outcome.CLIENT_GONE, "client_gone") == (box.records[-1].outcome, box.records[-1].reason)
    if kind.startswith("link"):
        assert 1 == await box.used(one.grant)


@pytest.mark.both_loops
@pytest.mark.parametrize("kind", ["link: get", "link: list", "link: archive", "key: delete", "key: copy"])
async def test_a_question_whose_asker_left_is_not_answered(box: Rig, kind: str) -> None:
    """What sent no body ends with its connection, though the store never answers."""
    async with waiting(box, kind) as one:
        await left(box, one)
        await box.settled()
    assert (0, 0) == (len(box.plane.transfers), box.store.open_now)


@pytest.mark.parametrize("kind", SENT)
async def test_what_goes_on_alone_ends_with_its_right(box: Rig, kind: str) -> None:
    """A revocation finds it as it finds what has a client: nothing is stored, though the store would."""
    async with waiting(box, kind) as one:
        await left(box, one)
        await revoked(box, one.grant)
        if kind == "link: tus":
            box.store.answers.set()
        await box.settled()
        box.store.answers.set()
    assert (0, 0) == (len(box.plane.transfers), box.store.open_now)
    assert ("real", "inside/box/in.bin") not in box.store.objects
    assert (Outcome.CUT, "revoked") == (box.records[-1].outcome, box.records[-1].reason)
