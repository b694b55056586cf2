"""The store's side of an upload: hidden, guarded, and cleared away."""

from __future__ import annotations

from collections.abc import AsyncIterator
from email.utils import formatdate

import pytest

from tests.data.harness import APP, EVERY, Rig, policy, running
from tests.data.parts_store import PartsStore
from tests.data.uploading import (
    BARE,
    BODY,
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


@pytest.fixture
async def rig(uploads: Rig) -> Rig:
    return uploads


async def test_parts_have_the_files_type_too(rig: Rig) -> None:
    """A large upload is opened with the type."""
    await created(rig, await rig.link(actions=WRITE), 5000, Upload_Metadata=metadata(filetype="video/mp4"))
    assert "video/mp4" == store_of(rig).types["inside/a.txt"]


async def test_the_reserved_folder_is_nobodys(app_store: Rig) -> None:
    """No request reaches it, and no listing shows it."""
    rig = app_store
    await created(rig, await rig.link(actions=WRITE), 5)
    [record] = store_of(rig).hidden()
    path = record.removeprefix("inside/")
    for method in ("GET", "PUT", "DELETE", "HEAD"):
        assert 400 == (await rig.ask(method, f"/reports/{path}")).status
    rig.store.hold("inside/seen.txt", b"x")
    for query in ("", "?list-type=2", "?delimiter=%2F&list-type=2", "?list-type=2&prefix=.gate"):
        assert b".gateway-uploads" not in (await rig.ask("GET", f"/reports{query}")).body.replace(b".gate</", b"")
    token = await rig.link(None, prefix="")
    assert b"gateway-uploads" not in (await rig.fetch(token, "/", Accept="application/json")).body
    assert 400 == (await rig.fetch(token, f"/{path}")).status


@pytest.fixture
async def app_store() -> AsyncIterator[Rig]:
    async with running(store=PartsStore(), trusted=APP) as started:
        yield started


async def test_what_is_there_stays(rig: Rig) -> None:
    """409 at the creation; and at the end, if the object appeared meanwhile: then the upload has ended."""
    rig.store.hold("inside/a.txt", b"old")
    token = await rig.link(actions=WRITE)
    assert 409 == (await create(rig, f"/s/{token}", 10)).status
    for capabilities in (EVERY, BARE):
        rig.use(policy(capabilities=capabilities))
        for length in (10, 3000):
            del rig.store.objects["real", "inside/a.txt"]
            address = await created(rig, token, length)
            rig.store.hold("inside/a.txt", b"old")
            assert 409 == (await patch(rig, address, 0, BODY[:length])).status
            assert b"old" == rig.store.stored("inside/a.txt")
            assert 404 == (await rig.ask("HEAD", address, {"Tus-Resumable": "1.0.0"})).status
            assert ({}, []) == (store_of(rig).uploads, store_of(rig).hidden())
    overwriting = await created(rig, await rig.link(actions=WRITE, overwrite=True), 3000)
    assert 204 == (await patch(rig, overwriting, 0, BODY[:3000])).status
    assert BODY[:3000] == rig.store.stored("inside/a.txt")


async def test_an_expired_upload_is_gone(rig: Rig) -> None:
    """410 once, with its parts thrown away; an hour later the next creation sweeps those that nobody came for."""
    token, other = await rig.link(actions=WRITE), await rig.link("b.txt", actions=WRITE)
    address, left = await created(rig, token, 5000), await created(rig, other, 5000)
    await patch(rig, left, 0, BODY[:2500])
    await later(rig, 24 * 3600 + 1)
    assert 410 == (await patch(rig, address, 0, BODY[:10])).status
    assert 404 == (await patch(rig, address, 0, BODY[:10])).status
    assert 1 == len(store_of(rig).uploads)
    await later(rig, 3600)
    await created(rig, token, 5)
    assert ({}, 1) == (store_of(rig).uploads, len(store_of(rig).hidden()))
    assert 404 == (await rig.ask("HEAD", left, {"Tus-Resumable": "1.0.0"})).status


async def test_an_upload_that_goes_on_does_not_expire(rig: Rig) -> None:
    """A day counts from its last piece, and no sweep takes it before; its link's own end stays the last."""
    ends = rig.clock.now + 60 * 3600
    address = await created(rig, await rig.link(actions=WRITE, expires_at=ends), 4321)
    sweeping = await rig.link(None, prefix="others/", actions=WRITE)
    for start in range(0, 4000, 1000):
        assert 204 == (await patch(rig, address, start, BODY[start : start + 1000])).status
        await later(rig, 14 * 3600)
        assert 201 == (await create(rig, f"/s/{sweeping}/{start}", 5)).status
    assert 4000 == await offset(rig, address)
    got = await patch(rig, address, 4000, BODY[4000:4100])
    assert formatdate(ends, usegmt=True) == got.header("upload-expires")
    assert 204 == (await patch(rig, address, 4100, BODY[4100:])).status
    assert BODY == rig.store.stored("inside/a.txt")
