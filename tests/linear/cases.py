"""Every decoder, matcher and reader that sees bytes of strangers or of stores, with the worst that it can be given."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_address, ip_network

from gateway.backends.response import Response
from gateway.core.attempt import Attempt, Principal
from gateway.core.backend import Credentials
from gateway.core.generations import Generations
from gateway.core.pattern import NamePattern, PathPattern, Wildcard, key_fault, prefix_fault
from gateway.core.policy import Policy, decide
from gateway.core.reasons import Reason
from gateway.core.request import Action, AuthFields, BodyFraming, Operation, RawRequest
from gateway.core.revocation_list import ListText
from gateway.core.route import Answer, Backend, Bucket, Cors
from gateway.core.rule import Rule
from gateway.core.session_policy_text import read_session_policy
from gateway.core.token import LinkToken, hash_secret, remembered_hash, without_marks
from gateway.core.units import Rate, duration, end_instant, instant, size, whole_number
from gateway.data.steps import identify
from gateway.pages.languages import choose_language
from gateway.server.client_address import client_address
from gateway.server.connection import Connection
from gateway.server.head import HeadReader, KnownHeads
from gateway.server.request import IncomingBody, IncomingRequest
from gateway.telemetry.redaction import redact_names, scrub, without_tokens
from gateway.wire.http import target
from gateway.wire.http.chunked import Chunks
from gateway.wire.http.cors import actual_headers, preflight_headers
from gateway.wire.http.date import read_http_date
from gateway.wire.http.disposition import clean_filename, content_disposition
from gateway.wire.http.form_data import Form, FormParser
from gateway.wire.http.media import read_type, sandbox_of
from gateway.wire.http.negotiate import prefers_html, prefers_json
from gateway.wire.likeness import AlikeHeads, common_part, differing_fields, read_in_common
from gateway.wire.links.archive import Member, TarArchive, ZipArchive
from gateway.wire.links.archive_names import MemberNames, note
from gateway.wire.links.tus import is_resumable, override, parts_fields, read_step
from gateway.wire.links.tus_state import HEAD_BYTES, UploadState, expiry_of
from gateway.wire.links.upload_draft import draft_version, read_draft_step
from gateway.wire.links.visitor import visit_of
from gateway.wire.parse import check_key, copy_source, is_link_path, parse
from gateway.wire.s3 import batch_delete, documents, listing, multipart
from gateway.wire.s3.continuation import unwrap_token, wrap_token
from gateway.wire.s3.copy_headers import check_copy, part_range, require_conditions
from gateway.wire.s3.digests import wants_digest
from gateway.wire.s3.operations import Level, check_values, find_shape
from gateway.wire.s3.request_headers import accept_headers, hoist_header, single_range, write_range
from gateway.wire.s3.response_headers import response_headers
from gateway.wire.s3.xml import Reader
from gateway.wire.sig import sigv2, sigv4
from gateway.wire.sig.aws_chunked import ChunkedDecoder, read_trailers
from gateway.wire.sig.checksums import BodyChecks, crc32c, crc64nvme
from gateway.wire.sig.credentials import Scope, auth_fields, read_credentials, timestamp
from gateway.wire.sig.post_policy import Condition, FormPolicy, SizeRange, read_form, verify_form
from gateway.wire.understood import require_understood
from tests.linear.case import Case, Thunk, byte_by_byte, fed

__all__ = ["CASES", "NOT_COUNTED"]

HOST = ("host", "gw")
DAY = datetime(2026, 1, 2, tzinfo=UTC).timestamp()
STAMP = "20260102T000000Z"
TAIL = 64
"""Bytes that stand behind each element in what is fed, so that whoever copies the rest is seen to do so."""

CASES: list[Case] = []


def case(covers: str, size: int, name: str = "", caches: tuple = ()) -> Callable[[Callable[[int], Thunk]], None]:
    names = tuple(covers.split())

    def add(build: Callable[[int], Thunk]) -> None:
        what = name or build.__name__.replace("_", " ")
        CASES.append(Case(f"{names[0]}, {what}", names, size, build, caches))

    return add


def raw(query: str = "", *headers: tuple[str, str], path: str = "/bkt/k", method: str = "GET") -> RawRequest:
    return RawRequest(method, path, query, (HOST, *headers))


def asked(**headers: str):
    return replace(parse(raw()), headers={name.replace("_", "-"): value for name, value in headers.items()})


# -- bodies in chunks


@case("wire.http.chunked:Chunks server.request:IncomingBody", 200)
def chunks_of_one_byte(n: int) -> Thunk:
    body = IncomingBody(None)
    wire = b"1\r\nx\r\n" * n + b"%x\r\n" % (TAIL * n) + bytes(TAIL * n)
    return lambda: body.take(wire)


@case("wire.http.chunked:Chunks", 150)
def trailers_and_extensions(n: int) -> Thunk:
    chunks, wire = Chunks(), b"1;a=b;c=d\r\nx\r\n" * n + b"0\r\n" + b"a:b\r\n" * n + b"\r\n"
    return lambda: chunks.feed(wire)


@case("wire.http.chunked:Chunks", 600)
def a_trailer_byte_by_byte(n: int) -> Thunk:
    return byte_by_byte(Chunks(), b"0\r\na: " + b"x" * n)


def chunked(framing: BodyFraming, length: int) -> ChunkedDecoder:
    verified = sigv4.Verified("A", b"k" * 32, "s", STAMP, "5" * 64, framing.value)
    return ChunkedDecoder(framing, length, None if framing is BodyFraming.UNSIGNED_CHUNKS_TRAILER else verified)


@case("wire.sig.aws_chunked:ChunkedDecoder", 150)
def unsigned_chunks_of_one_byte(n: int) -> Thunk:
    decoder = chunked(BodyFraming.UNSIGNED_CHUNKS_TRAILER, 65 * n)
    return fed(decoder, b"1\r\nx\r\n" * n + b"%x\r\n" % (TAIL * n) + bytes(TAIL * n), 10**9)


@case("wire.sig.aws_chunked:ChunkedDecoder", 600)
def a_signed_chunk_byte_by_byte(n: int) -> Thunk:
    head = b"%x;chunk-signature=%b\r\n" % (n, b"0" * 64)
    return byte_by_byte(chunked(BodyFraming.SIGNED_CHUNKS, n), head + b"x" * (n - 1))


@case("wire.sig.aws_chunked:read_trailers", 300)
def many_trailers_declared(n: int) -> Thunk:
    text = ",".join(f"t{number}" for number in range(n))
    return lambda: read_trailers(text)


@case("wire.sig.checksums:BodyChecks wire.sig.checksums:crc32c wire.sig.checksums:crc64nvme", 3000)
def a_body_with_checksums(n: int) -> Thunk:
    checks = BodyChecks.from_request({"x-amz-checksum-sha1": b64encode(bytes(20)).decode()}, "0" * 64)
    data = bytes(n)

    def run() -> None:
        checks.update(data)
        crc32c(data)
        crc64nvme(data)
        checks.finish()

    return run


# -- forms

BOUNDARY = "multipart/form-data; boundary=edge"


def field(name: str, value: str = "v") -> bytes:
    return f'--edge\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'.encode()


FILE = b'--edge\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\n'


@case("wire.http.form_data:FormParser", 60)
def many_fields_at_once(n: int) -> Thunk:
    fields = b"".join(field(str(number)) for number in range(n))
    return fed(FormParser(BOUNDARY), fields + FILE + bytes(4096 * n), 10**9)


@case("wire.http.form_data:FormParser", 200)
def a_field_byte_by_byte(n: int) -> Thunk:
    return byte_by_byte(FormParser(BOUNDARY), field("a", "\r\n--edg" * (n // 7)))


@case("wire.http.form_data:FormParser", 400)
def a_head_byte_by_byte(n: int) -> Thunk:
    return byte_by_byte(FormParser(BOUNDARY), b"--edge\r\nA: " + b"\r\n\r" * (n // 3))


@case("wire.http.form_data:FormParser", 3000)
def a_file_of_almost_boundaries(n: int) -> Thunk:
    parser = FormParser(BOUNDARY)
    parser.feed(FILE)
    return fed(parser, b"\r\n--edg" * n)


@case("wire.http.form_data:FormParser", 400)
def a_file_byte_by_byte(n: int) -> Thunk:
    parser = FormParser(BOUNDARY)
    parser.feed(FILE)
    return byte_by_byte(parser, b"\r\n--edg" * (n // 7))


@case("wire.http.form_data:FormParser", 150)
def a_disposition_of_many_parameters(n: int) -> Thunk:
    parameters = "".join(f'; p{number}="\\\\"' for number in range(n))
    return fed(FormParser(BOUNDARY), f"--edge\r\nContent-Disposition: form-data{parameters};\r\n\r\n".encode())


@case("wire.http.form_data:FormParser", 500)
def a_boundary_among_many_parameters(n: int) -> Thunk:
    return lambda: FormParser("multipart/form-data" + "; a=b" * n)


def policy_of(conditions: list[object]) -> str:
    document = {"expiration": "2030-01-01T00:00:00Z", "conditions": conditions}
    return b64encode(json.dumps(document).encode()).decode()


@case("wire.sig.post_policy:FormPolicy", 100)
def a_policy_of_many_conditions(n: int) -> Thunk:
    text = policy_of([["starts-with", f"$x{number}", ""] for number in range(n)])
    return lambda: FormPolicy.parse(text)


@case("wire.sig.post_policy:FormPolicy", 250)
def a_policy_of_many_levels(n: int) -> Thunk:
    text = b64encode(b"[" * n * 8).decode()
    return lambda: FormPolicy.parse(text)


@case(
    "wire.sig.post_policy:FormPolicy wire.sig.post_policy:Condition wire.sig.post_policy:SizeRange wire.http.form_data:Form",
    100,
)
def a_form_held_against_its_policy(n: int) -> Thunk:
    fields = (("key", "k"), *((f"x{number}", "v") for number in range(n)))
    conditions = tuple(Condition("starts-with", f"x{number}", "") for number in range(n))
    policy = FormPolicy(9e9, (Condition("eq", "key", "k"), Condition("eq", "bucket", "b"), *conditions), SizeRange())
    return lambda: policy.check(Form(fields, "f", None), bucket="b", now=0)


@case("wire.sig.post_policy:read_form wire.sig.post_policy:verify_form", 200)
def a_signed_form_of_many_fields(n: int) -> Thunk:
    signed = (("policy", "p" * n * 40), ("AWSAccessKeyId", "A"), ("signature", "s"))
    form = Form((*((f"x{number}", "v") for number in range(n)), *signed), "f", None)

    def run() -> None:
        presented = read_form(form)
        assert presented is not None
        verify_form(presented, "secret", now=0, keys=sigv4.SigningKeys())

    return run


# -- documents


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
    "wire.s3.batch_delete:delete_document wire.s3.batch_delete:deleted_document wire.s3.documents:element wire.s3.documents:document",
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


# -- heads


@case("wire.http.target:raw_request", 100)
def a_head_of_many_fields(n: int) -> Thunk:
    fields = [(b"host", b"gw"), *((b"x-%d" % number, b"a b\t" * 8) for number in range(n))]
    return lambda: target.raw_request("GET", "/", fields)


@case("wire.http.target:raw_request wire.http.target:host_name", 3000)
def a_long_target(n: int) -> Thunk:
    text = "http://gw/" + "%41" * n + "?" + "%42" * n

    def run() -> None:
        target.host_name(target.raw_request("GET", text, [(b"host", b"gw")]))

    return run


@case("wire.http.target:is_local_name", 3000)
def a_host_of_many_parts(n: int) -> Thunk:
    dotted, colons = "1." * n + "1", "[" + "1." + ":1" * n + "]"
    return lambda: target.is_local_name(dotted) or target.is_local_name(colons)


@case("wire.http.target:raw_request", 5000)
def a_field_of_blanks(n: int) -> Thunk:
    fields = [(b"host", b"gw"), (b"a", b" \t" * n + b"x" + b" " * n), (b"content-length", b"1" * n)]
    return lambda: target.raw_request("GET", "/", fields)


@case("wire.http.target:query_pairs wire.http.target:decode", 300)
def many_parameters(n: int) -> Thunk:
    query = "&".join(f"a{number}=%41%42" for number in range(n))
    return lambda: target.query_pairs(query)


@case("wire.http.target:decode wire.http.target:decode_plus", 1000)
def a_long_escaped_name(n: int) -> Thunk:
    def run() -> None:
        target.decode_plus("a+%C3" * n)
        target.decode("%C3%A9" * n, Reason.BAD_KEY)

    return run


@case("server.head:HeadReader server.request:IncomingRequest", 600)
def a_request_byte_by_byte(n: int) -> Thunk:
    reader, wire = HeadReader(KnownHeads()), b"GET /" + b"a" * n + b" HTTP/1.1\r\nHost: gw\r\n\r\n"

    def run() -> None:
        for at in range(len(wire)):
            reader.read_head(wire[at : at + 1])

    return run


@case("server.head:HeadReader", 30)
def a_request_of_many_fields(n: int) -> Thunk:
    reader = HeadReader(KnownHeads())
    wire = b"GET / HTTP/1.1\r\nHost: gw\r\n" + b"".join(b"x%d: y\r\n" % at for at in range(n)) + b"\r\n"
    return lambda: reader.read_head(wire)


@case("server.head:KnownHeads", 300)
def heads_that_come_again(n: int) -> Thunk:
    wires = [b"GET /%d HTTP/1.1\r\nHost: gw\r\n\r\n" % at for at in range(n)]
    arrival, _ = HeadReader(KnownHeads()).read_head(wires[0])
    assert arrival is not None
    known = KnownHeads()

    def run() -> None:
        for wire in wires:
            known.keep(wire, arrival)
            known.find(wire)

    return run


class _Line:
    """A socket that takes everything."""

    def write(self, data: bytes) -> None: ...

    def is_closing(self) -> bool:
        return False

    def get_extra_info(self, name: str) -> None: ...

    def set_write_buffer_limits(self, high: int) -> None: ...

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...


class _Host:
    head_seconds = 10.0
    known_heads = KnownHeads()
    draining = False
    read_buffer = first_read_buffer = memoryview(bytearray(65536))

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self.left_to_answer = 0
        self.done = asyncio.Event()

    async def handle(self, connection: Connection, arrival: IncomingRequest) -> None:
        self.left_to_answer -= 1
        if not self.left_to_answer:
            self.done.set()

    def add_connection(self, connection: Connection) -> None: ...

    def remove_connection(self, connection: Connection) -> None: ...

    def date(self) -> str:
        return ""


@case("server.connection:Connection", 40)
def requests_that_come_at_once(n: int) -> Thunk:
    loop = asyncio.new_event_loop()
    host = _Host(loop)
    connection = Connection(host)
    connection.connection_made(_Line())  # type: ignore[arg-type]
    wire = b"PUT / HTTP/1.1\r\nHost: gw\r\nContent-Length: 1\r\n\r\nx" * n
    wire += b"PUT / HTTP/1.1\r\nHost: gw\r\nContent-Length: 10000000\r\n\r\n" + bytes(1024 * n)

    host.left_to_answer = n + 1

    async def answer() -> None:
        connection.receive(wire)
        await host.done.wait()

    return lambda: loop.run_until_complete(answer())


@case("server.client_address:client_address", 100)
def many_hops(n: int) -> Thunk:
    hops = ["10.0.0.1, " * n + "10.0.0.1"] * 2
    return lambda: client_address(ip_address("10.0.0.2"), hops, (ip_network("10.0.0.0/8"),))


@case("data.steps.identify:identify", 1000, "cookies and passwords")
def _(n: int) -> Thunk:
    cookies = raw("", ("cookie", "; ".join(f"c{number}=v" for number in range(n))))
    basic = b64encode(b":" * n).decode()

    def run() -> None:
        identify._cookies(cookies)
        identify._basic_password(basic)

    return run


@case("pages.languages:choose_language", 100)
def an_accept_language_of_many_ranges(n: int) -> Thunk:
    text = ",".join(f"x{number}-a-b-c;q=0.{number % 1000:03}" for number in range(n))
    return lambda: choose_language(text)


@case("wire.s3.digests:wants_digest", 300)
def a_wish_for_many_digests(n: int) -> Thunk:
    return lambda: wants_digest("sha-512=1, " * n)


@case("data.steps.identify:is_page_form wire.http.negotiate:prefers_html wire.http.negotiate:prefers_json", 100)
def an_accept_of_many_types(n: int) -> Thunk:
    text = ",".join(f"a/b{number};q=0.{'1' * 20};level=1" for number in range(n))
    request = replace(parse(raw()), operation=Operation.POST_OBJECT, headers={"content-type": ";" * n})

    def run() -> None:
        prefers_html(text)
        prefers_json(text)
        identify.is_page_form(request)

    return run


@case("wire.s3.request_headers:accept_headers", 100)
def one_header_many_times(n: int) -> Thunk:
    pairs = [("if-match", f'"{number}"' * 8) for number in range(n)]
    pairs += [(f"x-amz-meta-{number}", "v") for number in range(n)]
    pairs += [("content-encoding", "aws-chunked, gzip, " * 4)] * n
    return lambda: accept_headers(pairs)


@case("wire.links.visitor:visit_of wire.understood:require_understood", 100)
def an_agent_of_almost_everything(n: int) -> Thunk:
    fields = [(f"upload-{number}", "v") for number in range(n)]
    request = raw("", *fields, ("user-agent", "robot cubot link prevue " * n), ("purpose", "pre" * n), method="PUT")

    def run() -> None:
        visit_of(request)
        require_understood(request, Operation.PUT_OBJECT)

    return run


@case(
    "wire.s3.request_headers:single_range wire.s3.request_headers:write_range wire.s3.request_headers:hoist_header",
    3000,
)
def a_long_range(n: int) -> Thunk:
    texts = ["bytes=" + filling * n + "-" for filling in (" 1", " ", ",", "1")]

    def run() -> None:
        for text in texts:
            write_range(single_range(text) or (0, None))
            hoist_header(text, text)

    return run


@case("wire.parse:parse wire.s3.operations:find_shape wire.s3.operations:check_values", 150)
def many_hoisted_headers(n: int) -> Thunk:
    hoisted = "&".join(f"X-Amz-Meta-{number}=v" for number in range(n))
    request = raw(hoisted, *((f"x-amz-meta-h{number}", "v") for number in range(n)), ("content-length", "0"))
    return lambda: parse(request)


@case("wire.parse:parse wire.parse:is_link_path", 100)
def a_deep_path(n: int) -> Thunk:
    request = raw(path="/s/token/" + "a/" * n)

    def run() -> None:
        is_link_path(request)
        parse(request, ("x.example", "y.example"))

    return run


@case("wire.s3.operations:find_shape wire.s3.operations:check_values", 200)
def parameters_of_no_operation(n: int) -> Thunk:
    params = {f"a{number}": "1" for number in range(n)} | {"versionId": "v" * n}

    def run() -> None:
        check_values(params)
        find_shape("GET", Level.OBJECT, params)

    return run


@case("wire.parse:check_key core.pattern:key_fault core.pattern:prefix_fault", 80)
def a_long_key(n: int) -> Thunk:
    keys = ["a/" * n, "é." * n, "\u202e" * n, ".gateway-uploads" + "." * n]

    def run() -> None:
        for key in keys:
            key_fault(key)
            prefix_fault(key + "..")
            check_key(key)

    return run


@case("wire.parse:copy_source", 250)
def a_long_copy_source(n: int) -> Thunk:
    text = "/bucket/" + "%41" * n + "?versionId=" + "v" * n  # as long as a key and a version can be
    return lambda: copy_source(text)


@case("wire.s3.copy_headers:require_conditions wire.s3.copy_headers:check_copy wire.s3.copy_headers:part_range", 500)
def a_copy_on_many_conditions(n: int) -> Thunk:
    request = asked(
        x_amz_copy_source_if_match=",".join(['W/"x"'] * n), x_amz_copy_source_range="bytes=" + "1" * n + "-2"
    )

    def run() -> None:
        require_conditions(request, {"etag": '"x"'})
        check_copy(request)

    return run


@case("wire.s3.copy_headers:part_range", 1000)
def a_range_of_many_digits(n: int) -> Thunk:
    request = asked(x_amz_copy_source_range="bytes=" + "1" * n + "-2")
    return lambda: part_range(request)


CORS = Cors(("https://*.example",), ("GET", "PUT"), ("x-amz-*", "content-*"))


@case("wire.http.cors:preflight_headers wire.http.cors:actual_headers", 60)
def a_preflight_for_many_headers(n: int) -> Thunk:
    origin = ("origin", "https://" + "a" * n + ".example")
    names = ("access-control-request-headers", ",".join(["x-amz-a"] * n))
    request = raw("", origin, ("access-control-request-method", "PUT"), names, method="OPTIONS")

    def run() -> None:
        actual_headers((CORS,), request)
        preflight_headers((CORS,), request)

    return run


@case("wire.links.tus:read_step wire.links.tus:is_resumable wire.links.tus:override", 50)
def many_pairs_of_metadata(n: int) -> Thunk:
    metadata = ",".join(f"k{number} AAAA" for number in range(n))
    fields = (("tus-resumable", "1.0.0"), ("upload-length", "1"), ("upload-metadata", metadata))
    request = raw("", *fields, ("upload-checksum", "sha1 " + "A" * n), path="/s/t", method="POST")

    def run() -> None:
        is_resumable(request)
        override(request)
        read_step(request, None)

    return run


@case(
    "wire.links.upload_draft:read_draft_step wire.links.upload_draft:draft_version wire.links.tus:description "
    "wire.links.tus:file_name wire.links.tus:media_type",
    50,
)
def a_disposition_of_almost_names(n: int) -> Thunk:
    almost = "; filename*=UTF-8'' ;filename=" * n + '; filename="' + "a\\" * n
    metadata = ",".join(f"k{number} AAAA" for number in range(n))
    fields = (("upload-draft-interop-version", "6"), ("upload-complete", "?1"), ("content-type", "a/" + "b" * n))
    request = raw(
        "", *fields, ("content-disposition", almost), ("upload-metadata", metadata), path="/s/t", method="POST"
    )

    def run() -> None:
        draft_version(request)
        read_draft_step(request, None)

    return run


@case("wire.links.tus_state:UploadState wire.links.tus_state:expiry_of", 300)
def a_record_of_many_fields(n: int) -> Thunk:
    head = json.dumps({f"f{number}": 1 for number in range(n)}).encode().ljust(HEAD_BYTES)

    def run() -> None:
        expiry_of("f" * n)
        UploadState.parse(head, HEAD_BYTES)

    return run


@case("wire.s3.continuation:unwrap_token wire.s3.continuation:wrap_token", 2000)
def a_long_token(n: int) -> Thunk:
    store = b64encode(b"prefix/" * n).decode()

    def run() -> None:
        unwrap_token(wrap_token(store, "prefix/" * 20), "prefix/" * 20)
        unwrap_token("b0." + store, "p/")

    return run


# -- proofs


def auth_of(request: RawRequest) -> AuthFields:
    return auth_fields(request.headers, target.query_pairs(request.query))


def authorization(names: str = "host") -> str:
    return f"AWS4-HMAC-SHA256 Credential=A/20260102/r/s3/aws4_request, SignedHeaders={names}, Signature={'0' * 64}"


@case("wire.sig.credentials:read_credentials wire.sig.credentials:Scope wire.sig.credentials:timestamp", 500)
def an_authorization_of_many_parts(n: int) -> Thunk:
    many = raw("", ("authorization", "AWS4-HMAC-SHA256 " + ",".join(f"a{number}=b" for number in range(n))))
    texts = ["A" * n + "/20260102/r/s3/aws4_request", "/" * n]

    def run() -> None:
        for text in texts:
            for read in (Scope.parse, timestamp, read_http_date):
                try:
                    read(text)
                except ValueError:
                    continue
        read_credentials(auth_of(many))

    return run


@case("wire.sig.credentials:read_credentials wire.sig.credentials:auth_fields wire.http.date:read_http_date", 300)
def a_query_of_many_parameters(n: int) -> Thunk:
    request = raw("&".join(f"%41{number}=%42" for number in range(n)))
    return lambda: read_credentials(auth_of(request))


@case("wire.sig.credentials:read_credentials", 300)
def many_signed_headers(n: int) -> Thunk:
    names = ";".join(["host", *sorted(f"x-{number:05}" for number in range(n))])
    request = raw("", ("authorization", authorization(names)), ("x-amz-date", STAMP))
    return lambda: read_credentials(auth_of(request))


KEYS = Credentials("A", "secret")


@case("wire.sig.sigv4:verify wire.sig.sigv4:octets", 30)
def a_signature_over_many_headers(n: int) -> Thunk:
    names = [f"x-amz-meta-{number:05}" for number in range(min(n, 60))]
    fields = [(names[number % len(names)], "a  b " * 4) for number in range(n)]
    signed = ("x-amz-content-sha256", "UNSIGNED-PAYLOAD"), ("x-amz-date", STAMP)
    listed = ";".join(sorted(["host", "x-amz-content-sha256", "x-amz-date", *names]))
    request = raw("", *signed, *fields, ("authorization", authorization(listed)))
    presented = read_credentials(auth_of(request))
    assert presented is not None
    return lambda: sigv4.verify(presented, request, "secret", now=DAY, keys=sigv4.SigningKeys())  # type: ignore[arg-type]


def presigned(n: int) -> RawRequest:
    query = sigv4.presign(
        KEYS, sigv4.SigningKeys(), method="GET", host="gw", path="/bkt/k", region="r", now=DAY, expires=60,
        query=[(f"é{number}", "é" * 4) for number in range(n)],
    )  # fmt: skip
    return raw(query)


@case("wire.sig.sigv4:verify", 100)
def a_signature_over_many_parameters(n: int) -> Thunk:
    request = presigned(n)
    presented = read_credentials(auth_of(request))
    assert presented is not None
    return lambda: sigv4.verify(presented, request, "secret", now=DAY, keys=sigv4.SigningKeys())  # type: ignore[arg-type]


@case("wire.sig.sigv4:presign wire.sig.sigv4:sign_headers wire.sig.sigv4:encode_query wire.sig.sigv4:encode_key", 100)
def signing_much(n: int) -> Thunk:
    headers = [(f"x-amz-meta-{number}", "v") for number in range(n)]

    def run() -> None:
        presigned(n)
        sigv4.encode_key("é/" * n)
        sigv4.sign_headers(
            KEYS, sigv4.SigningKeys(), method="PUT", host="gw", path="/", headers=headers, region="r", now=DAY
        )

    return run


@case("wire.sig.sigv2:verify wire.sig.sigv2:presign", 60)
def an_older_signature_over_much(n: int) -> Thunk:
    query = sigv2.presign(
        KEYS, method="GET", path="/bkt/k", now=DAY, expires=60, query=[(f"x-amz-meta-{at}", "é") for at in range(n)]
    )
    request = raw(query, *((f"x-amz-a{at}", "v") for at in range(n)), *[("x-amz-b", "v" * 20)] * n)
    presented = read_credentials(auth_of(request))
    assert presented is not None
    return lambda: sigv2.verify(presented, request, "other", now=DAY)  # type: ignore[arg-type]


@case(
    "wire.likeness:AlikeHeads wire.likeness:common_part wire.likeness:differing_fields wire.likeness:read_in_common"
    " wire.sig.sigv4:KnownCanonical wire.sig.credentials:SignedAlike",
    200,
)
def a_request_like_another_of_many_fields(n: int) -> Thunk:
    ours = [(f"y-{number}", "v") for number in range(n)]
    given = sigv4.sign_headers(
        KEYS, sigv4.SigningKeys(), method="GET", host=HOST[1], path="/bkt/k", region="r", now=DAY
    )
    one, other = (raw("", *ours, ("traceparent", mark * n), *given) for mark in "ab")
    heads = [
        "".join(["GET / HTTP/1.1", *(f"\r\n{name}: {value}" for name, value in each.headers)]).encode()
        for each in (one, other)
    ]
    request, keys = parse(one), sigv4.SigningKeys()
    presented = read_credentials(request.auth)
    proved = sigv4.verify(presented, one, KEYS.secret_key, now=DAY, keys=keys)  # type: ignore[arg-type]

    def run() -> None:
        alike = AlikeHeads.of(one, heads[0])
        assert alike is not None
        differing = alike.read(heads[1])
        assert differing is not None
        assert other == alike.raw(differing)
        assert common_part(other) == read_in_common(request).raw
        known = sigv4.KnownCanonical.of(presented, one, differing_fields(one), proved)  # type: ignore[arg-type]
        assert known is not None
        known.verify(known.signed.read(differing), differing, KEYS.secret_key, now=DAY, keys=keys)

    return run


@case(
    "core.token:LinkToken core.token:hash_secret core.token:remembered_hash core.token:without_marks",
    5000,
    "",
    (remembered_hash,),
)
def a_text_that_is_no_token(n: int) -> Thunk:
    text = "gl_" + "a" * n

    def run() -> None:
        hash_secret(text)
        remembered_hash(text)
        without_marks(text + "." * n)
        LinkToken(text)

    return run


# -- what is allowed

PEOPLE = Principal("app", "billing")


@case("core.pattern:PathPattern", 250)
def stars_and_dashes(n: int) -> Thunk:
    pattern = PathPattern.parse("docs/*-*-*-*.pdf")
    return lambda: pattern.covers("docs", "-" * n)


@case("core.pattern:PathPattern core.pattern:NamePattern", 60)
def a_pattern_of_many_stars(n: int) -> Thunk:
    pattern, name = PathPattern.parse("docs/" + "*a" * n + "*b"), NamePattern.parse("app:" + "*a" * n + "*b")

    def run() -> None:
        pattern.covers("docs", "a" * 4 * n)
        pattern.covers_all_below("docs", "a/" * n)
        pattern.may_touch_below("docs", "a/" * n)
        name.matches("app:" + "a" * 4 * n)

    return run


@case("core.pattern:Wildcard", 60)
def a_wildcard_of_many_marks(n: int) -> Thunk:
    places, stars = Wildcard.parse("*?a" * 20 + "*b"), Wildcard.parse("*a" * n + "*b")

    def run() -> None:
        places.matches("a" * 16 * n)
        stars.matches("a" * 4 * n)

    return run


@case("core.session_policy_text:read_session_policy core.session_policy:SessionPolicy", 4)
def a_session_policy_of_many_statements(n: int) -> Thunk:
    one = {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::docs/*?a*b"}
    policy = read_session_policy(json.dumps({"Version": "2012-10-17", "Statement": [one] * n}))
    attempt = Attempt(
        principal=PEOPLE, operation=Operation.GET_OBJECT, action=Action.READ, bucket="docs", key="a" * 900, peer=None,
        now=DAY,
    )  # fmt: skip

    def run() -> None:
        read_session_policy(policy.text)
        list(policy.objections(attempt))

    return run


def decided(rules: tuple[Rule, ...], key: str) -> None:
    place = {"backends": {"lab": Backend("lab")}, "buckets": {"docs": Bucket("docs", "lab", "real")}}
    policy = Policy(rules=rules, **place)
    attempt = Attempt(
        principal=PEOPLE, operation=Operation.GET_OBJECT, action=Action.READ, bucket="docs", key=key, peer=None, now=DAY
    )
    decide(policy, None, attempt)


@case("core.policy:Policy core.policy:decide", 60)
def a_decision_among_many_rules(n: int) -> Thunk:
    who, may = (NamePattern.parse("app:*"),), frozenset({Action.READ})
    rules = tuple(Rule(name=str(at), who=who, may=may, on=(PathPattern.parse(f"docs/{at}/*-*"),)) for at in range(n))
    last = Rule(name="last", who=who, may=may, on=(PathPattern.parse("docs/**"),))
    return lambda: decided((*rules, last), f"{n - 1}/{'-' * 99}/x")


@case("core.generations:Generations", 150)
def many_revoked_names(n: int) -> Thunk:
    known = Generations()

    def run() -> None:
        for number in range(n):
            known.put(f"l_{number}", number + 1)
            known.of(f"l_{number}")

    return run


@case("core.attempt:Principal", 1000)
def a_long_principal(n: int) -> Thunk:
    return lambda: Principal.parse("app:" + "a" * n)


@case(
    "core.units:duration core.units:size core.units:instant core.units:end_instant core.units:Rate core.units:whole_number",
    300,
)
def long_quantities(n: int) -> Thunk:
    texts = ["1" * n, "1m" * n + "x", "1.5h" * n + "x", "1/" + " " * n + "x", "1" + " " * n + "x", "2027-01-31" * n]

    def run() -> None:
        for text in texts:
            for read in (duration, size, Rate.parse, instant, end_instant, whole_number):
                try:
                    read(text)
                except (ValueError, OverflowError):
                    continue

    return run


@case("core.revocation_list:ListText", 100)
def a_list_of_many_entries(n: int) -> Thunk:
    entries = [{"kind": "link", "name": f"l_{number}"} for number in range(n)]
    text = ListText(json.dumps({"revocations": entries}, indent=1), "list", DAY)
    return lambda: list(text.entries())


@case("core.revocation_list:ListText", 100)
def a_list_of_many_faults(n: int) -> Thunk:
    faults = ",\n".join('{"kind": 1}' for _ in range(n)) + "],\n" + ",\n".join('"a": 1' for _ in range(n))
    text = ListText('{"revocations": [' + faults + "}", "list", DAY)
    return lambda: list(text.entries())


# -- what goes out


@case(
    "wire.http.disposition:clean_filename wire.http.disposition:content_disposition", 250, caches=(content_disposition,)
)
def a_name_of_dots_and_spaces(n: int) -> Thunk:
    names = ["a" + ". " * n + "b", "." * n, "\u202e" * n + "a." + "x" * n, '"' * n]

    def run() -> None:
        for name in names:
            clean_filename(name)
            content_disposition("attachment", name)

    return run


@case("wire.s3.response_headers:response_headers", 100)
def an_answer_of_many_headers(n: int) -> Thunk:
    headers = {f"x-amz-meta-{number}": "é\x01" * 4 for number in range(n)} | {"content-type": "a/" + "b" * n + " ;"}
    answer, request = Answer(200, headers, 0), parse(raw())

    def run() -> None:
        response_headers(answer, request, link=False)
        response_headers(answer, request, link=True, key="k")

    return run


def alike(number: int) -> str:
    """One of the ways to write sixteen letters in capitals and small ones."""
    return "".join("aA"[number >> at & 1] for at in range(16))


@case("wire.links.archive_names:MemberNames wire.links.archive_names:note", 40)
def names_that_are_alike(n: int) -> Thunk:
    paths = [alike(number) for number in range(n)] + ["/" * (number % 8) + "b" for number in range(n)]

    def run() -> None:
        names = MemberNames()
        for path in paths:
            names.file(path)
        note(names.changed, paths)

    return run


@case("wire.links.archive:ZipArchive wire.links.archive:TarArchive wire.links.archive:Member", 20)
def an_archive_of_many_members(n: int) -> Thunk:
    members = [Member(f"{number}", 70_000) for number in range(n)]

    def run() -> None:
        for archive in (ZipArchive(), TarArchive()):
            for member in members:
                archive.add(member)
            for member in members:
                archive.before(member)
                archive.within(b"x" * 70_000)
                archive.after(member, 1)
            archive.end()

    return run


@case("wire.http.media:read_type wire.http.media:sandbox_of wire.http.media:MediaType", 200, caches=(read_type,))
def a_type_of_many_parameters(n: int) -> Thunk:
    texts = ["a/" + "b" * n, "a/b" + ";a=b " * n, "a/b" + " ;" * n + '"', 'a/b;a="' + "\\\\" * n, "a/b, " * n]

    def run() -> None:
        for text in texts:
            sandbox_of(read_type(text).essence)

    return run


@case("telemetry.redaction:scrub telemetry.redaction:redact_names telemetry.redaction:without_tokens", 24)
def a_log_line_of_almost_secrets(n: int) -> Thunk:
    texts = ["authorization " * n, "authorization" + "\"' " * n, "bearer " * n, "signature" + " " * n, "a1" * n * 20]

    def run() -> None:
        for text in texts:
            scrub(text)
            without_tokens("gl_" + text)
        redact_names({"a": [{"secret": "b"}] * n})

    return run


# -- stores


def answer_head(inner: bytes) -> bytes:
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n" + inner + b"\r\n"


def answered(wire: bytes, step: int = 10**9) -> Thunk:
    response = Response()

    def run() -> None:
        for start in range(0, len(wire), step):
            response.feed(memoryview(wire[start : start + step]))
        while response.chunks:
            response.pop()

    return run


@case("backends.response:Response", 300)
def a_store_with_one_header_many_times(n: int) -> Thunk:
    return answered(answer_head((b"a:" + b"b" * 8 + b"\r\n") * n))


@case("backends.response:Response", 500)
def a_store_with_chunks_of_one_byte(n: int) -> Thunk:
    return answered(answer_head(b"") + b"1\r\nx\r\n" * n + b"%x\r\n" % (64 * n) + bytes(64 * n) + b"\r\n0\r\n\r\n")


@case("backends.response:Response", 400)
def a_store_that_sends_byte_by_byte(n: int) -> Thunk:
    return answered(answer_head(b"a: " + b"b" * n + b"\r\n") + b"%x\r\n" % n + bytes(n), 1)


@case("wire.links.tus:parts_fields", 2000)
def an_upload_with_every_other_part(n: int) -> Thunk:
    ahead = range(1, 2 * n, 2)
    return lambda: parts_fields(1000, ahead)


# -- what is not counted, and why

_WRITTEN = "writes what was decided or read, which is bounded by then, by joining it once"
_CONSTANT = "looks at one value, or at a table of ours"
_VALUES = "holds what was read"

NOT_COUNTED = {
    _WRITTEN: """
        wire.http.answer_head:answer_head wire.s3.calls:copy_source_header wire.s3.calls:upstream_call wire.s3.calls:whole_instead
        wire.s3.calls:require_kept wire.s3.calls:require_own_name
        wire.s3.copy_headers:part_upload wire.s3.copy_headers:whole_upload wire.s3.copy_headers:source_request wire.s3.copy_headers:tags_request
        wire.s3.multipart:completed_document wire.s3.documents:copy_document wire.s3.multipart:initiated_document
        wire.s3.multipart:abort_call wire.s3.multipart:complete_call wire.s3.multipart:create_call
        wire.s3.multipart:part_call wire.s3.multipart:parts_call wire.s3.documents:given
        wire.s3.documents:post_document wire.s3.xml:escape
        wire.replies:page_reply wire.replies:xml_reply wire.replies:problem wire.replies:rate_fields wire.replies:refusal wire.replies:s3_error
        wire.replies:s3_ids wire.replies:store_error wire.links.tus:discovery_fields wire.links.tus:location
        wire.links.tus:version_fields wire.http.answer_head:interim_head wire.links.upload_draft:offered_fields
        wire.links.upload_draft:complete_field wire.links.upload_draft:limit_field
        wire.links.upload_draft:interim_fields
    """,
    _CONSTANT: """
        wire.s3.response_headers:asks_download wire.s3.digests:whole_sha256 wire.s3.digests:repr_digest
        wire.http.answer_head:has_no_body wire.s3.calls:require_version wire.sig.checksums:register_crc wire.sig.checksums:register_xxhash wire.http.date:told_wait core.attempt:read_network wire.s3.operations:methods_of
        pages.languages:languages wire.replies:retry_after_field wire.replies:store_reason
        wire.replies:title_of wire.sig.sigv4:SigningKey wire.sig.sigv4:SigningKeys wire.sig.credentials:is_digest wire.sig.sigv4:require_fresh wire.links.tus:expires_field wire.links.tus_state:lease_key
        wire.links.tus_state:new_upload wire.s3.multipart:part_size wire.s3.documents:page_size core.token:access_key_id core.token:grant_id
        core.token:secret_access_key core.units:format_duration core.units:format_instant core.attempt:address_class
        core.attempt:address_texts core.attempt:unmap core.pattern:names_any wire.links.tus:takes_back
        wire.links.tus_state:keyed_upload wire.links.visitor:opens_page wire.links.visitor:reads_index wire.links.program:Program wire.http.date:http_date
        core.units:whole_number
    """,
    _VALUES: """
        wire.s3.multipart:CompletedPart wire.s3.batch_delete:DeleteOutcome wire.s3.batch_delete:DeleteRequest wire.s3.batch_delete:Doomed wire.s3.batch_delete:Tag
        wire.sig.credentials:SigV2Header wire.sig.credentials:SigV2Query wire.sig.credentials:SigV4Header
        wire.sig.credentials:SigV4Query wire.s3.documents:CopyResult wire.sig.post_policy:SigV2Form wire.sig.post_policy:SigV4Form
        wire.s3.listing:Found wire.s3.listing:Listing wire.s3.multipart:Part wire.s3.multipart:PartsListing wire.s3.multipart:Destination wire.s3.operations:Shape
        wire.s3.listing:Entry pages.languages:Language wire.replies:Reply wire.replies:RefusalDetails wire.sig.sigv4:Verified core.attempt:Attempt
        server.request:Pieces
    """,
}
"""Public names of the rooms in `tests.linear.test_linear` that no case covers."""
