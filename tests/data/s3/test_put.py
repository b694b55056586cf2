"""Writing one object: a link that may not overwrite never does."""

from __future__ import annotations

import pytest

from gateway.core.request import Action
from gateway.core.route import Capability, UpstreamCall
from tests.data.harness import APP, EVERY, Rig, policy, request, running
from tests.data.parts_store import PartsStore
from tests.data.raw_client import Got
from tests.data.scripted_store import Scripted, xml
from tests.waiting import until

WRITE = frozenset({Action.WRITE})
PLAIN = EVERY - {Capability.CONDITIONAL_WRITES}
both = pytest.mark.parametrize("capabilities", [EVERY, PLAIN], ids=["conditional", "plain"])


FORM = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\ncontent\r\n--b--\r\n'
CONTENT = [
    ("PUT", "/reports/folder/", {}, b"content"),
    ("PUT", "/reports/folder/", {"Transfer-Encoding": "chunked"}, b"7\r\ncontent\r\n0\r\n\r\n"),
    ("PUT", "/reports/folder/", {"x-amz-copy-source": "/reports/full"}, b""),
    ("PUT", "/reports/folder/", {"x-amz-copy-source": "/far/full"}, b""),
    ("POST", "/reports/folder/?uploads", {}, b""),
    ("POST", "LINK", {"Tus-Resumable": "1.0.0", "Upload-Length": "7"}, b""),
    ("POST", "LINK", {"Tus-Resumable": "1.0.0", "Upload-Defer-Length": "1"}, b""),
    ("PUT", "LINK", {}, b"content"),
    ("POST", "LINK", {"Content-Type": "multipart/form-data; boundary=b"}, FORM),
]
NOTHING = [
    ("PUT", "/reports/folder/", {}, b""),
    ("PUT", "/reports/folder/", {"x-amz-copy-source": "/reports/empty"}, b""),
    ("PUT", "/reports/folder/", {"x-amz-copy-source": "/far/empty"}, b""),
    ("POST", "LINK", {"Tus-Resumable": "1.0.0", "Upload-Length": "0"}, b""),
    ("PUT", "LINK", {}, b""),
]
DROPPING = EVERY - {Capability.FOLDER_BODIES}
Asked = tuple[str, str, dict[str, str], bytes]


def _made(call: UpstreamCall) -> Scripted | None:
    """A store that makes copies by itself."""
    if any(name == "x-amz-copy-source" for name, _ in call.headers):
        return xml("<CopyObjectResult><ETag>e</ETag></CopyObjectResult>")
    return None


async def _under_a_folder(rig: Rig, asked: Asked, capabilities: frozenset[Capability]) -> Got:
    rig.use(policy(capabilities=capabilities))
    rig.store.always = _made
    for bucket, prefix in (("real", "inside/"), ("real-far", "")):
        rig.store.hold(f"{prefix}full", b"content", bucket)
        rig.store.hold(f"{prefix}empty", b"", bucket)
    method, target, headers, body = asked
    token = await rig.link("folder/", actions=WRITE)
    return await rig.ask(method, target.replace("LINK", f"/s/{token}"), headers, body)


@pytest.mark.parametrize("asked", CONTENT)
async def test_content_that_its_store_would_drop_is_refused(asked: Asked) -> None:
    """501 with words that say what to do, before anything is stored, in whichever way it comes; where the store keeps
    content under a folder's name, the same request passes."""
    async with running(store=PartsStore(), trusted=APP) as rig:
        got = await _under_a_folder(rig, asked, DROPPING)
        assert (501, True) == (got.status, "Leave the slash out" in got.text)
        assert [] == [seen for seen in rig.store.seen if seen.call.method in {"PUT", "POST"}]
    async with running(store=PartsStore(), trusted=APP) as rig:
        assert 300 > (await _under_a_folder(rig, asked, EVERY)).status


@pytest.mark.parametrize("asked", NOTHING)
async def test_an_empty_object_makes_a_folder(asked: Asked) -> None:
    """Clients make folders so: there is nothing to lose."""
    async with running(store=PartsStore(), trusted=APP) as rig:
        assert 300 > (await _under_a_folder(rig, asked, DROPPING)).status


@both
async def test_what_is_there_stays(rig: Rig, capabilities) -> None:
    """409, and the object is the old one, whatever the store can do."""
    rig.use(policy(capabilities=capabilities))
    rig.store.hold("inside/a.txt", b"old")
    got = await rig.ask("PUT", f"/s/{await rig.link(actions=WRITE)}", body=b"new")
    assert (409, b"old") == (got.status, rig.store.stored("inside/a.txt"))
    assert "object_exists" == (await rig.last()).reason


