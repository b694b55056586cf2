"""Owns the client stacks: how each of them dresses, frames and signs a job. Botocore is asked itself.

A stack is a function from a random source and a signer to one genuine request.
"""

from __future__ import annotations

import binascii
import hashlib
import random
from base64 import b64encode
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

from gateway.wire.sig.checksums import crc64nvme
from tests.fuzz.botocore_stack import aws_cli, boto3_http, boto3_tls
from tests.fuzz.free import free_header, free_query, free_v2
from tests.fuzz.jobs import BUCKET, HOST, JOBS, READS, Job, job, key_name
from tests.fuzz.sent import Sent, http_chunks
from tests.fuzz.signers import Signer, aws_chunks, form_body, md5_of

__all__ = ["CLIENTS", "STACKS", "Stack"]

Stack = Callable[[random.Random, Signer], Sent]
_UPLOADS = frozenset({"put", "meta", "part"})
_UNSIGNED = "UNSIGNED-PAYLOAD"


def _sha256(wanted: Job) -> str:
    return hashlib.sha256(wanted.body or b"").hexdigest()


def _crc32(body: bytes) -> str:
    return b64encode(binascii.crc32(body).to_bytes(4, "big")).decode()


def _pieces(rng: random.Random, body: bytes) -> list[bytes]:
    size = rng.choice([100, 1000, 8192])
    return [body[at : at + size] for at in range(0, len(body), size)]


def _with_body(sent: Sent, body: bytes | None) -> Sent:
    if body is None:
        return sent
    return replace(sent.with_header("Content-Length", str(len(body))), body=body)


def _trailing(sent: Sent, rng: random.Random, body: bytes, name: str, value: str, *, chunked: bool) -> Sent:
    """The unsigned chunks with a trailer that SDKs send over TLS; `sent` is signed already."""
    framed = aws_chunks(sent, None, _pieces(rng, body), {name: value})
    if chunked:
        return replace(sent.with_header("Transfer-Encoding", "chunked"), body=http_chunks(framed))
    return _with_body(sent, framed)


def s3cmd(rng: random.Random, signer: Signer) -> Sent:
    """s3cmd with SigV2 in the header, by path or by host name."""
    wanted, hosted = job(rng), rng.random() < 0.3
    sent = wanted.sent(hosted=hosted, safe="/").with_header("User-Agent", "s3cmd")
    if wanted.name in _UPLOADS:
        sent = sent.setting("Content-Type", "application/octet-stream").with_header("x-amz-storage-class", "STANDARD")
        sent = sent.with_header("Content-MD5", md5_of(wanted.body or b""))
    signed = _with_body(signer.v2(sent, BUCKET if hosted else ""), wanted.body)
    return replace(signed, covered=not wanted.body or sent.header("Content-MD5") is not None)


def minio_py(rng: random.Random, signer: Signer) -> Sent:
    """minio-py: the body's SHA-256 over plain HTTP, UNSIGNED-PAYLOAD with Content-MD5 over TLS; everything signed."""
    wanted, tls = job(rng), rng.random() < 0.5
    sent = wanted.sent(safe="/").with_header("User-Agent", "MinIO (Linux; x86_64) minio-py/7")
    if wanted.body is not None and tls:
        sent = sent.setting("Content-MD5", md5_of(wanted.body))
    sent = _with_body(sent, wanted.body)
    return signer.v4(sent, _UNSIGNED if tls and wanted.body is not None else _sha256(wanted))


