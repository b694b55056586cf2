"""Files and bytes that a link may receive: exactly so many, however many send at once and by whichever door."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.core.intake import Intake
from gateway.core.lease import Usage
from gateway.core.request import Action
from gateway.stores.memory import open_memory
from tests.data.harness import Rig, running
from tests.data.parts_store import PartsStore
from tests.data.raw_client import Got
from tests.data.uploading import WRITE, create, created, patch, until_moved
from tests.waiting import until

FORM = {"Content-Type": "multipart/form-data; boundary=b"}
BROWSER = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with running(store=PartsStore(), drafts=True) as started:
        yield started


def form(body: bytes, name: str = "a") -> bytes:
    head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'
    return head.encode() + body + b"\r\n--b--\r\n"


async def send(rig: Rig, token: str, door: str, name: str, body: bytes) -> Got:
    """Upload by one of the doors; what counts of a resumable upload is its last answer."""
    if door == "put":
        return await rig.ask("PUT", f"/s/{token}/{name}", {}, body)
    if door == "form":
        return await rig.ask("POST", f"/s/{token}/", FORM, form(body, name))
    if door == "chunked":
        chunks = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        return await rig.ask("PUT", f"/s/{token}/{name}", {"Transfer-Encoding": "chunked"}, chunks)
    if door == "draft":
        more = {"Upload-Draft-Interop-Version": "6", "Upload-Complete": "?0", "Upload-Length": str(len(body))}
        got = await rig.ask("POST", f"/s/{token}/{name}", more)
        more |= {"Upload-Complete": "?1", "Upload-Offset": "0", "Content-Type": "application/partial-upload"}
        return await rig.ask("PATCH", got.header("location") or "", more, body) if got.status == 201 else got
    got = await create(rig, f"/s/{token}/{name}/", len(body), Upload_Metadata="filename YQ==")
    return await patch(rig, got.header("location") or "", 0, body) if got.status == 201 else got


async def received(rig: Rig, grant) -> Usage:
    await rig.settled()
    return (await rig.state.leases.usage([grant.intake_id])).get(grant.intake_id, Usage())


@pytest.mark.parametrize("door", ["put", "form", "chunked", "tus", "draft"])
async def test_as_many_files_as_the_link_may_receive(rig: Rig, door: str) -> None:
    """And then 410, by every door; a page says so, too."""
    token, grant = await rig.granted(prefix="in/", actions=WRITE, intake=Intake(max_files=2))
    statuses = [(await send(rig, token, door, name, b"12345")).status for name in "abc"]
    assert [True, True, False] == [status in {201, 204} for status in statuses]
    assert 410 == statuses[-1]
    assert 410 == (await rig.ask("GET", f"/s/{token}/", BROWSER)).status
    assert (2, 10) == ((await received(rig, grant)).uses, (await received(rig, grant)).moved)


@pytest.mark.parametrize("door", ["put", "form", "chunked", "tus", "draft"])
async def test_as_many_bytes_as_the_link_may_receive(rig: Rig, door: str) -> None:
    """To the last one; a file that does not fit is refused as too large, leaves nothing and takes nothing."""
    token, grant = await rig.granted(prefix="in/", actions=WRITE, intake=Intake(total_bytes=12))
    assert (await send(rig, token, door, "a", b"12345")).status in {201, 204}
    assert 413 == (await send(rig, token, door, "b", b"12345678")).status
    assert (await send(rig, token, door, "c", b"1234567")).status in {201, 204}
    assert 410 == (await send(rig, token, door, "d", b"1")).status
    usage = await received(rig, grant)
    assert (2, 12) == (usage.uses, usage.moved)
    assert 12 == sum(len(body) for (_, key), (body, _) in rig.store.objects.items() if ".gateway" not in key)


@pytest.mark.parametrize("door", ["put", "form", "chunked", "tus", "draft"])
async def test_a_large_file_that_does_not_fit_is_refused(rig: Rig, door: str) -> None:
    """However much of it would fit, and although the kernel moves what nobody has to see."""
    token, grant = await rig.granted(prefix="in/", actions=WRITE, intake=Intake(total_bytes=300_000))
    assert 413 == (await send(rig, token, door, "a", bytes(400_000))).status
    assert Usage() == await received(rig, grant)
    assert (await send(rig, token, door, "a", bytes(300_000))).status in {201, 204}


@pytest.mark.parametrize("door", ["put", "form", "tus", "draft"])
async def test_fifty_at_once_on_ten_files_are_ten(rig: Rig, door: str) -> None:
    """Nobody waits for anybody, and exactly ten objects are there."""
    token, grant = await rig.granted(prefix="in/", actions=WRITE, intake=Intake(max_files=10))
    got = await asyncio.gather(*(send(rig, token, door, f"f{number}", b"x" * 10) for number in range(50)))
    assert 10 == sum(one.status in {201, 204} for one in got)
    assert 40 == sum(one.status == 410 for one in got)
    assert 10 == sum(".gateway" not in key for _, key in rig.store.objects)
    assert 10 == (await received(rig, grant)).uses


async def test_replicas_count_together() -> None:
    """Fifty who send to two gateways at once, by every door, store as many files as the link may receive."""
    state = open_memory()
    async with (
        running(state=state, store=PartsStore(), drafts=True) as one,
        running(state=state, store=one_store(one), drafts=True) as other,
    ):
        token, grant = await one.granted(prefix="in/", actions=WRITE, intake=Intake(max_files=10))
        await other.plane.follower.catch_up()
        doors = ("put", "form", "chunked", "tus", "draft")
        sends = (
            send((one, other)[number % 2], token, doors[number % 5], f"f{number}", b"x" * 10) for number in range(50)
        )
        got = await asyncio.gather(*sends)
        assert 10 == sum(got_one.status in {201, 204} for got_one in got)
        assert 10 == sum(".gateway" not in key for _, key in one.store.objects)
        await other.settled()
        assert 10 == (await received(one, grant)).uses


def one_store(rig: Rig) -> PartsStore:
    assert isinstance(rig.store, PartsStore)
    return rig.store


async def test_what_is_read_is_not_received(rig: Rig) -> None:
    """A link that gives and takes counts its files by what it takes, and its uses by both."""
    rig.store.hold("inside/in/a", b"x" * 100)
    everything = frozenset({Action.READ, Action.LIST, Action.WRITE})
    token, grant = await rig.granted(
        prefix="in/", actions=everything, uses=9, intake=Intake(max_files=1, total_bytes=50)
    )
    assert 200 == (await rig.fetch(token, "/a")).status
    assert 201 == (await send(rig, token, "put", "b", b"x")).status
    assert 410 == (await send(rig, token, "put", "c", b"x")).status
    assert 200 == (await rig.fetch(token, "/b")).status
    assert (1, 3) == ((await received(rig, grant)).uses, await rig.used(grant))


@pytest.mark.parametrize("refused", ["exists", "short"])
async def test_a_file_that_was_not_stored_is_none(rig: Rig, refused: str) -> None:
    """Its place is free again, and so are its bytes."""
    token, grant = await rig.granted(prefix="in/", actions=WRITE, intake=Intake(max_files=1, total_bytes=9))
    if refused == "exists":
        rig.store.hold("inside/in/a", b"old")
        assert 409 == (await send(rig, token, "put", "a", b"123456789")).status
    else:
        got = await rig.ask("POST", f"/s/{token}/", FORM, form(b"1234")[:-4])
        assert 400 == got.status
    assert Usage() == await received(rig, grant)
    assert 201 == (await send(rig, token, "put", "b", b"123456789")).status


async def test_bytes_that_are_sent_again_count_once(rig: Rig) -> None:
    """A resumable upload is as long as it is, however often its network failed."""
    token, grant = await rig.granted(prefix="in/", actions=WRITE, intake=Intake(max_files=1, total_bytes=10))
    address = await created(rig, token, 10, Upload_Metadata="filename YQ==")
    async with rig.client() as client:
        head = "Tus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nContent-Type: application/offset+octet-stream\r\n"
        await client.send(f"PATCH {address} HTTP/1.1\r\nHost: gw\r\n{head}Content-Length: 10\r\n\r\n1234".encode())
        await until_moved(rig, 4)
    assert 4 == (await received(rig, grant)).moved
    assert 204 == (await patch(rig, address, 4, b"567890")).status
    assert (1, 10) == ((await received(rig, grant)).uses, (await received(rig, grant)).moved)


async def test_an_upload_that_is_ended_gives_all_of_it_back(rig: Rig) -> None:
    """Its file and what was stored of it, so that another one has room."""
    token, grant = await rig.granted(prefix="in/", actions=WRITE, intake=Intake(max_files=1, total_bytes=10))
    address = await created(rig, token, 10, Upload_Metadata="filename YQ==")
    assert 204 == (await patch(rig, address, 0, b"1234")).status
    assert 410 == (await send(rig, token, "put", "b", b"1")).status
    assert 204 == (await rig.ask("DELETE", address, {"Tus-Resumable": "1.0.0"})).status
    usage = await received(rig, grant)
    assert (0, 0) == (usage.uses, usage.moved)
    assert 201 == (await send(rig, token, "put", "b", b"1234567890")).status


async def test_fewer_files_end_what_runs_beyond_them(rig: Rig) -> None:
    """An edit acts on an upload that runs, if more are taken than the link may receive by now."""
    token, grant = await rig.granted(prefix="in/", actions=WRITE, intake=Intake(max_files=5))
    assert 201 == (await send(rig, token, "put", "a", b"1")).status
    async with rig.client() as client:
        await client.send(f"PUT /s/{token}/b HTTP/1.1\r\nHost: gw\r\nContent-Length: 9\r\n\r\n1234".encode())
        await until(lambda: any(permit.intake for permit in rig.plane.transfers))
        await rig.edit(grant, intake=Intake(max_files=1))
        got = await client.rest()
    assert b"201" not in got
    assert rig.store.stored("inside/in/b") is None
    assert 1 == (await received(rig, grant)).uses
