"""Owns the operations whose answers are documents: listings, multipart bookkeeping, batches, tags.

Refuses to own XML itself (`gateway.wire`) and copies (`gateway.data.s3.copy`).

Laws: every document is read, renamed and written anew, so that a caller sees our bucket and key names and never the
store's; every key of a batch goes through the one authorisation function before a store is asked; a document from a
caller is bounded, checked against what was signed, and rebuilt.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from functools import partial
from typing import Final
from urllib.parse import quote

from gateway.core.reasons import Reason, Refused
from gateway.core.request import Action, BucketPlace, ObjectRequest, Operation
from gateway.core.route import Capability, UpstreamCall, ask_etag
from gateway.data.body import confirmed, read_plain
from gateway.data.call import S3Call
from gateway.data.plane import DataPlane, Snapshot
from gateway.data.s3.keepalive import KeepAliveReply, answer_or_keep_alive
from gateway.data.state.transfers import Allowed, Permit
from gateway.data.steps.authorise import authorise
from gateway.data.store_errors import check_answer
from gateway.data.turns import feed_in_turns, give_way, in_turns, store_document
from gateway.wire.replies import Reply, xml_reply
from gateway.wire.s3 import batch_delete, documents, listing, multipart
from gateway.wire.s3.calls import require_own_name, require_version, upstream_call
from gateway.wire.s3.response_headers import response_headers
from gateway.wire.s3.xml import Node

Handler = Callable[[DataPlane, Snapshot, S3Call, Permit], Awaitable[Reply | KeepAliveReply]]


async def _ask(
    plane: DataPlane, call: S3Call, permit: Permit, store_call: UpstreamCall, body: bytes | None = None
) -> Reply | documents.Document:
    """One exchange with a store whose answer is a bounded document, which may still turn out to be an error."""
    # What changes what is stored is sent once the store listens and the change is still allowed.
    sent = None if body is None else partial(confirmed, plane, permit, body)
    async with plane.upstream.open(store_call, sent) as answer:
        refused = await check_answer(answer, call, permit)
        if refused is not None:
            return refused
        found = await store_document(answer.body)
    code = documents.store_fault(found)
    return call.error_reply(500, code, permit) if code is not None else found


async def _read_document(plane: DataPlane, call: S3Call, permit: Permit, root: str) -> Node:
    """A caller's document with this root, read as it comes, with every check that its headers and signature ask for."""
    request = call.request
    if call.request.operation is Operation.COMPLETE_MULTIPART_UPLOAD:
        # Its x-amz-checksum-* are about the object that is being completed, not about this document.
        kept = {name: value for name, value in request.headers.items() if not name.startswith("x-amz-checksum-")}
        request = replace(request, headers=kept)
    reader = documents.request_reader(root)
    size = 0
    async for chunk in read_plain(plane, request, permit, call.verified):
        if not isinstance(chunk, bytes):
            continue
        size += len(chunk)
        if size > documents.MAX_REQUEST_DOCUMENT:
            raise Refused(Reason.TOO_LARGE, f"the document is above {documents.MAX_REQUEST_DOCUMENT} bytes")
        await feed_in_turns(reader, chunk)
    return reader.finish()


def _rewrite(write: Callable[[documents.Document, S3Call, Permit], bytes]) -> Handler:
    """What answers with the store's document, written anew."""

    async def answer(plane: DataPlane, snapshot: Snapshot, call: S3Call, permit: Permit) -> Reply:
        found = await _ask(plane, call, permit, upstream_call(permit.route, call.request))
        return found if isinstance(found, Reply) else xml_reply(write(found, call, permit), permit.exchange.request_id)

    return answer


async def _list(plane: DataPlane, snapshot: Snapshot, call: S3Call, permit: Permit) -> Reply:
    request, attempt = call.request, call.attempt
    found = await _ask(plane, call, permit, upstream_call(permit.route, request))
    if isinstance(found, Reply):
        return found
    await give_way()
    page = listing.read_listing(found)
    await give_way()
    renamed, _ = listing.rename(page, permit.route.bucket.prefix, attempt.key)
    await give_way()
    written = listing.listing_document(request.operation, attempt.bucket, request.params, renamed)
    return xml_reply(written, permit.exchange.request_id)


def _write_parts(found: documents.Document, call: S3Call, permit: Permit) -> bytes:
    attempt = call.attempt
    return multipart.parts_document(attempt.bucket, attempt.key, call.request.params, multipart.read_parts(found))


