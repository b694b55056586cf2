"""Every header that could change what a request means, on every face, with real requests: it is done, refused before
anything is stored, or ignored because HTTP has it so. And no body that nobody reads is answered like a success."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import md5

import pytest

from gateway.core.request import Action
from tests.data.harness import APP, EVERY, Rig, policy, running
from tests.data.parts_store import PartsStore
from tests.data.raw_client import Got
from tests.data.uploading import WRITE, create, created

BODY = b"12345"
FORM = b'--b\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n12345\r\n--b--\r\n'
FACES = ("link", "form", "tus", "s3", "part")
TUS = {"Tus-Resumable": "1.0.0", "Upload-Offset": "0", "Content-Type": "application/offset+octet-stream"}
ALL = frozenset(FACES)
NONE: frozenset[str] = frozenset()
LINKS = frozenset({"link", "form", "tus"})
S3 = frozenset({"s3", "part"})
DAY = "Fri, 02 Jan 2026 03:04:05 GMT"

# What is sent beside a good upload, and the faces on which the upload is taken all the same.
TABLE: list[tuple[dict[str, str], frozenset[str]]] = [
    # of HTTP
    ({"Content-Range": "bytes 0-4/10"}, NONE),
    ({"Content-Range": "bytes 5-9/10"}, NONE),
    ({"Content-Range": "bytes 0-4/5"}, ALL - {"form"}),
    ({"If-Unmodified-Since": DAY}, NONE),
    ({"If-Match": '"other"'}, NONE),
    ({"If-None-Match": "*"}, frozenset({"link", "form", "s3"})),
    ({"If-Modified-Since": DAY}, ALL),
    ({"Range": "bytes=0-1"}, ALL),
    ({"Prefer": "respond-async"}, ALL),
    ({"Upgrade": "h2c", "Connection": "Upgrade"}, ALL),
    ({"Content-Digest": "sha-256=:AAAA:"}, ALL),
    ({"Want-Repr-Digest": "sha-256=1"}, ALL),
    ({"Trailer": "Expires"}, ALL),
    ({"TE": "trailers"}, ALL),
    ({"X-HTTP-Method-Override": "DELETE"}, NONE),
    ({"X-HTTP-Method": "PATCH"}, frozenset({"tus"})),
    ({"X-Method-Override": "MERGE"}, NONE),
    ({"Content-Encoding": "gzip"}, ALL - {"tus"}),
    ({"Content-Encoding": "aws-chunked"}, frozenset({"tus"}) & NONE),
    # of WebDAV
    ({"If": "(<urn:uuid:1>)"}, NONE),
    ({"Depth": "0", "Overwrite": "F", "Destination": "/x"}, ALL),
    # of upload protocols
    ({"Upload-Concat": "final;/s/x?upload=1"}, NONE),
    ({"Upload-Complete": "?0", "Upload-Draft-Interop-Version": "6"}, NONE),
    ({"Upload-Complete": "?1", "Upload-Draft-Interop-Version": "6"}, ALL),
    ({"Upload-Incomplete": "?1"}, NONE),
    ({"Upload-Offset": "5"}, NONE),
    ({"Upload-Defer-Length": "1"}, frozenset({"tus"})),
    ({"Upload-Length": "10"}, NONE),
    ({"Upload-Tag": "x"}, ALL - {"tus"}),
    # of S3
    ({"x-amz-acl": "private"}, S3),
    ({"x-amz-expected-bucket-owner": "111122223333"}, S3),
    ({"x-amz-request-payer": "requester"}, S3),
    ({"x-amz-write-offset-bytes": "5"}, NONE),
    ({"x-amz-server-side-encryption-customer-algorithm": "AES256"}, NONE),
    ({"x-amz-server-side-encryption": "aws:kms"}, NONE),
    ({"x-amz-object-lock-mode": "GOVERNANCE"}, NONE),
    ({"x-amz-object-lock-legal-hold": "ON"}, NONE),
    ({"x-amz-grant-read": "uri=everybody"}, NONE),
    ({"x-amz-website-redirect-location": "/x"}, NONE),
    ({"x-amz-copy-source-range": "bytes=0-1"}, NONE),
    ({"x-amz-bypass-governance-retention": "true"}, NONE),
    ({"x-amz-if-match-size": "5"}, NONE),
    ({"x-amz-unheard-of": "1"}, NONE),
    ({"x-amz-meta-snowball-auto-extract": "true"}, NONE),
    ({"x-amz-meta-snowball-auto-extract": "false", "x-amz-meta-snowball": "true"}, S3),
    ({"x-amz-storage-class": "COLD"}, S3),
    ({"x-amz-tagging": "a=b"}, S3),
    # of other stores
    ({"x-goog-copy-source": "/b/k"}, NONE),
    ({"x-goog-if-generation-match": "0"}, NONE),
    ({"x-copy-from": "/b/k"}, NONE),
    ({"x-ms-copy-source": "https://x/y"}, NONE),
    ({"X-Object-Manifest": "b/k"}, NONE),
    ({"X-Delete-After": "60"}, NONE),
    # what genuine clients send
    (
        {"Accept": "*/*", "Accept-Encoding": "gzip, br", "Accept-Language": "de", "Origin": "https://a.example"},
        LINKS | S3,
    ),
    ({"Sec-Fetch-Mode": "cors", "Sec-Fetch-Site": "cross-site", "Sec-Fetch-Dest": "empty", "DNT": "1"}, LINKS),
    ({"User-Agent": "aws-sdk-js/3", "amz-sdk-invocation-id": "1", "amz-sdk-request": "attempt=1; max=3"}, ALL),
    ({"X-Requested-With": "XMLHttpRequest", "X-Request-ID": "1", "Referer": "https://a.example/"}, ALL),
    (
        {"X-Forwarded-For": "10.0.0.1", "X-Forwarded-Proto": "https", "Via": "1.1 proxy", "Forwarded": "for=10.0.0.1"},
        ALL,
    ),
    ({"Cache-Control": "no-cache", "Pragma": "no-cache", "traceparent": "00-1-2-01"}, ALL),
]


async def _upload(rig: Rig, face: str, headers: dict[str, str]) -> Got:
    """A good upload on a face, with these headers beside it."""
    token = await rig.link(actions=WRITE)
    match face:
        case "link":
            return await rig.ask("PUT", f"/s/{token}", headers, BODY)
        case "form":
            return await rig.ask(
                "POST", f"/s/{token}", {"Content-Type": "multipart/form-data; boundary=b", **headers}, FORM
            )
        case "tus":
            address = await created(rig, token, 5)
            return await rig.ask("PATCH", address, TUS | headers, BODY)
        case "s3":
            return await rig.ask("PUT", "/reports/a.txt", headers, BODY)
        case _:
            begun = await rig.ask("POST", "/reports/a.txt?uploads")
            [upload] = re.findall("<UploadId>(.*)</UploadId>", begun.text)
            return await rig.ask("PUT", f"/reports/a.txt?uploadId={upload}&partNumber=1", headers, BODY)


def _kept(rig: Rig) -> int:
    """How many of the body's uploads a store has taken."""
    assert isinstance(rig.store, PartsStore)
    held = [key for (_, key), (body, _) in rig.store.objects.items() if BODY in body and not key.startswith("source")]
    return len(held) + sum(len(parts) for _, parts in rig.store.uploads.values())


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize(
    ("headers", "taken"), TABLE, ids=lambda value: ",".join(value) if isinstance(value, dict) else ""
)
async def test_a_header_that_changes_the_meaning_is_heeded_or_refused(
    headers: dict[str, str], taken: frozenset[str], face: str
) -> None:
    """Refused ones leave nothing; those that are taken leave the very bytes."""
    async with running(
        policy(capabilities=EVERY), store=PartsStore(), trusted=None if "Origin" in headers else APP
    ) as rig:
        if "Origin" in headers and face in S3:
            pytest.skip("a page is nobody's app")
        got = await _upload(rig, face, headers)
        assert (face in taken) is (got.status < 300), got.text
        assert (1 if face in taken else 0) == _kept(rig)
        if face not in taken:
            assert got.status >= 400


