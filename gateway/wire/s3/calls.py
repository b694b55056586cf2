"""Owns what a store is sent: the plain S3 call for a decided request, from one table with a row an operation.

Refuses to own which request headers are understood (`gateway.wire.s3.request_headers`), bodies, addressing and signing.

Law: a call is built anew from parsed parts and the route; nothing received is passed on for want of a rule against it.
What a store would silently not do is refused here, and what a caller may override (`response-*`) never leaves us.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from hashlib import md5
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from gateway.core.reasons import Reason, Refused
from gateway.core.request import BodyFraming, LinkPlace, ObjectRequest, Operation
from gateway.core.route import Capability, Route, UpstreamCall
from gateway.core.values import dataclass
from gateway.wire.http.fields import META_PREFIX
from gateway.wire.s3.continuation import unwrap_token
from gateway.wire.s3.digests import wants_digest
from gateway.wire.s3.documents import MAX_PAGE
from gateway.wire.s3.multipart import DEFAULT_TYPE

PROPERTIES: Final = frozenset(
    {
        "cache-control",
        "content-disposition",
        "content-encoding",
        "content-language",
        "content-type",
        "expires",
    }
)
"""What an object is stored with beside `x-amz-meta-*`; a copy has it too unless it is replaced."""

_STORED: Final = PROPERTIES | {"x-amz-storage-class", "x-amz-tagging"}
_READ_CONDITIONS: Final = frozenset({"if-match", "if-modified-since", "if-none-match", "if-unmodified-since"})
_GUARDS: Final = frozenset({"if-match", "if-unmodified-since"})
"""Preconditions that protect; the other two only save a transfer, and a store may ignore those."""
_WRITE_CONDITIONS: Final = frozenset({"if-match", "if-none-match"})
_CHECKSUMS: Final = frozenset(
    {
        "x-amz-checksum-crc32",
        "x-amz-checksum-crc32c",
        "x-amz-checksum-crc64nvme",
        "x-amz-checksum-sha1",
        "x-amz-checksum-sha256",
    }
)
"""Those that stores know. S3's later ones are checked here: some stores refuse what they never heard of."""

_COPY: Final = frozenset(
    {
        "x-amz-copy-source-if-match",
        "x-amz-copy-source-if-modified-since",
        "x-amz-copy-source-if-none-match",
        "x-amz-copy-source-if-unmodified-since",
    }
)
_DIRECTIVES: Final = frozenset({"x-amz-metadata-directive", "x-amz-tagging-directive"})
_MARKS: Final = frozenset({"attributes", "delete", "tagging", "uploads"})

_DEFAULT_CLASS: Final = "STANDARD"
"""The default everywhere, under a name that not every store knows."""

_HEADER_NEEDS: Final[Mapping[str, Capability]] = MappingProxyType(
    {
        "x-amz-tagging": Capability.TAGGING,
        "x-amz-tagging-directive": Capability.TAGGING,
        "x-amz-checksum-mode": Capability.CHECKSUM_HEADERS,
        "x-amz-mp-object-size": Capability.CHECKSUM_HEADERS,
        "range": Capability.RANGES,
        **dict.fromkeys(_CHECKSUMS, Capability.CHECKSUM_HEADERS),
    }
)
"""Headers that are left out for a store without the capability, because they would be refused or misread there."""


@dataclass(frozen=True, slots=True)
class _Row:
    """How one operation is sent. `condition` is what the store must be able to do before a write is conditional."""

    method: str
    query: tuple[str, ...] = ()
    headers: frozenset[str] = frozenset()
    meta: bool = False
    needs: Capability | None = None
    condition: Capability | None = None
    bucket_level: bool = False
    streams: bool = False


