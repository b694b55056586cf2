"""Who sent a file may take it back for a while: only that file, only through its link, only with its secret."""

from __future__ import annotations

import asyncio
import json

import pytest

from gateway.core.intake import Intake
from gateway.core.request import Action
from tests.data.harness import Rig, deny, policy, rule
from tests.data.raw_client import Got
from tests.data.uploading import BARE, WRITE, create, later, metadata, patch
from tests.waiting import until

FORM = {"Content-Type": "multipart/form-data; boundary=b", "Accept": "application/json"}
PAGE_FORM = {"Content-Type": "application/x-www-form-urlencoded"}
UNDO = Intake(undo=600.0)


async def sent(rig: Rig, token: str, name: str = "a.txt", body: bytes = b"new") -> str:
    got = await rig.ask("PUT", f"/s/{token}/{name}", {}, body)
    assert 201 == got.status, got.body
    return got.header("upload-undo") or ""


async def undo(rig: Rig, token: str, secret: str, path: str = "/a.txt") -> Got:
    return await rig.ask("DELETE", f"/s/{token}{path}", {"Upload-Undo": secret})


@pytest.mark.parametrize("path", ["", "/", "/a.txt", "/else"])
async def test_a_file_is_taken_back(uploads: Rig, path: str) -> None:
    """By the secret alone, at any address of the link; and nothing is left, not even that it was there."""
    token = await uploads.link(prefix="in/", actions=WRITE, intake=UNDO)
    secret = await sent(uploads, token)
    assert 204 == (await undo(uploads, token, secret, path)).status
    assert {} == uploads.store.objects
    assert 404 == (await undo(uploads, token, secret, path)).status
    assert await sent(uploads, token)


async def test_a_form_on_a_page_takes_back(uploads: Rig) -> None:
    """Without a script, and the receipt of a form says how for each of its files."""
    token = await uploads.link(prefix="in/", actions=WRITE, intake=UNDO)
    part = '--b\r\nContent-Disposition: form-data; name="file"; filename="{}"\r\n\r\nx\r\n'
    body = "".join(map(part.format, "pq")) + "--b--\r\n"
    got = await uploads.ask("POST", f"/s/{token}/", FORM, body.encode())
    secrets = [one["undo"] for one in json.loads(got.body)["files"]]
    assert 2 == len(set(secrets))
    assert 204 == (await uploads.ask("POST", f"/s/{token}/", PAGE_FORM, f"undo={secrets[0]}".encode())).status
    assert (None, b"x") == (uploads.store.stored("inside/in/p"), uploads.store.stored("inside/in/q"))
    page = await uploads.ask("PUT", f"/s/{token}/r", {"Accept": "text/html"}, b"x")
    assert 'name="undo"' in page.text


async def test_who_presses_the_button_sees_that_it_worked(uploads: Rig) -> None:
    """By a page: an answer without a body would leave a browser at the receipt, as if nothing had happened."""
    token = await uploads.link(prefix="in/", actions=WRITE, intake=UNDO)
    body = f"undo={await sent(uploads, token)}".encode()
    headers = PAGE_FORM | {"Accept": "text/html,*/*", "Accept-Language": "de"}
    got = await uploads.ask("POST", f"/s/{token}/", headers, body)
    assert (200, True) == (got.status, "Die Datei wurde wieder entfernt." in got.text)
    assert {} == uploads.store.objects
    assert 404 == (await uploads.ask("POST", f"/s/{token}/", headers, body)).status


async def test_a_resumable_upload_is_taken_back_at_its_address(uploads: Rig) -> None:
    """Which only its client knows."""
    token = await uploads.link(prefix="in/", actions=WRITE, intake=UNDO)
    got = await create(uploads, f"/s/{token}", 3, Upload_Metadata=metadata(filename="a.txt"))
    address = got.header("location") or ""
    assert 204 == (await patch(uploads, address, 0, b"abc")).status
    assert 204 == (await uploads.ask("DELETE", address, {"Tus-Resumable": "1.0.0"})).status
    assert {} == uploads.store.objects


@pytest.mark.parametrize("way", ["secret", "address"])
async def test_it_is_too_late_after_the_time(uploads: Rig, way: str) -> None:
    """The file stays, and it is said that it was possible before."""
    token = await uploads.link(prefix="in/", actions=WRITE, intake=UNDO)
    if way == "secret":
        secret = await sent(uploads, token)
        await later(uploads, 600)
        assert 410 == (await undo(uploads, token, secret)).status
    else:
        got = await create(uploads, f"/s/{token}", 3, b"new", Upload_Metadata=metadata(filename="a.txt"))
        await later(uploads, 600)
        assert 410 == (await uploads.ask("DELETE", got.header("location") or "", {"Tus-Resumable": "1.0.0"})).status
    assert b"new" == uploads.store.stored("inside/in/a.txt")


