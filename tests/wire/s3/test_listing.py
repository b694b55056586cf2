"""Laws of `gateway.wire.s3.listing`."""

from __future__ import annotations

import json
from dataclasses import fields, replace
from urllib.parse import quote
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.reasons import UpstreamFailed
from gateway.core.request import Operation
from gateway.wire.s3.listing import (
    Entry,
    Found,
    FoundKind,
    Listing,
    link_entries,
    link_json,
    listing_document,
    read_listing,
    rename,
)
from gateway.wire.s3.multipart import read_parts

SPACE = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'
V2 = f"""<?xml version="1.0" encoding="UTF-8"?>
<ListBucketResult {SPACE}><Name>real</Name><Prefix>pre%2F</Prefix><KeyCount>3</KeyCount><MaxKeys>3</MaxKeys>
<EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><NextContinuationToken>tok+1</NextContinuationToken>
<Contents><Key>pre/a+b%2Bc</Key><LastModified>2026-01-01T00:00:00.000Z</LastModified><ETag>"e"</ETag><Size>5</Size>
<Owner><ID>their-account</ID></Owner><StorageClass>STANDARD_IA</StorageClass></Contents>
<Contents><Key>pre/%E2%82%AC</Key><Size>x</Size></Contents>
<Contents><Key>other/secret</Key></Contents>
<CommonPrefixes><Prefix>pre/dir%20x/</Prefix></CommonPrefixes><CommonPrefixes><Prefix>oth/</Prefix></CommonPrefixes>
</ListBucketResult>""".encode()


def texts(body: bytes, path: str) -> list[str]:
    return [
        node.text or "" for node in ET.fromstring(body).findall("/".join(f"{{*}}{name}" for name in path.split("/")))
    ]


def test_a_listing_is_read_and_decoded() -> None:
    """Names are decoded if the store encoded them, with a plus for a space as S3 writes it."""
    listing = read_listing(V2)
    assert [entry.key for entry in listing.found] == ["pre/a b+c", "pre/\u20ac", "other/secret"]
    assert listing.found[0] == Found(
        kind=FoundKind.OBJECT,
        key="pre/a b+c",
        modified="2026-01-01T00:00:00.000Z",
        size=5,
        etag='"e"',
        storage_class="STANDARD_IA",
    )
    assert listing.found[1].size is None
    assert (listing.prefixes, listing.truncated, listing.cursor) == (("pre/dir x/", "oth/"), True, "tok+1")


def test_names_are_literal_without_an_encoding() -> None:
    """A store that did not encode is taken at its word."""
    body = b"<ListBucketResult><Contents><Key>a%20b+c</Key></Contents></ListBucketResult>"
    assert read_listing(body).found[0].key == "a%20b+c"


@pytest.mark.parametrize("root", ["ListBucketResult", "ListVersionsResult", "ListMultipartUploadsResult"])
@pytest.mark.parametrize("name", ["a", "a+b", "50%41", "a b", "a%2Bb", "\u00fc", "a+/", "%41/"])
@pytest.mark.parametrize("encodes", [True, False])
def test_a_page_goes_on_behind_its_last_name_however_that_is_spelt(root: str, name: str, encodes: bool) -> None:
    """Ceph encodes each name of a page but the one to go on from: decoded, it would be another, before or behind."""
    kind = {"ListBucketResult": "Contents", "ListVersionsResult": "Version"}.get(root, "Upload")
    spelt, marker = quote(name, safe=""), "NextMarker" if root == "ListBucketResult" else "NextKeyMarker"
    shown = f"<CommonPrefixes><Prefix>{spelt}</Prefix></CommonPrefixes>"
    if not name.endswith("/"):
        shown = f"<CommonPrefixes><Prefix>A/</Prefix></CommonPrefixes><{kind}><Key>{spelt}</Key></{kind}>"
    next_key = spelt if encodes else name
    page = (
        f"<{root}><EncodingType>url</EncodingType><IsTruncated>true</IsTruncated><{marker}>{next_key}</{marker}>"
        f"<{kind}><Key>+</Key></{kind}>{shown}</{root}>"
    )
    assert name == read_listing(page.encode()).next_key