_READ: Final = _READ_CONDITIONS | {"range", "x-amz-checksum-mode"}
_PUT: Final = _Row(
    "PUT",
    headers=_STORED | _WRITE_CONDITIONS | _CHECKSUMS | {"content-md5"},
    meta=True,
    condition=Capability.CONDITIONAL_WRITES,
    streams=True,
)
_O = Operation
_ROWS: Final[Mapping[Operation, _Row]] = MappingProxyType(
    {
        _O.GET_OBJECT: _Row("GET", ("versionId", "partNumber"), _READ),
        _O.HEAD_OBJECT: _Row("HEAD", ("versionId", "partNumber"), _READ),
        _O.PUT_OBJECT: _PUT,
        _O.POST_OBJECT: _PUT,
        _O.DELETE_OBJECT: _Row(
            "DELETE", ("versionId",), frozenset({"if-match"}), condition=Capability.CONDITIONAL_WRITES
        ),
        _O.DELETE_OBJECTS: _Row("POST", ("delete",), needs=Capability.BATCH_DELETE, bucket_level=True),
        _O.COPY_OBJECT: _Row(
            "PUT",
            headers=_STORED | _COPY | _DIRECTIVES | _WRITE_CONDITIONS,
            meta=True,
            condition=Capability.CONDITIONAL_WRITES,
        ),
        _O.CREATE_MULTIPART_UPLOAD: _Row("POST", ("uploads",), _STORED, meta=True),
        _O.UPLOAD_PART: _Row("PUT", ("partNumber", "uploadId"), frozenset({"content-md5"}), streams=True),
        _O.UPLOAD_PART_COPY: _Row(
            "PUT", ("partNumber", "uploadId"), _COPY | {"x-amz-copy-source-range"}, needs=Capability.COPY_PART
        ),
        _O.COMPLETE_MULTIPART_UPLOAD: _Row(
            "POST",
            ("uploadId",),
            _WRITE_CONDITIONS | {"x-amz-mp-object-size"},
            condition=Capability.CONDITIONAL_COMPLETE,
        ),
        _O.ABORT_MULTIPART_UPLOAD: _Row("DELETE", ("uploadId",)),
        _O.LIST_PARTS: _Row("GET", ("uploadId", "part-number-marker", "max-parts")),
        _O.GET_OBJECT_TAGGING: _Row("GET", ("tagging", "versionId"), needs=Capability.TAGGING),
        _O.PUT_OBJECT_TAGGING: _Row("PUT", ("tagging", "versionId"), needs=Capability.TAGGING),
        _O.DELETE_OBJECT_TAGGING: _Row("DELETE", ("tagging", "versionId"), needs=Capability.TAGGING),
        _O.GET_OBJECT_ATTRIBUTES: _Row(
            "GET",
            ("attributes", "versionId"),
            frozenset({"x-amz-max-parts", "x-amz-object-attributes", "x-amz-part-number-marker"}),
            needs=Capability.OBJECT_ATTRIBUTES,
        ),
        _O.LIST_OBJECTS: _Row("GET", bucket_level=True),
        _O.LIST_OBJECTS_V2: _Row("GET", bucket_level=True),
        _O.LIST_OBJECT_VERSIONS: _Row("GET", bucket_level=True, needs=Capability.VERSIONS),
        _O.LIST_MULTIPART_UPLOADS: _Row("GET", bucket_level=True),
    }
)
"""How each operation is sent.

No checksum goes with the parts of a multipart upload: a store wants them for all parts or for none, and those that
come as trailers of a chunked body are known too late. They are verified here.
"""
_COPIES: Final = frozenset({_O.COPY_OBJECT, _O.UPLOAD_PART_COPY})
_SLOW: Final = _COPIES | {_O.COMPLETE_MULTIPART_UPLOAD, _O.DELETE_OBJECTS}
"""A store moves bytes, or a thousand objects, before it answers these."""

_DIGESTED: Final = frozenset({_O.GET_OBJECT, _O.HEAD_OBJECT})
_TYPED: Final = frozenset({_O.PUT_OBJECT, _O.POST_OBJECT, _O.CREATE_MULTIPART_UPLOAD})
_MAKES_UNSEEN: Final = frozenset({_O.CREATE_MULTIPART_UPLOAD, _O.COPY_OBJECT})
"""They make an object whose size the call does not say."""

