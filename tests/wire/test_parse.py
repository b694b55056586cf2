"""Laws of `gateway.wire.parse`."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Iterable
from hashlib import md5, sha1, sha256, sha512
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.reasons import Reason, Refused
from gateway.core.request import BodyFraming, BucketPlace, LinkPlace, ObjectRequest, Operation
from gateway.wire.http.target import raw_request
from gateway.wire.parse import check_key, copy_source, parse

DOMAINS = ("s3.gw.example", "gw.example")


def ask(
    method: str, target: str, headers: Iterable[tuple[str, str]] = (), *, host: str = "localhost:8080"
) -> ObjectRequest:
    pairs = [(b"Host", host.encode())] + [(name.encode(), value.encode()) for name, value in headers]
    return parse(raw_request(method, target, pairs), DOMAINS)


def refusal_of(method: str, target: str, headers: Iterable[tuple[str, str]] = (), **more: str) -> Reason:
    with pytest.raises(Refused) as caught:
        ask(method, target, headers, **more)
    return caught.value.reason


@pytest.mark.parametrize(
    ("method", "target", "operation", "path"),
    [
        ("GET", "/s/tok", Operation.GET_OBJECT, None),
        ("HEAD", "/s/tok", Operation.HEAD_OBJECT, None),
        ("GET", "/s/tok/", Operation.LIST_OBJECTS_V2, ""),
        ("HEAD", "/s/tok/", Operation.LIST_OBJECTS_V2, ""),
        ("GET", "/s/tok/a/b.txt", Operation.GET_OBJECT, "a/b.txt"),
        ("GET", "/s/tok/a%20b/", Operation.LIST_OBJECTS_V2, "a b/"),
        ("PUT", "/s/tok", Operation.PUT_OBJECT, None),
        ("PUT", "/s/tok/new+name", Operation.PUT_OBJECT, "new+name"),
        ("POST", "/s/tok", Operation.POST_OBJECT, None),
        ("POST", "/s/tok/", Operation.POST_OBJECT, ""),
        ("OPTIONS", "/s/tok/a", Operation.LIST_PARTS, "a"),
    ],
)
def test_link_paths(method: str, target: str, operation: Operation, path: str | None) -> None:
    """A link's path is its object, a name below its prefix, or a folder to list."""
    request = ask(method, target)
    assert (request.operation, request.place) == (operation, LinkPlace("tok", path))


@pytest.mark.parametrize("method", ["DELETE", "PATCH", "TRACE", "CONNECT", "FOO"])
def test_links_have_few_methods(method: str) -> None:
    """Everything but reading, listing and uploading is not offered for a link."""
    assert refusal_of(method, "/s/tok") is Reason.METHOD_NOT_ALLOWED


def test_link_without_token_is_an_unknown_token() -> None:
    """`/s` and `/s/` are links with an empty token, so that they are refused as any wrong one."""
    assert ask("GET", "/s").place == LinkPlace("", None)
    assert ask("GET", "/s/").place == LinkPlace("", None)


def test_link_keeps_only_its_own_parameters() -> None:
    """What trackers and vendors append to a URL has no effect on a link."""
    request = ask("GET", "/s/tok?download=1&utm_source=x&response-content-type=text/html&archive=zip&cursor=c")
    assert request.params == {"download": "1", "archive": "zip", "cursor": "c"}


def test_upload_through_a_link_needs_a_name() -> None:
    """A folder cannot be uploaded. The token's own slash is judged when it is known what is behind the link."""
    assert ask("PUT", "/s/tok/").operation is Operation.PUT_OBJECT
    assert refusal_of("PUT", "/s/tok/a/") is Reason.BAD_KEY


@pytest.mark.parametrize("base", ["/bucket/", "/s/tok/"])
@pytest.mark.parametrize(
    "name",
    ["..", "../x", "a/../b", "%2e%2e/x", "a/%2E%2e", "a%2f..%2fb", "%2e/x", "a%2f./b", "./../x", "%00", "%ff"],
)
def test_names_that_parsers_read_differently_are_refused(base: str, name: str) -> None:
    """Dot segments and control bytes are refused, however they are encoded."""
    assert refusal_of("GET", base + name) is Reason.BAD_KEY


