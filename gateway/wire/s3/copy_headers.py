"""Owns what a copy says in its headers: the range of a part, the conditions on its source, what the copy keeps of it.

Refuses to own where source and copy are (`gateway.wire.parse`, `gateway.core.policy`) and how bytes get from one to
the other.

Law: a copy between two stores means what a copy within one does, so both are checked and read by the same rules.
Source: the S3 API reference, CopyObject and UploadPartCopy.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import urlencode

from gateway.core.reasons import Reason, Refused
from gateway.core.request import ObjectRequest, Operation
from gateway.wire.http.date import read_http_date
from gateway.wire.http.fields import META_PREFIX
from gateway.wire.s3.batch_delete import Tag
from gateway.wire.s3.calls import PROPERTIES

_RANGE: Final = re.compile(r"bytes=(\d{1,18})-(\d{1,18})", re.ASCII)
_CONDITION: Final = "x-amz-copy-source-if-"
_OF_THE_COPY: Final = frozenset({"if-match", "if-none-match", "x-amz-storage-class"})
_DIRECTIVES: Final = ("x-amz-metadata-directive", "x-amz-tagging-directive")


def check_copy(request: ObjectRequest) -> None:
    """Whether a copy's headers have their form.

    Raises:
        Refused: BAD_ARGUMENT for another directive than COPY or REPLACE, and for a range that is not one.
    """
    for name in _DIRECTIVES:
        if request.headers.get(name, "COPY") not in {"COPY", "REPLACE"}:
            raise Refused(Reason.BAD_ARGUMENT, f"{name} is neither COPY nor REPLACE")
    if part_range(request) is not None and request.operation is not Operation.UPLOAD_PART_COPY:
        raise Refused(Reason.BAD_ARGUMENT, "a range of the source makes a part, not an object")


def part_range(request: ObjectRequest) -> tuple[int, int] | None:
    """First and last byte that a part is copied from, None for the whole source.

    Raises:
        Refused: BAD_ARGUMENT for any form but `bytes=first-last`.
    """
    text = request.headers.get("x-amz-copy-source-range")
    if text is None:
        return None
    match = _RANGE.fullmatch(text)
    if match is None or int(match[1]) > int(match[2]):
        raise Refused(Reason.BAD_ARGUMENT, "the copied range is not written like bytes=0-1023")
    return int(match[1]), int(match[2])


def source_request(request: ObjectRequest, version: str | None) -> ObjectRequest:
    """The read that fetches a copy's source. Conditions are left to `require_conditions`, for all stores alike."""
    wanted = part_range(request)
    return replace(
        request,
        operation=Operation.GET_OBJECT,
        params={} if version is None else {"versionId": version},
        headers={} if wanted is None else {"range": f"bytes={wanted[0]}-{wanted[1]}"},
        content_length=None,
    )


def tags_request(reading: ObjectRequest) -> ObjectRequest:
    """The read of the tags that belong to the same source."""
    return replace(
        reading, operation=Operation.GET_OBJECT_TAGGING, params={**reading.params, "tagging": ""}, headers={}
    )


def require_conditions(request: ObjectRequest, found: Mapping[str, str]) -> None:
    """Hold the conditions on the source against the headers it came with, in the order of RFC 9110, 13.2.2.

    Raises:
        Refused: PRECONDITION_FAILED; BAD_ARGUMENT for a date that is none.
    """
    asked = {
        name.removeprefix(_CONDITION): value for name, value in request.headers.items() if name.startswith(_CONDITION)
    }
    etag = found.get("etag", "")
    if "match" in asked:
        met = _names(asked["match"], etag)
    else:
        met = "unmodified-since" not in asked or not _newer(found, asked["unmodified-since"], unknown=True)
    if met and "none-match" in asked:
        met = not _names(asked["none-match"], etag)
    elif met and "modified-since" in asked:
        met = _newer(found, asked["modified-since"], unknown=False)
    if not met:
        raise Refused(Reason.PRECONDITION_FAILED, "the source of a copy does not meet its conditions")


def _names(wanted: str, etag: str) -> bool:
    """Whether a list of entity tags, or `*`, names this one. Many clients leave the quotes out."""
    bare = etag.removeprefix("W/").strip('"')
    return wanted.strip() == "*" or any(
        bare == text.strip().removeprefix("W/").strip('"') for text in wanted.split(",")
    )


def _newer(found: Mapping[str, str], moment: str, *, unknown: bool) -> bool:
    try:
        asked = read_http_date(moment)
    except ValueError as fault:
        raise Refused(Reason.BAD_ARGUMENT, str(fault)) from None
    try:
        return read_http_date(found.get("last-modified", "")) > asked
    except ValueError:
        return unknown


def whole_upload(
    request: ObjectRequest, found: Mapping[str, str], length: int | None, tags: Sequence[Tag]
) -> ObjectRequest:
    """The upload that CopyObject comes to: `found` are the source's headers, `tags` its tags if they are kept."""
    given = request.headers
    replacing = given.get("x-amz-metadata-directive") == "REPLACE"
    described = given if replacing else found
    headers = {name: value for name, value in described.items() if name in PROPERTIES or name.startswith(META_PREFIX)}
    headers |= {name: given[name] for name in _OF_THE_COPY if name in given}
    if given.get("x-amz-tagging-directive") == "REPLACE":
        headers |= {name: given[name] for name in ("x-amz-tagging",) if name in given}
    elif tags:
        headers["x-amz-tagging"] = urlencode([(tag.key, tag.value) for tag in tags])
    return replace(request, operation=Operation.PUT_OBJECT, headers=headers, content_length=length)


def part_upload(request: ObjectRequest, length: int | None) -> ObjectRequest:
    """The upload that UploadPartCopy comes to."""
    return replace(request, operation=Operation.UPLOAD_PART, headers={}, content_length=length)
