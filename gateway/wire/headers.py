"""Owns what a caller is shown of a store's answer: an allow-list by name, and what a link's answer adds.

Refuses to own what a store is sent (`gateway.wire.calls`), lengths, connections, and errors (`gateway.wire.replies`).

Law: a header passes because it is named here. A value that HTTP could not carry is encoded or left out, never an
error: whoever stored an object must not be able to make it undownloadable, nor to run a script in our name.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import Final

from gateway.core.request import LinkPlace, ObjectRequest, Operation
from gateway.core.route import Answer
from gateway.wire.disposition import content_disposition
from gateway.wire.operations import RESPONSE_OVERRIDES
from gateway.wire.replies import LINK_HEADERS

__all__ = ["ANSWERED", "ANSWERED_BY_LINKS", "PASSIVE_TYPES", "response_headers"]

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
            "x-amz-checksum-crc32",
            "x-amz-checksum-crc32c",
            "x-amz-checksum-crc64nvme",
            "x-amz-checksum-sha1",
            "x-amz-checksum-sha256",
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

PASSIVE_TYPES: Final = frozenset(
    {
        "audio/aac",
        "audio/flac",
        "audio/mp4",
        "audio/mpeg",
        "audio/ogg",
        "audio/wav",
        "audio/webm",
        "image/avif",
        "image/bmp",
        "image/gif",
        "image/jpeg",
        "image/png",
        "image/webp",
        "text/plain",
        "video/mp4",
        "video/ogg",
        "video/quicktime",
        "video/webm",
    }
)
"""Types that a browser may show in place. PDF is not among them: its viewer does not run inside the sandbox."""

_SANDBOX: Final = ("Content-Security-Policy", "default-src 'none'; sandbox")
# A browser's own player fetches the same address again, and styles itself.
_PLAYER: Final = (
    "Content-Security-Policy",
    "default-src 'none'; img-src 'self'; media-src 'self'; style-src 'unsafe-inline'; sandbox",
)
_NOSNIFF: Final = ("X-Content-Type-Options", "nosniff")
_META_NAME: Final = re.compile(r"x-amz-meta-[!#$%&'*+.^_`|~0-9a-z-]+", re.ASCII)
_UNPRINTABLE: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
_TYPE: Final = re.compile(r"[!#$&^_.+0-9A-Za-z-]+/[!#$&^_.+0-9A-Za-z-]+(?:\s*;.*)?", re.ASCII)
_ACTIVE: Final = re.compile(r"html|xml|svg|javascript|ecmascript|pdf", re.IGNORECASE)


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
    if request.operation in {Operation.GET_OBJECT, Operation.HEAD_OBJECT} and answer.status < 300:
        for parameter, name in RESPONSE_OVERRIDES.items():
            if parameter in request.params:
                shown[name] = _UNPRINTABLE.sub("", request.params[parameter])
    headers = [(ANSWERED.get(name, name), value) for name, value in shown.items()]
    if _ACTIVE.search(shown.get("content-type", "")):
        # A document opened straight from a presigned URL shares this origin with every link's page.
        headers.append(("Content-Security-Policy", "sandbox"))
    return [*headers, _NOSNIFF]


def _for_link(answer: Answer, request: ObjectRequest, filename: str, content_type: str | None) -> list[tuple[str, str]]:
    shown = {}
    for name, value in answer.headers.items():
        if name in ANSWERED_BY_LINKS and _printable(value):
            shown[ANSWERED[name]] = value
    if answer.status not in {206, 416}:
        shown.pop("Content-Range", None)
    inline = False
    if answer.status in {200, 206}:
        shown["Content-Type"], passive = _typed(content_type or shown.get("Content-Type", ""))
        inline = passive and not _forced(request)
        shown["Content-Disposition"] = content_disposition("inline" if inline else "attachment", filename)
    return [*shown.items(), *LINK_HEADERS, _PLAYER if inline else _SANDBOX]


def _forced(request: ObjectRequest) -> bool:
    return request.params.get("download", "0") not in {"0", "false"}


@lru_cache(256)
def _typed(stored: str) -> tuple[str, bool]:
    """The type as it may be written, and whether a browser may show what it says in place."""
    written = stored if _TYPE.fullmatch(stored) else "application/octet-stream"
    return written, written.partition(";")[0].strip().lower() in PASSIVE_TYPES


def _last_part(request: ObjectRequest, key: str) -> str:
    path = request.place.path if isinstance(request.place, LinkPlace) else None
    return path or key


def _printable(value: str) -> bool:
    return value.isprintable() or _UNPRINTABLE.search(value) is None


def _shown(name: str, value: str) -> str | None:
    """The value as it may be written, or None if the header is not for callers."""
    meta = name not in ANSWERED
    if meta and _META_NAME.fullmatch(name) is None:
        return None
    if _printable(value):
        return value
    if not meta:
        return None
    # As S3 itself returns metadata that a header cannot carry: RFC 2047, base64 form.
    return f"=?UTF-8?B?{b64encode(value.encode('utf-8', 'surrogatepass')).decode()}?="
