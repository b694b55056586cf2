"""Resumable uploads by the IETF's draft, on the same engine as tus and under the link's own rules."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import AsyncIterator

import pytest

from gateway.core.intake import Intake
from gateway.core.lease import UNUSED
from gateway.core.password import hash_password
from gateway.core.request import Action
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.route import Cors
from tests.data.harness import NOW, Rig, policy, request, running
from tests.data.parts_store import PartsStore
from tests.data.raw_client import Got
from tests.data.uploading import (
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
    until_moved,
)

pytestmark = pytest.mark.usefixtures("small_parts")

TYPES = "https://iana.org/assignments/http-problem-types#"


@pytest.fixture
async def rig() -> AsyncIterator[Rig]:
    async with running(store=PartsStore(), drafts=True) as started:
        yield started


def fields(*, complete: bool | None = True, version: int = 6, **more: str | int) -> dict[str, str]:
    """The draft's headers as that version has them."""
    said = {"Upload-Draft-Interop-Version": str(version)}
    if complete is not None and version >= 4:
        said["Upload-Complete"] = f"?{int(complete)}"
    elif complete is not None:
        said["Upload-Incomplete"] = f"?{int(not complete)}"
    return said | {name.replace("_", "-"): str(value) for name, value in more.items()}


async def put(rig: Rig, path: str, body: bytes = b"", **said: object) -> Got:
    return await rig.ask("PUT", path, fields(**said), body)  # type: ignore[arg-type]


async def append(rig: Rig, address: str, at: int, body: bytes = b"", **said: object) -> Got:
    more = {"Upload_Offset": at, "Content_Type": "application/partial-upload"} | said
    return await rig.ask("PATCH", address, fields(**more), body)  # type: ignore[arg-type]


async def stands(rig: Rig, address: str, version: int = 6) -> Got:
    return await rig.ask("HEAD", address, fields(complete=None, version=version))


async def begun(rig: Rig, path: str, **said: object) -> str:
    """The address of an upload without a byte."""
    got = await put(rig, path, complete=False, **said)
    assert 201 == got.status, got.text
    return got.header("location") or ""


async def broken_off(rig: Rig, path: str, body: bytes, came: int, **said: object) -> Got:
    """An upload in one request of which only so many bytes come: the interim answer, which is all its client gets."""
    async with rig.client() as client:
        head = fields(**said) | {"Content-Length": str(len(body))}  # type: ignore[arg-type]
        await client.send(request("PUT", path, head, body)[: len(request("PUT", path, head)) + came])
        return await client.head()


async def test_an_upload_in_one_request_can_go_on(rig: Rig) -> None:
    """Its client is told where before its bytes are read; what came is kept, and the rest completes it."""
    token = await rig.link("a.bin", actions=WRITE)
    told = await broken_off(rig, f"/s/{token}", BODY, 2500)
    assert (104, "6") == (told.status, told.header("upload-draft-interop-version"))
    assert "expires=86400" == told.header("upload-limit")
    address = told.header("location") or ""
    at = int((await stands(rig, address)).header("upload-offset") or -1)
    assert 2500 == at
    got = await append(rig, address, at, BODY[at:])
    assert (201, "?1", str(len(BODY))) == (got.status, got.header("upload-complete"), got.header("upload-offset"))
    assert f"received a.bin ({len(BODY) / 1024:.1f} KiB)\n" == got.text
    assert BODY == rig.store.stored("inside/a.bin")
    looked = await stands(rig, address)
    assert ("?1", str(len(BODY))) == (looked.header("upload-complete"), looked.header("upload-length"))


async def test_who_cannot_be_told_leaves_nothing(rig: Rig) -> None:
    """Over HTTP/1.0, as some proxies ask: a body that breaks off takes no use and no file, and its bytes are gone."""
    token, grant = await rig.granted("a.bin", actions=WRITE, uses=1, intake=Intake(max_files=1))
    sent = request("PUT", f"/s/{token}", fields() | {"Content-Length": str(len(BODY))}, BODY)
    async with rig.client() as client:
        await client.send(sent.replace(b"HTTP/1.1", b"HTTP/1.0")[:-1000])
        await until_moved(rig, len(BODY) - 1000)
    await rig.recorded(1)
    await rig.settled()
    assert ({}, {}) == (store_of(rig).uploads, rig.store.objects)
    usage = await rig.plane.leases.usage([grant.id, grant.intake_id])
    assert (0, 0) == (usage.get(grant.id, UNUSED).uses, usage.get(grant.intake_id, UNUSED).uses)
    assert 201 == (await put(rig, f"/s/{token}", BODY)).status