def _write_initiated(found: documents.Document, call: S3Call, permit: Permit) -> bytes:
    return multipart.initiated_document(call.attempt.bucket, call.attempt.key, multipart.read_initiated(found))


def _write_tags(found: documents.Document, call: S3Call, permit: Permit) -> bytes:
    return batch_delete.tags_document(batch_delete.read_store_tags(found))


async def _complete_upload(
    plane: DataPlane, snapshot: Snapshot, call: S3Call, permit: Permit
) -> Reply | KeepAliveReply:
    parts = multipart.read_complete(await _read_document(plane, call, permit, "CompleteMultipartUpload"))
    return await answer_or_keep_alive(_finish_upload(plane, snapshot, call, permit, parts), permit)


async def _finish_upload(
    plane: DataPlane, snapshot: Snapshot, call: S3Call, permit: Permit, parts: Sequence[multipart.CompletedPart]
) -> Reply:
    body = multipart.complete_document(parts)
    only_new, capabilities = call.only_new(permit), permit.route.backend.capabilities
    conditional = Capability.CONDITIONAL_COMPLETE in capabilities
    store_call = upstream_call(permit.route, call.request, body=body, only_new=only_new and conditional)
    if call.credentials is not None and permit.largest_object is not None:
        refused = await _require_fitting(plane, call, permit, store_call, parts, permit.largest_object)
        if refused is not None:
            return refused
    async with AsyncExitStack() as held:
        if only_new and conditional:
            held.enter_context(plane.names.reserve(store_call))
        elif only_new:
            await held.enter_async_context(plane.names.reserve_absent(plane.upstream, store_call))
        found = await _ask(plane, call, permit, store_call, body)
    if isinstance(found, Reply):
        return found
    permit.consumed = True
    bucket, key = call.attempt.bucket, call.attempt.key
    location = f"{snapshot.public_url}/{bucket}/{quote(key)}"
    etag = multipart.read_completed(found) or await ask_etag(plane.upstream, store_call)
    document = multipart.completed_document(location, bucket, key, etag)
    return xml_reply(document, permit.exchange.request_id)


async def _require_fitting(  # noqa: PLR0917 (what is completed, and how large it may be)
    plane: DataPlane,
    call: S3Call,
    permit: Permit,
    store_call: UpstreamCall,
    parts: Sequence[multipart.CompletedPart],
    largest: int,
) -> Reply | None:
    """Look how large the parts are together; a part that is another by now is none of them. A Reply is an error.

    Raises:
        Refused: TOO_LARGE; BAD_ARGUMENT for a part that is not there.
        UpstreamFailed: the store's list of parts cannot be read.
    """
    held: dict[tuple[int, str], int] = {}
    place = multipart.Destination(store_call.backend, store_call.bucket, store_call.key)
    marker, upload = "", call.request.params.get("uploadId", "")
    for _ in range(multipart.MAX_PARTS):
        found = await _ask(plane, call, permit, multipart.parts_call(place, upload, marker))
        if isinstance(found, Reply):
            return found
        page = multipart.read_parts(found)
        held |= {(part.number, part.etag): part.size for part in page.parts}
        marker = page.next_marker
        if not marker:
            break
    sizes = [held.get((part.number, documents.quoted(part.etag))) for part in parts]
    if None in sizes:
        raise Refused(Reason.BAD_ARGUMENT, "a part is not there, or is another one by now")
    if sum(size or 0 for size in sizes) > largest:
        raise Refused(Reason.TOO_LARGE, f"the parts are above the allowed {largest} bytes")
    return None


async def _delete_batch(plane: DataPlane, snapshot: Snapshot, call: S3Call, permit: Permit) -> Reply | KeepAliveReply:
    """Delete what may be deleted; every other key gets its own AccessDenied, as S3 does."""
    asked = batch_delete.read_delete(await _read_document(plane, call, permit, "Delete"))
    refused: list[batch_delete.DeleteOutcome] = []
    allowed: list[batch_delete.Doomed] = []
    touched: list[Allowed] = []
    async for doomed in in_turns(asked.objects):  # a thousand decisions
        try:
            attempt = call.attempt.touching(Action.DELETE, call.attempt.bucket, doomed.key, doomed.version_id)
            route = authorise(plane, permit.grant, attempt)
            require_own_name(route)
            version = require_version(permit.route.backend.capabilities, doomed.version_id)
        except Refused as no:
            refused.append(batch_delete.DeleteOutcome.refused(doomed, no.reason))
        else:
            allowed.append(replace(doomed, version_id=version))
            touched.append(Allowed(attempt, route))
    permit.further = tuple(touched)
    return await answer_or_keep_alive(_delete_allowed(plane, call, permit, allowed, refused, quiet=asked.quiet), permit)


