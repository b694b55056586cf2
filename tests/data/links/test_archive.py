"""A folder as one file: exact, decided member by member, and never whole when it is not."""

from __future__ import annotations

import asyncio
import gc
import io
import tarfile
import zipfile
from contextlib import asynccontextmanager

import pytest

from gateway.core.reasons import Reason, UpstreamFailed
from gateway.core.record import Outcome
from gateway.core.request import Action
from gateway.core.revocation_target import FeedKind
from gateway.data.links import archive as room
from gateway.data.steps import authorise
from gateway.server.exchange import ClientExchange
from tests.data.harness import Rig, deny, policy, request, rule
from tests.data.scripted_store import Scripted, xml

FILES = {"b.txt": b"12345", "sub/c.bin": bytes(range(256)) * 500, "umlaut-ü.txt": b"", "zz": b"last"}
NOTE = "about these names.txt"
kinds = pytest.mark.parametrize("kind", ["zip", "tar"])


async def folder(rig: Rig, **fields) -> tuple:
    for name, body in FILES.items():
        rig.store.hold(f"inside/deep/in/{name}", body)
    rig.store.hold("inside/deep/in/sub/", b"")
    rig.store.hold("inside/deep/other.txt", b"not mine")
    return await rig.granted(prefix="deep/in/", **fields)


def listed(key: str, size: str, more: str = "") -> Scripted:
    """A page of the store's, with one object; `more` makes it one of several."""
    entry = f'<Contents><Key>inside/{key}</Key><Size>{size}</Size><ETag>"x"</ETag></Contents>'
    truncated = f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>"
    return xml(f"<ListBucketResult>{truncated}{more}{entry}</ListBucketResult>")


def unpacked(kind: str, body: bytes) -> dict[str, bytes]:
    if kind == "zip":
        with zipfile.ZipFile(io.BytesIO(body)) as archive:
            assert None is archive.testzip()
            return {name: archive.read(name) for name in archive.namelist()}
    with tarfile.open(fileobj=io.BytesIO(body)) as archive:
        return {
            member.name + "/" * member.isdir(): b"" if member.isdir() else archive.extractfile(member).read()
            for member in archive.getmembers()
        }


@kinds
async def test_everything_below_the_folder_is_in_it(rig: Rig, kind: str) -> None:
    """With relative names, its length known, saved and never shown."""
    token, _ = await folder(rig)
    got = await rig.fetch(token, f"/?archive={kind}")
    assert (200, True) == (got.status, got.whole)
    assert FILES | {"sub/": b""} == unpacked(kind, got.body)
    assert str(len(got.body)) == got.header("content-length")
    assert f"in.{kind}" in (got.header("content-disposition") or "")
    assert (got.header("content-disposition") or "").startswith("attachment")
    assert len(got.body) == (await rig.last()).bytes_out


@kinds
async def test_a_listing_of_many_pages_is_read_to_its_end(rig: Rig, kind: str) -> None:
    """However many objects a page holds."""
    token, _ = await folder(rig)
    honest = rig.store._honest

    def two_a_page(seen):
        query = (*(pair for pair in seen.call.query if pair[0] != "max-keys"), ("max-keys", "2"))
        if not seen.call.key:
            seen.call = type(seen.call)(backend="lab", method="GET", bucket="real", key="", query=query)
        return honest(seen)

    rig.store._honest = two_a_page
    assert FILES | {"sub/": b""} == unpacked(kind, (await rig.fetch(token, f"/?archive={kind}")).body)


@kinds
@pytest.mark.parametrize("size", ["9" * 30, "9" * 5000])
async def test_a_size_that_no_object_has_breaks_the_archive(rig: Rig, kind: str, size: str) -> None:
    """It is unknown, and no room is kept for it."""
    token, _ = await folder(rig)
    rig.store.script(listed("deep/in/b.txt", size), Scripted(200, {"content-length": "5", "etag": '"x"'}, [b"12345"]))
    assert 502 == (await rig.fetch(token, f"/?archive={kind}")).status
    assert "upstream_broke" == (await rig.last()).reason


