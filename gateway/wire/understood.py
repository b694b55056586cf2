"""Owns the headers, and the fields of forms, that change what a request means: one of them that is not implemented
refuses the request, before anything is stored.

Refuses to own what is offered: `gateway.wire.s3.request_headers` keeps S3's headers and refuses every other `x-amz-*`,
and `gateway.wire.links.tus` reads an upload's.

Law: a piece of a file is never taken for the whole, nor a condition for none. What HTTP itself lets a recipient ignore
is ignored: Range, If-Modified-Since, Expect, Prefer, Trailer, Upgrade, TE, and the digests that are offered for
checking (RFC 9110, 13.1.3, 14.2, 10.1.1, 6.5, 7.8; RFC 7240; RFC 9530, 2); of WebDAV, what belongs to methods that are
refused (RFC 4918, 10).
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from typing import Final

from gateway.core.reasons import Reason, Refused
from gateway.core.request import Operation, RawRequest, UploadStep

_READS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_METHODS: Final = ("x-http-method", "x-http-method-override", "x-method-override")
_PIECE: Final = frozenset({"upload-ahead", "upload-checksum", "upload-concat", "upload-defer-length", "upload-offset"})
"""A step of an upload protocol, in a request that is not one of its steps."""

_STEP: Final = frozenset(
    {
        "upload-checksum",
        "upload-concat",
        "upload-defer-length",
        "upload-draft-interop-version",
        "upload-expires",
        "upload-key",
        "upload-length",
        "upload-metadata",
        "upload-offset",
    }
)
"""What a step may say of its upload."""

_DRAFT_STEP: Final = frozenset(
    {
        "upload-complete",
        "upload-defer-length",
        "upload-draft-interop-version",
        "upload-incomplete",
        "upload-length",
        "upload-metadata",
        "upload-offset",
    }
)
"""What a step of the IETF's draft may say: its own fields, and those of tus by which a client of both describes a
file."""

_UNFINISHED: Final = frozenset({("upload-complete", "?0"), ("upload-incomplete", "?1")})
"""Of the IETF's drafts of resumable uploads: more is to come."""

_ELSEWHERE: Final = frozenset(
    {
        *("x-copy-from", "x-goog-copy-source", "x-ms-copy-source"),
        *("x-object-manifest", "x-static-large-object", "x-symlink-target"),
        *("x-delete-after", "x-delete-at"),
        *("x-goog-if-generation-match", "x-goog-if-metageneration-match"),
    }
)
"""Of other protocols for the same stores: a PUT whose bytes are elsewhere, or that was to end, or to be conditional."""

_CONDITIONS: Final = frozenset({"if", "if-match", "if-none-match", "if-unmodified-since"})
_O = Operation
_BOTH: Final = frozenset({"if-match", "if-none-match"})
_OFFERED: Final[Mapping[Operation, frozenset[str]]] = {
    _O.PUT_OBJECT: _BOTH,
    _O.POST_OBJECT: _BOTH,
    _O.COPY_OBJECT: _BOTH,
    _O.COMPLETE_MULTIPART_UPLOAD: _BOTH,
    _O.DELETE_OBJECT: frozenset({"if-match"}),
}
_PIECE_NUMBERS: Final = frozenset(
    {
        *("chunk", "chunkindex", "chunknumber", "dzchunkindex", "flowchunknumber"),
        *("qqpartindex", "resumablechunknumber"),
    }
)
_PIECE_COUNTS: Final = frozenset(
    {
        *("chunkcount", "chunks", "dztotalchunkcount", "flowtotalchunks", "qqtotalparts", "resumabletotalchunks"),
        *("totalchunk", "totalchunks"),
    }
)
"""How uploaders for pages say which piece a body is, and of how many, without capitals, dashes and underscores:
Bootstrap File Input, Dropzone, Fine Uploader, Flow.js, Plupload, Resumable.js, simple-uploader.js, Syncfusion's, and
many that were made for one page."""

