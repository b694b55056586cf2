"""Documents: every key decided on by itself, every name ours."""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from hashlib import md5

import pytest

from gateway.core.reasons import Reason, UpstreamFailed
from gateway.core.request import Action
from gateway.core.revocation_target import FeedKind
from gateway.core.route import Capability, Route
from gateway.data import body as bodies
from gateway.wire.s3 import listing
from tests.data.harness import APP, EVERY, Rig, deny, policy, request, rule, running
from tests.data.scripted_store import Scripted, xml
from tests.waiting import until

MINE = policy(rule("mine", "reports/mine/**"), rule("read theirs", "reports/read/**", may=[Action.READ, Action.LIST]))


def batch(*keys: str, quiet: bool = False) -> bytes:
    rows = "".join(f"<Object><Key>{key}</Key></Object>" for key in keys)
    return f"<Delete>{rows}<Quiet>{str(quiet).lower()}</Quiet></Delete>".encode()


async def delete(app: Rig, body: bytes):
    return await app.ask("POST", "/reports?delete", {"Content-MD5": _md5(body)}, body)


def _md5(body: bytes) -> str:
    return b64encode(md5(body).digest()).decode()


async def test_every_key_of_a_batch_is_decided_on() -> None:
    """What may be deleted is; each other key gets its own refusal, and no store hears of it."""
    async with running(MINE, trusted=APP) as app:
        app.store.always = lambda call: xml("<DeleteResult><Deleted><Key>inside/mine/a</Key></Deleted></DeleteResult>")
        got = await delete(app, batch("mine/a", "theirs/b", "mine/../theirs/c", "minefield"))
        assert 200 == got.status
        assert b"<Deleted><Key>mine/a</Key></Deleted>" in got.body
        assert 3 == got.body.count(b"<Error>")
        [seen] = app.store.seen
        assert b"<Key>inside/mine/a</Key>" in seen.body
        assert b"theirs" not in seen.body
        assert b"minefield" not in seen.body


@pytest.mark.parametrize("written", ["&#x1;", "&#1;", "\x01"])
async def test_a_key_that_no_document_carries_is_deleted_by_its_address(app: Rig, written: str) -> None:
    """However the client wrote it; the others go together, and no other object is deleted in its stead."""
    app.store.always = lambda call: (
        xml("<DeleteResult><Deleted><Key>inside/b</Key></Deleted></DeleteResult>")
        if call.method == "POST"
        else Scripted(204)
    )
    got = await delete(
        app, f"<Delete><Object><Key>a{written}</Key></Object><Object><Key>b</Key></Object></Delete>".encode()
    )
    assert 200 == got.status
    assert [b"<Deleted><Key>b</Key>", b"<Deleted><Key>a&#x1;</Key>"] == re.findall(
        rb"<Deleted><Key>.*?</Key>", got.body
    )
    batched, alone = app.store.seen
    assert 1 == batched.body.count(b"<Object>")
    assert ("DELETE", "inside/a\x01") == (alone.call.method, alone.call.key)


async def test_a_key_that_was_not_deleted_by_its_address_is_told(app: Rig) -> None:
    """As one of a document is."""
    app.store.always = lambda call: Scripted(500)
    got = await delete(app, batch("a\x01"))
    assert (200, 1) == (got.status, got.body.count(b"<Code>InternalError</Code>"))


async def test_a_batch_of_a_thousand_long_keys_is_read(app: Rig) -> None:
    """As large as a batch can be, a megabyte of it."""
    keys = [f"{number:04}".ljust(1024, "k") for number in range(1000)]
    app.store.always = lambda call: xml("<DeleteResult/>")
    got = await delete(app, batch(*keys))
    assert 200 == got.status
    assert 1000 == app.store.seen[0].body.count(b"<Object>")


