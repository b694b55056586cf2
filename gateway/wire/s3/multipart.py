"""Owns an upload in parts as S3 has it: its calls to a store, its documents in both directions, and the sizes of parts.

Refuses to own when an upload is sent in parts (`gateway.backends.multipart_upload`, `gateway.data.tus`) and what a
caller's own multipart calls may carry (`gateway.wire.s3.calls`).
"""

from __future__ import annotations

import itertools
import re
from base64 import b64encode
from collections.abc import Mapping, Sequence
from hashlib import md5
from typing import Final
from urllib.parse import quote

from gateway.core.reasons import Reason, Refused, UpstreamFailed
from gateway.core.route import UpstreamCall
from gateway.core.units import whole_number
from gateway.core.values import dataclass
from gateway.wire.s3.documents import (
    OWNER,
    Document,
    document,
    element,
    given,
    page_size,
    quoted,
    read_request,
    read_store,
)
from gateway.wire.s3.xml import Node

DEFAULT_TYPE: Final = "binary/octet-stream"
"""The type that S3 gives to an object without one. It is sent, since stores make one up otherwise: from the object's
first bytes, from its name, or from the document that completes an upload in parts."""

MAX_PARTS: Final = 10_000
"""S3's limit on the parts of one upload."""

PART_SIZE: Final = 8 * 1024**2
"""Bytes. The usual default of S3 clients, above the 5 MiB that every store demands."""

_MIB: Final = 1024**2
_PART_NUMBER: Final = re.compile(r"[1-9]\d{0,4}", re.ASCII)
_ETAG: Final = re.compile(r'"?[0-9A-Za-z+/=_.:-]{1,256}"?', re.ASCII)

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Destination:
    """A real place: backend, real bucket and real key."""

    backend: str
    bucket: str
    key: str


