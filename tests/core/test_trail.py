"""The chain of the audit trail."""

from __future__ import annotations

import json
from dataclasses import replace
from hashlib import sha256

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.record import AuditEntry, AuditEvent, TrailHead
from gateway.core.trail import Inspection, chain_event, entry_fields, entry_of, head_of

TEXTS = st.text(max_size=12)


@st.composite
def events(draw: st.DrawFn) -> AuditEvent:
    return AuditEvent(
        at=draw(st.floats(0, 4e9)),
        actor=draw(TEXTS),
        act=draw(TEXTS),
        target=draw(TEXTS),
        detail=draw(st.dictionaries(TEXTS, TEXTS, max_size=3)),
    )


def trail_of(said: list[AuditEvent]) -> list[AuditEntry]:
    entries: list[AuditEntry] = []
    head = TrailHead()
    for event in said:
        entry = chain_event(event, head)
        entries.append(entry)
        head = TrailHead(entry.number, entry.digest)
    return entries


def faults(entries: list[AuditEntry], head: TrailHead | None, known: TrailHead | None = None) -> list[str]:
    inspection = Inspection(known=known)
    return [*inspection.faults(entries), *inspection.end(head)]


def head_at(entries: list[AuditEntry]) -> TrailHead:
    return TrailHead(entries[-1].number, entries[-1].digest) if entries else TrailHead()


@given(st.lists(events(), max_size=8))
def test_a_trail_as_it_was_written_has_no_fault(said: list[AuditEvent]) -> None:
    """Also after it left the gateway as JSON and came back."""
    entries = trail_of(said)
    travelled = [entry_of(json.loads(json.dumps(entry_fields(entry)))) for entry in entries]
    assert travelled == entries
    assert faults(travelled, head_at(entries)) == []


def spoilt(data: st.DataObject, entries: list[AuditEntry]) -> list[AuditEntry]:
    """The trail after one act of tampering: an edit, a deletion, a swap, an insertion, a repetition."""
    places = st.integers(0, len(entries) - 1)
    place = data.draw(places)
    match data.draw(st.sampled_from(["text", "field", "digest", "delete", "swap", "insert", "repeat", "rehash"])):
        case "text":
            at = data.draw(st.integers(0, len(entries[place].text) - 1))
            letter = data.draw(st.characters(codec="ascii").filter(lambda found: found != entries[place].text[at]))
            changed = replace(entries[place], text=entries[place].text[:at] + letter + entries[place].text[at + 1 :])
            return [*entries[:place], changed, *entries[place + 1 :]]
        case "field":
            said = entry_fields(entries[place])
            name = data.draw(st.sampled_from(["at", "actor", "act", "target"]))
            return [*entries[:place], entry_of({**said, name: said[name] + "x"}), *entries[place + 1 :]]
        case "digest":
            changed = replace(entries[place], digest=sha256(data.draw(st.binary())).hexdigest())
            return [*entries[:place], changed, *entries[place + 1 :]]
        case "delete":
            return [*entries[:place], *entries[place + 1 :]]
        case "swap":
            other = data.draw(places.filter(lambda found: found != place))
            order = list(entries)
            order[place], order[other] = order[other], order[place]
            return order
        case "insert":
            made = chain_event(data.draw(events()), TrailHead(entries[place].number, entries[place].digest))
            return [*entries[: place + 1], made, *entries[place + 1 :]]
        case "repeat":
            return [*entries[: place + 1], entries[place], *entries[place + 1 :]]
        case _:
            said = json.loads(entries[place].text) | {"actor": "admin:somebody-else"}
            text = json.dumps(said, sort_keys=True, separators=(",", ":"))
            changed = AuditEntry(entries[place].number, text, sha256(text.encode()).hexdigest())
            return [*entries[:place], changed, *entries[place + 1 :]]


@settings(max_examples=250)
@given(st.lists(events(), min_size=2, max_size=8), st.data())
def test_every_tampering_is_found(said: list[AuditEvent], data: st.DataObject) -> None:
    """An edit, a deletion, another order, an insertion: at least one fault, in each of 250."""
    entries = trail_of(said)
    touched = spoilt(data, entries)
    if touched != entries:
        assert faults(touched, head_at(entries))


def test_a_trail_made_anew_differs_from_a_noted_head() -> None:
    """Who can write everything can chain everything again; a head written down elsewhere still tells."""
    said = [AuditEvent(at=1.0, actor=f"admin:{number}", act="revoke", target="l_1") for number in range(4)]
    noted = head_at(trail_of(said[:2]))
    anew = trail_of([replace(said[0], actor="admin:nobody"), *said[1:]])
    assert faults(anew, head_at(anew)) == []
    assert "made anew" in faults(anew, head_at(anew), noted)[0]
    short = trail_of(said[:1])
    assert "before the noted 2" in faults(short, head_at(short), noted)[0]


def test_an_export_without_its_end_is_a_fault() -> None:
    """Lines that are missing at the end would break no link of the chain."""
    entries = trail_of([AuditEvent(at=1.0, actor="admin:ops", act="revoke", target="l_1")] * 3)
    assert faults(entries[:2], None) == ["the trail has no end: its last lines may be missing"]
    assert "ends with entry 2" in faults(entries[:2], head_at(entries))[0]


def test_a_head_is_read_as_it_is_printed() -> None:
    """NUMBER:DIGEST and nothing else."""
    head = TrailHead(12, "ab" * 32)
    assert head_of(f" {head}\n") == head
    for text in ("", "12", "12:ab", f"-1:{'ab' * 32}", f"1:{'AB' * 32}"):
        with pytest.raises(ValueError, match="NUMBER:DIGEST"):
            head_of(text)


@pytest.mark.parametrize("fields", [{}, {"number": "1"}, {"number": 1, "digest": "x"}])
def test_what_is_no_entry_is_refused(fields: dict[str, object]) -> None:
    """A line of something else is told apart from a damaged entry."""
    with pytest.raises(ValueError, match="no entry"):
        entry_of(fields)
