"""Documents in XML, of clients and of stores."""

from __future__ import annotations

from collections.abc import Callable

from gateway.core.reasons import Reason
from gateway.core.request import Operation
from gateway.wire.s3 import batch_delete, documents, listing, multipart
from gateway.wire.s3.xml import Reader
from tests.linear.case import Case, Thunk, byte_by_byte, collect, fed

CASES: list[Case] = []
case = collect(CASES)


def sent(root: str, inner: bytes, n: int, outer: bytes = b"%b") -> bytes:
    return b"<%b>%b</%b>" % (root.encode(), outer % (inner * n), root.encode())


def document_case(name: str, count: int, make: Callable[[int], bytes], **how: object) -> None:
    def build(n: int) -> Thunk:
        reader = Reader(**how)  # type: ignore[arg-type]
        feed = fed(reader, make(n))

        def run() -> None:
            feed()
            reader.finish()

        return run

    case("wire.s3.xml:Reader wire.s3.xml:Node", count, name)(build)


SPINE = {"spine": ("Delete", "Object"), "roots": {"Delete"}}
document_case("many elements", 150, lambda n: sent("Delete", b"<Object><Key>k</Key></Object>", n), **SPINE)
document_case("elements that nobody knows", 500, lambda n: sent("Delete", b"<a/>", n), **SPINE)
document_case("names of elements", 500, lambda n: sent("D", b"".join(b"<a%d/>" % at for at in range(n)), 1))
document_case("attributes", 300, lambda n: sent("D", b"".join(b"<a b%d=''/>" % at for at in range(n)), 1))
document_case("levels", 1000, lambda n: b"<a>" * n)
document_case("a long tag", 5000, lambda n: b"<D" + b" a='b'" * n)
document_case("a long comment", 5000, lambda n: b"<D><!--" + b"x" * n + b"--></D>")
document_case("a long text", 20_000, lambda n: sent("D", b"x", n))
document_case("lines", 5000, lambda n: sent("D", b"\n", n))
document_case("references", 500, lambda n: sent("D", b"&#x1;&amp;", n))
document_case("characters that stand in", 500, lambda n: sent("D", b"\xef\xb7\x90\xef", n))


@case("wire.s3.xml:Reader", 200)
def a_tag_little_by_little(n: int) -> Thunk:
    return fed(Reader(), b"<D " + b" " * 40 * n, 40)


@case("wire.s3.xml:Reader", 2000)
def blanks_byte_by_byte(n: int) -> Thunk:
    return byte_by_byte(Reader(), b" " * n)


@case("wire.s3.batch_delete:read_delete wire.s3.documents:read_request wire.s3.documents:request_reader", 60)
def a_batch_of_many_keys(n: int) -> Thunk:
    body = sent("Delete", b"<Object><Key>k</Key><VersionId>v</VersionId></Object>", n)
    return lambda: batch_delete.read_delete(body)


@case(
    "wire.s3.batch_delete:delete_document wire.s3.batch_delete:deleted_document wire.s3.documents:element "
    "wire.s3.documents:document",
    80,
)
def answers_to_many_keys(n: int) -> Thunk:
    doomed = [batch_delete.Doomed("k<&\x01", "v")] * n
    refused = [batch_delete.DeleteOutcome.refused(each, Reason.NOT_ALLOWED) for each in doomed]

    def run() -> None:
        batch_delete.delete_document(doomed, "p/")
        batch_delete.deleted_document(refused, quiet=False)

    return run


@case("wire.s3.batch_delete:read_deleted wire.s3.documents:read_store wire.s3.documents:store_reader", 50)
def a_store_that_deleted_many(n: int) -> Thunk:
    body = sent("DeleteResult", b"<Deleted><Key>k</Key><x/><y/></Deleted>", n)
    return lambda: batch_delete.read_deleted(body, "")


@case("wire.s3.multipart:read_complete wire.s3.multipart:complete_document", 50)
def an_upload_of_many_parts(n: int) -> Thunk:
    parts = b"".join(b"<Part><PartNumber>%d</PartNumber><ETag>e</ETag></Part>" % (at + 1) for at in range(n))
    body = sent("CompleteMultipartUpload", parts, 1)
    return lambda: multipart.complete_document(multipart.read_complete(body))


@case("wire.s3.batch_delete:read_tags wire.s3.batch_delete:read_store_tags wire.s3.batch_delete:tags_document", 15)
def many_tags(n: int) -> Thunk:
    body = sent("Tagging", b"<Tag><Key>k</Key><Value>v</Value></Tag>", n, b"<TagSet>%b</TagSet>")

    def run() -> None:
        batch_delete.tags_document(batch_delete.read_store_tags(body))
        batch_delete.read_tags(body)

    return run


@case("wire.s3.documents:store_fault wire.s3.documents:read_attributes wire.s3.documents:attributes_document", 40)
def an_object_of_many_parts(n: int) -> Thunk:
    parts = b"<Part><PartNumber>1</PartNumber><Size>1</Size></Part>" * n
    body = sent("GetObjectAttributesResponse", parts, 1, b"<ObjectParts>%b</ObjectParts>")

    def run() -> None:
        documents.store_fault(body)
        documents.attributes_document(documents.read_attributes(body))

    return run


@case("wire.s3.documents:quoted wire.s3.documents:xml_carries", 3000)
def an_entity_tag_of_quotes(n: int) -> Thunk:
    text = ' "' * n + "x" + '" ' * n

    def run() -> None:
        documents.quoted(text)
        documents.xml_carries(text)

    return run


def smaller(root: str, *names: str) -> bytes:
    return sent(root, b"".join(b"<%b>x</%b>" % (name.encode(), name.encode()) for name in names), 1)


@case("wire.s3.documents:read_copy wire.s3.multipart:read_initiated wire.s3.multipart:read_completed", 100)
def results_among_other_elements(n: int) -> Thunk:
    others = [f"o{number}" for number in range(n)]

    def run() -> None:
        documents.read_copy(smaller("CopyObjectResult", *others, "ETag"))
        multipart.read_initiated(smaller("InitiateMultipartUploadResult", *others, "UploadId"))
        multipart.read_completed(smaller("CompleteMultipartUploadResult", *others, "ETag"))

    return run


@case(
    "wire.s3.listing:read_listing wire.s3.listing:rename wire.s3.listing:listing_document wire.s3.listing:link_entries "
    "wire.s3.listing:link_json",
    24,
)
def a_page_of_many_names(n: int) -> Thunk:
    rows = b"".join(b"<Contents><Key>in/%d</Key><Size>1</Size></Contents>" % at for at in range(n))
    folders = b"".join(b"<CommonPrefixes><Prefix>in/%d/</Prefix></CommonPrefixes>" % at for at in range(n))
    body = sent("ListBucketResult", rows + folders, 1)

    def run() -> None:
        page, _ = listing.rename(listing.read_listing(body), "in/")
        listing.listing_document(Operation.LIST_OBJECTS_V2, "b", {"encoding-type": "url"}, page)
        listing.link_json("", listing.link_entries(page, ""), page.cursor)

    return run


@case("wire.s3.multipart:read_parts wire.s3.multipart:parts_document", 50)
def a_page_of_many_parts(n: int) -> Thunk:
    body = sent("ListPartsResult", b"<Part><PartNumber>1</PartNumber><Size>1</Size></Part>", n)
    return lambda: multipart.parts_document("b", "k", {}, multipart.read_parts(body))
