"""Owns what an S3 or link request *is* once parsed: operation, place, parameters, body framing.

Refuses to own how bytes become one (`gateway.wire.parse`) and whether it is allowed (`gateway.core.policy`).
There is one canonical request object, for tokens, headers, presigned queries and forms alike.
"""

from __future__ import annotations

from collections.abc import Iterable, KeysView, Mapping
from dataclasses import field
from enum import StrEnum
from types import MappingProxyType
from typing import ClassVar, Final

from gateway.core.values import dataclass


class Action(StrEnum):
    """What policy speaks of."""

    READ = "read"
    LIST = "list"
    WRITE = "write"
    DELETE = "delete"
    SHARE = "share"
    SIGN = "sign"


class Operation(StrEnum):
    """The S3 operations that exist here, by their S3 API names. Anything else is refused while parsing."""

    GET_OBJECT = "GetObject"
    HEAD_OBJECT = "HeadObject"
    PUT_OBJECT = "PutObject"
    POST_OBJECT = "PostObject"
    DELETE_OBJECT = "DeleteObject"
    DELETE_OBJECTS = "DeleteObjects"
    COPY_OBJECT = "CopyObject"
    LIST_BUCKETS = "ListBuckets"
    HEAD_BUCKET = "HeadBucket"
    CREATE_BUCKET = "CreateBucket"
    GET_BUCKET_LOCATION = "GetBucketLocation"
    GET_BUCKET_VERSIONING = "GetBucketVersioning"
    LIST_OBJECTS = "ListObjects"
    LIST_OBJECTS_V2 = "ListObjectsV2"
    LIST_OBJECT_VERSIONS = "ListObjectVersions"
    LIST_MULTIPART_UPLOADS = "ListMultipartUploads"
    CREATE_MULTIPART_UPLOAD = "CreateMultipartUpload"
    UPLOAD_PART = "UploadPart"
    UPLOAD_PART_COPY = "UploadPartCopy"
    COMPLETE_MULTIPART_UPLOAD = "CompleteMultipartUpload"
    ABORT_MULTIPART_UPLOAD = "AbortMultipartUpload"
    LIST_PARTS = "ListParts"
    GET_OBJECT_TAGGING = "GetObjectTagging"
    PUT_OBJECT_TAGGING = "PutObjectTagging"
    DELETE_OBJECT_TAGGING = "DeleteObjectTagging"
    GET_OBJECT_ATTRIBUTES = "GetObjectAttributes"
    CREATE_SESSION = "CreateSession"
    PROVE_HOLDER = "ProveHolder"
    PREFLIGHT = "Preflight"


_O = Operation
ACTION_OF: Final[Mapping[Operation, Action | None]] = MappingProxyType(
    {
        _O.GET_OBJECT: Action.READ,
        _O.HEAD_OBJECT: Action.READ,
        _O.GET_OBJECT_TAGGING: Action.READ,
        _O.GET_OBJECT_ATTRIBUTES: Action.READ,
        _O.PUT_OBJECT: Action.WRITE,
        _O.POST_OBJECT: Action.WRITE,
        _O.COPY_OBJECT: Action.WRITE,
        _O.CREATE_MULTIPART_UPLOAD: Action.WRITE,
        _O.UPLOAD_PART: Action.WRITE,
        _O.UPLOAD_PART_COPY: Action.WRITE,
        _O.COMPLETE_MULTIPART_UPLOAD: Action.WRITE,
        _O.ABORT_MULTIPART_UPLOAD: Action.WRITE,
        _O.LIST_PARTS: Action.WRITE,
        _O.PUT_OBJECT_TAGGING: Action.WRITE,
        _O.DELETE_OBJECT_TAGGING: Action.WRITE,
        _O.DELETE_OBJECT: Action.DELETE,
        _O.DELETE_OBJECTS: Action.DELETE,
        _O.LIST_OBJECTS: Action.LIST,
        _O.LIST_OBJECTS_V2: Action.LIST,
        _O.LIST_OBJECT_VERSIONS: Action.LIST,
        _O.LIST_MULTIPART_UPLOADS: Action.LIST,
        # Answered here and never sent to a store: they tell no more than that a rule names the bucket.
        _O.LIST_BUCKETS: None,
        _O.HEAD_BUCKET: None,
        _O.CREATE_BUCKET: None,
        _O.GET_BUCKET_LOCATION: None,
        _O.GET_BUCKET_VERSIONING: None,
        _O.PREFLIGHT: None,
        # Of a link, whose credentials it gives; what is asked is what the link lets do.
        _O.CREATE_SESSION: None,
        # Of a link with holders, from whoever is none of them yet.
        _O.PROVE_HOLDER: None,
    }
)
"""The one effect each operation has on its own key. Copies and batch deletes have more; each is decided on its own."""

TRANSFERS: Final = frozenset(
    {
        _O.GET_OBJECT,
        _O.PUT_OBJECT,
        _O.POST_OBJECT,
        _O.UPLOAD_PART,
        _O.COPY_OBJECT,
        _O.UPLOAD_PART_COPY,
    }
)
"""What has an object's bytes move. All else looks, arranges or finishes."""


DOCUMENTS: Final = frozenset({_O.COMPLETE_MULTIPART_UPLOAD, _O.DELETE_OBJECTS, _O.PUT_OBJECT_TAGGING})
"""What has a body that speaks of objects and is none: its length is no object's size."""

