"""Owns what requests have in common that can differ in signature, time and the client's own marks alone.

Refuses to own how a head is read (`gateway.server.head`), a request is understood (`gateway.wire.parse`) and what it
presents (`gateway.wire.sig.credentials`).

Law: of requests that are alike, all readers say the same, but for the values that differ. What may differ of a field is
what `parse` hands on, or passes over, unread; that it came, and where, never is. It is printable ASCII and keeps its
length, without blanks that a reader might take away; all else is compared byte by byte.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from operator import itemgetter
from typing import Final

from gateway.core.request import NO_AUTH, ObjectRequest, RawRequest
from gateway.wire.sig.credentials import DIGEST_DIGITS, is_digest

UNREAD: Final = frozenset(
    {
        # the fields of authentication
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
# Of these, 64 hexadecimal digits at the end are as good as any others to who reads a request: a body's hash, for which
# words may stand, and the signature behind the key and the names that were signed.
_BODY_HASH: Final = "x-amz-content-sha256"
_AUTHORIZATION: Final = "authorization"
_HASHED: Final = frozenset({_BODY_HASH, _AUTHORIZATION})
_SIGNATURE: Final = "Signature="
_SECRETS: Final = frozenset({_AUTHORIZATION, "x-amz-security-token"})
_NAMES: Final = "|".join(sorted(UNREAD | _HASHED))
_FIELD: Final = re.compile(rf"\r\n((?i:{_NAMES})): ?([ -~]*)", re.ASCII)


def _differs_from(name: str, value: str) -> int | None:
    """Where in a field's value that begins which may differ among requests that are alike; None if it is nowhere."""
    if name in UNREAD:
        return 0 if value and _is_plain(value) else None
    if name not in _HASHED or not is_digest(value[-DIGEST_DIGITS:]):
        return None
    known = value[:-DIGEST_DIGITS]
    return len(known) if known == "" or (name == _AUTHORIZATION and known.endswith(_SIGNATURE)) else None


def _is_plain(text: str) -> bool:
    """Printable ASCII without blanks at its ends, or two in a row."""
    return text.isascii() and text.isprintable() and "  " not in text and text.strip(" ") == text


def differing_fields(raw: RawRequest) -> tuple[int, ...]:
    """The places of those fields whose values may differ among requests that are alike."""
    return tuple([place for place, field in enumerate(raw.headers) if _differs_from(*field) is not None])


class AlikeHeads:
    """A head that was read, as what others that are alike are read by: as long as it, and laid out in the same way."""

    __slots__ = ("_between", "_common", "_fields", "_raw")

    def __init__(self, raw: RawRequest, places: tuple[int, ...], head: str, spans: Sequence[tuple[int, int]]) -> None:
        # Of each differing field: its place, its name, what its value begins with, where the rest of it stands, and
        # whether that is a hash.
        self._fields: list[tuple[int, str, str, slice, bool]] = []
        blank = list(raw.headers)
        for place, (start, end) in zip(places, spans, strict=True):
            name, value = blank[place]
            known = value[: len(value) - (end - start)]
            self._fields.append((place, name, known, slice(start, end), name in _HASHED))
            blank[place] = name, known
        self._raw = RawRequest(raw.method, raw.path, raw.query, tuple(blank), raw.version)  # no secret is kept
        ends = (0, *[end for _, end in spans])
        starts = (*[start for start, _ in spans], len(head))
        self._between = itemgetter(*[slice(end, start) for end, start in zip(ends, starts, strict=True)])
        self._common = self._between(head)

    @classmethod
    def of(cls, raw: RawRequest, head: str) -> AlikeHeads | None:
        """None if all that are alike are the same, or would keep a secret of this one; and if the two readings of the
        head, into fields and into what differs, do not find the same values, of one field each."""
        places = differing_fields(raw)
        names = [name for name, _ in raw.headers]
        fields = [raw.headers[place] for place in places]
        if not fields or any(names.count(name) > 1 for name, _ in fields):
            return None
        if any(name in _SECRETS and _differs_from(name, value) is None for name, value in raw.headers):
            return None
        found, spans = [], []
        for match in _FIELD.finditer(head):
            field = match[1].lower(), match[2]
            start = _differs_from(*field)
            if start is not None:
                found.append(field)
                spans.append((match.start(2) + start, match.end(2)))
        return cls(raw, places, head, spans) if found == fields else None

    def read(self, head: str) -> RawRequest | None:
        """What a head of the same length says, if it is alike."""
        if self._between(head) != self._common:
            return None
        raw = self._raw
        headers, marks = list(raw.headers), "-"
        for place, name, known, part, hashed in self._fields:
            value = head[part]
            if not hashed:
                marks = f"{marks} {value}"
            elif not is_digest(value):
                return None
            headers[place] = name, known + value
        if not _is_plain(marks):
            return None
        return RawRequest(raw.method, raw.path, raw.query, tuple(headers), raw.version)


def read_alike(request: ObjectRequest, raw: RawRequest) -> ObjectRequest:
    """What `parse` says of `raw`, which is alike to the request that was read, but for what it presents, which is read
    where that is proved."""
    return ObjectRequest(  # in the order of its fields: each request does this
        raw,
        request.operation,
        request.place,
        request.params,
        request.headers,
        request.content_length,
        request.framing,
        request.virtual_host,
        request.step,
        NO_AUTH,
    )
