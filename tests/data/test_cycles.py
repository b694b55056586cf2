"""What a request leaves behind: nothing that only the garbage collector could give back, no long text of its client."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from hashlib import md5

import pytest

from gateway.backends.profiles import PROFILES
from gateway.backends.upstream import StoreUpstream
from gateway.core.backend import BackendSpec
from gateway.core.reasons import Reason
from gateway.core.request import Action
from gateway.core.revocation_target import FeedKind
from tests.backends.fault_server import CREDENTIALS, Peer, fault_server, reply
from tests.data.harness import Rig, request, running
from tests.servers import over_tls
from tests.waiting import until

TIMES = 3
MANY, LONG = 100, 12_000


@contextmanager
def without_collector() -> Iterator[list[object]]:
    """Fills the list with what only a collection gives back, at the end of the block."""
    found: list[object] = []
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield found
        gc.collect()
        found.extend(gc.garbage)
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


async def store(peer: Peer) -> None:
    """Answers by the name of the object."""
    while True:
        head, _ = await peer.request()
        peer.seen.heads.clear()
        name = head.split()[1].partition("?")[0].rpartition("/")[2]
        if name == "large":
            await peer.send(reply(b"x" * 2_000_000))
        elif name == "stalled":
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + b"x" * 70_000)
            await peer.until_closed()
        elif name == "silent":
            await peer.until_closed()
        elif name == "broken":
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n" + b"x" * 70_000)
            peer.writer.close()
            return
        elif name == "early":
            peer.writer.close()
            return
        else:
            await peer.send(reply(b"" if head.startswith("PUT") else b"hello", extra='etag: "1"\r\n'))


@asynccontextmanager
async def before_a_store() -> AsyncIterator[Rig]:
    async with fault_server(store) as seen, running() as rig:
        place = {"endpoint": seen.url, "ca_file": over_tls.authorities()}
        spec = BackendSpec.resolve("lab", PROFILES["generic"], CREDENTIALS, **place)
        rig.plane.upstream = upstream = StoreUpstream([spec])
        try:
            yield rig
        finally:
            await upstream.close()


async def connected() -> None:
    """A moment for the connection to the store: one that is not made yet is the event loop's."""
    await asyncio.sleep(0.05)


async def downloaded(rig: Rig) -> None:
    assert 200 == (await rig.fetch(await rig.link("small"))).status


async def streamed(rig: Rig) -> None:
    assert 2_000_000 == len((await rig.fetch(await rig.link("large"))).body)


async def refused(rig: Rig) -> None:
    assert 404 == (await rig.fetch("gl_unknown")).status


async def unreachable(rig: Rig) -> None:
    assert 502 == (await rig.fetch(await rig.link("early"))).status


async def uploaded(rig: Rig) -> None:
    token = await rig.link("small", actions=[Action.WRITE], overwrite=True)
    assert 201 == (await rig.ask("PUT", f"/s/{token}", body=b"x" * 100_000)).status


async def uploaded_large(rig: Rig) -> None:
    token = await rig.link("small", actions=[Action.WRITE], overwrite=True)
    assert 201 == (await rig.ask("PUT", f"/s/{token}", body=b"x" * 2_000_000)).status


async def uploaded_large_and_checked(rig: Rig) -> None:
    token = await rig.link("small", actions=[Action.WRITE], overwrite=True)
    digest = {"Content-MD5": b64encode(md5(b"x" * 2_000_000).digest()).decode()}
    assert 201 == (await rig.ask("PUT", f"/s/{token}", digest, b"x" * 2_000_000)).status


async def wrongly_uploaded(rig: Rig) -> None:
    token = await rig.link("small", actions=[Action.WRITE], overwrite=True)
    wrong = {"Content-MD5": "1B2M2Y8AsgTpgAmY7PhCfg=="}
    assert 400 == (await rig.ask("PUT", f"/s/{token}", wrong, b"x" * 100_000)).status


