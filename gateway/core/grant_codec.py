"""Owns the form in which a grant is kept and handed on: a row of plain columns and a JSON document.

Refuses to own tables and connections (`gateway.stores`) and who may have it (`gateway.control`).

Law: what the store itself changes (serial, version, revocation) stands in columns of its own and never in the
document, so that an edit that was read before a revocation cannot write it away. What narrows a key keeps its secret
from whoever cannot read what narrows it: an older gateway finds none, and refuses the key. What else decides, as the
groups of a link's owner do, or which files it takes, has not begun for whoever cannot read it.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from ipaddress import ip_network
from typing import Any, Final, NamedTuple

from gateway.core.approval import Approval, Waiting
from gateway.core.attempt import Principal
from gateway.core.grant import Grant, GrantKind, Scope, Shown
from gateway.core.holders import Holder, Holders, ProvedBy
from gateway.core.intake import ANY_FILES, Intake
from gateway.core.narrowing import Narrowing
from gateway.core.request import Action
from gateway.core.session_policy_text import read_session_policy
from gateway.core.token import SecretHash
from gateway.core.units import Rate

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
_NEVER: Final = 253402300799.0
"""9999-12-31T23:59:59Z."""

_SWITCHES: Final = ("overwrite", "confirm", "once")


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


def row_of(grant: Grant) -> GrantRow:
    """The grant as one row."""
    return GrantRow(
        id=grant.id,
        kind=str(grant.kind),
        hash=grant.hash,
        owner=str(grant.owner),
        issued_at=grant.issued_at,
        serial=grant.serial,
        version=grant.version,
        revoked_at=grant.revoked_at,
        revoked_reason=grant.revoked_reason,
        document=document_of(grant),
    )


def document_of(grant: Grant) -> str:
    """Everything that an edit may replace, as JSON in ASCII; fields at their defaults are left out."""
    document: dict[str, Any] = {name: getattr(grant, name) for name in _PLAIN if getattr(grant, name) is not None}
    if grant.scope is not None:
        document["scope"] = [grant.scope.bucket, grant.scope.key, grant.scope.prefix]
    document |= {name: sorted(values) for name in ("actions", "shows") if (values := getattr(grant, name))}
    document |= {name: True for name in _SWITCHES if getattr(grant, name)}
    if not grant.credentials:
        document["credentials"] = False
    if grant.rate is not None:
        document["rate"] = [grant.rate.count, grant.rate.per, grant.rate.burst]
    if grant.cidrs:
        document["cidrs"] = [str(network) for network in grant.cidrs]
    if grant.session_hash is not None:
        document["session_hash"] = grant.session_hash.hex()
    if grant.source:
        document["source"] = grant.source
    if grant.issued_by:
        document["issued_by"] = grant.issued_by
    if grant.approvals:
        document["approvals"] = [list(approval) for approval in grant.approvals]
    document |= _write_secret(grant) | _write_unbegun(grant)
    return json.dumps(document, separators=(",", ":"))


def _write_secret(grant: Grant) -> dict[str, Any]:
    """A key's secret, and what narrows the key: where anything does, only who knows of it finds the secret."""
    written: dict[str, Any] = {}
    if grant.narrowed:
        written["narrowed"] = [_write_narrowing(part) for part in grant.narrowed]
    if grant.session_policy is not None:
        written["session_policy"] = grant.session_policy.text
    if grant.link is not None:
        written["link"] = grant.link.hex()
    if grant.holder is not None:
        written["holder"] = _write_holder(grant.holder)
    if grant.sealed is not None:
        written["sealed_narrowed" if written or grant.counted else "sealed"] = b64encode(grant.sealed).decode()
    return written


def _write_unbegun(grant: Grant) -> dict[str, Any]:
    """What says that a grant stands on groups, has terms or holders, is not approved yet, or suspended, and when it
    begins for whoever knows what that is."""
    written: dict[str, Any] = {}
    begins = grant.not_before
    if grant.holders is not None and grant.holders.excluded:
        # the newest is the innermost: who does not know it finds no instant below what it knows
        written["excluded"], begins = [list(grant.holders.excluded), begins], _NEVER
    if grant.intake != ANY_FILES:
        written["intake"] = _write_intake(grant.intake) | {"begins": begins}
        begins = _NEVER if grant.intake.narrows else begins
    if grant.groups:
        written["groups"], begins = [list(grant.groups), begins], _NEVER
    if grant.holders is not None:
        written["holders"], begins = [*_write_holders(grant.holders), begins], _NEVER
    if grant.terms is not None:
        written["terms"], begins = [grant.terms, begins], _NEVER
    if grant.waiting is not None:
        written["waiting"], begins = [*grant.waiting, begins], _NEVER
    if grant.suspended_at is not None:
        written["suspended"], begins = [grant.suspended_at, grant.suspended_by, begins], _NEVER
    return written | {"not_before": begins} if written else {}


