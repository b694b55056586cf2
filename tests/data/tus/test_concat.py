"""Partial uploads joined into one object: whole, hidden until then, under the link's own rules."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import pytest

from gateway.core.revocation import FeedKind
from gateway.core.route import Capability
from tests.data.harness import EVERY, Rig, policy
from tests.data.raw_client import Got
from tests.data.scripted_store import xml
from tests.data.uploading import (
    BARE,
    BODY,
    PART,
    WRITE,
    create,
    created,
    later,
    metadata,
    offset,
    patch,
    store_of,
)

pytestmark = pytest.mark.usefixtures("small_parts")
PARTIAL = {"Upload_Concat": "partial"}
STREAMING = EVERY - {Capability.COPY_PART}
EQUAL = EVERY | {Capability.EQUAL_PARTS}


@pytest.fixture
async def rig(uploads: Rig) -> Rig:
    uploads.use(policy(capabilities=EVERY - {Capability.EQUAL_PARTS}))
    return uploads


async def pieces(rig: Rig, token: str, *bodies: bytes) -> list[str]:
    """Finished partial uploads of these bytes."""
    found = []
    for body in bodies:
        address = await created(rig, token, len(body), **PARTIAL)
        if body:
            assert 204 == (await patch(rig, address, 0, body, **PARTIAL)).status
        found.append(address)
    return found


async def join(rig: Rig, path: str, addresses: Sequence[str], **headers: str) -> Got:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    concat = {"Tus-Resumable": "1.0.0", "Upload-Concat": "final;" + " ".join(addresses)}
    return await rig.ask("POST", path, concat | named)


def cut(*sizes: int) -> list[bytes]:
    found, at = [], 0
    for size in sizes:
        found.append(BODY[at : at + size])
        at += size
    return [*found, BODY[at:]]


@pytest.mark.parametrize("capabilities", [EVERY - {Capability.EQUAL_PARTS}, STREAMING, EQUAL, BARE])
@pytest.mark.parametrize("sizes", [(1500, 1200), (4000,), (3, 4, 5), (0, PART, 0), (PART, 10)])
async def test_the_object_is_the_pieces_in_the_order_they_are_named(
    rig: Rig, capabilities: frozenset[Capability], sizes: tuple[int, ...]
) -> None:
    """Whatever their sizes and whatever the store can do; nothing of the pieces is left."""
    rig.use(policy(capabilities=capabilities))
    token = await rig.link(actions=WRITE)
    addresses = await pieces(rig, token, *reversed(cut(*sizes)))
    assert None is rig.store.stored("inside/a.txt")
    got = await join(rig, f"/s/{token}", addresses[::-1])
    assert (201, str(len(BODY))) == (got.status, got.header("upload-offset"))
    assert hashlib.sha256(BODY).digest() == hashlib.sha256(rig.store.stored("inside/a.txt") or b"").digest()
    assert ({}, 1) == (store_of(rig).uploads, len(store_of(rig).hidden())), "only the record of the final upload"


async def test_the_store_joins_by_itself_what_is_large_enough(rig: Rig) -> None:
    """No byte comes through here then, and none is copied in a larger piece than stores do in good time."""
    token = await rig.link(actions=WRITE)
    addresses = await pieces(rig, token, BODY, BODY[:PART], b"end")
    before = len(rig.store.seen)
    assert 201 == (await join(rig, f"/s/{token}", addresses)).status
    assert BODY + BODY[:PART] + b"end" == rig.store.stored("inside/a.txt")
    joining = rig.store.seen[before:]
    ranges = [seen.header("x-amz-copy-source-range") for seen in joining if seen.header("x-amz-copy-source")]
    assert ["bytes=0-2159", "bytes=2160-4320", None, None] == ranges
    assert not [seen for seen in joining if seen.call.method == "GET" and "data-" in seen.call.key]


async def test_a_piece_is_told_as_one(rig: Rig) -> None:
    """HEAD says what it is and how far, also when it is whole; a final upload says what it was made of."""
    token = await rig.link(actions=WRITE)
    [address] = await pieces(rig, token, b"12345")
    told = await rig.ask("HEAD", address, {"Tus-Resumable": "1.0.0"})
    assert ("partial", "5", "5") == tuple(map(told.header, ("upload-concat", "upload-offset", "upload-length")))
    assert told.header("upload-expires")
    final = await join(rig, f"/s/{token}", [address])
    told = await rig.ask("HEAD", final.header("location") or "", {"Tus-Resumable": "1.0.0"})
    assert (f"final;{address}", "5") == (told.header("upload-concat"), told.header("upload-length"))
    assert 403 == (await patch(rig, final.header("location") or "", 5, b"more")).status
    assert 404 == (await rig.ask("HEAD", address, {"Tus-Resumable": "1.0.0"})).status


async def test_it_is_said_that_uploads_can_be_joined(rig: Rig) -> None:
    """Clients ask before they cut a file."""
    got = await rig.ask("OPTIONS", f"/s/{await rig.link(actions=WRITE)}", {"Tus-Resumable": "1.0.0"})
    assert "concatenation" in (got.header("tus-extension") or "").split(",")


async def test_pieces_in_a_folder_need_no_name(rig: Rig) -> None:
    """The final upload has the file's; no listing shows anything before it, and nothing of the pieces ever."""
    token = await rig.link(None, prefix="in/", actions=WRITE)
    reading = await rig.link(None, prefix="in/")
    for path in ("", "/", "/sub/"):
        rig.store.objects.clear()
        addresses = []
        for body in cut(2000):
            got = await create(rig, f"/s/{token}{path}", len(body), **PARTIAL)
            addresses.append(got.header("location") or "")
            assert (201, 204) == (got.status, (await patch(rig, addresses[-1], 0, body)).status)
        listed = await rig.ask("GET", f"/s/{reading}/", {"Accept": "application/json"})
        assert b'"entries": []' in listed.body
        said = metadata(filename="film.mp4", filetype="video/mp4")
        got = await join(
            rig, f"/s/{token}{path}", [f"https://share.example{one}" for one in addresses], Upload_Metadata=said
        )
        key = f"inside/in/{path.strip('/')}/film.mp4".replace("//", "/")
        assert (201, BODY, "video/mp4") == (got.status, rig.store.stored(key), store_of(rig).types[key])