async def half_uploaded(rig: Rig) -> None:
    token = await rig.link("small", actions=[Action.WRITE], overwrite=True)
    async with rig.client() as client:
        await client.send(request("PUT", f"/s/{token}", {"Content-Length": "1000"}, b"x" * 999))
        await connected()


async def left(rig: Rig) -> None:
    async with rig.client(window=4096) as client:
        await client.send(request("GET", f"/s/{await rig.link('large')}"))
        await client.head()


async def cut(rig: Rig) -> None:
    async with rig.client() as client:
        await client.send(request("GET", f"/s/{await rig.link('stalled')}"))
        await client.head()
        [permit] = rig.plane.transfers
        permit.cut(Reason.REVOKED)
        await client.rest()


async def ended(rig: Rig) -> None:
    token, grant = await rig.granted("silent")
    async with rig.client() as client:
        await client.send(request("GET", f"/s/{token}"))
        await until(lambda: len(rig.plane.transfers))
        await connected()
        await rig.revoke(FeedKind.LINK, grant.id)
        assert 410 == (await client.answer()).status


async def broken(rig: Rig) -> None:
    async with rig.client() as client:
        await client.send(request("GET", f"/s/{await rig.link('broken')}"))
        await client.rest()


async def malformed(rig: Rig) -> None:
    async with rig.client() as client:
        await client.send(b"NONSENSE\r\n\r\n")
        await client.rest()


ENDINGS = [downloaded, streamed, refused, unreachable, uploaded, wrongly_uploaded, half_uploaded, left, cut, broken]
ENDINGS += [ended, malformed, uploaded_large, uploaded_large_and_checked]


@pytest.mark.parametrize("ending", ENDINGS, ids=lambda ending: ending.__name__)
async def test_a_request_is_no_garbage(ending: Callable[[Rig], Awaitable[None]]) -> None:
    """However it ends, its memory is free at its end: a thousand clients that leave at once hold nothing."""
    async with before_a_store() as rig:
        await downloaded(rig)
        await ending(rig)
        with without_collector() as found:
            for _ in range(TIMES):
                await ending(rig)
                await rig.settled()
            await asyncio.sleep(0.05)
        ours = Counter(type(each).__qualname__ for each in found if type(each).__module__.startswith("gateway"))
        if over_tls.listener() is not None:
            ours.pop("_Watched", None)  # uvloop's TLS goes in a circle with it when a connection breaks
        assert not ours


async def test_a_cycle_would_be_seen(rig: Rig) -> None:
    """Control: a failure that its own frame remembers is one."""
    closed = rig.plane.accounts.close

    def remember(account) -> None:
        closed(account)
        account.exchange.extra = account

    rig.plane.accounts.close = remember
    with without_collector() as found:
        await refused(rig)
        await rig.settled()
        await asyncio.sleep(0.05)
    assert any(type(each).__qualname__ == "Account" for each in found)


async def _held_after_many(rig: Rig, token: str, header: str, length: int) -> int:
    """Bytes that are held after many requests, each with another text in this header."""
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(MANY):
            assert 200 == (await rig.fetch(token, **{header: f'"{number:06}{"x" * length}"'})).status
        await rig.settled()
        gc.collect()
        return tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("header", ["User_Agent", "If_None_Match", "Cookie", "Accept_Language", "X_Forwarded_For"])
async def test_long_texts_are_forgotten(header: str) -> None:
    """What is remembered of requests is bounded by number: whoever may read one object must not fill each of some
    thousand places with 16 KiB."""
    async with before_a_store() as rig:
        token = await rig.link("small")
        await _held_after_many(rig, token, header, 10)  # what is made once
        of_tls = 0 if over_tls.listener() is None else await _held_after_many(rig, token, header, 10)
        assert await _held_after_many(rig, token, header, LONG) - of_tls < MANY * LONG // 4
