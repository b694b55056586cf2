"""Uploads in parts: calls, documents and sizes."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.reasons import Reason, Refused, UpstreamFailed
from gateway.wire.s3.multipart import (
    DEFAULT_TYPE,
    MAX_PARTS,
    PART_SIZE,
    CompletedPart,
    Destination,
    Part,
    PartsListing,
    abort_call,
    complete_call,
    complete_document,
    create_call,
    part_call,
    part_size,
    parts_call,
    parts_document,
    read_complete,
    read_initiated,
    read_parts,
)
from tests.wire.s3.test_listing import texts

MIB = 1024**2
PLACE = Destination("b", "real", "pre/k")


def parts(*pairs: tuple[object, str]) -> bytes:
    inner = "".join(f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>" for number, etag in pairs)
    return f"<CompleteMultipartUpload>{inner}</CompleteMultipartUpload>".encode()


def test_completion_is_read_and_rebuilt() -> None:
    """Numbers and entity tags go on, with quotes; checksums, which no store was given, do not."""
    body = parts((1, "&quot;e1&quot;"), (10000, "e2"))
    read = read_complete(body.replace(b"</Part>", b"<ChecksumCRC32>c</ChecksumCRC32></Part>"))
    assert read == (CompletedPart(1, '"e1"'), CompletedPart(10000, "e2"))
    rebuilt = complete_document(read)
    assert b"Checksum" not in rebuilt
    assert read_complete(rebuilt) == (CompletedPart(1, '"e1"'), CompletedPart(10000, '"e2"'))


def test_a_completion_may_have_the_name_that_an_early_sdk_gave_it() -> None:
    """The first AWS SDK for JavaScript 3 names the root CompletedMultipartUpload, as S3 let it."""
    body = parts((1, "e1")).replace(b"CompleteM", b"CompletedM")
    assert (CompletedPart(1, "e1"),) == read_complete(body)


@pytest.mark.parametrize(
    "body",
    [
        parts(),
        parts((0, "e")),
        parts((10001, "e")),
        parts(("x", "e")),
        parts((1, "")),
        parts((1, "a b")),
        b"<Other/>",
    ],
)
def test_bad_completions_are_refused(body: bytes) -> None:
    """A list of parts that S3 would not take never reaches a store."""
    with pytest.raises(Refused) as caught:
        read_complete(body)
    assert caught.value.reason is Reason.MALFORMED_XML


@pytest.mark.parametrize("body", [parts((2, "e"), (1, "e")), parts((1, "e"), (1, "f"))])
def test_parts_out_of_order_are_told_as_such(body: bytes) -> None:
    """A part that comes twice, or before a smaller number, is S3's InvalidPartOrder and no malformed document."""
    with pytest.raises(Refused) as caught:
        read_complete(body)
    assert caught.value.reason is Reason.BAD_PART_ORDER


def test_upload_of_another_root() -> None:
    """Some stores leave "Result" out of the document's name."""
    assert read_initiated(b"<InitiateMultipartUpload><UploadId>u</UploadId></InitiateMultipartUpload>") == "u"


def test_upload_without_an_id_is_a_broken_answer() -> None:
    """Parts could never be sent to it."""
    with pytest.raises(UpstreamFailed):
        read_initiated(b"<InitiateMultipartUploadResult/>")


def test_parts() -> None:
    """Parts are read and written with our names; a part without number or size is none."""
    body = (
        b"<ListPartsResult><Bucket>real</Bucket><Key>pre/k</Key><IsTruncated>true</IsTruncated>"
        b"<NextPartNumberMarker>1</NextPartNumberMarker><Part><PartNumber>1</PartNumber><Size>5</Size><ETag>e</ETag>"
        b"<LastModified>t</LastModified></Part><Part><PartNumber>x</PartNumber></Part></ListPartsResult>"
    )
    listing = read_parts(body)
    assert listing == PartsListing((Part(1, 5, '"e"', "t"),), next_marker="1")
    written = parts_document("ours", "a<b", {"uploadId": "u"}, listing)
    assert read_parts(written) == listing
    assert texts(written, "Bucket") + texts(written, "Key") + texts(written, "UploadId") == ["ours", "a<b", "u"]


