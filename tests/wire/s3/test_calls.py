"""Laws of `gateway.wire.s3.calls`."""

from __future__ import annotations

from dataclasses import replace

import pytest

from gateway.core.reasons import Reason, Refused
from gateway.core.request import BucketPlace, ObjectRequest, Operation
from gateway.core.route import Backend, Bucket, Capability, Route, UpstreamCall
from gateway.wire.http.target import raw_request
from gateway.wire.parse import parse
from gateway.wire.s3.calls import copy_source_header, upstream_call, whole_instead

ALL = frozenset(name for name in Capability if not name.startswith("folds_"))
LENGTH = ("Content-Length", "5")
UNTYPED = (("content-type", "binary/octet-stream"),)
"""What an object is stored with whose type nobody gave."""


WHEN = "Sun, 06 Nov 1994 08:49:37 GMT"


def asked(method: str, target: str, *headers: tuple[str, str]) -> ObjectRequest:
    pairs = [(b"Host", b"gw"), *((name.encode(), value.encode()) for name, value in headers)]
    return parse(raw_request(method, target, pairs))


def route(key: str, capabilities: frozenset[Capability] = ALL) -> Route:
    bucket = Bucket("ours", "lab", "real-bucket", "pre/fix/")
    return Route(rule="r", backend=Backend("lab", capabilities), bucket=bucket, key=key)


def call_for(request: ObjectRequest, capabilities: frozenset[Capability] = ALL) -> UpstreamCall:
    key = request.place.key if isinstance(request.place, BucketPlace) else request.place.path or "linked"
    return upstream_call(route(key or request.params.get("prefix", ""), capabilities), request)


EVERYTHING = (
    LENGTH,
    ("Content-Type", "text/plain"),
    ("Content-Encoding", "gzip"),
    ("Content-Disposition", "inline"),
    ("Content-Language", "en"),
    ("Cache-Control", "no-cache"),
    ("Expires", "0"),
    ("Content-MD5", "m"),
    ("Range", "bytes=0-1"),
    ("If-Match", '"e"'),
    ("If-None-Match", '"n"'),
    ("If-Modified-Since", WHEN),
    ("If-Unmodified-Since", WHEN),
    ("Authorization", "secret"),
    ("Cookie", "secret"),
    ("X-Forwarded-For", "1.1.1.1"),
    ("x-amz-acl", "public-read"),
    ("x-amz-checksum-algorithm", "CRC32"),
    ("x-amz-checksum-crc32", "c"),
    ("x-amz-checksum-mode", "ENABLED"),
    ("x-amz-checksum-sha512", "c"),  # checked here, unknown to many a store
    ("x-amz-checksum-type", "FULL_OBJECT"),
    ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"),
    ("x-amz-date", "now"),
    ("x-amz-expected-bucket-owner", "1"),
    ("x-amz-max-parts", "3"),
    ("x-amz-meta-colour", "red"),
    ("x-amz-metadata-directive", "COPY"),
    ("x-amz-object-attributes", "ETag"),
    ("x-amz-part-number-marker", "1"),
    ("x-amz-sdk-checksum-algorithm", "CRC32"),
    ("x-amz-security-token", "secret"),
    ("x-amz-storage-class", "GLACIER"),
    ("x-amz-tagging", "a=b"),
    ("x-amz-tagging-directive", "COPY"),
    ("x-amz-trailer", "x-amz-checksum-crc32"),
)
READ = "if-match if-modified-since if-none-match if-unmodified-since range x-amz-checksum-mode"
STORED = (
    "cache-control content-disposition content-encoding content-language content-type expires x-amz-meta-colour"
    " x-amz-storage-class x-amz-tagging"
)