def test_an_entry_under_another_name_differs_in_that_alone() -> None:
    """Whatever else it says is kept, a field that is new as well."""
    entry = Found(
        kind=FoundKind.VERSION,
        key="a",
        modified="m",
        size=1,
        etag="e",
        storage_class="s",
        version_id="v",
        latest=True,
        upload_id="u",
    )
    assert replace(entry, key="b") == entry.named("b")
    assert all(getattr(entry, field.name) != field.default for field in fields(Found))


def test_renaming_drops_what_is_not_ours() -> None:
    """Only names below the decided prefix survive, and the rest is counted."""
    listing, dropped = rename(read_listing(V2), "pre/")
    assert [entry.key for entry in listing.found] == ["a b+c", "\u20ac"]
    assert (listing.prefixes, dropped) == (("dir x/",), 2)
    listing, dropped = rename(read_listing(V2), "pre/", "a")
    assert ([entry.key for entry in listing.found], listing.prefixes, dropped) == (["a b+c"], (), 4)


def test_answer_has_no_real_name() -> None:
    """Our answer echoes the request and shows nothing of the store's bucket, prefix, owner or foreign keys."""
    params = {"list-type": "2", "prefix": "", "delimiter": "/", "fetch-owner": "true", "start-after": "0"}
    listing, _ = rename(read_listing(V2), "pre/")
    body = listing_document(Operation.LIST_OBJECTS_V2, "ours", params, listing)
    for secret in (b"real", b"pre/", b"their-account", b"secret"):
        assert secret not in body
    assert texts(body, "Name") == ["ours"]
    assert texts(body, "Contents/Key") == ["a b+c", "\u20ac"]
    assert texts(body, "Contents/Owner/ID") == ["gateway", "gateway"]
    assert texts(body, "CommonPrefixes/Prefix") == ["dir x/"]
    assert texts(body, "KeyCount") == ["3"]
    assert texts(body, "StartAfter") == ["0"]
    assert texts(body, "IsTruncated") + texts(body, "NextContinuationToken") == ["true", "t.tok+1"]
    assert not texts(body, "EncodingType")


def test_members_stand_in_the_order_of_the_schema() -> None:
    """Readers that were made from S3's schema, which is a sequence, find every member where they look for it."""
    params = {"prefix": "b/", "delimiter": "/", "encoding-type": "url"}
    entry = Found(kind=FoundKind.OBJECT, key="b/k", modified="2026-01-01T00:00:00.000Z", size=5, etag='"e"')
    listing = Listing(found=(entry,), prefixes=("b/c/",), truncated=True, next_key="b/k")
    body = listing_document(Operation.LIST_OBJECTS, "bucket", params, listing)
    assert [node.tag.partition("}")[2] for node in ET.fromstring(body)] == [
        *("Name", "Prefix", "Marker", "NextMarker", "MaxKeys", "Delimiter", "EncodingType", "IsTruncated"),
        *("Contents", "CommonPrefixes"),
    ]


def test_owner_is_shown_on_request_only() -> None:
    """The second version shows an owner if asked to, the first one always."""
    listing = Listing(found=(Found(kind=FoundKind.OBJECT, key="k"),))
    assert not texts(listing_document(Operation.LIST_OBJECTS_V2, "ours", {}, listing), "Contents/Owner")
    assert texts(listing_document(Operation.LIST_OBJECTS, "ours", {}, listing), "Contents/Owner/ID") == ["gateway"]