@pytest.mark.parametrize(
    ("path", "meant"),
    [
        ("./Packages", "Packages"),
        ("a/./b", "a/b"),
        ("a/.", "a/"),
        ("./", ""),
        (".", ""),
        (".//x", "/x"),
        (".x/..y", ".x/..y"),
    ],
)
def test_here_in_the_address_of_a_link_is_where_one_is(path: str, meant: str) -> None:
    """apt asks a repository for `./Packages`, which is the same as without its dot (RFC 3986, 5.2.4). In a signed
    request the dot is a part of the name."""
    here, plain = ask("GET", f"/s/tok/{path}"), ask("GET", f"/s/tok/{meant}")
    assert (plain.place, plain.operation) == (here.place, here.operation)
    if path != plain.raw.path.removeprefix("/s/tok/"):
        assert refusal_of("GET", f"/bucket/{path}") is Reason.BAD_KEY


@pytest.mark.parametrize(
    ("raw", "key"),
    [
        ("a%2fb", "a/b"),
        ("/lead", "/lead"),
        ("a//b", "a//b"),
        ("a%5cb", "a\\b"),
        ("a\\b", "a\\b"),
        ("a+b", "a+b"),
        ("a%2Bb", "a+b"),
        ("a%20b", "a b"),
        ("a%252fb", "a%2fb"),
        ("a%253Fb", "a%3Fb"),
        ("%E2%82%AC", "\u20ac"),
        ("...", "..."),
        (".hidden", ".hidden"),
        ("trail/", "trail/"),
        ("k;x=1", "k;x=1"),
    ],
)
def test_key_is_decoded_exactly_once(raw: str, key: str) -> None:
    """The key is the once-decoded rest of the raw path, with slashes and plus signs as they are."""
    assert ask("GET", "/bucket/" + raw).place == BucketPlace("bucket", key)


@given(st.text(min_size=1, max_size=60))
def test_encoding_a_key_once_gives_it_back(key: str) -> None:
    """Every acceptable key survives one encoding and our one decoding; every other is refused."""
    try:
        encoded = quote(key, safe="/")
    except UnicodeEncodeError:
        return
    try:
        check_key(key)
    except Refused:
        assert refusal_of("GET", "/bucket/" + encoded) in {Reason.BAD_KEY, Reason.KEY_TOO_LONG}
    else:
        assert ask("GET", "/bucket/" + encoded).place == BucketPlace("bucket", key)


def test_long_keys_and_broken_utf8() -> None:
    """A key has at most 1024 bytes of UTF-8."""
    assert refusal_of("GET", "/bucket/" + "a" * 1025) is Reason.KEY_TOO_LONG
    assert refusal_of("GET", "/bucket/" + "%C3%A9" * 513) is Reason.KEY_TOO_LONG
    assert ask("GET", "/bucket/" + "%C3%A9" * 512).place == BucketPlace("bucket", "\u00e9" * 512)
    assert refusal_of("GET", "/bucket/%ff") is Reason.BAD_KEY


@pytest.mark.parametrize(
    "target", ["//evil.example/x", "/BUCKET/k", "/bu%2Fcket/k", "/.bucket/k", "/b%20c/k", "/" + 64 * "a"]
)
def test_impossible_bucket_names_are_refused(target: str) -> None:
    """A path that starts with no possible bucket name is refused for that name."""
    assert refusal_of("GET", target) is Reason.BAD_BUCKET_NAME


@pytest.mark.parametrize("target", ["/a", "/a/k", "/S/tok", "/x/"])
def test_one_letter_paths_are_ours(target: str) -> None:
    """Buckets have three characters or more, so one-letter paths are kept for us."""
    assert refusal_of("GET", target) is Reason.BAD_BUCKET_NAME