_LIST_MARKS: Final[Mapping[Operation, tuple[tuple[str, str], ...]]] = MappingProxyType(
    {_O.LIST_OBJECT_VERSIONS: (("versions", ""),), _O.LIST_MULTIPART_UPLOADS: (("uploads", ""),)}
)


def _tells_digest(request: ObjectRequest) -> bool:
    """Whether the answer is to have a `Repr-Digest`: a link's head always, as nobody knows to ask there."""
    if request.operation is _O.HEAD_OBJECT and isinstance(request.place, LinkPlace):
        return True
    return request.operation in _DIGESTED and wants_digest(request.raw.header("want-repr-digest"))


def upstream_call(
    route: Route,
    request: ObjectRequest,
    *,
    real_copy_source: str | None = None,
    body: bytes | None = None,
    body_length: int | None = None,
    only_new: bool = False,
) -> UpstreamCall:
    """The plain S3 request that does at the store what was decided.

    `real_copy_source` is `copy_source_header` of the decided source. `body` is a document written here (it gets its
    length and Content-MD5); a streamed body has `body_length` bytes, the declared length unless given. `only_new`
    forbids replacing an object.

    Raises:
        Refused: NOT_SUPPORTED_BY_BACKEND when the store could not do it, or would silently do something else;
            MISSING_LENGTH for a streamed body of unknown length; BAD_KEY for an object operation without a key;
            BAD_ARGUMENT for a continuation token of elsewhere; INTERNAL for an operation that is answered locally.
    """
    row = _ROWS.get(request.operation)
    if row is None:
        raise Refused(Reason.INTERNAL, f"{request.operation} is not for a store")
    if (request.operation in _COPIES) != (real_copy_source is not None):
        raise Refused(Reason.INTERNAL, "a copy needs its decided source, and nothing else has one")
    capabilities = route.backend.capabilities
    _check_needs(row, request, capabilities)
    if not row.bucket_level:
        require_own_name(route)
        if request.operation in _MAKES_UNSEEN:
            require_kept(route, None)
    headers = _object_headers(row, request, capabilities)
    if Capability.CHECKSUM_HEADERS in capabilities and _tells_digest(request):
        headers["x-amz-checksum-mode"] = "ENABLED"
    if only_new and row.condition is not None:
        _need(capabilities, row.condition, "an upload that must not replace an object")
        headers["if-none-match"] = "*"
    if real_copy_source is not None:
        headers |= _source(route, request, real_copy_source)
    if request.operation in _TYPED:
        headers.setdefault("content-type", DEFAULT_TYPE)
    if body is not None:
        headers["content-md5"] = b64encode(md5(body, usedforsecurity=False).digest()).decode()
        headers["content-type"] = "application/xml"
    return UpstreamCall(
        backend=route.backend.name,
        method=row.method,
        bucket=route.bucket.real_bucket,
        key="" if row.bucket_level else route.real_key,
        query=_query(row, route, request),
        headers=tuple(sorted(headers.items())),
        body_length=_length(row, request, body, body_length),
        slow_head=request.operation in _SLOW,
    )


def require_own_name(route: Route) -> None:
    """The name reaches an object of its own. Only for calls about one object: a prefix is no name.

    Raises:
        Refused: BAD_KEY for no name; KEY_AMBIGUOUS for one that its store would take for that without the slash at its
            end.
    """
    if not route.key:
        # The same call without a key would be about the real bucket itself: DELETE removes it, GET lists it.
        raise Refused(Reason.BAD_KEY, "a call about an object, without a key")
    if route.key.endswith("/") and Capability.FOLDS_FOLDERS in route.backend.capabilities:
        raise Refused(Reason.KEY_AMBIGUOUS, "the store drops the slash at the end of a name")


def require_kept(route: Route, length: int | None) -> None:
    """The store will give back what is written under this name: `length` bytes, None if unknown.

    Raises:
        Refused: FOLDER_BODY. Nothing at all may be stored under a name that ends with a slash: so clients make folders.
    """
    if length != 0 and route.key.endswith("/") and Capability.FOLDER_BODIES not in route.backend.capabilities:
        raise Refused(Reason.FOLDER_BODY, "the store makes a folder of it and drops the content")


