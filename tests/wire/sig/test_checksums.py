"""Digests of a body: what was asked for is checked, what is malformed is refused, nothing else is computed."""

from __future__ import annotations

import hashlib
import re
import zlib
from base64 import b64encode

import awscrt.checksums
import botocore.session
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.reasons import Reason, Refused
from gateway.data.s3.fast_crc import register_fast_checksums
from gateway.wire.sig import checksums
from gateway.wire.sig.checksums import (
    CHECKSUM_SIZES,
    BodyChecks,
    crc32c,
    crc64nvme,
    register_crc,
    register_xxhash,
)

DIGESTS = {
    "content-md5": lambda body: hashlib.md5(body).digest(),
    "x-amz-checksum-crc32": lambda body: zlib.crc32(body).to_bytes(4, "big"),
    "x-amz-checksum-crc32c": lambda body: awscrt.checksums.crc32c(body).to_bytes(4, "big"),
    "x-amz-checksum-crc64nvme": lambda body: awscrt.checksums.crc64nvme(body).to_bytes(8, "big"),
    "x-amz-checksum-md5": lambda body: hashlib.md5(body).digest(),
    "x-amz-checksum-sha1": lambda body: hashlib.sha1(body).digest(),
    "x-amz-checksum-sha256": lambda body: hashlib.sha256(body).digest(),
    "x-amz-checksum-sha512": lambda body: hashlib.sha512(body).digest(),
    "x-amz-checksum-xxhash128": lambda body: awscrt.checksums.XXHash.compute_xxhash3_128(body),
    "x-amz-checksum-xxhash3": lambda body: awscrt.checksums.XXHash.compute_xxhash3_64(body),
    "x-amz-checksum-xxhash64": lambda body: awscrt.checksums.XXHash.compute_xxhash64(body),
}
NAMES = st.sampled_from(sorted(DIGESTS))
PIECES = st.lists(st.binary(max_size=40), max_size=5)


@pytest.fixture(autouse=True, scope="module")
def registered():
    register_fast_checksums()


def value(name: str, body: bytes) -> str:
    return b64encode(DIGESTS[name](body)).decode()


def run(checks: BodyChecks, pieces: list[bytes], trailers: dict[str, str] | None = None) -> Reason | None:
    for piece in pieces:
        checks.update(piece)
    try:
        checks.finish(trailers)
    except Refused as refused:
        return refused.reason
    return None


@given(st.binary(max_size=300), st.integers(0, 300))
def test_the_fallbacks_equal_the_native_functions(body, cut):
    """CRC-32C and CRC-64/NVME in Python equal the native ones, whole and continued at any byte."""
    assert crc32c(body[cut:], crc32c(body[:cut])) == crc32c(body) == awscrt.checksums.crc32c(body)
    assert crc64nvme(body[cut:], crc64nvme(body[:cut])) == crc64nvme(body) == awscrt.checksums.crc64nvme(body)


@given(NAMES, PIECES)
def test_a_right_header_passes(name, pieces):
    """A body that matches its declared digest passes, however it is cut."""
    assert run(BodyChecks.from_request({name: value(name, b"".join(pieces))}, None), pieces) is None


@given(NAMES, PIECES, st.binary(max_size=40))
def test_another_body_is_refused(name, pieces, other):
    """A body that does not match its declared digest is refused."""
    body = b"".join(pieces)
    expected = None if body == other else Reason.BAD_DIGEST
    assert run(BodyChecks.from_request({name: value(name, body)}, None), [other]) is expected


@given(NAMES.filter(lambda name: name != "content-md5"), PIECES, st.booleans())
def test_a_trailer_is_checked(name, pieces, right):
    """A digest that comes after the body is checked against the whole body."""
    checks = BodyChecks.from_request({}, "STREAMING-UNSIGNED-PAYLOAD-TRAILER", (name,))
    body = b"".join(pieces) + (b"" if right else b"x")
    assert run(checks, pieces, {name: value(name, body)}) is (None if right else Reason.BAD_DIGEST)


@given(PIECES, st.booleans())
def test_the_pinned_payload_hash_is_checked(pieces, right):
    """A body that differs from the signed x-amz-content-sha256 is refused with S3's own reason for it."""
    pinned = hashlib.sha256(b"".join(pieces) + (b"" if right else b"x")).hexdigest()
    assert run(BodyChecks.from_request({}, pinned), pieces) is (None if right else Reason.BAD_CONTENT_HASH)


def test_all_that_is_declared_is_checked():
    """One right digest does not excuse a wrong one beside it."""
    body, other = b"body", b"other"
    names = ["content-md5", "x-amz-checksum-crc32"]
    for wrong in names:
        headers = {name: value(name, other if name == wrong else body) for name in names}
        assert run(BodyChecks.from_request(headers, hashlib.sha256(body).hexdigest()), [body]) is Reason.BAD_DIGEST


@pytest.mark.parametrize("payload_hash", [None, "UNSIGNED-PAYLOAD", "STREAMING-UNSIGNED-PAYLOAD-TRAILER"])
def test_nothing_is_computed_that_nobody_asked_for(payload_hash):
    """A request without digests needs none, and any body passes."""
    checks = BodyChecks.from_request({"x-amz-sdk-checksum-algorithm": "CRC32"}, payload_hash)
    assert not checks.needed
    assert run(checks, [b"anything"]) is None


