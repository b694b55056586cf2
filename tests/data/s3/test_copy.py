"""Copies: the source is a read of its own, and between two stores the same holds as within one."""

from __future__ import annotations

import asyncio

import pytest

from gateway.core.reasons import Reason, UpstreamFailed
from gateway.core.request import Action
from gateway.core.revocation_target import FeedKind
from gateway.core.route import Capability
from tests.data.harness import APP, EVERY, Rig, policy, request, rule, running
from tests.data.scripted_store import Scripted, xml

MINE = policy(rule("mine", "reports/mine/**"), rule("read theirs", "reports/read/**", may=[Action.READ, Action.LIST]))
COPIED = (
    "<CopyObjectResult><ETag>&quot;e&quot;</ETag><LastModified>2026-01-01T00:00:00Z</LastModified></CopyObjectResult>"
)


async def test_the_source_of_a_copy_is_a_read() -> None:
    """A write grant is no read grant: the source is decided on by the very name that is sent."""
    async with running(MINE, trusted=APP) as app:
        app.store.always = lambda call: xml(COPIED)
        for source, status in (("reports/read/a", 200), ("reports/secret", 403), ("other/x", 403), ("none/x", 403)):
            got = await app.ask("PUT", "/reports/mine/b", {"x-amz-copy-source": f"/{source}"})
            assert status == got.status, source
        [seen] = app.store.seen
        assert "real/inside/read/a" == seen.header("x-amz-copy-source")
        for source in ("reports/read/../secret", "reports/read/%2e%2e/secret"):
            got = await app.ask("PUT", "/reports/mine/b", {"x-amz-copy-source": f"/{source}"})
            assert 400 == got.status
        assert 1 == len(app.store.seen)
        await app.ask("PUT", "/reports/mine/b", {"x-amz-copy-source": "/reports/read/%252e%252e/secret"})
        assert "real/inside/read/%252e%252e/secret" == app.store.seen[1].header("x-amz-copy-source")  # decoded once


async def test_a_copys_revoked_source_is_refused(rig: Rig) -> None:
    """By prefix, at once."""
    credentials, _ = await rig.key()
    await rig.revoke(FeedKind.PREFIX, "reports", "gone/")
    target, headers = rig.signed(credentials, "PUT", "reports/b", headers={"x-amz-copy-source": "/reports/gone/a"})
    assert 403 == (await rig.ask("PUT", target, headers)).status
    assert "revoked" == (await rig.last()).reason
    assert [] == rig.store.seen


async def test_a_rules_size_holds_for_copies(app: Rig) -> None:
    """Within one store too, where the object would otherwise never come through here."""
    app.use(policy(rule("small things", max_size=10)))
    app.store.hold("inside/small", b"x" * 10)
    app.store.hold("inside/large", b"x" * 11)
    for name, status in (("small", 200), ("large", 400)):
        assert status == (await app.ask("PUT", "/reports/b", {"x-amz-copy-source": f"/reports/{name}"})).status
    assert b"x" * 10 == app.store.stored("inside/b")


@pytest.mark.parametrize("source", ["reports", "far"])
async def test_a_version_is_copied_only_where_there_are_versions(app: Rig, source: str) -> None:
    """A store without them would copy the object of today; "null" is that very object, by another name."""
    app.use(policy(capabilities=EVERY - {Capability.VERSIONS}))
    got = await app.ask("PUT", "/reports/b", {"x-amz-copy-source": f"/{source}/a?versionId=v1"})
    assert (501, []) == (got.status, app.store.seen)
    app.store.script(xml(COPIED))
    await app.ask("PUT", "/reports/b", {"x-amz-copy-source": f"/{source}/a?versionId=null"})
    [first, *_] = app.store.seen
    assert ("real/inside/a" if source == "reports" else None, ()) == (
        first.header("x-amz-copy-source"),
        first.call.query,
    )


async def test_a_copy_says_what_became_of_it(app: Rig) -> None:
    """With our document; a store's error inside a 200 is an error."""
    app.store.script(xml(COPIED), xml("<Error><Code>InternalError</Code></Error>"))
    got = await app.ask("PUT", "/reports/b", {"x-amz-copy-source": "/reports/a"})
    assert (200, True) == (got.status, b"&quot;e&quot;" in got.body or b'"e"' in got.body)
    assert 500 <= (await app.ask("PUT", "/reports/b", {"x-amz-copy-source": "/reports/a"})).status


FAR = {"x-amz-copy-source": "/far/a"}


def far(app: Rig, body: bytes = b"bytes", **headers: str) -> None:
    """Put the source into the other store."""
    app.store.hold("a", body, "real-far", last_modified="Fri, 02 Jan 2026 03:04:05 GMT", **headers)


