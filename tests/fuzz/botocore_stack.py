"""Owns what botocore itself sends for a job: boto3 over HTTP and as over TLS, and the aws command, caught in flight."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any
from unittest.mock import patch
from urllib.parse import urlsplit

from botocore.config import Config
from botocore.session import Session

from tests.fuzz.jobs import BUCKET, HOST, key_name
from tests.fuzz.sent import Sent, http_chunks
from tests.fuzz.signers import Pair, Signer

__all__ = ["aws_cli", "boto3_http", "boto3_tls"]


class _Caught(BaseException):
    """Carries the prepared request out of botocore, which retries ordinary exceptions."""

    def __init__(self, request: Any) -> None:
        self.request = request


def _catch(request: Any, **_: Any) -> None:
    raise _Caught(request)


@lru_cache(1)
def _session() -> Session:
    return Session()


@lru_cache(64)
def _client(pair: Pair, scheme: str, agent: str, addressing: str) -> Any:
    config = Config(
        s3={"addressing_style": addressing},
        retries={"total_max_attempts": 1},
        user_agent_extra=agent,
        max_pool_connections=1,
    )
    client = _session().create_client(
        "s3",
        region_name="us-east-1",
        endpoint_url=f"{scheme}://{HOST}",
        aws_access_key_id=pair.key,
        aws_secret_access_key=pair.secret,
        aws_session_token=pair.token,
        config=config,
    )
    client.meta.events.register_first("before-send.s3", _catch)
    return client


def _draw(rng: random.Random) -> tuple[str, str, dict[str, Any]]:
    """One operation at random: the job's name, the client's method and its arguments."""
    key, body = key_name(rng), rng.randbytes(rng.choice([0, 1, 900, 20000]))
    at: dict[str, Any] = {"Bucket": BUCKET, "Key": key}
    part = {"UploadId": "up.1", "PartNumber": rng.randint(1, 9)}
    described = {"Metadata": {"a": "b  c"}, "ContentType": "text/x", "CacheControl": "no-cache"}
    doomed = {"Objects": [{"Key": key}, {"Key": key_name(rng)}]}
    completed = {"Parts": [{"ETag": '"a"', "PartNumber": 1}]}
    return rng.choice(
        [
            ("put", "put_object", at | {"Body": body}),
            ("put", "put_object", at | {"Body": body}),
            ("meta", "put_object", at | {"Body": body} | described),
            ("get", "get_object", at),
            ("range", "get_object", at | {"Range": "bytes=1-"}),
            ("head", "head_object", at),
            ("delete", "delete_object", at),
            ("list", "list_objects_v2", {"Bucket": BUCKET, "Prefix": key, "Delimiter": "/", "MaxKeys": 7}),
            ("copy", "copy_object", at | {"CopySource": {"Bucket": BUCKET, "Key": key_name(rng)}}),
            ("batch", "delete_objects", {"Bucket": BUCKET, "Delete": doomed}),
            ("create", "create_multipart_upload", at),
            ("part", "upload_part", at | part | {"Body": body}),
            ("complete", "complete_multipart_upload", at | {"UploadId": "up.1", "MultipartUpload": completed}),
            ("tags", "get_object_tagging", at),
        ]
    )


def _caught(rng: random.Random, signer: Signer, scheme: str, agent: str) -> Sent:
    client = _client(signer.pair, scheme, agent, rng.choice(["path", "virtual"]))
    name, method, arguments = _draw(rng)
    moment = datetime.fromtimestamp(int(signer.now), UTC)

    def now(*, remove_tzinfo: bool = True) -> datetime:
        return moment.replace(tzinfo=None) if remove_tzinfo else moment

    try:
        with patch("botocore.auth.get_current_datetime", now), patch("botocore.crt.auth.get_current_datetime", now):
            getattr(client, method)(**arguments)
    except _Caught as caught:
        return _sent(caught.request, name, arguments.get("Body"))
    raise AssertionError("botocore sent nothing")


def _sent(request: Any, name: str, plain: bytes | None) -> Sent:
    parts = urlsplit(request.url)
    headers = tuple(
        (known, value.decode() if isinstance(value, bytes) else str(value)) for known, value in request.headers.items()
    )
    body = request.body if request.body is not None else b""
    if hasattr(body, "read"):
        body = body.read()
    body = body.encode() if isinstance(body, str) else bytes(body)
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    if not any(known.lower() == "host" for known, _ in headers):
        headers = (("Host", parts.netloc), *headers)
    sent = Sent(request.method, target, headers, job=name, plain=plain)
    if sent.header("Transfer-Encoding") == "chunked":
        body = http_chunks(body)
    elif sent.header("Content-Length") is None and body:
        sent = sent.with_header("Content-Length", str(len(body)))
    return replace(sent, body=body)


def boto3_http(rng: random.Random, signer: Signer) -> Sent:
    """boto3 over plain HTTP: hashed bodies with a checksum header."""
    return _caught(rng, signer, "http", "Boto3/1.43")


def boto3_tls(rng: random.Random, signer: Signer) -> Sent:
    """boto3 as over TLS: unsigned chunks with a trailer."""
    return _caught(rng, signer, "https", "Boto3/1.43")


def aws_cli(rng: random.Random, signer: Signer) -> Sent:
    """The command line: botocore with its own name and, for uploads, an expectation."""
    return _caught(rng, signer, rng.choice(["http", "https"]), "aws-cli/1.45 md/command#s3.cp")
