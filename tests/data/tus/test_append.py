"""Bytes on their way to the store: what is acknowledged is kept, what is refused leaves nothing."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest

from gateway.core.reasons import Reason
from gateway.core.revocation_target import FeedKind
from gateway.core.route import Capability, UpstreamCall
from gateway.wire.links.tus_state import HEAD_BYTES
from tests.data.harness import EVERY, Rig, policy, request
from tests.data.scripted_store import Scripted
from tests.data.uploading import (
    BARE,
    BODY,
    PART,
    WRITE,
    checksum,
    created,
    offset,
    patch,
    patching,
    store_of,
    until_moved,
)

pytestmark = pytest.mark.usefixtures("small_parts")


@pytest.fixture
async def rig(uploads: Rig) -> Rig:
    return uploads


both = pytest.mark.parametrize("capabilities", [EVERY, BARE], ids=["everything", "nothing"])


@both
@pytest.mark.parametrize("length", [0, 1, PART - 1, PART, PART + 1, 3 * PART, 4321])
@pytest.mark.parametrize("chunk", [137, 999, 1000, 1001, 2500, 5000])
async def test_an_upload_in_pieces_is_the_file(rig: Rig, length: int, chunk: int, capabilities: frozenset) -> None:
    """Whatever the size of the pieces, the object is the file, it appears at the end, and nothing is left over."""
    rig.use(policy(capabilities=capabilities))
    token = await rig.link(actions=WRITE)
    address = await created(rig, token, length)
    for start in range(0, length, chunk):
        assert None is rig.store.stored("inside/a.txt")
        assert start == await offset(rig, address)
        got = await patch(rig, address, start, BODY[start : min(start + chunk, length)])
        assert (204, str(min(start + chunk, length))) == (got.status, got.header("upload-offset"))
    assert BODY[:length] == rig.store.stored("inside/a.txt")
    assert length == await offset(rig, address)
    assert {} == store_of(rig).uploads
    assert all(HEAD_BYTES == len(rig.store.stored(key) or b"") for key in store_of(rig).hidden())


@pytest.mark.parametrize("at", [1, 500, 999, 1000, 1500, 3999])
async def test_what_came_before_a_break_is_kept(rig: Rig, at: int) -> None:
    """A client that goes away in the middle of a PATCH goes on where it stopped."""
    address = await created(rig, await rig.link(actions=WRITE), 4321)
    assert 204 == (await patch(rig, address, 0, BODY[:300])).status
    async with rig.client() as client:
        await client.send(request("PATCH", address, patching(300) | {"Content-Length": "4021"}, BODY[300 : 300 + at]))
        await until_moved(rig, at)
    await rig.settled()
    assert "client_gone" == rig.records[-1].outcome
    assert 300 + at == await offset(rig, address)
    assert 204 == (await patch(rig, address, 300 + at, BODY[300 + at :])).status
    assert BODY == rig.store.stored("inside/a.txt")


async def test_a_body_of_unknown_length_counts_as_far_as_it_goes(rig: Rig) -> None:
    """A chunked PATCH that ends early is a success up to there."""
    address = await created(rig, await rig.link(actions=WRITE), 4321)
    framed = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in (BODY[:700], BODY[700:1700])) + b"0\r\n\r\n"
    got = await patch(rig, address, 0, framed, Transfer_Encoding="chunked")
    assert (204, "1700") == (got.status, got.header("upload-offset"))
    assert 204 == (await patch(rig, address, 1700, BODY[1700:])).status
    assert BODY == rig.store.stored("inside/a.txt")


@pytest.mark.parametrize("size", [300, 1000, 3500])
@pytest.mark.parametrize("algorithm", ["sha1", "sha256", "md5", "crc32"])
async def test_a_checksum_guards_a_whole_body(rig: Rig, size: int, algorithm: str) -> None:
    """460 leaves the offset and every stored byte as they were; the right digest is taken."""

    address = await created(rig, await rig.link(actions=WRITE), 4321)
    assert 204 == (await patch(rig, address, 0, BODY[:200])).status
    part = BODY[200 : 200 + size]
    got = await patch(rig, address, 200, part, Upload_Checksum=checksum(algorithm, b"else"))
    assert (460, 200) == (got.status, await offset(rig, address))
    assert "1.0.0" == got.header("tus-resumable")
    assert 204 == (await patch(rig, address, 200, part, Upload_Checksum=checksum(algorithm, part))).status
    assert 204 == (await patch(rig, address, 200 + size, BODY[200 + size :])).status
    assert BODY == rig.store.stored("inside/a.txt")


async def test_a_head_finishes_what_was_left(rig: Rig) -> None:
    """All bytes are there but the object is not, as after a crash: the next look makes it appear."""
    address = await created(rig, await rig.link(actions=WRITE), 3000)
    rig.store.always = lambda call: Scripted(503) if call.method == "POST" else None
    assert 500 <= (await patch(rig, address, 0, BODY[:3000])).status
    rig.store.always = lambda call: None
    assert (None, 3000) == (rig.store.stored("inside/a.txt"), await offset(rig, address))
    assert BODY[:3000] == rig.store.stored("inside/a.txt")


async def test_a_completion_that_nobody_wrote_down_is_found(rig: Rig) -> None:
    """The store knows no parts any more and has the object: the upload is done."""
    address = await created(rig, await rig.link(actions=WRITE), 3000)
    rig.store.always = lambda call: Scripted(503) if call.method == "PUT" and ".gateway-uploads" in call.key else None
    assert 204 == (await patch(rig, address, 0, BODY[:3000])).status
    rig.store.always = lambda call: None
    assert 3000 == await offset(rig, address)
    assert 204 == (await patch(rig, address, 3000, b"")).status


async def test_a_store_that_fails_loses_nothing(rig: Rig) -> None:
    """A part that the store refuses is an error to the client, and what came is kept."""
    address = await created(rig, await rig.link(actions=WRITE), 4321)
    rig.store.always = lambda call: Scripted(503) if ("partNumber", "2") in call.query else None
    assert 500 <= (await patch(rig, address, 0, BODY)).status
    rig.store.always = lambda call: None
    at = await offset(rig, address)
    assert 1000 <= at
    assert 204 == (await patch(rig, address, at, BODY[at:])).status
    assert BODY == rig.store.stored("inside/a.txt")


@pytest.mark.parametrize("length", [100, 5000])
async def test_a_revocation_ends_an_upload(rig: Rig, length: int) -> None:
    """A running PATCH is cut and takes the upload with it; the next step is 410."""
    token, grant = await rig.granted(actions=WRITE)
    address = await created(rig, token, length)
    async with rig.client() as client:
        await client.send(request("PATCH", address, patching(0) | {"Content-Length": str(length)}, BODY[:90]))
        await until_moved(rig)
        await rig.revoke(FeedKind.LINK, grant.id)
        await rig.settled()
    assert ("cut", "revoked") == (rig.records[-1].outcome, rig.records[-1].reason)
    assert ({}, [], None) == (store_of(rig).uploads, store_of(rig).hidden(), rig.store.stored("inside/a.txt"))
    assert 410 == (await patch(rig, address, 90, BODY[90:100])).status
    assert 410 == (await rig.ask("HEAD", address, {"Tus-Resumable": "1.0.0"})).status


async def test_no_part_is_stored_before_its_checksum_is_known(rig: Rig) -> None:
    """A large body that comes bit by bit, and turns out to be wrong with its last bytes, leaves nothing."""
    address = await created(rig, await rig.link(actions=WRITE), 4321)
    headers = patching(0, Upload_Checksum=checksum("sha1", b"else")) | {"Content-Length": "4000"}
    async with rig.client() as client:
        await client.send(request("PATCH", address, headers, BODY[:1500]))
        await until_moved(rig, 1500)
        await client.send(BODY[1500:3000])
        await until_moved(rig, 3000)
        await client.send(BODY[3000:4000])
        assert 460 == (await client.answer()).status
    assert 0 == await offset(rig, address)
    assert [] == store_of(rig).parts()


async def test_only_a_revocation_throws_away(rig: Rig) -> None:
    """Control: cut for any other reason, as when the gateway shuts down, an upload keeps what came."""
    address = await created(rig, await rig.link(actions=WRITE), 4321)
    async with rig.client() as client:
        await client.send(request("PATCH", address, patching(0) | {"Content-Length": "4321"}, BODY[:1500]))
        await until_moved(rig, 1500)
        rig.plane.transfers.cut_where(lambda _: Reason.SHUTTING_DOWN)
        await rig.settled()
    assert 1500 == await offset(rig, address)


@both
@pytest.mark.parametrize("seed", range(20))
async def test_whatever_happens_on_the_way_the_object_is_the_file(
    rig: Rig, seed: int, capabilities: frozenset[Capability]
) -> None:
    """Pieces of any size, whole, broken off, chunked, with right and wrong sums, on a store that fails now and then."""
    chance = random.Random(seed)
    rig.use(policy(capabilities=capabilities))
    length = chance.choice([0, 1, 999, 1000, 2500, 4321])
    deferred = chance.random() < 0.3
    address = await created(rig, await rig.link(actions=WRITE), None if deferred else length)
    said = {"Upload_Length": str(length)} if deferred else {}
    at, steps = 0, 0
    while steps == 0 or at < length:
        steps += 1
        assert steps < 200
        piece = BODY[at : min(length, at + chance.randint(1, 2200))]
        match chance.randrange(6):
            case 0:
                assert 460 == (await patch(rig, address, at, piece, Upload_Checksum=checksum("md5", b"no"))).status
            case 1:
                await patch(rig, address, at, piece, Upload_Checksum=checksum("sha1", piece), **said)
            case 2:
                framed = b"%x\r\n%s\r\n0\r\n\r\n" % (len(piece), piece) if piece else b"0\r\n\r\n"
                await patch(rig, address, at, framed, Transfer_Encoding="chunked", **said)
            case 3 if len(piece) > 1:
                async with rig.client() as client:
                    head = patching(at, **said) | {"Content-Length": str(len(piece))}
                    await client.send(request("PATCH", address, head, piece[:-1]))
                    await until_moved(rig, len(piece) - 1)
                await rig.settled()
            case 4:
                broken = chance.choice(["PUT", "POST"])
                failing = chance.randint(1, 3)
                rig.store.always = _failing(broken, failing)
                await patch(rig, address, at, piece, **said)
                rig.store.always = lambda call: None
            case _:
                await patch(rig, address, at, piece, **said)
        found = await offset(rig, address)
        assert at <= found <= at + len(piece)
        at = found
    assert BODY[:length] == rig.store.stored("inside/a.txt")
    assert ({}, rig.plane.body_memory.room) == (store_of(rig).uploads, 128 * 1024**2)


def _failing(method: str, number: int) -> Callable[[UpstreamCall], Scripted | None]:
    """The store fails the nth call of this method, once."""
    seen = iter(range(1, 10_000))

    def answer(call: UpstreamCall) -> Scripted | None:
        return Scripted(503) if call.method == method and next(seen) == number else None

    return answer
