"""Owns the one reading of a request: which operation, on which place, with which parameters and body framing.

Refuses to own the HTTP rules below it (`gateway.wire.http.target`), the tables (`gateway.wire.s3.operations`,
`gateway.wire.s3.request_headers`), what the fields of authentication present (`gateway.wire.sig.credentials`, which
is given them from here), and whether anything is allowed.

Law: path, query and headers are understood here and nowhere else, once, before any decision. `parse` answers with a
whole `ObjectRequest` or raises `Refused`, whatever it is given.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final

from gateway.core.names import is_bucket_name
from gateway.core.pattern import key_fault
from gateway.core.reasons import Reason, Refused
from gateway.core.request import (
    BodyFraming,
    BucketPlace,
    LinkPlace,
    ObjectRequest,
    Operation,
    RawRequest,
    UploadStep,
    UploadVerb,
)
from gateway.core.token import without_marks
from gateway.wire.http.negotiate import prefers_html
from gateway.wire.http.target import decode, host_name, query_pairs
from gateway.wire.links.program import PROGRAM_PARAMS
from gateway.wire.links.tus import read_step
from gateway.wire.links.upload_draft import read_draft_step
from gateway.wire.s3.operations import IGNORED_PARAMS, VAIN_WHEN_EMPTY, Level, find_shape
from gateway.wire.s3.request_headers import AUTH_HEADERS, EMPTY_CHECKSUMS, accept_headers, hoist_header
from gateway.wire.sig.credentials import AUTH_PARAMS, auth_fields
from gateway.wire.understood import require_understood, require_whole

CREDENTIALS_PATH: Final = "credentials"
"""Below a link, to be POSTed to."""

LINK_METHODS: Final = ("GET", "HEAD", "OPTIONS", "POST", "PUT")
_LINK_PARAMS: Final = frozenset(
    {
        *("accept_terms", "archive", "cursor", "download", "find", "from", "page", "sort", "view"),
        *("sign_in", "code", "state", "iss", "error", *PROGRAM_PARAMS),
    }
)
_DIGITS: Final = re.compile(r"\d{1,18}", re.ASCII)
_VERSION_ID: Final = re.compile(r"[\x21-\x7e]{1,1024}", re.ASCII)
_COPIES: Final = {Operation.PUT_OBJECT: Operation.COPY_OBJECT, Operation.UPLOAD_PART: Operation.UPLOAD_PART_COPY}
_WITH_BODY: Final = frozenset(
    {
        Operation.PUT_OBJECT,
        Operation.POST_OBJECT,
        Operation.UPLOAD_PART,
        Operation.DELETE_OBJECTS,
        Operation.COMPLETE_MULTIPART_UPLOAD,
        Operation.PUT_OBJECT_TAGGING,
        Operation.CREATE_BUCKET,
        Operation.CREATE_SESSION,
    }
)
_SENDING: Final = frozenset({UploadVerb.CREATE, UploadVerb.APPEND})
_STREAMING: Final = "STREAMING-"
_BODY_HASH: Final = re.compile(r"[0-9a-f]{64}", re.ASCII)
_CHUNKED_MARKS: Final = ("x-amz-decoded-content-length", "x-amz-trailer")
_UPLOAD_METHODS: Final = frozenset({"PATCH", "DELETE"})
_STEPS: Final = {
    UploadVerb.DISCOVER: Operation.LIST_PARTS,
    UploadVerb.CREATE: Operation.CREATE_MULTIPART_UPLOAD,
    UploadVerb.APPEND: Operation.UPLOAD_PART,
    UploadVerb.HEAD: Operation.LIST_PARTS,
    UploadVerb.TERMINATE: Operation.ABORT_MULTIPART_UPLOAD,
}
"""A resumable upload's steps as the operations that S3 has for the same; policy knows them by these."""


def is_link_path(raw: RawRequest) -> bool:
    """Whether the path has the form of a link's. Only a virtual-hosted bucket can own such a path otherwise."""
    return raw.path == "/s" or raw.path.startswith("/s/")


def parse(raw: RawRequest, domains: Sequence[str] = (), *, drafts: bool = False) -> ObjectRequest:
    """Understand a request. `domains` are the names under which buckets are virtual hosts; `drafts` says that links
    take uploads by the IETF's draft, too.

    Raises:
        Refused: BAD_REQUEST, BAD_BUCKET_NAME, BAD_KEY, KEY_TOO_LONG, BAD_ARGUMENT, UNSUPPORTED_OPERATION,
            METHOD_NOT_ALLOWED, MISSING_LENGTH.
    """
    hosted = _virtual_bucket(raw, domains)
    if hosted is None and is_link_path(raw):
        return _parse_link(raw, drafts=drafts)
    if hosted is not None:
        bucket, rest = hosted, raw.path[1:]
    else:
        segment, _, rest = raw.path[1:].partition("/")
        bucket = decode(segment, Reason.BAD_REQUEST)
    return _parse_s3(raw, bucket, rest, virtual_host=hosted is not None)


