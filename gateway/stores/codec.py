"""Owns how grants, records and cursors are written as text, the same for every engine.

Refuses to own tables and connections.

Law: what the store itself changes (serial, version, revocation) stands in columns of its own and never in the
document, so that an edit that was read before a revocation cannot write it away. A cursor is opaque to callers and
is checked when it comes back.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode, urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import fields
from ipaddress import ip_network
from typing import Any, Final, NamedTuple

from gateway.core.attempt import Principal
from gateway.core.grant import Grant, GrantFilter, GrantKind, Scope
from gateway.core.reasons import DependencyDown
from gateway.core.record import Outcome, Record
from gateway.core.request import Action
from gateway.core.revocation import RevocationTarget
from gateway.core.token import SecretHash
from gateway.core.units import Rate

__all__ = [
    "LARGEST",
    "GrantRow",
    "check_filter",
    "check_storable",
    "check_targets",
    "check_texts",
    "document_of",
    "grant_of",
    "read_cursor",
    "read_place",
    "record_from",
    "record_text",
    "storable_id",
    "write_cursor",
    "write_place",
]

LARGEST: Final = 2**63 - 1
"""What the integer columns of SQLite and PostgreSQL hold."""

_PLAIN: Final = (
    "not_before",
    "expires_at",
    "uses",
    "budget",
    "max_size",
    "password",
    "label",
    "filename",
    "content_type",
    "etag",
    "rule",
)


class GrantRow(NamedTuple):
    """The columns that make up one grant, in the order in which every engine selects them."""

    id: str
    kind: str
    hash: bytes
    owner: str
    issued_at: float
    serial: int
    version: int
    revoked_at: float | None
    revoked_reason: str | None
    document: str


def check_storable(grant: Grant, idempotency: str | None = None) -> None:
    """Raises ValueError for what not every engine can hold: NUL, lone surrogates, counts above 63 bits."""
    check_texts(idempotency or "")
    for number in (grant.uses, grant.budget, grant.max_size):
        if number is not None and not 0 <= number <= LARGEST:
            raise ValueError("a count is 0 or more and below 2**63")
    if not storable_id(grant.id):
        raise ValueError("a grant's id is in ASCII")
    check_texts(str(grant.owner), grant.label or "", grant.rule or "")
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


def document_of(grant: Grant) -> str:
    """Everything that an edit may replace, as JSON in ASCII; fields at their defaults are left out."""
    document: dict[str, Any] = {name: getattr(grant, name) for name in _PLAIN if getattr(grant, name) is not None}
    if grant.scope is not None:
        document["scope"] = [grant.scope.bucket, grant.scope.key, grant.scope.prefix]
    if grant.actions:
        document["actions"] = sorted(grant.actions)
    if grant.overwrite:
        document["overwrite"] = True
    if grant.rate is not None:
        document["rate"] = [grant.rate.count, grant.rate.per, grant.rate.burst]
    if grant.cidrs:
        document["cidrs"] = [str(network) for network in grant.cidrs]
    if grant.sealed is not None:
        document["sealed"] = b64encode(grant.sealed).decode()
    if grant.session_hash is not None:
        document["session_hash"] = grant.session_hash.hex()
    if grant.issued_by:
        document["issued_by"] = grant.issued_by
    return json.dumps(document, separators=(",", ":"))


def grant_of(row: GrantRow) -> Grant:
    """The grant of a stored row.

    Raises:
        DependencyDown: the row is damaged, which is the store's fault and not the caller's.
    """
    try:
        return _grant_of(row)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DependencyDown("grants", f"the stored grant {row.id} cannot be read: {type(error).__name__}") from error


def _grant_of(row: GrantRow) -> Grant:
    document: dict[str, Any] = json.loads(row.document)
    scope, rate = document.get("scope"), document.get("rate")
    sealed, session_hash = document.get("sealed"), document.get("session_hash")
    return Grant(
        id=row.id,
        kind=GrantKind(row.kind),
        hash=SecretHash(bytes(row.hash)),
        owner=Principal.parse(row.owner),
        issued_at=row.issued_at,
        serial=row.serial,
        version=row.version,
        revoked_at=row.revoked_at,
        revoked_reason=row.revoked_reason,
        scope=None if scope is None else Scope(*scope),
        actions=frozenset(Action(action) for action in document.get("actions", ())),
        overwrite=document.get("overwrite", False),
        rate=None if rate is None else Rate(*rate),
        cidrs=tuple(ip_network(text) for text in document.get("cidrs", ())),
        sealed=None if sealed is None else b64decode(sealed),
        session_hash=None if session_hash is None else SecretHash(bytes.fromhex(session_hash)),
        issued_by=document.get("issued_by", ""),
        **{name: document.get(name) for name in _PLAIN},
    )


_RECORD_FIELDS: Final = tuple(field.name for field in fields(Record))


def record_text(record: Record) -> str:
    """JSON in ASCII: a refused request may carry a key that no database text could hold."""
    return json.dumps({name: getattr(record, name) for name in _RECORD_FIELDS}, separators=(",", ":"))


def record_from(text: str) -> Record:
    """Raises DependencyDown("audit") for a damaged record."""
    try:
        document: dict[str, Any] = json.loads(text)
        return Record(**{**document, "outcome": Outcome(document["outcome"])})
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise DependencyDown("audit", f"a stored record cannot be read: {type(error).__name__}") from error


def write_cursor(letter: str, *position: int | float) -> str:
    """A cursor's text. `letter` tells the lists apart, so that one list's cursor is refused by another."""
    return urlsafe_b64encode(json.dumps([letter, *position]).encode()).decode().rstrip("=")


def read_cursor(letter: str, text: str, length: int) -> list[int | float]:
    """The position inside a cursor. Raises ValueError for any text that `write_cursor` did not make."""
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


def write_place(letter: str, *texts: str) -> str:
    """Like `write_cursor`, for a position made of texts."""
    return urlsafe_b64encode(json.dumps([letter, *texts]).encode()).decode().rstrip("=")


def read_place(letter: str, text: str) -> tuple[str, str]:
    """The position inside such a cursor. Raises ValueError for any text that `write_place` did not make."""
    try:
        place = json.loads(urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    except ValueError:
        place = None
    match place:
        case [str(found), str(first), str(second)] if found == letter:
            return first, second
        case _:
            raise ValueError("the cursor was not given by this list")