async def test_a_new_request_takes_the_place_of_one_that_is_running(rig: Rig) -> None:
    """A client of the draft sends no two at once: the older one is cut, and what came of it counts."""
    token = await rig.link("a.bin", actions=WRITE)
    async with rig.client() as client:
        sent = request("PUT", f"/s/{token}", fields() | {"Content-Length": str(len(BODY))}, BODY)
        await client.send(sent[:-1000])
        address = (await client.head()).header("location") or ""
        await until_moved(rig, len(BODY) - 1000)
        at = int((await stands(rig, address)).header("upload-offset") or -1)
        await client.rest()
        assert client.ended
    assert len(BODY) - 1000 == at
    assert 201 == (await append(rig, address, at, BODY[at:])).status
    assert BODY == rig.store.stored("inside/a.bin")


@pytest.mark.parametrize("body", [BODY, b"abc", b""], ids=["parts", "small", "empty"])
@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
async def test_an_upload_that_is_not_broken_off_is_one_request(rig: Rig, body: bytes, chunked: bool) -> None:
    """It gets the receipt that it would get without the draft, and interim answers before it."""
    token = await rig.link(None, prefix="in/", actions=WRITE)
    more = {"Transfer-Encoding": "chunked"} if chunked else {"Content-Length": str(len(body))}
    sent = b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked and body else b"0\r\n\r\n" if chunked else body
    got = await rig.ask("PUT", f"/s/{token}/b.bin", fields() | more, sent)
    assert (201, "?1") == (got.status, got.header("upload-complete")), got.text
    assert got.text.startswith("received b.bin (")
    assert got.header("etag")
    first, *parts = got.interim
    assert got.header("location") == first.header("location")
    reached = [int(part.header("upload-offset") or -1) for part in parts]
    assert reached == ([*range(PART, len(body), PART), len(body)] if len(body) > PART else [])
    assert not any(part.header("location") for part in parts)
    assert body == rig.store.stored("inside/in/b.bin")


async def test_only_who_names_a_version_is_told(rig: Rig) -> None:
    """No interim answer without the version's header, with an unknown one, or to HTTP/1.0; the file is stored."""
    token = await rig.link(None, prefix="in/", actions=WRITE)
    for number, said in enumerate(({"Upload-Complete": "?1"}, fields(version=9), fields())):
        async with rig.client() as client:
            sent = request("PUT", f"/s/{token}/{number}", said | {"Content-Length": "3"}, b"abc")
            await client.send(sent.replace(b"HTTP/1.1", b"HTTP/1.0") if number == 2 else sent)
            got = await client.answer()
        assert (201, []) == (got.status, got.interim)
        assert b"abc" == rig.store.stored(f"inside/in/{number}")


@pytest.mark.parametrize("version", range(3, 9))
async def test_an_upload_comes_in_pieces(rig: Rig, version: int) -> None:
    """By every version that is known, each in its own words, with a length or without."""
    token = await rig.link(None, prefix="in/", actions=WRITE)
    name = "Upload-Complete" if version > 3 else "Upload-Incomplete"
    more, all_ = ("?0", "?1") if version > 3 else ("?1", "?0")
    for key, length in (("a", {"Upload_Length": len(BODY)}), ("b", {})):
        got = await put(rig, f"/s/{token}/{key}", BODY[:700], complete=False, version=version, **length)
        assert (201, "700", more) == (got.status, got.header("upload-offset"), got.header(name))
        address = got.header("location") or ""
        got = await append(rig, address, 700, BODY[700:3000], complete=False, version=version)
        assert (204, "3000", more) == (got.status, got.header("upload-offset"), got.header(name))
        looked = await stands(rig, address, version)
        assert (204, more) == (looked.status, looked.header(name))
        assert (str(len(BODY)) if length else None) == looked.header("upload-length")
        assert (version >= 6) is (looked.header("upload-limit") is not None)
        got = await append(rig, address, 3000, BODY[3000:], version=version)
        assert (201, all_) == (got.status, got.header(name))
        assert BODY == rig.store.stored(f"inside/in/{key}")


