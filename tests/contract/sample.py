"""Grants, records and a clock for the contract suite."""

from __future__ import annotations

import itertools
import secrets
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

from gateway.core.approval import Approval, Waiting
from gateway.core.attempt import Principal
from gateway.core.grant import Grant, GrantKind, Scope, Shown
from gateway.core.holders import Holders, ProvedBy
from gateway.core.intake import Intake
from gateway.core.narrowing import Narrowing
from gateway.core.record import Outcome, Record
from gateway.core.request import Action
from gateway.core.token import hash_secret
from gateway.core.units import Rate
from gateway.stores.keyring import KeyRing
from gateway.stores.sealed import SealedGrants

NOW = 1_800_000_000.0
FIRST, SECOND = (1, "a sealing key of enough characters, 1"), (2, "a sealing key of enough characters, 2")
_numbers = itertools.count(1)


class FakeClock:
    """A clock that moves only when told to."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def link(name: str = "", **changes: Any) -> Grant:
    """A link with a name and a secret of its own."""
    name = name or f"l_{next(_numbers)}"
    plain = Grant(
        id=name,
        kind=GrantKind.LINK,
        hash=hash_secret(f"the secret of {name}"),
        owner=Principal("app", "billing"),
        issued_at=NOW,
        scope=Scope("reports", prefix="billing/"),
        actions=frozenset({Action.READ}),
    )
    return replace(plain, **changes)


def key(name: str = "", **changes: Any) -> Grant:
    """An access key with a name and an id of its own."""
    name = name or f"k_{next(_numbers)}"
    plain = Grant(
        id=name,
        kind=GrantKind.KEY,
        hash=hash_secret(f"the access key id of {name}"),
        owner=Principal("app", "billing"),
        issued_at=NOW,
        sealed=b"\x00\xffsealed",
    )
    return replace(plain, **changes)


def full_key() -> Grant:
    """A key with every field set that keys have."""
    return key(
        narrowed=(
            Narrowing(bucket="reports", prefix="2026/", actions=frozenset({Action.READ, Action.LIST})),
            Narrowing(bucket="reports", keys=frozenset({"a/Übersicht 🧾.pdf", "b"})),
            Narrowing(actions=frozenset({Action.DELETE})),
        ),
        not_before=NOW + 0.125,
        expires_at=NOW + 86400.25,
        uses=3,
        budget=2**62,
        rate=Rate(5, 0.5, 7),
        cidrs=(ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")),
        label="batch",
        suspended_at=NOW + 1.5,
        suspended_by="admin:ops",
        waiting=Waiting(NOW + 0.5, NOW + 3600.25, ("app:billing", "admin:ops")),
        approvals=(Approval("billing reads reports", "user:ann@acme.example", NOW + 0.25),),
        session_hash=hash_secret("session"),
        source=("entry", "http://gw", "f"),
        issued_by="admin:ops",
    )


def full_link() -> Grant:
    """A link with every field set, so that nothing can be forgotten on the way to a store and back."""
    return link(
        scope=Scope("reports", key="billing/Übersicht 2027 🧾.pdf"),
        actions=frozenset({Action.READ, Action.LIST, Action.WRITE}),
        not_before=NOW + 0.125,
        expires_at=NOW + 86400.25,
        uses=3,
        budget=2**62,
        max_size=2**40,
        intake=Intake(
            max_files=2**40,
            total_bytes=2**62,
            types=("image/*", "text/csv"),
            names="{date}/{uuid}-{name}",
            rename=True,
            blind=True,
            undo=60.5,
            message="Grüße\n🧾",
        ),
        overwrite=True,
        confirm=True,
        groups=("/ops", "finance"),
        once=True,
        credentials=False,
        rate=Rate(5, 0.5, 7),
        cidrs=(ip_network("192.0.2.0/24"), ip_network("2001:db8::/32")),
        password="scrypt$c2FsdA==$aGFzaA==",
        label='für "Anna" \U0001f600\n\'; DROP TABLE grants; --',
        filename="a\r\nb\x00.pdf",
        content_type="application/pdf",
        etag='"abc"',
        terms="Nur für \U0001f600.\nNot for others.",
        holders=Holders(
            ("ann@acme.example",), ("b.example",), ("grün",), ProvedBy.OIDC, bytes(range(32)), ("eve@b.example",)
        ),
        shows=frozenset(Shown),
        rule="billing may share invoices",
        waiting=Waiting(NOW, NOW + 3600.25, ("user:ann@acme.example",)),
        approvals=(Approval("billing may share invoices", "admin:ops", NOW), Approval("another", "user:b", NOW + 1)),
        session_hash=hash_secret("a session token"),
        issued_by="admin:ops",
    )


def record(grant_id: str | None, at: float = NOW, **changes: Any) -> Record:
    plain = Record(
        request_id=f"r{next(_numbers)}",
        at=at,
        duration=0.25,
        principal=f"link:{grant_id}",
        grant_id=grant_id,
        operation="GetObject",
        bucket="reports",
        key="billing/a.pdf",
        backend="archive",
        peer="192.0.2.7",
        status=200,
        outcome=Outcome.OK,
    )
    return replace(plain, **changes)


def sealed(store: Any, *keys: tuple[int, str]) -> SealedGrants:
    """The grants of an engine under sealing keys."""
    return SealedGrants(store.grants, store.seals, KeyRing(keys), secrets.token_bytes)
