"""What the cases are made of: one host, one moment, and requests of the size that is asked for."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from gateway.core.request import RawRequest
from gateway.wire.parse import parse

HOST = ("host", "gw")
DAY = datetime(2026, 1, 2, tzinfo=UTC).timestamp()
STAMP = "20260102T000000Z"
TAIL = 64
"""Bytes that stand behind each element in what is fed, so that whoever copies the rest is seen to do so."""


def raw(query: str = "", *headers: tuple[str, str], path: str = "/bkt/k", method: str = "GET") -> RawRequest:
    return RawRequest(method, path, query, (HOST, *headers))


def asked(**headers: str):
    return replace(parse(raw()), headers={name.replace("_", "-"): value for name, value in headers.items()})


def authorization(names: str = "host") -> str:
    return f"AWS4-HMAC-SHA256 Credential=A/20260102/r/s3/aws4_request, SignedHeaders={names}, Signature={'0' * 64}"