@kinds
async def test_a_listing_that_does_not_go_on_ends_it_before_it_begins(rig: Rig, kind: str) -> None:
    """Some stores name the same page as the next one for ever."""
    token, _ = await folder(rig)
    more = "<NextContinuationToken>T</NextContinuationToken>"
    rig.store.script(*(listed(f"deep/in/{number}", "5", more) for number in (1, 2, 3)))
    assert 502 == (await rig.fetch(token, f"/?archive={kind}")).status
    assert "upstream_broke" == (await rig.last()).reason
    assert 2 == len(rig.store.seen)


@kinds
@pytest.mark.parametrize("fault", ["shorter", "gone", "changed", "broken"])
async def test_a_member_that_fails_breaks_the_archive(rig: Rig, kind: str, fault: str) -> None:
    """A broken connection, never a complete file; the record names the store."""
    token, _ = await folder(rig)
    size = len(FILES["sub/c.bin"])
    answers = {
        "shorter": Scripted(200, {}, [b"x" * 10], length=size),
        "gone": Scripted(404),
        "changed": Scripted(200, {}, [b"x" * 10]),
        "broken": Scripted(200, {}, [b"x" * 70_000, UpstreamFailed(Reason.UPSTREAM_BROKE)], length=size),
    }
    rig.store.always = lambda call: answers[fault] if call.key.endswith("c.bin") else None
    got = await rig.fetch(token, f"/?archive={kind}")
    assert not got.whole
    assert Outcome.UPSTREAM_FAILED == (await rig.last()).outcome
    assert 0 == rig.store.open_now


async def _sent(rig: Rig, monkeypatch: pytest.MonkeyPatch, kind: str) -> list[int]:
    """Bytes of each piece in which an archive of sixty small files goes to its client."""
    sizes: list[int] = []
    write = ClientExchange.write

    async def noting(self: ClientExchange, data: bytes) -> None:
        sizes.append(len(data))
        await write(self, data)

    monkeypatch.setattr(ClientExchange, "write", noting)
    files = {f"{number}": bytes([number]) * 3000 for number in range(60)}
    for name, body in files.items():
        rig.store.hold(f"inside/many/{name}", body)
    token, _ = await rig.granted(prefix="many/")
    assert files == unpacked(kind, (await rig.fetch(token, f"/?archive={kind}")).body)
    return sizes


