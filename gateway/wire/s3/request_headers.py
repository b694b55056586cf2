"""Owns which request headers have a meaning here, and their normal form.

Refuses to own authentication headers (their readers take them from the raw request) and what goes to a store
(`gateway.wire.s3.response_headers`).

Law: an allow-list with three outcomes. A known header is kept, an `x-amz-*` header that is known to be without effect
is dropped, every other `x-amz-*` header refuses the request: it asks for something that would silently not happen.
Headers outside that family are ignored, as HTTP asks (RFC 9110, 5.1).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from gateway.core.reasons import Reason, Refused
from gateway.wire.http.date import http_date, read_http_date
from gateway.wire.http.fields import META_NAME, META_PREFIX, UNPRINTABLE
from gateway.wire.sig.checksums import CHECKSUM_SIZES

KEPT: Final = frozenset(
    {
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-md5",
        "content-type",
        "expires",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "range",
        "x-amz-checksum-algorithm",
        "x-amz-checksum-mode",
        "x-amz-checksum-type",
        "x-amz-copy-source",
        "x-amz-copy-source-if-match",
        "x-amz-copy-source-if-modified-since",
        "x-amz-copy-source-if-none-match",
        "x-amz-copy-source-if-unmodified-since",
        "x-amz-copy-source-range",
        "x-amz-decoded-content-length",
        "x-amz-max-parts",
        "x-amz-metadata-directive",
        "x-amz-mp-object-size",
        "x-amz-object-attributes",
        "x-amz-part-number-marker",
        "x-amz-sdk-checksum-algorithm",
        "x-amz-storage-class",
        "x-amz-tagging",
        "x-amz-tagging-directive",
        "x-amz-trailer",
        *CHECKSUM_SIZES,
    }
)
"""Kept on S3 paths, beside `x-amz-meta-*`."""

KEPT_PREFIXES: Final = (META_PREFIX,)

KEPT_BY_LINKS: Final = frozenset(
    {
        "content-encoding",
        "content-md5",
        "content-type",
        "if-match",
        "if-modified-since",
        "if-none-match",
        "if-range",
        "if-unmodified-since",
        "range",
    }
)

AUTH_HEADERS: Final = frozenset({"x-amz-content-sha256", "x-amz-date", "x-amz-security-token"})
"""Left to the credential readers."""

DROPPED: Final = frozenset(
    {
        # grants nothing here: who may read is policy's to say
        "x-amz-acl",
        # assertions about accounts that callers never see
        "x-amz-expected-bucket-owner",
        "x-amz-request-payer",
        "x-amz-source-expected-bucket-owner",
        # the browser SDK's name, a content delivery network's request id
        "x-amz-user-agent",
        "x-amz-cf-id",
        # asks for more fields in a listing, which a store may leave out
        "x-amz-optional-object-attributes",
        # asks for a digest to be appended to the answer's body, which S3 itself no longer does
        "x-amz-te",
        # what an answer carries, sent back by a proxy that made its request from one
        "x-amz-id-2",
        "x-amz-request-id",
    }
)
"""Known to be without effect."""

_VAIN_WHEN_EMPTY: Final = frozenset(
    {
        "cache-control",
        "content-disposition",
        "content-language",
        "content-type",
        "expires",
        "x-amz-storage-class",
        "x-amz-tagging",
    }
)

_ASKS_NOTHING: Final = frozenset(
    {
        # the API's only version, from the C++ SDK
        ("x-amz-api-version", "2006-03-01"),
        # rclone, of every bucket that it makes sure of
        ("x-amz-bucket-object-lock-enabled", "false"),
        # what a store without locks or keys does anyway
        ("x-amz-bypass-governance-retention", "false"),
        ("x-amz-object-lock-legal-hold", "off"),
        ("x-amz-server-side-encryption-bucket-key-enabled", "false"),
    }
)
"""Without effect with this value only."""

_UNPACK: Final = ("x-amz-meta-snowball-auto-extract", "true")
"""Of all metadata, the one that asks for something: the files of an archive, in place of the archive."""

_DROPPED: Final = DROPPED | AUTH_HEADERS
_DROPPED_BY_LINKS: Final = frozenset({"x-amz-cf-id"})
_LISTS: Final = frozenset(
    {"cache-control", "content-encoding", "content-language", "if-match", "if-none-match", "x-amz-trailer"}
)
_RANGE: Final = re.compile(r"bytes=[ \t,]*(?:(\d{1,19})-(\d{0,39})|-(\d{1,19}))[ \t,]*", re.ASCII | re.IGNORECASE)
_NO_BYTE_BEYOND: Final = 2**63 - 1
"""What a store reads numbers into. Programs write the largest of theirs for "to the end", twice as large in some."""

_WEAK: Final = re.compile(r"\bW/(?=\")")
"""That a tag is weak, which says nothing where tags are compared weakly (RFC 9110, 13.1.2), as whoever compresses on
the way made it."""

_DATES: Final = frozenset({"if-modified-since", "if-unmodified-since"})
EMPTY_CHECKSUMS: Final = frozenset(
    {
        ("x-amz-checksum-crc32", "AAAAAA=="),
        ("x-amz-checksum-crc32c", "AAAAAA=="),
        ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA="),
        ("x-amz-checksum-md5", "1B2M2Y8AsgTpgAmY7PhCfg=="),
        ("x-amz-checksum-sha1", "2jmj7l5rSw0yVb/vlWAYkK/YBwk="),
        ("x-amz-checksum-sha256", "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="),
        (
            "x-amz-checksum-sha512",
            "z4PhNX7vuL3xVChQ1m2AB9Yg5AULVxXcg/SpIdNs6c5H0NE8XYXysP+DGNKHfuwvY7kxvUdBeoGlODJ6+SfaPg==",
        ),
        ("x-amz-checksum-xxhash128", "maoG0wFHmNhgAcMkRo1Jfw=="),
        ("x-amz-checksum-xxhash3", "LQaABTjTlMI="),
        ("x-amz-checksum-xxhash64", "70bbN1HY6Zk="),
    }
)
"""What one SDK's presigner adds to an upload's query: the checksum of the empty body that it had at hand."""


def accept_headers(pairs: Iterable[tuple[str, str]], *, link: bool = False) -> dict[str, str]:
    """The headers that have a meaning, each once, without control bytes; `Range` only if it is one valid range, and
    ranges, dates, tags and blanks in the one spelling that every store reads.

    `aws-chunked` is taken out of `content-encoding`: it is framing, not a property of the object. Metadata may have any
    name that HTTP allows, and a name that comes twice has both values, as with S3. A property without a value is none.

    Raises:
        Refused: UNSUPPORTED_OPERATION for an `x-amz-*` header without a meaning here; BAD_ARGUMENT for a value with
            control bytes or that is not UTF-8; BAD_REQUEST for a repeated header that is not a list.
    """
    found: dict[str, list[str]] = {}
    known = KEPT_BY_LINKS if link else KEPT
    for name, value in pairs:
        if name not in known and not (name.startswith("x-amz-") and _wanted(name, value, link=link)):
            continue
        text = value
        if not text.isprintable():
            text = text.replace("\t", " ")  # some stores sign it as one, some as it is
            if UNPRINTABLE.search(text):
                raise Refused(Reason.BAD_ARGUMENT, f"the header {name} has a control byte or is not UTF-8")
        if name in found and name not in _LISTS and not name.startswith(KEPT_PREFIXES):
            raise Refused(Reason.BAD_REQUEST, f"the header {name} came more than once")
        found.setdefault(name, []).append(text)
    kept = {
        name: values[0] if len(values) == 1 else ("," if name.startswith(KEPT_PREFIXES) else ", ").join(values)
        for name, values in found.items()
    }
    _settle(kept)
    return kept


def _wanted(name: str, value: str, *, link: bool) -> bool:
    """Whether to keep an `x-amz-*` header that is on no list by its whole name."""
    if not link and name.startswith(KEPT_PREFIXES):
        if not META_NAME.fullmatch(name):
            raise Refused(Reason.BAD_ARGUMENT, "the name of a metadata field is none that a header could have")
        if (name, value.strip().lower()) == _UNPACK:
            raise Refused(Reason.UNSUPPORTED_OPERATION, "archives are not unpacked here")
        return True
    if name in (_DROPPED_BY_LINKS if link else _DROPPED) or (
        not link and (name, value.strip().lower()) in _ASKS_NOTHING
    ):
        return False
    raise Refused(Reason.UNSUPPORTED_OPERATION, f"the header {name} is not offered")


def _settle(kept: dict[str, str]) -> None:
    encodings = kept.pop("content-encoding", None)
    if encodings is not None:
        left = [text.strip() for text in encodings.split(",") if text.strip().lower() not in {"", "aws-chunked"}]
        if left:
            kept["content-encoding"] = ", ".join(left)
    if "range" in kept:
        wanted = single_range(kept.pop("range"))
        if wanted is not None:
            kept["range"] = write_range(wanted)
    if "if-none-match" in kept:
        kept["if-none-match"] = _WEAK.sub("", kept["if-none-match"])
    for name in _DATES & kept.keys():
        _settle_date(kept, name)
    for name in _VAIN_WHEN_EMPTY & kept.keys():
        if not kept[name]:
            del kept[name]


def _settle_date(kept: dict[str, str], name: str) -> None:
    """A date that nobody can read is ignored if it only saves a transfer (RFC 9110, 13.1.3), not if it guards."""
    try:
        kept[name] = http_date(read_http_date(kept[name].partition(";")[0].strip()))
    except ValueError as fault:
        if name == "if-unmodified-since":
            raise Refused(Reason.BAD_ARGUMENT, f"{name}: {fault}") from None
        del kept[name]


def write_range(wanted: tuple[int | None, int | None]) -> str:
    """What `single_range` reads, in the one spelling that every store reads."""
    first, last = wanted
    return f"bytes={'' if first is None else first}-{'' if last is None else last}"


def single_range(text: str) -> tuple[int | None, int | None] | None:
    """(first, last) of `bytes=5-9`, (first, None) of `bytes=5-`, (None, length) of `bytes=-5`; None for anything else.

    A server may ignore a Range it does not like (RFC 9110, 14.2); several ranges at once are answered by the whole.
    """
    match = _RANGE.fullmatch(text)
    if match is None:
        return None
    first, last, suffix = match.groups()
    if suffix is not None:
        return None, int(suffix)
    if last and int(last) < int(first):
        return None
    return int(first), int(last) if last and int(last) < _NO_BYTE_BEYOND else None


def hoist_header(name: str, value: str) -> tuple[str, str] | None:
    """The header that a query parameter of a presigned URL stands for, or None if it is none.

    SDK presigners move `x-amz-*` headers into the query, in whatever capitals they had.
    """
    folded = name.lower()
    return (folded, value) if folded.startswith("x-amz-") else None
