"""Owns what an answer of a store may say to a call: which statuses mean that it was done, and a "no" in a body.

Refuses to own the exchange (`gateway.backends.upstream`) and what a refusal means to a caller
(`gateway.data.store_errors`).

Laws: nothing counts as done that S3 has no such word for. "Accepted", "not modified" and a part are no success of a
write, and "no content" is no object: programs between here and a store say such things, and whoever believes them
keeps nothing. Bytes that were sent are stored when the answer is not an error in the body of a success, nor a page; an
ETag is not asked for, since there are stores that name none (Apache Ozone before HDDS-9114, Filen).
A part is the part that was asked for: clients write it to where they asked, whatever it says of itself.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Final

from gateway.core.reasons import Reason, UpstreamFailed
from gateway.core.route import Answer, UpstreamCall
from gateway.core.units import whole_number
from gateway.core.values import dataclass
from gateway.wire.s3.documents import store_fault
from gateway.wire.s3.request_headers import single_range

FAILED: Final = 500
"""The status of a failure that a store reports in the body of a success."""

ANSWER_LIMIT: Final = 1024**2
"""Bytes of an answer that is no object."""

SILENT: Final = frozenset({"PUT", "DELETE"})
"""The methods of those calls, and of copies."""

_READS: Final = frozenset({"GET", "HEAD"})
_DONE: Final = frozenset({200, 201, 204})
_UNCHANGED: Final = frozenset({"if-none-match", "if-modified-since"})
_PART: Final = re.compile(r"bytes (\d{1,19})-(\d{1,19})/(\d{1,19}|\*)", re.ASCII)


@dataclass(frozen=True, slots=True)
class BufferedBody:
    """A body that was read already."""

    content: bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.content

    async def read(self, limit: int) -> bytes:
        if len(self.content) > limit:
            raise UpstreamFailed(Reason.UPSTREAM_BROKE, f"the body is longer than {limit} bytes")
        return self.content


def status_fault(call: UpstreamCall, status: int) -> str | None:
    """Why this status is no answer to the call; None for a refusal, and for what S3 says of what was done."""
    if status == 304:
        asked = call.method in _READS and any(name in _UNCHANGED for name, _ in call.headers)
        return None if asked else "the store says that nothing has changed, to who did not ask"
    if status >= 300:
        return None
    if call.method not in _READS:
        return None if status in _DONE else f"the store answered {status} to what changes something"
    if status == 206:
        return None if _asks_part(call) else "the store gave a part of an object that was asked for whole"
    return None if status == 200 else f"the store answered {status} to a read"


def part_fault(call: UpstreamCall, answer: Answer) -> str | None:
    """Why a 206 is not the range that was asked for; None if it is, or a part by its number."""
    wanted = next((single_range(text) for name, text in call.headers if name == "range"), None)
    if wanted is None:
        return None
    part = _PART.fullmatch(answer.headers.get("content-range", ""))
    if part is None:
        return "the store gave a part and did not say which"
    first, last, size = int(part[1]), int(part[2]), whole_number(part[3])
    if not _is_wanted(wanted, first, last, size) or (
        call.method == "GET" and answer.length not in {None, last - first + 1}
    ):
        return "the store gave another part than was asked for"
    return None


def _is_wanted(wanted: tuple[int | None, int | None], first: int, last: int, size: int | None) -> bool:
    """Whether these are the bytes of a range, of an object of this size; None if the store does not say it."""
    begin, end = wanted
    if size is None:  # which HTTP allows
        return begin in {None, first} and (end is None or last <= end or begin is None)
    if begin is None:
        begin, end = max(0, size - (end or 0)), None
    return first == begin and last == (size - 1 if end is None else min(end, size - 1))


def restore_partial(call: UpstreamCall, answer: Answer) -> Answer:
    """A store's 200 to a range request as the 206 that it is: Content-Range names the bytes, and no others come."""
    part = _PART.fullmatch(answer.headers["content-range"])
    if part is None or part[3] == "*" or not _asks_range(call) or answer.length != int(part[2]) - int(part[1]) + 1:
        return answer
    return replace(answer, status=206, known=None)


def is_silent(call: UpstreamCall) -> bool:
    """Whether a success of this call has nothing to say in a body: a copy's has."""
    return call.method in SILENT and all(name != "x-amz-copy-source" for name, _ in call.headers)


async def read_verdict(call: UpstreamCall, answer: Answer) -> Answer:
    """The answer to a silent call, whose body has been read: a refusal, if that is what the body says.

    Raises:
        UpstreamFailed: UPSTREAM_BROKE for a page in place of an answer, as a proxy's sign-in is.
    """
    body = await answer.body.read(ANSWER_LIMIT)
    read = replace(answer, length=len(body), body=BufferedBody(body), known=None)
    if store_fault(body) is not None:
        return replace(read, status=FAILED)
    if body and "etag" not in answer.headers and all(name != "tagging" for name, _ in call.query):
        raise UpstreamFailed(Reason.UPSTREAM_BROKE, "the store's answer is a document, where it says nothing")
    return read


def _asks_range(call: UpstreamCall) -> bool:
    return any(name == "range" for name, _ in call.headers)


def _asks_part(call: UpstreamCall) -> bool:
    return _asks_range(call) or any(name == "partNumber" for name, _ in call.query)
