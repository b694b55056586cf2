"""Resumable uploads through a link: the protocol's answers, under the link's own rules."""

from __future__ import annotations

from base64 import b64encode

import pytest

from gateway.core.password import hash_password
from gateway.core.route import Cors
from tests.data.harness import Rig, policy
from tests.data.uploading import (
    BODY,
    WRITE,
    create,
    created,
    later,
    metadata,
    offset,
    patch,
    patching,
    store_of,
)

pytestmark = pytest.mark.usefixtures("small_parts")


@pytest.fixture
async def rig(uploads: Rig) -> Rig:
    return uploads


async def test_a_creation_says_where_and_until_when(rig: Rig) -> None:
    """201 with an address below the link that names nothing real, the expiry, and the protocol's version."""
    got = await create(rig, f"/s/{await rig.link(actions=WRITE)}", 10)
    assert 201 == got.status
    assert got.header("location").startswith("/s/")
    assert not any(name in got.header("location") for name in ("real", "inside", "upload-1"))
    assert ("1.0.0", "0") == (got.header("tus-resumable"), got.header("upload-offset"))
    assert got.header("upload-expires").endswith(" GMT")
    assert "no-store" in got.header("cache-control")


async def test_an_upload_into_a_folder_has_its_files_name(rig: Rig) -> None:
    """Name and type come from the metadata, which is told as it came."""
    token = await rig.link(None, prefix="in/", actions=WRITE)
    said = metadata(filename="größe 1.pdf", filetype="application/pdf")
    for path in ("", "/", "/sub/"):
        rig.store.objects.clear()
        got = await create(rig, f"/s/{token}{path}", 3, Upload_Metadata=said)
        assert (201, 204) == (got.status, (await patch(rig, got.header("location"), 0, b"abc")).status)
        key = f"inside/in/{path.strip('/')}/größe 1.pdf".replace("//", "/")
        assert (b"abc", "application/pdf") == (rig.store.stored(key), store_of(rig).types[key])
        looked = await rig.ask("HEAD", got.header("location"), {"Tus-Resumable": "1.0.0"})
        assert (said, "3") == (looked.header("upload-metadata"), looked.header("upload-length"))


@pytest.mark.parametrize("name", ["../x", "..", "/x", "a/b", "", "a\0b", ".gateway-uploads", "x\\y"])
async def test_a_name_that_leads_elsewhere_is_refused(rig: Rig, name: str) -> None:
    """400, and the store has heard nothing."""
    token = await rig.link(None, prefix="in/", actions=WRITE)
    assert 400 == (await create(rig, f"/s/{token}", 3, Upload_Metadata=metadata(filename=name))).status
    assert [] == rig.store.seen


async def test_a_wrong_offset_changes_nothing(rig: Rig) -> None:
    """409 before a byte is read."""
    address = await created(rig, await rig.link(actions=WRITE), 10)
    assert 204 == (await patch(rig, address, 0, b"01234")).status
    assert 409 == (await patch(rig, address, 4, b"xxxxx")).status
    assert 409 == (await patch(rig, address, 6, b"xxxx")).status
    assert 5 == await offset(rig, address)
    assert 204 == (await patch(rig, address, 5, b"56789")).status
    assert b"0123456789" == rig.store.stored("inside/a.txt")


async def test_one_upload_is_one_use(rig: Rig) -> None:
    """However many requests it takes; an upload that is ended gives its use back."""
    token, grant = await rig.granted(actions=WRITE, uses=1, overwrite=True)
    address = await created(rig, token, 3000)
    assert 410 == (await create(rig, f"/s/{token}", 10)).status
    assert 204 == (await patch(rig, address, 0, BODY[:500])).status
    assert 204 == (await rig.ask("DELETE", address, {"Tus-Resumable": "1.0.0"})).status
    assert 0 == await rig.used(grant)
    assert 404 == (await patch(rig, address, 500, BODY[500:3000])).status
    address = await created(rig, token, 3000)
    for start in range(0, 3000, 500):
        assert 204 == (await patch(rig, address, start, BODY[start : start + 500])).status
    assert 1 == await rig.used(grant)
    assert 3500 == await rig.moved(grant)
    assert 2 == sum(record.fresh_use for record in rig.records)


