"""Laws of `gateway.wire.s3.response_headers`."""

from __future__ import annotations

import re
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.request import ObjectRequest
from gateway.core.route import Answer
from gateway.wire.http.media import sandbox_of
from gateway.wire.http.target import raw_request
from gateway.wire.parse import parse
from gateway.wire.s3.response_headers import ANSWERED, ANSWERED_BY_LINKS, response_headers

GOLDEN = """
accept-ranges cache-control content-disposition content-encoding content-language content-range content-type etag
expires last-modified x-amz-checksum-crc32 x-amz-checksum-crc32c x-amz-checksum-crc64nvme x-amz-checksum-md5
x-amz-checksum-sha1 x-amz-checksum-sha256 x-amz-checksum-sha512 x-amz-checksum-type x-amz-checksum-xxhash128
x-amz-checksum-xxhash3 x-amz-checksum-xxhash64 x-amz-copy-source-version-id x-amz-delete-marker x-amz-missing-meta
x-amz-mp-parts-count x-amz-object-size x-amz-restore x-amz-storage-class x-amz-tagging-count x-amz-version-id
"""
GOLDEN_LINKS = "accept-ranges content-encoding content-language content-range content-type etag last-modified"


def asked(target: str) -> ObjectRequest:
    return parse(raw_request("GET", target, [(b"Host", b"gw")]))


S3 = asked("/bucket/k")
LINK = asked("/s/tok/a/report.pdf")


def shown(headers: dict[str, str], request: ObjectRequest = S3, status: int = 200, **more: str) -> dict[str, str]:
    return dict(response_headers(Answer(status, headers, 0), request, link=request is not S3, **more))


def link(
    headers: dict[str, str], target: str = "/s/tok/a/report.pdf", status: int = 200, **more: str
) -> dict[str, str]:
    return dict(response_headers(Answer(status, headers, 0), asked(target), link=True, **more))


def test_answer_allow_lists_are_these() -> None:
    """Whoever shows a caller one more header changes this list too, and says why."""
    assert sorted(GOLDEN.split()) == sorted(ANSWERED)
    assert sorted(GOLDEN_LINKS.split()) == sorted(ANSWERED_BY_LINKS)


@pytest.mark.parametrize("stored", ["", "public, max-age=600", "max-age=60", "private, no-store"])
@pytest.mark.parametrize("signed", ["X-Amz-Signature=ab&X-Amz-Credential=x", "Signature=ab&AWSAccessKeyId=x&Expires=9"])
def test_what_an_address_alone_lets_read_is_kept_by_no_shared_cache(stored: str, signed: str) -> None:
    """A revoked presigned address would go on there. The object itself may say otherwise, and so may whoever signs."""
    answer = Answer(200, {"cache-control": stored} if stored else {}, 0)

    def shown_at(target: str) -> str | None:
        return dict(response_headers(answer, asked(target), link=False)).get("Cache-Control")

    assert (stored or "private") == shown_at(f"/bucket/k?{signed}")
    assert "public" == shown_at(f"/bucket/k?response-cache-control=public&{signed}")
    assert (stored or None) == shown_at("/bucket/k")


def test_what_a_signature_lets_read_is_for_whoever_has_it() -> None:
    """A cache that keeps it gives it to nobody who asks with another signature, or without one."""
    assert "Authorization" == shown({})["Vary"] == shown({}, status=304)["Vary"]
    assert "Vary" not in shown({}, status=404)


def test_s3_answers_pass_by_name() -> None:
    """Metadata and the listed headers pass; server names, dates, ids and the store's cookies do not."""
    stored = dict.fromkeys(ANSWERED, "v") | {"x-amz-meta-colour": "red"}
    store_only = {
        "server": "store",
        "date": "now",
        "x-amz-request-id": "theirs",
        "x-amz-id-2": "theirs",
        "x-amz-bucket-region": "there",
        "x-amz-server-side-encryption-aws-kms-key-id": "arn",
        "x-amz-content-sha256": "hash",
        "x-amz-date": "then",
        "x-amz-meta": "bare",
        "set-cookie": "a=b",
        "location": "http://store.internal/real",
        "connection": "close",
        "transfer-encoding": "chunked",
        "content-length": "0",
        "strict-transport-security": "max-age=1",
        "access-control-allow-origin": "*",
        "www-authenticate": "Basic",
        "service-worker-allowed": "/",
        "sourcemap": "x.map",
        "x-sourcemap": "x.map",
        "link": "<x>; rel=preload",
        "refresh": "0; url=x",
        "content-location": "/x",
        "clear-site-data": '"*"',
        "content-security-policy": "script-src *",
        "permissions-policy": "x=*",
        "report-to": "{}",
        "reporting-endpoints": "a='x'",
        "nel": "{}",
        "alt-svc": "h3",
        "x-amz-website-redirect-location": "/x",
        "x-xss-protection": "0",
        "supports-loading-mode": "x",
        "use-as-dictionary": "match=*",
    }
    got = {name.lower() for name in shown(stored | store_only, status=206)}
    assert got == set(ANSWERED) | {"x-amz-meta-colour", "x-content-type-options", "content-security-policy", "vary"}
    assert "default-src 'none'; sandbox" == shown(stored | store_only)["Content-Security-Policy"]
    assert store_only.keys().isdisjoint(name.lower() for name in link(stored | store_only) if "Policy" not in name)
    assert "default-src 'none'; sandbox" == link(stored | store_only)["Content-Security-Policy"]


