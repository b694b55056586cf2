"""Laws of `gateway.wire.s3.documents`."""

from __future__ import annotations

import re
from contextlib import suppress
from html import unescape
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.reasons import Reason, Refused, UpstreamFailed
from gateway.wire.s3.documents import (
    ODD_CODE,
    CopyResult,
    attributes_document,
    copy_document,
    document,
    element,
    post_document,
    quoted,
    read_attributes,
    read_copy,
    read_request,
    read_store,
    store_fault,
    store_reader,
    xml_carries,
)
from gateway.wire.s3.listing import read_listing
from gateway.wire.s3.multipart import completed_document, initiated_document, read_completed, read_initiated

HEAD = b'<?xml version="1.0" encoding="UTF-8"?>\n'
SPACE = b' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"'


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not xml",
        b"<Delete>",
        b"<Other/>",
        b"\xff\xfe<\x00D\x00e\x00l\x00e\x00t\x00e\x00/\x00>\x00",
        b'<!DOCTYPE d [<!ENTITY a "b">]><Delete>&a;</Delete>',
        b'<?xml version="1.0"?><!DOCTYPE Delete SYSTEM "file:///etc/passwd"><Delete/>',
        b"<Delete>&undefined;</Delete>",
        b"<Delete>\xff</Delete>",
        b"<Delete>\x00</Delete>",
        b'<?xml version="1.0" encoding="IBM037"?>'
        + '<!DOCTYPE d [<!ENTITY a "b">]><Delete>&a;</Delete>'.encode("cp037"),
    ],
)
def test_only_plain_documents_are_read(body: bytes) -> None:
    """Declarations, other encodings, broken or foreign documents are refused before anything is expanded."""
    with pytest.raises(Refused) as caught:
        read_request(body, "Delete")
    assert caught.value.reason is Reason.MALFORMED_XML
    with pytest.raises(UpstreamFailed) as failed:
        read_store(body, "Delete")
    assert failed.value.reason is Reason.UPSTREAM_BROKE


def test_what_was_read_already_is_held_to_its_root() -> None:
    """A large document comes as its tree: of another one nothing is taken for an empty answer."""
    reader = store_reader()
    reader.feed(b"<html><body>x</body></html>")
    page = reader.finish()
    for read in (read_listing, read_copy, read_completed, read_initiated, read_attributes):
        with pytest.raises(UpstreamFailed, match="its root is not"):
            read(page)
    assert store_fault(page) is None


@pytest.mark.parametrize("body", [b"<Delete/>", HEAD + b"<Delete" + SPACE + b"/>", b"\n \r\n" + HEAD + b"<Delete/>"])
def test_namespaces_and_leading_space_do_not_matter(body: bytes) -> None:
    """Stores send blanks to keep a connection alive, and clients leave the namespace out."""
    assert read_request(body, "Delete").tag == "Delete"


def test_documents_are_utf8_whatever_they_declare() -> None:
    """Two readers of one document see one key: a declared encoding changes nothing."""
    body = '<?xml version="1.0" encoding="ISO-8859-1"?><Delete><Key>caf\u00e9</Key></Delete>'.encode()
    assert read_request(body, "Delete").findtext("Key") == "caf\u00e9"


@given(st.binary(max_size=60))
def test_reading_never_raises_anything_else(body: bytes) -> None:
    """Whatever a caller sends as a document is a document or a refusal."""
    with suppress(Refused):
        assert read_request(body, "Delete").tag == "Delete"


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40))
def test_written_text_is_read_back(text: str) -> None:
    """Text is escaped on the way out, line ends too; what XML cannot carry is a reference, as S3 writes it."""
    body = document("R", (element("T", text),))
    if xml_carries(text):
        assert text == ET.fromstring(body).findtext("{*}T")
    else:
        written = re.sub("&#x([0-9a-f]+);", lambda found: chr(int(found[1], 16)), body.decode())
        assert text.replace("\0", "?") == unescape(re.search("<T>(.*)</T>", written, re.DOTALL)[1])


