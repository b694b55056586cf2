"""From a call to bytes: what is signed is what is sent."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import parse_qs, urlsplit

import pytest
from botocore.auth import HmacV1QueryAuth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials as BotoCredentials
from hypothesis import given
from hypothesis import strategies as st

from gateway.backends import presign
from gateway.backends.pool import Authority
from gateway.backends.presign import IMMEDIATE, Presigner
from gateway.backends.profiles import PROFILES
from gateway.core.attempt import SignatureVersion
from gateway.core.backend import BackendSpec
from gateway.core.profile import Addressing
from gateway.core.reasons import Reason, Refused
from gateway.core.route import UpstreamCall
from gateway.wire.sig.sigv4 import encode_key
from tests.backends.fault_server import CREDENTIALS, call

NOW = 1_800_000_000.0


def presigner(
    endpoint: str = "http://store.test:9000", addressing: str = "path", signature: SignatureVersion = "v4"
) -> Presigner:
    return Presigner(
        BackendSpec.resolve(
            "b",
            PROFILES["generic"],
            CREDENTIALS,
            endpoint=endpoint,
            addressing=Addressing(addressing),
            signature=signature,
        )
    )


@pytest.mark.parametrize(
    ("endpoint", "addressing", "bucket", "host", "path"),
    [
        ("http://store.test:9000", "path", "bkt", "store.test:9000", "/bkt/a"),
        ("http://store.test:80", "path", "bkt", "store.test", "/bkt/a"),
        ("https://store.test:443", "path", "bkt", "store.test", "/bkt/a"),
        ("https://store.test:80", "virtual", "bkt", "bkt.store.test:80", "/a"),
        ("https://store.test", "virtual", "dotted.bkt", "store.test", "/dotted.bkt/a"),
        ("http://store.test", "virtual", "dotted.bkt", "dotted.bkt.store.test", "/a"),
        ("http://127.0.0.1:9000", "virtual", "bkt", "127.0.0.1:9000", "/bkt/a"),
        ("http://[::1]:9000", "virtual", "bkt", "[::1]:9000", "/bkt/a"),
    ],
)
def test_addressing(endpoint: str, addressing: str, bucket: str, host: str, path: str) -> None:
    """The bucket stands where the backend wants it, unless no certificate or name could have it there."""
    made = presigner(endpoint, addressing)
    _, head = made.request(replace(call(key="a"), bucket=bucket), CREDENTIALS, NOW)
    lines = head.decode().split("\r\n")
    assert f"host: {host}" == lines[1]
    assert lines[0].startswith(f"GET {path}?X-Amz-Algorithm=")


def test_bucket_and_service_level_paths() -> None:
    """Without a key the path is the bucket's, without a bucket the root."""
    made = presigner()
    assert presigned_path(made, replace(call(), key="")) == "/bkt"
    assert presigned_path(made, replace(call(), key="", bucket="")) == "/"
    assert presigned_path(presigner(addressing="virtual"), replace(call(), key="")) == "/"


def presigned_path(made: Presigner, of: UpstreamCall) -> str:
    return urlsplit(made.url(of, CREDENTIALS, NOW, 60)).path


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40), st.sampled_from(["GET", "PUT"]))
def test_v4_is_what_botocore_signs(key: str, method: str) -> None:
    """For any key the presigned URL has the signature that botocore computes for the same request and second."""
    url = presigner().url(call(method, key=key), CREDENTIALS, NOW, 60)
    request = AWSRequest(method=method, url=url.partition("?")[0])
    boto = S3SigV4QueryAuth(BotoCredentials(CREDENTIALS.access_key, CREDENTIALS.secret_key), "s3", "us-east-1", 60)
    request.context["timestamp"] = parse_qs(urlsplit(url).query)["X-Amz-Date"][0]
    request.url = f"http://store.test:9000/bkt/{encode_key(key)}"
    boto._modify_request_before_signing(request)
    canonical = boto.canonical_request(request)
    signature = boto.signature(boto.string_to_sign(request, canonical), request)
    assert signature == parse_qs(urlsplit(url).query)["X-Amz-Signature"][0]


def test_v2_is_what_botocore_signs() -> None:
    """A backend set to signature version 2 gets `AWSAccessKeyId`, `Expires` and botocore's own signature."""
    url = presigner(signature="v2").url(call(key="a b"), CREDENTIALS, NOW, 60)
    query = parse_qs(urlsplit(url).query)
    assert ["1800000060"] == query["Expires"]
    boto = HmacV1QueryAuth(BotoCredentials(CREDENTIALS.access_key, CREDENTIALS.secret_key))
    boto._get_date = lambda: "1800000060"
    split = urlsplit("http://store.test:9000/bkt/a%20b")
    signature = boto.get_signature("GET", split, {}, auth_path="/bkt/a%20b")
    assert [signature] == query["Signature"]


def test_what_changes_a_write_is_signed() -> None:
    """Every `x-amz-*` header, Content-Type and Content-MD5 are signed; a range is not."""
    headers = (("content-type", "a/b"), ("x-amz-meta-a", "1"), ("range", "bytes=0-1"), ("content-md5", "x"))
    of = UpstreamCall(backend="b", method="PUT", bucket="bkt", key="k", headers=headers, body_length=3)
    head = presigner().request(of, CREDENTIALS, NOW)[1].decode()
    signed = parse_qs(urlsplit(head.split(" ")[1]).query)["X-Amz-SignedHeaders"]
    assert ["content-md5;content-type;host;x-amz-meta-a"] == signed
    assert head.endswith("content-length: 3\r\n\r\n")
    assert "\r\nrange: bytes=0-1\r\n" in head


