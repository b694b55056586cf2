"""Names that are free where the sent one is taken: each uploader gets another, and a blind link tells nobody."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.grant import Grant
from gateway.core.intake import Intake
from gateway.core.reasons import DependencyDown
from gateway.core.request import Action
from tests.data.harness import Rig, deny, policy, rule
from tests.data.raw_client import Got
from tests.data.uploading import BARE, WRITE, create, metadata, patch

FORM = {"Content-Type": "multipart/form-data; boundary=b"}
RENAME = Intake(rename=True)
DOORS = ["put", "form", "tus"]


async def send(rig: Rig, token: str, door: str, name: str = "a.txt", body: bytes = b"new") -> Got:
    if door == "put":
        return await rig.ask("PUT", f"/s/{token}/{name}", {}, body)
    if door == "form":
        head = f'--b\r\nContent-Disposition: form-data; name="file"; filename="{name}"\r\n\r\n'.encode()
        return await rig.ask("POST", f"/s/{token}/", FORM, head + body + b"\r\n--b--\r\n")
    got = await create(rig, f"/s/{token}", len(body), Upload_Metadata=metadata(filename=name))
    return await patch(rig, got.header("location") or "", 0, body) if got.status == 201 else got


def names(rig: Rig) -> list[str]:
    return sorted(key.removeprefix("inside/in/") for _, key in rig.store.objects if ".gateway" not in key)


@pytest.mark.parametrize("door", DOORS)
async def test_a_name_that_is_taken_is_numbered(uploads: Rig, door: str) -> None:
    """The first free number is in the name, before the extension; what was there stays as it was."""
    uploads.store.hold("inside/in/a.txt", b"old")
    uploads.store.hold("inside/in/a (2).txt", b"other")
    token = await uploads.link(prefix="in/", actions=WRITE, intake=RENAME)
    for _ in range(2):
        assert (await send(uploads, token, door)).status in {201, 204}
    assert ["a (1).txt", "a (2).txt", "a (3).txt", "a.txt"] == names(uploads)
    assert b"old" == uploads.store.stored("inside/in/a.txt")
    assert "in/a (3).txt" == (await uploads.last()).key


@pytest.mark.parametrize("door", DOORS)
async def test_a_name_that_is_free_is_kept(uploads: Rig, door: str) -> None:
    """And the receipt says the name under which a file is stored."""
    token = await uploads.link(prefix="in/", actions=WRITE, intake=RENAME)
    assert (await send(uploads, token, door)).status in {201, 204}
    assert ["a.txt"] == names(uploads)
    assert door == "tus" or "a (1).txt" in (await send(uploads, token, door)).text


@pytest.mark.parametrize("door", DOORS)
async def test_many_at_once_get_a_name_each(uploads: Rig, door: str) -> None:
    """Twenty who send the same name at the same moment store twenty objects, and nobody is refused."""
    token = await uploads.link(prefix="in/", actions=WRITE, intake=RENAME)
    got = await asyncio.gather(*(send(uploads, token, door, body=b"%d" % number) for number in range(20)))
    assert [] == [one.status for one in got if one.status not in {201, 204}]
    assert 20 == len(names(uploads))
    assert {b"%d" % number for number in range(20)} == {
        body for (_, key), (body, _) in uploads.store.objects.items() if ".gateway" not in key
    }


async def test_resumable_uploads_hold_their_names_from_the_beginning(uploads: Rig) -> None:
    """Two that were created before either has a byte end as two objects."""
    token = await uploads.link(prefix="in/", actions=WRITE, intake=RENAME)
    told = metadata(filename="a.txt")
    at = [(await create(uploads, f"/s/{token}", 3, Upload_Metadata=told)).header("location") or "" for _ in "ab"]
    for address, body in zip(at, (b"one", b"two"), strict=True):
        assert 204 == (await patch(uploads, address, 0, body)).status
    assert (b"one", b"two") == tuple(map(uploads.store.stored, ("inside/in/a.txt", "inside/in/a (1).txt")))


async def test_an_upload_that_is_ended_frees_its_name(uploads: Rig) -> None:
    """The next one has it."""
    token = await uploads.link(prefix="in/", actions=WRITE, intake=RENAME)
    got = await create(uploads, f"/s/{token}", 3, Upload_Metadata=metadata(filename="a.txt"))
    assert 204 == (await uploads.ask("DELETE", got.header("location") or "", {"Tus-Resumable": "1.0.0"})).status
    await send(uploads, token, "put")
    assert ["a.txt"] == names(uploads)


async def test_a_name_of_another_rule_is_not_taken(uploads: Rig) -> None:
    """The name that a file gets is decided on like the one that was sent."""
    uploads.use(policy(rule("everything"), deny("no copies", "reports/in/a (1).txt", may=[Action.WRITE])))
    uploads.store.hold("inside/in/a.txt", b"old")
    token = await uploads.link(prefix="in/", actions=WRITE, intake=RENAME)
    for door in DOORS:
        assert 410 == (await send(uploads, token, door)).status
    assert ["a.txt"] == names(uploads)


async def test_a_store_without_conditions_numbers_as_well(uploads: Rig) -> None:
    """There the name is held here."""
    uploads.use(policy(capabilities=BARE))
    token = await uploads.link(prefix="in/", actions=WRITE, intake=RENAME)
    for door in DOORS:
        assert (await send(uploads, token, door)).status in {201, 204}
    assert ["a (1).txt", "a (2).txt", "a.txt"] == names(uploads)


async def test_a_limit_store_that_is_down_keeps_nobody(uploads: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Names are found all the same while its posture is open; the store's condition still replaces nothing."""

    async def down(*_: object) -> None:
        raise DependencyDown("limits", "gone")

    monkeypatch.setattr(uploads.plane.limits, "take", down)
    uploads.store.hold("inside/in/a.txt", b"old")
    token = await uploads.link(prefix="in/", actions=WRITE, intake=RENAME)
    assert 201 == (await send(uploads, token, "put")).status
    assert ["a (1).txt", "a.txt"] == names(uploads)


