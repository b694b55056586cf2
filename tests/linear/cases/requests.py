"""What a request says in its fields, its path and its parameters."""

from __future__ import annotations

import json
from base64 import b64encode
from dataclasses import replace

from gateway.core.pattern import key_fault, prefix_fault
from gateway.core.request import Operation, RawRequest
from gateway.core.route import Cors
from gateway.data.steps import identify
from gateway.pages.languages import choose_language
from gateway.wire.http.cookies import read_cookies
from gateway.wire.http.cors import actual_headers, preflight_headers
from gateway.wire.http.negotiate import prefers_html, prefers_json
from gateway.wire.links.tus import is_resumable, override, read_step
from gateway.wire.links.tus_state import HEAD_BYTES, UploadState, expiry_of
from gateway.wire.links.upload_draft import draft_version, read_draft_step
from gateway.wire.links.visitor import visit_of
from gateway.wire.parse import check_key, copy_source, is_link_path, named_place, parse
from gateway.wire.s3.continuation import unwrap_token, wrap_token
from gateway.wire.s3.copy_headers import check_copy, part_range, require_conditions
from gateway.wire.s3.digests import wants_digest
from gateway.wire.s3.operations import Level, check_values, find_shape
from gateway.wire.s3.request_headers import accept_headers, hoist_header, single_range, write_range
from gateway.wire.understood import require_understood, require_whole
from tests.linear.case import Case, Thunk, collect
from tests.linear.inputs import asked, raw

CASES: list[Case] = []
case = collect(CASES)


@case("data.steps.identify:identify wire.http.cookies:read_cookies", 1000, "cookies and passwords")
def _(n: int) -> Thunk:
    cookies = raw("", ("cookie", "; ".join(f"c{number}=v" for number in range(n))))
    basic = b64encode(b":" * n).decode()

    def run() -> None:
        read_cookies(cookies)
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


@case("wire.understood:require_whole", 300)
def many_fields_beside_a_file(n: int) -> Thunk:
    said = [(f"Chunk-{number}" + "_-" * 20, "1") for number in range(n)]
    return lambda: require_whole(said)


@case("wire.parse:named_place", 1000)
def a_long_name_of_a_place(n: int) -> Thunk:
    link, bucket = RawRequest("GET", "/s/" + "%41" * n, "", ()), RawRequest("GET", "/" + "%41" * n + "/" * n, "", ())

    def run() -> None:
        named_place(link)
        named_place(bucket)

    return run


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