async def _delete_allowed(
    plane: DataPlane,
    call: S3Call,
    permit: Permit,
    allowed: list[batch_delete.Doomed],
    refused: list[batch_delete.DeleteOutcome],
    *,
    quiet: bool,
) -> Reply:
    carried = [doomed for doomed in allowed if documents.xml_carries(doomed.key)]
    outcomes: list[batch_delete.DeleteOutcome] = []
    if carried:
        prefix = permit.route.bucket.prefix
        body = batch_delete.delete_document(carried, prefix)
        found = await _ask(plane, call, permit, upstream_call(permit.route, call.request, body=body), body)
        if isinstance(found, Reply):
            return found
        outcomes = batch_delete.read_deleted(found, prefix)
    outcomes += [
        await _delete_alone(plane, call, permit, doomed) for doomed in allowed if not documents.xml_carries(doomed.key)
    ]
    permit.consumed = True
    document = batch_delete.deleted_document([*outcomes, *refused], quiet=quiet)
    return xml_reply(document, permit.exchange.request_id)


async def _delete_alone(
    plane: DataPlane, call: S3Call, permit: Permit, doomed: batch_delete.Doomed
) -> batch_delete.DeleteOutcome:
    """Delete an allowed object whose name no store would read in a document: by its address."""
    params = {} if doomed.version_id is None else {"versionId": doomed.version_id}
    request = ObjectRequest(
        raw=call.request.raw,
        operation=Operation.DELETE_OBJECT,
        place=BucketPlace(call.attempt.bucket, doomed.key),
        params=params,
    )
    await plane.renewals.confirm(permit)
    async with plane.upstream.open(upstream_call(permit.route.at(doomed.key), request)) as answer:
        if answer.status >= 300 and answer.status != 404:
            return batch_delete.DeleteOutcome.failed(doomed)
        marked = answer.headers.get("x-amz-delete-marker") == "true"
        return batch_delete.DeleteOutcome(
            key=doomed.key,
            version_id=doomed.version_id,
            delete_marker=marked,
            delete_marker_version_id=answer.headers.get("x-amz-version-id") if marked else None,
        )


async def _put_tags(plane: DataPlane, snapshot: Snapshot, call: S3Call, permit: Permit) -> Reply:
    body = batch_delete.tags_document(batch_delete.read_tags(await _read_document(plane, call, permit, "Tagging")))
    found = await _ask(plane, call, permit, upstream_call(permit.route, call.request, body=body), body)
    return found if isinstance(found, Reply) else xml_reply(b"", permit.exchange.request_id)


async def _get_attributes(plane: DataPlane, snapshot: Snapshot, call: S3Call, permit: Permit) -> Reply:
    async with plane.upstream.open(upstream_call(permit.route, call.request)) as answer:
        refused = await check_answer(answer, call, permit)
        if refused is not None:
            return refused
        found = await store_document(answer.body)
    document = documents.attributes_document(documents.read_attributes(found))
    shown = response_headers(answer, call.request, link=False)
    kept = tuple(pair for pair in shown if pair[0].lower() in {"last-modified", "x-amz-version-id"})
    return xml_reply(document, permit.exchange.request_id, *kept)


DOCUMENTS: Final[dict[Operation, Handler]] = {
    Operation.LIST_OBJECTS: _list,
    Operation.LIST_OBJECTS_V2: _list,
    Operation.LIST_OBJECT_VERSIONS: _list,
    Operation.LIST_MULTIPART_UPLOADS: _list,
    Operation.LIST_PARTS: _rewrite(_write_parts),
    Operation.CREATE_MULTIPART_UPLOAD: _rewrite(_write_initiated),
    Operation.COMPLETE_MULTIPART_UPLOAD: _complete_upload,
    Operation.DELETE_OBJECTS: _delete_batch,
    Operation.GET_OBJECT_TAGGING: _rewrite(_write_tags),
    Operation.PUT_OBJECT_TAGGING: _put_tags,
    Operation.GET_OBJECT_ATTRIBUTES: _get_attributes,
}
"""Every operation whose answer is a document, and how it is made."""