async def test_uses_without_a_limit_are_counted_once(rig: Rig) -> None:
    """Statistics too know one use an upload."""
    token, grant = await rig.granted(actions=WRITE)
    address = await created(rig, token, 20)
    await patch(rig, address, 0, BODY[:10])
    await patch(rig, address, 10, BODY[10:20])
    await rig.plane.accounts.flush()
    assert 1 == await rig.used(grant)


async def test_a_budget_counts_what_moves(rig: Rig) -> None:
    """A PATCH above the link's byte budget is refused and stores nothing."""
    token = await rig.link(actions=WRITE, budget=1200)
    address = await created(rig, token, 3000)
    assert 204 == (await patch(rig, address, 0, BODY[:1000])).status
    assert 410 == (await patch(rig, address, 1000, BODY[1000:2000])).status
    assert 1000 == await offset(rig, address)
    assert 410 == (await patch(rig, address, 1000, BODY[1000:2000])).status


async def test_an_ended_upload_leaves_nothing(rig: Rig) -> None:
    """Termination frees the parts and the record; a finished upload is an object, which stays."""
    token = await rig.link(actions=WRITE)
    address = await created(rig, token, 5000)
    await patch(rig, address, 0, BODY[:2500])
    assert 204 == (await rig.ask("DELETE", address, {"Tus-Resumable": "1.0.0"})).status
    assert ({}, []) == (store_of(rig).uploads, store_of(rig).hidden())
    assert 404 == (await rig.ask("DELETE", address, {"Tus-Resumable": "1.0.0"})).status
    address = await created(rig, token, 5)
    await patch(rig, address, 0, BODY[:5])
    assert 403 == (await rig.ask("DELETE", address, {"Tus-Resumable": "1.0.0"})).status
    assert BODY[:5] == rig.store.stored("inside/a.txt")


async def test_an_upload_ends_with_its_link(rig: Rig) -> None:
    """`Upload-Expires` is not after the link's own end."""
    token = await rig.link(actions=WRITE, expires_at=rig.clock.now + 60)
    got = await create(rig, f"/s/{token}", 10)
    await later(rig, 61)
    assert 410 == (await patch(rig, got.header("location"), 0, b"x")).status


async def test_an_upload_belongs_to_its_link_and_object(rig: Rig) -> None:
    """The id under another link, or under another name, is 404."""
    token, other = await rig.link(None, prefix="in/", actions=WRITE), await rig.link(None, prefix="in/", actions=WRITE)
    address = (await create(rig, f"/s/{token}", 10, Upload_Metadata=metadata(filename="x"))).header("location")
    assert 404 == (await patch(rig, address.replace(token, other), 0, b"x")).status
    assert 404 == (await patch(rig, address.replace("/x?", "/y?"), 0, b"x")).status
    assert 404 == (await patch(rig, address[:-1] + ("0" if address[-1] != "0" else "1"), 0, b"x")).status
    assert 204 == (await patch(rig, address, 0, b"x")).status


async def test_a_link_that_may_not_write_takes_no_upload(rig: Rig) -> None:
    """405 for a reading link at every step."""
    token = await rig.link()
    assert 405 == (await create(rig, f"/s/{token}", 10)).status
    assert 405 == (await rig.ask("OPTIONS", f"/s/{token}")).status
    assert 405 == (await patch(rig, f"/s/{token}?upload={'0' * 48}", 0, b"x")).status


async def test_a_size_is_refused_before_its_bytes(rig: Rig) -> None:
    """413 at the creation, for a deferred length when it is said, and for a body beyond the end."""
    token = await rig.link(actions=WRITE, max_size=2000)
    assert 413 == (await create(rig, f"/s/{token}", 2001)).status
    address = await created(rig, token, None)
    assert 413 == (await patch(rig, address, 0, b"x", Upload_Length="2001")).status
    assert 413 == (await patch(rig, address, 0, BODY[:2001])).status
    assert 204 == (await patch(rig, address, 0, BODY[:1500])).status
    assert 413 == (await patch(rig, address, 1500, BODY[:501])).status
    framed = b"%x\r\n%s\r\n0\r\n\r\n" % (600, BODY[:600])
    assert 413 == (await patch(rig, address, 1500, framed, Transfer_Encoding="chunked")).status
    short = await created(rig, await rig.link("b", actions=WRITE), 5)
    assert 413 == (await patch(rig, short, 0, b"123456")).status


