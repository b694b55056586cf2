"""Owns CopyObject and UploadPartCopy: by the store itself where one store has both ends, else through here.

Refuses to own what a copy's headers mean (`gateway.wire.s3.copy_headers`) and how an upload is sent
(`gateway.data.s3.send`).

Laws: the source is decided on like any read, by the name that is then asked for, and its revocation ends a copy that
runs; bytes between two stores are streamed, never stored, and the copy appears whole or not at all.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final

from gateway.core.reasons import Reason, Refused, UpstreamFailed
from gateway.core.request import Action, ObjectRequest, Operation
from gateway.core.route import Answer, Capability, Route
from gateway.data.body import hold_last, meter
from gateway.data.call import S3Call
from gateway.data.plane import DataPlane, Snapshot
from gateway.data.s3.keepalive import KeepAliveReply, answer_or_keep_alive
from gateway.data.s3.send import heeds_conditions, in_parts, require_heeded, send
from gateway.data.state.transfers import Allowed, Permit
from gateway.data.steps.authorise import authorise
from gateway.data.store_errors import check_answer
from gateway.data.turns import store_document
from gateway.wire.parse import copy_source
from gateway.wire.replies import Reply, xml_reply
from gateway.wire.s3 import copy_headers, documents
from gateway.wire.s3.batch_delete import Tag, read_store_tags
from gateway.wire.s3.calls import copy_source_header, require_kept, require_own_name, require_version, upstream_call
from gateway.wire.s3.response_headers import response_headers

_CONTENT_RANGE: Final = re.compile(r"bytes (\d{1,18})-(\d{1,18})/(?:\d{1,18}|\*)", re.ASCII)
_VERSIONS: Final = frozenset({"x-amz-version-id", "x-amz-copy-source-version-id"})

Fields = tuple[tuple[str, str], ...]


async def copy(plane: DataPlane, snapshot: Snapshot, call: S3Call, permit: Permit) -> Reply | KeepAliveReply:
    """Decide on the source and copy it.

    Raises:
        Refused: what the source's decision says, NOT_SUPPORTED_BY_BACKEND, or a condition that does not hold.
        UpstreamFailed: one of the stores is away or broken.
    """
    copy_headers.check_copy(call.request)
    place, version = copy_source(call.request.headers["x-amz-copy-source"])
    reading = call.attempt.touching(Action.READ, place.bucket, place.key, version)
    source = authorise(plane, permit.grant, reading)
    require_own_name(source)
    version = require_version(source.backend.capabilities, version)
    permit.source = Allowed(reading, source)
    within = _one_store(call.request, source, permit.route) and not _counts_bytes(permit)
    copying = _copy_within if within else _copy_between
    return await answer_or_keep_alive(copying(plane, call, permit, source, version), permit)


def _one_store(request: ObjectRequest, source: Route, target: Route) -> bool:
    """Whether the store can do it by itself. It does not know the size that a rule allows: that is counted here."""
    if source.backend.name != target.backend.name or target.max_size is not None:
        return False
    capabilities = target.backend.capabilities
    if request.operation is Operation.UPLOAD_PART_COPY:
        return Capability.COPY_PART in capabilities
    if target.key.endswith("/") and Capability.FOLDER_BODIES not in capabilities:
        return False  # whether there is anything to lose is seen on its way through here
    here = (source.bucket.real_bucket, source.real_key) == (target.bucket.real_bucket, target.real_key)
    replacing = request.headers.get("x-amz-metadata-directive") == "REPLACE"
    return here or not replacing or Capability.COPY_REPLACES in capabilities


def _counts_bytes(permit: Permit) -> bool:
    """Whether the bytes have to pass through here, where alone they are counted."""
    return permit.grant is not None and permit.grant.budget is not None


async def _copy_within(plane: DataPlane, call: S3Call, permit: Permit, source: Route, version: str | None) -> Reply:
    named = copy_source_header(source.bucket.real_bucket, source.real_key, version)
    store_call = upstream_call(permit.route, call.request, real_copy_source=named)
    await plane.renewals.confirm(permit)  # the store does the rest by itself
    async with plane.upstream.open(store_call) as answer:
        refused = await check_answer(answer, call, permit)
        if refused is not None:
            return refused
        found = await store_document(answer.body)
    fault = documents.store_fault(found)
    if fault is not None:
        return call.error_reply(500, fault, permit)
    return _write_result(call, permit, documents.read_copy(found), _versions(answer, call.request))


async def _copy_between(plane: DataPlane, call: S3Call, permit: Permit, source: Route, version: str | None) -> Reply:
    request = call.request
    asked = copy_headers.source_request(request, version)
    async with plane.upstream.open(upstream_call(source, asked)) as found:
        refused = await check_answer(found, call, permit)
        if refused is not None:
            return refused
        copy_headers.require_conditions(request, found.headers)
        length, chunks = _select(found, request)
        require_kept(permit.route, length)
        if request.operation is Operation.UPLOAD_PART_COPY:
            written = copy_headers.part_upload(request, length)
        else:
            tags = await _read_tags(plane, call, source, asked, found)
            written = copy_headers.whole_upload(request, found.headers, length, tags)
        store_call = upstream_call(permit.route, written, body_length=length or 0)
        require_heeded(store_call, heeded=heeds_conditions(permit, parts=in_parts(permit, length)))
        body = hold_last(plane, permit, _count_moved(meter(plane, permit, chunks, length), permit))
        answer = await send(plane, store_call, length, body, permit)
        refused = await check_answer(answer, call, permit)
        if refused is not None:
            return refused
        etag = documents.quoted(answer.headers.get("etag", ""))
        # When the store wrote it, it does not say to a PUT.
        return _write_result(call, permit, documents.CopyResult(etag), _versions(answer, request, found))


def _write_result(call: S3Call, permit: Permit, result: documents.CopyResult, versions: Fields) -> Reply:
    permit.consumed = True
    document = documents.copy_document(result, part=call.request.operation is Operation.UPLOAD_PART_COPY)
    return xml_reply(document, permit.exchange.request_id, *versions)


def _versions(answer: Answer, request: ObjectRequest, found: Answer | None = None) -> Fields:
    """The version that was written and, as far as it is known, the one that was read."""
    shown = [pair for pair in response_headers(answer, request, link=False) if pair[0].lower() in _VERSIONS]
    read = {} if found is None else dict(response_headers(found, request, link=False))
    if "x-amz-version-id" in read:
        shown.append(("x-amz-copy-source-version-id", read["x-amz-version-id"]))
    return tuple(shown)


def _select(found: Answer, request: ObjectRequest) -> tuple[int | None, AsyncIterator[bytes]]:
    """The bytes to copy and how many they are. A store without ranges sends all, from which they are taken.

    Raises:
        Refused: BAD_RANGE when the source ends before the range does.
        UpstreamFailed: UPSTREAM_BROKE for another range than the one that was asked for.
    """
    wanted = copy_headers.part_range(request)
    if wanted is None:
        return found.length, aiter(found.body)
    first, last = wanted
    length = last - first + 1
    if found.status == 206:
        match = _CONTENT_RANGE.fullmatch(found.headers.get("content-range", ""))
        if match is None or int(match[1]) != first:
            raise UpstreamFailed(Reason.UPSTREAM_BROKE, "the store sent another range of a copy's source")
        if int(match[2]) != last or found.length not in {None, length}:
            raise Refused(Reason.BAD_RANGE, "the source of a copy ends before the range does")
        return length, aiter(found.body)
    if found.length is not None and last >= found.length:
        raise Refused(Reason.BAD_RANGE, "the source of a copy ends before the range does")
    return length, _cut_out(found, first, last)


async def _cut_out(found: Answer, first: int, last: int) -> AsyncIterator[bytes]:
    at = 0
    async for chunk in found.body:
        piece = chunk[max(0, first - at) : last + 1 - at]
        at += len(chunk)
        if piece:
            yield piece
        if at > last:
            return


async def _count_moved(chunks: AsyncIterator[bytes], permit: Permit) -> AsyncIterator[bytes]:
    async for chunk in chunks:
        if permit.exchange.cut_reason is not None:
            raise Refused(permit.exchange.cut_reason, "cut while copying")
        permit.copied += len(chunk)
        yield chunk


async def _read_tags(
    plane: DataPlane, call: S3Call, source: Route, asked: ObjectRequest, found: Answer
) -> tuple[Tag, ...]:
    """The source's tags, if the copy keeps them and there are any."""
    replacing = call.request.headers.get("x-amz-tagging-directive") == "REPLACE"
    if replacing or found.headers.get("x-amz-tagging-count", "0") == "0":
        return ()
    reading = copy_headers.tags_request(asked)
    async with plane.upstream.open(upstream_call(source, reading)) as answer:
        if answer.status != 200:
            raise UpstreamFailed(Reason.UPSTREAM_REFUSED, f"the tags of a copy's source: {answer.status}")
        return read_store_tags(await store_document(answer.body))