def part_size(number: int, *, length: int | None = None, least: int = PART_SIZE, equal: bool = False) -> int:
    """Bytes of part `number` (from 1): `least` or more.

    With a known length all parts are equal and `MAX_PARTS` are enough. With an unknown one they double after every
    thousand, which reaches 7.8 TiB, unless the store wants them `equal`.
    """
    if length is not None:
        return max(least, -(-length // (MAX_PARTS * _MIB)) * _MIB)
    return least if equal else least << (number - 1) // 1000


def create_call(place: Destination, headers: Headers = ()) -> UpstreamCall:
    """Open an upload; `headers` describe the object. The answer is for `read_initiated`."""
    if not any(name == "content-type" for name, _ in headers):
        headers = (*headers, ("content-type", DEFAULT_TYPE))
    return _call(place, "POST", (("uploads", ""),), headers, 0)


def part_call(place: Destination, upload_id: str, number: int, size: int) -> UpstreamCall:
    """Store one part of `size` bytes; its entity tag is in the answer's head."""
    return _call(place, "PUT", (("partNumber", str(number)), ("uploadId", upload_id)), (), size)


def parts_call(place: Destination, upload_id: str, marker: str = "", most: int | None = None) -> UpstreamCall:
    """Ask which parts a store holds, after those that `marker` stands for, and not more than `most`. The answer is for
    `read_parts`."""
    limit = (("max-parts", str(most)),) if most is not None else ()
    after = (("part-number-marker", marker),) if marker else ()
    return _call(place, "GET", (*limit, *after, ("uploadId", upload_id)))


def complete_call(place: Destination, upload_id: str, body: bytes, conditions: Headers = ()) -> UpstreamCall:
    """Make the parts that `complete_document` names an object. The answer is for `read_completed`."""
    digest = b64encode(md5(body, usedforsecurity=False).digest()).decode()
    headers = (*conditions, ("content-md5", digest), ("content-type", "application/xml"))
    return _call(place, "POST", (("uploadId", upload_id),), headers, len(body), slow_head=True)


def abort_call(place: Destination, upload_id: str) -> UpstreamCall:
    """Let a store throw an upload's parts away."""
    return _call(place, "DELETE", (("uploadId", upload_id),))


def _call(
    place: Destination,
    method: str,
    query: Headers,
    headers: Headers = (),
    body_length: int | None = None,
    *,
    slow_head: bool = False,
) -> UpstreamCall:
    return UpstreamCall(
        backend=place.backend,
        method=method,
        bucket=place.bucket,
        key=place.key,
        query=query,
        headers=headers,
        body_length=body_length,
        slow_head=slow_head,
    )


@dataclass(frozen=True, slots=True)
class CompletedPart:
    number: int
    etag: str


def read_complete(body: Document) -> tuple[CompletedPart, ...]:
    """The parts that CompleteMultipartUpload names, in ascending order.

    Checksums beside the entity tags are left out: no store was given them (see `gateway.wire.s3.calls`).

    Raises:
        Refused: MALFORMED_XML for another document, no parts, bad numbers or entity tags; BAD_PART_ORDER for an order
            that is not ascending; TOO_LARGE.
    """
    root = read_request(body, "CompleteMultipartUpload")
    parts = tuple(_completed_part(node) for node in root.findall("Part"))
    if not 1 <= len(parts) <= MAX_PARTS:
        raise Refused(Reason.MALFORMED_XML, "an upload has 1 to 10000 parts")
    if any(later.number <= earlier.number for earlier, later in itertools.pairwise(parts)):
        raise Refused(Reason.BAD_PART_ORDER, "the parts are not in ascending order")
    return parts


def _completed_part(node: Node) -> CompletedPart:
    number, etag = node.findtext("PartNumber", "").strip(), node.findtext("ETag", "").strip()
    if not _PART_NUMBER.fullmatch(number) or int(number) > MAX_PARTS or not _ETAG.fullmatch(etag):
        raise Refused(Reason.MALFORMED_XML, "a part has no valid number or entity tag")
    return CompletedPart(int(number), etag)


def complete_document(parts: Sequence[CompletedPart]) -> bytes:
    """The body for a store."""
    return document(
        "CompleteMultipartUpload",
        (
            element("Part", (element("PartNumber", str(part.number)), element("ETag", quoted(part.etag))))
            for part in parts
        ),
    )


def read_initiated(body: Document) -> str:
    """The upload id of a multipart upload that a store opened.

    Raises:
        UpstreamFailed: there is none.
    """
    # Without "Result" in the name it comes from stores built on one popular library.
    root = read_store(body, "InitiateMultipartUploadResult", "InitiateMultipartUpload")
    upload_id = root.findtext("UploadId", "")
    if not upload_id:
        raise UpstreamFailed(Reason.UPSTREAM_BROKE, "the store opened an upload without an id")
    return upload_id


def initiated_document(bucket: str, key: str, upload_id: str) -> bytes:
    """Our answer to CreateMultipartUpload, with our names."""
    return document(
        "InitiateMultipartUploadResult",
        (element("Bucket", bucket), element("Key", key), element("UploadId", upload_id)),
    )


def read_completed(body: Document) -> str:
    """The entity tag of a completed upload, with its quotes; "" if the store has left it out, as some do: then
    `gateway.core.route.ask_etag` does. Raises UpstreamFailed; ask `store_fault` first."""
    return quoted(read_store(body, "CompleteMultipartUploadResult").findtext("ETag", ""))


def completed_document(location: str, bucket: str, key: str, etag: str) -> bytes:
    """Our answer to CompleteMultipartUpload, with our names; `location` is the object's address here."""
    inner = (("Location", location), ("Bucket", bucket), ("Key", key), ("ETag", etag))
    return document("CompleteMultipartUploadResult", (element(name, text) for name, text in inner))


@dataclass(frozen=True, slots=True)
class Part:
    """One stored part. `size` in bytes, `modified` RFC 3339, `etag` with its quotes."""

    number: int
    size: int
    etag: str
    modified: str = ""


@dataclass(frozen=True, slots=True)
class PartsListing:
    """One page of ListParts, in ascending order. `next_marker` continues after it, "" at the end."""

    parts: tuple[Part, ...]
    next_marker: str = ""
    storage_class: str = ""


def read_parts(body: Document) -> PartsListing:
    """A store's answer to ListParts. Of a part that is listed more than once, as some stores do, the latest counts.

    Raises:
        UpstreamFailed: it is another document, or more is to come and it does not say from where.
    """
    root = read_store(body, "ListPartsResult")
    parts: dict[int, Part] = {}
    for node in root.findall("Part"):
        number = whole_number(node.findtext("PartNumber", "").strip())
        size = whole_number(node.findtext("Size", "").strip())
        if number is not None and size is not None:
            part = Part(number, size, quoted(node.findtext("ETag", "")), node.findtext("LastModified", ""))
            former = parts.get(part.number)
            if former is None or former.modified < part.modified:
                parts[part.number] = part
    shown = tuple(parts[number] for number in sorted(parts))
    marker = ""
    if root.findtext("IsTruncated", "").strip() == "true":
        marker = root.findtext("NextPartNumberMarker", "").strip() or (str(shown[-1].number) if shown else "")
        if not marker:
            raise UpstreamFailed(Reason.UPSTREAM_BROKE, "the store's parts are cut short without a part")
    return PartsListing(shown, marker, root.findtext("StorageClass", ""))


def parts_document(bucket: str, key: str, params: Mapping[str, str], listing: PartsListing) -> bytes:
    """Our answer to ListParts, with our names; `params` are the request's."""
    name = quote(key, safe="/") if params.get("encoding-type") == "url" else key
    inner = [element("Bucket", bucket), element("Key", name), element("UploadId", params.get("uploadId", ""))]
    inner += [element("Initiator", (element("ID", "gateway"), element("DisplayName", "gateway"))), OWNER]
    inner += given(("StorageClass", listing.storage_class))
    inner.append(element("PartNumberMarker", params.get("part-number-marker", "0")))
    inner += given(("NextPartNumberMarker", listing.next_marker))
    inner.append(element("MaxParts", str(page_size(params.get("max-parts")))))
    inner.append(element("IsTruncated", "true" if listing.next_marker else "false"))
    for part in listing.parts:
        members = given(("PartNumber", str(part.number)), ("LastModified", part.modified), ("ETag", part.etag))
        inner.append(element("Part", [*members, element("Size", str(part.size))]))
    return document("ListPartsResult", inner)
