"""What an answer may say to a call: genuine ones, and those that whoever believed them would keep nothing by."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.backends.verdict import part_fault, status_fault
from gateway.core.reasons import Reason, UpstreamFailed
from gateway.core.route import Answer, UpstreamCall
from tests.backends.fault_server import Peer, call, fault_server, reply, upstream_to

READ = UpstreamCall(backend="b", method="GET", bucket="r", key="k")
_SINCE = (("if-modified-since", "Fri, 02 Jan 2026 03:04:05 GMT"),)
_TAG = (("if-none-match", '"e"'),)


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
@pytest.mark.parametrize("status", [201, 204])
def test_what_was_done_is_done(method: str, status: int) -> None:
    """S3 says 200 and 204, and some stores 201."""
    assert None is status_fault(replace(READ, method=method), status)


@pytest.mark.parametrize("method", ["PUT", "POST", "DELETE"])
@pytest.mark.parametrize("status", [202, 203, 205, 206, 207, 208, 226, 299, 304])
def test_what_is_not_said_to_be_done_is_not_done(method: str, status: int) -> None:
    """Accepted, many statuses, a part, not modified: whoever is told so has nothing stored yet, or not all."""
    conditional = replace(READ, method=method, headers=_TAG, query=(("partNumber", "1"),))
    assert status_fault(conditional, status)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("status", [201, 202, 203, 204, 205, 206, 207, 226, 299, 304])
def test_what_was_not_asked_for_is_no_object(method: str, status: int) -> None:
    """No content is not an object without bytes, and nothing changes for who has not said what they have."""
    assert status_fault(replace(READ, method=method), status)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("headers", "query", "status"),
    [(_TAG, (), 304), (_SINCE, (), 304), ((("range", "bytes=0-3"),), (), 206), ((), (("partNumber", "1"),), 206)],
    ids=["another tag", "another time", "a range", "a part by its number"],
)
def test_what_was_asked_for_is_an_answer(
    method: str, headers: tuple[tuple[str, str], ...], query: tuple[tuple[str, str], ...], status: int
) -> None:
    """The genuine twins of what is refused."""
    assert None is status_fault(replace(READ, method=method, headers=headers, query=query), status)


@pytest.mark.parametrize("status", [300, 307, 400, 403, 404, 409, 412, 416, 500, 503])
def test_a_refusal_is_read_elsewhere(status: int) -> None:
    """It says by itself that nothing was done."""
    assert None is status_fault(replace(READ, method="PUT"), status)
    assert None is status_fault(READ, status)


@pytest.mark.parametrize(
    ("method", "status", "kept"),
    [
        ("PUT", "200 OK", True),
        ("PUT", "304 Not Modified", False),
        ("PUT", "202 Accepted", False),
        ("GET", "204 No Content", False),
    ],
)
async def test_no_answer_leaves_no_connection_in_use(method: str, status: int, kept: bool) -> None:
    """Whether it was believed or not."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(b"", f"{status}"))

    async with fault_server(serve) as seen, upstream_to(seen.port) as upstream:
        wanted = call(method, "k", 4 if method == "PUT" else None)
        if kept:
            async with upstream.open(wanted, b"body" if method == "PUT" else None) as answer:
                assert 200 == answer.status
        else:
            with pytest.raises(UpstreamFailed) as failed:
                await upstream.open(wanted, b"body" if method == "PUT" else None).__aenter__()
            assert Reason.UPSTREAM_BROKE is failed.value.reason
        assert not upstream.store(wanted.backend).busy