def copy_source_header(real_bucket: str, real_key: str, version: str | None = None) -> str:
    """The value of `x-amz-copy-source` for a decided source: percent-encoded, as S3 wants it."""
    source = quote(f"{real_bucket}/{real_key}", safe="/-_.~")
    return source if version is None else f"{source}?versionId={quote(version, safe='')}"


def _source(route: Route, request: ObjectRequest, named: str) -> dict[str, str]:
    """The source of a copy. One of an object onto itself says the default class, too: stores refuse such a copy unless
    something of the object changes, and it may be there to bring it back to that class."""
    found = {"x-amz-copy-source": named}
    itself = named.partition("?")[0] == copy_source_header(route.bucket.real_bucket, route.real_key)
    if itself and request.headers.get("x-amz-storage-class") == _DEFAULT_CLASS:
        found["x-amz-storage-class"] = _DEFAULT_CLASS
    return found


def require_version(capabilities: frozenset[Capability], version: str | None) -> str | None:
    """The version id to send to a store. A store without versions knows only "null", for which none is sent.

    Raises:
        Refused: NOT_SUPPORTED_BY_BACKEND for any other, which such a store would take for the object of today.
    """
    if version is None or Capability.VERSIONS in capabilities:
        return version
    if version != "null":
        _need(capabilities, Capability.VERSIONS, "a version id")
    return None


def whole_instead(request: ObjectRequest, call: UpstreamCall, status: int) -> UpstreamCall | None:
    """The call to make after a store's 412 that only says "If-Range does not hold": the same without the range.

    `If-Range` is sent as `If-Match`, which every store with conditional reads understands; the whole object is then
    the right answer (RFC 9110, 13.1.5). None when the 412 is the caller's own.
    """
    if status != 412 or "if-range" not in request.headers or "if-match" in request.headers:
        return None
    names = {name for name, _ in call.headers}
    if not {"range", "if-match"} <= names:
        return None
    return replace(call, headers=tuple(pair for pair in call.headers if pair[0] not in {"range", "if-match"}))


def _need(capabilities: frozenset[Capability], needed: Capability, what: str) -> None:
    if needed not in capabilities:
        raise Refused(Reason.NOT_SUPPORTED_BY_BACKEND, f"{what} needs {needed} of the store")


def _check_needs(row: _Row, request: ObjectRequest, capabilities: frozenset[Capability]) -> None:
    if row.needs is not None:
        _need(capabilities, row.needs, request.operation)
    if row.bucket_level and request.params.get("delimiter", "/") not in {"", "/"}:
        _need(capabilities, Capability.ANY_DELIMITER, "a delimiter other than a slash")
    if "x-amz-tagging" in request.headers and "x-amz-tagging" in row.headers:
        _need(capabilities, Capability.TAGGING, "x-amz-tagging")
    guards = _GUARDS if row.method in {"GET", "HEAD"} else _COPY
    if guards & row.headers & request.headers.keys():
        _need(capabilities, Capability.CONDITIONAL_READS, "a precondition")
    if row.condition is not None and row.headers & _WRITE_CONDITIONS & request.headers.keys():
        _need(capabilities, row.condition, "a conditional write")