def javascript(rng: random.Random, signer: Signer) -> Sent:
    """AWS SDK for JavaScript 3: an x-id, two SDK headers, a CRC in a header, or in a trailer of a stream."""
    wanted = job(rng)
    wanted = replace(wanted, query="&".join(filter(None, [wanted.query, "x-id=Operation"])))
    hosted = rng.random() < 0.5
    sent = wanted.sent(hosted=hosted).with_header("amz-sdk-invocation-id", f"{rng.getrandbits(64):x}")
    sent = sent.with_header("amz-sdk-request", "attempt=1; max=3").with_header("x-amz-user-agent", "aws-sdk-js/3")
    if wanted.name in {"put", "meta", "part"} and rng.random() < 0.5:
        sent = sent.with_header("content-encoding", "aws-chunked").with_header("x-amz-trailer", "x-amz-checksum-crc32")
        sent = sent.with_header("x-amz-decoded-content-length", str(len(wanted.body or b"")))
        sent = signer.v4(sent, "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
        value = _crc32(wanted.body or b"")
        return _trailing(sent, rng, wanted.body or b"", "x-amz-checksum-crc32", value, chunked=True)
    if wanted.body is not None and wanted.name != "complete":
        sent = sent.with_header("x-amz-checksum-crc32", _crc32(wanted.body))
        sent = sent.with_header("x-amz-sdk-checksum-algorithm", "CRC32")
    return signer.v4(_with_body(sent, wanted.body), _sha256(wanted))


def rclone(rng: random.Random, signer: Signer) -> Sent:
    """rclone on the Go SDK 2: Accept-Encoding and Content-Length signed, UNSIGNED-PAYLOAD with Content-MD5."""
    wanted = job(rng)
    wanted = replace(wanted, query="&".join(filter(None, [wanted.query, "x-id=PutObject"])))
    sent = wanted.sent(safe="/").with_header("Accept-Encoding", rng.choice(["identity", "gzip"]))
    sent = sent.with_header("Amz-Sdk-Invocation-Id", f"{rng.getrandbits(128):x}")
    sent = sent.with_header("User-Agent", "rclone/v1.75")
    if wanted.name in _UPLOADS:
        sent = sent.setting("Content-MD5", md5_of(wanted.body or b"")).setting("Content-Type", "video/mp4")
        sent = sent.with_header("X-Amz-Meta-Mtime", "1700000000.123456789")
        sent = replace(
            sent, headers=tuple(pair for pair in sent.headers if wanted.name != "part" or pair[0][:6] != "X-Amz-")
        )
    return signer.v4(_with_body(sent, wanted.body), _UNSIGNED if wanted.name in _UPLOADS else _sha256(wanted))


def pyarrow(rng: random.Random, signer: Signer) -> Sent:
    """pyarrow on the C++ SDK: uploads are aws-chunked with a CRC-64/NVME trailer, the rest is hashed."""
    wanted = job(rng)
    sent = wanted.sent().with_header("user-agent", "aws-sdk-cpp/1.11").with_header("amz-sdk-request", "attempt=1")
    sent = sent.with_header("accept", "*/*")
    if wanted.name not in _UPLOADS:
        return signer.v4(_with_body(sent, wanted.body), _sha256(wanted))
    body = wanted.body or b""
    chunked = rng.random() < 0.5
    value = b64encode(crc64nvme(body).to_bytes(8, "big")).decode()
    sent = sent.with_header("content-encoding", "aws-chunked").with_header("x-amz-trailer", "x-amz-checksum-crc64nvme")
    sent = sent.setting("content-type", "binary/octet-stream")
    sent = sent.with_header("x-amz-decoded-content-length", str(len(body)))
    sent = sent.with_header("x-amz-sdk-checksum-algorithm", "CRC64NVME")
    sent = signer.v4(sent, "STREAMING-UNSIGNED-PAYLOAD-TRAILER")
    return _trailing(sent, rng, body, "x-amz-checksum-crc64nvme", value, chunked=chunked)


def php_presign(rng: random.Random, signer: Signer) -> Sent:
    """PHP's presigner: the payload hash stands in the query, before everything else."""
    wanted = job(rng, ["get", "get", "range", "head", "put", "delete", "list", "part", "abort"])
    sent = wanted.sent()
    loose = tuple(pair for pair in sent.headers if pair[0] == "Range")
    sent = replace(sent, headers=tuple(pair for pair in sent.headers if pair[0] != "Range"))
    sent = signer.v4_query(sent, rng.choice([60, 3600, 604800]), pinned=rng.random() < 0.7)
    return _with_body(replace(sent, headers=(*sent.headers, *loose)), wanted.body)


def curl(rng: random.Random, signer: Signer) -> Sent:
    """curl --aws-sigv4: little is signed, and a path is sent with everything that a shell let pass."""
    wanted = job(rng)
    sent = wanted.sent(safe="/!$'()*+,;=:@&").with_header("Accept", "*/*")
    sent = signer.v4(_with_body(sent, wanted.body), _sha256(wanted), unsigned=["accept", "content-length"])
    return sent if rng.random() < 0.7 else sent.with_header("Expect", "100-continue")


def java_chunks(rng: random.Random, signer: Signer) -> Sent:
    """Signed chunks as Java 1 and others send them, with and without a signed trailer, also within chunked."""
    wanted = job(rng, ["put", "meta", "part"])
    body, trailer = wanted.body or b"", rng.random() < 0.5
    sent = wanted.sent().with_header("Content-Encoding", "aws-chunked")
    sent = sent.with_header("x-amz-decoded-content-length", str(len(body)))
    trailers = {"x-amz-checksum-crc32": _crc32(body)} if trailer else {}
    kind = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD" + ("-TRAILER" if trailer else "")
    if trailer:
        sent = sent.with_header("x-amz-trailer", "x-amz-checksum-crc32")
    sent = signer.v4(sent, kind)
    framed = aws_chunks(sent, signer, _pieces(rng, body), trailers)
    if rng.random() < 0.3:
        return replace(sent.with_header("Transfer-Encoding", "chunked"), body=http_chunks(framed))
    return _with_body(sent, framed)


def v2_presign(rng: random.Random, signer: Signer) -> Sent:
    """A URL presigned with SigV2."""
    wanted = job(rng, ["get", "head", "put", "delete", "part", "abort", "create"])
    return _with_body(signer.v2_query(wanted.sent(safe="/")), wanted.body)


def browser_form(rng: random.Random, signer: Signer) -> Sent:
    """A POST form, SigV4 or SigV2; the key is pinned, or only its beginning."""
    version, content = rng.choice([2, 4]), rng.randbytes(rng.choice([0, 10, 3000]))
    loose = rng.random() < 0.5
    key = "up/${filename}" if loose else "up/" + key_name(rng)
    conditions: list[object] = [["starts-with", "$key", "up/"]] if loose else []
    if rng.random() < 0.5:
        conditions.append(["content-length-range", 0, 100000])
    fields = {"key": key, "bucket": BUCKET, "Content-Type": "text/plain", "x-amz-meta-a": "1"}
    if rng.random() < 0.5:
        fields["success_action_status"] = rng.choice(["200", "201", "204"])
    boundary = f"----form{rng.getrandbits(60):x}"
    body = form_body(signer.form(fields, conditions, version=version), "file.txt", content, boundary)
    sent = Sent("POST", f"/{BUCKET}", (("Host", HOST), ("Content-Type", f"multipart/form-data; boundary={boundary}")))
    return replace(_with_body(sent, body), kind="form", job="form", plain=content)


def link(rng: random.Random, signer: Signer) -> Sent:
    """A link's token, to which nothing else is bound."""
    assert signer.pair.token is not None
    sent = Sent("GET", f"/s/{signer.pair.token}", (("Host", HOST), ("Accept", "*/*")), kind="link", job="get")
    return replace(sent, covered=False)


@lru_cache
def named(stack: Stack) -> str:
    return stack.__name__


CLIENTS: Sequence[Stack] = (
    boto3_http, boto3_tls, aws_cli, s3cmd, minio_py, javascript, rclone, pyarrow, php_presign, curl
)  # fmt: skip
"""The client stacks that are named in the promise; boto3 counts for one."""

STACKS: Sequence[Stack] = (*CLIENTS, java_chunks, v2_presign, browser_form)
"""All that are altered: every form of authentication and of body framing."""

FREE: Sequence[Stack] = (free_header, free_query, free_v2)
"""Requests of no client in particular, whose every free choice is drawn."""

assert READS < set(JOBS)