def named_place(raw: RawRequest, domains: Sequence[str] = ()) -> BucketPlace | LinkPlace:
    """The bucket or the link that a request names, whatever else is wrong with it.

    Raises:
        Refused: BAD_REQUEST, UNKNOWN_TOKEN for what cannot be decoded.
    """
    hosted = _virtual_bucket(raw, domains)
    if hosted is None and is_link_path(raw):
        return LinkPlace(_split_link(raw)[0], None)
    return BucketPlace(decode(raw.path[1:].partition("/")[0], Reason.BAD_REQUEST) if hosted is None else hosted, "")


def copy_source(text: str) -> tuple[BucketPlace, str | None]:
    """The place and version id that `x-amz-copy-source` names: `/bucket/key?versionId=…`, percent-encoded.

    The key goes through the same rules as a key in a path, and is decoded as often: once. Some clients encode the
    slashes too, so the bucket ends at the first slash of the decoded text.

    Raises:
        Refused: BAD_ARGUMENT for another form; BAD_KEY, KEY_TOO_LONG.
    """
    path, _, query = text.partition("?")
    version: str | None = None
    if query:
        name, _, value = query.partition("=")
        if name != "versionId" or not _VERSION_ID.fullmatch(value):
            raise Refused(Reason.BAD_ARGUMENT, "the copy source has a query other than versionId")
        version = decode(value, Reason.BAD_ARGUMENT)
    if re.search(r"%(?![0-9A-Fa-f]{2})", path):
        raise Refused(Reason.BAD_ARGUMENT, "the copy source has a malformed percent escape")
    bucket, _, key = decode(path, Reason.BAD_KEY).removeprefix("/").partition("/")
    if not is_bucket_name(bucket) or not key:
        raise Refused(Reason.BAD_ARGUMENT, "the copy source is not BUCKET/KEY")
    return BucketPlace(bucket, check_key(key)), version


def check_key(key: str) -> str:
    """The key itself, if it is acceptable. For keys from paths, copy sources, forms and batch deletes alike.

    Raises:
        Refused: BAD_KEY or KEY_TOO_LONG.
    """
    fault = key_fault(key)
    if fault is None:
        return key
    long = len(key.encode("utf-8", "surrogatepass")) > 1024
    raise Refused(Reason.KEY_TOO_LONG if long else Reason.BAD_KEY, f"the key {fault}")


def _virtual_bucket(raw: RawRequest, domains: Sequence[str]) -> str | None:
    if not domains:
        return None
    host, names = host_name(raw), [domain.lower().strip(".") for domain in domains]
    found = [name for name in names if name and host.endswith("." + name)]
    if not found or host in names:
        return None
    return host[: -len(max(found, key=len)) - 1]


def _split_link(raw: RawRequest) -> tuple[str, str, str]:
    segment, slash, rest = raw.path.removeprefix("/s").removeprefix("/").partition("/")
    return without_marks(decode(segment, Reason.UNKNOWN_TOKEN)), slash, rest


def _parse_link(raw: RawRequest, *, drafts: bool) -> ObjectRequest:
    if raw.method not in LINK_METHODS and raw.method not in _UPLOAD_METHODS:
        raise Refused(Reason.METHOD_NOT_ALLOWED, f"{raw.method} is not offered for a link")
    token, slash, rest = _split_link(raw)
    if raw.method == "OPTIONS" and raw.header("access-control-request-method") is not None:
        return _preflight(raw, LinkPlace(token, None))
    path = check_key(decode(_without_dots(rest), Reason.BAD_KEY)) if slash else None
    pairs = query_pairs(raw.query)
    upload = dict(pairs).get("upload")
    step = (read_draft_step(raw, upload) if drafts else None) or read_step(raw, upload)
    if step is not None:
        return _upload_step(raw, LinkPlace(token, path), step)
    operation = Operation.CREATE_SESSION if _asks_credentials(raw, path) else _link_operation(raw.method, path)
    params = {name: value for name, value in pairs if name in _LINK_PARAMS}
    if _says_chunked(raw):
        raise Refused(Reason.BAD_REQUEST, "aws-chunked framing on a link")
    require_understood(raw, operation)
    if operation in {Operation.PUT_OBJECT, Operation.POST_OBJECT}:
        require_whole(pairs)
    headers = accept_headers(raw.headers, link=True)
    if operation is not Operation.GET_OBJECT:
        headers.pop("range", None)
    return _with_its_body(
        raw=raw,
        operation=operation,
        place=LinkPlace(token, path),
        params=params,
        headers=headers,
        content_length=_declared_length(raw),
        auth=auth_fields(raw.headers, ()),
    )


