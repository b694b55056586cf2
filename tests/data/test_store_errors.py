"""A store's "no", in our words and names."""

from __future__ import annotations

import json
import re
from functools import partial

import pytest

from gateway.backends import multipart_upload
from gateway.backends.multipart_upload import upload_call
from gateway.core.request import Action
from gateway.core.route import UpstreamCall
from gateway.wire.s3.multipart import CompletedPart, complete_document
from tests.data.harness import APP, Rig, running
from tests.data.parts_store import PartsStore
from tests.data.scripted_store import Scripted, xml
from tests.data.uploading import BODY, PART, WRITE, created, patch

SECRET = "<Error><Code>{}</Code><Message>the key AKIASECRET of real/inside</Message><HostId>store7</HostId></Error>"
S3 = [
    (404, "NoSuchKey", 404, "NoSuchKey"),
    (404, "NoSuchBucket", 502, "BadGateway"),  # a fault of our settings, not of the caller's request
    (403, "SignatureDoesNotMatch", 502, "BadGateway"),
    (403, "InvalidAccessKeyId", 502, "BadGateway"),
    (301, "PermanentRedirect", 502, "BadGateway"),
    (416, "InvalidRange", 416, "InvalidRange"),
    (503, "SlowDown", 503, "SlowDown"),
    (503, "SlowDownRead", 503, "SlowDown"),
    (503, "XServerNotInitialized", 503, "ServiceUnavailable"),
    (429, "TooManyRequests", 503, "SlowDown"),
    (429, "", 503, "SlowDown"),
    (498, "Ratelimited", 503, "SlowDown"),
    (400, "Throttling", 503, "SlowDown"),
    (400, "KeyTooLong", 400, "KeyTooLongError"),
    (403, "QuotaExceeded", 502, "BadGateway"),
    (500, "InternalError", 500, "InternalError"),
    (418, "Teapot", 502, "BadGateway"),
]


@pytest.mark.parametrize(("status", "code", "told", "named"), S3)
async def test_an_s3_client_hears_what_is_about_its_request(
    app: Rig, status: int, code: str, told: int, named: str
) -> None:
    """The rest is about us, and answered 502; never a word of the store's."""
    app.store.script(xml(SECRET.format(code), status))
    got = await app.ask("GET", "/reports/a")
    assert (told, True) == (got.status, f"<Code>{named}</Code>" in got.text)
    assert all(word not in got.text for word in ("AKIASECRET", "real", "inside", "store7"))


async def test_the_log_says_what_a_store_refused_with(app: Rig) -> None:
    """Its status and code, as for a link; nothing where it did not refuse."""
    app.store.script(xml(SECRET.format("QuotaExceeded"), 403))
    await app.ask("PUT", "/reports/a", body=b"x")
    await app.ask("PUT", "/reports/a", body=b"x")
    assert ["the store answered 403 QuotaExceeded", ""] == app.details


@pytest.mark.parametrize(("status", "told"), [(404, 404), (403, 502), (429, 503), (500, 502), (503, 502), (307, 502)])
async def test_a_link_hears_a_reason(rig: Rig, status: int, told: int) -> None:
    """In problem documents."""
    rig.store.script(xml(SECRET.format("" if status != 404 else "NoSuchKey"), status))
    got = await rig.fetch(await rig.link())
    assert told == got.status
    assert json.loads(got.body)["reason"] in {"object_gone", "upstream_refused", "upstream_unreachable", "overloaded"}
    assert (told == 503) is (got.header("retry-after") is not None)