@pytest.mark.parametrize("checked", [True, False])
async def test_a_document_is_read_to_its_last_byte_where_an_object_would_go_over_lent_sockets(
    app: Rig, monkeypatch: pytest.MonkeyPatch, checked: bool
) -> None:
    """A stretch of it stands for no byte: nothing is poured, and all of the document follows in chunks."""
    stretches: list[object] = []

    class Rest(bodies._Rest):
        def begins(self) -> bool:
            if not super().begins():
                return False
            stretches.append(self)
            return True

    monkeypatch.setattr(bodies, "_Rest", Rest)
    body = batch(*(f"{number:04}".ljust(1024, "k") for number in range(1000)))
    headers = {"Content-Length": str(len(body))} | ({"Content-MD5": _md5(body)} if checked else {})
    app.store.always = lambda call: xml("<DeleteResult/>")
    async with app.client() as client:
        await client.send(request("POST", "/reports?delete", headers, body[:1000]))
        await until(lambda: bool(stretches))
        await client.send(body[1000:])
        assert 200 == (await client.answer()).status
    assert 1 == len(stretches)
    assert 1000 == app.store.seen[0].body.count(b"<Object>")
    assert len(body) == (await app.recorded(1))[0].bytes_in


@pytest.mark.parametrize("body", [b"<Delete>" + b"<a/>" * 250_000, b"<Delete><Quiet><a/>" + b" " * 1_000_000])
async def test_a_document_is_refused_at_the_first_thing_that_is_not_expected(app: Rig, body: bytes) -> None:
    """Nobody waits for the rest of it."""
    head = f"POST /reports?delete HTTP/1.1\r\nHost: gw\r\nContent-MD5: {_md5(body)}\r\nContent-Length: 2000000\r\n\r\n"
    async with app.client() as client:
        await client.send(head.encode() + body)
        assert 400 == (await client.answer()).status
    assert "malformed_xml" == (await app.recorded(1))[0].reason
    assert [] == app.store.seen


async def test_a_batch_of_refused_keys_never_reaches_a_store(app: Rig) -> None:
    """And is answered all the same."""
    app.use(policy(rule("everything"), deny("no deletes", "reports/keep/**", may=[Action.DELETE])))
    got = await delete(app, batch("keep/a", "keep/b"))
    assert (200, 2) == (got.status, got.body.count(b"<Code>AccessDenied</Code>"))
    assert [] == app.store.seen