@pytest.mark.parametrize(
    ("host", "place", "virtual"),
    [
        ("bucket.gw.example", BucketPlace("bucket", "abc/k"), True),
        ("BUCKET.GW.example:8080", BucketPlace("bucket", "abc/k"), True),
        ("bucket.s3.gw.example", BucketPlace("bucket", "abc/k"), True),
        ("my.bucket.gw.example.", BucketPlace("my.bucket", "abc/k"), True),
        ("gw.example", BucketPlace("abc", "k"), False),
        ("s3.gw.example", BucketPlace("abc", "k"), False),
        ("bucketgw.example", BucketPlace("abc", "k"), False),
        ("other.example", BucketPlace("abc", "k"), False),
        ("127.0.0.1:8080", BucketPlace("abc", "k"), False),
        ("[::1]:8080", BucketPlace("abc", "k"), False),
    ],
)
def test_virtual_hosts(host: str, place: BucketPlace, virtual: bool) -> None:
    """Below a domain of ours the host names the bucket, the longest domain first; any other host means path style."""
    request = ask("GET", "/abc/k", host=host)
    assert (request.place, request.virtual_host) == (place, virtual)


def test_virtual_host_owns_all_its_paths() -> None:
    """A bucket's own host has no link paths: its keys may start with `s/`."""
    assert ask("GET", "/s/tok", host="bucket.gw.example").place == BucketPlace("bucket", "s/tok")


def test_forwarded_host_is_not_believed() -> None:
    """Only the Host header routes."""
    request = ask("GET", "/abc/k", [("X-Forwarded-Host", "bucket.gw.example"), ("Forwarded", "host=bucket.gw.example")])
    assert request.place == BucketPlace("abc", "k")


def test_authentication_parameters_are_recognised_and_left_out() -> None:
    """Parameters of both query signatures belong to their readers and are none of the operation's."""
    v4 = "X-Amz-Algorithm=A&X-Amz-Credential=C&X-Amz-Date=D&X-Amz-Expires=1&X-Amz-SignedHeaders=host&X-Amz-Signature=s"
    request = ask("GET", f"/bucket/k?{v4}&X-Amz-Security-Token=t&X-Amz-Content-Sha256=UNSIGNED-PAYLOAD&x-id=GetObject")
    assert (request.operation, request.params) == (Operation.GET_OBJECT, {})
    request = ask("GET", "/bucket/k?AWSAccessKeyId=a&Signature=s&Expires=1&response-expires=0")
    assert request.params == {"response-expires": "0"}


@pytest.mark.parametrize(
    "name", ["x-amz-date", "X-AMZ-Content-SHA256", "x-amz-algorithm", "signature", "awsaccesskeyid"]
)
def test_other_spellings_of_authentication_are_refused(name: str) -> None:
    """What one reader would take for authentication and another would not is refused."""
    assert refusal_of("GET", f"/bucket/k?{name}=x") is Reason.UNSUPPORTED_OPERATION


def test_parameters_hoisted_by_presigners_become_headers() -> None:
    """`x-amz-*` parameters of presigned URLs mean what the headers would have meant."""
    query = "x-amz-acl=private&X-Amz-Meta-Colour=red&x-amz-checksum-mode=ENABLED&x-amz-storage-class=STANDARD_IA"
    request = ask("PUT", f"/bucket/k?{query}&X-Amz-Signature=s&Content-Type=application%2Fpdf")
    assert request.headers == {
        "x-amz-meta-colour": "red",
        "x-amz-checksum-mode": "ENABLED",
        "x-amz-storage-class": "STANDARD_IA",
    }
    assert request.operation is Operation.PUT_OBJECT


@pytest.mark.parametrize("name", ["content-type", "content-md5", "Content-Type", "x-id"])
def test_parameters_that_only_repeat_a_header_have_no_effect(name: str) -> None:
    """botocore's SigV2 presigner copies signed headers into the query; only the header itself counts."""
    request = ask("PUT", f"/bucket/k?{name}=text%2Fplain&Signature=s")
    assert (request.operation, request.headers, request.params) == (Operation.PUT_OBJECT, {}, {})