@pytest.mark.parametrize(("told", "passed_on"), [("7", "7"), ("86400", "60"), ("soon", "1"), (None, "1")])
async def test_the_wait_that_a_store_asks_for_is_passed_on(rig: Rig, told: str | None, passed_on: str) -> None:
    """Bounded, on both faces, for reads, listings and the steps of uploads; without one it is a second."""
    busy = Scripted(503, {} if told is None else {"retry-after": told}, [SECRET.format("SlowDown").encode()])
    folder = await rig.link(None, prefix="in/", actions=[Action.LIST, Action.READ, Action.WRITE])
    create = {"Tus-Resumable": "1.0.0", "Upload-Length": "5", "Upload-Metadata": "filename YQ=="}
    rig.store.always = lambda call: Scripted(404) if call.method == "HEAD" else busy
    answers = [
        await rig.fetch(await rig.link()),
        await rig.ask("GET", f"/s/{folder}/"),
        await rig.ask("PUT", f"/s/{folder}/a", {"Content-Length": "1"}, b"a"),
        await rig.ask("POST", f"/s/{folder}", create),
    ]
    async with running(trusted=APP) as app:
        app.store.always = lambda call: busy
        answers += [await app.ask("GET", "/reports/a"), await app.ask("HEAD", "/reports/a")]
        answers += [await app.ask("GET", "/reports?list-type=2")]
    assert [(503, passed_on)] * len(answers) == [(got.status, got.header("retry-after")) for got in answers]


@pytest.mark.parametrize("status", [404, 412, 500])
async def test_nobody_else_is_told_to_wait(app: Rig, status: int) -> None:
    """What is no matter of coming again carries no wait, whatever the store says."""
    app.store.script(Scripted(status, {"retry-after": "7"}))
    assert None is (await app.ask("GET", "/reports/a")).header("retry-after")


async def test_head_is_judged_by_its_status(app: Rig) -> None:
    """There is no document to read."""
    app.store.script(Scripted(404), Scripted(403))
    assert [404, 502] == [(await app.ask("HEAD", "/reports/a")).status for _ in range(2)]


async def test_a_huge_error_document_is_not_read(app: Rig) -> None:
    """64 KiB are enough for any error."""
    app.store.script(Scripted(500, {}, [b"x" * 100_000]))
    assert 500 <= (await app.ask("GET", "/reports/a")).status
    assert 0 == app.store.open_now


LATE = (
    '<Error xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Code>PreconditionFailed</Code></Error>',
    '<s3:Error xmlns:s3="urn:x"><s3:Code>PreconditionFailed</s3:Code><s3:Key>inside</s3:Key></s3:Error>',
    "<Error><Message>&lt;Code&gt;NoSuchKey&lt;/Code&gt;</Message><Code>PreconditionFailed</Code></Error>",
)


@pytest.mark.parametrize("document", LATE)
@pytest.mark.usefixtures("small_parts")
async def test_a_late_refusal_is_one_refusal_on_every_path(document: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An error that a store reports with status 200 when parts are completed is read alike for an upload that is sent
    in parts, a resumable one and an app's own: as the condition that did not hold."""
    monkeypatch.setattr(multipart_upload, "PART_SIZE", PART)

    def late(call: UpstreamCall) -> Scripted | None:
        completing = call.method == "POST" and "uploadId" in dict(call.query)
        return xml(document) if completing else None

    async with running(store=PartsStore(), trusted=APP) as rig:
        rig.plane.upload_parts = partial(upload_call, rig.store)
        rig.store.always = late
        token = await rig.link(actions=WRITE)
        chunked = {"Transfer-Encoding": "chunked"}
        plain = await rig.ask("PUT", f"/s/{token}", chunked, b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY))
        resumable = await patch(rig, await created(rig, token, len(BODY)), 0, BODY)
        begun = await rig.ask("POST", "/reports/a.txt?uploads")
        [upload_id] = re.findall("<UploadId>(.*)</UploadId>", begun.text)
        parts = complete_document([CompletedPart(1, "e")])
        own = await rig.ask("POST", f"/reports/a.txt?uploadId={upload_id}", {"If-None-Match": "*"}, parts)
        told = ["object_exists", "object_exists", "<Code>PreconditionFailed</Code>"]
        said = [json.loads(plain.body)["reason"], json.loads(resumable.body)["reason"], own.text]
        assert [409, 409, 412] == [plain.status, resumable.status, own.status]
        assert [True] * 3 == [word in text for word, text in zip(told, said, strict=True)]
        assert None is rig.store.stored("inside/a.txt")
