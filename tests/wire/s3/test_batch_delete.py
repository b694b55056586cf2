"""Laws of `gateway.wire.s3.batch_delete`."""

from __future__ import annotations

import pytest

from gateway.core.reasons import Reason, Refused, UpstreamFailed
from gateway.wire.s3.batch_delete import (
    DeleteOutcome,
    Doomed,
    Tag,
    delete_document,
    deleted_document,
    read_delete,
    read_deleted,
    read_store_tags,
    read_tags,
    tags_document,
)
from gateway.wire.s3.documents import MAX_REQUEST_DOCUMENT


def batch(*keys: str, more: str = "") -> bytes:
    objects = "".join(f"<Object><Key>{key}</Key></Object>" for key in keys)
    return f"<Delete>{objects}{more}</Delete>".encode()


def test_delete_is_read() -> None:
    """Keys, versions and the wish to hear failures only are read; keys are not judged here."""
    body = batch("a&amp;b", "../x", more="<Object><Key>k</Key><VersionId>v</VersionId></Object><Quiet>true</Quiet>")
    asked = read_delete(body)
    assert asked.objects == (Doomed("a&b"), Doomed("../x"), Doomed("k", "v"))
    assert asked.quiet
    assert not read_delete(batch("k")).quiet


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (batch(), Reason.MALFORMED_XML),
        (batch(""), Reason.MALFORMED_XML),
        (batch(*["k"] * 1001), Reason.MALFORMED_XML),
        (b"<Deleted/>", Reason.MALFORMED_XML),
        (b'<!DOCTYPE d [<!ENTITY a "k">]>' + batch("&a;"), Reason.MALFORMED_XML),
        (b" " * MAX_REQUEST_DOCUMENT + batch("k"), Reason.TOO_LARGE),
        (batch(more="<Object><Key>k</Key><ETag>e</ETag></Object>"), Reason.UNSUPPORTED_OPERATION),
    ],
)
def test_bad_batches_are_refused_whole(body: bytes, reason: Reason) -> None:
    """A batch that is not understood deletes nothing."""
    with pytest.raises(Refused) as caught:
        read_delete(body)
    assert caught.value.reason is reason


def test_a_thousand_keys_are_one_batch() -> None:
    """S3's limit is ours, and its longest keys fit."""
    assert len(read_delete(batch(*["\u00e9" * 512] * 1000)).objects) == 1000


def test_batch_for_a_store_has_its_names() -> None:
    """The store is told real keys and asked for every result."""
    sent = read_delete(delete_document([Doomed("a<b"), Doomed("k", "v")], "pre/"))
    assert sent.objects == (Doomed("pre/a<b"), Doomed("pre/k", "v"))
    assert not sent.quiet


def test_results_of_a_store_come_back_with_our_names() -> None:
    """Real prefixes, foreign keys and the store's words stay here."""
    body = (
        b"<DeleteResult><Deleted><Key>pre/a</Key><DeleteMarker>true</DeleteMarker>"
        b"<DeleteMarkerVersionId>m</DeleteMarkerVersionId></Deleted><Deleted><Key>other/b</Key></Deleted>"
        b"<Error><Key>pre/c</Key><VersionId>v</VersionId><Code>AccessDenied</Code><Message>real-bucket</Message></Error>"
        b"</DeleteResult>"
    )
    outcomes = read_deleted(body, "pre/")
    assert outcomes == [
        DeleteOutcome(key="a", delete_marker=True, delete_marker_version_id="m"),
        DeleteOutcome(
            key="c",
            version_id="v",
            code="InternalError",
            message="The store did not delete the object. Please try again.",
        ),
    ]
    refused = DeleteOutcome.refused(Doomed("d&d"), Reason.NOT_ALLOWED)
    loud = deleted_document([*outcomes, refused], quiet=False).decode()
    assert "<Deleted><Key>a</Key><DeleteMarker>true</DeleteMarker>" in loud
    assert "<Error><Key>d&amp;d</Key><Code>AccessDenied</Code><Message>Access Denied</Message></Error>" in loud
    quiet = deleted_document([*outcomes, refused], quiet=True).decode()
    assert "<Deleted>" not in quiet
    assert quiet.count("<Error>") == 2
    with pytest.raises(UpstreamFailed):
        read_deleted(b"<Error/>", "")


def parts(*pairs: tuple[object, str]) -> bytes:
    inner = "".join(f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>" for number, etag in pairs)
    return f"<CompleteMultipartUpload>{inner}</CompleteMultipartUpload>".encode()


def test_tags_round_trip() -> None:
    """Tags are read, and written anew for store and caller."""
    tags = (Tag("a&b", "<c>"), Tag("empty", ""))
    assert read_tags(tags_document(tags)) == read_store_tags(tags_document(tags)) == tags
    assert read_tags(tags_document(())) == ()


@pytest.mark.parametrize(
    "tags",
    [
        [Tag("a", "1"), Tag("a", "2")],
        [Tag("", "1")],
        [Tag("k" * 129, "")],
        [Tag("k", "v" * 257)],
        [Tag(str(number), "") for number in range(11)],
    ],
)
def test_bad_tags_are_refused(tags: list[Tag]) -> None:
    """At most ten tags, each with a key of its own, none longer than S3 allows."""
    with pytest.raises(Refused) as caught:
        read_tags(tags_document(tags))
    assert caught.value.reason is Reason.BAD_TAG