async def test_what_is_not_finished_is_not_joined(rig: Rig) -> None:
    """409, and the pieces stay, so that they can be gone on with."""
    token = await rig.link(actions=WRITE)
    [whole] = await pieces(rig, token, b"12345")
    half = await created(rig, token, 5, **PARTIAL)
    await patch(rig, half, 0, b"678")
    assert 409 == (await join(rig, f"/s/{token}", [whole, half])).status
    assert (None, 3) == (rig.store.stored("inside/a.txt"), await offset(rig, half))
    await patch(rig, half, 3, b"90")
    assert 201 == (await join(rig, f"/s/{token}", [whole, half])).status
    assert b"1234567890" == rig.store.stored("inside/a.txt")


@pytest.mark.parametrize(
    ("concat", "status"),
    [
        ("final", 400),
        ("final;", 400),
        ("finally;{0}", 400),
        ("Partial", 400),
        ("final;/s/x?upload=1234", 404),
        ("final;{0} /etc/passwd", 404),
        ("final;{0}&x=1", 404),
        ("final;" + "{0} " * 101, 400),
        ("final;{0}", 201),
    ],
)
async def test_what_is_no_list_of_uploads_is_refused(rig: Rig, concat: str, status: int) -> None:
    """Before anything is stored: half a file never looks whole."""
    token = await rig.link(actions=WRITE)
    [address] = await pieces(rig, token, b"12345")
    given = {"Tus-Resumable": "1.0.0", "Upload-Concat": concat.format(address).strip()}
    assert status == (await rig.ask("POST", f"/s/{token}", given)).status
    assert (b"12345" if status == 201 else None) == rig.store.stored("inside/a.txt")


@pytest.mark.parametrize("more", [{"Upload-Length": "5"}, {"Upload-Defer-Length": "1"}])
async def test_a_final_upload_has_no_length_of_its_own(rig: Rig, more: dict[str, str]) -> None:
    """It is that of its pieces; one that is told besides could be another."""
    token = await rig.link(actions=WRITE)
    [address] = await pieces(rig, token, b"12345")
    assert 400 == (await join(rig, f"/s/{token}", [address], **more)).status


async def test_only_pieces_of_the_same_link_are_joined(rig: Rig) -> None:
    """Neither those of another link, nor an ordinary upload, whose bytes are an object's already."""
    token, other = await rig.link(actions=WRITE), await rig.link("b.txt", actions=WRITE)
    [foreign] = await pieces(rig, other, b"12345")
    assert 404 == (await join(rig, f"/s/{token}", [foreign])).status
    ordinary = await created(rig, token, 5)
    assert 400 == (await join(rig, f"/s/{token}", [ordinary])).status
    assert None is rig.store.stored("inside/a.txt")


async def test_pieces_and_their_whole_are_one_use(rig: Rig) -> None:
    """The final upload takes it; pieces need that there is one, and none can be begun when it is taken."""
    token, grant = await rig.granted(actions=WRITE, uses=1, overwrite=True)
    addresses = await pieces(rig, token, *cut(1000, 1000))
    assert 0 == await rig.used(grant)
    assert 204 == (await rig.ask("DELETE", (await pieces(rig, token, b"x"))[0], {"Tus-Resumable": "1.0.0"})).status
    assert 201 == (await join(rig, f"/s/{token}", addresses)).status
    assert (1, BODY) == (await rig.used(grant), rig.store.stored("inside/a.txt"))
    assert 410 == (await create(rig, f"/s/{token}", 5, **PARTIAL)).status
    assert 410 == (await join(rig, f"/s/{token}", addresses)).status


