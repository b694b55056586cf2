"""Owns how the ledger is answered: entries of the audit trail, and records of every grant.

Refuses to own the chain (`gateway.core.trail`). An entry is answered as it is stored, so that callers can check it.
"""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import AfterValidator, BeforeValidator, Field

from gateway.control.answers import View, When
from gateway.core.reasons import DependencyDown
from gateway.core.record import AuditEntry, TrailPage
from gateway.core.trail import entry_fields

Digest = Annotated[str, Field(description="SHA-256 in lower-case hex")]
Utf8 = Annotated[str, BeforeValidator(lambda text: text.encode("utf-8", "replace").decode())]


class HeadView(View):
    """The trail's last entry; number 0 while there is none."""

    number: int
    digest: Digest


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
        return cls(
            entries=[AuditEntryView.of(entry) for entry in page.entries], head=HeadView.model_validate(page.head)
        )


class RecordView(View):
    """A use of a link. What no UTF-8 text can hold is shown as `?`."""

    request_id: str
    at: When
    duration: Annotated[float, AfterValidator(lambda seconds: round(seconds, 6))]
    principal: str
    operation: str
    bucket: Utf8
    key: Utf8
    peer: str
    status: int
    outcome: str
    reason: str
    bytes_in: int
    bytes_out: int
    fresh_use: bool
    terms: Annotated[str, Field(description="The mark of the terms that were accepted for it; empty without terms")]
    holder: Annotated[str, Field(description="Who proved to be one of the link's holders; empty where it has none")]


class RecordPageView(View):
    """Newest first."""

    records: list[RecordView]
    cursor: str | None


class LedgerRecordView(RecordView):
    """One record with everything it holds."""

    grant_id: str | None
    backend: str


class LedgerPageView(View):
    """In the store's own order, each record once."""

    records: list[LedgerRecordView]
    cursor: str | None