async def test_every_byte_of_a_named_length_is_all(rig: Rig) -> None:
    """The answer says so, though the client has not: one that is published never does where it sends pieces of a
    file."""
    token = await rig.link(None, prefix="in/", actions=WRITE)
    for key, body in (("a", BODY), ("b", b"abc")):
        address = await begun(rig, f"/s/{token}/{key}", Upload_Length=len(body))
        got = await append(rig, address, 0, body[:2], complete=False)
        assert (204, "?0") == (got.status, got.header("upload-complete"))
        got = await append(rig, address, 2, body[2:], complete=False)
        assert (201, "?1", str(len(body))) == (
            got.status,
            got.header("upload-complete"),
            got.header("upload-offset"),
        )
        assert body == rig.store.stored(f"inside/in/{key}")


async def test_the_client_says_when_it_is_complete(rig: Rig) -> None:
    """An upload whose length was not named is no object before; an empty request is enough to end it."""
    token = await rig.link(None, prefix="in/", actions=WRITE)
    for key, body in (("a", BODY), ("b", b"abc"), ("c", b"")):
        address = await begun(rig, f"/s/{token}/{key}")
        got = await append(rig, address, 0, body, complete=False)
        assert (204, "?0", str(len(body))) == (got.status, got.header("upload-complete"), got.header("upload-offset"))
        assert None is rig.store.stored(f"inside/in/{key}")
        got = await append(rig, address, len(body))
        assert (201, "?1") == (got.status, got.header("upload-complete"))
        assert body == rig.store.stored(f"inside/in/{key}")


async def test_a_name_comes_with_the_creation(rig: Rig) -> None:
    """By its disposition, or as tus-js-client says it; the type, too."""
    token = await rig.link(None, prefix="in/", actions=WRITE)
    said = {"Content_Disposition": "inline; filename*=UTF-8''gr%C3%B6%C3%9Fe.pdf", "Content_Type": "application/pdf"}
    for path, name, more in (
        ("", "größe.pdf", said),
        ("/sub/", "b.txt", {"Upload_Metadata": metadata(filename="b.txt")}),
    ):
        got = await rig.ask("POST", f"/s/{token}{path}", fields(**more), b"abc")
        assert 201 == got.status, got.text
        assert b"abc" == rig.store.stored(f"inside/in{path or '/'}{name}")
    assert "application/pdf" == store_of(rig).types["inside/in/größe.pdf"]
    assert 400 == (await rig.ask("POST", f"/s/{token}", fields(), b"abc")).status


async def test_problems_have_the_drafts_types(rig: Rig) -> None:
    """A wrong offset with the right one, lengths that differ, and what follows a complete upload; nothing changes."""
    token = await rig.link(None, prefix="in/", actions=WRITE)
    address = await begun(rig, f"/s/{token}/a", Upload_Length=5)
    got = await append(rig, address, 3, b"xx")
    problem = json.loads(got.body)
    assert (409, "0", "?0") == (got.status, got.header("upload-offset"), got.header("upload-complete"))
    assert TYPES + "mismatching-upload-offset" == problem["type"]
    assert (0, 3, "offset_mismatch") == (problem["expected-offset"], problem["provided-offset"], problem["reason"])
    for at, body, said in ((0, b"abcd", {}), (0, b"abcdef", {"complete": False}), (0, b"", {"Upload_Length": 6})):
        got = await append(rig, address, at, body, **said)
        assert (400, TYPES + "inconsistent-upload-length") == (got.status, json.loads(got.body)["type"])
    assert 201 == (await append(rig, address, 0, b"abcde")).status
    for body in (b"", b"f"):
        got = await append(rig, address, 5, body)
        assert (400, TYPES + "completed-upload") == (got.status, json.loads(got.body)["type"])
    assert b"abcde" == rig.store.stored("inside/in/a")
    got = await rig.ask("PATCH", address, fields(Upload_Offset=0), b"x")
    assert (415, "about:blank") == (got.status, json.loads(got.body)["type"])
    assert not any(name.startswith("tus-") for name, _ in got.headers)


