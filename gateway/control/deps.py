"""Owns what the control plane needs from outside, in one value of three parts that the composition root fills.

Refuses to own any of the parts.

Law: there is no default. What is forgotten fails at the start, instead of permitting.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Literal, NamedTuple

from gateway.core.duty import AdminTerms
from gateway.core.finding import Finding
from gateway.core.grant import Grant, GrantAdmin
from gateway.core.holders import ProvedBy
from gateway.core.identity import IdentityRules, IdentityVerifier, ProxyRules, PublicClient
from gateway.core.issued import RemoteIssuer
from gateway.core.lease import LeaseStore
from gateway.core.pattern import NamePattern
from gateway.core.policy import Policy
from gateway.core.record import AuditEvent, Ledger
from gateway.core.revocation import RevocationFeed
from gateway.core.route import Upstream
from gateway.core.sealing import Resealer, Sealer
from gateway.core.session_role import SessionRole
from gateway.core.token import SecretHash
from gateway.pages.branding import Branding

StaffRole = Literal["admin", "audit"]


class Transfer(NamedTuple):
    """A request of the data plane whose bytes are moving now. `owner` is whose link or key it came with, or who acts.

    `began_at` is in seconds since the epoch, `moved` counts the bytes of bodies in both directions. `holder` is who
    proved to be one of a link's, as the log shows it.
    """

    id: str
    owner: str
    principal: str
    operation: str
    bucket: str
    key: str
    peer: str
    began_at: float
    moved: int
    holder: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ConsoleRules:
    """Whether there are pages for people, where browsers reach them, how somebody signs in there, and for how long.

    `public_url` is None where it is what a browser asks for. `idle` and `longest` are in seconds. `sign_ins` are the
    issuers that people are sent to. What `proxies` (`proxy_socket`: a Unix socket) say was asked for is believed.
    """

    enabled: bool
    branding: Branding
    public_url: str | None
    idle: float
    longest: float
    sign_ins: tuple[IdentityRules, ...]
    proxies: tuple[IPv4Network | IPv6Network, ...]
    proxy_socket: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Callers:
    """Whose each token is, by its SHA-256. One immutable value, swapped whole at a reload.

    `proxy` is how a front proxy says who its caller is. `roles` says which users and groups are `admin` or `audit`;
    everybody else has their own. `sidecar_apps` maps a sidecar's name to the apps of which it may have keys issued,
    `sidecar_serves` to the owners whose grants it is given (an admin, who is not named there, is given all).
    `sts_roles` are those that holders of keys may take. `clients` are those with which people sign in by themselves.
    """

    admins: Mapping[SecretHash, AdminTerms]
    sidecars: Mapping[SecretHash, str]
    apps: Mapping[SecretHash, str]
    proxy: ProxyRules | None
    roles: Mapping[StaffRole, tuple[NamePattern, ...]]
    sidecar_apps: Mapping[str, frozenset[str]]
    sidecar_serves: Mapping[str, tuple[NamePattern, ...]]
    sts_roles: Mapping[str, SessionRole]
    clients: tuple[PublicClient, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stores:
    """What is stored.

    `issuer` makes the apps' short-lived keys where a central gateway does, and is None where this one does. `resealer`
    is None where there are no sealing keys.
    """

    grants: GrantAdmin
    leases: LeaseStore
    feed: RevocationFeed
    ledger: Ledger
    sealer: Sealer
    resealer: Resealer | None
    issuer: RemoteIssuer | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Live:
    """What is in force. It is asked at every request, so that a reload and a revocation take effect.

    `apply_now` returns when this process's own revocation view has caught up with the feed; `ended` says that this view
    ends a key wherever it is used. `clock` gives seconds since the epoch. `public_url` is what links begin with;
    `address` is by what this gateway knows the keys that it had issued;
    `audit_required` is the declared posture of the audit trail, true is closed.
    `profile_of` names a backend's profile; `examine` tries a known backend for some seconds, and changes nothing in it.
    `proofs` are the ways in which people can prove here who they are.
    """

    policy: Callable[[], Policy]
    callers: Callable[[], Callers]
    public_url: Callable[[], str]
    address: Callable[[], str]
    audit_required: Callable[[], bool]
    apply_now: Callable[[], Awaitable[None]]
    ended: Callable[[Grant], bool]
    profile_of: Callable[[str], str]
    examine: Callable[[str], Awaitable[Sequence[Finding]]]
    clock: Callable[[], float]
    entropy: Callable[[int], bytes]
    upstream: Upstream
    identity: IdentityVerifier | None
    console: Callable[[], ConsoleRules]
    proofs: Callable[[], frozenset[ProvedBy]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """The running process: what it tells, and what an operator changes in it.

    `shown` gives a caller's address as the log shows it.
    `ready` gives the faults that keep the gateway from serving, by name. `metrics` takes an Accept header and gives a
    content type and a text, or None when a process of this gateway does not answer. `know` is given the names of the
    API's operations before `count` is given a request that ended: the name of its operation, its status, its seconds;
    `tell` is given every administrative act. `drain` takes a known backend out of use, or back; `log_at` changes the
    level of the log, for so many seconds where they are given; a reload undoes both. `processes` is how many serve at
    this listener's address; both answer how many of these have changed. `share` gives the others what one of them says
    of a session of the console (`gateway.control.console.sessions`). `transfers` are those of all of them; `cut` ends
    the one of an id and an owner, if there is one.
    """

    ready: Callable[[], Mapping[str, str]]
    metrics: Callable[[str], Awaitable[tuple[str, bytes] | None]]
    know: Callable[[frozenset[str]], None]
    count: Callable[[str, int, float], None]
    tell: Callable[[AuditEvent], None]
    shown: Callable[[str], str]
    drain: Callable[[str, bool], Awaitable[int]]
    log_at: Callable[[str, float | None], Awaitable[int]]
    share: Callable[[str], Awaitable[int]]
    transfers: Callable[[], Awaitable[Sequence[Transfer]]]
    cut: Callable[[str, str], Awaitable[bool]]
    processes: int
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlDeps:
    """Everything the control listener is built from."""

    stores: Stores
    live: Live
    process: Process
