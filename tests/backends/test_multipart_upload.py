"""Uploads in parts: complete and right, or aborted."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.backends import multipart_upload
from gateway.backends.multipart_upload import upload, upload_call
from gateway.core.reasons import Reason, Refused, UpstreamFailed
from gateway.core.route import Answer, Backend, Capability, UploadBody, UpstreamCall
from gateway.wire.s3 import multipart
from gateway.wire.s3.multipart import PART_SIZE, Destination
from tests.backends.test_upstream import opened, spec_of
from tests.data.scripted_store import ScriptedStore, xml
from tests.servers.store import RunningStore

MIB = 1024**2
PLACE = Destination("b", "bkt", "k")


async def chunks(*pieces: bytes, error: BaseException | None = None) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece
    if error is not None:
        raise error


class Body:
    def __init__(self, content: bytes) -> None:
        self.content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.content

    async def read(self, limit: int) -> bytes:
        return self.content


async def _sent(body: UploadBody | None) -> bytes:
    if callable(body):
        return await body()
    return body or b"" if isinstance(body, bytes | None) else b"".join([chunk async for chunk in body])


class MemoryUpstream:
    """A store that keeps everything in memory, and fails where a test tells it to."""

    completed = b"<CompleteMultipartUploadResult><ETag>&quot;whole&quot;</ETag></CompleteMultipartUploadResult>"

    def __init__(self, fails: str = "", status: int = 500, body: bytes = b"") -> None:
        self.fails = fails
        self.status = status
        self.body = body
        self.steps: list[str] = []
        self.parts: dict[int, bytes] = {}
        self.object: bytes | None = None

    @asynccontextmanager
    async def open(self, call: UpstreamCall, body: UploadBody | None = None) -> AsyncIterator[Answer]:
        query = dict(call.query)
        content = await _sent(body)
        assert call.body_length is None or call.body_length == len(content)
        posted = "complete" if "uploadId" in query else "create"
        step = {"POST": posted, "DELETE": "abort", "PUT": "put", "HEAD": "look"}[call.method]
        if "partNumber" in query:
            step = f"part {query['partNumber']}"
        self.steps.append(step)
        if step == self.fails:
            yield Answer(self.status, {}, len(self.body), Body(self.body))
            return
        headers, xml = {}, b""
        if step == "create":
            assert len([name for name, _ in call.headers if name == "content-type"]) == 1, "the type is the document's"
            xml = b"<InitiateMultipartUploadResult><UploadId>a&amp;b</UploadId></InitiateMultipartUploadResult>"
        elif step == "complete":
            assert query["uploadId"] == "a&b"
            assert [int(n) for n in self.parts] == list(range(1, len(self.parts) + 1))
            self.object = b"".join(self.parts.values())
            xml = self.completed
        elif step == "look":
            yield (
                Answer(404, {}, 0, Body(b"")) if self.object is None else Answer(200, {"etag": '"seen"'}, 0, Body(b""))
            )
            return
        elif step == "put":
            self.object, headers = content, {"etag": '"one"'}
        elif step.startswith("part"):
            self.parts[int(query["partNumber"])] = content
            headers = {"etag": f'"{query["partNumber"]}"'}
        yield Answer(200, headers, len(xml), Body(xml))

    def presign(self, call: UpstreamCall, expires_in: int) -> str:
        raise NotImplementedError


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart_upload, "PART_SIZE", 10)
    monkeypatch.setattr(multipart_upload, "_STREAMED_PART", 10)
    monkeypatch.setattr(multipart, "_MIB", 1)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("size", [0, 1, 9, 10, 11, 20, 25, 100])
@pytest.mark.parametrize("step", [1, 3, 10, 37])
async def test_what_is_uploaded_is_what_was_given(small_parts: None, known: bool, size: int, step: int) -> None:
    """Any length in any chunks, declared or not, becomes the same object, in one PUT or in equal parts."""
    content = bytes(range(size))
    store = MemoryUpstream()
    pieces = [content[start : start + step] for start in range(0, size, step)]
    done = await upload(store, PLACE, chunks(*pieces, b""), length=size if known else None)
    assert content == store.object
    if size <= 10:
        assert (["put"], '"one"') == (store.steps, done.headers["etag"])
    else:
        assert ('"whole"', -(-size // 10)) == (done.headers["etag"], len(store.parts))
        assert {10} == {len(part) for part in list(store.parts.values())[:-1]}


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("size", [4, 5, 9, 12])
async def test_no_request_has_more_than_a_store_takes_at_once(small_parts: None, known: bool, size: int) -> None:
    """What is more goes up in parts that are not; what is not goes up whole."""
    store, content = MemoryUpstream(), bytes(range(size))
    await upload(store, PLACE, chunks(content), length=size if known else None, at_once=4)
    assert content == store.object
    assert all(len(part) <= 4 for part in store.parts.values())
    assert (["put"] == store.steps) == (size <= 4)


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("given", [0, 5, 15, 24, 25])
async def test_a_source_that_fails_is_never_completed(small_parts: None, known: bool, given: int) -> None:
    """A source that raises, even after its last byte, leaves no object and no parts."""
    store = MemoryUpstream()
    error = Refused(Reason.BAD_DIGEST)
    with pytest.raises(Refused) as refused:
        await upload(store, PLACE, chunks(b"x" * given, error=error), length=25 if known else None)
    assert refused.value is error
    assert None is store.object
    assert "complete" not in store.steps
    assert ("create" in store.steps) == ("abort" in store.steps)


@pytest.mark.parametrize("given", [26, 40])
async def test_a_longer_source_than_declared_is_refused(small_parts: None, given: int) -> None:
    """Bytes beyond the declared length end the upload instead of being dropped."""
    store = MemoryUpstream()
    with pytest.raises(Refused) as refused:
        await upload(store, PLACE, chunks(b"x" * given), length=25)
    assert Reason.INCOMPLETE_BODY is refused.value.reason
    assert "abort" == store.steps[-1]


@pytest.mark.parametrize("fails", ["create", "part 1", "part 3", "complete"])
async def test_a_refusing_store_ends_the_upload(small_parts: None, fails: str) -> None:
    """Each step is tried once; its refusal is the answer, and the parts are thrown away."""
    document = b'<Error xmlns="urn:x"><Code>SlowDown</Code></Error>'
    store = MemoryUpstream(fails, 503, document)
    answer = await upload(store, PLACE, chunks(b"x" * 25))
    assert (503, document) == (answer.status, await answer.body.read(MIB))
    assert 1 == store.steps.count(fails)
    assert ("abort" in store.steps) is (fails != "create")
    assert None is store.object


@pytest.mark.parametrize(
    "document",
    [
        b"<?xml version='1.0'?>\n<Error><Code>InternalError</Code></Error>",
        b'<Error xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Code>InternalError</Code></Error>',
        b'  <a:Error xmlns:a="urn:x"><a:Code>InternalError</a:Code></a:Error>',
    ],
)
@pytest.mark.parametrize("fails", ["create", "part 2", "complete", "put"])
async def test_a_success_with_an_error_inside_is_an_error(small_parts: None, document: bytes, fails: str) -> None:
    """S3 may answer any step with 200 and the failure in the body, in whatever namespace."""
    store = MemoryUpstream(fails, 200, document)
    answer = await upload(store, PLACE, chunks(b"x" * (5 if fails == "put" else 25)))
    assert (500, document) == (answer.status, await answer.body.read(MIB))
    assert ("abort" == store.steps[-1]) is (fails not in {"create", "put"})


@pytest.mark.parametrize("condition", [("if-none-match", "*"), ("if-match", '"a"')])
async def test_a_failed_condition_is_told_as_such(small_parts: None, condition: tuple[str, str]) -> None:
    """412 on the step that makes the object appear, in parts or at once."""
    for fails, size in (("complete", 25), ("put", 5)):
        store = MemoryUpstream(fails, 412)
        assert 412 == (await upload(store, PLACE, chunks(b"x" * size), conditions=(condition,))).status


@pytest.mark.parametrize("body", [b"", b"<html>busy</html>", b"<CompleteMultipartUploadResult/>"])
async def test_a_completion_that_says_nothing_is_no_success(small_parts: None, body: bytes) -> None:
    """Without an ETag, and without an object that has one, nobody knows that there is one."""
    store = MemoryUpstream("complete", 200, body)
    with pytest.raises(UpstreamFailed) as failed:
        await upload(store, PLACE, chunks(b"x" * 25))
    assert Reason.UPSTREAM_BROKE is failed.value.reason
    assert "abort" == store.steps[-1]


async def test_a_store_that_leaves_out_the_etag_is_asked_for_it(small_parts: None) -> None:
    """So does Ceph: the object is there, and its uploader is told so. Who says it is not asked."""
    store = MemoryUpstream()
    store.completed = b"<CompleteMultipartUploadResult><ETag></ETag></CompleteMultipartUploadResult>"
    done = await upload(store, PLACE, chunks(b"x" * 25))
    assert (200, '"seen"') == (done.status, done.headers["etag"])
    assert "abort" not in store.steps
    told = MemoryUpstream()
    await upload(told, PLACE, chunks(b"x" * 25))
    assert "look" not in told.steps


async def test_cancelling_aborts_the_upload(small_parts: None) -> None:
    """A cancelled upload still throws its parts away."""
    store = MemoryUpstream()
    reached = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b"x" * 15
        yield b"x" * 15
        reached.set()
        await asyncio.Event().wait()

    user = asyncio.get_running_loop().create_task(upload(store, PLACE, endless()))
    await reached.wait()
    user.cancel()
    with pytest.raises(asyncio.CancelledError):
        await user
    assert "abort" == store.steps[-1]


@pytest.mark.e2e
@pytest.mark.parametrize("known", [True, False])
async def test_a_real_store_puts_the_parts_together(
    seaweedfs: RunningStore, known: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Twenty megabytes in parts come back whole, with their headers, and a condition holds at completion."""
    monkeypatch.setattr(multipart_upload, "_STREAMED_PART", PART_SIZE)
    bucket = seaweedfs.make_bucket()
    piece = hashlib.sha256(b"seed").digest() * (MIB // 32)
    place = Destination("b", bucket, "in parts")
    options: dict[str, Any] = {"length": 20 * MIB if known else None, "headers": (("content-type", "a/b"),)}
    async with opened(spec_of(seaweedfs)) as upstream:
        done = await upload(upstream, place, chunks(*[piece] * 20), **options)
        again = await upload(
            upstream, place, chunks(*[b"y" * MIB] * 20), conditions=(("if-none-match", "*"),), **options
        )
    found = seaweedfs.client().get_object(Bucket=bucket, Key="in parts")
    assert (piece * 20, "a/b") == (found["Body"].read(), found["ContentType"])
    assert (200, found["ETag"], 412) == (done.status, done.headers["etag"], again.status)
    assert found["ETag"].endswith('-3"')
    assert not seaweedfs.client().list_multipart_uploads(Bucket=bucket).get("Uploads")


async def test_a_part_is_kept_in_few_pieces() -> None:
    """A body of unknown length that trickles in takes no more memory than its bytes."""
    source = multipart_upload._Source(chunks(*[b"x"] * 200_000), None)
    kept = await source.keep(150_000)
    assert (150_000, True) == (kept.size, len(kept.chunks) < 5)
    assert b"x" * 150_000 == b"".join([chunk async for chunk in kept.replay()])


async def test_parts_heed_conditions_where_the_object_appears() -> None:
    """Not at the beginning, where they would say nothing about the end; other headers describe the object."""
    store = ScriptedStore()
    store.script(
        xml("<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"),
    )

    def answered(call: UpstreamCall) -> Any:
        query = dict(call.query)
        if "partNumber" in query:
            answer = xml("")
            answer.headers["etag"] = '"p"'
            return answer
        if "uploadId" in query:
            return xml("<CompleteMultipartUploadResult><ETag>&quot;e-2&quot;</ETag></CompleteMultipartUploadResult>")
        return None

    store.always = answered
    headers = (("content-type", "text/plain"), ("if-none-match", "*"))
    call = UpstreamCall(backend="b", method="PUT", bucket="r", key="k", headers=headers)
    body = chunks(*(b"x" * 1024**2 for _ in range(9)))
    asked: list[int] = []

    async def confirm() -> None:
        asked.append(len(store.seen))

    answer = await upload_call(store, call, body, None, Backend("b", frozenset(Capability)), confirm)
    assert [1, 2, 4] == asked, "before each part, and when the store listens for the completion"
    assert (200, '"e-2"') == (answer.status, answer.headers["etag"])
    begun, *parts, completed = store.seen
    assert (("text/plain", None), (None, "*")) == (
        (begun.header("content-type"), begun.header("if-none-match")),
        (parts[0].header("content-type"), completed.header("if-none-match")),
    )
    assert 9 * 1024**2 == sum(len(part.body) for part in parts)
