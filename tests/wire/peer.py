"""Requests signed by botocore, as they would arrive: the independent second opinion on our own signatures."""

from __future__ import annotations

import json
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from unittest.mock import patch
from urllib.parse import parse_qsl, urlsplit

from botocore.auth import HmacV1Auth, HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotocoreCredentials

from gateway.core.backend import Credentials
from gateway.core.request import RawRequest
from gateway.wire.sig.credentials import Signed, auth_fields, read_credentials

NOW = 1_790_000_000
REGION = "eu-west-2"
HOST = "s3.example.org:9000"
PAIR = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
VECTORS = Path(__file__).parent.parent / "vectors"


def vectors(name: str) -> dict:
    return json.loads((VECTORS / name).read_text())


def botocore_pair(pair: Credentials) -> BotocoreCredentials:
    return BotocoreCredentials(pair.access_key, pair.secret_key, pair.session_token)


@contextmanager
def frozen(now: float):
    moment = datetime.fromtimestamp(int(now), UTC)
    with patch("botocore.auth.get_current_datetime", lambda: moment), patch("botocore.auth.time.time", lambda: now):
        yield


def url(path: str, query: str = "") -> str:
    return f"http://{HOST}{path}{'?' if query else ''}{query}"


def arrived(request: AWSRequest) -> RawRequest:
    """The signed request as the gateway would see it."""
    parts = urlsplit(request.url)
    headers = [(name.lower(), str(value)) for name, value in request.headers.items()]
    if not any(name == "host" for name, _ in headers):
        headers.insert(0, ("host", parts.netloc))
    return RawRequest(request.method, parts.path, parts.query, tuple(headers))


def presented(raw: RawRequest) -> Signed | None:
    """What a request presents, also one that the parser would refuse for something else."""
    return read_credentials(auth_fields(raw.headers, parse_qsl(raw.query, keep_blank_values=True)))


def _request(method: str, path: str, query: str, headers: dict[str, str], body: bytes = b"") -> AWSRequest:
    return AWSRequest(method=method, url=url(path, query), headers=headers, data=body)


def v4_header(method, path, query="", headers=None, body=b"", pair=PAIR, now=NOW, region=REGION) -> RawRequest:
    request = _request(method, path, query, headers or {}, body)
    with frozen(now):
        S3SigV4Auth(botocore_pair(pair), "s3", region).add_auth(request)
    return arrived(request)


def v4_query(method, path, query="", headers=None, pair=PAIR, now=NOW, region=REGION, expires=3600) -> RawRequest:
    request = _request(method, path, query, headers or {})
    with frozen(now):
        S3SigV4QueryAuth(botocore_pair(pair), "s3", region, expires=expires).add_auth(request)
    return arrived(request)


class _DatedV2(HmacV1Auth):
    """botocore takes SigV2's date from the wall clock."""

    def _get_date(self):
        return datetime.fromtimestamp(NOW, UTC).strftime("%a, %d %b %Y %H:%M:%S GMT")


def v2_header(method, path, query="", headers=None, pair=PAIR) -> RawRequest:
    request = _request(method, path, query, headers or {})
    _DatedV2(botocore_pair(pair)).add_auth(request)
    return arrived(request)


def v2_query(method, path, query="", headers=None, pair=PAIR, now=NOW, expires=3600) -> RawRequest:
    """As a client would use the URL: what the signer moved into the query is not sent as headers again."""
    request = _request(method, path, query, headers or {})
    with frozen(now):
        HmacV1QueryAuth(botocore_pair(pair), expires=expires).add_auth(request)
    raw = arrived(request)
    kept = tuple((n, v) for n, v in raw.headers if n != "date" and not n.startswith("x-amz-"))
    return RawRequest(raw.method, raw.path, raw.query, kept)