def test_a_part_that_was_sent_again_is_one_part() -> None:
    """Some stores list what was replaced, too: the latest is the part, and what follows keeps its place."""
    rows = [(1, 5, "2026-01-02T00:00:00Z"), (1, 9, "2026-01-01T00:00:00Z"), (2, 4, "2026-01-01T00:00:00Z")]
    inner = "".join(
        f"<Part><PartNumber>{number}</PartNumber><Size>{size}</Size><LastModified>{at}</LastModified></Part>"
        for number, size, at in rows
    )
    for body in (inner, inner.replace("2026-01-02", "2026-01-00")):
        found = read_parts(f"<ListPartsResult>{body}</ListPartsResult>".encode()).parts
        latest = 5 if body == inner else 9
        assert [(1, latest), (2, 4)] == [(part.number, part.size) for part in found]


def test_parts_that_are_cut_short_go_on_behind_the_last() -> None:
    """S3 continues behind the last part that it showed; a page without a part leads nowhere."""
    cut = "<IsTruncated>true</IsTruncated>"
    part = "<Part><PartNumber>3</PartNumber><Size>1</Size></Part>"
    listing = read_parts(f"<ListPartsResult>{cut}{part}</ListPartsResult>".encode())
    assert "3" == listing.next_marker
    assert [] == texts(parts_document("ours", "k", {"uploadId": "u"}, listing), "StorageClass")
    with pytest.raises(UpstreamFailed):
        read_parts(f"<ListPartsResult>{cut}</ListPartsResult>".encode())


@given(st.integers(1, 5 * 1024**4))
def test_known_lengths_fit_the_number_of_parts(length: int) -> None:
    """Up to 5 TiB ten thousand equal parts suffice, none below what stores demand."""
    size = part_size(1, length=length)
    assert -(-length // size) <= MAX_PARTS
    assert size >= 5 * MIB
    assert size == part_size(MAX_PARTS, length=length)


def test_unknown_lengths_reach_five_tebibytes() -> None:
    """Growing parts never shrink, start small, and together are enough."""
    sizes = [part_size(number) for number in range(1, MAX_PARTS + 1)]
    assert PART_SIZE == sizes[0]
    assert sorted(sizes) == sizes
    assert sum(sizes) >= 5 * 1024**4
    assert {PART_SIZE} == {part_size(number, equal=True) for number in (1, 5000, MAX_PARTS)}


def test_calls_name_the_upload_and_nothing_else() -> None:
    """Each call is about the real key, with the upload's id, and declares what it sends."""
    calls = [
        create_call(PLACE, (("x-amz-meta-a", "1"),)),
        part_call(PLACE, "u", 3, 7),
        parts_call(PLACE, "u", "2"),
        complete_call(PLACE, "u", b"<x/>", (("if-none-match", "*"),)),
        abort_call(PLACE, "u"),
    ]
    assert {("b", "real", "pre/k")} == {(call.backend, call.bucket, call.key) for call in calls}
    assert [
        ("POST", {"uploads": ""}, 0),
        ("PUT", {"partNumber": "3", "uploadId": "u"}, 7),
        ("GET", {"part-number-marker": "2", "uploadId": "u"}, None),
        ("POST", {"uploadId": "u"}, 4),
        ("DELETE", {"uploadId": "u"}, None),
    ] == [(call.method, dict(call.query), call.body_length) for call in calls]
    assert {"x-amz-meta-a": "1", "content-type": DEFAULT_TYPE} == dict(calls[0].headers)
    assert {"if-none-match", "content-md5", "content-type"} == set(dict(calls[3].headers))
    assert [False, False, False, True, False] == [call.slow_head for call in calls]


def test_a_type_that_is_given_is_the_type() -> None:
    """The default is only for an object whose type nobody gave."""
    assert (("content-type", "a/b"),) == create_call(PLACE, (("content-type", "a/b"),)).headers
