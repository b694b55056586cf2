"""Owns what the sender of files is told of them: which were stored, with size and checksum, and which were not.

Refuses to own the page that shows it (`gateway.pages`).

Law: every file that came is named once. If one was not stored, the answer as a whole is that refusal, and says what was
stored all the same.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Final

from gateway.core.reasons import TABLE, Reason, public_reason
from gateway.core.request import RawRequest
from gateway.core.values import dataclass
from gateway.pages.branding import Branding
from gateway.pages.languages import SOURCE, languages
from gateway.pages.links import FileFailed, FileReceived, receipt_page
from gateway.pages.render import look_for
from gateway.wire.http.negotiate import prefers_html, prefers_json
from gateway.wire.replies import LINK_HEADERS, Fields, Reply, title_of

_LINES: Final[Fields] = (*LINK_HEADERS, ("Content-Type", "text/plain; charset=utf-8"))
_DOCUMENT: Final[Fields] = (*LINK_HEADERS, ("Content-Type", "application/json"))
_PROBLEM: Final[Fields] = (*LINK_HEADERS, ("Content-Type", "application/problem+json"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """A file that was stored. `sha256` is in hex, where its bytes were seen here; `undo` is what takes it back."""

    name: str
    size: int
    etag: str | None = None
    sha256: str | None = None
    undo: str | None = None

    @property
    def members(self) -> dict[str, Any]:
        known = {"sha256": self.sha256, "undo": self.undo}
        named = {"name": self.name, "size": self.size, "etag": self.etag}
        return named | {name: value for name, value in known.items() if value is not None}

    @property
    def fields(self) -> Fields:
        """Of an answer that is about this one alone."""
        etag = () if self.etag is None else (("ETag", self.etag),)
        return etag if self.undo is None else (*etag, ("Upload-Undo", self.undo))


@dataclass(frozen=True, slots=True)
class NotReceived:
    """A file that was not."""

    name: str
    reason: Reason

    @property
    def text(self) -> str:
        return TABLE[self.reason].text


def receipt(
    branding: Branding, raw: RawRequest, stored: Sequence[Received], failed: Sequence[NotReceived], request_id: str
) -> Reply:
    """A page, a document, or a line for each file, as they asked for."""
    status = TABLE[failed[0].reason].link_status if failed else 201
    own = stored[0].fields if len(stored) == 1 and not failed else ()
    accept = raw.header("accept")
    if prefers_html(accept):
        page = receipt_page(
            look_for(branding, raw.header("accept-language")),
            stored=[FileReceived(one.name, one.size, one.sha256, one.undo) for one in stored],
            failed=[FileFailed(one.name, public_reason(one.reason)) for one in failed],
            request_id=request_id,
        )
        return Reply(status, (*page.headers, *LINK_HEADERS), page.body, own)
    if failed or prefers_json(accept):
        headers = _PROBLEM if failed else _DOCUMENT
        members = _problem(stored, failed, status) if failed else _members(stored)
        document = json.dumps(members | {"request_id": request_id}, ensure_ascii=False).encode() + b"\n"
        return Reply(status, headers, document, own)
    text = "".join([f"received {one.name} ({_size(one.size)}){_digest(one)}\n" for one in stored])
    return Reply(status, _LINES, text.encode("utf-8", "replace"), own)


@lru_cache(1024)
def _size(size: int) -> str:
    return languages()[SOURCE].size(size)


def _digest(one: Received) -> str:
    return "" if one.sha256 is None else f" sha256:{one.sha256}"


def _members(stored: Sequence[Received]) -> dict[str, Any]:
    """Of one file its own; of several, or of one, a list of them."""
    first = stored[0].members if len(stored) == 1 else {}
    return first | {"files": [one.members for one in stored]}


def _problem(stored: Sequence[Received], failed: Sequence[NotReceived], status: int) -> dict[str, Any]:
    first = failed[0]
    return {
        "type": "about:blank",
        "title": title_of(status),
        "status": status,
        "detail": first.text,
        "reason": public_reason(first.reason).value,
        "files": [one.members for one in stored],
        "failed": [{"name": one.name, "reason": public_reason(one.reason).value, "detail": one.text} for one in failed],
    }