@pytest.mark.parametrize(
    ("query", "body", "extra", "told"),
    [
        ((), b"", "", 200),
        ((), b"<Done/>", 'etag: "e"\r\n', 200),
        ((("tagging", ""),), b"<Tagging/>", "", 200),
        ((), b"<Error><Code>InternalError</Code></Error>", 'etag: "e"\r\n', 500),
        ((), b"<Error xmlns='http://s3.amazonaws.com/doc/2006-03-01/'><Code>SlowDown</Code></Error>", "", 500),
        ((("partNumber", "1"), ("uploadId", "u")), b"<Error><Code>NoSuchUpload</Code></Error>", "", 500),
        ((), b"<html>Please sign in</html>", "", None),
        ((), b"Please sign in", "", None),
    ],
    ids=[
        "nothing",
        "a document and a tag",
        "tags",
        "an error",
        "an error in S3's space",
        "of a part",
        "a page",
        "text",
    ],
)
async def test_bytes_are_stored_when_no_body_says_otherwise(
    query: tuple[tuple[str, str], ...], body: bytes, extra: str, told: int | None
) -> None:
    """A success that holds an error is a refusal, and a page is no answer of a store."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(body, extra=extra))

    async with fault_server(serve) as seen, upstream_to(seen.port) as upstream:
        wanted = replace(call("PUT", "k", 4), query=query)
        if told is None:
            with pytest.raises(UpstreamFailed) as failed:
                await upstream.open(wanted, b"body").__aenter__()
            assert Reason.UPSTREAM_BROKE is failed.value.reason
        else:
            async with upstream.open(wanted, b"body") as answer:
                assert (told, body) == (answer.status, await answer.body.read(1000))
        assert not upstream.store(wanted.backend).busy


@pytest.mark.parametrize(
    ("asked", "told", "length"),
    [
        ("bytes=2-5", "bytes 2-5/10", 4),
        ("bytes=2-5", "bytes 2-5/10", None),
        ("bytes=2-", "bytes 2-9/10", 8),
        ("bytes=8-99", "bytes 8-9/10", 2),
        ("bytes=-3", "bytes 7-9/10", 3),
        ("bytes=-30", "bytes 0-9/10", 10),
        ("bytes=0-0", "bytes 0-0/10", 1),
        ("bytes=2-5", "bytes 2-5/*", 4),
        ("bytes=2-", "bytes 2-9/*", 8),
        ("bytes=-3", "bytes 7-9/*", 3),
        (None, "bytes 5-9/10", 5),
    ],
)
def test_the_part_that_was_asked_for_is_one(asked: str | None, told: str, length: int | None) -> None:
    """As far as the object goes. Of a part by its number nobody knows where it begins."""
    wanted = replace(READ, headers=() if asked is None else (("range", asked),))
    assert None is part_fault(wanted, Answer(206, {"content-range": told}, length))


@pytest.mark.parametrize(
    ("asked", "told", "length"),
    [
        ("bytes=2-5", "bytes 0-9/10", 10),
        ("bytes=2-5", "bytes 3-6/10", 4),
        ("bytes=2-5", "bytes 2-4/10", 3),
        ("bytes=2-5", "bytes 2-6/10", 5),
        ("bytes=2-", "bytes 2-8/10", 7),
        ("bytes=-3", "bytes 6-8/10", 3),
        ("bytes=2-5", "bytes 2-5/10", 3),
        ("bytes=2-5", "bytes 2-5/10", 10),
        ("bytes=2-5", "bytes 2-6/*", 5),
        ("bytes=2-5", "bytes 3-5/*", 3),
        ("bytes=2-5", "2-5/10", 4),
        ("bytes=2-5", "", 4),
    ],
)
def test_another_part_is_no_answer(asked: str, told: str, length: int) -> None:
    """Clients that fetch a file in parts write each to where they asked, and few look at what it says."""
    wanted = replace(READ, headers=(("range", asked),))
    assert part_fault(wanted, Answer(206, {"content-range": told} if told else {}, length))


async def test_another_part_breaks_off() -> None:
    """Before any byte of it."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(b"body", "206 Partial Content", "content-range: bytes 0-3/10\r\n"))

    async with fault_server(serve) as seen, upstream_to(seen.port) as upstream:
        wanted = replace(call("GET", "k"), headers=(("range", "bytes=4-7"),))
        with pytest.raises(UpstreamFailed) as failed:
            await upstream.open(wanted).__aenter__()
        assert Reason.UPSTREAM_BROKE is failed.value.reason
        assert not upstream.store(wanted.backend).busy


@pytest.mark.parametrize(
    ("body", "told"),
    [(b"", 200), (b"<Error><Code>AccessDenied</Code></Error>", 500), (b"<html>Please sign in</html>", None)],
    ids=["nothing", "an error", "a page"],
)
async def test_an_object_is_gone_when_no_body_says_otherwise(body: bytes, told: int | None) -> None:
    """Whoever takes a file back hears that it is gone when it is."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(body))

    async with fault_server(serve) as seen, upstream_to(seen.port) as upstream:
        if told is None:
            with pytest.raises(UpstreamFailed):
                await upstream.open(call("DELETE", "k")).__aenter__()
        else:
            async with upstream.open(call("DELETE", "k")) as answer:
                assert told == answer.status


async def test_a_copys_result_is_its_callers_to_read() -> None:
    """It is in the body, and so is what went wrong."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(b"<CopyObjectResult/>"))

    async with fault_server(serve) as seen, upstream_to(seen.port) as upstream:
        wanted = replace(call("PUT", "k", 0), headers=(("x-amz-copy-source", "/r/other"),))
        async with upstream.open(wanted) as answer:
            assert (200, b"<CopyObjectResult/>") == (answer.status, await answer.body.read(100))