_PIECE_TEXTS: Final = frozenset({"chunkmetadata", "metadata"})
_IN_TEXTS: Final = {"index": "chunkindex", "totalcount": "totalchunks"}
"""DevExtreme's and Kendo's uploaders say so in one field, as JSON; the former by names that mean nothing elsewhere."""

_ONE: Final = frozenset({"", "0", "1"})
_CONTENT_RANGE: Final = re.compile(r"bytes 0-(\d{1,18})/(\d{1,18})", re.ASCII | re.IGNORECASE)


def require_understood(raw: RawRequest, operation: Operation, *, step: UploadStep | None = None) -> None:
    """`step`: the request is one of an upload protocol, whose own headers were read elsewhere.

    Raises:
        Refused: HEADER_NOT_OFFERED.
    """
    for name in _METHODS:
        meant = raw.header(name)
        if meant is not None and meant.upper() != raw.method and not (step is not None and _stands_in(raw, name)):
            raise _not_offered(name)
    if raw.method in _READS:
        return
    offered = frozenset() if step is not None else _OFFERED.get(operation, frozenset())
    for name, value in raw.headers:
        if (name in _CONDITIONS and name not in offered) or name in _ELSEWHERE:
            raise _not_offered(name)
        if (name, value) in _UNFINISHED and (step is None or not step.draft):
            raise _not_offered(name)
        if name == "content-range" and not _is_whole(raw, value):
            raise _not_offered(name)
        if name.startswith("upload-"):
            _require_known(raw, name, value, step=step)
        if step is not None and name == "content-encoding" and value.strip().lower() != "identity":
            raise _not_offered(name)


def require_whole(said: Iterable[tuple[str, str]]) -> None:
    """`said` is what stands beside a file, in its form's fields or in its address.

    Raises:
        Refused: PIECE_OF_FILE.
    """
    values = {_plain(name): value for name, value in said}
    for name in _PIECE_TEXTS & values.keys():
        values |= {_IN_TEXTS.get(inner, inner): value for inner, value in _members(values[name])}
    several = any(values[name].strip() not in _ONE for name in _PIECE_COUNTS & values.keys())
    if several and not _PIECE_NUMBERS.isdisjoint(values):
        raise Refused(Reason.PIECE_OF_FILE, "what is sent says that it is one piece of a file")


def _plain(name: str) -> str:
    return name.lower().replace("-", "").replace("_", "")


def _members(text: str) -> list[tuple[str, str]]:
    """What a JSON object says; nothing where it is none."""
    try:
        read = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return [(_plain(name), str(value)) for name, value in read.items()] if isinstance(read, dict) else []


def _stands_in(raw: RawRequest, name: str) -> bool:
    """Whether it is the one header by which an upload protocol's POST stands for another method."""
    return raw.method == "POST" and name == "x-http-method-override"


def _require_known(raw: RawRequest, name: str, value: str, *, step: UploadStep | None) -> None:
    if step is not None and step.draft:
        known = name in _DRAFT_STEP
    elif step is not None:
        known = name in _STEP or (name == "upload-ahead" and step.ahead)
        known = known or (name, value) in {("upload-complete", "?1"), ("upload-incomplete", "?0")}
    else:
        known = name not in _PIECE and (name != "upload-length" or value == raw.header("content-length"))
    if not known:
        raise _not_offered(name)


def _is_whole(raw: RawRequest, value: str) -> bool:
    """Whether a `Content-Range` says of the body that it is all (RFC 9110, 14.5: any other is refused)."""
    found = _CONTENT_RANGE.fullmatch(value.strip())
    return found is not None and int(found[1]) + 1 == int(found[2]) and found[2] == raw.header("content-length")


def _not_offered(name: str) -> Refused:
    return Refused(Reason.HEADER_NOT_OFFERED, f"the header {name} asks for something that is not offered here")