@pytest.mark.parametrize("status", [200, 304])
def test_content_range_belongs_to_206(status: int) -> None:
    """Some stores send it with a 200, which would be a lie."""
    assert "Content-Range" not in shown({"content-range": "bytes 0-0/1"}, status=status)
    assert "Content-Range" not in link({"content-range": "bytes 0-0/1"}, status=status)
    assert "Content-Range" in link({"content-range": "bytes 0-0/1"}, status=206)


def test_overrides_are_ours_to_apply() -> None:
    """`response-*` parameters replace what the store said, without control bytes."""
    request = asked(
        "/bucket/k?response-content-type=text%2Fcsv&response-content-disposition=attachment%3B%20filename%3Dx&"
        "response-cache-control=no-store&response-expires=0&response-content-language=de&response-content-encoding=gzip"
    )
    got = dict(response_headers(Answer(200, {"content-type": "a/b", "expires": "1"}, 0), request, link=False))
    assert got == {
        "Content-Type": "text/csv",
        "Content-Disposition": "attachment; filename=x",
        "Cache-Control": "no-store",
        "Expires": "0",
        "Content-Language": "de",
        "Content-Encoding": "gzip",
        "X-Content-Type-Options": "nosniff",
        "Vary": "Authorization",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }


@pytest.mark.parametrize(
    ("kind", "written", "policy"),
    [
        ("text/html", "text/html", "default-src 'none'; sandbox"),
        ("TEXT/HTML; charset=x", "TEXT/HTML; charset=x", "default-src 'none'; sandbox"),
        ("text/xsl", "text/xsl", "default-src 'none'; sandbox"),
        ("nobody/knows", "nobody/knows", "default-src 'none'; sandbox"),
        ("text/html, image/png", "application/octet-stream", "default-src 'none'; sandbox"),
        ("", "application/octet-stream", "default-src 'none'; sandbox"),
        ("text/plain; a=b, text/html", "text/plain", sandbox_of("text/plain")),
        ("image/png", "image/png", sandbox_of("image/png")),
        ("video/mp4", "video/mp4", sandbox_of("video/mp4")),
    ],
)
def test_what_is_judged_is_written_on_s3_paths(kind: str, written: str, policy: str) -> None:
    """A stored page opened from a presigned URL runs no script in this origin, whoever chose its type, and how."""
    chosen = f"/bucket/k?response-content-type={quote(kind)}"
    for request, stored in ((S3, kind), (asked(chosen), "text/plain"), (asked(chosen), "text/html")):
        got = dict(response_headers(Answer(200, {"content-type": stored}, 0), request, link=False))
        assert (written, policy) == (got["Content-Type"], got["Content-Security-Policy"])
        assert "nosniff" == got["X-Content-Type-Options"]


def test_an_object_without_a_type_is_bytes_on_s3_paths() -> None:
    """And an answer without an object gets none."""
    assert "application/octet-stream" == shown({})["Content-Type"]
    assert "Content-Type" not in shown({}, status=304)


@pytest.mark.parametrize("value", ["a\r\nSet-Cookie: x=1", "a\x00b", "\udcff\udc80", "\ud800", "a\x7f"])
def test_metadata_that_a_header_cannot_carry_is_encoded(value: str) -> None:
    """Whoever stored an object cannot make it undownloadable: its metadata is encoded, other values are left out."""
    got = shown({"x-amz-meta-note": value, "content-disposition": value, "etag": '"e"'})
    assert got["x-amz-meta-note"].startswith("=?UTF-8?B?")
    assert "Content-Disposition" not in got
    assert got["ETag"] == '"e"'