@pytest.mark.parametrize(
    ("method", "target", "operation"),
    [
        ("GET", "/bucket?prefix=in&Version=2006-03-01", Operation.LIST_OBJECTS),
        ("GET", "/bucket/k?Version=2006-03-01", Operation.GET_OBJECT),
        ("GET", "/bucket?list-type=2&metadata=true", Operation.LIST_OBJECTS_V2),
        ("PUT", "/bucket/k?response-content-type=a%2Fb", Operation.PUT_OBJECT),
    ],
)
def test_parameters_that_clients_send_to_no_effect_are_let_by(method: str, target: str, operation: Operation) -> None:
    """Libcloud's version, minio-go's wish for metadata, and Bun's type of a presigned PUT say nothing to S3 either."""
    assert operation is ask(method, target).operation


def test_other_parameters_are_refused() -> None:
    """What may be a sub-resource that is not understood is never taken as the plain request."""
    assert Reason.UNSUPPORTED_OPERATION is refusal_of("GET", "/bucket?version=2006-03-01")
    assert Reason.UNSUPPORTED_OPERATION is refusal_of("DELETE", "/bucket/k?response-content-type=a")


def test_hoisted_parameters_may_not_disagree_with_headers() -> None:
    """A header repeats its parameter or the request is refused; unknown ones are refused either way."""
    assert ask("PUT", "/bucket/k?x-amz-meta-a=1", [("x-amz-meta-a", "1")]).headers == {"x-amz-meta-a": "1"}
    assert refusal_of("PUT", "/bucket/k?x-amz-meta-a=1", [("x-amz-meta-a", "2")]) is Reason.BAD_REQUEST
    assert refusal_of("PUT", "/bucket/k?x-amz-grant-read=all") is Reason.UNSUPPORTED_OPERATION


@pytest.mark.parametrize(
    ("name", "nothing", "other"),
    [
        ("x-amz-checksum-crc32", "AAAAAA==", "NhCmhg=="),
        ("x-amz-checksum-crc32c", "AAAAAA==", "NhCmhg=="),
        ("x-amz-checksum-crc64nvme", "AAAAAAAAAAA=", "iv9ksHXxbVI="),
        ("x-amz-checksum-md5", b64encode(md5().digest()).decode(), b64encode(md5(b"x").digest()).decode()),
        ("x-amz-checksum-sha1", b64encode(sha1().digest()).decode(), b64encode(sha1(b"x").digest()).decode()),
        ("x-amz-checksum-sha256", b64encode(sha256().digest()).decode(), b64encode(sha256(b"x").digest()).decode()),
        ("x-amz-checksum-sha512", b64encode(sha512().digest()).decode(), b64encode(sha512(b"x").digest()).decode()),
        ("x-amz-checksum-xxhash64", b64encode(bytes.fromhex("ef46db3751d8e999")).decode(), "jLhB22hAroM="),
        ("x-amz-checksum-xxhash3", b64encode(bytes.fromhex("2d06800538d394c2")).decode(), "ctyxi2ehff8="),
        (
            "x-amz-checksum-xxhash128",
            b64encode(bytes.fromhex("99aa06d3014798d86001c324468d497f")).decode(),
            "MxGUd+3l3NXplxZCdoHVhg==",
        ),
    ],
)
def test_checksum_of_nothing_in_a_presigned_upload_is_ignored(name: str, nothing: str, other: str) -> None:
    """A presigner's checksum of the empty body says nothing about the body that comes, whichever algorithm was chosen;
    where the body is empty, or the checksum is another's, or is sent as a header, it counts."""
    query = f"{name}={quote(nothing, safe='')}&x-amz-sdk-checksum-algorithm={name.rpartition('-')[2].upper()}"
    assert name not in ask("PUT", f"/bucket/k?{query}", [("Content-Length", "5")]).headers
    assert name in ask("PUT", f"/bucket/k?{query}", [("Content-Length", "0")]).headers
    assert name in ask("PUT", f"/bucket/k?{name}={quote(other, safe='')}").headers
    assert name in ask("PUT", "/bucket/k", [("Content-Length", "5"), (name, nothing)]).headers