def _object_headers(row: _Row, request: ObjectRequest, capabilities: frozenset[Capability]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        if name not in row.headers and not (row.meta and name.startswith(META_PREFIX)):
            continue
        needed = _HEADER_NEEDS.get(name)
        if needed is None or needed in capabilities:
            headers[name] = value
    if request.framing is not BodyFraming.PLAIN or request.operation is Operation.POST_OBJECT:
        # They were about the body as it was framed, or about the whole form.
        for name in _CHECKSUMS | {"content-md5"}:
            headers.pop(name, None)
    if request.operation is Operation.POST_OBJECT and headers.get("content-type", "").startswith("multipart/form-data"):
        del headers["content-type"]
    if headers.get("x-amz-storage-class") == _DEFAULT_CLASS:
        del headers["x-amz-storage-class"]
    if "range" in headers and "if-range" in request.headers:
        _apply_if_range(headers, request.headers["if-range"], capabilities)
    return headers


def _apply_if_range(headers: dict[str, str], validator: str, capabilities: frozenset[Capability]) -> None:
    """Make the range conditional, or drop it: a server may always answer with the whole (RFC 9110, 14.2)."""
    strong = len(validator) >= 2 and validator[0] == validator[-1] == '"'
    if strong and Capability.CONDITIONAL_READS in capabilities and headers.get("if-match", validator) == validator:
        headers["if-match"] = validator
    else:
        del headers["range"]


def _query(row: _Row, route: Route, request: ObjectRequest) -> tuple[tuple[str, str], ...]:
    if row.bucket_level and row.method == "GET":
        return (
            *_LIST_MARKS.get(request.operation, ()),
            *((name, value) for name, value in _list_query(route, request) if value),
        )
    params = request.params
    if "versionId" in params and require_version(route.backend.capabilities, params["versionId"]) is None:
        params = {name: value for name, value in params.items() if name != "versionId"}
    if request.operation is Operation.LIST_PARTS:
        # Always said, as a store may have another default than the one that our answer shows.
        params = {**params, "max-parts": str(min(MAX_PAGE, int(params.get("max-parts", MAX_PAGE))))}
    return tuple((name, "" if name in _MARKS else params[name]) for name in row.query if name in params)


def _list_query(route: Route, request: ObjectRequest) -> list[tuple[str, str]]:
    """Parameters of a listing. `route.key` is the prefix that was decided on; markers are names of ours."""
    params = request.params
    link = isinstance(request.place, LinkPlace)

    def real(name: str) -> str:
        return route.bucket.prefix + params[name] if params.get(name) else ""

    delimiter = params.get("delimiter", "/" if link and "archive" not in params else "")
    place = [("prefix", route.real_key), ("delimiter", delimiter)]
    # Always asked for, whatever the caller wants: XML cannot carry every key otherwise. Not in listings of uploads,
    # where one store says that it encoded and did not.
    common = [*place, ("encoding-type", "url")]
    most = str(min(MAX_PAGE, int(params.get("max-keys", params.get("max-uploads", MAX_PAGE)))))
    match request.operation:
        case Operation.LIST_OBJECTS_V2 if Capability.LIST_V2 in route.backend.capabilities:
            token = unwrap_token(params.get("continuation-token", params.get("cursor", "")), route.bucket.prefix)
            owner = params.get("fetch-owner", "")
            own = [("list-type", "2"), ("continuation-token", token), ("start-after", real("start-after"))]
            return [*own, *common, ("max-keys", most), ("fetch-owner", owner)]
        case Operation.LIST_OBJECTS_V2:
            names = ("continuation-token", "cursor", "start-after")
            marker = next((real(name) for name in names if params.get(name)), "")
            return [*common, ("max-keys", most), ("marker", marker)]
        case Operation.LIST_OBJECTS:
            return [*common, ("max-keys", most), ("marker", real("marker"))]
        case Operation.LIST_OBJECT_VERSIONS:
            own = [("key-marker", real("key-marker")), ("version-id-marker", params.get("version-id-marker", ""))]
            return [*common, ("max-keys", most), *own]
        case _:
            own = [("key-marker", real("key-marker")), ("upload-id-marker", params.get("upload-id-marker", ""))]
            return [*place, ("max-uploads", most), *own]


def _length(row: _Row, request: ObjectRequest, body: bytes | None, body_length: int | None) -> int | None:
    if body is not None:
        return len(body)
    if row.streams:
        length = request.content_length if body_length is None else body_length
        if length is None and request.has_body:
            raise Refused(Reason.MISSING_LENGTH, "a store needs to know the length before the first byte")
        return length or 0
    # Stores want a length with these methods even if there is nothing to send.
    return 0 if row.method in {"PUT", "POST"} else None