async def test_a_copy_between_stores_keeps_what_describes_the_object(app: Rig) -> None:
    """Bytes, type, metadata and cache rules are the source's; what the request says of them is not asked for."""
    far(app, content_type="text/x", cache_control="no-cache", x_amz_meta_colour="red", x_amz_storage_class="COLD")
    got = await app.ask("PUT", "/reports/b", FAR | {"Content-Type": "text/other", "x-amz-meta-colour": "blue"})
    assert (200, b"bytes") == (got.status, app.store.stored("inside/b"))
    [seen] = app.store.calls("PUT")
    assert {"content-type": "text/x", "cache-control": "no-cache", "x-amz-meta-colour": "red"} == dict(
        seen.call.headers
    )
    assert b"<CopyObjectResult" in got.body
    assert app.store.objects["real", "inside/b"][1]["etag"].strip('"').encode() in got.body


async def test_a_copy_between_stores_takes_what_replaces(app: Rig) -> None:
    """With REPLACE nothing of the source's description is left; the storage class is always the request's."""
    far(app, content_type="text/x", x_amz_meta_colour="red")
    asked = {"x-amz-metadata-directive": "REPLACE", "x-amz-meta-size": "9", "x-amz-storage-class": "COLD"}
    assert 200 == (await app.ask("PUT", "/reports/b", FAR | asked)).status
    [seen] = app.store.calls("PUT")
    described = {"x-amz-meta-size": "9", "x-amz-storage-class": "COLD"}
    assert described | {"content-type": "binary/octet-stream"} == dict(seen.call.headers)


async def test_both_sides_of_a_copy_between_stores_are_decided_on() -> None:
    """Without the read, and without the write, no store hears of it."""
    for given in (rule("one side", "reports/**"), rule("other side", "far/**")):
        async with running(policy(given), trusted=APP) as app:
            far(app)
            assert 403 == (await app.ask("PUT", "/reports/b", FAR)).status
            assert [] == app.store.seen


@pytest.mark.parametrize(
    ("name", "value", "status"),
    [
        ("if-match", '"nothing"', 412),
        ("if-none-match", "*", 412),
        ("if-modified-since", "Fri, 02 Jan 2026 03:04:05 GMT", 412),
        ("if-unmodified-since", "Thu, 01 Jan 2026 00:00:00 GMT", 412),
        ("if-modified-since", "Thu, 01 Jan 2026 00:00:00 GMT", 200),
        ("if-match", "*", 200),
    ],
)
async def test_conditions_hold_on_stores_that_know_none(name: str, value: str, status: int) -> None:
    """They are held against the very answer whose bytes would be copied."""
    async with running(policy(capabilities=EVERY - {Capability.CONDITIONAL_READS}), trusted=APP) as app:
        far(app)
        assert status == (await app.ask("PUT", "/reports/b", FAR | {f"x-amz-copy-source-{name}": value})).status
        assert (status == 200) == (app.store.stored("inside/b") is not None)


PART = "/reports/b?partNumber=2&uploadId=u"


@pytest.mark.parametrize("capabilities", [EVERY, EVERY - {Capability.RANGES}])
async def test_a_part_is_copied_from_the_middle(capabilities: frozenset[Capability]) -> None:
    """Also out of a store that would send everything: no byte before or after the range goes on."""
    async with running(policy(capabilities=capabilities), trusted=APP) as app:
        body = bytes(range(256)) * 1024
        far(app, body)
        got = await app.ask("PUT", PART, FAR | {"x-amz-copy-source-range": "bytes=70000-140000"})
        assert (200, True) == (got.status, b"<CopyPartResult" in got.body)
        [seen] = app.store.calls("PUT")
        assert (body[70000:140001], ()) == (seen.body, seen.call.headers)
        assert (("partNumber", "2"), ("uploadId", "u")) == seen.call.query


@pytest.mark.parametrize("capabilities", [EVERY, EVERY - {Capability.RANGES}])
async def test_a_range_past_the_end_of_the_source_is_refused(capabilities: frozenset[Capability]) -> None:
    """And is not cut down to what there is, as a reader's would be."""
    async with running(policy(capabilities=capabilities), trusted=APP) as app:
        far(app)
        got = await app.ask("PUT", PART, FAR | {"x-amz-copy-source-range": "bytes=0-5"})
        assert (416, []) == (got.status, app.store.calls("PUT"))


@pytest.mark.parametrize("source", ["/far/a", "/reports/a"])
@pytest.mark.parametrize("text", ["bytes=0-", "bytes=-5", "0-2", "bytes=3-1", "bytes=0-1,3-4", "bytes=a-b"])
async def test_a_range_of_another_form_is_refused(app: Rig, source: str, text: str) -> None:
    """For every copy, before any store hears of it."""
    got = await app.ask("PUT", PART, {"x-amz-copy-source": source, "x-amz-copy-source-range": text})
    assert (400, True, []) == (got.status, b"InvalidArgument" in got.body, app.store.seen)


async def test_a_store_that_copies_no_parts_is_helped() -> None:
    """The bytes go through here instead."""
    async with running(policy(capabilities=EVERY - {Capability.COPY_PART}), trusted=APP) as app:
        app.store.hold("inside/a", b"bytes")
        assert 200 == (await app.ask("PUT", PART, {"x-amz-copy-source": "/reports/a"})).status
        assert b"bytes" == app.store.calls("PUT")[0].body


