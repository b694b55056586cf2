"""Owns the audit trail's chain: how an event becomes an entry that carries the digest of the one before it.

Refuses to own where entries are kept (`gateway.stores`) and who reads them (`gateway.control`, `gateway.cli`).

Law: an entry's text is canonical (JSON in ASCII, names sorted, no spaces) and holds its number and the digest before
it; its own digest is the SHA-256 of that text. So a change, a gap, an insertion or another order breaks the chain at
the place where it was made. A cut end shows against the head, which is kept apart; a trail that was made anew as a
whole shows against a head that somebody wrote down before.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import field
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any, Final

from gateway.core.record import AuditEntry, AuditEvent, TrailHead
from gateway.core.said import phrase
from gateway.core.values import dataclass

_FIELDS: Final = frozenset({"number", "before", "at", "actor", "act", "target", "detail"})
_HEAD: Final = re.compile(r"(\d{1,18}):([0-9a-f]{64})", re.ASCII)


def chain_event(event: AuditEvent, head: TrailHead) -> AuditEntry:
    """The event as the trail's next entry after `head`."""
    text = _canonical(
        {
            "number": head.number + 1,
            "before": head.digest,
            "at": datetime.fromtimestamp(event.at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
            "actor": event.actor,
            "act": event.act,
            "target": event.target,
            "detail": event.detail,
        }
    )
    return AuditEntry(head.number + 1, text, _digest(text))


def chain_events(events: Sequence[AuditEvent], head: TrailHead) -> list[AuditEntry]:
    """The events as the next entries, each after the one before it."""
    entries: list[AuditEntry] = []
    for event in events:
        entries.append(chain_event(event, head))
        head = TrailHead(entries[-1].number, entries[-1].digest)
    return entries


def entry_fields(entry: AuditEntry) -> dict[str, Any]:
    """What an entry says, and its digest: the form in which it leaves the gateway.

    Raises:
        ValueError: the stored text is damaged.
    """
    said = json.loads(entry.text)
    if not isinstance(said, dict) or said.keys() != _FIELDS:
        raise ValueError(phrase("trail_unread", "entry {number} cannot be read", number=entry.number))
    return {**said, "digest": entry.digest}


def entry_of(fields: Mapping[str, Any]) -> AuditEntry:
    """The entry that was given away in this form.

    Raises:
        ValueError: it is no entry of a trail.
    """
    said = {name: value for name, value in fields.items() if name != "digest"}
    number, digest = said.get("number"), fields.get("digest")
    if said.keys() != _FIELDS or not isinstance(number, int) or not isinstance(digest, str):
        raise ValueError("this is no entry of an audit trail")
    return AuditEntry(number, _canonical(said), digest)


def head_of(text: str) -> TrailHead:
    """The head written as `NUMBER:DIGEST`. Raises ValueError for anything else."""
    match = _HEAD.fullmatch(text.strip())
    if match is None:
        raise ValueError("a head is written NUMBER:DIGEST, as it was printed")
    return TrailHead(int(match[1]), match[2])


@dataclass(slots=True)
class Inspection:
    """Walks along a trail, entry by entry; `known` is a head that was noted before and has to lie on the way."""

    reached: TrailHead = field(default_factory=TrailHead)
    known: TrailHead | None = None

    def faults(self, entries: Iterable[AuditEntry]) -> Iterator[str]:
        """What is wrong with the next entries, one sentence each."""
        for entry in entries:
            yield from self._faults_of(entry)
            self.reached = TrailHead(entry.number, entry.digest)
            if self.known is not None and self.known.number == entry.number and self.known.digest != entry.digest:
                yield phrase(
                    "trail_other",
                    "entry {number} is not the one that was noted: the trail was made anew",
                    number=entry.number,
                )

    def end(self, head: TrailHead | None) -> Iterator[str]:
        """What is wrong with the place where the entries end; None if no head came with them."""
        if head is None:
            yield phrase("trail_endless", "the trail has no end: its last lines may be missing")
        elif head != self.reached:
            yield phrase(
                "trail_head",
                "the trail ends with entry {number}, its head is {head}",
                number=self.reached.number,
                head=head,
            )
        if self.known is not None and self.known.number > self.reached.number:
            yield phrase(
                "trail_short",
                "the trail ends with entry {number}, before the noted {noted}",
                number=self.reached.number,
                noted=self.known.number,
            )

    def _faults_of(self, entry: AuditEntry) -> Iterator[str]:
        if _digest(entry.text) != entry.digest:
            yield phrase("trail_changed", "entry {number} was changed: its digest does not fit", number=entry.number)
        try:
            said = entry_fields(entry)
        except ValueError:
            yield phrase("trail_unread", "entry {number} cannot be read", number=entry.number)
            return
        if said["number"] != entry.number:
            yield phrase(
                "trail_number", "entry {number} says that it is number {said}", number=entry.number, said=said["number"]
            )
        if entry.number != self.reached.number + 1:
            yield phrase(
                "trail_gap",
                "entry {number} comes after entry {before}",
                number=entry.number,
                before=self.reached.number,
            )
        elif said["before"] != self.reached.digest:
            yield phrase("trail_broken", "entry {number} does not follow the entry before it", number=entry.number)


def _canonical(said: Mapping[str, Any]) -> str:
    return json.dumps(said, ensure_ascii=True, sort_keys=True, separators=(",", ":"))


def _digest(text: str) -> str:
    return sha256(text.encode()).hexdigest()