@pytest.mark.parametrize("where", ["header", "query"])
def test_copy_source_makes_a_copy(where: str) -> None:
    """Wherever the copy source is named, the operation is a copy, so that its source is decided on too."""
    source = "/other/k"
    query = "x-amz-copy-source=%2Fother%2Fk" if where == "query" else ""
    headers = [("x-amz-copy-source", source)] if where == "header" else []
    request = ask("PUT", f"/bucket/k?{query}", headers)
    assert (request.operation, request.headers["x-amz-copy-source"]) == (Operation.COPY_OBJECT, source)
    part = ask("PUT", f"/bucket/k?partNumber=1&uploadId=u&{query}", headers)
    assert part.operation is Operation.UPLOAD_PART_COPY


def test_copy_source_elsewhere_is_refused() -> None:
    """Only PUT copies."""
    assert refusal_of("GET", "/bucket/k", [("x-amz-copy-source", "/o/k")]) is Reason.UNSUPPORTED_OPERATION
    assert refusal_of("PUT", "/bucket/k?tagging", [("x-amz-copy-source", "/o/k")]) is Reason.UNSUPPORTED_OPERATION


@pytest.mark.parametrize(
    ("text", "place", "version"),
    [
        ("/bucket/a%20b", BucketPlace("bucket", "a b"), None),
        ("bucket/a+b", BucketPlace("bucket", "a+b"), None),
        ("bucket/a%2Fb?versionId=v1", BucketPlace("bucket", "a/b"), "v1"),
        ("bucket/a%3FversionId=v1", BucketPlace("bucket", "a?versionId=v1"), None),
        ("bucket/a%252e", BucketPlace("bucket", "a%2e"), None),
        ("%2Fbucket%2Fa%2Fb", BucketPlace("bucket", "a/b"), None),
        ("bucket%2Fa%252Fb?versionId=v1", BucketPlace("bucket", "a%2Fb"), "v1"),
    ],
)
def test_copy_source(text: str, place: BucketPlace, version: str | None) -> None:
    """The version is split off before the source is decoded, the bucket after; it is decoded once."""
    assert copy_source(text) == (place, version)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", Reason.BAD_ARGUMENT),
        ("bucket", Reason.BAD_ARGUMENT),
        ("bucket/", Reason.BAD_ARGUMENT),
        ("bucket%252Fkey", Reason.BAD_ARGUMENT),
        ("%2F%2Fbucket%2Fkey", Reason.BAD_ARGUMENT),
        ("bucket%2F%2e%2e%2Fsecret", Reason.BAD_KEY),
        ("/%2e%2e/key", Reason.BAD_ARGUMENT),
        ("arn:aws:s3:::bucket/key", Reason.BAD_ARGUMENT),
        ("bucket/key?versionId=", Reason.BAD_ARGUMENT),
        ("bucket/key?x=1", Reason.BAD_ARGUMENT),
        ("bucket/%zz", Reason.BAD_ARGUMENT),
        ("bucket/../secret", Reason.BAD_KEY),
        ("bucket/%2e%2e/secret", Reason.BAD_KEY),
        ("bucket/%00", Reason.BAD_KEY),
        ("bucket/%ff", Reason.BAD_KEY),
        ("bucket/" + "a" * 1025, Reason.KEY_TOO_LONG),
    ],
)
def test_bad_copy_sources_are_refused(text: str, reason: Reason) -> None:
    """A source has the same rules as a path."""
    with pytest.raises(Refused) as caught:
        copy_source(text)
    assert caught.value.reason is reason


def test_preflight_is_not_asked_about_its_parameters() -> None:
    """A preflight for a presigned URL carries the whole of it."""
    request = ask("OPTIONS", "/bucket/k?X-Amz-Signature=s&anything&anything")
    assert (request.operation, request.place, request.params) == (
        Operation.PREFLIGHT,
        BucketPlace("bucket", "k"),
        {},
    )