async def test_the_whole_is_held_to_the_links_size(rig: Rig) -> None:
    """Each piece may be small enough, and their sum not."""
    token = await rig.link(actions=WRITE, max_size=1500)
    addresses = await pieces(rig, token, BODY[:1000], BODY[:1000])
    assert 413 == (await join(rig, f"/s/{token}", addresses)).status
    assert 413 == (await create(rig, f"/s/{token}", 1501, **PARTIAL)).status
    assert None is rig.store.stored("inside/a.txt")
    assert 201 == (await join(rig, f"/s/{token}", addresses[:1])).status


async def test_a_budget_counts_each_byte_once(rig: Rig) -> None:
    """When it arrives; joining moves nothing of the client's."""
    token, grant = await rig.granted(actions=WRITE, budget=len(BODY))
    addresses = await pieces(rig, token, *cut(2000))
    assert 201 == (await join(rig, f"/s/{token}", addresses)).status
    assert len(BODY) == await rig.moved(grant)


async def test_an_object_that_is_there_stays(rig: Rig) -> None:
    """409 unless the link may overwrite; the pieces are still there."""
    rig.store.hold("inside/a.txt", b"old")
    token = await rig.link(actions=WRITE)
    addresses = await pieces(rig, token, b"12345")
    assert (409, b"old") == ((await join(rig, f"/s/{token}", addresses)).status, rig.store.stored("inside/a.txt"))
    assert 5 == await offset(rig, addresses[0])


async def test_an_expired_piece_is_not_joined(rig: Rig) -> None:
    """Also when it was whole: 410, and it is thrown away; a sweep takes what nobody asks for again."""
    token = await rig.link(actions=WRITE)
    first, _ = await pieces(rig, token, b"12345", b"67890")
    await later(rig, 24 * 3600 + 1)
    assert 410 == (await join(rig, f"/s/{token}", [first])).status
    await later(rig, 3601)
    await created(rig, token, 5)
    assert 1 == len(store_of(rig).hidden()), "of the other piece neither record nor bytes are left"


async def test_a_revocation_ends_pieces_and_whole(rig: Rig) -> None:
    """No piece goes on, none is joined, no object appears."""
    token, grant = await rig.granted(actions=WRITE)
    addresses = await pieces(rig, token, b"12345")
    await rig.revoke(FeedKind.LINK, grant.id)
    assert 410 == (await join(rig, f"/s/{token}", addresses)).status
    assert 410 == (await create(rig, f"/s/{token}", 5, **PARTIAL)).status
    assert None is rig.store.stored("inside/a.txt")


@pytest.mark.parametrize("failing", ["copy", "complete"])
async def test_a_store_that_fails_while_it_joins_leaves_nothing_half(rig: Rig, failing: str) -> None:
    """Also when it says so with status 200: no object, no parts, and the pieces for another try."""
    token, grant = await rig.granted(actions=WRITE, uses=1)
    addresses = await pieces(rig, token, *cut(2000))

    def fail(call):
        copying = any(name == "x-amz-copy-source" for name, _ in call.headers)
        completing = call.method == "POST" and "uploadId" in dict(call.query)
        wanted = copying if failing == "copy" else completing
        return xml('<Error xmlns="urn:x"><Code>InternalError</Code></Error>') if wanted else None

    rig.store.always = fail
    assert 500 <= (await join(rig, f"/s/{token}", addresses)).status
    assert (None, {}, 0) == (rig.store.stored("inside/a.txt"), store_of(rig).uploads, await rig.used(grant))
    rig.store.always = lambda call: None
    assert 201 == (await join(rig, f"/s/{token}", addresses)).status
    assert BODY == rig.store.stored("inside/a.txt")


async def test_a_piece_that_is_shorter_than_it_says_is_not_joined(rig: Rig) -> None:
    """Somebody else has written at the store: the object does not appear from what is left."""
    rig.use(policy(capabilities=STREAMING))
    token = await rig.link(actions=WRITE)
    addresses = await pieces(rig, token, b"12345", b"67890")
    [name] = [key for key in store_of(rig).hidden() if key.endswith(addresses[1].rpartition("=")[2]) and "data-" in key]
    rig.store.hold(name, b"678")
    assert 500 <= (await join(rig, f"/s/{token}", addresses)).status
    assert None is rig.store.stored("inside/a.txt")