@pytest.mark.parametrize("operation", ["creation", "end"])
@pytest.mark.parametrize("headers", [{"If-None-Match": "*"}, {"Upload-Complete": "?0"}, {"Upload-Unheard-Of": "1"}])
async def test_other_steps_of_an_upload_are_no_laxer(uploads: Rig, headers: dict[str, str], operation: str) -> None:
    """Neither is one begun nor ended by a request that asks for more than is offered."""
    token = await uploads.link(actions=WRITE)
    if operation == "creation":
        named = {name.replace("-", "_"): value for name, value in headers.items()}
        assert 501 == (await create(uploads, f"/s/{token}", 5, **named)).status
        assert [] == uploads.store.seen
        return
    address = await created(uploads, token, 5)
    assert 501 == (await uploads.ask("DELETE", address, {"Tus-Resumable": "1.0.0", **headers})).status
    assert 200 == (await uploads.ask("HEAD", address, {"Tus-Resumable": "1.0.0"})).status


@pytest.mark.parametrize(
    "fields",
    [
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/x-www-form-urlencoded; charset=UTF-8"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "application/octet-stream"},
        {"Content-Type": "application/json"},
        {},
    ],
)
@pytest.mark.parametrize(
    "body", [b"the file's bytes", b"a=b&c=d", b"download=1&more=2", b"x" * 9000, b"\xff\xfe\x00", b"="]
)
@pytest.mark.parametrize("actions", [{Action.WRITE}, {Action.READ}])
async def test_a_file_that_is_posted_as_something_else_is_not_lost_in_silence(
    rig: Rig, fields: dict[str, str], body: bytes, actions: set[Action]
) -> None:
    """`curl -d @FILE LINK` and its like: refused with words that say how to send it."""
    got = await rig.ask("POST", f"/s/{await rig.link(actions=actions)}", fields, body)
    assert 415 == got.status
    assert "curl -T FILE" in got.text
    assert [] == rig.store.seen


