"""Owns a revocation list as a text: what a file that follows another gateway may say, and what is wrong with it.

Refuses to own the file (`gateway.stores.revocation_file`), its age and what becomes of its entries
(`gateway.data.state.list_follower`).

Form: the JSON of `GET /v1/revocations`, `{"revocations": [{"kind", "name", …}], "as_of": TIME}`, written by a gateway
or by hand.

Law: two gateways share no serials, so time is all that a list and a grant have in common. A link or key is ended by its
id, whenever it was issued; so is whatever an entry without a time names. Every other entry ends what was issued until
then and `CLOCKS` seconds more, because the clocks of two machines differ.
"""

from __future__ import annotations

import json
import re
from collections.abc import Generator, Iterator
from typing import Any, Final

from gateway.core.attempt import Principal
from gateway.core.reasons import SettingsError
from gateway.core.revocation import FeedEntry
from gateway.core.revocation_target import FeedKind
from gateway.core.units import instant
from gateway.core.values import dataclass

CLOCKS: Final = 5.0
"""Seconds by which the clocks of two machines may differ without a revoked grant being honoured."""

AHEAD: Final = 60.0
"""Seconds by which `as_of` may lie ahead of our clock. More would let a list look fresh for longer than it is."""

_ALWAYS: Final = 2**62
_BATCH: Final = 2000
_MOST_FAULTS: Final = 20
_LONGEST_TEXT: Final = 2048
_TEXTS: Final = ("name", "prefix", "reason", "by")
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_SPACE: Final = re.compile(r"[ \t\r\n]*")
_NEXT: Final = re.compile(r"[ \t\r\n]*(,|\]|)[ \t\r\n]*")
_KINDS: Final = {str(kind): kind for kind in FeedKind}
_BY_ID: Final = frozenset({FeedKind.LINK, FeedKind.KEY})
_NOTICES: Final = frozenset({FeedKind.ISSUED, FeedKind.CHANGED})
_ALLOWED: Final = ", ".join(str(kind) for kind in FeedKind if kind not in _NOTICES)
_FIELDS: Final = frozenset({"serial", "kind", "name", "prefix", "at", "reason", "by"})
_DECODER: Final = json.JSONDecoder()


