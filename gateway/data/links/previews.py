"""Owns what a page needs to know of an object, and the few bytes of it that a page shows.

Refuses to own what is made of them (`gateway.pages.previews`), and the page.

Laws: a preview is of links whose uses and bytes are not counted, so that looking takes nothing (`is_free`), and by a
route that the one authorisation function gave for the bytes. A preview that cannot be had is none, and no failure of
the page. Texts are made in a thread, so that the work of one does not hold up other requests.
"""

from __future__ import annotations

import asyncio
from typing import Final

from gateway.core.grant import Grant
from gateway.core.reasons import Refused, UpstreamFailed
from gateway.core.route import Answer, Capability, Route
from gateway.core.units import whole_number
from gateway.core.values import dataclass
from gateway.data.pinned import require_pinned
from gateway.data.plane import DataPlane
from gateway.data.state.transfers import Permit
from gateway.pages.previews import READ_AT_MOST, Kind, Preview, kind_of, preview_of
from gateway.wire.http.media import OCTETS, SHOWN_TYPES, read_type
from gateway.wire.replies import store_refusal
from gateway.wire.s3.digests import whole_sha256

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


async def look_at(plane: DataPlane, grant: Grant, permit: Permit) -> Subject:
    """The object of a link, without a byte of it.

    Raises:
        Refused: OBJECT_GONE when it is not there, OBJECT_CHANGED when it is another now.
    """
    route = permit.route
    summed = Capability.CHECKSUM_HEADERS in route.backend.capabilities
    look = route.call("HEAD", (("x-amz-checksum-mode", "ENABLED"),) if summed else ())
    async with plane.upstream.open(look) as answer:
        if answer.status >= 300:
            raise store_refusal(answer.status, "", answer.headers, "HEAD")
        require_pinned(answer, permit)
        kind = read_type(grant.content_type or answer.headers.get("content-type", OCTETS))
        return Subject(
            size=whole_number(answer.headers.get("content-length", "")),
            content_type=kind.written,
            essence=kind.essence,
            etag=answer.headers.get("etag"),
            encoded=bool(answer.headers.get("content-encoding", "").removeprefix("aws-chunked")),
            sha256=(whole_sha256(answer.headers) or b"").hex(),
        )


async def preview(plane: DataPlane, route: Route, subject: Subject, name: str) -> Preview | None:
    """What is shown of an object under this name, if anything. `route` leads to its bytes."""
    kind = kind_of(subject.essence, name, _TYPES)
    if kind is None or not subject.size:
        return None
    if not kind.read_here:
        return None if kind is Kind.IMAGE and subject.size > LARGEST_PICTURE else Preview(kind)
    return None if subject.encoded else await read_text(plane, route, kind, subject.etag)


async def read_text(plane: DataPlane, route: Route, kind: Kind, etag: str | None) -> Preview | None:
    """The beginning of an object, as text; None if it has changed, or is no text. `route` leads to its bytes."""
    pinned = (("if-match", etag),) if etag else ()
    wanted = ("range", f"bytes=0-{READ_AT_MOST - 1}")
    try:
        async with plane.upstream.open(route.call("GET", (wanted, *pinned))) as answer:
            if answer.status not in {200, 206} or answer.headers.get("content-encoding"):
                return None
            data = await _begin(answer)
            whole = _ends_with(answer, len(data))
    except (Refused, UpstreamFailed):
        return None
    return await asyncio.to_thread(preview_of, kind, data, whole=whole)


async def _begin(answer: Answer) -> bytes:
    """The first bytes; a store that does not know ranges would send all of them."""
    data = b""
    async for chunk in answer.body:
        data += chunk
        if len(data) >= READ_AT_MOST:
            break
    return data[:READ_AT_MOST]


def _ends_with(answer: Answer, read: int) -> bool:
    whole = answer.whole_size
    return read < READ_AT_MOST if whole is None else read == whole