def _write_intake(intake: Intake) -> dict[str, Any]:
    fields = ((name, getattr(intake, name), getattr(ANY_FILES, name)) for name in Intake.__slots__)
    return {name: value for name, value, plain in fields if value != plain}


def _read_intake(document: dict[str, Any], begins: float | None) -> tuple[Intake, float | None]:
    """What is wanted of files, and when the grant begins, unless something is wanted: `begins`, or what is written
    within for who may not use it."""
    inner = document.get("excluded", (None, None))
    fields: dict[str, Any] | None = document.get("intake")
    if fields is None:
        return ANY_FILES, inner[1] if "excluded" in document else begins
    known = {name: fields[name] for name in Intake.__slots__ if name in fields}
    understood = fields.keys() <= {*known, "begins"}
    begins = inner[1] if "excluded" in document else fields["begins"]
    return Intake(**known | {"types": tuple(fields.get("types", ()))}), begins if understood else _NEVER


def _write_holder(holder: Holder) -> list[Any]:
    return [holder.address, list(holder.groups), str(holder.by), holder.until]


def _write_holders(holders: Holders) -> list[Any]:
    named = (list(names) for names in (holders.emails, holders.domains, holders.groups))
    return [*named, str(holders.by), b64encode(holders.key).decode()]


def _read_holders(document: dict[str, Any], begins: float | None) -> tuple[Holders | None, float | None]:
    """Who may use it, and when the grant begins: `begins`, unless somebody is named."""
    if "holders" not in document:
        return None, begins
    emails, domains, groups, by, key, begins = document["holders"]
    excluded = tuple(document.get("excluded", ((), None))[0])
    return Holders(tuple(emails), tuple(domains), tuple(groups), ProvedBy(by), b64decode(key), excluded), begins


def _read_holder(columns: list[Any] | None) -> Holder | None:
    if columns is None:
        return None
    address, groups, by, until = columns
    return Holder(address, tuple(groups), ProvedBy(by), until)


def read_grant(row: GrantRow) -> Grant:
    """The grant of a row.

    Raises:
        ValueError: the row is damaged.
    """
    try:
        return _grant_of(row)
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"not a stored grant: {type(error).__name__}") from error


def _grant_of(row: GrantRow) -> Grant:
    document: dict[str, Any] = json.loads(row.document)
    chosen: dict[str, Any] = {name: document.get(name) for name in _PLAIN}
    chosen |= {name: document.get(name, False) for name in _SWITCHES}
    suspended_at, suspended_by, begins = document.get("suspended", (None, "", chosen["not_before"]))
    since, until, asked_by, begins = document.get("waiting", (None, None, (), begins))
    terms, begins = document.get("terms", (None, begins))
    holders, begins = _read_holders(document, begins)
    groups, begins = document.get("groups", ((), begins))
    intake, chosen["not_before"] = _read_intake(document, begins)
    scope, rate = document.get("scope"), document.get("rate")
    sealed, session_hash = document.get("sealed_narrowed", document.get("sealed")), document.get("session_hash")
    session_policy, link = document.get("session_policy"), document.get("link")
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
        narrowed=tuple(map(_read_narrowing, document.get("narrowed", ()))),
        actions=frozenset(Action(action) for action in document.get("actions", ())),
        shows=frozenset(Shown(text) for text in document.get("shows", ())),
        rate=None if rate is None else Rate(*rate),
        cidrs=tuple(ip_network(text) for text in document.get("cidrs", ())),
        sealed=None if sealed is None else b64decode(sealed),
        session_hash=None if session_hash is None else SecretHash(bytes.fromhex(session_hash)),
        source=tuple(document.get("source", ())),
        groups=tuple(groups),
        terms=terms,
        holders=holders,
        holder=_read_holder(document.get("holder")),
        intake=intake,
        session_policy=None if session_policy is None else read_session_policy(session_policy),
        credentials=document.get("credentials", True),
        link=None if link is None else SecretHash(bytes.fromhex(link)),
        suspended_at=suspended_at,
        suspended_by=suspended_by,
        waiting=None if since is None else Waiting(since, until, tuple(asked_by)),
        approvals=tuple(Approval(*approval) for approval in document.get("approvals", ())),
        issued_by=document.get("issued_by", ""),
        **chosen,
    )


def _write_narrowing(part: Narrowing) -> list[Any]:
    return [part.bucket, part.prefix, sorted(part.keys), sorted(part.actions)]


def _read_narrowing(columns: list[Any]) -> Narrowing:
    bucket, prefix, keys, actions = columns
    return Narrowing(
        bucket=bucket, prefix=prefix, keys=frozenset(keys), actions=frozenset(Action(action) for action in actions)
    )