STREAMS = [
    ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD", BodyFraming.SIGNED_CHUNKS),
    ("STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER", BodyFraming.SIGNED_CHUNKS_TRAILER),
    ("STREAMING-UNSIGNED-PAYLOAD-TRAILER", BodyFraming.UNSIGNED_CHUNKS_TRAILER),
]


@pytest.mark.parametrize(("declared", "framing"), STREAMS)
@pytest.mark.parametrize("encoding", ["aws-chunked", "gzip, aws-chunked", None])
def test_chunked_bodies(declared: str, framing: BodyFraming, encoding: str | None) -> None:
    """The content hash names the framing; the object's length is the decoded one."""
    headers = [("x-amz-content-sha256", declared), ("x-amz-decoded-content-length", "5"), ("Content-Length", "93")]
    if encoding:
        headers.append(("Content-Encoding", encoding))
    request = ask("PUT", "/bucket/k", headers)
    assert (request.framing, request.content_length) == (framing, 5)
    assert "aws-chunked" not in request.headers.get("content-encoding", "")


def test_chunked_body_of_a_client_without_credentials() -> None:
    """Without a signer nobody adds the content hash; the encoding alone says how the body is framed."""
    headers = [("Content-Encoding", "aws-chunked"), ("x-amz-decoded-content-length", "5")]
    assert ask("PUT", "/bucket/k", headers).framing is BodyFraming.UNSIGNED_CHUNKS_TRAILER