async def test_without_the_decision_the_store_would_have_heard(app: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: deciding once for the whole batch lets a denied key through."""
    app.use(policy(rule("everything"), deny("no deletes", "reports/keep/**", may=[Action.DELETE])))
    route = policy().buckets["reports"]

    def once(plane, grant, attempt):
        return Route(rule="r", backend=plane.snapshot.policy.backends["lab"], bucket=route, key=attempt.key)

    monkeypatch.setattr("gateway.data.s3.documents.authorise", once)
    monkeypatch.setattr("gateway.data.steps.renew.reauthorise", lambda plane, grant, before, now: before.route)
    app.store.script(xml("<DeleteResult/>"))
    await delete(app, batch("keep/a"))
    assert b"keep/a" in app.store.seen[0].body


async def test_a_version_is_deleted_only_where_there_are_versions(app: Rig) -> None:
    """A store without them would delete the object of today; "null" is that very object, by another name."""
    body = b"".join(
        f"<Object><Key>{version}</Key><VersionId>{version}</VersionId></Object>".encode() for version in ("null", "v1")
    )
    app.store.always = lambda call: xml("<DeleteResult/>")
    app.use(policy(capabilities=EVERY - {Capability.VERSIONS}))
    got = await delete(app, b"<Delete>" + body + b"</Delete>")
    assert (200, 1) == (got.status, got.body.count(b"<Error><Key>v1</Key>"))
    assert b"<Object><Key>inside/null</Key></Object>" in app.store.seen[0].body
    assert b"v1" not in app.store.seen[0].body
    app.use(policy())
    await delete(app, b"<Delete>" + body + b"</Delete>")
    assert 2 == app.store.seen[1].body.count(b"<VersionId>")


async def test_a_revoked_prefix_holds_inside_a_batch(rig: Rig) -> None:
    """The view is asked for every name, not only for the request's own."""
    credentials, _ = await rig.key()
    await rig.revoke(FeedKind.PREFIX, "reports", "gone/")
    body = batch("gone/a", "kept/b")
    target, headers = rig.signed(
        credentials, "POST", "reports", query=[("delete", "")], headers={"content-md5": _md5(body)}
    )
    rig.store.script(xml("<DeleteResult/>"))
    got = await rig.ask("POST", target, headers, body)
    assert 200 == got.status
    assert b"gone" not in rig.store.seen[0].body
    assert b"kept/b" in rig.store.seen[0].body


async def test_a_batch_is_checked_like_any_body(app: Rig) -> None:
    """A wrong digest, a wrong document, or too large a one never reaches a store."""
    body = batch("a")
    wrong = {"Content-MD5": _md5(b"other")}
    assert 400 == (await app.ask("POST", "/reports?delete", wrong, body)).status
    assert 400 == (await app.ask("POST", "/reports?delete", {"Content-MD5": _md5(b"<x/>")}, b"<x/>")).status
    big = batch(*("k" * 1000 for _ in range(2100)))
    assert 400 == (await delete(app, big)).status
    assert [] == app.store.seen


async def test_no_more_of_a_document_is_read_than_it_may_have(app: Rig) -> None:
    """Memory for a caller's document is bounded, whatever it declares."""
    got = await delete(app, batch(*("k" * 1000 for _ in range(8000))))
    assert (400, True) == (got.status, (await app.last()).bytes_in < 3 * 1024**2)


async def test_a_batch_in_a_bucket_one_may_not_see_is_refused(app: Rig) -> None:
    """Before its body is read."""
    app.use(policy(rule("elsewhere", "other/**")))
    assert 403 == (await delete(app, batch("a"))).status
    assert 0 == (await app.last()).bytes_in


LISTED = (
    "<ListBucketResult><Name>real</Name><Prefix>inside/</Prefix>"
    "<Contents><Key>inside/a</Key><Size>1</Size><ETag>e</ETag></Contents>"
    "<Contents><Key>elsewhere/b</Key><Size>1</Size></Contents>"
    "<CommonPrefixes><Prefix>inside/sub/</Prefix></CommonPrefixes></ListBucketResult>"
)


async def test_a_page_of_a_thousand_is_written_in_turns(app: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """It takes milliseconds to read, to rename and to write it: whoever else is served comes in between."""
    loop, turn, seen = asyncio.get_running_loop(), [0], []

    def count() -> None:
        turn[0] += 1
        loop.call_soon(count)

    for name in ("read_listing", "rename", "listing_document"):
        work = getattr(listing, name)
        monkeypatch.setattr(listing, name, lambda *given, work=work: (seen.append(turn[0]), work(*given))[1])
    rows = "".join(f"<Contents><Key>inside/{number:04}</Key><Size>1</Size></Contents>" for number in range(1000))
    app.store.always = lambda call: xml(f"<ListBucketResult>{rows}</ListBucketResult>")
    loop.call_soon(count)
    got = await app.ask("GET", "/reports?list-type=2")
    assert (200, 1000) == (got.status, got.body.count(b"<Contents>"))
    assert 3 == len(set(seen))


@pytest.mark.parametrize("query", ["?list-type=2", "", "?list-type=2&prefix=&delimiter=/"])
async def test_listings_show_our_names(app: Rig, query: str) -> None:
    """Never the real bucket, never its prefix, never what lies outside."""
    app.store.script(xml(LISTED))
    got = await app.ask("GET", f"/reports{query}")
    assert 200 == got.status
    assert b"<Name>reports</Name>" in got.body
    assert b"<Key>a</Key>" in got.body
    assert all(word not in got.body for word in (b"real", b"inside", b"elsewhere"))
    assert ("prefix", "inside/") in app.store.seen[0].call.query


async def test_multipart_bookkeeping_shows_our_names(app: Rig) -> None:
    """Create, list parts and complete."""
    app.store.script(
        xml(
            "<InitiateMultipartUploadResult><Bucket>real</Bucket><Key>inside/a</Key><UploadId>u1</UploadId>"
            "</InitiateMultipartUploadResult>"
        ),
        xml(
            "<ListPartsResult><Bucket>real</Bucket><Key>inside/a</Key><Part><PartNumber>1</PartNumber><Size>5</Size>"
            "<ETag>e</ETag></Part></ListPartsResult>"
        ),
        xml(
            "<CompleteMultipartUploadResult><Location>http://store/real/inside/a</Location><Bucket>real</Bucket>"
            "<Key>inside/a</Key><ETag>e-1</ETag></CompleteMultipartUploadResult>"
        ),
    )
    created = await app.ask("POST", "/reports/a?uploads")
    listed = await app.ask("GET", "/reports/a?uploadId=u1")
    parts = b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>"
    completed = await app.ask("POST", "/reports/a?uploadId=u1", body=parts)
    assert b"<UploadId>u1</UploadId>" in created.body
    assert b"<Location>http://gw/reports/a</Location>" in completed.body
    for got in (created, listed, completed):
        assert 200 == got.status
        assert b"<Bucket>reports</Bucket>" in got.body
        assert b"<Key>a</Key>" in got.body
        assert b"real" not in got.body
        assert b"inside" not in got.body


async def test_a_completed_upload_has_an_etag_whatever_its_store_says(app: Rig) -> None:
    """Some leave it out, and clients fail without: the object itself is asked for it."""
    app.store.script(
        xml("<CompleteMultipartUploadResult><Key>inside/a</Key><ETag></ETag></CompleteMultipartUploadResult>"),
        Scripted(200, {"etag": '"e-1"'}),
    )
    parts = b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>"
    completed = await app.ask("POST", "/reports/a?uploadId=u1", body=parts)
    assert (200, True) == (completed.status, b'<ETag>"e-1"</ETag>' in completed.body)
    assert ("HEAD", "inside/a") == (app.store.seen[-1].call.method, app.store.seen[-1].call.key)


async def test_an_error_inside_a_200_is_an_error(app: Rig) -> None:
    """CompleteMultipartUpload says 200 first and changes its mind later."""
    app.store.script(xml("<Error><Code>InvalidPart</Code><Message>real words</Message></Error>"))
    parts = b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>e</ETag></Part></CompleteMultipartUpload>"
    got = await app.ask("POST", "/reports/a?uploadId=u1", body=parts)
    assert (400, True) == (got.status, b"<Code>InvalidPart</Code>" in got.body)
    assert b"real words" not in got.body


async def test_tags_go_both_ways(app: Rig) -> None:
    """Rebuilt, not passed on."""
    tags = "<Tagging><TagSet><Tag><Key>k</Key><Value>v</Value></Tag></TagSet></Tagging>"
    app.store.script(xml(tags), Scripted(200))
    assert b"<Key>k</Key><Value>v</Value>" in (await app.ask("GET", "/reports/a?tagging")).body
    assert 200 == (await app.ask("PUT", "/reports/a?tagging", body=tags.encode())).status
    assert b"<Value>v</Value>" in app.store.seen[1].body


async def test_attributes_come_with_their_date(app: Rig) -> None:
    """The document is ours, two headers are the store's."""
    answer = xml("<GetObjectAttributesResponse><ObjectSize>5</ObjectSize></GetObjectAttributesResponse>")
    answer.headers |= {"last-modified": "Thu, 01 Jan 2026 00:00:00 GMT", "x-amz-secret": "no"}
    app.store.script(answer)
    got = await app.ask("GET", "/reports/a?attributes", {"x-amz-object-attributes": "ObjectSize"})
    assert b"<ObjectSize>5</ObjectSize>" in got.body
    assert ("Thu, 01 Jan 2026 00:00:00 GMT", None) == (got.header("last-modified"), got.header("x-amz-secret"))


async def test_a_store_that_answers_something_else_is_a_502(app: Rig) -> None:
    """A document of another kind is nothing to guess at."""
    for answer in (xml("<html/>"), xml("not xml"), Scripted(raises=UpstreamFailed(Reason.UPSTREAM_BROKE))):
        app.store.script(answer)
        assert 502 == (await app.ask("GET", "/reports?list-type=2")).status


async def test_what_a_store_cannot_do_is_said_before_it_is_asked(app: Rig) -> None:
    """501 by its profile."""
    app.use(policy(capabilities=EVERY - {Capability.TAGGING, Capability.BATCH_DELETE}))
    assert 501 == (await app.ask("GET", "/reports/a?tagging")).status
    assert 501 == (await delete(app, batch("a"))).status
    assert [] == app.store.seen