@dataclass(slots=True)
class ListText:
    """One list. `begun` says that it is the rest of one whose first entries, `before` of them, were read before.

    The first of its lines is line `lines` + 1 of the whole.

    After `entries` is exhausted, `as_of` (seconds since the epoch) is when the list was complete, None if it does not
    say so; `count` is how many entries there were, and `end` where in the text the last one ended. Only if they come
    first (`leads`) does the text up to there say nothing else.
    """

    text: str
    name: str
    now: float
    begun: bool = False
    lines: int = 0
    before: int = 0
    count: int = 0
    end: int = 0
    leads: bool = True
    as_of: float | None = None

    def entries(self) -> Iterator[list[FeedEntry]]:
        """The revoking entries, some thousand at a time. An entry's `serial` is its position among instants, in ms.

        Raises:
            SettingsError: with the faults of the whole text, each with its line; what came before means nothing then.
        """
        faults: list[str] = []
        self.count = self.end = 0
        try:
            at = 0
            if self.begun:
                at = yield from self._array(0, faults)
            at = yield from self._members(at, faults)
            if self._space(at) != len(self.text):
                raise self._at(at, "something follows the end of the list")
        except ValueError as fault:
            faults.append(str(fault))
        if faults:
            raise SettingsError(*faults[:_MOST_FAULTS])

    def _members(self, at: int, faults: list[str]) -> Generator[list[FeedEntry], None, int]:
        """The object around the entries, or what is left of it; returns where it ends."""
        listed = self.begun
        if not self.begun:
            at = self._expect(at, "{", 'must be an object: {"revocations": [], "as_of": "2026-01-31T12:00:00Z"}')
        first = not self.begun
        while self._peek(at) != "}":
            if not first:
                at = self._expect(at, ",", "a comma or the end of the object is missing")
            start = self._space(at)
            name, at = self._value(start)
            at = self._expect(at, ":", "a colon is missing")
            if name == "revocations" and not listed:
                self.leads, listed, first = first, True, False
                at = self._expect(at, "[", "revocations: must be a list")
                at = yield from self._array(at, faults)
                continue
            first = False
            value, at = self._value(self._space(at))
            try:
                self._said(name, value)
            except ValueError as fault:
                if len(faults) < _MOST_FAULTS:
                    faults.append(str(self._at(start, f"{name}: {fault}")))
        if not listed:
            raise self._at(at, "revocations: is missing")
        return self._space(at) + 1

    def _array(self, at: int, faults: list[str]) -> Generator[list[FeedEntry], None, int]:
        """The entries from inside their list on; returns where the list ends."""
        text, batch = self.text, list[FeedEntry]()
        self.end = at
        first = not self.begun
        while True:
            found = _NEXT.match(text, at)
            mark, start = ("", at) if found is None else (found[1], found.end())
            if mark == "]":
                yield batch
                return start
            if (mark == ",") == first:
                raise self._at(start, "a comma or the end of the list is missing")
            first = False
            value, at = self._value(start)
            try:
                entry = _entry(value)
            except ValueError as fault:
                if len(faults) < _MOST_FAULTS:
                    faults.append(str(self._at(start, f"revocations[{self.before + self.count}]: {fault}")))
            else:
                if entry is not None:
                    batch.append(entry)
            self.count += 1
            self.end = at
            if len(batch) >= _BATCH:
                yield batch
                batch = []

    def _said(self, name: object, value: object) -> None:
        match name:
            case "as_of":
                if value is None:
                    raise ValueError("is null, so this is one page of a longer list: write all of it into the file")
                self.as_of = _instant(value)
                if self.as_of > self.now + AHEAD:
                    raise ValueError("lies in the future")
            case "serial":
                if isinstance(value, bool) or not isinstance(value, int):
                    raise ValueError("must be a whole number")
            case _:
                raise ValueError("is not known: write revocations, as_of, serial")

    def _value(self, at: int) -> tuple[Any, int]:
        try:
            return _DECODER.raw_decode(self.text, at)
        except (ValueError, RecursionError) as fault:
            where = fault.pos if isinstance(fault, json.JSONDecodeError) else at
            raise self._at(where, "is no JSON") from None

    def _expect(self, at: int, what: str, otherwise: str) -> int:
        at = self._space(at)
        if not self.text.startswith(what, at):
            raise self._at(at, otherwise)
        return at + 1

    def _peek(self, at: int) -> str:
        at = self._space(at)
        return self.text[at : at + 1]

    def _space(self, at: int) -> int:
        found = _SPACE.match(self.text, at)
        return at if found is None else found.end()

    def _at(self, at: int, what: str) -> ValueError:
        line = self.lines + self.text.count("\n", 0, at) + 1
        return ValueError(f"{self.name}:{line}: {what}")


def _entry(value: object) -> FeedEntry | None:
    """One entry; None for a notice that revokes nothing. Raises ValueError with a sentence."""
    if not isinstance(value, dict):
        raise ValueError('must be an object like {"kind": "link", "name": "l_…"}')
    if not value.keys() <= _FIELDS:
        unknown = min(str(name) for name in value.keys() - _FIELDS)
        raise ValueError(f"{unknown!r} is not known: write {', '.join(sorted(_FIELDS))}")
    kind = value.get("kind")
    kind = _KINDS.get(kind) if isinstance(kind, str) else None
    if kind is None:
        raise ValueError(f"kind: must be one of {_ALLOWED}")
    if kind in _NOTICES:
        return None
    for field in _TEXTS:
        if not isinstance(text := value.get(field, ""), str) or len(text) > _LONGEST_TEXT:
            raise ValueError(f"{field}: must be a text of at most {_LONGEST_TEXT} characters")
    name, prefix, at = value.get("name", ""), value.get("prefix", ""), value.get("at")
    _check_name(kind, name)
    if prefix and kind is not FeedKind.PREFIX:
        raise ValueError("prefix: goes with kind prefix only, where name is the bucket")
    return FeedEntry(_position(kind, None if at is None else _instant(at)), kind, name, prefix)


def _check_name(kind: FeedKind, name: str) -> None:
    """Raises ValueError, with a sentence that repeats no secret."""
    if not name:
        raise ValueError("name: is missing")
    if kind in _BY_ID and not _ID.fullmatch(name):
        raise ValueError(f"name: must be the id of a {kind}, as `gateway {kind} ls` shows it, never a URL or token")
    if kind is FeedKind.OWNER:
        try:
            Principal.parse(name)
        except ValueError:
            raise ValueError("name: must be a principal like app:NAME") from None


def _position(kind: FeedKind, at: float | None) -> int:
    if at is None or kind in _BY_ID:
        return _ALWAYS
    return int((at + CLOCKS) * 1000)


def _instant(value: object) -> float:
    if not isinstance(value, str):
        raise ValueError("must be a time like 2026-01-31T12:00:00Z")
    return instant(value)
