"""Owns the decision's positive answer, and the interface to the store behind it.

Refuses to own presigning, credentials and sockets (`gateway.backends`).
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import field
from enum import StrEnum
from typing import Final, Protocol, cast

from gateway.core.limits import Limit
from gateway.core.loan import Lender, Stretch
from gateway.core.units import whole_number
from gateway.core.values import dataclass


class Delivery(StrEnum):
    """How bytes reach the caller; chosen by policy, `stream` unless it says otherwise."""

    STREAM = "stream"
    REDIRECT = "redirect"
    SIGN = "sign"


class Capability(StrEnum):
    """What a profile says its store can do, or does to names. Code asks for these, never for a vendor."""

    POST_FORMS = "post_forms"
    CONDITIONAL_WRITES = "conditional_writes"
    CONDITIONAL_COMPLETE = "conditional_complete"
    RANGES = "ranges"
    CONDITIONAL_READS = "conditional_reads"
    CHECKSUM_HEADERS = "checksum_headers"
    TAGGING = "tagging"
    OBJECT_ATTRIBUTES = "object_attributes"
    VERSIONS = "versions"
    COPY_PART = "copy_part"
    LIST_V2 = "list_v2"
    BATCH_DELETE = "batch_delete"
    EQUAL_PARTS = "equal_parts"
    FOLDS_SLASHES = "folds_slashes"
    FOLDS_UNICODE = "folds_unicode"
    FOLDS_FOLDERS = "folds_folders"
    """Drops the slash at the end of a name."""
    FOLDER_BODIES = "folder_bodies"
    """Keeps what is stored under a name that ends with a slash."""
    ANY_DELIMITER = "any_delimiter"
    """Groups a listing by other texts than a slash, too."""
    COPY_REPLACES = "copy_replaces"
    """A copy with new metadata has none of the old."""
    PROPERTIES = "properties"
    """Gives every property of an object back as it came."""
    EMPTY_METADATA = "empty_metadata"
    """Keeps metadata without a value."""
    BESIDE_FOLDERS = "beside_folders"
    """Has an object whose name is also the folder of others."""


@dataclass(frozen=True, slots=True)
class Cors:
    """Cross-origin rules of a bucket, answered by us. Credentials are never allowed."""

    origins: tuple[str, ...]
    methods: tuple[str, ...] = ("GET", "HEAD")
    headers: tuple[str, ...] = ()
    expose: tuple[str, ...] = ("ETag",)
    max_age: int = 600


@dataclass(frozen=True, slots=True)
class Backend:
    """What decisions need to know of a backend; endpoint and credentials stay in `gateway.backends`."""

    name: str
    capabilities: frozenset[Capability] = frozenset()
    single_put_limit: int = 5 * 1024**3
    drained: bool = False
    max_connections: int = 256


@dataclass(frozen=True, slots=True)
class Bucket:
    """The gateway's own name for a place. `prefix` is "" or ends with a slash; callers never see the real names."""

    name: str
    backend: str
    real_bucket: str
    prefix: str = ""
    cors: tuple[Cors, ...] = ()
    delivery: Delivery = Delivery.STREAM


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The right to do one thing in one real place, and the limits that hold while it is done.

    `max_size` (bytes) caps a body whose length was not declared, or was not true.
    """

    rule: str
    backend: Backend
    bucket: Bucket
    key: str
    limits: tuple[Limit, ...] = ()
    delivery: Delivery = Delivery.STREAM
    max_size: int | None = None

    @property
    def real_key(self) -> str:
        return self.bucket.prefix + self.key

    def at(self, key: str) -> Route:
        """The same to another key."""
        return Route(
            rule=self.rule,
            backend=self.backend,
            bucket=self.bucket,
            key=key,
            limits=self.limits,
            delivery=self.delivery,
            max_size=self.max_size,
        )

    def call(self, method: str, headers: tuple[tuple[str, str], ...] = ()) -> UpstreamCall:
        """A call without a body about the object that it leads to."""
        backend, bucket = self.backend.name, self.bucket.real_bucket
        return UpstreamCall(backend=backend, method=method, bucket=bucket, key=self.real_key, headers=headers)


_DATE: Final = re.compile(rb"\r\ndate: *([^\r]*)\r", re.IGNORECASE)
_NO_QUERY: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class UpstreamCall:
    """One S3 request to a real store, before addressing, signing and sockets.

    `query` and `headers` are decoded values, built from parsed parts only. `body_length` is None when there is no
    body at all. `key` is "" for a bucket-level call. `slow_head` says that the store works before it answers: its head
    may take its time.
    """

    backend: str
    method: str
    bucket: str
    key: str
    query: tuple[tuple[str, str], ...] = _NO_QUERY
    headers: tuple[tuple[str, str], ...] = ()
    body_length: int | None = None
    slow_head: bool = False


class AnswerBody(Protocol):
    """A body that still arrives. It raises `UpstreamFailed(UPSTREAM_BROKE)` if it ends before its framing says so."""

    def __aiter__(self) -> AsyncIterator[bytes]:
        """Chunks of at most 256 KiB; nothing is read from the store while nobody asks."""
        ...

    async def read(self, limit: int) -> bytes:
        """The whole body. Raises `UpstreamFailed(UPSTREAM_BROKE)` when it is longer than `limit` bytes."""
        ...


class EmptyBody:
    """The body of an answer that has none."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        nothing: tuple[bytes, ...] = ()
        for chunk in nothing:
            yield chunk

    async def read(self, limit: int) -> bytes:
        return b""


