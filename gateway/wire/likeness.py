"""Owns what requests have in common that can differ in signature, time and the client's own marks alone.

Refuses to own how a head is read (`gateway.server.head`) and a request is understood (`gateway.wire.parse`).

Law: of requests that are alike, both readers say the same, but for the values that differ. A field's value is left out
of the comparison only if `parse` hands it on, or passes it over, unread; that it came, and where, never is. What
differs is printable ASCII, of which a field's value may be any; all else is compared byte by byte.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from operator import itemgetter
from typing import Final

from gateway.core.request import AuthFields, ObjectRequest, RawRequest
from gateway.wire.sig.credentials import auth_fields

UNREAD: Final = frozenset(
    {
        # the fields of authentication
        "authorization",
        "date",
        "x-amz-date",
        "x-amz-security-token",
        # the marks of SDKs and of tracing
        "amz-sdk-invocation-id",
        "amz-sdk-request",
        "traceparent",
        "tracestate",
        "x-amzn-trace-id",
        "x-request-id",
    }
)
# Every hash of a body is as good as another to who reads a request; words in its place are not.
_BODY_HASH: Final = "x-amz-content-sha256"
_HASH: Final = "[0-9a-f]{64}"
_HASHED: Final = re.compile(_HASH, re.ASCII)
_PRINTABLE: Final = bytes(range(0x20, 0x7F))
_NAMES: Final = "|".join(sorted(UNREAD))
_DIFFERING: Final = re.compile(rf"\r\n(?:(?i:{_BODY_HASH}): ?(?={_HASH}\r)|(?i:{_NAMES}): ?)([ -~]*)", re.ASCII)


def differing_fields(raw: RawRequest) -> tuple[int, ...]:
    """The places of those fields whose values may differ among requests that are alike."""
    return tuple(
        [
            place
            for place, (name, value) in enumerate(raw.headers)
            if name in UNREAD or (name == _BODY_HASH and _HASHED.fullmatch(value))
        ]
    )


class AlikeHeads:
    """A head that was read, as what others that are alike are read by: as long as it, and laid out in the same way."""

    __slots__ = ("_between", "_common", "_hash", "_names", "_places", "_raw", "_within")

    def __init__(self, raw: RawRequest, places: tuple[int, ...], head: str, spans: Sequence[tuple[int, int]]) -> None:
        self._places = places
        self._names = names = [raw.headers[place][0] for place in places]
        self._hash = names.index(_BODY_HASH) if _BODY_HASH in names else None
        blank = [(name, "" if place in places else value) for place, (name, value) in enumerate(raw.headers)]
        self._raw = RawRequest(raw.method, raw.path, raw.query, tuple(blank), raw.version)  # no secret is kept
        ends = (0, *[end for _, end in spans])
        starts = (*[start for start, _ in spans], len(head))
        self._between = itemgetter(*[slice(end, start) for end, start in zip(ends, starts, strict=True)])
        self._within = itemgetter(*[slice(start, end) for start, end in spans], slice(0, 0))
        self._common = self._between(head)

    @classmethod
    def of(cls, raw: RawRequest, head: str) -> AlikeHeads | None:
        """None if all that are alike are the same, or if the two readings of the head, into fields and into what
        differs, do not find the same values, of one field each."""
        places = differing_fields(raw)
        spans = [match.span(1) for match in _DIFFERING.finditer(head)]
        fields = [raw.headers[place] for place in places]
        if not fields or [value for _, value in fields] != [head[start:end] for start, end in spans]:
            return None
        names = [name for name, _ in raw.headers]
        return cls(raw, places, head, spans) if all(names.count(name) == 1 for name, _ in fields) else None

    def read(self, head: str) -> RawRequest | None:
        """What a head of the same length says, if it is alike."""
        if self._between(head) != self._common:
            return None
        values = self._within(head)[:-1]
        if "".join(values).encode("latin-1").translate(None, _PRINTABLE):
            return None
        if self._hash is not None and not _HASHED.fullmatch(values[self._hash]):
            return None
        raw = self._raw
        headers = list(raw.headers)
        for place, name, value in zip(self._places, self._names, values, strict=True):
            if value.strip(" ") != value:
                return None
            headers[place] = name, value
        return RawRequest(raw.method, raw.path, raw.query, tuple(headers), raw.version)


def read_alike(request: ObjectRequest, raw: RawRequest) -> ObjectRequest:
    """What `parse` says of `raw`, which is alike to the request that was read."""
    return ObjectRequest(
        raw=raw,
        operation=request.operation,
        place=request.place,
        params=request.params,
        headers=request.headers,
        content_length=request.content_length,
        framing=request.framing,
        virtual_host=request.virtual_host,
        step=request.step,
        auth=AuthFields(auth_fields(raw.headers, ()).headers, request.auth.query),
    )
