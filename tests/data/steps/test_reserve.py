"""What a request may still move is reserved before it moves: the first ones come through whole, on every replica."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from gateway.core import lease
from gateway.core.grant import Grant
from gateway.core.lease import RESERVED_SECONDS, Reservation, Room
from gateway.core.reasons import DependencyDown, Reason, UpstreamFailed
from gateway.core.request import Action
from gateway.core.route import UpstreamCall
from gateway.data.state.transfers import Permit
from gateway.data.steps import reserve
from gateway.data.steps.reserve import report
from gateway.server.exchange import ClientExchange
from tests.data.harness import Rig, request, running
from tests.data.scripted_store import Scripted
from tests.waiting import until

SIZE = 300_000
BODY = bytes(range(250)) * (SIZE // 250)


@pytest.fixture
async def once(rig: Rig) -> tuple[str, Grant]:
    """A link with one use, to an object that is sent in many pieces."""
    rig.store.hold("inside/a.txt", BODY)
    return await rig.granted(uses=1)


async def downloads(rig: Rig, token: str, number: int, **headers: str) -> list:
    return await asyncio.gather(*[rig.fetch(token, **headers) for _ in range(number)])


async def reserved(rig: Rig, number: int) -> None:
    """Wait until so many bytes are reserved by what runs."""
    await until(lambda: sum(permit.reserved for permit in rig.plane.transfers) >= number)


async def test_twenty_whole_downloads_at_once_bring_the_file(rig: Rig, once: tuple[str, Grant]) -> None:
    """Three come through whole, which is what one use may move; the others are refused before their first byte."""
    token, grant = once
    got = await downloads(rig, token, 20)
    assert {200: 3, 410: 17} == Counter(one.status for one in got)
    assert {BODY} == {one.body for one in got if one.status == 200}
    assert (1, 3 * SIZE) == (await rig.used(grant), await rig.moved(grant))


async def test_without_reservations_nobody_would_get_it(
    rig: Rig, once: tuple[str, Grant], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Control: where room is only looked for, all are let in, and more moves than one use may."""

    async def looked(mine, wanted, **limits):
        return Room.TAKEN

    monkeypatch.setattr(rig.state.leases, "reserve_bytes", looked)
    got = await downloads(rig, once[0], 20)
    assert 3 * SIZE < sum(len(one.body) for one in got)


async def test_two_replicas_reserve_together(rig: Rig, once: tuple[str, Grant]) -> None:
    """Twenty at once at two gateways on one state: three whole downloads, and 410 for the others."""
    async with running(state=rig.state) as other:
        other.store.hold("inside/a.txt", BODY)
        asked = [(rig, other)[number % 2].fetch(once[0], User_Agent="one") for number in range(20)]
        got = await asyncio.gather(*asked)
        assert {200: 3, 410: 17} == Counter(one.status for one in got)
        assert {BODY} == {one.body for one in got if one.status == 200}
        await other.settled()
        assert (1, 3 * SIZE) == (await rig.used(once[1]), await rig.moved(once[1]))


async def test_parallel_ranges_of_a_download_manager_are_one_use(rig: Rig, once: tuple[str, Grant]) -> None:
    """Eight at once, and once more, are two whole objects and leave room for a third."""
    token, grant = once
    part = SIZE // 8
    for _ in range(2):
        asked = [
            rig.fetch(token, Range=f"bytes={number * part}-{(number + 1) * part - 1 if number < 7 else SIZE - 1}")
            for number in range(8)
        ]
        got = await asyncio.gather(*asked)
        assert {206} == {one.status for one in got}
        assert BODY == b"".join(one.body for one in got)
    assert BODY == (await rig.fetch(token)).body
    assert 410 == (await rig.fetch(token, Range="bytes=0-9")).status
    assert 3 * SIZE == await rig.moved(grant)


