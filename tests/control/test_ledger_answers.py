"""How entries and records look outside."""

from __future__ import annotations

import pytest

from gateway.control.ledger_answers import AuditEntryView, LedgerRecordView
from gateway.core.reasons import DependencyDown
from gateway.core.record import AuditEntry, AuditEvent, TrailHead
from gateway.core.trail import chain_event, entry_of
from tests.contract.sample import record


def test_an_entry_keeps_its_digest() -> None:
    """What is answered is what was chained, to the microsecond and the last letter."""
    entry = chain_event(
        AuditEvent(at=1.000001, actor="admin:ops", act="revoke", target="l_1", detail={"ü": "\x00"}), TrailHead()
    )
    assert entry_of(AuditEntryView.of(entry).model_dump(mode="json")) == entry


@pytest.mark.parametrize("text", ["", "[]", "{}"])
def test_a_damaged_entry_is_the_stores_fault(text: str) -> None:
    """Never a guess of what it said."""
    with pytest.raises(DependencyDown):
        AuditEntryView.of(AuditEntry(1, text, "00"))


def test_a_record_hides_nothing_but_what_utf_8_cannot_say() -> None:
    """The key's other characters stay."""
    assert LedgerRecordView.model_validate(record("l_1", key="a\ud800é")).key == "a?é"
