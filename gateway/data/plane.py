"""Owns the snapshot that one request is judged by, and the running parts that all requests share.

Refuses to own how either is built (`gateway.app`).
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol

from cachetools import LRUCache

from gateway.core.attempt import Address, Principal, SignatureVersion
from gateway.core.grant import Grant
from gateway.core.identity import IdentityRules, IdentityVerifier
from gateway.core.issued import LinkIssuer
from gateway.core.lease import LeaseStore
from gateway.core.limits import Demand, LimitStore, Verdict
from gateway.core.policy import Policy
from gateway.core.posture import FailPosture
from gateway.core.reasons import DependencyDown
from gateway.core.route import Answer, Backend, Cors, Upstream, UpstreamCall
from gateway.core.token import SecretHash
from gateway.data.state.bandwidth import BandwidthShaper
from gateway.data.state.grants import Grants
from gateway.data.state.guess_limiter import GuessLimiter, Turns
from gateway.data.state.known_parts import KnownParts
from gateway.data.state.memory_budget import MemoryBudget
from gateway.data.state.names import Names
from gateway.data.state.password_threads import Passwords
from gateway.data.state.records import Accounts
from gateway.data.state.revocation_follower import RevocationFollower
from gateway.data.state.store_shares import StoreShares
from gateway.data.state.transfers import Permit, Transfers
from gateway.data.state.upload_locks import UploadLocks
from gateway.pages.branding import Branding
from gateway.pages.render import Look
from gateway.server.client_address import is_trusted
from gateway.telemetry.metrics import Metrics

_STANDINGS = 10_000
_LISTS_ROOM = 144 * 1024**2
"""Bytes: the largest archive fits into the share that one holder may have."""

_PARTS_ROOM = 256 * 1024**2
"""Bytes: thirty-two large uploads of unknown length at once in one process, and any number of small ones."""


class PartsUpload(Protocol):
    """Sends a body of unknown or excessive length as a multipart upload, aborted if anything fails.

    `confirm` is called before each part and before the object appears; what it raises ends the upload.
    """

    async def __call__(
        self,
        call: UpstreamCall,
        chunks: AsyncIterator[bytes],
        length: int | None,
        backend: Backend,
        confirm: Callable[[], Awaitable[None]],
    ) -> Answer: ...


class SendCode(Protocol):
    """Has a code sent by mail, written as this look has it, in its own time; nothing is sent to None."""

    async def __call__(self, address: str | None, code: str, look: Look) -> None: ...


class Renewing(Protocol):
    """Asks again whether a request may run (`gateway.data.steps.renew`)."""

    async def admit_again(self, permit: Permit) -> None:
        """To be asked of what had to wait before it could run."""
        ...

    async def confirm(self, permit: Permit) -> None:
        """To be asked of what runs, before what cannot be taken back."""
        ...


@dataclass(frozen=True, slots=True)
class Terms:
    """What one data listener has of its own: the app that its unsigned requests act as, and whether a signed request
    may come with a `Content-Type` that it does not sign, and which versions of signatures are believed."""

    trusted: Principal | None = None
    unsigned_content_type: bool = True
    signatures: frozenset[SignatureVersion] = frozenset({"v2", "v4"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """What a request is judged by: immutable, swapped whole on reload.

    `public_url` has no trailing slash. `trusted_socket` says that peers on a Unix socket are trusted proxies, too,
    and `drafts` that links take uploads by the IETF's draft beside those by tus. `sign_ins` are the issuers at which
    people prove that a link is for them.
    """

    policy: Policy
    posture: FailPosture
    public_url: str
    domains: tuple[str, ...] = ()
    trusted_proxies: tuple[IPv4Network | IPv6Network, ...] = ()
    trusted_socket: bool = False
    max_transfers: int = 1024
    region: str = "us-east-1"
    branding: Branding = field(default_factory=Branding)
    sign_ins: tuple[IdentityRules, ...] = ()
    drafts: bool = False

    def trusts(self, peer: Address | None) -> bool:
        """Whether this peer is a trusted proxy."""
        return is_trusted(peer, self.trusted_proxies, trusted_socket=self.trusted_socket)

    def cors_of(self, bucket: str) -> tuple[Cors, ...]:
        """The cross-origin rules of a bucket of this name; of none there are none."""
        found = self.policy.buckets.get(bucket)
        return found.cors if found is not None else ()

    def with_drained(self, name: str, *, drained: bool) -> Snapshot:
        """The same with one known backend out of use, or back. Raises KeyError if there is none of this name."""
        backend = replace(self.policy.backends[name], drained=drained)
        return replace(self, policy=replace(self.policy, backends={**self.policy.backends, name: backend}))


@dataclass(slots=True, kw_only=True)
class DataPlane:
    """The parts of the data plane. Only `snapshot` is ever replaced.

    `body_memory` is the memory for bodies that are buffered, `part_memory` that for uploads of unknown length,
    `archive_memory` that for the members of archives. `turns` are those of addresses that guess, at the grant store.
    `standings` are keys that stand for a link, that link, and what it is by them, as long as both are the same.
    `send_code` is None where no mail is sent, `identity` where no issuer is believed.
    `renewals` and `link_issuer` know the plane and are therefore set once all are there: no request runs without the
    one, and no link gives credentials without the other.
    """

    snapshot: Snapshot
    upstream: Upstream
    grants: Grants
    follower: RevocationFollower
    leases: LeaseStore
    limits: LimitStore
    transfers: Transfers
    shaper: BandwidthShaper
    guesses: GuessLimiter
    names: Names
    upload_parts: PartsUpload
    accounts: Accounts
    metrics: Metrics
    clock: Callable[[], float]
    entropy: Callable[[int], bytes]
    passwords: Passwords = field(default_factory=Passwords)
    turns: Turns = field(default_factory=Turns)
    standings: LRUCache[SecretHash, tuple[Grant, Grant | None, Grant]] = field(
        default_factory=lambda: LRUCache(_STANDINGS)
    )
    upload_locks: UploadLocks = field(default_factory=UploadLocks)
    known_parts: KnownParts = field(default_factory=KnownParts)
    shares: StoreShares = field(default_factory=StoreShares)
    body_memory: MemoryBudget = field(default_factory=MemoryBudget)
    archive_memory: MemoryBudget = field(default_factory=lambda: MemoryBudget(_LISTS_ROOM))
    part_memory: MemoryBudget = field(default_factory=lambda: MemoryBudget(_PARTS_ROOM))
    draining: bool = False
    send_code: SendCode | None = None
    identity: IdentityVerifier | None = None
    renewals: Renewing = field(init=False)
    link_issuer: LinkIssuer = field(init=False)

    async def take_limits(self, snapshot: Snapshot, demands: Sequence[Demand], now: float) -> Verdict | None:
        """What the limit store says; None while it is down and its posture lets pass.

        Raises:
            DependencyDown: it is down, and its posture is closed.
        """
        try:
            return await self.limits.take(demands, now)
        except DependencyDown:
            if snapshot.posture.limits == "closed":
                raise
            self.metrics.count_limiter_decision("skipped")
            return None

    async def move_to(self, permit: Permit, key: str) -> None:
        """Let a permit be about another key, if that is allowed, too.

        Raises:
            Refused: as `Renewing.admit_again`.
        """
        permit.attempt = replace(permit.attempt, key=key)
        await self.renewals.admit_again(permit)
