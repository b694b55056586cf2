"""Parts that come ahead of an upload's offset: one upload all the same, under all that its link wants."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence

import pytest

from gateway.core.intake import Intake
from gateway.core.lease import Usage
from gateway.core.revocation_target import FeedKind
from gateway.core.route import Capability
from gateway.data.tus import wanted
from gateway.data.uploads import file_types
from gateway.stores.memory import open_memory
from tests.data.harness import EVERY, Rig, policy, request, running
from tests.data.parts_store import PartsStore
from tests.data.raw_client import Got
from tests.data.scripted_store import Scripted
from tests.data.uploading import (
    BARE,
    BODY,
    PART,
    WRITE,
    checksum,
    create,
    created,
    later,
    offset,
    patch,
    patching,
    store_of,
    until_moved,
)

pytestmark = pytest.mark.usefixtures("small_parts")
COUNT = -(-len(BODY) // PART)
RESUMABLE = {"Tus-Resumable": "1.0.0"}


@pytest.fixture
async def rig(uploads: Rig) -> Rig:
    return uploads


def part(number: int) -> bytes:
    return BODY[PART * (number - 1) : PART * number]


async def put(rig: Rig, address: str, number: int, **headers: str) -> Got:
    """Send one part ahead."""
    return await patch(rig, address, PART * (number - 1), part(number), Upload_Ahead="1", **headers)


async def told(rig: Rig, address: str) -> tuple[str | None, ...]:
    """Where the upload stands, and which parts it has beyond."""
    got = await rig.ask("HEAD", address, RESUMABLE)
    return tuple(map(got.header, ("upload-offset", "upload-ahead")))


async def received(rig: Rig, grant) -> tuple[int, int]:
    await rig.settled()
    usage = (await rig.state.leases.usage([grant.intake_id])).get(grant.intake_id, Usage())
    return usage.uses, usage.moved


@pytest.mark.parametrize("capabilities", [EVERY, EVERY - {Capability.EQUAL_PARTS}, BARE])
@pytest.mark.parametrize("seed", range(6))
async def test_the_object_is_the_file_in_whatever_order_its_parts_come(
    rig: Rig, capabilities: frozenset[Capability], seed: int
) -> None:
    """Some ahead, some as they follow, some of both; it appears when every byte is there, and nothing is left over."""
    rig.use(policy(capabilities=capabilities))
    chance = random.Random(seed)
    address = await created(rig, await rig.link(actions=WRITE), len(BODY))
    ahead = chance.sample(range(2, COUNT + 1), chance.randint(1, COUNT - 1))
    for number in ahead:
        got = await put(rig, address, number)
        assert (204, str(min(PART * number, len(BODY)))) == (got.status, got.header("upload-offset"))
        assert None is rig.store.stored("inside/a.txt")
    while (at := await offset(rig, address)) < len(BODY):
        free = next((one for one in sorted(ahead) if PART * (one - 1) > at), COUNT + 1)
        end = min(at + chance.choice((137, 999, 2500)), PART * (free - 1), len(BODY))
        assert 204 == (await patch(rig, address, at, BODY[at:end])).status
    assert BODY == rig.store.stored("inside/a.txt")
    assert ({}, 1) == (store_of(rig).uploads, len(store_of(rig).hidden()))
    assert len(BODY) == await offset(rig, address)


async def test_an_upload_tells_its_parts(rig: Rig) -> None:
    """Their size from the start, where there are any; and after a closed tab, which of them are there already."""
    token = await rig.link(actions=WRITE, overwrite=True)
    got = await create(rig, f"/s/{token}", len(BODY))
    address = got.header("location") or ""
    assert (str(PART), None) == tuple(map(got.header, ("upload-part-size", "upload-ahead")))
    for number in (5, 3, 4):
        await put(rig, address, number)
    assert ("0", "3-5") == await told(rig, address)
    await patch(rig, address, 0, BODY[:1500])
    assert ("1500", "3-5") == await told(rig, address)
    await patch(rig, address, 1500, BODY[1500:2000])
    assert (str(len(BODY)), None) == await told(rig, address)
    for length in (PART, None):
        got = await create(rig, f"/s/{token}", length)
        assert (201, None) == (got.status, got.header("upload-part-size"))


async def test_a_client_that_knows_of_no_parts_is_as_before(rig: Rig) -> None:
    """Its offset is the only place where bytes may be put, and what lies ahead is not passed over within a request."""
    address = await created(rig, await rig.link(actions=WRITE), len(BODY))
    assert 409 == (await patch(rig, address, PART, part(2))).status
    await put(rig, address, 2)
    got = await patch(rig, address, 0, BODY)
    assert (204, str(len(BODY)), BODY) == (got.status, got.header("upload-offset"), rig.store.stored("inside/a.txt"))


async def test_it_is_one_file_of_its_own_size(rig: Rig) -> None:
    """However many requests it takes, and however often a part is sent; ending it gives all of it back."""
    intake = Intake(max_files=1, total_bytes=2 * len(BODY))
    token, grant = await rig.granted(actions=WRITE, uses=1, overwrite=True, intake=intake)
    address = await created(rig, token, len(BODY))
    for number in (4, 5, 4):
        assert 204 == (await put(rig, address, number)).status
    assert (1, PART + len(part(5))) == await received(rig, grant)
    await patch(rig, address, 0, BODY[:1700])
    assert (1, 1700 + PART + len(part(5))) == await received(rig, grant)
    assert 204 == (await rig.ask("DELETE", address, RESUMABLE)).status
    assert ((0, 0), 0, {}) == (await received(rig, grant), await rig.used(grant), store_of(rig).uploads)
    address = await created(rig, token, len(BODY))
    for number in (3, 5, 3):
        assert 204 == (await put(rig, address, number)).status
    assert 204 == (await patch(rig, address, 0, BODY[:4000])).status
    assert len(BODY) == await offset(rig, address)
    assert BODY == rig.store.stored("inside/a.txt")
    assert ((1, len(BODY)), 1) == (await received(rig, grant), await rig.used(grant))


async def test_no_more_bytes_come_than_a_link_may_receive(rig: Rig) -> None:
    """Those of two uploads that were begun while there was room for either are counted as they come; what is ended
    gives its own back."""
    token, grant = await rig.granted(prefix="in/", actions=WRITE, intake=Intake(total_bytes=len(BODY)))
    one, other = [
        (await create(rig, f"/s/{token}/{name}/", len(BODY), Upload_Metadata="filename YQ==")).header("location") or ""
        for name in ("one", "other")
    ]
    for number in range(2, COUNT + 1):
        assert 204 == (await put(rig, one, number)).status
    assert [204, 410] == [(await put(rig, other, number)).status for number in (2, 3)]
    assert 410 == (await patch(rig, one, 0, part(1))).status
    assert 204 == (await rig.ask("DELETE", other, RESUMABLE)).status
    assert 204 == (await patch(rig, one, 0, part(1))).status
    assert len(BODY) == await offset(rig, one)
    assert len(BODY) == (await received(rig, grant))[1]


@pytest.mark.parametrize(
    ("at", "size", "more", "status"),
    [
        (0, PART, {}, 400),
        (PART + 1, PART, {}, 400),
        (5 * PART, PART, {}, 400),
        (10**15, PART, {}, 400),
        (PART, PART - 1, {}, 400),
        (PART, PART + 1, {}, 400),
        (PART, 0, {}, 400),
        (4 * PART, PART, {}, 413),
        (PART, PART, {"Upload_Ahead": "2"}, 400),
        (PART, PART, {"Upload_Ahead": ""}, 400),
        (PART, PART, {"Content_Type": "text/plain"}, 415),
        (PART, PART, {"Upload_Checksum": checksum("sha1", b"x")}, 460),
        (PART, PART, {"Upload_Checksum": checksum("sha1", part(2))}, 204),
        (4 * PART, len(BODY) - 4 * PART, {}, 204),
    ],
)
async def test_only_a_whole_part_is_taken(rig: Rig, at: int, size: int, more: dict[str, str], status: int) -> None:
    """At its own place, and no other than the first, which is judged by its bytes when it comes in its turn."""
    address = await created(rig, await rig.link(actions=WRITE), len(BODY))
    body = BODY[at : at + size] if at < len(BODY) else BODY[:size]
    body = body.ljust(size, b"x")
    assert status == (await patch(rig, address, at, body, **({"Upload_Ahead": "1"} | more))).status
    assert int(status == 204) == len(store_of(rig).parts())
    assert 0 == await offset(rig, address)


async def test_a_part_without_a_length_is_not_taken(rig: Rig) -> None:
    """As nobody knows that it is whole before it has ended."""
    address = await created(rig, await rig.link(actions=WRITE), len(BODY))
    chunks = b"3e8\r\n" + part(2) + b"\r\n0\r\n\r\n"
    fields = patching(PART, Upload_Ahead="1", Transfer_Encoding="chunked")
    assert 400 == (await rig.ask("PATCH", address, fields, chunks)).status
    assert [] == store_of(rig).parts()


async def test_only_an_upload_in_parts_takes_them(rig: Rig) -> None:
    """None that is small, of unknown length, a piece of another, or an object by now; nor one of another link."""
    token, other = await rig.link(actions=WRITE, overwrite=True), await rig.link("b.txt", actions=WRITE)
    small, unknown = await created(rig, token, PART), await created(rig, token, None)
    piece = await created(rig, token, len(BODY), Upload_Concat="partial")
    done = await created(rig, token, len(BODY))
    assert 204 == (await patch(rig, done, 0, BODY)).status
    assert [400, 400, 403, 403] == [(await put(rig, one, 2)).status for one in (small, unknown, piece, done)]
    upload = (await created(rig, token, len(BODY))).rpartition("?")[2]
    assert 404 == (await put(rig, f"/s/{other}?{upload}", 2)).status
    assert 404 == (await put(rig, f"/s/{token}?upload={48 * '0'}", 2)).status


async def test_parts_are_bounded_by_the_link_as_it_is_now(rig: Rig) -> None:
    """Also where its largest size was made smaller meanwhile."""
    token, grant = await rig.granted(actions=WRITE)
    address = await created(rig, token, len(BODY))
    grant = await rig.edit(grant, max_size=len(BODY) - 1)
    assert 413 == (await put(rig, address, 2)).status
    await rig.edit(grant, max_size=len(BODY))
    assert 204 == (await put(rig, address, 2)).status


async def test_what_lies_ahead_is_of_no_type_by_itself(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first bytes are looked at when they come: of a file that is refused then, nothing is left, and nothing is
    counted."""
    for room in (wanted, file_types):
        monkeypatch.setattr(room, "HEAD_BYTES", PART // 10)  # as ever less than a part
    token, grant = await rig.granted(actions=WRITE, intake=Intake(max_files=1, types=("image/png",)))
    address = await created(rig, token, len(BODY))
    for number in range(2, COUNT + 1):
        assert 204 == (await put(rig, address, number)).status
    assert "0" == (await told(rig, address))[0]
    assert 415 == (await patch(rig, address, 0, BODY[:PART])).status
    assert (None, {}, 404) == (
        rig.store.stored("inside/a.txt"),
        store_of(rig).uploads,
        (await put(rig, address, 2)).status,
    )
    assert (0, 0) == await received(rig, grant)


async def test_a_part_runs_beside_what_is_before_it(rig: Rig) -> None:
    """And beside other parts; two requests with the same one are one too many."""
    address = await created(rig, await rig.link(actions=WRITE), len(BODY))
    fields = patching(2 * PART, Upload_Ahead="1") | {"Content-Length": str(PART)}
    async with rig.client() as client:
        await client.send(request("PATCH", address, fields) + part(3)[:500])
        await until_moved(rig, 500)
        assert 423 == (await put(rig, address, 3)).status
        assert 204 == (await put(rig, address, 4)).status
        assert 204 == (await patch(rig, address, 0, BODY[: 2 * PART])).status
        await client.send(part(3)[500:])
        assert 204 == (await client.answer()).status
    assert 204 == (await put(rig, address, 5)).status
    assert (len(BODY), BODY) == (await offset(rig, address), rig.store.stored("inside/a.txt"))


async def test_of_a_part_that_breaks_off_nothing_is_there(rig: Rig) -> None:
    """The upload goes on without it, and it may come again."""
    token, grant = await rig.granted(actions=WRITE, intake=Intake(total_bytes=len(BODY)))
    address = await created(rig, token, len(BODY))
    fields = patching(PART, Upload_Ahead="1") | {"Content-Length": str(PART)}
    async with rig.client() as client:
        await client.send(request("PATCH", address, fields) + part(2)[:500])
        await until_moved(rig, 500)
    await rig.settled()
    assert 204 == (await put(rig, address, 3)).status
    assert ("0", "3") == await told(rig, address)
    assert PART == (await received(rig, grant))[1]
    assert 204 == (await put(rig, address, 2)).status
    assert ("0", "2-3") == await told(rig, address)


async def test_a_store_that_fails_leaves_the_upload_as_it_was(rig: Rig) -> None:
    """The client hears so, and may go on in either way."""
    address = await created(rig, await rig.link(actions=WRITE), len(BODY))
    rig.store.always = lambda call: Scripted(503) if "partNumber" in dict(call.query) else None
    assert 500 <= (await put(rig, address, 2)).status
    rig.store.always = lambda call: None
    assert ("0", None) == await told(rig, address)
    assert 204 == (await patch(rig, address, 0, BODY)).status


async def test_a_revocation_ends_parts_too(rig: Rig) -> None:
    """One that is on its way is cut; no other is taken, and nothing of the upload stays at the store."""
    token, grant = await rig.granted(actions=WRITE)
    address = await created(rig, token, len(BODY))
    await put(rig, address, 5)
    fields = patching(PART, Upload_Ahead="1") | {"Content-Length": str(PART)}
    async with rig.client() as client:
        await client.send(request("PATCH", address, fields) + part(2)[:500])
        await until_moved(rig, 500)
        await rig.revoke(FeedKind.LINK, grant.id)
        assert not (await client.answer()).whole
    assert 410 == (await put(rig, address, 3)).status
    await rig.settled()
    assert ({}, None) == (store_of(rig).uploads, rig.store.stored("inside/a.txt"))


async def test_the_right_is_asked_for_before_the_last_byte_of_a_part(rig: Rig) -> None:
    """Of a link that has ended meanwhile the store never sees a part whole."""
    token = await rig.link(actions=WRITE, expires_at=rig.clock.now + 1)
    address = await created(rig, token, len(BODY))
    for ended in (False, True):
        fields = patching(PART, Upload_Ahead="1") | {"Content-Length": str(PART)}
        async with rig.client() as client:
            await client.send(request("PATCH", address, fields) + part(2)[:500])
            await until_moved(rig, 500)
            rig.clock.tick(int(ended))
            await client.send(part(2)[500:])
            assert (410 if ended else 204) == (await client.answer()).status
    assert 1 == sum(seen.whole for seen in rig.store.calls("PUT") if "partNumber" in dict(seen.call.query))


async def test_an_upload_that_expired_takes_no_part(rig: Rig) -> None:
    """410, and all that lay ahead is thrown away; of one that nobody asks for again, by the next creations."""
    token = await rig.link(actions=WRITE)
    one, other = await created(rig, token, len(BODY)), await created(rig, token, len(BODY))
    for address in (one, other):
        await put(rig, address, 3)
    await later(rig, 24 * 3600 + 1)
    assert 410 == (await put(rig, one, 2)).status
    assert 1 == len(store_of(rig).uploads)
    await later(rig, 3601)
    await created(rig, token, 5)
    assert {} == store_of(rig).uploads


async def test_parts_come_by_whichever_replica(rig: Rig) -> None:
    """What is ahead lies at the store: another gateway goes on with it, and the object is one file."""
    state, store = open_memory(), PartsStore()
    async with running(state=state, store=store) as one, running(state=state, store=store) as other:
        token, grant = await one.granted(actions=WRITE, intake=Intake(max_files=1, total_bytes=len(BODY)))
        await other.plane.follower.catch_up()
        address = await created(one, token, len(BODY))
        sent: Sequence[Got] = await asyncio.gather(
            patch(one, address, 0, part(1)),
            *(put((one, other)[number % 2], address, number) for number in (2, 3, 4, 5)),
        )
        assert [204] * COUNT == [got.status for got in sent]
        assert (len(BODY), BODY) == (await offset(other, address), store.stored("inside/a.txt"))
        await other.settled()
        assert (1, len(BODY)) == await received(one, grant)


async def test_replicas_that_take_turns_know_of_each_others_parts() -> None:
    """Each has seen other parts than it stored itself, and one is sent again through whoever has not: the object is
    what the store holds."""
    state, store, again = open_memory(), PartsStore(), b"x" * PART
    async with running(state=state, store=store) as one, running(state=state, store=store) as other:
        token, _ = await one.granted(actions=WRITE)
        await other.plane.follower.catch_up()
        address = await created(one, token, len(BODY))
        for number in range(1, COUNT):
            turn = (one, other)[number % 2]
            assert 204 == (await patch(turn, address, PART * (number - 1), part(number))).status
            assert [PART * number] * 2 == [await offset(rig, address) for rig in (one, other)]
        assert 204 == (await patch(one, address, PART, again, Upload_Ahead="1")).status
        assert 204 == (await patch(other, address, PART * (COUNT - 1), part(COUNT))).status
        assert part(1) + again + BODY[2 * PART :] == store.stored("inside/a.txt")