async def blind(rig: Rig) -> tuple[str, Grant]:
    return await rig.granted(prefix="in/", actions=WRITE, intake=Intake(rename=True, blind=True))


def shape(got: Got) -> tuple[object, ...]:
    """All that an uploader sees, but for what differs between any two answers."""
    own = {"date", "location", "x-request-id", "upload-expires"}
    body = got.body if b"request_id" not in got.body else b"a document"
    return got.status, [(name, value) for name, value in got.headers if name not in own], body


@pytest.mark.parametrize("door", DOORS)
async def test_a_blind_link_answers_alike(uploads: Rig, door: str) -> None:
    """Whether the name was free or taken: the same answer, the same name in it, and as many calls to the store."""
    token, _ = await blind(uploads)
    told = []
    for _ in range(2):
        before = len(uploads.store.seen)
        got = await send(uploads, token, door)
        calls = [(seen.call.method, bool(seen.call.key)) for seen in uploads.store.seen[before:]]
        told.append((shape(got), calls))
    assert told[0] == told[1]
    assert ["a (1).txt", "a.txt"] == names(uploads)


async def test_a_blind_link_keeps_the_address_of_an_upload(uploads: Rig) -> None:
    """A resumable upload that got another name is known by the sent one, through all of its steps."""
    token, _ = await blind(uploads)
    uploads.store.hold("inside/in/a.txt", b"old")
    got = await create(uploads, f"/s/{token}", 6, Upload_Metadata=metadata(filename="a.txt"))
    address = got.header("location") or ""
    assert address.partition("?")[0].endswith("/a.txt")
    assert 204 == (await patch(uploads, address, 0, b"abc")).status
    looked = await uploads.ask("HEAD", address, {"Tus-Resumable": "1.0.0"})
    assert (200, "3") == (looked.status, looked.header("upload-offset"))
    assert 204 == (await patch(uploads, address, 3, b"def")).status
    assert (b"old", b"abcdef") == tuple(map(uploads.store.stored, ("inside/in/a.txt", "inside/in/a (1).txt")))
    assert 404 == (await uploads.ask("HEAD", address.replace("a.txt", "b.txt"), {"Tus-Resumable": "1.0.0"})).status


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE"])
async def test_a_blind_link_shows_nothing_to_who_asks(uploads: Rig, method: str) -> None:
    """Every other way to ask about a name is answered alike, too."""
    token, _ = await blind(uploads)
    uploads.store.hold("inside/in/a.txt", b"old")
    there, gone = [await uploads.ask(method, f"/s/{token}/{name}") for name in ("a.txt", "b.txt")]
    assert shape(there) == shape(gone)
    assert there.status >= 400


async def test_without_blind_a_refusal_tells(uploads: Rig) -> None:
    """Which is what `blind` is for: a link that refuses is an oracle of names."""
    uploads.store.hold("inside/in/a.txt", b"old")
    token = await uploads.link(prefix="in/", actions=WRITE)
    assert [409, 201] == [(await send(uploads, token, "put", name)).status for name in ("a.txt", "b.txt")]


@pytest.mark.parametrize("door", DOORS)
async def test_a_template_makes_the_name(uploads: Rig, door: str) -> None:
    """Below the link's prefix, with what nobody can guess: two who send the same name do not meet."""
    token = await uploads.link(prefix="in/", actions=WRITE, intake=Intake(names="{date}/{uuid}-{name}"))
    for _ in range(2):
        assert (await send(uploads, token, door)).status in {201, 204}
    found = names(uploads)
    assert 2 == len(set(found))
    assert all(len(name) == len("2026-09-21/") + 36 + len("-a.txt") and name.endswith("-a.txt") for name in found)


async def test_a_template_is_asked_anew_each_time(uploads: Rig) -> None:
    """Also on one connection, whose requests are alike."""
    token = await uploads.link(prefix="in/", actions=WRITE, intake=Intake(names="{uuid}"))
    async with uploads.client() as client:
        for _ in range(3):
            await client.send(f"PUT /s/{token}/a HTTP/1.1\r\nHost: gw\r\nContent-Length: 1\r\n\r\nx".encode())
            assert 201 == (await client.answer("PUT")).status
    assert 3 == len(names(uploads))