async def test_a_large_object_is_copied_in_parts() -> None:
    """Above what the store takes at once, without the client knowing."""
    async with running(policy(single_put_limit=4), trusted=APP) as app:
        far(app, content_type="text/x")
        assert 200 == (await app.ask("PUT", "/reports/b", FAR)).status
        [seen] = app.store.calls("PUT")
        assert (None, b"bytes") == (seen.call.body_length, app.store.stored("inside/b"))


async def test_a_source_that_breaks_off_leaves_no_copy(app: Rig) -> None:
    """The store was promised a length and never sees a whole request."""
    broke = UpstreamFailed(Reason.UPSTREAM_BROKE, "cut")
    app.store.script(Scripted(200, {"etag": "e"}, [b"by", broke], length=5))
    assert 502 == (await app.ask("PUT", "/reports/b", FAR)).status
    assert (False, None) == (app.store.calls("PUT")[0].whole, app.store.stored("inside/b"))
    assert 0 == app.store.open_now


async def test_a_missing_source_is_told(app: Rig) -> None:
    """In S3's words and ours, not the store's."""
    got = await app.ask("PUT", "/reports/b", FAR)
    assert (404, True, False) == (got.status, b"NoSuchKey" in got.body, b"secret words" in got.body)


async def test_tags_are_copied_or_the_copy_is_refused() -> None:
    """A store without tags refuses a tagged source unless the request replaces them."""
    tagged = xml("<Tagging><TagSet><Tag><Key>a b</Key><Value>1&amp;2</Value></Tag></TagSet></Tagging>")
    for capabilities, more, status in (
        (EVERY, {}, 200),
        (EVERY - {Capability.TAGGING}, {}, 501),
        (EVERY - {Capability.TAGGING}, {"x-amz-tagging-directive": "REPLACE"}, 200),
    ):
        async with running(policy(capabilities=capabilities), trusted=APP) as app:
            far(app, x_amz_tagging_count="1")
            app.store.always = lambda call: tagged if ("tagging", "") in call.query else None
            assert status == (await app.ask("PUT", "/reports/b", FAR | more)).status
            tags = [seen.header("x-amz-tagging") for seen in app.store.calls("PUT")]
            assert tags == ([] if status == 501 else [None] if more else ["a+b=1%262"])


async def test_copied_bytes_are_counted_on_both_sides(app: Rig) -> None:
    """One record with the bytes that were written; out of one backend and into the other."""
    far(app)
    await app.ask("PUT", "/reports/b", FAR)
    assert ("lab", 5) == ((await app.last()).backend, (await app.last()).bytes_in)
    assert 5 == app.metric("gateway_bytes_total", direction="in", backend="lab")
    assert 5 == app.metric("gateway_bytes_total", direction="out", backend="away")


@pytest.mark.parametrize(
    ("kind", "name", "prefix"),
    [(FeedKind.PREFIX, "far", ""), (FeedKind.PREFIX, "reports", "b"), (FeedKind.BACKEND, "away", "")],
)
async def test_a_revocation_of_either_end_ends_a_running_copy(rig: Rig, kind: FeedKind, name: str, prefix: str) -> None:
    """The client is refused, the store never sees a whole object."""
    credentials, _ = await rig.key()
    far(rig)
    stuck, asked = asyncio.Event(), asyncio.Event()
    source = Scripted(200, {"etag": "e"}, [b"by", stuck, b"tes"], length=5)

    def answer(call):
        if call.method == "PUT":
            asked.set()
        return source if call.method == "GET" else None

    rig.store.always = answer
    target, headers = rig.signed(credentials, "PUT", "reports/b", headers=FAR)
    async with rig.client() as client:
        await client.send(request("PUT", target, headers))
        async with asyncio.timeout(5):
            await asked.wait()
        await rig.revoke(kind, name, prefix)
        got = await client.answer("PUT")
        assert (403, True) == (got.status, got.whole)
    record = await rig.last()
    assert ("refused", "revoked") == (record.outcome, record.reason)
    assert (None, 0) == (rig.store.stored("inside/b"), rig.store.open_now)


async def test_a_store_that_keeps_old_metadata_is_not_asked_to_replace_it(app: Rig) -> None:
    """Such a copy goes through here, where nothing of the source's description is left; others stay in the store."""
    app.use(policy(capabilities=EVERY - {Capability.COPY_REPLACES}))
    app.store.hold("inside/a", b"bytes", x_amz_meta_colour="red")
    source = {"x-amz-copy-source": "/reports/a"}
    assert (
        200
        == (
            await app.ask("PUT", "/reports/b", source | {"x-amz-metadata-directive": "REPLACE", "Content-Type": "a/b"})
        ).status
    )
    [seen] = app.store.calls("PUT")
    assert ({"content-type": "a/b"}, b"bytes") == (dict(seen.call.headers), app.store.stored("inside/b"))
    app.store.script(xml(COPIED))
    assert 200 == (await app.ask("PUT", "/reports/c", source)).status
    assert "real/inside/a" == app.store.calls("PUT")[-1].header("x-amz-copy-source")