@pytest.mark.parametrize(
    ("method", "target", "sent", "query", "names"),
    [
        ("GET", "/ours/k?versionId=v&response-content-type=a/b&X-Amz-Signature=s", "GET", [("versionId", "v")], READ),
        ("GET", "/ours/k?partNumber=2", "GET", [("partNumber", "2")], READ),
        ("HEAD", "/ours/k", "HEAD", [], READ),
        ("PUT", "/ours/k", "PUT", [], STORED + " content-md5 if-match if-none-match x-amz-checksum-crc32"),
        ("DELETE", "/ours/k?versionId=v", "DELETE", [("versionId", "v")], "if-match"),
        ("POST", "/ours/k?uploads", "POST", [("uploads", "")], STORED),
        ("PUT", "/ours/k?uploadId=u&partNumber=3", "PUT", [("partNumber", "3"), ("uploadId", "u")], "content-md5"),
        ("POST", "/ours/k?uploadId=u", "POST", [("uploadId", "u")], "if-match if-none-match"),
        ("DELETE", "/ours/k?uploadId=u", "DELETE", [("uploadId", "u")], ""),
        ("GET", "/ours/k?uploadId=u&max-parts=7", "GET", [("uploadId", "u"), ("max-parts", "7")], ""),
        ("GET", "/ours/k?tagging=x", "GET", [("tagging", "")], ""),
        ("PUT", "/ours/k?tagging", "PUT", [("tagging", "")], ""),
        ("DELETE", "/ours/k?tagging", "DELETE", [("tagging", "")], ""),
        (
            "GET",
            "/ours/k?attributes",
            "GET",
            [("attributes", "")],
            "x-amz-max-parts x-amz-object-attributes x-amz-part-number-marker",
        ),
    ],
)
def test_a_store_is_sent_only_this(
    method: str, target: str, sent: str, query: list[tuple[str, str]], names: str
) -> None:
    """Of everything a caller can send, exactly the operation's own headers and parameters go to a store."""
    headers = EVERYTHING if method == "PUT" else tuple(pair for pair in EVERYTHING if pair != LENGTH)
    if method not in {"GET", "HEAD"}:  # a condition that is not offered refuses a write
        headers = tuple(pair for pair in headers if not pair[0].startswith("If-") or pair[0].lower() in names)
    call = call_for(asked(method, target, *headers))
    assert (call.method, call.bucket, call.key) == (sent, "real-bucket", "pre/fix/k")
    assert list(call.query) == query
    assert [name for name, _ in call.headers] == sorted(names.split())


def test_an_upload_in_parts_has_a_type() -> None:
    """S3's own default if nobody gave one: a store may take it from the completing document otherwise."""
    assert dict(call_for(asked("POST", "/ours/k?uploads")).headers) == {"content-type": "binary/octet-stream"}
    given = asked("POST", "/ours/k?uploads", ("Content-Type", "a/b"))
    assert dict(call_for(given).headers) == {"content-type": "a/b"}


def test_what_a_store_works_on_is_waited_for() -> None:
    """Copies, completions and batches; nothing that is answered at once."""
    slow = asked("POST", "/ours/k?uploadId=u", LENGTH), asked("POST", "/ours?delete", LENGTH)
    assert all(call_for(request).slow_head for request in slow)
    copying = asked("PUT", "/ours/k", ("x-amz-copy-source", "/ours/a"))
    assert upstream_call(route("k"), copying, real_copy_source="b/a").slow_head
    assert not call_for(asked("GET", "/ours/k")).slow_head
    assert not call_for(asked("PUT", "/ours/k", LENGTH)).slow_head


def test_copies_name_the_decided_source() -> None:
    """A copy has the source that was decided on, never the caller's text, and is not sent without one."""
    request = asked("PUT", "/ours/k", ("x-amz-copy-source", "/ours/secret"), *EVERYTHING[1:2])
    source = copy_source_header("real-bucket", "pre/fix/a b+?%", "v 1")
    assert source == "real-bucket/pre/fix/a%20b%2B%3F%25?versionId=v%201"
    call = upstream_call(route("k"), request, real_copy_source=source)
    assert dict(call.headers) == {"content-type": "text/plain", "x-amz-copy-source": source}
    for wrong in (request, asked("GET", "/ours/k")):
        with pytest.raises(Refused) as caught:
            upstream_call(route("k"), wrong, real_copy_source=None if wrong is request else source)
        assert caught.value.reason is Reason.INTERNAL


def test_conditional_copy_needs_a_store_that_reads_conditions() -> None:
    """A copy whose condition would be ignored is not made."""
    request = asked("PUT", "/ours/k", ("x-amz-copy-source", "/o/k"), ("x-amz-copy-source-if-match", '"e"'))
    assert upstream_call(route("k"), request, real_copy_source="r/k").headers
    with pytest.raises(Refused) as caught:
        upstream_call(route("k", ALL - {Capability.CONDITIONAL_READS}), request, real_copy_source="r/k")
    assert caught.value.reason is Reason.NOT_SUPPORTED_BY_BACKEND


def test_part_copy_sends_its_range() -> None:
    """UploadPartCopy has its own range and conditions."""
    request = asked(
        "PUT",
        "/ours/k?uploadId=u&partNumber=1",
        ("x-amz-copy-source", "/o/k"),
        ("x-amz-copy-source-range", "bytes=0-4"),
        ("x-amz-copy-source-if-match", '"e"'),
    )
    call = upstream_call(route("k"), request, real_copy_source="r/k")
    assert [name for name, _ in call.headers] == [
        "x-amz-copy-source",
        "x-amz-copy-source-if-match",
        "x-amz-copy-source-range",
    ]


