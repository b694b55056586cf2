"""Owns how the ledger is answered: entries of the audit trail, and records of every grant.

Refuses to own the chain (`gateway.core.trail`). An entry is answered as it is stored, so that callers can check it.
"""

from __future__ import annotations

from dataclasses import fields
from typing import Annotated, Final, Self

from pydantic import Field

from gateway.control.answers import View, When
from gateway.core.reasons import DependencyDown
from gateway.core.record import AuditEntry, Record, RecordPage, TrailHead, TrailPage
from gateway.core.trail import entry_fields
from gateway.core.units import format_instant

_SHOWN: Final = tuple(each.name for each in fields(Record))
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
    at: When
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


class RecordView(View):
    """A use of a link. What no UTF-8 text can hold is shown as `?`."""

    request_id: str
    at: When
    duration: float
    principal: str
    operation: str
    bucket: str
    key: str
    peer: str
    status: int
    outcome: str
    reason: str
    bytes_in: int
    bytes_out: int
    fresh_use: bool
    terms: Annotated[str, Field(description="The mark of the terms that were accepted for it; empty without terms")]

    @classmethod
    def of(cls, record: Record) -> Self:
        """Members that the class does not have are left out."""
        shown = {name: getattr(record, name) for name in _SHOWN}
        spelt = {"bucket": _utf8(record.bucket), "key": _utf8(record.key), "outcome": str(record.outcome)}
        when = {"at": format_instant(record.at), "duration": round(record.duration, 6)}
        return cls.model_validate(shown | spelt | when)


class RecordPageView(View):
    """Newest first."""

    records: list[RecordView]
    cursor: str | None

    @classmethod
    def of(cls, page: RecordPage) -> Self:
        return cls(records=[RecordView.of(record) for record in page.records], cursor=page.cursor)


class LedgerRecordView(RecordView):
    """One record with everything it holds."""

    grant_id: str | None
    backend: str


class LedgerPageView(View):
    """In the store's own order, each record once."""

    records: list[LedgerRecordView]
    cursor: str | None

    @classmethod
    def of(cls, page: RecordPage) -> Self:
        return cls(records=[LedgerRecordView.of(record) for record in page.records], cursor=page.cursor)


def _utf8(text: str) -> str:
    return text.encode("utf-8", "replace").decode()