@pytest.mark.parametrize("body", [b"", b"download=1", b"download="])
async def test_our_own_forms_are_still_ours(rig: Rig, body: bytes) -> None:
    """What the pages send is answered with the way on."""
    token = await rig.link(uses=1)
    rig.store.hold("inside/a.txt", b"x")
    got = await rig.ask("POST", f"/s/{token}", {"Content-Type": "application/x-www-form-urlencoded"}, body)
    assert (303, True) == (got.status, "gateway_lease" in (got.header("set-cookie") or ""))


@pytest.mark.parametrize("framing", [{"Content-Length": "5"}, {"Transfer-Encoding": "chunked"}])
@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("GET", "LINK"),
        ("HEAD", "LINK"),
        ("OPTIONS", "LINK"),
        ("GET", "/reports/a.txt"),
        ("HEAD", "/reports/a.txt"),
        ("DELETE", "/reports/a.txt"),
        ("OPTIONS", "/reports/a.txt"),
        ("POST", "/reports/a.txt?uploads"),
        ("GET", "/reports?list-type=2"),
        ("GET", "/robots.txt"),
        ("HEAD", "UPLOAD"),
        ("DELETE", "UPLOAD"),
        ("OPTIONS", "UPLOAD"),
    ],
)
async def test_a_request_without_a_body_has_none(method: str, target: str, framing: dict[str, str]) -> None:
    """One that nobody reads refuses the request; the same without it passes."""
    async with running(store=PartsStore(), trusted=APP) as rig:
        rig.store.hold("inside/a.txt", b"old")
        token = await rig.link(actions=set(Action) & {Action.READ, Action.WRITE}, overwrite=True)
        if target == "UPLOAD":
            address = await created(rig, token, 5)
        address = {"LINK": f"/s/{token}", "UPLOAD": address if target == "UPLOAD" else ""}.get(target, target)
        step = {"Tus-Resumable": "1.0.0"} if target == "UPLOAD" else {}
        if method == "OPTIONS":
            step |= {"Origin": "https://a.example", "Access-Control-Request-Method": "GET"}
        body = BODY if "Content-Length" in framing else b"5\r\n12345\r\n0\r\n\r\n"
        refused = await rig.ask(method, address, step | framing, body)
        assert 400 <= refused.status
        assert b"old" == rig.store.stored("inside/a.txt")
        passed = await rig.ask(method, address, step)
        assert (passed.status < 300) or passed.status in {403, 404}


@pytest.mark.parametrize("method", ["PUT", "POST"])
async def test_a_download_link_takes_no_file(rig: Rig, method: str) -> None:
    """405 in words; a form with a file is read no further than its name."""
    token = await rig.link()
    fields = {"Content-Type": "multipart/form-data; boundary=b"} if method == "POST" else {}
    got = await rig.ask(method, f"/s/{token}", fields, FORM if method == "POST" else BODY)
    assert 405 == got.status
    assert [] == rig.store.seen


async def test_a_copy_of_a_range_is_a_part(app: Rig) -> None:
    """CopyObject has no range: taken without it, the copy would be of something else."""
    asked = {"x-amz-copy-source": "/reports/a", "x-amz-copy-source-range": "bytes=0-1"}
    assert (400, []) == ((await app.ask("PUT", "/reports/b", asked)).status, app.store.seen)


async def test_a_bodys_own_digest_is_held_against_it(rig: Rig) -> None:
    """Content-MD5 is offered and checked on links, too."""
    for body, status in ((BODY, 201), (b"other", 400)):
        told = {"Content-MD5": b64encode(md5(BODY).digest()).decode()}
        got = await rig.ask("PUT", f"/s/{await rig.link(actions=WRITE, overwrite=True)}", told, body)
        assert status == got.status