@pytest.mark.parametrize(
    ("request_", "missing"),
    [
        (asked("GET", "/ours/k?versionId=v"), Capability.VERSIONS),
        (asked("GET", "/ours?versions"), Capability.VERSIONS),
        (asked("GET", "/ours/k?tagging"), Capability.TAGGING),
        (asked("PUT", "/ours/k", ("x-amz-tagging", "a=b"), LENGTH), Capability.TAGGING),
        (asked("GET", "/ours/k", ("If-Match", '"e"')), Capability.CONDITIONAL_READS),
        (asked("HEAD", "/ours/k", ("If-Unmodified-Since", WHEN)), Capability.CONDITIONAL_READS),
        (asked("GET", "/ours/k?attributes"), Capability.OBJECT_ATTRIBUTES),
        (asked("POST", "/ours?delete"), Capability.BATCH_DELETE),
        (asked("PUT", "/ours/k", ("If-None-Match", "*"), LENGTH), Capability.CONDITIONAL_WRITES),
        (asked("DELETE", "/ours/k", ("If-Match", '"e"')), Capability.CONDITIONAL_WRITES),
        (asked("POST", "/ours/k?uploadId=u", ("If-None-Match", "*")), Capability.CONDITIONAL_COMPLETE),
    ],
)
def test_what_a_store_would_silently_not_do_is_refused(request_: ObjectRequest, missing: Capability) -> None:
    """A store without the capability would answer something else, so it is not asked."""
    call_for(request_)
    with pytest.raises(Refused) as caught:
        call_for(request_, ALL - {missing})
    assert caught.value.reason is Reason.NOT_SUPPORTED_BY_BACKEND


def test_optional_headers_need_their_capability() -> None:
    """A range, a checksum or its mode is left out for a store that would misread it."""
    request = asked("GET", "/ours/k", ("Range", "bytes=0-1"), ("x-amz-checksum-mode", "ENABLED"))
    assert call_for(request, ALL - {Capability.RANGES, Capability.CHECKSUM_HEADERS}).headers == ()
    request = asked("PUT", "/ours/k", ("x-amz-checksum-crc32", "c"), LENGTH)
    assert call_for(request, ALL - {Capability.CHECKSUM_HEADERS}).headers == UNTYPED


