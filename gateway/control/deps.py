"""Owns what the control plane needs from outside, in one value that the composition root fills.

Refuses to own any of the parts.

Law: there is no default. What is forgotten fails at the start, instead of permitting.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from gateway.control.usecases.keys import Sealer
from gateway.core.grant import Grant, GrantAdmin
from gateway.core.issued import SessionIssuer
from gateway.core.lease import LeaseStore
from gateway.core.pattern import NamePattern
from gateway.core.policy import Policy
from gateway.core.record import AuditEvent, Ledger
from gateway.core.revocation import RevocationFeed
from gateway.core.route import Upstream
from gateway.core.sealing import Resealer
from gateway.core.token import SecretHash

__all__ = ["ControlDeps", "IdentityVerifier", "Proved"]


class Proved(NamedTuple):
    """The app that a role stands for, and who took it: whose subject, by a token for which audience."""

    app: str
    issuer: str
    audience: str
    subject: str


class IdentityVerifier(Protocol):
    """Proves who holds a web identity token (OpenID Connect)."""

    async def prove(self, token: str, role: str) -> Proved | None:
        """As whom the token's subject may act when it asks for this role name; None if it may not.

        Raises:
            DependencyDown: the issuer's keys cannot be had.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlDeps:
    """Everything the control listener is built from.

    `apply_now` returns when this process's own revocation view has caught up with the feed. `clock` gives seconds
    since the epoch. `tokens` maps the SHA-256 of tokens to admin names, `app_tokens` to app names, `sidecar_tokens`
    to sidecars, `sidecar_apps` a sidecar's name to the apps of which it may have keys issued, `sidecar_serves` to the
    owners whose grants it is given (an admin, who is not named there, is given all). `public_url` is what
    links begin with; `audit_required` is the declared posture of the audit trail, true is closed. These seven are asked
    at every request, so that a reload takes effect. `issuer` makes the apps' short-lived keys where a central gateway
    does, and is None where this one does. `resealer` is None where there are no sealing keys. `profile_of` names a
    backend's profile. `ready` gives the faults that keep the gateway from serving, by name. `metrics` takes an
    Accept header and gives a content type and a text, or None when a process of this gateway does not answer.
    `count` hears of every request that ended: the name of its operation, its status, and its seconds; `tell` hears
    of every administrative act. `drain` takes a known backend out of use, or back; `log_at` changes the level of the
    log, for so many seconds where they are given; a reload undoes both. `processes` is how many serve at this
    listener's address; both answer how many of these have changed. `ended` says that this process's revocation view
    ends a key wherever it is used.
    """

    grants: GrantAdmin
    leases: LeaseStore
    feed: RevocationFeed
    ledger: Ledger
    policy: Callable[[], Policy]
    apply_now: Callable[[], Awaitable[None]]
    clock: Callable[[], float]
    entropy: Callable[[int], bytes]
    public_url: Callable[[], str]
    sealer: Sealer
    upstream: Upstream
    tokens: Callable[[], Mapping[SecretHash, str]]
    ready: Callable[[], Mapping[str, str]]
    metrics: Callable[[str], Awaitable[tuple[str, bytes] | None]]
    profile_of: Callable[[str], str]
    app_tokens: Callable[[], Mapping[SecretHash, str]]
    sidecar_tokens: Callable[[], Mapping[SecretHash, str]]
    sidecar_apps: Callable[[], Mapping[str, frozenset[str]]]
    sidecar_serves: Callable[[], Mapping[str, tuple[NamePattern, ...]]]
    issuer: SessionIssuer | None
    resealer: Resealer | None
    ended: Callable[[Grant], bool]
    identity: IdentityVerifier | None
    audit_required: Callable[[], bool]
    count: Callable[[str, int, float], None]
    tell: Callable[[AuditEvent], None]
    drain: Callable[[str, bool], Awaitable[int]]
    log_at: Callable[[str, float | None], Awaitable[int]]
    processes: int
    version: str
