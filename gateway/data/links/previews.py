"""Owns what a page needs to know of an object, and the few bytes of it that a page shows.

Refuses to own what is made of them (`gateway.pages.previews`), and the page.

Laws: a preview is of links whose uses and bytes are not counted, so that looking takes nothing. What is read for one
goes through the one authorisation function, as the download would; where it says no there is no preview, and the page
stands without. Texts are made in a thread, so that the work of one does not hold up other requests.
"""

from __future__ import annotations

import asyncio
from base64 import b64decode
from binascii import Error as NotBase64
from dataclasses import replace
from typing import Final

from gateway.core.attempt import Attempt
from gateway.core.grant import Grant
from gateway.core.reasons import Refused, UpstreamFailed
from gateway.core.request import Action, Operation
from gateway.core.route import Answer, Capability, Route, UpstreamCall
from gateway.core.values import dataclass
from gateway.data.call import LinkCall
from gateway.data.plane import DataPlane
from gateway.data.state.transfers import Permit
from gateway.data.steps.authorise import authorise
from gateway.data.store_errors import require_pinned
from gateway.pages.previews import READ_AT_MOST, Kind, Preview, kind_of, preview_of
from gateway.wire.http.media import OCTETS, SHOWN_TYPES, read_type
from gateway.wire.replies import store_reason

__all__ = ["LARGEST_PICTURE", "Subject", "is_free", "look_at", "preview", "read_text"]

LARGEST_PICTURE: Final = 16 * 1024**2
"""Bytes of a picture that a page loads by itself."""

_TYPES: Final = frozenset(SHOWN_TYPES)


@dataclass(frozen=True, slots=True)
class Subject:
    """What is behind a link to one object. `sha256` is the whole object's, in hexadecimal, "" if the store has none."""

    size: int | None
    content_type: str
    essence: str
    etag: str | None
    encoded: bool
    sha256: str

    @property
    def shown_in_place(self) -> bool:
        """Whether a browser shows it rather than saving it."""
        return self.essence in _TYPES


def is_free(grant: Grant) -> bool:
    """Whether looking takes nothing that is counted or has to be asked for."""
    return not (grant.counted or grant.confirm or grant.once)


async def look_at(plane: DataPlane, call: LinkCall, permit: Permit) -> Subject:
    """The object of a link, without a byte of it.

    Raises:
        Refused: OBJECT_GONE when it is not there, OBJECT_CHANGED when it is another now.
    """
    grant, route = call.grant, permit.route
    summed = Capability.CHECKSUM_HEADERS in route.backend.capabilities
    look = _store_call(route, "HEAD", (("x-amz-checksum-mode", "ENABLED"),) if summed else ())
    async with plane.upstream.open(look) as answer:
        if answer.status >= 300:
            raise Refused(store_reason(answer.status, ""), f"the store answered {answer.status} to HEAD")
        require_pinned(answer, permit)
        size = answer.headers.get("content-length", "")
        kind = read_type(grant.content_type or answer.headers.get("content-type", OCTETS))
        return Subject(
            size=int(size) if size.isdigit() else None,
            content_type=kind.written,
            essence=kind.essence,
            etag=answer.headers.get("etag"),
            encoded=bool(answer.headers.get("content-encoding", "").removeprefix("aws-chunked")),
            sha256=_sha256(answer),
        )


def _sha256(answer: Answer) -> str:
    """The digest of the whole object; what is one of its parts' digests says nothing to a person."""
    given = answer.headers.get("x-amz-checksum-sha256", "")
    if answer.headers.get("x-amz-checksum-type", "FULL_OBJECT") != "FULL_OBJECT":
        return ""
    try:
        digest = b64decode(given, validate=True)
    except (NotBase64, ValueError):
        return ""
    return digest.hex() if len(digest) == 32 else ""


async def preview(plane: DataPlane, call: LinkCall, permit: Permit, subject: Subject) -> Preview | None:
    """What the page of a link to one object shows of it, if anything."""
    if not is_free(permit.grant or call.grant):
        return None
    kind = kind_of(subject.essence, call.title, _TYPES)
    if kind is None or not subject.size:
        return None
    if not kind.read_here:
        return None if kind is Kind.IMAGE and subject.size > LARGEST_PICTURE else Preview(kind)
    return None if subject.encoded else await read_text(plane, permit, permit.attempt.key, kind, subject.etag)


async def read_text(plane: DataPlane, permit: Permit, key: str, kind: Kind, etag: str | None) -> Preview | None:
    """The beginning of an object within the link's scope, as text; None if it may not be read, or is no text."""
    attempt = _reading(permit.attempt, key)
    try:
        route = authorise(plane, permit.grant, attempt)
        pinned = (("if-match", etag),) if etag else ()
        wanted = ("range", f"bytes=0-{READ_AT_MOST - 1}")
        async with plane.upstream.open(_store_call(route, "GET", (wanted, *pinned))) as answer:
            if answer.status not in {200, 206} or answer.headers.get("content-encoding"):
                return None
            data = await _begin(answer)
            whole = _ends_with(answer, len(data))
    except (Refused, UpstreamFailed):
        return None
    return await asyncio.to_thread(preview_of, kind, data, whole=whole)


def _reading(attempt: Attempt, key: str) -> Attempt:
    """What sending the object's bytes comes to."""
    return replace(attempt.touching(Action.READ, attempt.bucket, key), operation=Operation.GET_OBJECT)


async def _begin(answer: Answer) -> bytes:
    """The first bytes; a store that does not know ranges would send all of them."""
    data = b""
    async for chunk in answer.body:
        data += chunk
        if len(data) >= READ_AT_MOST:
            break
    return data[:READ_AT_MOST]


def _ends_with(answer: Answer, read: int) -> bool:
    total = answer.headers.get("content-range", "").rpartition("/")[2] if answer.status == 206 else ""
    return read < READ_AT_MOST if not total.isdigit() else read == int(total)


def _store_call(route: Route, method: str, headers: tuple[tuple[str, str], ...]) -> UpstreamCall:
    return UpstreamCall(
        backend=route.backend.name,
        method=method,
        bucket=route.bucket.real_bucket,
        key=route.real_key,
        headers=headers,
    )