def test_checksums_of_a_framed_body_stay_here() -> None:
    """What was said of a chunked body is not said of the plain one."""
    request = asked(
        "PUT",
        "/ours/k",
        ("x-amz-content-sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
        ("x-amz-decoded-content-length", "5"),
        ("Content-MD5", "m"),
        ("x-amz-checksum-crc32", "c"),
    )
    call = call_for(request)
    assert (call.headers, call.body_length) == (UNTYPED, 5)


def test_lengths() -> None:
    """A streamed body needs a length, a document has its own, and nothing to send is said with PUT and POST."""
    assert call_for(asked("PUT", "/ours/k", LENGTH)).body_length == 5
    assert call_for(asked("PUT", "/ours/k")).body_length == 0
    assert call_for(asked("GET", "/ours/k")).body_length is None
    assert call_for(asked("POST", "/ours/k?uploads")).body_length == 0
    unknown = asked("PUT", "/ours/k", ("Transfer-Encoding", "chunked"))
    with pytest.raises(Refused) as caught:
        call_for(unknown)
    assert caught.value.reason is Reason.MISSING_LENGTH
    assert upstream_call(route("k"), unknown, body_length=9).body_length == 9
    call = upstream_call(route(""), asked("POST", "/ours?delete"), body=b"<Delete/>")
    assert (call.key, call.body_length, call.query) == ("", 9, (("delete", ""),))
    assert dict(call.headers) == {"content-md5": "ePbrFwvNFIRnzBrIv+T8Ag==", "content-type": "application/xml"}


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE"])
def test_object_call_never_becomes_a_bucket_call(method: str) -> None:
    """Without a key a store would be asked to list, make or remove the real bucket."""
    with pytest.raises(Refused) as caught:
        upstream_call(route(""), asked(method, "/ours/k", *([LENGTH] if method == "PUT" else [])))
    assert caught.value.reason is Reason.BAD_KEY


def test_only_new() -> None:
    """An upload that must not replace anything is conditional, or refused where the store cannot be."""
    request = asked("PUT", "/s/tok/k", LENGTH)
    assert upstream_call(route("k"), request, only_new=True).headers == (*UNTYPED, ("if-none-match", "*"))
    with pytest.raises(Refused):
        upstream_call(route("k", ALL - {Capability.CONDITIONAL_WRITES}), request, only_new=True)


def test_form_upload_is_not_stored_as_a_form() -> None:
    """The type of the form is not the type of the file in it."""
    request = asked("POST", "/ours", ("Content-Type", "multipart/form-data; boundary=x"), ("Content-MD5", "m"), LENGTH)
    assert upstream_call(route("k"), request).headers == UNTYPED
    typed = replace(request, headers={"content-type": "image/png"})
    assert upstream_call(route("k"), typed).headers == (("content-type", "image/png"),)


def test_standard_storage_class_is_the_default() -> None:
    """The default class is not named to a store."""
    assert call_for(asked("PUT", "/ours/k", ("x-amz-storage-class", "STANDARD"), LENGTH)).headers == UNTYPED


@pytest.mark.parametrize(("version", "key", "named"), [(None, "k", True), ("v", "k", True), (None, "k2", False)])
def test_an_object_goes_back_to_the_default_class(version: str | None, key: str, *, named: bool) -> None:
    """A copy onto itself says the class that it is for, as it would change nothing else and be refused."""
    here = route("k")
    request = asked("PUT", "/ours/k", ("x-amz-copy-source", "/ours/k"), ("x-amz-storage-class", "STANDARD"))
    source = copy_source_header(here.bucket.real_bucket, here.real_key.removesuffix("k") + key, version)
    headers = dict(upstream_call(here, request, real_copy_source=source).headers)
    assert ("STANDARD" if named else None) == headers.get("x-amz-storage-class")


@pytest.mark.parametrize("operation", ["/", "/ours?location"])
def test_local_operations_have_no_call(operation: str) -> None:
    """What is answered here never reaches a store."""
    with pytest.raises(Refused) as caught:
        call_for(asked("GET", operation))
    assert caught.value.reason is Reason.INTERNAL


COMMON = {"encoding-type": "url", "max-keys": "1000"}


@pytest.mark.parametrize(
    ("target", "query"),
    [
        ("/ours", {"prefix": "pre/fix/", **COMMON}),
        (
            "/ours?prefix=a/&delimiter=/&marker=a/b&max-keys=5000",
            {"prefix": "pre/fix/a/", "delimiter": "/", "marker": "pre/fix/a/b", **COMMON},
        ),
        (
            "/ours?list-type=2&prefix=a&start-after=ab&continuation-token=n.t&fetch-owner=true&max-keys=7",
            {
                "list-type": "2",
                "prefix": "pre/fix/a",
                "start-after": "pre/fix/ab",
                "continuation-token": "pre/fix/t",
                "fetch-owner": "true",
                **COMMON,
                "max-keys": "7",
            },
        ),
        (
            "/ours?versions&key-marker=k&version-id-marker=v",
            {"versions": "", "prefix": "pre/fix/", "key-marker": "pre/fix/k", "version-id-marker": "v", **COMMON},
        ),
        (
            "/ours?uploads&key-marker=k&upload-id-marker=u&max-uploads=0",
            {
                "uploads": "",
                "prefix": "pre/fix/",
                "key-marker": "pre/fix/k",
                "upload-id-marker": "u",
                "max-uploads": "0",
            },
        ),
    ],
)
def test_listings_stay_below_the_real_prefix(target: str, query: dict[str, str]) -> None:
    """Prefix and markers are names of ours and become names of the store's."""
    call = call_for(asked("GET", target))
    assert (call.key, dict(call.query)) == ("", query)


def test_listing_of_a_store_without_the_second_version() -> None:
    """Its first version is asked; our continuation token is then the last name."""
    request = asked("GET", "/ours?list-type=2&prefix=a/&continuation-token=a/k")
    call = call_for(request, ALL - {Capability.LIST_V2})
    assert dict(call.query) == {"prefix": "pre/fix/a/", "marker": "pre/fix/a/k", **COMMON}


def test_listing_of_a_link() -> None:
    """A folder is listed one level deep, an archive all the way down, each from its cursor."""
    folder = upstream_call(route("a/"), asked("GET", "/s/tok/a/?cursor=t.c"))
    assert dict(folder.query) == {
        "list-type": "2",
        "prefix": "pre/fix/a/",
        "delimiter": "/",
        "continuation-token": "c",
        **COMMON,
    }
    assert "delimiter" not in dict(upstream_call(route("a/"), asked("GET", "/s/tok/a/?archive=zip")).query)


def test_if_range_becomes_a_condition() -> None:
    """A strong validator makes the range conditional; a 412 then means the whole object."""
    request = asked("GET", "/ours/k", ("Range", "bytes=5-"), ("If-Range", '"e"'))
    call = call_for(request)
    assert call.headers == (("if-match", '"e"'), ("range", "bytes=5-"))
    again = whole_instead(request, call, 412)
    assert again is not None
    assert again.headers == ()
    assert whole_instead(request, call, 206) is None
    assert whole_instead(request, again, 412) is None


@pytest.mark.parametrize("validator", ['W/"e"', "Sun, 06 Nov 1994 08:49:37 GMT", '"', ""])
def test_validators_that_cannot_be_exact_get_the_whole(validator: str) -> None:
    """A weak validator or a date never yields a part (RFC 9110, 13.1.5); the whole is always right."""
    assert call_for(asked("GET", "/ours/k", ("Range", "bytes=5-"), ("If-Range", validator))).headers == ()


def test_if_range_without_conditional_reads_gets_the_whole() -> None:
    """A store that ignores If-Match could mix two versions of an object."""
    request = asked("GET", "/ours/k", ("Range", "bytes=5-"), ("If-Range", '"e"'))
    assert call_for(request, ALL - {Capability.CONDITIONAL_READS}).headers == ()


def test_own_if_match_is_not_taken_for_if_range() -> None:
    """A caller's own If-Match keeps its 412."""
    headers = [("Range", "bytes=5-"), ("If-Range", '"e"')]
    other = asked("GET", "/ours/k", *headers, ("If-Match", '"o"'))
    assert call_for(other).headers == (("if-match", '"o"'),)
    same = asked("GET", "/ours/k", *headers, ("If-Match", '"e"'))
    assert whole_instead(same, call_for(same), 412) is None


def test_every_operation_is_sent_or_local() -> None:
    """No operation was forgotten."""
    local = {
        Operation.LIST_BUCKETS,
        Operation.HEAD_BUCKET,
        Operation.CREATE_BUCKET,
        Operation.GET_BUCKET_LOCATION,
        Operation.GET_BUCKET_VERSIONING,
        Operation.PREFLIGHT,
        Operation.CREATE_SESSION,
        Operation.PROVE_HOLDER,
    }
    base = asked("GET", "/ours/k")
    copies = {Operation.COPY_OBJECT, Operation.UPLOAD_PART_COPY}
    for operation in Operation:
        request = replace(base, operation=operation)
        source = "r/k" if operation in copies else None
        if operation in local:
            with pytest.raises(Refused):
                upstream_call(route("k"), request, real_copy_source=source)
        else:
            assert upstream_call(route("k"), request, real_copy_source=source).bucket == "real-bucket"


@pytest.mark.parametrize("delimiter", [".", "/x", "//"])
def test_a_listing_is_cut_as_it_was_asked_or_not_at_all(delimiter: str) -> None:
    """A store that cuts at slashes only would answer something else; a slash, or none, every store knows."""
    least = ALL - {Capability.ANY_DELIMITER}
    target = f"/ours/?list-type=2&delimiter={delimiter}"
    with pytest.raises(Refused) as refused:
        call_for(asked("GET", target), least)
    assert Reason.NOT_SUPPORTED_BY_BACKEND is refused.value.reason
    assert ("delimiter", delimiter) in call_for(asked("GET", target)).query
    for known in ("/", ""):
        assert call_for(asked("GET", f"/ours/?list-type=2&delimiter={known}"), least)


@pytest.mark.parametrize("method", ["GET", "HEAD", "DELETE", "PUT"])
def test_a_name_that_its_store_would_shorten_is_refused(method: str) -> None:
    """`a/` would touch `a`. The same without the slash, and a listing below it, pass."""
    folding = ALL | {Capability.FOLDS_FOLDERS}
    length = (("Content-Length", "0"),) if method == "PUT" else ()
    with pytest.raises(Refused) as refused:
        call_for(asked(method, "/ours/a/", *length), folding)
    assert Reason.KEY_AMBIGUOUS is refused.value.reason
    assert call_for(asked(method, "/ours/a", *length), folding)
    assert call_for(asked("GET", "/ours/?prefix=a/"), folding)


def test_the_parts_that_are_asked_for_are_as_many_as_are_shown() -> None:
    """A store's own default is never taken for S3's."""
    for told, most in (("", "1000"), ("&max-parts=5000", "1000"), ("&max-parts=7", "7")):
        assert ("max-parts", most) in call_for(asked("GET", f"/ours/k?uploadId=u{told}")).query
