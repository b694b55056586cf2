"""Owns the bytes of an upload between the client and the store: unwrapped, checked, capped, paced, counted.

Refuses to own framing and digests (`gateway.wire.sig.aws_chunked`, `gateway.wire.sig.checksums`) and the store's side.

Law: the last chunk is held back until every check of the whole body has passed, and the right to send it was asked for
once more. The store was promised a length, so without that chunk it never sees a whole request, and a body that is
found wrong at its end, or whose time is over, leaves no object behind. A small body is one chunk: it goes by the same
rules, all of them asked at once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final, Self

from gateway.core.loan import Sink, Stretch
from gateway.core.reasons import Reason, Refused
from gateway.core.request import BodyFraming, ObjectRequest
from gateway.data.plane import DataPlane
from gateway.data.state.transfers import Permit
from gateway.data.steps.reserve import AT_ONCE, claim, must_claim
from gateway.data.steps.reserve_intake import claim_received
from gateway.data.upcoming import Upcoming, require_allowed
from gateway.data.uploads.file_types import check_bytes, checked
from gateway.splice.pump import carry, splice
from gateway.wire.sig.aws_chunked import ChunkedDecoder, read_trailers
from gateway.wire.sig.checksums import BodyChecks
from gateway.wire.sig.sigv4 import Verified

_SMALL: Final = 64 * 1024
"""Bytes of a body on the wire that is taken whole before anything is done with it."""

_FEW: Final = 8
"""Pieces that are cheaper one by one than in one."""


async def read_plain(
    plane: DataPlane, request: ObjectRequest, permit: Permit, verified: Verified | None
) -> AsyncIterator[bytes | Stretch]:
    """The object's own bytes, in order, all but the last chunk as they come; a stretch where nobody needs to see them.

    Raises:
        Refused: INCOMPLETE_BODY, TOO_LARGE, BAD_DIGEST, BAD_CONTENT_HASH, BAD_SIGNATURE of a chunk, USED_UP,
            TYPE_NOT_ALLOWED.
    """
    proof, length = _Proof.of(request, verified), request.content_length
    source = permit.exchange.body()
    if proof.needed:
        source = _Proved(source, proof)
    if types := permit.types():
        source = checked(source, types)
    rest = None if length is None or permit.paced() else _Rest(permit, length, proof)
    async for plain in hold_last(plane, permit, meter(plane, permit, source, length), rest):
        yield plain


def comes_small(permit: Permit) -> bool:
    """Whether a body is for `read_whole`: its length on the wire is known and small, and no limit says how fast."""
    size = permit.exchange.body_size
    return size is not None and size <= _SMALL and not permit.paced()


async def read_whole(plane: DataPlane, request: ObjectRequest, permit: Permit, verified: Verified | None) -> bytes:
    """The object's own bytes, here and found right. Before the last one leaves, they have to be `confirmed`.

    Raises:
        Refused: as `read_plain`.
    """
    proof, length = _Proof.of(request, verified), request.content_length
    plain = await permit.exchange.whole_body()
    if proof.needed:
        plain = b"".join(proof.look(plain))
    if types := permit.types():
        check_bytes(types, plain)
    await _let_pass(plane, permit, len(plain), length, 0)
    if proof.needed:
        proof.finish()
    _require_all(permit, length)
    return plain


async def confirmed(plane: DataPlane, permit: Permit, whole: bytes = b"") -> bytes:
    """What may still be sent, in the turn in which this returns.

    Raises:
        Refused: the right has ended; the reason of a cut.
        DependencyDown: a store that has to be asked does not answer.
    """
    await plane.renewals.confirm(permit)
    if permit.exchange.cut_reason is not None:
        raise Refused(permit.exchange.cut_reason, "cut before the last byte")
    return whole


async def hold_last(
    plane: DataPlane, permit: Permit, chunks: AsyncIterator[bytes], rest: _Rest | None = None
) -> AsyncIterator[bytes | Stretch]:
    """The same bytes, the last of them only after the whole was found right and was `confirmed`.

    Raises:
        Refused, DependencyDown: as `confirmed`.
    """
    held = b""
    async for chunk in chunks:
        if held:
            yield held
        held = chunk
        del chunk  # a client that stalls would have it kept
        if rest is not None and rest.begins():
            yield held
            held = b""
            yield rest
            held = rest.end()
            rest = None
    held = await confirmed(plane, permit, held)
    if held:
        yield held


def meter(plane: DataPlane, permit: Permit, source: AsyncIterator[bytes], declared: int | None) -> AsyncIterator[bytes]:
    """Count, cap and pace the plain bytes of an upload; `declared` is their length if it is known.

    Raises:
        Refused: TOO_LARGE, INCOMPLETE_BODY, USED_UP.
    """
    return _Metered(plane, permit, source, declared)


class _Metered:
    """As `meter`. No bytes are kept here while their reader has them: a client that stalls would hold them."""

    __slots__ = ("_claimed", "_declared", "_permit", "_plane", "_source", "_wait")

    def __init__(self, plane: DataPlane, permit: Permit, source: AsyncIterator[bytes], declared: int | None) -> None:
        self._plane, self._permit, self._source, self._declared = plane, permit, source, declared
        self._claimed, self._wait = 0, 0.0

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        plane, permit = self._plane, self._permit
        if self._wait > 0:
            await permit.pause(self._wait)
        try:
            plain = await anext(self._source)
        except StopAsyncIteration:
            _require_all(permit, self._declared)
            raise
        self._claimed = await _let_pass(plane, permit, len(plain), self._declared, self._claimed)
        self._wait = plane.shaper.pay(permit.route.limits, len(plain))
        return plain


async def _let_pass(plane: DataPlane, permit: Permit, count: int, declared: int | None, claimed: int) -> int:
    """Count so many bytes more, when they are allowed and claimed; returns how many are claimed by then."""
    total = permit.moved + count
    require_allowed(permit, total, declared)
    while total > claimed:
        # Of a body whose length is known all is claimed before its first byte: the rest may not be seen here.
        wanted, least = (AT_ONCE, total - claimed) if declared is None else (declared, declared)
        if permit.intake is None and not must_claim(permit):
            claimed += wanted
            continue
        if permit.intake is not None:
            wanted = await claim_received(plane.leases, permit, permit.intake, wanted, least)
        claimed += await claim(plane.leases, permit, wanted, None, least=least)
    permit.moved = total  # only what was let through: a refused body spends nothing of a budget
    return claimed


def _require_all(permit: Permit, declared: int | None) -> None:
    if declared is not None and permit.moved != declared:
        raise Refused(Reason.INCOMPLETE_BODY, f"{permit.moved} of {declared} bytes came")


class _Proof:
    """What the bytes of one body have to show: their framing, if they are framed, and every digest."""

    __slots__ = ("_checks", "_decoder", "needed")

    def __init__(self, checks: BodyChecks, decoder: ChunkedDecoder | None) -> None:
        self._checks, self._decoder = checks, decoder
        self.needed = decoder is not None or checks.needed

    @classmethod
    def of(cls, request: ObjectRequest, verified: Verified | None) -> Self:
        """Raises Refused for what no body can show."""
        headers = request.headers
        trailers = read_trailers(headers["x-amz-trailer"]) if "x-amz-trailer" in headers else ()
        payload_hash = verified.payload_hash if verified is not None else None
        checks, decoder = BodyChecks.from_request(headers, payload_hash, trailers), None
        if request.framing is not BodyFraming.PLAIN:
            decoder = ChunkedDecoder(request.framing, request.content_length, verified, trailers)
        return cls(checks, decoder)

    def look(self, came: bytes | memoryview) -> list[bytes | memoryview]:
        """The plain bytes in what came."""
        plain: list[bytes | memoryview] = [came] if self._decoder is None else self._decoder.feed(memoryview(came))
        if len(plain) > _FEW:
            plain = [b"".join(plain)]
        for piece in plain:
            self._checks.update(piece)
        return plain

    def finish(self) -> None:
        """All has come. Raises Refused unless it is right."""
        self._checks.finish(self._decoder.finish() if self._decoder is not None else None)


class _Proved:
    """The plain bytes of a source, all of them found right at its end. None are kept here, as in `_Metered`."""

    __slots__ = ("_proof", "_source")

    def __init__(self, source: AsyncIterator[bytes], proof: _Proof) -> None:
        self._source, self._proof = source, proof

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        while True:
            try:
                came = await anext(self._source)
            except StopAsyncIteration:
                self._proof.finish()
                raise
            plain = b"".join(self._proof.look(came))  # each piece that is handed on costs as much, however small it is
            if plain:
                return plain


class _Rest(Upcoming):
    """What is still to come of a body, as one item among its chunks (a `core.loan.Stretch`).

    The kernel moves it where nobody has to see it; else it is looked at on its way.
    """

    __slots__ = ("_held", "_proof")

    def __init__(self, permit: Permit, length: int, proof: _Proof) -> None:
        super().__init__(permit, length)
        self._proof = proof
        self._held = b""

    async def pour(self, sink: Sink, most: int) -> int:
        if not self._proof.needed:
            return await splice(self, sink, most, self.count)
        return await carry(self, sink, self.left - 1, self._look)

    def end(self) -> bytes:
        """Go on in chunks; returns what was held back, which comes before them."""
        self.resume()
        return self._held

    def _look(self, came: memoryview) -> list[bytes | memoryview]:
        """The plain bytes in it, the last one of them in place of the one that was held back before."""
        plain = self._proof.look(came)
        if not plain:
            return plain
        self.count(sum(map(len, plain)))
        last, held, self._held = plain[-1], self._held, bytes(plain[-1][-1:])
        return [held, *plain[:-1], last[:-1]]