def _without_dots(path: str) -> str:
    """A link's path without the segments that mean "here" (RFC 3986, 5.2.4): apt asks for `./Packages`.

    Clients and proxies drop them on the way, so both readings are one. Only as the address spells it: a dot segment
    within an escaped name stays, and is refused.
    """
    if "." not in path:
        return path
    *above, last = path.split("/")
    return "/".join([*(part for part in above if part != "."), "" if last == "." else last])


def _asks_credentials(raw: RawRequest, path: str | None) -> bool:
    """Whether a link's S3 credentials are asked for: by a program, since people get pages; and no file is sent."""
    if raw.method != "POST" or path != CREDENTIALS_PATH or prefers_html(raw.header("accept")):
        return False
    return not (raw.header("content-type") or "").lower().startswith("multipart/form-data")


def _preflight(raw: RawRequest, place: LinkPlace | BucketPlace, *, virtual_host: bool = False) -> ObjectRequest:
    return _with_its_body(raw=raw, operation=Operation.PREFLIGHT, place=place, virtual_host=virtual_host)


def _with_its_body(**parts: Any) -> ObjectRequest:
    """The request, unless it has a body that its operation does not read: the body would look accepted, or signed.

    Raises:
        Refused: UNREAD_BODY.
    """
    request = ObjectRequest(**parts)
    read = request.operation in _WITH_BODY if request.step is None else request.step.verb in _SENDING
    if request.has_body and not read:
        raise Refused(Reason.UNREAD_BODY, f"{request.operation} with a body")
    return request


def _upload_step(raw: RawRequest, place: LinkPlace, step: UploadStep) -> ObjectRequest:
    """A step of a resumable upload. Nothing but the protocol's own headers has a meaning; metadata names the type."""
    require_understood(raw, _STEPS[step.verb], step=step)
    accept_headers(raw.headers, link=True)  # for its refusals: a step has none of the others
    whole = step.verb is UploadVerb.CREATE
    return _with_its_body(
        raw=raw,
        operation=_STEPS[step.verb],
        place=place,
        headers={"content-type": step.content_type} if step.content_type is not None else {},
        content_length=step.length if whole else _declared_length(raw),
        step=step,
        auth=auth_fields(raw.headers, ()),
    )


def _link_operation(method: str, path: str | None) -> Operation:
    folder = path is not None and (not path or path.endswith("/"))
    match method:
        case "PUT":
            if folder and path:
                raise Refused(Reason.BAD_KEY, "an upload needs a name")
            return Operation.PUT_OBJECT
        case "POST":
            return Operation.POST_OBJECT
        case "DELETE":
            return Operation.DELETE_OBJECT
        case _ if folder:
            return Operation.LIST_OBJECTS_V2
        case "HEAD":
            return Operation.HEAD_OBJECT
        case _:
            return Operation.GET_OBJECT


def _parse_s3(raw: RawRequest, bucket: str, rest: str, *, virtual_host: bool) -> ObjectRequest:
    if len(bucket) == 1:
        raise Refused(Reason.BAD_BUCKET_NAME, "one-letter paths are reserved")
    service = not bucket and not rest and raw.path == "/"
    if not service and not is_bucket_name(bucket):
        raise Refused(Reason.BAD_BUCKET_NAME, "the path does not start with a possible bucket name")
    place = BucketPlace(bucket, check_key(decode(rest, Reason.BAD_KEY)))
    if raw.method == "OPTIONS":
        # A preflight carries the whole URL of the request to come, whose parameters are not its own.
        return _preflight(raw, place, virtual_host=virtual_host)
    pairs = query_pairs(raw.query)
    params, hoisted = _split_query(raw, pairs)
    level = Level.SERVICE if service else Level.OBJECT if place.key else Level.BUCKET
    if raw.method == "GET" and level is Level.BUCKET:
        params.pop("metadata", None)  # minio-go would like it in a listing, and does without
    operation = find_shape(raw.method, level, params).operation
    if operation is Operation.POST_OBJECT and raw.query:
        raise Refused(Reason.UNSUPPORTED_OPERATION, "a form's fields say everything; its address has no parameters")
    headers = accept_headers((*raw.headers, *_added(raw, hoisted)))
    if "x-amz-copy-source" in headers:
        if operation not in _COPIES:
            raise Refused(Reason.UNSUPPORTED_OPERATION, f"{operation} with a copy source")
        operation = _COPIES[operation]
    elif any(name.startswith("x-amz-copy-source-") for name in headers):
        raise Refused(Reason.UNSUPPORTED_OPERATION, f"{operation} with what belongs to a copy")
    require_understood(raw, operation)
    framing = _framing(raw)
    return _with_its_body(
        raw=raw,
        operation=operation,
        place=place,
        params=params,
        headers=headers,
        content_length=_content_length(raw, headers, framing),
        framing=framing,
        virtual_host=virtual_host,
        auth=auth_fields(raw.headers, pairs),
    )


