"""Owns a second reading of a recorded body: what the client meant to store, out of HTTP's and S3's chunks.

Shares no line with `gateway`, so that a misreading there does not confirm itself.
"""

from __future__ import annotations

from tests.vectors.stack import Request

__all__ = ["header", "payload_of"]


def header(request: Request, name: str) -> str | None:
    """The first value of a header."""
    pairs = (line.split(":", 1) for line in request.head[1:])
    return next((value.strip() for known, value in pairs if known.lower() == name), None)


def payload_of(request: Request) -> bytes:
    """The plain body."""
    body = request.body
    if (header(request, "transfer-encoding") or "").lower() == "chunked":
        body = _chunks(body)
    if (header(request, "x-amz-content-sha256") or "").startswith("STREAMING-"):
        body = _chunks(body)
    return body


def _chunks(body: bytes) -> bytes:
    plain, at = [], 0
    while True:
        end = body.index(b"\r\n", at)
        size = int(body[at:end].partition(b";")[0], 16)
        if not size:
            return b"".join(plain)
        plain.append(body[end + 2 : end + 2 + size])
        at = end + 2 + size + 2