@kinds
async def test_what_is_small_is_sent_together(rig: Rig, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """The pieces of members that come one after the other go in few writes, none of more than 256 KiB."""
    sizes = await _sent(rig, monkeypatch, kind)
    assert (True, True) == (len(sizes) <= 5, max(sizes) <= 256 * 1024)


@kinds
async def test_control_of_what_is_sent_together(rig: Rig, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    """Without the bound, each piece is a write."""
    monkeypatch.setattr(room, "_TOGETHER", 1)
    assert 60 < len(await _sent(rig, monkeypatch, kind))


async def test_each_member_is_pinned_by_its_entity_tag(rig: Rig) -> None:
    """An object that is replaced meanwhile is another one."""
    token, _ = await folder(rig)
    await rig.fetch(token, "/?archive=zip")
    gets = [seen for seen in rig.store.calls("GET") if seen.call.key]
    assert [rig.store.objects["real", seen.call.key][1]["etag"] for seen in gets] == [
        seen.header("if-match") for seen in gets
    ]


async def test_a_member_that_may_not_be_read_ends_it_before_it_begins(rig: Rig) -> None:
    """Every key is decided on; a hole in the archive would look like an empty place."""
    token, _ = await folder(rig)
    rig.use(policy(rule("everything"), deny("not the last", "reports/deep/in/zz", may=[Action.READ])))
    assert 410 == (await rig.fetch(token, "/?archive=zip")).status
    assert [] == [seen for seen in rig.store.calls("GET") if seen.call.key]


@pytest.mark.parametrize("same", [True, False], ids=["the same rules", "other rules"])
async def test_a_member_is_decided_on_once_while_the_rules_are_the_same(rig: Rig, same: bool, monkeypatch) -> None:
    """When its turn comes, time and revocations are asked, and of other rules everything: so many decisions cost."""
    token, _ = await folder(rig)
    decided: list[str] = []
    decide, opened = authorise._decide, rig.store.open
    monkeypatch.setattr(authorise, "_decide", lambda *asked: decided.append(asked[2].key) or decide(*asked))

    @asynccontextmanager
    async def opening(call, sent=None):
        await asyncio.sleep(0)
        if call.key == "inside/deep/in/b.txt" and not same:
            rig.use(policy(rule("everything"), deny("elsewhere", "reports/other/**")))
        async with opened(call, sent) as answer:
            yield answer

    monkeypatch.setattr(rig.store, "open", opening)
    got = await rig.fetch(token, "/?archive=zip")
    assert (200, True) == (got.status, got.whole)
    assert [1 if same or name == "b.txt" else 2 for name in FILES] == [
        decided.count(f"deep/in/{name}") for name in FILES
    ]


async def test_a_revoked_member_ends_it_before_it_begins(rig: Rig) -> None:
    """A prefix inside the folder that was revoked after the link was made is in no archive of the folder."""
    token, _ = await folder(rig)
    await rig.revoke(FeedKind.PREFIX, "reports", "deep/in/sub/")
    assert 410 == (await rig.fetch(token, "/?archive=zip")).status
    assert "revoked" == (await rig.last()).reason
    assert [] == [seen for seen in rig.store.calls("GET") if seen.call.key]


async def test_a_member_that_is_revoked_meanwhile_ends_it(rig: Rig) -> None:
    """In the middle of that very member, too."""
    token, _ = await folder(rig)
    hold = asyncio.Event()
    slow = Scripted(200, {}, [b"x" * 64_000, hold, b"x" * 64_000])
    rig.store.always = lambda call: slow if call.key.endswith("c.bin") else None
    async with rig.client() as client:
        await client.send(request("GET", f"/s/{token}/?archive=zip"))
        await client.head()
        await client.rest_of(64_000)
        await rig.revoke(FeedKind.PREFIX, "reports", "deep/in/sub/")
        hold.set()
        rest = await client.rest()
    assert (True, True) == (client.reset, len(rest) < 60_000)
    assert "revoked" == (await rig.recorded(1))[0].reason


async def test_a_client_that_leaves_holds_no_member_open(rig: Rig) -> None:
    """The connection to the store is given back with the request, and not when the collector comes by."""
    token, _ = await folder(rig)
    rig.store.hold("inside/deep/in/large", bytes(8_000_000))
    gc.disable()
    try:
        async with rig.client(window=4096) as client:
            await client.send(request("GET", f"/s/{token}/?archive=zip"))
            await client.head()
            await client.rest_of(200_000)
        await rig.recorded(1)
        assert 0 == rig.store.open_now
    finally:
        gc.enable()


@pytest.mark.parametrize(("actions", "status"), [([Action.READ], 405), ([Action.LIST], 405), ([Action.WRITE], 405)])
async def test_an_archive_needs_both_rights(rig: Rig, actions: list[Action], status: int) -> None:
    """It shows all names and all bytes."""
    token, _ = await folder(rig, actions=actions)
    assert status == (await rig.fetch(token, "/?archive=zip")).status
    assert [] == [seen for seen in rig.store.calls("GET") if seen.call.key]


async def test_an_archive_is_one_use(rig: Rig) -> None:
    """Not one for each member."""
    token, grant = await folder(rig, uses=1)
    assert 200 == (await rig.fetch(token, "/?archive=tar", User_Agent="a")).status
    assert 1 == await rig.used(grant)
    assert 410 == (await rig.fetch(token, "/?archive=tar", User_Agent="b")).status


async def test_a_subfolder_is_its_own_archive(rig: Rig) -> None:
    """Named after itself, with names relative to it."""
    token, _ = await folder(rig)
    got = await rig.fetch(token, "/sub/?archive=zip")
    assert ["c.bin"] == list(unpacked("zip", got.body))
    assert "sub.zip" in (got.header("content-disposition") or "")


async def test_another_kind_is_refused(rig: Rig) -> None:
    """zip or tar."""
    token, _ = await folder(rig)
    assert 400 == (await rig.fetch(token, "/?archive=rar")).status


async def test_too_many_members_are_refused(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory for the list is bounded."""
    monkeypatch.setattr(room, "_MOST_MEMBERS", 3)
    token, _ = await folder(rig)
    assert 413 == (await rig.fetch(token, "/?archive=zip")).status


async def test_all_lists_together_have_a_bound(rig: Rig) -> None:
    """What the members of running archives take is counted, and given back with each archive."""
    token, _ = await folder(rig)
    before = rig.plane.archive_memory.room
    assert 200 == (await rig.fetch(token, "/?archive=zip")).status
    await rig.settled()
    assert before == rig.plane.archive_memory.room
    rig.plane.archive_memory.room = 1024
    assert 503 == (await rig.fetch(token, "/?archive=zip")).status
    await rig.settled()
    assert 1024 == rig.plane.archive_memory.room


async def test_an_empty_folder_is_an_empty_archive(rig: Rig) -> None:
    """And still a valid one."""
    got = await rig.fetch(await rig.link(prefix="empty/"), "/?archive=zip")
    assert {} == unpacked("zip", got.body)


@kinds
async def test_no_member_is_unpacked_elsewhere(rig: Rig, kind: str) -> None:
    """Whatever its uploader called it: an absolute path or another system's step upwards stays inside."""
    for name in ("/etc/passwd", "..\\..\\up", "plain"):
        rig.store.hold(f"inside/deep/in/{name}", name.encode())
    got = await rig.fetch(await rig.link(prefix="deep/in/"), f"/?archive={kind}")
    assert {"etc/passwd", ".._.._up", "plain", NOTE} == unpacked(kind, got.body).keys()


@kinds
async def test_a_name_that_was_changed_is_told(rig: Rig, kind: str) -> None:
    """In the archive itself, with what it was; where nothing was changed, nothing is said."""
    for name in ("CON.txt", "sub/a:b", "a", "A"):
        rig.store.hold(f"inside/deep/in/{name}", name.encode())
    found = unpacked(kind, (await rig.fetch(await rig.link(prefix="deep/in/"), f"/?archive={kind}")).body)
    assert {"_CON.txt": b"CON.txt", "sub/a_b": b"sub/a:b"}.items() <= found.items()
    told = found[NOTE].decode()
    assert ['_CON.txt was "CON.txt"', 'sub/a_b was "sub/a:b"'] == [
        line for line in told.split("\r\n") if "CON" in line or "sub" in line
    ]
    rig.store.objects.clear()
    rig.store.hold("inside/deep/in/plain", b"")
    assert ["plain"] == list(
        unpacked(kind, (await rig.fetch(await rig.link(prefix="deep/in/"), f"/?archive={kind}")).body)
    )


@kinds
@pytest.mark.parametrize("odd", ["a/../b", "./c", "d" * 1020])
async def test_a_name_that_nobody_can_ask_for_fails_no_folder(rig: Rig, kind: str, odd: str) -> None:
    """What somebody put into the store by another way is left out, and the note says so."""
    rig.store.hold("inside/deep/in/plain", b"here")
    rig.store.hold(f"inside/deep/in/{odd}", b"odd")
    got = await rig.fetch(await rig.link(prefix="deep/in/"), f"/?archive={kind}")
    found = unpacked(kind, got.body)
    assert (200, True, {"plain", NOTE}) == (got.status, got.whole, set(found))
    assert f'"{odd}"' in found[NOTE].decode()


@kinds
async def test_empty_folders_are_kept(rig: Rig, kind: str) -> None:
    """A folder is an object with a slash at its end; where a store lets that have content, it is a file in it."""
    rig.store.hold("inside/deep/in/empty/", b"")
    rig.store.hold("inside/deep/in/full/", b"content")
    found = unpacked(kind, (await rig.fetch(await rig.link(prefix="deep/in/"), f"/?archive={kind}")).body)
    assert {"empty/": b"", "full/content of the folder": b"content"} == {
        name: body for name, body in found.items() if name != NOTE
    }