KEYS = st.text(alphabet=st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(st.lists(KEYS, max_size=5), st.lists(KEYS, max_size=3), st.sampled_from(["", "pre/fix/"]))
def test_encoded_listings_round_trip(keys: list[str], prefixes: list[str], real: str) -> None:
    """With encoding-type=url every name survives writing, reading and renaming, whatever it is made of."""
    ours = Listing(found=tuple(Found(kind=FoundKind.OBJECT, key=key, size=1) for key in keys), prefixes=tuple(prefixes))
    body = listing_document(Operation.LIST_OBJECTS_V2, "ours", {"encoding-type": "url"}, ours)
    read = read_listing(body)
    assert [entry.key for entry in read.found] == keys
    assert list(read.prefixes) == prefixes
    theirs = Listing(
        found=tuple(Found(kind=FoundKind.OBJECT, key=real + key) for key in keys),
        prefixes=tuple(real + prefix for prefix in prefixes),
    )
    renamed, dropped = rename(theirs, real)
    assert [entry.key for entry in renamed.found] == keys
    assert dropped == 0


@pytest.mark.parametrize("key", ["a\x01b", "a\x0bb", "a\uffffb"])
def test_names_that_xml_cannot_carry(key: str) -> None:
    """They are shown encoded, and as references where the client did not ask for that, as S3 does it."""
    listing = Listing(found=(Found(kind=FoundKind.OBJECT, key=key), Found(kind=FoundKind.OBJECT, key="k")))
    plain = listing_document(Operation.LIST_OBJECTS_V2, "ours", {}, listing)
    assert f"<Key>a&#x{ord(key[1]):x};b</Key>".encode() in plain
    body = listing_document(Operation.LIST_OBJECTS_V2, "ours", {"encoding-type": "url"}, listing)
    assert len(texts(body, "Contents/Key")) == 2


def test_first_version() -> None:
    """Marker and NextMarker are names; the latter comes with a delimiter only, as S3 does it."""
    body = (
        b"<ListBucketResult><IsTruncated>true</IsTruncated><Contents><Key>pre/a</Key></Contents>"
        b"<CommonPrefixes><Prefix>pre/b/</Prefix></CommonPrefixes></ListBucketResult>"
    )
    listing, _ = rename(read_listing(body), "pre/")
    assert (listing.next_key, listing.cursor) == ("b/", "b/")
    params = {"marker": "0", "delimiter": "/", "max-keys": "5000"}
    written = listing_document(Operation.LIST_OBJECTS, "ours", params, listing)
    assert texts(written, "Marker") + texts(written, "NextMarker") + texts(written, "MaxKeys") == ["0", "b/", "1000"]
    assert not texts(listing_document(Operation.LIST_OBJECTS, "ours", {}, listing), "NextMarker")
    token = texts(listing_document(Operation.LIST_OBJECTS_V2, "ours", {}, listing), "NextContinuationToken")
    assert token == ["b/"]


def test_versions() -> None:
    """Versions and delete markers keep their order, their ids and which of them is latest."""
    body = (
        b"<ListVersionsResult><IsTruncated>true</IsTruncated><NextKeyMarker>pre/k</NextKeyMarker>"
        b"<NextVersionIdMarker>v1</NextVersionIdMarker><DeleteMarker><Key>pre/k</Key><VersionId>v2</VersionId>"
        b"<IsLatest>true</IsLatest></DeleteMarker><Version><Key>pre/k</Key><VersionId>v1</VersionId>"
        b"<IsLatest>false</IsLatest><Size>3</Size></Version></ListVersionsResult>"
    )
    listing, _ = rename(read_listing(body), "pre/")
    assert [entry.kind for entry in listing.found] == [FoundKind.DELETE_MARKER, FoundKind.VERSION]
    written = listing_document(Operation.LIST_OBJECT_VERSIONS, "ours", {"versions": ""}, listing)
    again, _ = rename(read_listing(written), "")
    assert [(entry.kind, entry.version_id, entry.latest) for entry in again.found] == [
        (FoundKind.DELETE_MARKER, "v2", True),
        (FoundKind.VERSION, "v1", False),
    ]
    assert (again.next_key, again.next_id) == ("k", "v1")


def test_uploads() -> None:
    """Running uploads keep their ids and instants."""
    body = (
        b"<ListMultipartUploadsResult><Bucket>real</Bucket><IsTruncated>true</IsTruncated><NextKeyMarker>pre/k"
        b"</NextKeyMarker><NextUploadIdMarker>u1</NextUploadIdMarker><Upload><Key>pre/k</Key><UploadId>u1</UploadId>"
        b"<Initiated>2026-01-01T00:00:00Z</Initiated></Upload></ListMultipartUploadsResult>"
    )
    listing, _ = rename(read_listing(body), "pre/")
    written = listing_document(Operation.LIST_MULTIPART_UPLOADS, "ours", {"uploads": "", "max-uploads": "7"}, listing)
    assert read_listing(written).found[0].upload_id == "u1"
    assert texts(written, "Bucket") + texts(written, "MaxUploads") + texts(written, "Upload/Key") == ["ours", "7", "k"]
    assert (read_listing(written).next_key, read_listing(written).next_id) == ("k", "u1")


_ENTRY = "<Key>pre/k</Key>"
_OPTIONAL = {
    Operation.LIST_OBJECTS_V2: ("ListBucketResult", "Contents", ("LastModified", "ETag", "Size", "StorageClass")),
    Operation.LIST_OBJECT_VERSIONS: (
        *("ListVersionsResult", "Version"),
        ("VersionId", "IsLatest", "LastModified", "ETag", "Size", "StorageClass"),
    ),
    Operation.LIST_MULTIPART_UPLOADS: (
        *("ListMultipartUploadsResult", "Upload"),
        ("UploadId", "Initiated", "StorageClass"),
    ),
}
_VALUES = {"Size": "7", "IsLatest": "true"}


@pytest.mark.parametrize(
    ("operation", "left_out"),
    [(operation, name) for operation, (_, _, names) in _OPTIONAL.items() for name in (*names, "")],
)
def test_what_a_store_leaves_out_of_an_entry_is_left_out(operation: Operation, left_out: str) -> None:
    """No size of nothing, no class, no instant and no "not the latest" stands for what was not said."""
    root, kind, names = _OPTIONAL[operation]
    given = [name for name in names if name != left_out]
    members = "".join(f"<{name}>{_VALUES.get(name, 'given')}</{name}>" for name in given)
    body = f"<{root}><{kind}>{_ENTRY}{members}</{kind}></{root}>".encode()
    written = listing_document(operation, "ours", {}, rename(read_listing(body), "pre/")[0])
    entry = ET.fromstring(written).find(f"{{*}}{kind}")
    assert entry is not None
    shown = {child.tag.rpartition("}")[2] for child in entry}
    assert {"Key", *given} == shown - {"Owner", "Initiator"}


def test_an_upload_id_alone_leads_on() -> None:
    """A store that goes on by ids, not by names, is told no name: a made up one would skip uploads."""
    body = (
        b"<ListMultipartUploadsResult><IsTruncated>true</IsTruncated><NextUploadIdMarker>u2</NextUploadIdMarker>"
        b"<Upload><Key>pre/z</Key><UploadId>u2</UploadId></Upload></ListMultipartUploadsResult>"
    )
    listing, _ = rename(read_listing(body), "pre/")
    written = listing_document(Operation.LIST_MULTIPART_UPLOADS, "ours", {"uploads": ""}, listing)
    assert ([], ["u2"]) == (texts(written, "NextKeyMarker"), texts(written, "NextUploadIdMarker"))


@pytest.mark.parametrize(
    "inner",
    [
        "<ListBucketResult><KeyCount>1</KeyCount>{}<Contents><Key>pre/k</Key></Contents></ListBucketResult>",
        "<ListBucketResult>{}</ListBucketResult>",
        "<ListVersionsResult>{}<Version><Key>pre/k</Key><VersionId>1</VersionId></Version></ListVersionsResult>",
        "<ListMultipartUploadsResult>{}<Upload><Key>pre/k</Key></Upload></ListMultipartUploadsResult>",
        "<ListBucketResult><NextMarker>other/k</NextMarker>{}</ListBucketResult>",
    ],
)
def test_a_page_that_does_not_say_how_to_go_on_is_no_page(inner: str) -> None:
    """Going on from a guess would lose entries, or show them for ever; a whole page needs no such word."""
    with pytest.raises(UpstreamFailed):
        rename(read_listing(inner.format("<IsTruncated>true</IsTruncated>").encode()), "pre/")
    if "other" not in inner:
        assert not rename(read_listing(inner.format("<IsTruncated>false</IsTruncated>").encode()), "pre/")[0].truncated


@pytest.mark.parametrize("body", [b"", b"<Error><Code>NoSuchKey</Code></Error>", b"<html/>"])
def test_other_documents_are_a_broken_store(body: bytes) -> None:
    """What is no listing is never shown as an empty one."""
    for read in (read_listing, read_parts):
        with pytest.raises(UpstreamFailed):
            read(body)


def test_link_rows() -> None:
    """A link sees names relative to its folder, folders first, and no name that it could not ask for."""
    listing = Listing(
        prefixes=("a/x/", "a/../", "a//"),
        found=tuple(
            Found(kind=FoundKind.OBJECT, key=key, size=3, modified="2026-01-01T00:00:00Z")
            for key in ("a/", "a/f.txt", "a/..", "a/\0", "a/\n", "a/folder/")
        ),
    )
    entries = link_entries(listing, "a/")
    dated = (3, "2026-01-01T00:00:00Z")
    assert entries == (Entry("x/"), Entry("f.txt", *dated), Entry("\n", *dated))
    assert json.loads(link_json("a/", entries, "c")) == {
        "path": "a/",
        "entries": [
            {"name": "x/", "folder": True},
            {"name": "f.txt", "size": 3, "modified": "2026-01-01T00:00:00Z"},
            {"name": "\n", "size": 3, "modified": "2026-01-01T00:00:00Z"},
        ],
        "cursor": "c",
    }


@pytest.mark.parametrize("folder", ["", "in/", ".gateway-uploadsx/"])
def test_a_page_within_the_reserved_folder_leads_behind_it(folder: str) -> None:
    """It names no upload, and a client that goes by the last name is told how to go on although there is none."""
    last = f"pre/{folder}.gateway-uploads/0"
    found = (Found(kind=FoundKind.OBJECT, key=last),)
    page = Listing(found=found, truncated=True, next_key=last, next_id="v")
    renamed, _ = rename(page, "pre/")
    behind = f"{folder}.gateway-uploads0"
    assert ((), behind, "") == (renamed.found, renamed.next_key, renamed.next_id)
    document = listing_document(Operation.LIST_OBJECTS, "b", {}, renamed)
    assert [behind] == texts(document, "NextMarker")
    assert last.removeprefix("pre/") < behind < f"{folder}.gateway-uploadsx"


def test_the_reserved_folder_is_in_no_listing() -> None:
    """Neither its objects nor its name as a common prefix, in whichever bucket it lies."""
    found = tuple(
        Found(kind=FoundKind.OBJECT, key=key)
        for key in ("pre/.gateway-uploads/0", "pre/in/.gateway-uploads/0", "pre/.gateway-uploadsx", "pre/a")
    )
    listing = Listing(found=found, prefixes=("pre/.gateway-uploads/", "pre/b/"))
    renamed, dropped = rename(listing, "pre/")
    assert [".gateway-uploadsx", "a"] == [entry.key for entry in renamed.found]
    assert (("b/",), 3) == (renamed.prefixes, dropped)