OF_LINKS: Final = frozenset(
    {
        *(_O.GET_OBJECT, _O.HEAD_OBJECT, _O.LIST_OBJECTS, _O.LIST_OBJECTS_V2, _O.PUT_OBJECT, _O.POST_OBJECT),
        *(_O.CREATE_MULTIPART_UPLOAD, _O.UPLOAD_PART, _O.LIST_PARTS),
        *(_O.COMPLETE_MULTIPART_UPLOAD, _O.ABORT_MULTIPART_UPLOAD),
        *(_O.HEAD_BUCKET, _O.CREATE_BUCKET, _O.GET_BUCKET_LOCATION, _O.GET_BUCKET_VERSIONING, _O.LIST_BUCKETS),
    }
)
"""What a link's credentials are for: what the link itself does, and what clients ask first. Never tags, older versions
or copies, which no link shows."""


class BodyFraming(StrEnum):
    """How the body's bytes are wrapped on the way in (the forms of `x-amz-content-sha256`)."""

    PLAIN = "plain"
    SIGNED_CHUNKS = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"
    SIGNED_CHUNKS_TRAILER = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER"
    UNSIGNED_CHUNKS_TRAILER = "STREAMING-UNSIGNED-PAYLOAD-TRAILER"


@dataclass(frozen=True, slots=True, repr=False)
class RawRequest:
    """A request line and headers as they came, before anybody understood them; any part of it may be a credential.

    `path` and `query` are the two halves of the request target, still percent-encoded; `query` has no question mark.
    `headers` keeps order and repetitions; names are lower-cased, values are stripped of surrounding white space.
    """

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    version: tuple[int, int] = (1, 1)
    _first: Mapping[str, str] = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_first", dict(reversed(self.headers)))

    def __repr__(self) -> str:
        return f"RawRequest({self.method!r}, …)"

    def header(self, name: str) -> str | None:
        """The value of a header that may come once; the first one if it came more often."""
        return self._first.get(name)

    def with_values(self, values: Iterable[tuple[int, str]]) -> RawRequest:
        """The same with other values of the headers at these places."""
        headers = list(self.headers)
        for place, value in values:
            headers[place] = headers[place][0], value
        return RawRequest(self.method, self.path, self.query, tuple(headers), self.version)

    def names(self) -> KeysView[str]:
        """Which headers came."""
        return self._first.keys()

    def header_values(self, name: str) -> list[str]:
        if name not in self._first:
            return []
        return [value for candidate, value in self.headers if candidate == name]


@dataclass(frozen=True, slots=True, repr=False)
class AuthFields:
    """What of a request belongs to authentication, found by the one reading of it and not understood yet.

    Both in the order in which they came, with repetitions: headers by their lower-cased names, parameters of the query
    by their names as spelled and decoded.
    """

    headers: tuple[tuple[str, str], ...] = ()
    query: tuple[tuple[str, str], ...] = ()

    def __repr__(self) -> str:
        return "AuthFields(…)"

    @property
    def authorization(self) -> str:
        """The `Authorization` header, the first of several; "" without one."""
        return next((value for name, value in self.headers if name == "authorization"), "")


NO_AUTH: Final = AuthFields()


@dataclass(frozen=True, slots=True, repr=False)
class LinkPlace:
    """`/s/{token}` (`path` None), `/s/{token}/` (`path` ""), or `/s/{token}/a/b` (`path` "a/b", decoded once)."""

    token_text: str
    path: str | None

    bucket: ClassVar[str] = ""
    """The path names none: the link's grant does."""

    def __repr__(self) -> str:
        return f"LinkPlace(…, {self.path!r})"


@dataclass(frozen=True, slots=True)
class BucketPlace:
    """`/{bucket}/{key}` or its virtual-host form; `key` is decoded once and "" for bucket-level requests."""

    bucket: str
    key: str


class UploadVerb(StrEnum):
    """What one request does to a resumable upload through a link."""

    DISCOVER = "discover"
    CREATE = "create"
    APPEND = "append"
    HEAD = "head"
    TERMINATE = "terminate"


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadStep:
    """One step of a resumable upload. Offsets and lengths in bytes.

    `upload` is the id that its address carries, None before there is one. `metadata` is the header as it came, fit to
    be sent back. `filename` and `content_type` are what it says of the file. `checksum` is (algorithm, digest).
    `key` is by what a client knows its creation again if the answer was lost.
    `concat` is `Upload-Concat` as it came, "" without one; `partials` are the ids of the uploads that a final one
    joins. `ahead` says that the bytes are a part for which the upload has not come far enough. `draft` is the interop
    version of a step of the IETF's draft, 0 for one of tus; such a one says whether `more` is to come, or that is all.
    """

    verb: UploadVerb
    upload: str | None = None
    offset: int | None = None
    length: int | None = None
    metadata: str = ""
    filename: str | None = None
    content_type: str | None = None
    checksum: tuple[str, bytes] | None = None
    concat: str = ""
    key: str | None = None
    partials: tuple[str, ...] = ()
    ahead: bool = False
    draft: int = 0
    more: bool = False

    @property
    def partial(self) -> bool:
        """Whether this begins an upload that is only a piece of another."""
        return self.verb is UploadVerb.CREATE and self.concat == "partial"


@dataclass(frozen=True, slots=True)
class ObjectRequest:
    """A request that was understood. An instance that exists has a known operation and only allow-listed parts.

    `params` are the operation's own query parameters, decoded, without anything that belongs to authentication, which
    is in `auth`.
    `headers` are the allow-listed request headers, lower-cased, each at most once, free of control bytes.
    `content_length` is the length of the object's bytes (decoded), None when it was not declared.
    """

    raw: RawRequest
    operation: Operation
    place: LinkPlace | BucketPlace
    params: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    content_length: int | None = None
    framing: BodyFraming = BodyFraming.PLAIN
    virtual_host: bool = False
    step: UploadStep | None = None
    auth: AuthFields = NO_AUTH

    @property
    def has_body(self) -> bool:
        """Whether body bytes follow on the wire."""
        return bool(self.raw.header("transfer-encoding")) or (self.raw.header("content-length") or "0") != "0"
