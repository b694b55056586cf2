"""Owns what requests have in common that can differ in signature, time and the client's own marks alone.

Refuses to own how a head is read (`gateway.server.head`), a request is understood (`gateway.wire.parse`) and what it
presents (`gateway.wire.sig.credentials`).

Law: of requests that are alike, all readers say the same, but for the values that differ. What may differ of a field is
what `parse` hands on, or passes over, unread; that it came, and where, never is. It is printable ASCII and keeps its
length, without blanks that a reader might take away; all else is compared byte by byte. Nobody reads the differing
value of one request in another: what they have in common is kept without any.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from struct import Struct
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
_DIGITS: Final = b"0123456789abcdef"
_PRINTABLE: Final = bytes(range(0x20, 0x7F))
_NAMES: Final = "|".join(sorted(UNREAD | _HASHED))
_FIELD: Final = re.compile(rf"\r\n((?i:{_NAMES})): ?([ -~]*)", re.ASCII)


def _differs_from(name: str, value: str) -> int | None:
    """Where in a field's value that begins which may differ among requests that are alike; None if it is nowhere."""
    if name in UNREAD:
        return 0 if value and value.isascii() and _is_plain(value.encode()) else None
    if name not in _HASHED or not is_digest(value[-DIGEST_DIGITS:]):
        return None
    known = value[:-DIGEST_DIGITS]
    return len(known) if known == "" or (name == _AUTHORIZATION and known.endswith(_SIGNATURE)) else None


def _is_plain(value: bytes) -> bool:
    """Printable ASCII without blanks at its ends, or two in a row."""
    return not value.translate(None, _PRINTABLE) and b"  " not in value and value.strip(b" ") == value


def differing_fields(raw: RawRequest) -> tuple[int, ...]:
    """The places of those fields whose values may differ among requests that are alike."""
    return tuple([place for place, field in enumerate(raw.headers) if _differs_from(*field) is not None])


def common_part(raw: RawRequest) -> RawRequest:
    """What all that are alike say: the request with nothing in place of what differs."""
    fields = [(place, value[: _differs_from(name, value)]) for place, (name, value) in enumerate(raw.headers)]
    return raw.with_values(fields)


def read_in_common(request: ObjectRequest) -> ObjectRequest:
    """What `parse` says of all that are alike to this one, but for what they present, which is read where that is
    proved."""
    return replace(request, raw=common_part(request.raw), auth=NO_AUTH)


class AlikeHeads:
    """A head that was read, as what others that are alike are read by: as long as it, and laid out in the same way."""

    __slots__ = ("_common", "_hashes", "_marks", "_parts", "_places", "_raw")

    def __init__(self, raw: RawRequest, places: tuple[int, ...], head: bytes, spans: Sequence[tuple[int, int]]) -> None:
        self._raw = common_part(raw)  # no secret is kept
        self._places = places
        hashed = [raw.headers[place][0] in _HASHED for place in places]
        self._hashes = tuple([at for at, is_hash in enumerate(hashed) if is_hash])
        self._marks = tuple([at for at, is_hash in enumerate(hashed) if not is_hash])
        ends = (0, *[end for _, end in spans])
        lengths = [f"{start - end}s{stop - start}s" for end, (start, stop) in zip(ends, spans, strict=False)]
        self._parts = Struct("".join(lengths) + f"{len(head) - ends[-1]}s").unpack
        self._common = self._parts(head)[::2]

    @classmethod
    def of(cls, raw: RawRequest, head: bytes) -> AlikeHeads | None:
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
        for match in _FIELD.finditer(head.decode("latin-1")):
            field = match[1].lower(), match[2]
            start = _differs_from(*field)
            if start is not None:
                found.append(field)
                spans.append((match.start(2) + start, match.end(2)))
        return cls(raw, places, head, spans) if found == fields else None

    def read(self, head: bytes) -> tuple[bytes, ...] | None:
        """What differs in a head of the same length, if it is alike: in the order of `differing_fields`, of each value
        what may differ."""
        parts = self._parts(head)
        if parts[::2] != self._common:
            return None
        differing = parts[1::2]
        hashes = b"".join(map(differing.__getitem__, self._hashes))
        marks = b" ".join(map(differing.__getitem__, self._marks))
        return None if hashes.translate(None, _DIGITS) or not _is_plain(marks) else differing

    def raw(self, differing: tuple[bytes, ...]) -> RawRequest:
        """What the whole head says."""
        raw = self._raw
        values = [raw.headers[place][1] + part.decode() for place, part in zip(self._places, differing, strict=True)]
        return raw.with_values(zip(self._places, values, strict=True))