async def test_no_more_comes_than_was_said(rig: Rig) -> None:
    """Neither in a body whose length is not known before, which is cut at what was named."""
    token = await rig.link("a", actions=WRITE)
    address = await begun(rig, f"/s/{token}", Upload_Length=1500)
    more = fields(
        complete=False, Upload_Offset=0, Content_Type="application/partial-upload", Transfer_Encoding="chunked"
    )
    got = await rig.ask("PATCH", address, more, b"640\r\n%b\r\n0\r\n\r\n" % BODY[:1600])
    assert (400, "length_mismatch") == (got.status, json.loads(got.body)["reason"])
    short = fields(Upload_Offset=0, Content_Type="application/partial-upload", Transfer_Encoding="chunked")
    at = int((await stands(rig, address)).header("upload-offset") or -1)
    assert at <= 1500
    got = await rig.ask("PATCH", address, short | {"Upload-Offset": str(at)}, b"1\r\nx\r\n0\r\n\r\n")
    assert (400, "length_mismatch") == (got.status, json.loads(got.body)["reason"])
    assert None is rig.store.stored("inside/a")


async def test_a_size_is_told_and_held(rig: Rig) -> None:
    """In what is offered, with every answer about an upload, and with the refusal."""
    token = await rig.link("a", actions=WRITE, max_size=4)
    offered = await rig.ask("OPTIONS", f"/s/{token}")
    assert (204, "application/partial-upload") == (offered.status, offered.header("accept-patch"))
    assert "max-size=4, max-age=86400" == offered.header("upload-limit")
    address = await begun(rig, f"/s/{token}")
    assert "max-size=4, expires=86400" == (await stands(rig, address)).header("upload-limit")
    for got in (await append(rig, address, 0, b"abcde"), await put(rig, f"/s/{token}", b"abcde")):
        assert (413, "max-size=4") == (got.status, got.header("upload-limit"))
    assert 201 == (await append(rig, address, 0, b"abcd")).status


async def test_an_upload_may_be_cancelled(rig: Rig) -> None:
    """What was stored goes, and so does the use that it took."""
    token = await rig.link("a", actions=WRITE, uses=1)
    address = await begun(rig, f"/s/{token}", Upload_Length=len(BODY))
    assert 204 == (await append(rig, address, 0, BODY[:2500], complete=False)).status
    got = await rig.ask("DELETE", address, fields(complete=None))
    assert (204, None) == (got.status, got.header("tus-resumable"))
    assert 404 == (await stands(rig, address)).status
    assert ({}, {}) == (store_of(rig).uploads, rig.store.objects)
    assert 201 == (await put(rig, f"/s/{token}", b"abc")).status


async def test_a_creation_is_the_one_use(rig: Rig) -> None:
    """Also if its bytes broke off; what is refused whole gives the use and the file back."""
    token, grant = await rig.granted(
        None, prefix="in/", actions=WRITE, uses=1, intake=Intake(max_files=1, types=("text/plain",))
    )
    refused = await put(rig, f"/s/{token}/a", b"\x7fELF" + bytes(100))
    assert (415, "type_not_allowed") == (refused.status, json.loads(refused.body)["reason"])
    usage = await rig.plane.leases.usage([grant.id, grant.intake_id])
    assert (0, 0) == (usage.get(grant.id, UNUSED).uses, usage.get(grant.intake_id, UNUSED).uses)
    told = await broken_off(rig, f"/s/{token}/a", b"text " * 500, 1500)
    assert 410 == (await put(rig, f"/s/{token}/b", b"text")).status
    address = told.header("location") or ""
    at = int((await stands(rig, address)).header("upload-offset") or -1)
    assert 201 == (await append(rig, address, at, (b"text " * 500)[at:])).status
    usage = await rig.plane.leases.usage([grant.id, grant.intake_id])
    assert (1, 1, 2500) == (usage[grant.id].uses, usage[grant.intake_id].uses, usage[grant.intake_id].moved)


async def test_many_bytes_count_once(rig: Rig) -> None:
    """Of what a link may receive: what does not fit is refused, whatever is left is for others."""
    token = await rig.link(None, prefix="in/", actions=WRITE, intake=Intake(total_bytes=3000))
    assert 413 == (await put(rig, f"/s/{token}/a", BODY)).status
    assert 201 == (await put(rig, f"/s/{token}/a", BODY[:2000])).status
    address = await begun(rig, f"/s/{token}/b")
    assert 413 == (await append(rig, address, 0, BODY[:1500])).status
    address = await begun(rig, f"/s/{token}/c")
    assert 201 == (await append(rig, address, 0, BODY[:1000])).status


