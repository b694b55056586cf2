"""Owns the one accounting line that every attempt leaves, and the audit event that every administrative act leaves.

Refuses to own when they are written (`gateway.data.state.records`, `gateway.control`) and where (`gateway.stores`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import field
from enum import StrEnum
from typing import Protocol

from gateway.core.values import dataclass


class Outcome(StrEnum):
    """How an attempt ended, from our point of view. The metric label of `gateway_requests_total`."""

    OK = "ok"
    REFUSED = "refused"
    CLIENT_GONE = "client_gone"
    UPSTREAM_FAILED = "upstream_failed"
    CUT = "cut"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Record:
    """What happened, counted on bytes actually moved. Instants in seconds since the epoch, durations in seconds.

    `terms` is the mark of those that were accepted for it (`Grant.terms_mark`), "" where there were none.
    `holder` is the address of who proved to be one of a link's holders.
    """

    request_id: str
    at: float
    duration: float
    principal: str
    grant_id: str | None
    operation: str
    bucket: str
    key: str
    backend: str
    peer: str
    status: int
    outcome: Outcome
    reason: str = ""
    bytes_in: int = 0
    bytes_out: int = 0
    fresh_use: bool = False
    terms: str = ""
    holder: str = ""


@dataclass(frozen=True, slots=True)
class RecordPage:
    """Newest first, unless the method says otherwise. `cursor` continues after the last one, None at the end."""

    records: Sequence[Record]
    cursor: str | None


class Act(StrEnum):
    """What can be done that leaves an entry in the audit trail. Pages have a text for each (`gateway.pages`)."""

    LINK_CREATE = "link.create"
    LINK_EDIT = "link.edit"
    LINK_ROTATE = "link.rotate"
    LINK_SUSPEND = "link.suspend"
    LINK_RESUME = "link.resume"
    LINK_EXCLUDE = "link.exclude"
    LINK_APPROVE = "link.approve"
    LINK_REJECT = "link.reject"
    LINK_WAIT = "link.wait"
    LINK_RELEASE = "link.release"
    LINK_REVOKE = "link.revoke"
    KEY_CREATE = "key.create"
    KEY_EDIT = "key.edit"
    KEY_SUSPEND = "key.suspend"
    KEY_RESUME = "key.resume"
    KEY_APPROVE = "key.approve"
    KEY_REJECT = "key.reject"
    KEY_WAIT = "key.wait"
    KEY_RELEASE = "key.release"
    KEY_REVOKE = "key.revoke"
    KEY_RESEAL = "key.reseal"
    REVOKE = "revoke"
    PRESIGN = "presign"
    TRANSFER_CUT = "transfer.cut"
    DRAIN = "drain"
    RESUME = "resume"
    LOG_LEVEL = "log level"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuditEvent:
    """An administrative act: who did what to which grant, and how it ended. Never holds a secret."""

    at: float
    actor: str
    act: str
    target: str
    detail: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """An audit event in its place in the trail: what was said, and its SHA-256 (`gateway.core.trail`)."""

    number: int
    text: str
    digest: str


@dataclass(frozen=True, slots=True)
class TrailHead:
    """The number and digest of a trail's last entry; those of an empty trail unless given."""

    number: int = 0
    digest: str = "0" * 64

    def __str__(self) -> str:
        return f"{self.number}:{self.digest}"


@dataclass(frozen=True, slots=True)
class TrailPage:
    """Oldest first. `head` was read no later than the entries."""

    entries: Sequence[AuditEntry]
    head: TrailHead


class Ledger(Protocol):
    """Append-only. Raises `DependencyDown("audit")` when it cannot answer."""

    async def append(self, records: Sequence[Record]) -> None: ...

    async def records_of(self, grant_id: str, cursor: str | None, limit: int) -> RecordPage:
        """Raises ValueError for a cursor that this ledger did not give."""
        ...

    async def export(self, cursor: str | None, limit: int) -> RecordPage:
        """Every record there is, in the engine's own order, each once; what is written meanwhile may come or not.

        Raises ValueError for a cursor that this ledger did not give.
        """
        ...

    async def audit(self, *events: AuditEvent) -> None:
        """Add the events to the one trail that all replicas share, each chained to the entry before.

        Durable before it returns.
        """
        ...

    async def trail(self, after: int, limit: int) -> TrailPage:
        """The entries with numbers above `after`, as they are stored."""
        ...

    async def prune(self, before: float) -> int:
        """Forget records (never audit events) older than `before`; returns how many.

        The engine tidies along: short-lived keys that expired before it, and the feed's notices (never its
        revocations) from before it.
        """
        ...