@given(st.text(alphabet=st.sampled_from("ab&;<\r\n\t\x01\x1f\x7f\x85\u2028\ufdd1"), max_size=20))
def test_our_reader_reads_what_our_writer_wrote(text: str) -> None:
    """Control characters come through both, as a client's do."""
    body = document("Delete", (element("Object", (element("Key", text),)),))
    assert text == read_request(body, "Delete").find("Object").findtext("Key")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"<Error><Code>NoSuchKey</Code></Error>", "NoSuchKey"),
        (b"  " + HEAD + b"<Error" + SPACE + b"><Code>InternalError</Code></Error>", "InternalError"),
        (b"<Error><Code> XAmzContentSHA256Mismatch\n</Code></Error>", "XAmzContentSHA256Mismatch"),
        (b"<Error><Code>KMS.DisabledException</Code></Error>", "KMS.DisabledException"),
        (b"<Error><Code>Slow&#13;&#10;Down</Code></Error>", ODD_CODE),
        (b"<Error><Code>" + b"A" * 65 + b"</Code></Error>", ODD_CODE),
        (b"<Error><Code>https://store/k?X-Amz-Signature=1</Code></Error>", ODD_CODE),
        (b"<Error><Code>&#27;[2J</Code></Error>", ODD_CODE),
        (b"<Error/>", ""),
        (b"<CopyObjectResult/>", None),
        (b"<html>", None),
        (b"", None),
    ],
)
def test_store_fault(body: bytes, code: str | None) -> None:
    """An error document is recognised at any status, and nothing else is taken for one."""
    assert store_fault(body) == code


def test_results_have_our_names() -> None:
    """The results of writes name our bucket and key, whatever the store named."""
    body = (
        b"<InitiateMultipartUploadResult><Bucket>real</Bucket><Key>pre/k</Key><UploadId>u&amp;1</UploadId>"
        b"</InitiateMultipartUploadResult>"
    )
    written = initiated_document("ours", "a<b", read_initiated(body))
    assert {node.tag.rpartition("}")[2]: node.text for node in ET.fromstring(written)} == {
        "Bucket": "ours",
        "Key": "a<b",
        "UploadId": "u&1",
    }
    body = b'<CompleteMultipartUploadResult><Location>http://real</Location><ETag>"e-2"</ETag></CompleteMultipartUploadResult>'
    written = completed_document("http://gw/ours/k", "ours", "k", read_completed(body))
    assert b"real" not in written
    assert ET.fromstring(written).findtext("{*}ETag") == '"e-2"'
    assert ET.fromstring(post_document("l", "ours", "k", '"e"')).findtext("{*}Location") == "l"


@pytest.mark.parametrize(("etag", "told"), [("e-1", '"e-1"'), ('"e"', '"e"'), ("", ""), (' "e" ', '"e"')])
def test_entity_tags_have_their_quotes(etag: str, told: str) -> None:
    """Clients compare them with the header's, where they are never bare."""
    assert quoted(etag) == told


@pytest.mark.parametrize("part", [True, False])
def test_copy_results(part: bool) -> None:
    """A copy's result is read and written anew, for objects and parts."""
    root = b"CopyPartResult" if part else b"CopyObjectResult"
    body = b"<%s><ETag>&quot;e&quot;</ETag><LastModified>2026-01-01T00:00:00Z</LastModified></%s>" % (root, root)
    result = read_copy(body)
    assert result == CopyResult('"e"', "2026-01-01T00:00:00Z")
    assert read_copy(copy_document(result, part=part)) == result


def test_attributes_pass_by_name() -> None:
    """Of an object's attributes the known ones are shown, with the parts in their group."""
    body = (
        b"<GetObjectAttributesResponse><ETag>e</ETag><Owner>them</Owner><Checksum><ChecksumCRC32>c</ChecksumCRC32><X>y</X>"
        b"</Checksum><ObjectParts><TotalPartsCount>1</TotalPartsCount><Part><PartNumber>1</PartNumber><Size>5</Size>"
        b"<Host>h</Host></Part></ObjectParts><ObjectSize>5</ObjectSize></GetObjectAttributesResponse>"
    )
    groups = read_attributes(body)
    written = attributes_document(groups)
    assert read_attributes(written) == groups
    assert ET.fromstring(written).findtext("{*}ObjectParts/{*}Part/{*}Size") == "5"
    assert not {b"them", b"<X>", b"<Host>"} & set(written.split(b">"))
    assert b"them" not in written
    assert b"Host" not in written