@pytest.mark.parametrize("conflict", ["refuse", "rename", "overwrite"])
async def test_a_name_that_is_taken(rig: Rig, conflict: str) -> None:
    """Refused, numbered or replaced, as the link has it."""
    rig.store.hold("inside/in/a.txt", b"first")
    intake = Intake(rename=conflict == "rename")
    token = await rig.link(None, prefix="in/", actions=WRITE, overwrite=conflict == "overwrite", intake=intake)
    got = await put(rig, f"/s/{token}/a.txt", b"second")
    assert (409 if conflict == "refuse" else 201) == got.status
    expected = {"refuse": (b"first", None), "rename": (b"first", b"second"), "overwrite": (b"second", None)}
    assert expected[conflict] == tuple(rig.store.stored(f"inside/in/{name}") for name in ("a.txt", "a (1).txt"))


async def test_a_blind_link_tells_no_name(rig: Rig) -> None:
    """Neither in the receipt nor in an address: what is asked for later is the name that was sent."""
    rig.store.hold("inside/in/a.txt", b"first")
    token = await rig.link(None, prefix="in/", actions=WRITE, intake=Intake(rename=True, blind=True))
    got = await put(rig, f"/s/{token}/a.txt", b"second")
    assert (201, "received a.txt (6 bytes)\n") == (got.status, got.text)
    assert (got.header("location") or "").startswith(f"/s/{token}/a.txt?upload=")
    address = await begun(rig, f"/s/{token}/a.txt")
    assert 201 == (await append(rig, address, 0, b"third")).status
    found = [rig.store.stored(f"inside/in/{name}") for name in ("a.txt", "a (1).txt", "a (2).txt")]
    assert [b"first", b"second", b"third"] == found


async def test_a_password_is_asked_for_at_every_step(rig: Rig) -> None:
    """401 without it, and no interim answer."""
    token = await rig.link("a", actions=WRITE, password=hash_password("s3cret", b"0" * 16))
    basic = {"Authorization": "Basic " + b64encode(b":s3cret").decode()}
    refused = await put(rig, f"/s/{token}", b"abc")
    assert (401, []) == (refused.status, refused.interim)
    address = await begun(rig, f"/s/{token}", **basic)
    assert {401} == {(await stands(rig, address)).status, (await append(rig, address, 0, b"abc")).status}
    assert 201 == (await append(rig, address, 0, b"abc", **basic)).status


async def test_the_same_head_again_is_another_upload(rig: Rig) -> None:
    """Whatever is remembered of a head, each creation has an address of its own."""
    token = await rig.link("a", actions=WRITE, overwrite=True)
    addresses = set()
    for body in (b"one", b"two", b"six"):
        got = await put(rig, f"/s/{token}", body)
        addresses.add(got.header("location"))
        assert (201, 1, body) == (got.status, len(got.interim), rig.store.stored("inside/a"))
    assert 3 == len(addresses)


async def test_a_revocation_ends_it(rig: Rig) -> None:
    """What is there goes, and no step is answered as before."""
    token, grant = await rig.granted("a", actions=WRITE)
    address = await begun(rig, f"/s/{token}")
    assert 204 == (await append(rig, address, 0, BODY[:2500], complete=False)).status
    await rig.state.feed.revoke([RevocationTarget(FeedKind.LINK, grant.id)], NOW, "", "admin:ops")
    await rig.plane.follower.catch_up()
    assert {410} == {(await append(rig, address, 2500, b"x")).status, (await stands(rig, address)).status}
    assert 410 == (await put(rig, f"/s/{token}", b"x")).status


async def test_a_link_that_may_not_write_takes_none(rig: Rig) -> None:
    """Neither by the draft, and there is no interim answer."""
    token = await rig.link("a", actions={Action.READ})
    got = await put(rig, f"/s/{token}", b"x")
    assert (405, []) == (got.status, got.interim)


async def test_it_expires(rig: Rig) -> None:
    """After a day without a byte: 410, as its limits had said."""
    token = await rig.link("a", actions=WRITE)
    address = await begun(rig, f"/s/{token}")
    await later(rig, 86401)
    assert 410 == (await stands(rig, address)).status


