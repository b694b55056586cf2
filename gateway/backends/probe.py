"""Owns `doctor`'s questions to one store: what it really does, beside what its profile says.

Refuses to own printing them, and changes nothing: a finding is shown to a person, who corrects the profile.

Law: everything is written below one prefix that the caller made up for this run, and removed at the end, also after a
failure.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from email.utils import parsedate_to_datetime
from typing import Final

from gateway.backends.multipart_upload import upload
from gateway.backends.upstream import StoreUpstream
from gateway.core.backend import BackendSpec
from gateway.core.profile import Addressing
from gateway.core.reasons import Refused, UpstreamFailed
from gateway.core.route import Capability, UpstreamCall
from gateway.core.values import dataclass
from gateway.wire.s3.batch_delete import Tag, read_store_tags, tags_document
from gateway.wire.s3.calls import copy_source_header
from gateway.wire.s3.documents import store_fault
from gateway.wire.s3.listing import read_listing
from gateway.wire.s3.multipart import (
    PART_SIZE,
    Destination,
    abort_call,
    create_call,
    part_call,
    parts_call,
    read_initiated,
    read_parts,
)

_BODY: Final = b"0123456789abcdef"
_LIMIT: Final = 1024**2
_DESCRIBED: Final = (
    ("cache-control", "max-age=7"),
    ("content-disposition", 'attachment; filename="a b.txt"'),
    ("content-encoding", "br"),
    ("content-language", "de"),
    ("content-type", "application/x-probe"),
    ("expires", "Wed, 21 Oct 2037 07:28:00 GMT"),
    ("x-amz-meta-probe", "Two  Blanks"),
)
_AWKWARD: Final = ("space here", "plus+percent%25", "umlaut-\u00fc-\u732b", "a=b&c?d#e;f", "quote'(x)*!~")


@dataclass(frozen=True, slots=True)
class Observation:
    """One question. `expected` is what the profile says (None: it says nothing), `seen` what the store did; `detail`
    tells what was wrong with it if it was not `answered`."""

    name: str
    expected: bool | None
    seen: bool
    detail: str = ""
    answered: bool = True

    @property
    def agrees(self) -> bool:
        return self.answered and (self.expected is None or self.expected == self.seen)


@dataclass(frozen=True, slots=True)
class _Reply:
    status: int
    headers: dict[str, str]
    body: bytes
    date: str | None = None


async def probe(spec: BackendSpec, bucket: str, prefix: str, clock: Callable[[], float]) -> tuple[Observation, ...]:
    """Ask everything of `bucket` on one backend. `prefix` ends with a slash and belongs to this run alone.

    Raises:
        UpstreamFailed: the store cannot be reached at all, or refuses even to store an object.
    """
    upstream = StoreUpstream([spec], clock=clock)
    questions = _Questions(upstream, spec, bucket, prefix, clock)
    try:
        return await questions.ask_all()
    finally:
        await questions.clean()
        await upstream.close()


class _Questions:
    """The questions, in the order they are asked."""

    def __init__(
        self, upstream: StoreUpstream, spec: BackendSpec, bucket: str, prefix: str, clock: Callable[[], float]
    ) -> None:
        self._upstream = upstream
        self._spec = spec
        self._bucket = bucket
        self._prefix = prefix
        self._clock = clock
        self._written: dict[str, None] = {}

    async def ask_all(self) -> tuple[Observation, ...]:
        basics = await self._basics()
        questions = (
            self._skew,
            self._ranges,
            self._conditional_reads,
            self._conditional_writes,
            self._awkward_keys,
            self._folds_slashes,
            self._folds_unicode,
            self._folds_folders,
            self._folder_bodies,
            self._beside_folders,
            self._properties,
            self._empty_metadata,
            self._copy_replaces,
            self._any_delimiter,
            self._checksums,
            self._tagging,
            self._listing,
            self._multipart,
            self._lists_parts,
            self._virtual_host,
            self._expiry,
        )
        return (basics, *[await self._guarded(ask) for ask in questions])

    async def clean(self) -> None:
        """Remove what was written; what cannot be removed now is left to the person who reads the findings."""
        for key in tuple(self._written):
            try:
                await self._send("DELETE", key)
            except UpstreamFailed:
                return

    async def _guarded(self, ask: Callable[[], Awaitable[Observation]]) -> Observation:
        """Asked once more if no answer came: it may have met a connection that the store was about to close."""
        with suppress(UpstreamFailed, Refused):
            return await ask()
        try:
            return await ask()
        except (UpstreamFailed, Refused) as failure:
            return Observation(ask.__name__.strip("_"), None, False, failure.detail, answered=False)

    async def _send(
        self,
        method: str,
        key: str,
        *,
        body: bytes | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        query: tuple[tuple[str, str], ...] = (),
    ) -> _Reply:
        call = UpstreamCall(
            backend=self._spec.name,
            method=method,
            bucket=self._bucket,
            key=self._prefix + key if key or method == "PUT" else "",
            query=query,
            headers=headers,
            body_length=None if body is None else len(body),
        )
        if method == "PUT":
            self._written[key] = None
        async with self._upstream.open(call, body) as answer:
            return _Reply(answer.status, dict(answer.headers), await answer.body.read(_LIMIT), answer.date)

    def _expects(self, capability: Capability) -> bool:
        return capability in self._spec.profile.capabilities

    async def _basics(self) -> Observation:
        put = await self._send("PUT", "probe", body=_BODY)
        got, head = await self._send("GET", "probe"), await self._send("HEAD", "probe")
        await self._send("PUT", "gone", body=_BODY)
        deleted, missing = await self._send("DELETE", "gone"), await self._send("HEAD", "gone")
        good = put.status == 200 and got.body == _BODY and head.headers.get("content-length") == str(len(_BODY))
        statuses = (put.status, got.status, head.status, deleted.status, missing.status)
        return Observation("put_get_head_delete", True, good and missing.status == 404, f"answered {statuses}")

    async def _skew(self) -> Observation:
        reply = await self._send("HEAD", "probe")
        theirs = reply.date
        if theirs is None:
            return Observation("clock", None, False, "no Date header")
        skew = parsedate_to_datetime(theirs).timestamp() - self._clock()
        return Observation("clock", True, abs(skew) < 60, f"the store's clock is {skew:+.0f} s from ours")

    async def _ranges(self) -> Observation:
        reply = await self._send("GET", "probe", headers=(("range", "bytes=4-7"),))
        seen = reply.status == 206 and reply.body == _BODY[4:8] and "content-range" in reply.headers
        return Observation(Capability.RANGES, self._expects(Capability.RANGES), seen, f"answered {reply.status}")

    async def _conditional_reads(self) -> Observation:
        """What does not hold is refused, and what holds is not."""
        etag = (await self._send("HEAD", "probe")).headers.get("etag", '""')
        asked = (("if-none-match", etag, 304), ("if-match", '"0"', 412), ("if-match", etag, 200))
        wrong = []
        for name, value, right in asked:
            reply = await self._send("GET", "probe", headers=((name, value),))
            wrong += [] if reply.status == right else [f"{name}: {value} {reply.status}"]
        return self._found(Capability.CONDITIONAL_READS, _wrong_answers(wrong), seen=not wrong)

    async def _conditional_writes(self) -> Observation:
        """Of every kind of write. Some stores refuse whatever is quoted, or look at no condition of a copy."""
        await self._send("PUT", "guarded", body=_BODY)
        etag = (await self._send("HEAD", "guarded")).headers.get("etag", '""')
        copied = ("x-amz-copy-source", copy_source_header(self._bucket, f"{self._prefix}probe"))
        asked = (
            ("PUT", ("if-none-match", "*"), 412),
            ("PUT", ("if-match", '"0"'), 412),
            ("PUT", ("if-match", etag), 200),
            ("copy", ("if-none-match", "*"), 412),
            ("DELETE", ("if-match", '"0"'), 412),
        )
        wrong = []
        for way, condition, right in asked:
            method, body = ("DELETE", None) if way == "DELETE" else ("PUT", b"" if way == "copy" else _BODY)
            headers = (copied, condition) if way == "copy" else (condition,)
            reply = await self._send(method, "guarded", body=body, headers=headers)
            refused = reply.status == 412 or store_fault(reply.body) == "PreconditionFailed"
            status = 412 if refused else reply.status
            wrong += [] if status == right else [f"{way} {': '.join(condition)} {status}"]
        return self._found(Capability.CONDITIONAL_WRITES, _wrong_answers(wrong), seen=not wrong)

    async def _awkward_keys(self) -> Observation:
        bad = []
        for key in _AWKWARD:
            body = key.encode()
            await self._send("PUT", key, body=body)
            if (await self._send("GET", key)).body != body:
                bad.append(key)
        return Observation("awkward_keys", True, not bad, f"not kept apart: {bad}" if bad else "")

    async def _folds_slashes(self) -> Observation:
        """Whether a doubled slash reaches the object whose name has one."""
        await self._send("PUT", "fold/x", body=_BODY)
        reply = await self._send("GET", "fold//x")
        expected = self._expects(Capability.FOLDS_SLASHES)
        return Observation(Capability.FOLDS_SLASHES, expected, reply.status == 200, f"answered {reply.status}")

    async def _folds_unicode(self) -> Observation:
        """Whether the decomposed spelling reaches the object whose name is composed."""
        await self._send("PUT", "fold-\u00fc", body=_BODY)
        reply = await self._send("GET", "fold-u\u0308")
        expected = self._expects(Capability.FOLDS_UNICODE)
        return Observation(Capability.FOLDS_UNICODE, expected, reply.status == 200, f"answered {reply.status}")

    def _found(self, capability: Capability, detail: str, *, seen: bool) -> Observation:
        return Observation(capability, self._expects(capability), seen, detail)

    async def _folds_folders(self) -> Observation:
        """Whether a slash behind an object's name reaches the object."""
        await self._send("PUT", "leaf", body=_BODY)
        reply = await self._send("GET", "leaf/")
        return self._found(Capability.FOLDS_FOLDERS, f"answered {reply.status}", seen=reply.body == _BODY)

    async def _folder_bodies(self) -> Observation:
        """Whether what was accepted under a name that ends with a slash comes back."""
        put = await self._send("PUT", "kept/", body=_BODY)
        got = await self._send("GET", "kept/")
        detail = f"{put.status} to {len(_BODY)} bytes, of which {len(got.body)} came back"
        return self._found(Capability.FOLDER_BODIES, detail, seen=put.status == 200 and got.body == _BODY)

    async def _beside_folders(self) -> Observation:
        """Whether an object and what lies below its name are both there. In this order nothing is lost where not."""
        await self._send("PUT", "both", body=_BODY)
        put = await self._send("PUT", "both/below", body=_BODY)
        bodies = [(await self._send("GET", name)).body for name in ("both", "both/below")]
        return self._found(Capability.BESIDE_FOLDERS, f"answered {put.status}", seen=bodies == [_BODY, _BODY])

    async def _properties(self) -> Observation:
        put = await self._send("PUT", "described", body=_BODY, headers=_DESCRIBED)
        back = (await self._send("HEAD", "described")).headers
        lost = [name for name, value in _DESCRIBED if back.get(name) != value]
        detail = f"lost or changed: {', '.join(lost)}" if lost else f"answered {put.status}"
        return self._found(Capability.PROPERTIES, detail, seen=not lost)

    async def _empty_metadata(self) -> Observation:
        put = await self._send("PUT", "void", body=_BODY, headers=(("x-amz-meta-void", ""),))
        back = (await self._send("HEAD", "void")).headers
        return self._found(Capability.EMPTY_METADATA, f"answered {put.status}", seen="x-amz-meta-void" in back)

    async def _copy_replaces(self) -> Observation:
        """Whether a copy that is to have other metadata has lost the old one."""
        await self._send("PUT", "original", body=_BODY, headers=(("x-amz-meta-old", "1"),))
        headers = (
            ("x-amz-copy-source", copy_source_header(self._bucket, f"{self._prefix}original")),
            ("x-amz-metadata-directive", "REPLACE"),
            ("x-amz-meta-new", "2"),
        )
        put = await self._send("PUT", "copied", body=b"", headers=headers)
        back = (await self._send("HEAD", "copied")).headers
        seen = back.get("x-amz-meta-new") == "2" and "x-amz-meta-old" not in back
        return self._found(Capability.COPY_REPLACES, f"answered {put.status}", seen=seen)

    async def _any_delimiter(self) -> Observation:
        await self._send("PUT", "cut.below.x", body=_BODY)
        query = (("list-type", "2"), ("prefix", f"{self._prefix}cut."), ("delimiter", "."))
        reply = await self._send("GET", "", query=query)
        groups = read_listing(reply.body).prefixes if reply.status == 200 else ()
        seen = groups == (f"{self._prefix}cut.below.",)
        return self._found(Capability.ANY_DELIMITER, f"answered {reply.status}", seen=seen)

    async def _checksums(self) -> Observation:
        right = base64.b64encode(zlib.crc32(_BODY).to_bytes(4)).decode()
        wrong = base64.b64encode(zlib.crc32(b"other").to_bytes(4)).decode()
        good = await self._send("PUT", "sum", body=_BODY, headers=(("x-amz-checksum-crc32", right),))
        bad = await self._send("PUT", "sum", body=_BODY, headers=(("x-amz-checksum-crc32", wrong),))
        back = await self._send("HEAD", "sum", headers=(("x-amz-checksum-mode", "ENABLED"),))
        seen = good.status == 200 and bad.status == 400 and back.headers.get("x-amz-checksum-crc32") == right
        expected = self._expects(Capability.CHECKSUM_HEADERS)
        return Observation(Capability.CHECKSUM_HEADERS, expected, seen, f"answered {good.status} and {bad.status}")

    async def _tagging(self) -> Observation:
        """On an object of its own: a store without tagging may take the request for an object write."""
        await self._send("PUT", "tagged", body=_BODY)
        given = (Tag("a", "b"),)
        put = await self._send("PUT", "tagged", body=tags_document(given), query=(("tagging", ""),))
        kept = (await self._send("GET", "tagged")).body == _BODY
        tags = await self._send("GET", "tagged", query=(("tagging", ""),))
        seen = put.status in {200, 204} and kept and tags.status == 200 and given == read_store_tags(tags.body)
        detail = f"answered {put.status}" if kept else "the request replaced the object"
        return Observation(Capability.TAGGING, self._expects(Capability.TAGGING), seen, detail)

    async def _listing(self) -> Observation:
        reply = await self._send("GET", "", query=(("list-type", "2"), ("max-keys", "1"), ("prefix", self._prefix)))
        seen = reply.status == 200 and read_listing(reply.body).next_token != ""
        return Observation(Capability.LIST_V2, self._expects(Capability.LIST_V2), seen, f"answered {reply.status}")

    async def _multipart(self) -> Observation:
        """Two parts; the first completion meets no object, the second one does."""
        place, new = Destination(self._spec.name, self._bucket, f"{self._prefix}parts"), (("if-none-match", "*"),)
        self._written["parts"] = None
        done = await upload(self._upstream, place, _two_parts(), conditions=new)
        again = await upload(self._upstream, place, _two_parts(), conditions=new)
        refused = again.status == 412 or store_fault(await again.body.read(_LIMIT)) == "PreconditionFailed"
        seen = done.status == 200 and refused
        expected = self._expects(Capability.CONDITIONAL_COMPLETE)
        detail = f"answered {done.status} and {again.status}"
        return Observation(Capability.CONDITIONAL_COMPLETE, expected, seen, detail)

    async def _lists_parts(self) -> Observation:
        """Whether it tells what it holds of an upload that is not complete: from there, resumable ones go on."""
        place = Destination(self._spec.name, self._bucket, f"{self._prefix}begun")
        async with self._upstream.open(create_call(place), b"") as answer:
            upload_id = read_initiated(await answer.body.read(_LIMIT))
        try:
            async with self._upstream.open(part_call(place, upload_id, 1, len(_BODY)), _BODY):
                pass
            async with self._upstream.open(parts_call(place, upload_id)) as answer:
                status, listed = answer.status, await answer.body.read(_LIMIT)
            held = [(part.number, part.size) for part in read_parts(listed).parts] if status == 200 else []
        finally:
            async with self._upstream.open(abort_call(place, upload_id)):
                pass
        return Observation("lists_parts", True, held == [(1, len(_BODY))], f"answered {status}")

    async def _virtual_host(self) -> Observation:
        spec = replace(self._spec, profile=replace(self._spec.profile, addressing=Addressing.VIRTUAL))
        upstream = StoreUpstream([spec], clock=self._clock)
        call = UpstreamCall(backend=spec.name, method="HEAD", bucket=self._bucket, key=f"{self._prefix}probe")
        try:
            async with upstream.open(call) as answer:
                status = answer.status
        finally:
            await upstream.close()
        expected = True if self._spec.profile.addressing is Addressing.VIRTUAL else None
        return Observation("virtual_host", expected, status == 200, f"answered {status}")

    async def _expiry(self) -> Observation:
        """A URL whose time has run out is refused."""
        past = StoreUpstream([self._spec], clock=lambda: self._clock() - 3600)
        call = UpstreamCall(backend=self._spec.name, method="GET", bucket=self._bucket, key=f"{self._prefix}probe")
        try:
            async with past.open(call) as answer:
                status = answer.status
        finally:
            await past.close()
        return Observation("expiry_honoured", True, status in {400, 401, 403}, f"answered {status}")


def _wrong_answers(wrong: list[str]) -> str:
    return f"wrong answers: {'; '.join(wrong)}" if wrong else "heeded"


async def _two_parts() -> AsyncIterator[bytes]:
    """More than one part of unknown length holds."""
    for _ in range(PART_SIZE // 1024**2 + 1):
        yield bytes(1024**2)