def _split_query(raw: RawRequest, pairs: Sequence[tuple[str, str]]) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The operation's own parameters, and the headers that a presigner moved into the query."""
    params: dict[str, str] = {}
    hoisted: list[tuple[str, str]] = []
    body = raw.header("content-length") != "0"
    for name, value in pairs:
        if name in AUTH_PARAMS or name in IGNORED_PARAMS or (not value and name in VAIN_WHEN_EMPTY):
            if name == "X-Amz-Content-Sha256" and value.startswith(_STREAMING):
                raise Refused(Reason.BAD_ARGUMENT, "a chunked body is declared in a header, not in the query")
            continue
        header = hoist_header(name, value)
        if header is None:
            params[name] = value
        elif header[0] in AUTH_HEADERS:
            raise Refused(
                Reason.UNSUPPORTED_OPERATION, f"the parameter {name!r} is spelled in a way that no signer uses"
            )
        elif not body or header not in EMPTY_CHECKSUMS:
            hoisted.append(header)
    return params, hoisted


def _added(raw: RawRequest, hoisted: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """The hoisted headers that were not also sent as headers.

    Raises:
        Refused: BAD_REQUEST when header and parameter disagree.
    """
    added: dict[str, str] = {}
    for name, value in hoisted:
        sent = raw.header_values(name)
        if any(text != value for text in sent) or added.get(name, value) != value:
            raise Refused(Reason.BAD_REQUEST, f"the header and the parameter {name} disagree")
        if not sent:
            added[name] = value
    return list(added.items())


def _framing(raw: RawRequest) -> BodyFraming:
    declared = raw.header_values("x-amz-content-sha256")
    if len(declared) > 1:
        raise Refused(Reason.BAD_REQUEST, "x-amz-content-sha256 came more than once")
    if declared and declared[0].startswith(_STREAMING):
        try:
            return BodyFraming(declared[0])
        except ValueError:
            raise Refused(Reason.UNSUPPORTED_OPERATION, "a chunked body of an unknown kind") from None
    if not _says_chunked(raw):
        return BodyFraming.PLAIN
    if declared and (not _BODY_HASH.fullmatch(declared[0]) or any(map(raw.header, _CHUNKED_MARKS))):
        raise Refused(Reason.BAD_REQUEST, "aws-chunked with an x-amz-content-sha256 that is not chunked")
    if declared:
        # The body is the one whose hash was signed; the word alone is taken out of the object's encoding, as S3 does.
        return BodyFraming.PLAIN
    # What an SDK sends without credentials, to a trusted listener: the signer would have added the header.
    return BodyFraming.UNSIGNED_CHUNKS_TRAILER


def _says_chunked(raw: RawRequest) -> bool:
    return "aws-chunked" in ",".join(raw.header_values("content-encoding")).lower()


def _content_length(raw: RawRequest, headers: dict[str, str], framing: BodyFraming) -> int | None:
    if framing is BodyFraming.PLAIN:
        return _declared_length(raw)
    decoded = headers.get("x-amz-decoded-content-length")
    if decoded is None:
        raise Refused(Reason.MISSING_LENGTH, "a chunked body without x-amz-decoded-content-length")
    if not _DIGITS.fullmatch(decoded):
        raise Refused(Reason.BAD_ARGUMENT, "x-amz-decoded-content-length is not a number")
    return int(decoded)


def _declared_length(raw: RawRequest) -> int | None:
    text = raw.header("content-length")
    return int(text) if text is not None and _DIGITS.fullmatch(text) else None
