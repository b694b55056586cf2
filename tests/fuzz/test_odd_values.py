"""Rightly signed requests with odd documents, parameters and headers: an answer each, and never a fault of ours."""

from __future__ import annotations

import os
import random
from collections import Counter
from collections.abc import AsyncIterator

import pytest

from tests.fuzz.attacked import Attacked, attacked
from tests.fuzz.jobs import HOST
from tests.fuzz.sent import Sent
from tests.fuzz.signers import Signer

_SEED = int(os.environ.get("FUZZ_SEED", "1"))
_TIMES = int(os.environ.get("FUZZ_TIMES", "1"))
_PART = b'<Part><PartNumber>1</PartNumber><ETag>"a"</ETag></Part>'
_DOCUMENTS = (
    ("POST", "/reports?delete=", b"<Delete><Object><Key>a</Key><VersionId>null</VersionId></Object></Delete>"),
    ("POST", "/reports/k?uploadId=u", b"<CompleteMultipartUpload>" + _PART + b"</CompleteMultipartUpload>"),
    ("PUT", "/reports/k?tagging=", b"<Tagging><TagSet><Tag><Key>a</Key><Value>b</Value></Tag></TagSet></Tagging>"),
)
_BITS = (
    b"<", b">", b"&", b"&#0;", b"&#x1F;", b"&amp;", b"&x;", b"]]>", b"<![CDATA[x]]>", b"<!DOCTYPE a>", b"<!-- -->",
    b"<?x y?>", b"\0", b"\xff", b"\xed\xa0\x80", b"<Object/>", b"<a>" * 3000, b"<Key>..</Key>", b"<Key/>", b'xmlns="',
    b"<x:y>", b"&#55296;", b"\xef\xbb\xbf", b'<?xml version="1.1" encoding="utf-16"?>', b"\xd9\xa1", b"9" * 23,
    b"<?xml version='1.0' encoding='ebcdic-cp-us'?>", b"<Tag>" * 20, b"<VersionId></VersionId>", b"<Key>a\nb</Key>",
)  # fmt: skip
_MARKS = ("", "list-type=2", "versions", "uploads", "tagging", "uploadId=u", "location", "delete", "versioning")
_NAMES = (
    "prefix", "delimiter", "marker", "max-keys", "continuation-token", "start-after", "encoding-type", "fetch-owner",
    "key-marker", "version-id-marker", "upload-id-marker", "max-uploads", "versionId", "partNumber", "uploadId",
    "max-parts", "part-number-marker", "response-content-type", "response-expires",
)  # fmt: skip
_VALUES = (
    "", "%00", "%0a", "a%0db", "%ff", "%C3%A9", "%F0%9F%8E%AC", "..", "%2e%2e%2f", "-1", "0", "1", "9" * 20, "1e3",
    "%20", "+", "null", "a" * 3000, "%ED%A0%80", '"', "%22%0d%0ax:y", "%EF%BF%BE", "%E2%80%AE", "1001", "10001",
)  # fmt: skip
_FIELDS = (
    "range", "if-match", "if-none-match", "if-modified-since", "if-range", "if-unmodified-since", "x-amz-copy-source",
    "x-amz-copy-source-range", "x-amz-tagging", "x-amz-storage-class", "content-type", "content-encoding", "expires",
    "cache-control", "content-disposition", "x-amz-meta-a", "x-amz-metadata-directive", "x-amz-checksum-crc32",
    "x-amz-checksum-sha256", "content-md5", "x-amz-mp-object-size", "x-amz-object-attributes", "x-amz-max-parts",
    "x-amz-decoded-content-length", "x-amz-trailer", "x-amz-checksum-mode", "accept", "origin", "expect",
)  # fmt: skip
_TEXTS = (
    "", "bytes=0-", "bytes=-0", "bytes=5-1", "bytes=99999999999999999999-", "bytes=0-1,3-4", "a=b&c=%zz", "x" * 5000,
    "/reports/a?versionId=", "/reports/%00", "/other/x", "/far/x", "reports", "REPLACE", "COPY", "*", '"e"', 'W/"e"',
    "Sun, 99 Foo 2026", "-1", "1", "AAAA", "AAAAAA==", "ETag,Foo", "aws-chunked", "gzip,aws-chunked", "100-continue",
)  # fmt: skip


@pytest.fixture
async def place() -> AsyncIterator[Attacked]:
    async with attacked() as started:
        yield started


def _document(rng: random.Random) -> Sent:
    method, target, document = rng.choice(_DOCUMENTS)
    body = bytearray(document)
    for _ in range(rng.randint(0, 3)):
        at = rng.randrange(len(body) + 1)
        match rng.randrange(3):
            case 0:
                del body[at : at + rng.randint(1, 9)]
            case 1:
                body[at:at] = rng.randbytes(1)
            case _:
                body[at:at] = rng.choice(_BITS)
    if rng.random() < 0.1:
        body = bytearray(bytes(body).decode("latin-1").encode(rng.choice(["utf-16", "utf-16-le", "utf-7", "utf-32"])))
    return Sent(method, target, (("Host", HOST), ("Content-Length", str(len(body)))), bytes(body))


def _values(rng: random.Random) -> Sent:
    method, path = rng.choice(["GET", "HEAD", "PUT", "POST", "DELETE"]), rng.choice(["/reports", "/reports/k"])
    query = [rng.choice(_MARKS), *(f"{rng.choice(_NAMES)}={rng.choice(_VALUES)}" for _ in range(rng.randint(0, 2)))]
    headers = [("Host", HOST), *((rng.choice(_FIELDS), rng.choice(_TEXTS)) for _ in range(rng.randint(0, 2)))]
    body = b"x" if method in {"PUT", "POST"} and rng.random() < 0.6 else b""
    headers.append(("Content-Length", str(len(body))))
    return Sent(method, path, tuple(headers), body).asking(query="&".join(filter(None, query)))


@pytest.mark.parametrize("make", [_document, _values])
async def test_oddities_get_an_answer(place: Attacked, make) -> None:
    """Broken XML, other encodings, control bytes, huge numbers: refused or done, never a fault and never silence."""
    rng, statuses = random.Random(_SEED), Counter()
    for _ in range(1200 * _TIMES):
        sent = Signer(place.own, place.now).v4(make(rng), "UNSIGNED-PAYLOAD")
        said = await place.ask(sent)
        statuses[said.status] += 1
        assert said.status in {200, 204, 206, 304, 400, 403, 404, 405, 409, 411, 412, 416, 501}, (sent, said.data)
    assert statuses[200] > 10
    assert statuses[400] > 100
