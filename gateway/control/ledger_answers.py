"""Owns how the ledger is answered: entries of the audit trail, and records of every grant.

Refuses to own the chain (`gateway.core.trail`). An entry is answered as it is stored, so that callers can check it.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import Field

from gateway.control.answers import View
from gateway.core.reasons import DependencyDown
from gateway.core.record import AuditEntry, Record, RecordPage, TrailHead, TrailPage
from gateway.core.trail import entry_fields
from gateway.core.units import format_instant

__all__ = ["AuditEntryView", "HeadView", "LedgerPageView", "LedgerRecordView", "TrailView"]

Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"})]
Digest = Annotated[str, Field(description="SHA-256 in lower-case hex")]


class HeadView(View):
    """The trail's last entry; number 0 while there is none."""

    number: int
    digest: Digest

    @classmethod
    def of(cls, head: TrailHead) -> Self:
        return cls(number=head.number, digest=head.digest)


class AuditEntryView(View):
    """Who did what. `digest` is the SHA-256 of the other members as JSON in ASCII, names sorted, no spaces."""

    number: int
    before: Digest
    at: Instant
    actor: str
    act: str
    target: str
    detail: dict[str, str]
    digest: Digest

    @classmethod
    def of(cls, entry: AuditEntry) -> Self:
        """Raises DependencyDown("audit") for a stored entry that cannot be read."""
        try:
            return cls.model_validate(entry_fields(entry))
        except ValueError as fault:
            raise DependencyDown("audit", f"the trail's entry {entry.number} is damaged") from fault


class TrailView(View):
    """Oldest first; ask again with `?after=` the last number."""

    entries: list[AuditEntryView]
    head: HeadView

    @classmethod
    def of(cls, page: TrailPage) -> Self:
        return cls(entries=[AuditEntryView.of(entry) for entry in page.entries], head=HeadView.of(page.head))


class LedgerRecordView(View):
    """One record with everything it holds. What no UTF-8 text can hold is shown as `?`."""

    request_id: str
    at: Instant
    duration: float
    principal: str
    grant_id: str | None
    operation: str
    bucket: str
    key: str
    backend: str
    peer: str
    status: int
    outcome: str
    reason: str
    bytes_in: int
    bytes_out: int
    fresh_use: bool

    @classmethod
    def of(cls, record: Record) -> Self:
        return cls(
            request_id=record.request_id,
            at=format_instant(record.at),
            duration=round(record.duration, 6),
            principal=record.principal,
            grant_id=record.grant_id,
            operation=record.operation,
            bucket=_utf8(record.bucket),
            key=_utf8(record.key),
            backend=record.backend,
            peer=record.peer,
            status=record.status,
            outcome=str(record.outcome),
            reason=record.reason,
            bytes_in=record.bytes_in,
            bytes_out=record.bytes_out,
            fresh_use=record.fresh_use,
        )


class LedgerPageView(View):
    """In the store's own order, each record once."""

    records: list[LedgerRecordView]
    cursor: str | None

    @classmethod
    def of(cls, page: RecordPage) -> Self:
        return cls(records=[LedgerRecordView.of(record) for record in page.records], cursor=page.cursor)


def _utf8(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