@given(st.dictionaries(st.one_of(st.sampled_from(sorted(ANSWERED)), st.text(max_size=20)), st.text(max_size=30)))
def test_no_answer_can_break_the_header_block(headers: dict[str, str]) -> None:
    """Whatever a store says, each header line can be written as bytes and ends where it should."""
    for request in (S3, LINK):
        for name, value in response_headers(Answer(200, headers, 0), request, link=request is LINK):
            assert re.fullmatch(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", name)
            assert not re.search(rb"[\x00-\x1f\x7f]", value.encode())


def test_link_answers_keep_to_themselves() -> None:
    """A link's answer is not stored, not indexed, not referred, not sniffed and not scriptable; metadata stays here."""
    got = link({"content-type": "text/html", "x-amz-meta-a": "b", "x-amz-version-id": "v", "cache-control": "public"})
    assert got == {
        "Content-Type": "text/html",
        "Content-Disposition": 'attachment; filename="report.pdf"',
        "Cache-Control": "private, no-store",
        "Referrer-Policy": "no-referrer",
        "X-Robots-Tag": "noindex, nofollow",
        "X-Content-Type-Options": "nosniff",
        "Content-Security-Policy": "default-src 'none'; sandbox",
    }


@pytest.mark.parametrize(
    ("kind", "inline"),
    [
        ("image/png", True),
        ("text/plain; charset=utf-8", True),
        ("video/mp4", True),
        ("IMAGE/JPEG", True),
        ("image/svg+xml", False),
        ("text/html", False),
        ("application/pdf", True),
        ("application/javascript", False),
        ("text/xml", False),
        ("image/png, text/html", False),
        ("text/plain; a=b, text/html", True),
        ("text/xsl", False),
        ("multipart/x-mixed-replace; boundary=x", False),
        ("", False),
        ("nonsense", False),
    ],
)
def test_only_passive_types_are_shown_in_place(kind: str, inline: bool) -> None:
    """Everything but a short list is downloaded, and always inside a sandbox."""
    got = link({"content-type": kind})
    assert got["Content-Disposition"].startswith("inline" if inline else "attachment")
    assert sandbox_of(kind.partition(";")[0].lower()) == got["Content-Security-Policy"]
    assert "," not in got["Content-Type"]


def test_unknown_type_is_bytes() -> None:
    """A link's answer always has a type."""
    assert link({})["Content-Type"] == "application/octet-stream"
    assert link({"content-type": "nonsense"})["Content-Type"] == "application/octet-stream"


@pytest.mark.parametrize(("value", "forced"), [("1", True), ("", True), ("0", False), ("false", False)])
def test_download_forces_attachment(value: str, forced: bool) -> None:
    """`?download` turns even a picture into a download."""
    got = link({"content-type": "image/png"}, f"/s/tok/p.png?download={value}")
    assert got["Content-Disposition"].startswith("attachment" if forced else "inline")


def test_names_and_types_of_the_grant_win() -> None:
    """The link's own file name and type stand before the object's."""
    got = link({"content-type": "text/html"}, grant_filename="Offer \u20ac.txt", grant_content_type="text/plain")
    assert got["Content-Type"] == "text/plain; charset=utf-8"
    assert got["Content-Disposition"].startswith("inline; filename=\"Offer _.txt\"; filename*=UTF-8''Offer%20%E2%82%AC")


def test_object_link_is_named_after_its_key() -> None:
    """A link to one object takes the key's last part; the folders above it are not told."""
    got = link({}, "/s/tok", key="secret/folder/file.bin")
    assert got["Content-Disposition"] == 'attachment; filename="file.bin"'


@pytest.mark.parametrize(
    ("target", "agent", "named"),
    [
        ("/s/tok/a/report.pdf", b"rclone/v1.75.2", "inline"),
        ("/s/tok/a/report.pdf?download=1", b"rclone/v1.75.2", "attachment"),
        ("/s/tok", b"rclone/v1.75.2", 'inline; filename="k.pdf"'),
        ("/s/tok/a/report.pdf", b"curl/8.5.0", 'inline; filename="report.pdf"'),
    ],
)
def test_who_reads_an_index_is_told_no_other_name(target: str, agent: bytes, named: str) -> None:
    """rclone takes the name for the whole path, and looks for the file there; a link to one object has no other."""
    request = parse(raw_request("GET", target, [(b"Host", b"gw"), (b"User-Agent", agent)]))
    answer = Answer(200, {"content-type": "application/pdf"}, 0)
    found = dict(response_headers(answer, request, link=True, key="k.pdf"))
    assert named == found["Content-Disposition"]


def test_not_modified_has_no_disposition() -> None:
    """An answer without a body says nothing about one."""
    assert "Content-Disposition" not in link({"etag": '"e"'}, status=304)


def test_s3_answers_have_a_digest_for_who_wants_it() -> None:
    """Beside the checksum under S3's own name; and never for the digest of parts' digests."""
    digest = "LPJNul+wow4m6DsqxbninhsWHlwfp0JecwQzYpOLmCQ="
    stored = {"x-amz-checksum-sha256": digest, "x-amz-checksum-type": "FULL_OBJECT"}
    wants = parse(raw_request("GET", "/bucket/k", [(b"Host", b"gw"), (b"Want-Repr-Digest", b"sha-256=9")]))

    def digest_for(request: ObjectRequest, headers: dict[str, str], status: int = 200) -> str | None:
        return dict(response_headers(Answer(status, headers, 0), request, link=False)).get("Repr-Digest")

    assert [f"sha-256=:{digest}:"] * 2 == [digest_for(wants, stored, status) for status in (200, 206)]
    assert None is digest_for(S3, stored)
    assert None is digest_for(wants, stored | {"x-amz-checksum-type": "COMPOSITE"})
    assert None is digest_for(wants, stored, 304)