@pytest.mark.parametrize("secret", ["", "0" * 52, "x", "../../x", "ü", "a" * 400])
async def test_another_secret_takes_nothing_back(uploads: Rig, secret: str) -> None:
    """404, whatever it is, and whichever file it names."""
    token = await uploads.link(prefix="in/", actions=WRITE, intake=UNDO)
    mine = await sent(uploads, token)
    for guess in (secret, mine[:-1] + ("0" if mine[-1] != "0" else "1")):
        got = await uploads.ask("POST", f"/s/{token}/", PAGE_FORM, f"undo={guess}".encode())
        assert 404 == got.status
    assert b"new" == uploads.store.stored("inside/in/a.txt")
    assert not any(".." in seen.call.key for seen in uploads.store.seen)


async def test_another_links_secret_takes_nothing_back(uploads: Rig) -> None:
    """Although both reach the same file; and a link without undo gives none."""
    token = await uploads.link(prefix="in/", actions=WRITE, intake=UNDO)
    other = await uploads.link(prefix="in/", actions=WRITE, intake=UNDO)
    plain = await uploads.link(prefix="in/", actions=WRITE)
    secret = await sent(uploads, token)
    assert 404 == (await undo(uploads, other, secret)).status
    assert 404 == (await undo(uploads, plain, secret)).status
    assert "" == await sent(uploads, plain, "b.txt")
    assert b"new" == uploads.store.stored("inside/in/a.txt")


async def test_what_replaced_it_stays(uploads: Rig) -> None:
    """Another object of the same name is not what was sent."""
    token = await uploads.link(prefix="in/", actions=WRITE, intake=UNDO, overwrite=True)
    first = await sent(uploads, token)
    second = await sent(uploads, token, body=b"newer")
    assert 410 == (await undo(uploads, token, first)).status
    assert b"newer" == uploads.store.stored("inside/in/a.txt")
    assert 204 == (await undo(uploads, token, second)).status


async def test_an_owner_who_may_not_delete_takes_nothing_back(uploads: Rig) -> None:
    """The rules count when it is done, whatever they were when the link was made."""
    token = await uploads.link(prefix="in/", actions=WRITE, intake=UNDO)
    secret = await sent(uploads, token)
    uploads.use(policy(rule("everything"), deny("kept", "reports/**", may=[Action.DELETE])))
    assert 410 == (await undo(uploads, token, secret)).status
    assert b"new" == uploads.store.stored("inside/in/a.txt")


async def test_a_link_that_has_ended_takes_nothing_back(uploads: Rig) -> None:
    """It is a use of the link like any other."""
    token, grant = await uploads.granted(prefix="in/", actions=WRITE, intake=UNDO)
    secret = await sent(uploads, token)
    await uploads.edit(grant, suspended_at=uploads.clock.now, suspended_by="admin:a")
    assert 403 == (await undo(uploads, token, secret)).status
    assert b"new" == uploads.store.stored("inside/in/a.txt")


async def test_who_has_no_right_any_more_when_the_store_has_answered_removes_nothing(uploads: Rig) -> None:
    """It is asked once more before the store is told: rules may change while it says what is there."""
    token = await uploads.link(prefix="in/", actions=WRITE, intake=UNDO)
    secret = await sent(uploads, token)
    uploads.store.answers.clear()
    uploads.store.waits = lambda call: (call.method, call.key) == ("HEAD", "inside/in/a.txt")
    async with asyncio.TaskGroup() as group:
        asked = group.create_task(undo(uploads, token, secret))
        await until(lambda: uploads.store.calls("HEAD"))
        uploads.use(policy(rule("everything"), deny("kept", "reports/**", may=[Action.DELETE])))
        uploads.store.answers.set()
    assert 410 == asked.result().status
    assert b"new" == uploads.store.stored("inside/in/a.txt")


async def test_the_store_holds_no_secret(uploads: Rig) -> None:
    """Neither in a name nor in a record: who reads the bucket can take nothing back."""
    uploads.use(policy(capabilities=BARE))
    token = await uploads.link(prefix="in/", actions=WRITE, intake=UNDO)
    secret = await sent(uploads, token)
    kept = b"".join(key.encode() + body for (_, key), (body, _) in uploads.store.objects.items())
    assert secret[12:].encode() not in kept
    assert 204 == (await undo(uploads, token, secret)).status


async def test_a_name_that_was_made_up_is_taken_back(uploads: Rig) -> None:
    """Whatever name the file got in the end."""
    token = await uploads.link(
        prefix="in/", actions=WRITE, intake=Intake(undo=60.0, rename=True, blind=True, names="{date}/{name}")
    )
    first, second = [await sent(uploads, token) for _ in "ab"]
    assert 204 == (await undo(uploads, token, second)).status
    assert ["inside/in/2026-09-21/a.txt"] == [key for _, key in uploads.store.objects if ".gateway" not in key]
    assert 204 == (await undo(uploads, token, first)).status


async def test_a_link_that_reads_deletes_nothing(rig: Rig) -> None:
    """DELETE is no method of a link, without the secret of an upload."""
    rig.store.hold("inside/in/a", b"x")
    for actions in ({Action.READ, Action.LIST}, WRITE):
        token = await rig.link(prefix="in/", actions=actions, intake=UNDO if actions is WRITE else Intake())
        assert 400 <= (await rig.ask("DELETE", f"/s/{token}/a")).status < 500
        assert 400 <= (await undo(rig, token, "0" * 52, "/a")).status < 500
    assert b"x" == rig.store.stored("inside/in/a")