def leave_after(rig: Rig, count: int) -> None:
    """From now on the store has no more than so many bytes of a range, as if the client had left after them: how much
    a kernel takes ahead is not for a test to know."""

    def ranged(call: UpstreamCall) -> Scripted | None:
        start = int(dict(call.headers).get("range", "bytes=0-").removeprefix("bytes=").partition("-")[0])
        shown = {"content-range": f"bytes {start}-{SIZE - 1}/{SIZE}"}
        pieces = [BODY[start : start + count], asyncio.Event()]
        return Scripted(206, shown, pieces if start + count < SIZE else pieces[:1], length=SIZE - start)

    rig.store.always = ranged


async def beginning(rig: Rig, token: str, start: int, count: int) -> bytes:
    """What comes to who asks from there to the end and leaves after so many bytes."""
    async with rig.client() as client:
        await client.send(request("GET", f"/s/{token}", {"Range": f"bytes={start}-"}))
        assert 206 == (await client.head()).status
        came = await client.rest_of(count)
        client.leave()
        return came


async def test_open_ranges_that_overlap_are_served_from_what_is_left(
    rig: Rig, once: tuple[str, Grant], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A manager opens the object, then seven ranges to its end, and leaves each where the next begins: together they
    ask for more than the use may move, and all come through, as they do not take it."""
    token, grant = once
    for name, value in (("_PAUSE", 0.001), ("_TRIES", 5000), ("_PIECE", 10_000)):
        monkeypatch.setattr(reserve, name, value)
    part = SIZE // 8
    leave_after(rig, part)
    async with asyncio.TaskGroup() as group, rig.client() as client:
        await client.send(request("GET", f"/s/{token}", {"Range": "bytes=0-"}))
        assert 206 == (await client.head()).status
        others = [group.create_task(beginning(rig, token, number * part, part)) for number in range(1, 8)]
        first = await client.rest_of(part)
        client.leave()
    assert BODY == b"".join([first, *(other.result() for other in others)])
    assert SIZE == await rig.moved(grant)
    assert 1 == await rig.used(grant)


async def test_a_seeking_player_gives_back_what_it_did_not_take(rig: Rig, once: tuple[str, Grant]) -> None:
    """Seven ranges to the end, each left after its beginning: what did not move is free again."""
    token, grant = once
    leave_after(rig, 1000)
    for start in range(0, SIZE - 100_000, SIZE // 10):
        assert BODY[start : start + 1000] == await beginning(rig, token, start, 1000)
        await rig.settled()
    assert (1, 7000) == (await rig.used(grant), await rig.moved(grant))


async def test_a_player_that_seeks_in_a_small_film_may_go_on_to(rig: Rig, once: tuple[str, Grant]) -> None:
    """All the rest is on its way before it leaves: so ranges from within the object may move more than the use's cap.
    From its beginning, and whole, it is had three times and no more."""
    token, grant = once
    for _ in range(2):
        assert BODY == (await rig.fetch(token, Range="bytes=0-")).body
    for start in range(1000, 9000, 1000):
        assert BODY[start:] == (await rig.fetch(token, Range=f"bytes={start}-")).body
    assert 3 * SIZE < await rig.moved(grant)
    assert [410, 410] == [(await rig.fetch(token, Range=text)).status for text in ("bytes=0-", "bytes=0-9")]
    assert 410 == (await rig.fetch(token)).status


@pytest.mark.parametrize("bound", [("SEEK_BYTES", SIZE), ("SEEK_BYTES_FACTOR", 1)], ids=lambda bound: bound[0])
async def test_what_a_player_may_move_more_is_bounded(
    rig: Rig, once: tuple[str, Grant], monkeypatch: pytest.MonkeyPatch, bound: tuple[str, int]
) -> None:
    """By the object's size, and by a number of bytes. Another client has none of it; where it has run out, even a range
    of one byte is refused."""
    token, grant = once
    monkeypatch.setattr(lease, *bound)
    got = [(await rig.fetch(token, Range="bytes=1-")).status for _ in range(5)]
    assert [206, 206, 206, 206, 410] == got
    await rig.fetch(token, Range="bytes=1-4")
    assert 410 == (await rig.fetch(token, Range="bytes=1-1")).status
    assert 410 == (await rig.fetch(token, **{"User-Agent": "another", "Range": "bytes=1-1"})).status
    assert (1, 4 * SIZE) == (await rig.used(grant), await rig.moved(grant))


async def test_who_has_had_all_of_a_use_goes_on_with_the_next(rig: Rig) -> None:
    """Programs behind one address share a use, each of which is three whole downloads: an office is not refused while
    uses are left. Ranges and whole downloads alike; what is refused at the end has taken nothing."""
    rig.store.hold("inside/a.txt", BODY)
    token, grant = await rig.granted(uses=3)
    got = [(await rig.fetch(token)).status for _ in range(4)]
    assert ([200] * 4, 2) == (got, await rig.used(grant))
    got += [(await rig.fetch(token, Range="bytes=0-")).status for _ in range(6)]
    assert [200] * 4 + [206] * 5 + [410] == got
    assert (3, 9 * SIZE) == (await rig.used(grant), await rig.moved(grant))


async def test_many_at_once_have_as_many_uses_as_they_need(rig: Rig) -> None:
    """Twenty whole downloads of one client at once take seven uses and leave the rest to others."""
    rig.store.hold("inside/a.txt", BODY)
    token, grant = await rig.granted(uses=9)
    got = await downloads(rig, token, 20)
    assert ({BODY}, 7) == ({one.body for one in got}, await rig.used(grant))


async def test_no_use_is_taken_where_the_bytes_are_spent(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The next use has no more of them: it is given back, no further one is tried, and whoever is refused has taken
    none."""
    opened, open_lease = [], rig.state.leases.open_lease

    async def counted(mine, uses, now, window):
        opened.append(mine.key)
        return await open_lease(mine, uses, now, window)

    monkeypatch.setattr(rig.state.leases, "open_lease", counted)
    rig.store.hold("inside/a.txt", BODY)
    token, grant = await rig.granted(uses=9, budget=4 * SIZE + 5)
    assert [200] * 4 + [410] * 2 == [(await rig.fetch(token)).status for _ in range(6)]
    await rig.settled()
    assert (2, 4 * SIZE) == (await rig.used(grant), await rig.moved(grant))
    assert {"", "2", "3"} >= {key.partition("+")[2] for key in opened}


@pytest.mark.parametrize("forgets", [False, True], ids=["goes on", "begins anew"])
async def test_the_next_use_is_found_in_few_looks(rig: Rig, monkeypatch: pytest.MonkeyPatch, forgets: bool) -> None:
    """However many are spent; by a process that knows of none of them, too. It is taken in turn, or found by leaps."""
    rig.store.hold("inside/a.txt", BODY)
    token, grant = await rig.granted(uses=1000)
    assert {200} == {(await rig.fetch(token)).status for _ in range(3 * 40)}
    assert 40 == await rig.used(grant)
    if forgets:
        reserve._SPENT.clear()
    looks, reserve_bytes = [], rig.state.leases.reserve_bytes

    async def counted(mine, wanted, **limits):
        looks.append(mine.key)
        return await reserve_bytes(mine, wanted, **limits)

    monkeypatch.setattr(rig.state.leases, "reserve_bytes", counted)
    assert 200 == (await rig.fetch(token)).status
    assert 41 == await rig.used(grant)
    assert len(looks) <= (1 + 16 + 3 if forgets else 3)


async def test_nothing_is_reserved_for_a_look(rig: Rig, once: tuple[str, Grant], monkeypatch) -> None:
    """HEAD, a matching condition and pages need no room, even while all of it is taken."""
    token, _ = once
    etag = rig.store.objects["real", "inside/a.txt"][1]["etag"]

    async def none(mine, wanted, **limits):
        raise AssertionError("reserved")

    monkeypatch.setattr(rig.state.leases, "reserve_bytes", none)
    assert 200 == (await rig.ask("HEAD", f"/s/{token}")).status
    assert 304 == (await rig.fetch(token, If_None_Match=etag)).status
    assert 200 == (await rig.fetch(token, Accept="text/html", Sec_Fetch_Mode="navigate")).status


async def test_requests_that_all_brought_nothing_give_the_use_back(rig: Rig, once: tuple[str, Grant]) -> None:
    """However many shared it: the last of them to fail leaves it as it was."""
    token, grant = once
    rig.store.script(*[Scripted(raises=UpstreamFailed(Reason.UPSTREAM_UNREACHABLE)) for _ in range(8)])
    got = await downloads(rig, token, 8, User_Agent="unlucky")
    assert {200} != {one.status for one in got}
    assert 0 == await rig.used(grant)
    assert 200 == (await rig.fetch(token, User_Agent="another")).status


async def _silence(*_: object) -> None:
    return None


async def test_what_a_dead_replica_held_is_free_after_a_minute(
    rig: Rig, once: tuple[str, Grant], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It does not eat the use for ever: neither its bytes, nor a use that nobody got anything of."""
    token, grant = once
    monkeypatch.setattr("gateway.data.steps.admit.settle", _silence)
    rig.store.script(Scripted(404))
    assert 404 == (await rig.fetch(token, User_Agent="first")).status
    await rig.settled()
    monkeypatch.undo()
    assert (1, 410) == (await rig.used(grant), (await rig.fetch(token, User_Agent="second")).status)
    rig.clock.tick(RESERVED_SECONDS / 2)
    await rig.plane.follower.catch_up()
    await report(rig.plane.leases, rig.plane.transfers, rig.plane.clock)
    assert 1 == await rig.used(grant)
    rig.clock.tick(RESERVED_SECONDS / 2)
    await rig.plane.follower.catch_up()
    await report(rig.plane.leases, rig.plane.transfers, rig.plane.clock)
    assert (0, 0) == (await rig.used(grant), await rig.moved(grant))
    assert BODY == (await rig.fetch(token, User_Agent="second")).body


async def test_what_runs_keeps_what_it_reserved(rig: Rig, once: tuple[str, Grant]) -> None:
    """However long it takes, as the store hears of it; what has moved is counted meanwhile, and once."""
    token, grant = once
    go = asyncio.Event()
    rig.store.script(Scripted(200, {}, [BODY[:100_000], go, BODY[100_000:]], length=SIZE))
    async with rig.client() as client:
        await client.send(request("GET", f"/s/{token}"))
        await client.head()
        await client.rest_of(100_000)
        for _ in range(5):
            rig.clock.tick(RESERVED_SECONDS / 2)
            await rig.plane.follower.catch_up()
            await report(rig.plane.leases, rig.plane.transfers, rig.plane.clock)
            held = await rig.state.leases.usage([grant.id])
            assert SIZE == held[grant.id].moved
        assert 200 == (await rig.fetch(token)).status
        assert 200 == (await rig.fetch(token)).status
        assert 410 == (await rig.fetch(token)).status
        go.set()
        await client.rest_of(SIZE - 100_000)
    assert 3 * SIZE == await rig.moved(grant)


async def test_an_upload_that_fails_late_gives_its_use_back(rig: Rig) -> None:
    """What was told of it meanwhile does not keep it."""
    token, grant = await rig.granted(actions=[Action.WRITE], uses=1, budget=10 * SIZE)
    async with rig.client() as client:
        await client.send(request("PUT", f"/s/{token}", {"Content-Length": str(SIZE)}, BODY[:1000]))
        await reserved(rig, 1)
        await report(rig.plane.leases, rig.plane.transfers, rig.plane.clock)
    await rig.recorded(1)
    assert 0 == await rig.used(grant)
    assert 201 == (await rig.ask("PUT", f"/s/{token}", body=BODY)).status


async def test_a_store_that_is_down_loses_no_count(rig: Rig, once: tuple[str, Grant], monkeypatch) -> None:
    """What could not be told while it ran is told at the end."""
    token, grant = once
    go = asyncio.Event()
    rig.store.script(Scripted(200, {}, [BODY[:100_000], go, BODY[100_000:]], length=SIZE))

    async def down(*_, **__):
        raise DependencyDown("grants", "gone")

    async with rig.client() as client:
        await client.send(request("GET", f"/s/{token}"))
        await client.head()
        await client.rest_of(100_000)
        with monkeypatch.context() as broken:
            for name in ("settle_bytes", "release_lapsed"):
                broken.setattr(rig.state.leases, name, down)
            await report(rig.plane.leases, rig.plane.transfers, rig.plane.clock)
        go.set()
        await client.rest_of(SIZE - 100_000)
    assert SIZE == await rig.moved(grant)


async def test_what_ended_meanwhile_is_not_told_of(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """A round takes a while: a request that has settled by then leaves no second trace, and what runs is told of."""
    settle, told, go = rig.state.leases.settle_bytes, [], asyncio.Event()
    for key in ("a", "b"):
        rig.store.hold(f"inside/{key}", BODY)
    tokens = [await rig.link(key, uses=1) for key in ("a", "b")]
    rig.store.script(*[Scripted(200, {}, [BODY[:100_000], go, BODY[100_000:]], length=SIZE) for _ in tokens])

    async def slowly(mine, done, now):
        if not done.ends:
            told.append(mine.request)
            go.set()
            while len(rig.plane.transfers):  # noqa: ASYNC110 (nobody tells of it)
                await asyncio.sleep(0)
        await settle(mine, done, now)

    async def round_() -> None:
        await reserved(rig, 2 * SIZE)
        monkeypatch.setattr(rig.state.leases, "settle_bytes", slowly)
        await report(rig.plane.leases, rig.plane.transfers, rig.plane.clock)

    *got, _ = await asyncio.gather(*[rig.fetch(token) for token in tokens], round_())
    assert [BODY, BODY] == [one.body for one in got]
    assert 1 == len(told)


async def test_a_range_gives_up_waiting(rig: Rig, once: tuple[str, Grant], monkeypatch) -> None:
    """What others hold for long is told as used up, before the first byte."""
    token, _ = once
    for name, value in (("_TRIES", 3), ("_PAUSE", 0.001)):
        monkeypatch.setattr(reserve, name, value)
    go = asyncio.Event()
    rig.store.script(*[Scripted(200, {}, [go, BODY], length=SIZE) for _ in range(3)])

    async def late() -> int:
        await reserved(rig, 3 * SIZE)
        try:
            return (await rig.fetch(token, Range="bytes=0-9")).status
        finally:
            go.set()

    refused, *others = await asyncio.gather(late(), *[rig.fetch(token) for _ in range(3)])
    assert 410 == refused
    assert {200} == {one.status for one in others}


async def whole(rig: Rig, **fields: object) -> tuple[str, Grant]:
    """A link for one whole download."""
    rig.store.hold("inside/a.txt", BODY)
    return await rig.granted(uses=1, once=True, **fields)


@pytest.mark.parametrize("size", [5, SIZE])
async def test_one_whole_download_is_all(rig: Rig, size: int) -> None:
    """After it even the same client is refused, at once and for every range, though its use is still open."""
    token, grant = await whole(rig)
    rig.store.hold("inside/a.txt", BODY[:size])
    assert BODY[:size] == (await rig.fetch(token)).body
    for headers in ({}, {"Range": "bytes=0-0"}, {"Range": f"bytes={size - 1}-"}):
        assert 410 == (await rig.fetch(token, **headers)).status
    assert (1, size) == (await rig.used(grant), await rig.moved(grant))


@pytest.mark.parametrize(
    ("headers", "first_ends", "second", "pauses"),
    [({}, True, 410, 1), ({}, False, 200, reserve._LOOKS - 1), ({"Range": "bytes=0-9"}, False, 206, 0)],
    ids=["it ends", "it goes on", "a piece waits for nobody"],
)
async def test_who_asks_for_all_of_it_waits_a_little_for_who_is_at_it(
    rig: Rig, monkeypatch: pytest.MonkeyPatch, headers: dict[str, str], first_ends: bool, second: int, pauses: int
) -> None:
    """The same client began to download it: when that ends soon, it has it; when it does not, it may begin anew. The
    pieces of one download come at once, and wait for nothing."""
    token, _ = await whole(rig)
    go = asyncio.Event()
    other = Scripted(206, {"content-range": f"bytes 0-9/{SIZE}"}, [BODY[:10]], length=10)
    rig.store.script(
        Scripted(200, {}, [go, BODY], length=SIZE), other if headers else Scripted(200, {}, [BODY], length=SIZE)
    )

    looked, paused = [], Permit.pause

    async def pause(permit: Permit, seconds: float) -> None:
        if seconds == reserve._PAUSE:
            looked.append(seconds)
            if first_ends:
                go.set()
        await paused(permit, seconds)
        if first_ends and seconds == reserve._PAUSE:  # over TLS, its end takes longer than this
            await until(lambda: len(rig.plane.transfers) == 1)

    monkeypatch.setattr(reserve, "_PAUSE", 0.05)
    monkeypatch.setattr(Permit, "pause", pause)

    async def again() -> int:
        await reserved(rig, SIZE)
        try:
            return (await rig.fetch(token, **headers)).status
        finally:
            go.set()

    assert second == (await asyncio.gather(again(), rig.fetch(token)))[0]
    assert pauses == len(looked)


async def test_an_ordinary_use_goes_on_for_its_client(rig: Rig, once: tuple[str, Grant]) -> None:
    """Control: without `once`, the same client may have it again."""
    assert [200, 200] == [(await rig.fetch(once[0])).status for _ in range(2)]


async def test_what_was_broken_off_is_resumed_until_it_is_whole(rig: Rig) -> None:
    """Ranges of the same client add up to the object, in any pieces; another client gets none of it."""
    token, grant = await whole(rig)
    parts = [(await rig.fetch(token, Range=f"bytes={start}-{start + 99_999}")).body for start in (0, 100_000)]
    assert 410 == (await rig.fetch(token, **{"User-Agent": "another", "Range": "bytes=200000-"})).status
    parts.append((await rig.fetch(token, Range="bytes=200000-")).body)
    assert BODY == b"".join(parts)
    assert [410, 410] == [(await rig.fetch(token, Range=text)).status for text in ("bytes=0-1", "bytes=1-2")]
    assert (1, SIZE) == (await rig.used(grant), await rig.moved(grant))


async def test_a_download_that_broke_off_may_begin_again(rig: Rig) -> None:
    """As long as less than the object has moved, the same client may also ask for all of it."""
    token, _ = await whole(rig)
    await rig.fetch(token, Range="bytes=0-199999")
    assert BODY == (await rig.fetch(token)).body
    assert 410 == (await rig.fetch(token)).status


async def test_looks_at_a_whole_download_take_nothing(rig: Rig) -> None:
    """HEAD, an answer that nothing has changed, and the page."""
    token, grant = await whole(rig)
    seen = await rig.ask("HEAD", f"/s/{token}")
    assert 304 == (await rig.fetch(token, **{"If-None-Match": seen.header("etag") or ""})).status
    assert 200 == (await rig.fetch(token, **{"Accept": "text/html", "Sec-Fetch-Mode": "navigate"})).status
    assert 405 == (await rig.ask("OPTIONS", f"/s/{token}")).status
    assert (0, 0) == (await rig.used(grant), await rig.moved(grant))
    assert BODY == (await rig.fetch(token)).body


async def test_a_whole_download_is_counted_before_its_last_byte_leaves(
    rig: Rig, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who has all of it finds the use ended, however fast it asks again, and wherever."""
    token, grant = await whole(rig)
    found, written = [], ClientExchange.write

    async def write(exchange: ClientExchange, data: bytes) -> None:
        [permit] = rig.plane.transfers
        if permit.moved == SIZE:
            another = Reservation(grant.id, permit.lease_key, "another")
            found.append(await rig.state.leases.reserve_bytes(another, 1, cap=SIZE))
        await written(exchange, data)

    monkeypatch.setattr(ClientExchange, "write", write)
    assert BODY == (await rig.fetch(token)).body
    assert [Room.SPENT] == found


async def test_another_replica_knows_of_a_whole_download(rig: Rig) -> None:
    """It is counted before its last byte leaves, where all replicas count."""
    token, _ = await whole(rig)
    assert BODY == (await rig.fetch(token)).body
    async with running(state=rig.state, store=rig.store) as other:
        assert 410 == (await other.fetch(token)).status
