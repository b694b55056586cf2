"""Owns the body of one step of a resumable upload, on its way to the store: bounded and checked.

Refuses to own counting it, what becomes of it (`gateway.data.tus.append`), and the types that a link wants
(`gateway.data.tus.wanted`).

Laws: no more comes in than is left of the upload, whatever the body's own length says or does not say. A small body
with a checksum is here whole and checked before anybody sees it; a large one is checked on its way.
"""

from __future__ import annotations

import hashlib
import hmac
import zlib
from collections.abc import AsyncIterator

from gateway.core.reasons import Reason, Refused
from gateway.core.request import ObjectRequest, UploadStep
from gateway.core.values import dataclass
from gateway.data.state.memory_budget import Portion
from gateway.data.state.transfers import Permit
from gateway.data.tus.append import Arriving, Progress
from gateway.data.upcoming import Upcoming
from gateway.wire.links.tus_state import HEAD_BYTES
from gateway.wire.s3.multipart import PART_SIZE


@dataclass(frozen=True, slots=True)
class Incoming:
    """What a step's request brings."""

    permit: Permit
    request: ObjectRequest
    step: UploadStep
    reserve: Portion

    @property
    def declared(self) -> int | None:
        """How many bytes come, None if only their end will tell."""
        text = self.request.raw.header("content-length")
        return int(text) if text is not None else None if self.request.has_body else 0

    @property
    def buffered(self) -> int:
        """Bytes of memory for a body that is buffered until its checksum is known."""
        small = self.declared is None or self.declared <= PART_SIZE
        return PART_SIZE if small and self.step.checksum is not None else 0

    def require_size(self, offset: int, length: int | None) -> None:
        """Raises Refused TOO_LARGE for an upload that would not be allowed whole, or a body that is longer than what is
        left of it, which is LENGTH_MISMATCH by the draft."""
        most = self.permit.largest
        if length is not None and most is not None and length > most:
            raise Refused(Reason.TOO_LARGE, f"an upload of {length} bytes is above the allowed {most}")
        room = length if length is not None else most
        if room is not None and (self.declared or 0) > room - offset:
            raise Refused(self._beyond(length), "the body is longer than what is left of the upload")

    def _beyond(self, length: int | None) -> Reason:
        return Reason.LENGTH_MISMATCH if self.step.draft and length is not None else Reason.TOO_LARGE

    def prove(self, source: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
        """The same bytes, the last of them only once all match the step's checksum, if it has one.

        Raises:
            Refused: CHECKSUM_MISMATCH.
        """
        return source if self.step.checksum is None else _verify_checksum(source, self.step.checksum)

    async def arrange(self, source: AsyncIterator[bytes], progress: Progress) -> Arriving:
        """The body's bytes, as far as they may follow what is there.

        Raises:
            Refused: CHECKSUM_MISMATCH, MISSING_LENGTH for a large body with a checksum and without a length.
        """
        declared = self.declared
        known = progress.state.length
        room = known if known is not None else self.permit.largest
        if room is not None:
            source = _bound(source, room - progress.offset, self._beyond(known))
        source = self.prove(source)
        if self.step.checksum is None:
            upcoming = None if declared is None or self.permit.paced() else Upcoming(self.permit, declared)
            return Arriving(source, declared, self.reserve, upcoming=upcoming)
        if declared is not None and declared > PART_SIZE:
            if declared + progress.offset - progress.stored > self.permit.route.backend.single_put_limit - HEAD_BYTES:
                raise Refused(Reason.TOO_LARGE, "a body with a checksum is above what the store takes at once")
            return Arriving(source, declared, self.reserve, staged=True)
        return Arriving.of(await _read_checked(source))


async def _verify_checksum(source: AsyncIterator[bytes], checksum: tuple[str, bytes]) -> AsyncIterator[bytes]:
    """The same bytes, the last of them only once all are known to match.

    Raises:
        Refused: CHECKSUM_MISMATCH.
    """
    algorithm, expected = checksum
    digest = None if algorithm == "crc32" else hashlib.new(algorithm, usedforsecurity=False)
    crc, held = 0, b""
    async for chunk in source:
        if digest is None:
            crc = zlib.crc32(chunk, crc)
        else:
            digest.update(chunk)
        if held:
            yield held
        held = chunk
    found = crc.to_bytes(4, "big") if digest is None else digest.digest()
    if not hmac.compare_digest(found, expected):
        raise Refused(Reason.CHECKSUM_MISMATCH, f"the body does not match its {algorithm}")
    if held:
        yield held


async def _bound(source: AsyncIterator[bytes], room: int, reason: Reason) -> AsyncIterator[bytes]:
    """The same bytes. Raises Refused for more than there is room for."""
    async for chunk in source:
        room -= len(chunk)
        if room < 0:
            raise Refused(reason, "the body is longer than what is left of the upload")
        yield chunk


async def _read_checked(source: AsyncIterator[bytes]) -> bytes:
    small = bytearray()
    async for chunk in source:
        small += chunk
        if len(small) > PART_SIZE:
            raise Refused(Reason.MISSING_LENGTH, "a large body with a checksum needs a Content-Length")
    return bytes(small)