@dataclass(frozen=True, slots=True)
class Answer:
    """A store's answer. Header names are lower-cased and values have no control bytes; none is filtered yet.

    `length` is what the framing promises, None for a chunked body whose end is explicit. `known` is one object for all
    answers that say the same, but for when they were made and under which number: that stands in `wire`, the head as it
    came, and not in the headers; None where nobody knows of others.
    """

    status: int
    headers: Mapping[str, str]
    length: int | None
    body: AnswerBody = field(default_factory=EmptyBody)
    known: object = None
    wire: bytes = b""

    @property
    def date(self) -> str | None:
        """When the store made it, by its own clock, as it came."""
        found = _DATE.search(self.wire)
        return self.headers.get("date") if found is None else found[1].decode("latin-1")

    @property
    def whole_size(self) -> int | None:
        """The object's size, also when this is one range of it; None if it is not told."""
        total = self.headers.get("content-range", "").rpartition("/")[2] if self.status == 206 else ""
        return self.length if (size := whole_number(total)) is None else size

    @property
    def begins_within(self) -> bool:
        """Whether this is a range of the object that leaves out its beginning, as players ask for that seek."""
        return self.status == 206 and not self.headers.get("content-range", "bytes 0-").startswith("bytes 0-")

    @property
    def lender(self) -> Lender | None:
        """The body, if its socket may be lent. (To compare with the protocol would cost as much as what follows.)"""
        return cast("Lender", self.body) if hasattr(self.body, "lend") else None


UploadBody = AsyncIterator[bytes | Stretch] | Callable[[], Awaitable[bytes]] | bytes
"""Bytes for a store: as they come; or small and whole, and then asked for when a connection is there to send them."""


class Upstream(Protocol):
    """The only way to a store."""

    def open(self, call: UpstreamCall, body: UploadBody | None = None) -> AbstractAsyncContextManager[Answer]:
        """Presign and send; the answer's body streams inside the `async with`.

        Leaving the block before the body ended closes the connection; an upload whose `body` raises is aborted
        before its last byte, so that the store never sees a whole request. The answer can arrive before the body
        has been sent (an early refusal).

        Raises:
            UpstreamFailed: unreachable, timed out, broken framing, or no credentials could be had.
        """
        ...

    def presign(self, call: UpstreamCall, expires_in: int) -> str:
        """A presigned URL of the real store, for `redirect` and `sign` delivery. Seconds, capped by the profile.

        Raises:
            UpstreamFailed: no credentials at hand.
        """
        ...


async def ask_etag(upstream: Upstream, call: UpstreamCall) -> str:
    """The entity tag of the object that a call was about, with its quotes, from its store; "" if that does not say.

    Raises:
        UpstreamFailed: as `Upstream.open`.
    """
    look = UpstreamCall(backend=call.backend, method="HEAD", bucket=call.bucket, key=call.key)
    async with upstream.open(look) as answer:
        return answer.headers.get("etag", "") if answer.status < 300 else ""
