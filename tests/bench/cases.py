"""Owns the requests that are counted one by one: what `make bench-check` and `make profile` send to one gateway.

Refuses to own counting. Each case is a few messages that are sent in turn, warm, on one connection.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from http.client import HTTPConnection
from typing import Final
from urllib.parse import urljoin, urlsplit

import boto3

from gateway.core.backend import Credentials
from tests.bench.requests import Message, framed, plain, presigned, signed, signed_anew
from tests.servers.gateway import RunningGateway

__all__ = ["ALLOWED", "CASES", "SMALL", "Case", "Place", "place_before"]

SMALL, MIB, LARGE = 4096, 1024**2, 8 * 1024**2
_KEYS = 100
_FEW = 4
_ANEW = 6000
"""More than the heads that the gateway remembers."""
_TABLE: Final = {
    "Effect": "Allow",
    "Action": ["s3:GetObject", "s3:PutObject"],
    "Resource": f"arn:aws:s3:::generic/{SMALL}-*",
}
_LISTING: Final = {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": "arn:aws:s3:::generic"}
_POLICY: Final = json.dumps({"Version": "2012-10-17", "Statement": [_TABLE, _LISTING]})
_NETWORK: Final = {"Condition": {"IpAddress": {"aws:SourceIp": "127.0.0.0/8"}}}
_POLICY_OF_NETWORK: Final = json.dumps({"Version": "2012-10-17", "Statement": [_TABLE | _NETWORK, _LISTING]})
"""It is asked of each request: who else asks may be told otherwise."""
ALLOWED, _ALLOWED_LARGE, _ALLOWED_BEHIND = 0.03, 0.08, 0.25
"""More for what depends on time: in how many pieces a large body comes, how many records make a batch."""


@dataclass(frozen=True, slots=True)
class Place:
    """What the requests need of a gateway: addresses, and a key to sign with; the bucket of a store that `keeps`."""

    gateway: RunningGateway
    pair: Credentials
    folder: str
    keeps: str = ""

    def key(self, name: str) -> str:
        return f"{self.gateway.data}/generic/{name}"

    def link(self, name: str, **more: object) -> str:
        return self.gateway.link("generic", name, **more).url


@dataclass(frozen=True, slots=True)
class Case:
    """So many of what `build` makes are `counted`, one by one; `behind` counts what is done after their answers.

    `once` says that none of them is to be sent twice. `allowed` is by how much it may grow from one time to the next.
    `kept` says that it is about a store that keeps what it is sent.
    `connections` is over how many they are sent where they are timed, and not counted.
    """

    build: Callable[[Place], list[Message]]
    counted: int = 12
    behind: bool = False
    allowed: float = ALLOWED
    once: bool = False
    kept: bool = False
    connections: int = 32


def place_before(gateway: RunningGateway, keeps: str = "") -> Place:
    """A fresh key and a fresh link to a folder."""
    key = gateway.api("POST", "/v1/keys", {"app": "bench", "expires_in": 86400})
    pair = Credentials(key["access_key_id"], key["secret_access_key"])
    return Place(gateway, pair, gateway.link("generic", prefix="").url, keeps)


def _names() -> list[str]:
    return [f"{SMALL}-{number}" for number in range(_KEYS)]


def _put_link(place: Place, size: int) -> list[Message]:
    return [plain("PUT", place.link(f"{size}-put", actions=["write"], overwrite=True), os.urandom(size))]


def _form(place: Place, size: int) -> list[Message]:
    """A form that a page of ours, or `curl -F`, would send with one file of this size."""
    head = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'
    kind = ("Content-Type", "multipart/form-data; boundary=edge")
    link = place.link(f"{size}-form", actions=["write"], overwrite=True)
    return [plain("POST", link, head + os.urandom(size) + b"\r\n--edge--\r\n", (kind,))]


def _pieces(place: Place, size: int, count: int) -> list[Message]:
    """A resumable upload in so many pieces of this size."""
    link = urlsplit(place.gateway.link(place.keeps, "pieces", actions=["write"], overwrite=True).url)
    version = (("Tus-Resumable", "1.0.0"),)
    with closing(HTTPConnection(link.netloc)) as connection:
        connection.request("POST", link.path, headers=dict(version) | {"Upload-Length": str(size * (count + 1))})
        created = connection.getresponse()
        if created.status != 201:
            raise RuntimeError(f"the upload was not created: {created.status} {created.read().decode()}")
        url = urljoin(link.geturl(), created.headers["Location"])
    body, kind = os.urandom(size), ("Content-Type", "application/offset+octet-stream")
    return [
        plain("PATCH", url, body, (*version, kind, ("Upload-Offset", str(number * size)))) for number in range(count)
    ]


def _pair_of(key: dict[str, str]) -> Credentials:
    return Credentials(key["access_key_id"], key["secret_access_key"])


def _by_narrowed_key(place: Place) -> list[Message]:
    """A key that may read one folder, of an app that may do everything."""
    body = {"app": "bench", "bucket": "generic", "prefix": "", "actions": ["read"], "expires_in": 86400}
    key = place.gateway.api("POST", "/v1/keys", body)
    return signed_anew("GET", place.key(f"{SMALL}-c"), _pair_of(key), _ANEW)


def _by_session(place: Place, policy: str | None) -> list[Message]:
    """A session of the same app, with the policy that a catalog vends or without one."""
    sts = boto3.client(
        "sts",
        endpoint_url=f"{place.gateway.control}/sts",
        region_name="us-east-1",
        aws_access_key_id=place.pair.access_key,
        aws_secret_access_key=place.pair.secret_key,
    )
    found = sts.get_session_token() if policy is None else sts.get_federation_token(Name="etl", Policy=policy)
    given = found["Credentials"]
    return _by_token(place, given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])


def _by_link_credentials(place: Place) -> list[Message]:
    with closing(HTTPConnection(urlsplit(place.gateway.data).netloc)) as connection:
        connection.request("POST", f"{urlsplit(place.folder).path}/credentials")
        answer = connection.getresponse()
        if answer.status != 200:
            raise RuntimeError(f"no credentials were given: {answer.status} {answer.read().decode()}")
        given = json.load(answer)["credentials"]
    return _by_token(place, given["accessKeyId"], given["secretAccessKey"], given["sessionToken"])


def _by_token(place: Place, key: str, secret: str, token: str) -> list[Message]:
    headers = (("x-amz-security-token", token),)
    return signed_anew("GET", place.key(f"{SMALL}-c"), Credentials(key, secret), _ANEW, headers=headers)


CASES: dict[str, Case] = {
    "GET 4 KiB, link": Case(lambda place: [plain("GET", place.link(f"{SMALL}-a"))]),
    "GET 4 KiB, 100 links": Case(
        lambda place: [plain("GET", place.link(f"{SMALL}-{number}")) for number in range(_KEYS)]
    ),
    "GET 4 KiB, 100 keys of a folder's link": Case(
        lambda place: [plain("GET", f"{place.folder}/{name}") for name in _names()]
    ),
    "GET 4 KiB, SigV4": Case(lambda place: [signed("GET", place.key(f"{SMALL}-a"), place.pair)]),
    "GET 4 KiB, SigV4, 100 keys": Case(lambda place: [signed("GET", place.key(name), place.pair) for name in _names()]),
    "GET 4 KiB, SigV4, signed anew": Case(
        lambda place: signed_anew("GET", place.key(f"{SMALL}-c"), place.pair, _ANEW), once=True
    ),
    "GET 4 KiB, narrowed key, signed anew": Case(_by_narrowed_key, once=True),
    "GET 4 KiB, session, signed anew": Case(lambda place: _by_session(place, None), once=True),
    "GET 4 KiB, session policy, signed anew": Case(lambda place: _by_session(place, _POLICY), once=True),
    "GET 4 KiB, session policy of a network, signed anew": Case(
        lambda place: _by_session(place, _POLICY_OF_NETWORK), once=True
    ),
    "GET 4 KiB, link's credentials, signed anew": Case(_by_link_credentials, once=True),
    "GET 4 KiB, new keys of a folder's link": Case(
        lambda place: [plain("GET", f"{place.folder}/{SMALL}-n{number}") for number in range(_KEYS)], once=True
    ),
    "GET 4 KiB, SigV4, new keys": Case(
        lambda place: [signed("GET", place.key(f"{SMALL}-n{number}"), place.pair) for number in range(_KEYS)], once=True
    ),
    "GET 4 KiB, presigned": Case(lambda place: [plain("GET", presigned("GET", place.key(f"{SMALL}-a"), place.pair))]),
    "PUT 4 KiB, link": Case(lambda place: _put_link(place, SMALL)),
    "PUT 4 KiB, SigV4": Case(lambda place: [signed("PUT", place.key(f"{SMALL}-p"), place.pair, os.urandom(SMALL))]),
    "PUT 4 KiB, SigV4, signed anew": Case(
        lambda place: signed_anew("PUT", place.key(f"{SMALL}-q"), place.pair, _ANEW, os.urandom(SMALL)), once=True
    ),
    "PUT 4 KiB, aws-chunked": Case(lambda place: [framed(place.key(f"{SMALL}-p"), place.pair, os.urandom(SMALL))]),
    "GET 4 KiB, link, behind the answer": Case(
        lambda place: [plain("GET", place.link(f"{SMALL}-b"))], behind=True, allowed=_ALLOWED_BEHIND
    ),
    "GET 4 KiB, 100 links, behind the answer": Case(
        lambda place: [plain("GET", place.link(f"{SMALL}-{number}")) for number in range(_KEYS)],
        counted=2 * _KEYS,
        behind=True,
        allowed=_ALLOWED_BEHIND,
    ),
    "GET 1 MiB, link": Case(
        lambda place: [plain("GET", place.link(f"{MIB}-a"))], allowed=_ALLOWED_LARGE, connections=_FEW
    ),
    "GET 8 MiB, link": Case(
        lambda place: [plain("GET", place.link(f"{LARGE}-a"))], counted=8, allowed=_ALLOWED_LARGE, connections=_FEW
    ),
    "PUT 8 MiB, link": Case(lambda place: _put_link(place, LARGE), counted=8, allowed=_ALLOWED_LARGE, connections=_FEW),
    "PUT 8 MiB, aws-chunked": Case(
        lambda place: [framed(place.key(f"{LARGE}-p"), place.pair, os.urandom(LARGE))],
        counted=8,
        allowed=_ALLOWED_LARGE,
        connections=_FEW,
    ),
    "POST 1 MiB, form, link": Case(lambda place: _form(place, MIB), allowed=_ALLOWED_LARGE, connections=_FEW),
    "ListObjectsV2 of 100 keys, SigV4": Case(
        lambda place: [signed("GET", f"{place.gateway.data}/generic?list-type=2", place.pair)], connections=_FEW
    ),
    "PATCH 8 MiB, resumable, to weed": Case(
        lambda place: _pieces(place, LARGE, 24), counted=4, allowed=_ALLOWED_LARGE, once=True, kept=True
    ),
    "GET zip of 100 objects of 64 KiB": Case(
        lambda place: [plain("GET", f"{place.gateway.link('generic', prefix='folder/').url}/?archive=zip")],
        counted=4,
        allowed=_ALLOWED_LARGE,
    ),
}


def address(url: str) -> tuple[str, int]:
    """Where a URL's server listens."""
    place = urlsplit(url)
    assert place.hostname is not None
    assert place.port is not None
    return place.hostname, place.port