@both
async def test_a_new_name_is_written(rig: Rig, capabilities) -> None:
    """Control: it is the old object that is in the way."""
    rig.use(policy(capabilities=capabilities))
    got = await rig.ask("PUT", f"/s/{await rig.link(actions=WRITE)}", body=b"new")
    assert (201, b"new") == (got.status, rig.store.stored("inside/a.txt"))
    [put] = rig.store.calls("PUT")
    assert ("*" if capabilities is EVERY else None) == put.header("if-none-match")
    assert (0 if capabilities is EVERY else 1) == len(rig.store.calls("HEAD"))


@both
async def test_a_link_that_may_overwrite_does(rig: Rig, capabilities) -> None:
    """And nobody is asked first."""
    rig.use(policy(capabilities=capabilities))
    rig.store.hold("inside/a.txt", b"old")
    got = await rig.ask("PUT", f"/s/{await rig.link(actions=WRITE, overwrite=True)}", body=b"new")
    assert (201, b"new") == (got.status, rig.store.stored("inside/a.txt"))
    assert ["PUT"] == [seen.call.method for seen in rig.store.seen]


@both
async def test_two_uploads_of_one_name_at_once_are_one(rig: Rig, capabilities) -> None:
    """While one is under way, the name is taken here."""
    rig.use(policy(capabilities=capabilities))
    token = await rig.link(actions=WRITE)
    async with rig.client() as slow:
        await slow.send(request("PUT", f"/s/{token}", {"Content-Length": "10"}, b"first"))
        await until(lambda: rig.plane.names._taken)
        assert 409 == (await rig.ask("PUT", f"/s/{token}", body=b"second")).status
        await slow.send(b"-more")
        assert 201 == (await slow.answer()).status
    assert b"first-more" == rig.store.stored("inside/a.txt")
    assert set() == rig.plane.names._taken


async def test_a_look_that_fails_writes_nothing(rig: Rig) -> None:
    """Only a clear "not there" is one."""
    rig.use(policy(capabilities=PLAIN))
    rig.store.script(Scripted(403))
    assert 502 == (await rig.ask("PUT", f"/s/{await rig.link(actions=WRITE)}", body=b"new")).status
    assert [] == rig.store.calls("PUT")


async def test_a_write_is_sent_once(app: Rig) -> None:
    """A store that fails is not asked again."""
    app.store.script(Scripted(500))
    assert 500 <= (await app.ask("PUT", "/reports/a", body=b"new")).status
    assert 1 == len(app.store.seen)


async def test_the_s3_face_overwrites_as_s3_does(app: Rig) -> None:
    """Unless it was told not to, by the client's own condition."""
    app.store.hold("inside/a", b"old")
    assert 412 == (await app.ask("PUT", "/reports/a", {"If-None-Match": "*"}, b"new")).status
    assert 200 == (await app.ask("PUT", "/reports/a", body=b"new")).status
    assert b"new" == app.store.stored("inside/a")


CHUNKED = {"Transfer-Encoding": "chunked"}
NEW = b"3\r\nnew\r\n0\r\n\r\n"
HALF = EVERY - {Capability.CONDITIONAL_COMPLETE}


@pytest.mark.parametrize("capabilities", [EVERY, HALF, PLAIN], ids=["conditional", "single puts only", "plain"])
async def test_in_parts_nothing_is_overwritten_either(rig: Rig, capabilities) -> None:
    """A condition on single PUTs says nothing about the completion of a multipart upload."""
    rig.use(policy(capabilities=capabilities))
    rig.store.hold("inside/a.txt", b"old")
    got = await rig.ask("PUT", f"/s/{await rig.link(actions=WRITE)}", CHUNKED, NEW)
    assert (409, b"old") == (got.status, rig.store.stored("inside/a.txt"))
    got = await rig.ask("PUT", f"/s/{await rig.link('b.txt', actions=WRITE)}", CHUNKED, NEW)
    assert (201, b"new") == (got.status, rig.store.stored("inside/b.txt"))


async def test_an_upload_says_how_it_ends(app: Rig) -> None:
    """Neither a length nor chunks: S3's 411, and no empty object takes the place of what there is."""
    app.store.hold("inside/a.txt", b"old")
    async with app.client() as client:
        await client.send(b"PUT /reports/a.txt HTTP/1.1\r\nHost: gw\r\n\r\n")
        got = await client.answer("PUT")
    assert (411, True) == (got.status, b"MissingContentLength" in got.body)
    assert ([], b"old") == (app.store.seen, app.store.stored("inside/a.txt"))