def test_signatures_for_immediate_use_are_short() -> None:
    """A presigned request that leaves here at once is good for five minutes, not for days."""
    head = presigner().request(call(), CREDENTIALS, NOW)[1].decode()
    assert [str(IMMEDIATE)] == parse_qs(urlsplit(head.split(" ")[1]).query)["X-Amz-Expires"]


@pytest.mark.parametrize("bad", ["a\r\nhost: evil", "a\nb", "a\rb", "a\0b"])
@pytest.mark.parametrize("name", ["x-amz-meta-a", "cache-control"])
def test_no_line_break_leaves(name: str, bad: str) -> None:
    """A header value cannot add a header or end the head."""
    with pytest.raises(Refused) as refused:
        presigner().request(replace(call(), headers=((name, bad),)), CREDENTIALS, NOW)
    assert Reason.BAD_ARGUMENT is refused.value.reason


@pytest.mark.parametrize("name", ["host", "authorization", "transfer-encoding", "content-length", "x-amz-date"])
def test_headers_of_this_room_are_not_the_callers(name: str) -> None:
    """Framing and authentication headers are set here alone."""
    with pytest.raises(ValueError):
        presigner().request(replace(call(), headers=((name, "x"),)), CREDENTIALS, NOW)


def test_a_key_without_utf8_is_refused() -> None:
    """A lone surrogate has no bytes to sign."""
    with pytest.raises(Refused) as refused:
        presigner().request(call(key="a\ud800"), CREDENTIALS, NOW)
    assert Reason.BAD_KEY is refused.value.reason


def test_bytes_that_came_as_bytes_leave_as_bytes() -> None:
    """A header value read with `surrogateescape` goes out as the bytes that came in."""
    value = b"caf\xe9".decode("utf-8", "surrogateescape")
    head = presigner().request(replace(call(), headers=(("x-amz-meta-a", value),)), CREDENTIALS, NOW)[1]
    assert b"x-amz-meta-a: caf\xe9\r\n" in head


def test_authorities_are_told_apart() -> None:
    """Virtual hosts connect to their own name, so that TLS checks that name."""
    made = presigner("https://store.test", "virtual")
    assert Authority("bkt.store.test", 443, tls=True) == made.target("bkt").authority


@pytest.mark.parametrize("signature", ["v4", "v2"])
def test_the_same_call_is_presigned_once_in_ten_seconds(signature: str) -> None:
    """Later ones are presigned anew, and so is what is asked with other credentials, or about anything else; and what
    was presigned is good for far longer than it is kept."""
    given, asked, other = presigner(signature=signature), call(), replace(CREDENTIALS, secret_key="other")
    _, first = given.request(asked, CREDENTIALS, NOW)
    assert first is given.request(asked, CREDENTIALS, NOW + 9.9)[1]
    assert first == given.request(replace(asked), CREDENTIALS, NOW)[1]
    assert first != given.request(asked, other, NOW)[1]
    assert first != given.request(replace(asked, key="other"), CREDENTIALS, NOW)[1]
    for at in (NOW + 10, NOW - 60):
        assert (
            given.request(asked, CREDENTIALS, at)[1]
            == presigner(signature=signature).request(asked, CREDENTIALS, at)[1]
        )
    assert presign._SAME * 10 < IMMEDIATE


def test_what_was_presigned_is_kept_for_its_time_only() -> None:
    """However many calls there were."""
    given = presigner()
    for _ in range(100):
        given.request(call(), CREDENTIALS, NOW)
    assert 100 == len(given._heads)
    given.request(call(), CREDENTIALS, NOW + 10)
    assert 1 == len(given._heads)


def test_no_more_is_kept_of_what_was_presigned_than_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Calls that are made but once take no more memory in ten seconds than some thousand take."""
    monkeypatch.setattr(presign, "_MOST_SAME", 8)
    given = presigner()
    for _ in range(100):
        given.request(call(), CREDENTIALS, NOW)
        assert len(given._heads) <= 8


def test_no_head_is_kept_that_a_client_made_long() -> None:
    """Whoever sends other conditions or metadata each time would fill the memory with them, 16 KiB a request."""
    given = presigner()
    short, long = (replace(call(), headers=(("if-none-match", size * "x"),)) for size in (100, 15_000))
    assert given.request(short, CREDENTIALS, NOW)[1] is given.request(short, CREDENTIALS, NOW)[1]
    assert given.request(long, CREDENTIALS, NOW)[1] is not given.request(long, CREDENTIALS, NOW)[1]


def test_only_what_is_made_is_timed() -> None:
    """A request that is kept from before took no time to make."""
    told = list[float]()
    made, asked = Presigner(presigner()._spec, told.append), call()
    for at in (NOW, NOW + 5, NOW + 10):
        made.request(asked, CREDENTIALS, at)
    assert (2, True) == (len(told), all(0 <= seconds < 5 for seconds in told))