@pytest.mark.parametrize(
    ("target", "headers", "reason"),
    [
        ("/bucket/k", [("x-amz-content-sha256", "STREAMING-OTHER")], Reason.UNSUPPORTED_OPERATION),
        ("/bucket/k", [("x-amz-content-sha256", STREAMS[0][0])], Reason.MISSING_LENGTH),
        (
            "/bucket/k",
            [("x-amz-content-sha256", STREAMS[0][0]), ("x-amz-decoded-content-length", "-1")],
            Reason.BAD_ARGUMENT,
        ),
        (
            "/bucket/k",
            [("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), ("Content-Encoding", "aws-chunked")],
            Reason.BAD_REQUEST,
        ),
        ("/bucket/k", [("x-amz-content-sha256", "a"), ("x-amz-content-sha256", "b")], Reason.BAD_REQUEST),
        ("/bucket/k?X-Amz-Content-Sha256=" + STREAMS[2][0], [], Reason.BAD_ARGUMENT),
        (
            "/bucket/k",
            [
                ("x-amz-content-sha256", "0" * 64),
                ("x-amz-decoded-content-length", "3"),
                ("Content-Encoding", "aws-chunked"),
            ],
            Reason.BAD_REQUEST,
        ),
        (
            "/bucket/k",
            [
                ("x-amz-content-sha256", "0" * 64),
                ("x-amz-trailer", "x-amz-checksum-crc32"),
                ("Content-Encoding", "aws-chunked"),
            ],
            Reason.BAD_REQUEST,
        ),
        ("/s/tok/k", [("Content-Encoding", "aws-chunked")], Reason.BAD_REQUEST),
    ],
)
def test_framing_that_would_be_stored_as_data_is_refused(
    target: str, headers: list[tuple[str, str]], reason: Reason
) -> None:
    """A body whose framing is not understood never gets as far as a store."""
    assert refusal_of("PUT", target, headers) is reason


def test_a_body_whose_own_hash_was_signed_is_plain() -> None:
    """`aws-chunked` beside the hash of a whole body is taken out of the encoding and changes nothing else."""
    request = ask("PUT", "/bucket/k", [("x-amz-content-sha256", "0" * 64), ("Content-Encoding", "gzip, aws-chunked")])
    assert (request.framing, request.headers["content-encoding"]) == (BodyFraming.PLAIN, "gzip")


def test_plain_length() -> None:
    """A plain body's length is its Content-Length, or unknown."""
    assert ask("PUT", "/bucket/k", [("Content-Length", "7")]).content_length == 7
    assert ask("PUT", "/bucket/k").content_length is None


@pytest.mark.parametrize("text", ["bytes=0-1,5-6", "bytes=9-1", "lines=1-2"])
def test_odd_ranges_are_as_if_not_sent(text: str) -> None:
    """Several, malformed or foreign ranges are answered by the whole object."""
    assert "range" not in ask("GET", "/bucket/k", [("Range", text)]).headers


METHODS = st.one_of(st.sampled_from(["GET", "HEAD", "PUT", "POST", "DELETE", "OPTIONS", "PATCH"]), st.text(max_size=8))
PIECES = st.sampled_from(
    ["/", "s", "bucket", "..", "%2e", "%2F", "%00", "%ff", "?", "&", "=", "a", "uploads", "uploadId", "partNumber=1",
     "tagging", "x-amz-acl", "X-Amz-Signature", "list-type=2", "+", "%", "#", "http://", "h", "\\", "\x00", "\u00e9"]
)  # fmt: skip
TARGETS = st.one_of(st.lists(PIECES, max_size=12).map("".join), st.text(max_size=30).map(lambda text: "/" + text))
NAMES = st.sampled_from(
    [b"Host", b"Content-Length", b"Transfer-Encoding", b"Expect", b"Range", b"Content-Encoding", b"x-amz-copy-source",
     b"x-amz-content-sha256", b"x-amz-decoded-content-length", b"x-amz-meta-\xff", b"x-amz-acl", b"Content-Type"]
)  # fmt: skip
VALUES = st.one_of(
    st.binary(max_size=20),
    st.sampled_from([b"h", b"5", b"chunked", b"aws-chunked", b"100-continue", b"bytes=0-1", STREAMS[0][0].encode()]),
)


@given(METHODS, TARGETS, st.lists(st.tuples(NAMES, VALUES), max_size=6))
def test_parse_answers_or_refuses(method: str, target: str, headers: list[tuple[bytes, bytes]]) -> None:
    """Whatever comes, the answer is a whole request or a refusal."""
    try:
        request = parse(raw_request(method, target, [(b"Host", b"h"), *headers]), DOMAINS)
    except Refused:
        return
    assert request.operation in Operation
    key = request.place.key if isinstance(request.place, BucketPlace) else request.place.path or ""
    assert check_key(key) == key
    assert not re.search(r"[\x00-\x08\x0a-\x1f\x7f-\x9f\ud800-\udfff]", "".join(request.headers.values()))


@pytest.mark.parametrize(
    ("method", "target", "taken"),
    [
        ("GET", "/bucket/k", False),
        ("DELETE", "/bucket/k", False),
        ("POST", "/bucket/k?uploads", False),
        ("PUT", "/bucket/k?tagging", True),
        ("PUT", "/bucket/k", True),
        ("PUT", "/bucket", True),
    ],
)
@pytest.mark.parametrize("framing", [("content-length", "1"), ("transfer-encoding", "chunked")])
def test_a_body_that_nobody_reads_is_refused(method: str, target: str, taken: bool, framing: tuple[str, str]) -> None:
    """An operation that takes no body refuses one: unread, it could not be held against what was signed."""
    if taken:
        assert ask(method, target, [framing]).has_body
    else:
        assert Reason.UNREAD_BODY == refusal_of(method, target, [framing])
        assert not ask(method, target, [("content-length", "0")]).has_body


@pytest.mark.parametrize(
    "query", ["x-amz-security-token=t", "x-amz-acl=private", "X-Amz-Date=20300101T000000Z", "x-id=P"]
)
def test_a_form_has_no_parameters(query: str) -> None:
    """Parameters beside a form are refused: its policy does not sign them, so they must not seem to count."""
    assert Operation.POST_OBJECT is ask("POST", "/bucket").operation
    assert Reason.UNSUPPORTED_OPERATION == refusal_of("POST", f"/bucket?{query}")