async def test_both_protocols_tell_of_the_same_uploads(rig: Rig) -> None:
    """One begun by either goes on by the other."""
    token = await rig.link(None, prefix="in/", actions=WRITE)
    address = await begun(rig, f"/s/{token}/a")
    assert 204 == (await patch(rig, address, 0, BODY[:1500])).status
    assert 1500 == await offset(rig, address)
    assert 201 == (await append(rig, address, 1500, BODY[1500:])).status
    other = await created(rig, f"{token}/b", len(BODY))
    assert 204 == (await append(rig, other, 0, BODY[:1500], complete=False)).status
    assert 204 == (await patch(rig, other, 1500, BODY[1500:], Upload_Length=str(len(BODY)))).status
    assert BODY == rig.store.stored("inside/in/a") == rig.store.stored("inside/in/b")
    piece = await created(rig, f"{token}/", 5, Upload_Concat="partial")
    assert 403 == (await append(rig, piece, 0, b"abcde")).status


async def test_an_upload_may_be_taken_back(rig: Rig) -> None:
    """By the receipt's secret, as any file; and by its own address."""
    token = await rig.link(None, prefix="in/", actions=WRITE, intake=Intake(undo=600.0))
    got = await put(rig, f"/s/{token}/a", b"abc")
    assert 204 == (await rig.ask("DELETE", f"/s/{token}", {"Upload-Undo": got.header("upload-undo") or ""})).status
    got = await put(rig, f"/s/{token}/b", b"abc")
    assert 204 == (await rig.ask("DELETE", got.header("location") or "", fields(complete=None))).status
    assert not any(key.startswith("inside/in/") for _, key in rig.store.objects)


async def test_an_upload_in_parts_has_the_etag_that_its_store_left_out(rig: Rig) -> None:
    """The object's own: so its receipt says, and by it the upload may be taken back."""
    store_of(rig).says = ""
    token = await rig.link(None, prefix="in/", actions=WRITE, intake=Intake(undo=600.0))
    got = await put(rig, f"/s/{token}/a", BODY)
    [(_, stored)] = [held for (_, key), held in rig.store.objects.items() if key == "inside/in/a"]
    assert stored["etag"] == got.header("etag")
    assert 204 == (await rig.ask("DELETE", f"/s/{token}", {"Upload-Undo": got.header("upload-undo") or ""})).status
    assert not any(key.startswith("inside/in/") for _, key in rig.store.objects)


async def test_a_page_can_read_what_it_needs(rig: Rig) -> None:
    """A cross-origin rule about the methods is enough: the draft's headers go both ways."""
    rig.use(policy(cors=(Cors(("https://app.example",), ("POST", "HEAD", "PATCH")),)))
    token = await rig.link(None, prefix="in/", actions=WRITE)
    asked = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "upload-draft-interop-version, upload-complete, upload-offset, content-type",
    }
    assert 200 == (await rig.ask("OPTIONS", f"/s/{token}", asked)).status
    said = fields(complete=False, Origin="https://app.example", Upload_Metadata=metadata(filename="a"))
    got = await rig.ask("POST", f"/s/{token}", said)
    exposed = set((got.header("access-control-expose-headers") or "").split(", "))
    assert {"Location", "Upload-Complete", "Upload-Limit", "Upload-Offset"} <= exposed


async def test_without_the_setting_nothing_is_new(uploads: Rig) -> None:
    """The same answers as without the draft's version: an upload in one request is that, more to come is refused, what
    is about an upload is of tus, and no page is told of the draft."""
    uploads.use(policy(cors=(Cors(("https://app.example",), ("PUT", "PATCH")),)))
    token = await uploads.link(None, prefix="in/", actions=WRITE)
    got = await put(uploads, f"/s/{token}/a", b"abc")
    assert (201, [], None, None) == (got.status, got.interim, got.header("location"), got.header("upload-complete"))
    assert 501 == (await put(uploads, f"/s/{token}/b", b"abc", complete=False)).status
    address = (await create(uploads, f"/s/{token}/c", 5)).header("location") or ""
    for got in (await append(uploads, address, 0, b"abcde"), await stands(uploads, address)):
        assert (412, "1.0.0") == (got.status, got.header("tus-version"))
    assert None is (await uploads.ask("OPTIONS", f"/s/{token}")).header("accept-patch")
    asked = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "PUT",
        "Access-Control-Request-Headers": "upload-complete",
    }
    assert 403 == (await uploads.ask("OPTIONS", f"/s/{token}", asked)).status
    got = await put(uploads, f"/s/{token}/d", b"abc", Origin="https://app.example")
    assert "ETag" == got.header("access-control-expose-headers")