async def test_a_length_may_be_said_later(rig: Rig) -> None:
    """Until then `Upload-Defer-Length` says so; afterwards it does not change."""
    address = await created(rig, await rig.link(actions=WRITE), None)
    assert 204 == (await patch(rig, address, 0, BODY[:2500])).status
    got = await rig.ask("HEAD", address, {"Tus-Resumable": "1.0.0"})
    assert ("1", "2500") == (got.header("upload-defer-length"), got.header("upload-offset"))
    assert 204 == (await patch(rig, address, 2500, BODY[2500:3000], Upload_Length="4321")).status
    assert 400 == (await patch(rig, address, 3000, BODY[3000:], Upload_Length="4322")).status
    assert 204 == (await patch(rig, address, 3000, BODY[3000:])).status
    assert BODY == rig.store.stored("inside/a.txt")


@pytest.mark.parametrize("taken", [5, 1000, 2500, 4321])
async def test_a_creation_may_bring_bytes(rig: Rig, taken: int) -> None:
    """The answer says how many; a whole file needs no further request."""
    got = await create(rig, f"/s/{await rig.link(actions=WRITE)}", 4321, BODY[:taken])
    assert (201, str(taken)) == (got.status, got.header("upload-offset"))
    if taken < 4321:
        assert 204 == (await patch(rig, got.header("location"), taken, BODY[taken:])).status
    assert BODY == rig.store.stored("inside/a.txt")


async def test_a_method_may_be_said_in_a_header(rig: Rig) -> None:
    """For clients that have only POST."""
    address = await created(rig, await rig.link(actions=WRITE), 5)
    got = await rig.ask("POST", address, patching(0) | {"X-HTTP-Method-Override": "PATCH"}, b"12345")
    assert (204, b"12345") == (got.status, rig.store.stored("inside/a.txt"))


async def test_what_is_offered_is_told(rig: Rig) -> None:
    """`OPTIONS` needs no version and answers with the link's own limit; strangers learn nothing."""
    token = await rig.link(actions=WRITE, max_size=2000)
    got = await rig.ask("OPTIONS", f"/s/{token}")
    assert (204, "1.0.0", "2000") == (got.status, got.header("tus-version"), got.header("tus-max-size"))
    assert {"creation", "checksum", "termination", "expiration"} <= set(got.header("tus-extension").split(","))
    assert "sha1" in got.header("tus-checksum-algorithm").split(",")
    assert 404 == (await rig.ask("OPTIONS", "/s/unknown")).status


async def test_another_version_is_refused(rig: Rig) -> None:
    """412 with the versions there are."""
    address = await created(rig, await rig.link(actions=WRITE), 5)
    for headers in ({}, {"Tus-Resumable": "0.2.2"}):
        got = await rig.ask("HEAD", address, headers)
        assert (412, "1.0.0") == (got.status, got.header("tus-version"))
    got = await rig.ask("PATCH", address, {"Tus-Resumable": "1.0.0", "Upload-Offset": "0"}, b"12345")
    assert 415 == got.status


async def test_a_password_is_asked_for_at_every_step(rig: Rig) -> None:
    """The address of an upload is no way around it."""
    token = await rig.link(actions=WRITE, password=hash_password("secret", b"0" * 16))
    basic = {"Authorization": "Basic " + b64encode(b":secret").decode()}
    assert 401 == (await create(rig, f"/s/{token}", 5)).status
    got = await create(rig, f"/s/{token}", 5, **basic)
    assert 401 == (await patch(rig, got.header("location"), 0, b"12345")).status
    assert 204 == (await patch(rig, got.header("location"), 0, b"12345", **basic)).status


async def test_a_page_can_read_what_it_needs(rig: Rig) -> None:
    """A cross-origin rule about the methods is enough: the protocol's headers go both ways."""
    rule = Cors(("https://app.example",), ("POST", "HEAD", "PATCH"))
    rig.use(policy(cors=(rule,)))
    token = await rig.link(actions=WRITE)
    asked = {
        "Origin": "https://app.example",
        "Access-Control-Request-Method": "PATCH",
        "Access-Control-Request-Headers": "tus-resumable, upload-offset, content-type",
    }
    got = await rig.ask("OPTIONS", f"/s/{token}", asked)
    assert (200, "https://app.example") == (got.status, got.header("access-control-allow-origin"))
    assert 403 == (await rig.ask("OPTIONS", "/reports/a", asked)).status
    got = await create(rig, f"/s/{token}", 5, Origin="https://app.example")
    assert {"Upload-Offset", "Location"} <= set(got.header("access-control-expose-headers").split(", "))
