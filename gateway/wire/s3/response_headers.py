"""Owns which headers of a store's answer a caller gets: an allow-list by name, and what a link's answer adds.

Refuses to own what a store is sent (`gateway.wire.s3.calls`), lengths, connections, errors (`gateway.wire.replies`),
and which types are harmless (`gateway.wire.http.media`).

Laws: a header passes because it is named here. A value that HTTP could not carry is encoded or left out, never an
error: an uploader must not be able to make an object undownloadable, nor to run a script in our origin. What one
caller was let read is nothing for a shared cache, which would give it to others, and for longer than it may be read;
but what the object itself says of caches is said to callers as it was stored.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.core.request import LinkPlace, ObjectRequest, Operation
from gateway.core.route import Answer
from gateway.wire.http.disposition import content_disposition
from gateway.wire.http.fields import META_NAME, UNPRINTABLE
from gateway.wire.http.media import OCTETS, SHOWN_TYPES, read_type, sandbox_of
from gateway.wire.links.visitor import reads_index
from gateway.wire.replies import LINK_HEADERS
from gateway.wire.s3.digests import repr_digest, wants_digest
from gateway.wire.s3.operations import RESPONSE_OVERRIDES
from gateway.wire.sig.checksums import CHECKSUM_SIZES

ANSWERED: Final[Mapping[str, str]] = MappingProxyType(
    {
        name.lower(): name
        for name in (
            "Accept-Ranges",
            "Cache-Control",
            "Content-Disposition",
            "Content-Encoding",
            "Content-Language",
            "Content-Range",
            "Content-Type",
            "ETag",
            "Expires",
            "Last-Modified",
            *CHECKSUM_SIZES,
            "x-amz-checksum-type",
            "x-amz-copy-source-version-id",
            "x-amz-delete-marker",
            "x-amz-missing-meta",
            "x-amz-mp-parts-count",
            "x-amz-object-size",
            "x-amz-restore",
            "x-amz-storage-class",
            "x-amz-tagging-count",
            "x-amz-version-id",
        )
    }
)
"""Shown on S3 paths, beside `x-amz-meta-*`: the name as received, and as written."""

ANSWERED_BY_LINKS: Final = frozenset(
    {
        "accept-ranges",
        "content-encoding",
        "content-language",
        "content-range",
        "content-type",
        "etag",
        "last-modified",
    }
)

_NOSNIFF: Final = ("X-Content-Type-Options", "nosniff")
_VARY: Final = ("Vary", "Authorization")
"""Some caches keep what was let in by a signature, too, and give it to whoever asks without one (nginx; of objects that
say `public`, all may: RFC 9111, 3.5)."""
_READS: Final = frozenset({Operation.GET_OBJECT, Operation.HEAD_OBJECT})
_WITH_OBJECT: Final = frozenset({200, 206})


def response_headers(
    answer: Answer,
    request: ObjectRequest,
    *,
    grant_filename: str | None = None,
    grant_content_type: str | None = None,
    link: bool,
    key: str = "",
) -> list[tuple[str, str]]:
    """The headers of a relayed answer, without Content-Length, which the relay takes from the framing it keeps.

    `key` is the object's name, for the file name of a link that has none of its own.
    """
    if link:
        return _for_link(answer, request, grant_filename or _last_part(request, key), grant_content_type)
    shown = {name: text for name, value in answer.headers.items() if (text := _shown(name, value)) is not None}
    if answer.status not in {206, 416}:
        shown.pop("content-range", None)
    guards = [_NOSNIFF]
    reading = request.operation in _READS and answer.status < 300
    if reading or answer.status == 304:
        guards.append(_VARY)
    if reading:
        if request.auth.query:
            shown.setdefault("cache-control", "private")
        for parameter, name in RESPONSE_OVERRIDES.items():
            if parameter in request.params:
                shown[name] = UNPRINTABLE.sub("", request.params[parameter])
    if reading or "content-type" in shown:
        # A document opened straight from a presigned URL shares this origin with every link's page.
        kind = read_type(shown.get("content-type", OCTETS))
        shown["content-type"] = kind.written
        guards.append(("Content-Security-Policy", sandbox_of(kind.essence)))
    if reading and wants_digest(request.raw.header("want-repr-digest")):
        guards += _digest(answer)
    return [*((ANSWERED.get(name, name), value) for name, value in shown.items()), *guards]


def _for_link(answer: Answer, request: ObjectRequest, filename: str, content_type: str | None) -> list[tuple[str, str]]:
    shown = {}
    for name, value in answer.headers.items():
        if name in ANSWERED_BY_LINKS and _printable(value):
            shown[ANSWERED[name]] = value
    if answer.status not in {206, 416}:
        shown.pop("Content-Range", None)
    kind = read_type(content_type or shown.pop("Content-Type", OCTETS))
    digest = _digest(answer)
    if answer.status in _WITH_OBJECT:
        inline = kind.essence in SHOWN_TYPES and not asks_download(request)
        shown["Content-Type"] = kind.shown if inline else kind.written
        way = "inline" if inline else "attachment"
        shown["Content-Disposition"] = way if _goes_by_address(request) else content_disposition(way, filename)
    return [*shown.items(), *digest, *LINK_HEADERS, ("Content-Security-Policy", sandbox_of(kind.essence))]


def _digest(answer: Answer) -> list[tuple[str, str]]:
    if answer.status not in _WITH_OBJECT:
        return []
    return [*repr_digest(answer.headers, partial=answer.status == 206)]


def asks_download(request: ObjectRequest) -> bool:
    """Whether a link's address itself says that the file is to be saved."""
    return request.params.get("download", "0") not in {"0", "false"}


def _goes_by_address(request: ObjectRequest) -> bool:
    """Whether a file of a folder is fetched by a program that knows it by its address, and that another name, or one
    without the folders before it, would make look for another file (rclone)."""
    below = isinstance(request.place, LinkPlace) and request.place.path
    return bool(below) and reads_index(request.raw)


def _last_part(request: ObjectRequest, key: str) -> str:
    path = request.place.path if isinstance(request.place, LinkPlace) else None
    return path or key


def _printable(value: str) -> bool:
    return value.isprintable() or UNPRINTABLE.search(value) is None


def _shown(name: str, value: str) -> str | None:
    """The value as it may be written, or None if the header is not for callers."""
    meta = name not in ANSWERED
    if meta and META_NAME.fullmatch(name) is None:
        return None
    if _printable(value):
        return value
    if not meta:
        return None
    # As S3 itself returns metadata that a header cannot carry: RFC 2047, base64 form.
    return f"=?UTF-8?B?{b64encode(value.encode('utf-8', 'surrogatepass')).decode()}?="
