"""Owns what every engine can hold, and how records and cursors are written as text, the same for every engine.

Refuses to own tables and connections, and the form of a stored grant (`gateway.core.grant_codec`).

Law: a cursor is opaque to callers and is checked when it comes back.
"""

from __future__ import annotations

import asyncio
import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from typing import Any, Final

import orjson

from gateway.core.grant import Grant, GrantFilter
from gateway.core.grant_codec import GrantRow, document_of, read_grant
from gateway.core.reasons import DependencyDown
from gateway.core.record import Outcome, Record, RecordPage
from gateway.core.revocation_target import RevocationTarget

LARGEST: Final = 2**63 - 1
"""What the integer columns of SQLite and PostgreSQL hold."""

GRANT_COLUMNS: Final = ", ".join(f"g.{name}" for name in GrantRow._fields)
"""What SQL selects of `grants AS g` to make a grant."""


def check_storable(grant: Grant, idempotency: str | None = None) -> None:
    """Raises ValueError for what not every engine can hold: NUL, lone surrogates, counts above 63 bits."""
    check_texts(idempotency or "")
    for number in (grant.uses, grant.budget, grant.max_size, grant.intake.max_files, grant.intake.total_bytes):
        if number is not None and not 0 <= number <= LARGEST:
            raise ValueError("a count is 0 or more and below 2**63")
    if not storable_id(grant.id):
        raise ValueError("a grant's id is in ASCII")
    check_texts(str(grant.owner), grant.label or "", grant.rule or "")
    check_texts(*(text for approval in grant.approvals for text in approval[:2]))
    if grant.scope is not None:
        check_texts(grant.scope.bucket, grant.scope.root)


def check_texts(*texts: str) -> None:
    """Raises ValueError for a text with NUL or a lone surrogate."""
    for text in texts:
        if "\x00" in text:
            raise ValueError("a stored text holds no NUL")
        text.encode()


def check_filter(wanted: GrantFilter) -> None:
    """Raises ValueError for a filter whose texts no stored grant can have."""
    check_texts(wanted.bucket or "", wanted.prefix or "", wanted.label or "")


def storable_id(grant_id: str) -> bool:
    """Whether a grant can have this id at all; what comes from a URL may hold anything."""
    return grant_id.isascii() and "\x00" not in grant_id


def check_targets(targets: Sequence[RevocationTarget], reason: str, by: str) -> None:
    """Raises ValueError for a revocation whose texts not every engine can hold."""
    check_texts(reason, by, *(text for target in targets for text in (target.name, target.prefix)))


def grant_of(row: GrantRow) -> Grant:
    """The grant of a stored row.

    Raises:
        DependencyDown: the row is damaged, which is the store's fault and not the caller's.
    """
    try:
        return read_grant(row)
    except ValueError as error:
        raise DependencyDown("grants", f"the stored grant {row.id} cannot be read: {type(error).__name__}") from error


def edited_columns(grant: Grant) -> dict[str, object]:
    """What an edit replaces in a table of grants, by the names of the columns."""
    return {
        "hash": grant.hash,
        "owner": str(grant.owner),
        "not_before": grant.not_before,
        "expires_at": grant.expires_at,
        "uses": grant.uses,
        "budget": grant.budget,
        "bucket": None if grant.scope is None else grant.scope.bucket,
        "root": None if grant.scope is None else grant.scope.root,
        "label": grant.label,
        "rule": grant.rule,
        "suspended_at": grant.suspended_at,
        "waiting_until": None if grant.waiting is None else grant.waiting.until,
        "session": grant.session_hash is not None,
        "document": document_of(grant),
    }


_IN_A_TURN: Final = 32
"""Records: a fifth of a millisecond."""


def record_text(record: Record) -> str:
    """JSON; all in ASCII when a refused request's key is one that no database text could hold."""
    document: dict[str, object] = {  # written out, as each request does this
        "request_id": record.request_id,
        "at": record.at,
        "duration": record.duration,
        "principal": record.principal,
        "grant_id": record.grant_id,
        "operation": record.operation,
        "bucket": record.bucket,
        "key": record.key,
        "backend": record.backend,
        "peer": record.peer,
        "status": record.status,
        "outcome": record.outcome,
        "reason": record.reason,
        "bytes_in": record.bytes_in,
        "bytes_out": record.bytes_out,
        "fresh_use": record.fresh_use,
    }
    if record.terms:  # without these, it is as an older gateway wrote it, and reads it
        document["terms"] = record.terms
    if record.holder:
        document["holder"] = record.holder
    try:
        return orjson.dumps(document).decode()
    except orjson.JSONEncodeError:
        return json.dumps(document)


async def record_texts(records: Sequence[Record]) -> list[str]:
    """`record_text` of each, while requests go on: a thousand of them at once would keep every client waiting."""
    texts: list[str] = []
    for start in range(0, len(records), _IN_A_TURN):
        texts += [record_text(record) for record in records[start : start + _IN_A_TURN]]
        await asyncio.sleep(0)
    return texts


def record_from(text: str) -> Record:
    """Raises DependencyDown("audit") for a damaged record."""
    try:
        document: dict[str, Any] = json.loads(text)
        return Record(**{**document, "outcome": Outcome(document["outcome"])})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DependencyDown("audit", f"a stored record cannot be read: {type(error).__name__}") from error


def record_page(letter: str, rows: Sequence[Sequence[Any]], limit: int) -> RecordPage:
    """The page of what was found, one row more than `limit` where the list goes on.

    Each row is a position in the list of this letter and, last, the record's text.
    """
    more = write_cursor(letter, *rows[limit - 1][:-1]) if len(rows) > limit else None
    return RecordPage([record_from(row[-1]) for row in rows[:limit]], more)


def write_cursor(letter: str, *position: int | float | str) -> str:
    """A cursor's text. `letter` tells the lists apart, so that one list's cursor is refused by another."""
    return urlsafe_b64encode(json.dumps([letter, *position]).encode()).decode().rstrip("=")


def read_cursor(letter: str, text: str, length: int) -> list[int | float]:
    """The position inside a cursor of numbers. Raises ValueError for any text that `write_cursor` did not make."""
    try:
        position = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        position = None
    if (
        not isinstance(position, list)
        or len(position) != length + 1
        or position[0] != letter
        or not all(isinstance(part, int | float) and abs(part) <= LARGEST for part in position[1:])
    ):
        raise ValueError("the cursor was not given by this list")
    return position[1:]


def read_place(letter: str, text: str) -> tuple[str, str]:
    """The position inside a cursor of two texts. Raises ValueError for any text that `write_cursor` did not make."""
    try:
        place = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        place = None
    match place:
        case [str(found), str(first), str(second)] if found == letter:
            return first, second
        case _:
            raise ValueError("the cursor was not given by this list")