@given(NAMES, st.one_of(st.text(max_size=50), st.binary(max_size=40).map(lambda octets: b64encode(octets).decode())))
def test_a_malformed_digest_is_refused_at_once(name, text):
    """A value that is not the base64 of the right number of bytes is refused before any body is read."""
    whole = (CHECKSUM_SIZES.get(name, 16) + 2) // 3 * 4
    if len(text) == whole and re.fullmatch("[A-Za-z0-9+/]*={0,2}", text):
        return
    with pytest.raises(Refused) as caught:
        BodyChecks.from_request({name: text}, None)
    assert caught.value.reason is (Reason.INVALID_DIGEST if name == "content-md5" else Reason.BAD_REQUEST)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "=",
        "AAAAAA=",
        "AAAAAA==\n",
        "AAAAAB==",
        "AAAA AA==",
        "AAAAAA",
        "AA=AAA==",
        "AAAAAAA=",
        "-AAAAA==",
        "AAAAAA===",
    ],
)
def test_base64_is_strict(text):
    """Missing padding, stray bits, white space and the URL alphabet are no base64 of a checksum."""
    with pytest.raises(Refused) as caught:
        BodyChecks.from_request({"x-amz-checksum-crc32": text}, None)
    assert caught.value.reason is Reason.BAD_REQUEST


def test_a_malformed_trailer_is_refused():
    """A trailer's value is held to the same grammar as a header's."""
    for text in ("", "AAAA", "x" * 100):
        checks = BodyChecks.from_request({}, None, ("x-amz-checksum-crc32",))
        assert run(checks, [b""], {"x-amz-checksum-crc32": text}) is Reason.BAD_REQUEST


def test_a_missing_trailer_is_refused():
    """A declared trailer that did not come is never taken for a right one."""
    checks = BodyChecks.from_request({}, None, ("x-amz-checksum-crc32",))
    assert run(checks, [b"body"], {}) is Reason.BAD_REQUEST


@pytest.mark.parametrize(
    ("headers", "trailers"),
    [
        (["x-amz-checksum-crc32", "x-amz-checksum-sha1"], ()),
        (["x-amz-checksum-crc32"], ("x-amz-checksum-crc32",)),
        ([], ("x-amz-checksum-crc32", "x-amz-checksum-crc32c")),
        ([], ("x-amz-meta-a",)),
        ([], ("content-md5",)),
    ],
)
def test_there_is_one_checksum_at_most(headers, trailers):
    """Two checksums, or a trailer that is none, make a request malformed."""
    with pytest.raises(Refused) as caught:
        BodyChecks.from_request({name: value(name, b"") for name in headers}, None, trailers)
    assert caught.value.reason is Reason.BAD_REQUEST


@pytest.fixture
def registry(monkeypatch):
    monkeypatch.setattr(checksums, "_crcs", dict(checksums._crcs))
    monkeypatch.setattr(checksums, "_faster", {})
    monkeypatch.setattr(checksums, "_xxhashes", {})


CRC32C = "x-amz-checksum-crc32c"


@pytest.mark.usefixtures("registry")
def test_a_faster_function_is_loaded_with_the_first_body_that_needs_it():
    """Once; it is the one that runs from then on."""
    loads, calls = [], []

    def fast(data: bytes, so_far: int) -> int:
        calls.append(data)
        return awscrt.checksums.crc32c(data, so_far)

    register_crc("crc32c", lambda: loads.append(1) or fast)
    assert run(BodyChecks.from_request({}, None), [b"a"]) is None
    assert loads == []
    for _ in range(2):
        assert run(BodyChecks.from_request({CRC32C: value(CRC32C, b"ab")}, None), [b"a", b"b"]) is None
    assert (loads, calls[-4:]) == ([1], [b"a", b"b", b"a", b"b"])


@pytest.mark.usefixtures("registry")
def test_a_wrong_function_never_judges_a_body():
    """A function that computes something else is told at once, and the slow one stays."""
    register_crc("crc32c", lambda: awscrt.checksums.crc64nvme)
    checks = {CRC32C: value(CRC32C, b"ab")}
    with pytest.raises(ValueError, match="crc32c"):
        BodyChecks.from_request(checks, None)
    assert run(BodyChecks.from_request(checks, None), [b"ab"]) is None


def test_every_checksum_of_the_newest_sdk_is_known():
    """Whatever algorithm an SDK offers for S3 can be checked, and no other."""
    model = botocore.session.get_session().get_service_model("s3").shape_for("Checksum")
    said = {f"x-amz-checksum-{name.removeprefix('Checksum').lower()}" for name in model.members} - {
        "x-amz-checksum-type"
    }
    assert CHECKSUM_SIZES.keys() == said
    assert CHECKSUM_SIZES.keys() == DIGESTS.keys() - {"content-md5"}


XXHASH = "x-amz-checksum-xxhash3"


@pytest.mark.usefixtures("registry")
@pytest.mark.parametrize("trailing", [False, True])
def test_what_cannot_be_computed_is_refused(trailing):
    """A checksum that nobody could check is refused before a byte is read, in a header and as a trailer."""
    with pytest.raises(Refused) as caught:
        BodyChecks.from_request({} if trailing else {XXHASH: value(XXHASH, b"ab")}, None, (XXHASH,) * trailing)
    assert caught.value.reason is Reason.UNSUPPORTED_OPERATION


@pytest.mark.usefixtures("registry")
def test_a_wrong_hash_never_judges_a_body():
    """A registered hash that computes something else is told at once."""
    register_xxhash("xxhash3", hashlib.md5)
    with pytest.raises(ValueError, match="xxhash3"):
        BodyChecks.from_request({XXHASH: value(XXHASH, b"ab")}, None)


@pytest.mark.parametrize("name", sorted(DIGESTS))
def test_a_body_may_come_in_views_of_a_buffer(name):
    """Pieces are views of a buffer that is filled again and again, which some libraries do not take."""
    checks = BodyChecks.from_request({name: value(name, b"body")}, None)
    assert run(checks, [memoryview(bytearray(b"bo")), memoryview(bytearray(b"dy"))]) is None
