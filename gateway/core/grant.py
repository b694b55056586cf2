"""Owns what a credential stands for: `Grant`, its scope, conditions and lifetime, and the stores' interface to it.

Refuses to own what the owner may do (`gateway.core.policy`), revocations by generation (`gateway.core.revocation`)
and counting (`gateway.core.lease`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import field
from enum import StrEnum
from hashlib import sha256
from ipaddress import IPv4Network, IPv6Network
from typing import Final, Protocol

from gateway.core.approval import Approval, Waiting
from gateway.core.attempt import Address, Attempt, Principal
from gateway.core.holders import Holder, Holders
from gateway.core.intake import ANY_FILES, FILES, Intake
from gateway.core.narrowing import Narrowing
from gateway.core.reasons import Reason
from gateway.core.request import DOCUMENTS, OF_LINKS, Action, Operation
from gateway.core.revocation_target import RevocationTarget
from gateway.core.said import phrase
from gateway.core.session_policy import SessionPolicy
from gateway.core.token import SecretHash
from gateway.core.units import Rate
from gateway.core.values import dataclass


class GrantKind(StrEnum):
    LINK = "link"
    KEY = "key"


class Shown(StrEnum):
    """What a link shows of itself to people, where its owner chose so."""

    PAGE = "page"
    """A page before the file, for who opens it in a browser; links with limited uses always have one."""

    SENDER = "sender"
    """On that page, who the owner is."""

    CARD = "card"
    """Name and size to programs that make previews of links."""


class GrantState(StrEnum):
    """What a list shows; `USED_UP` is known only together with the leases, see `gateway.core.lease.state_with`."""

    ACTIVE = "active"
    PENDING = "pending"
    SUSPENDED = "suspended"
    AWAITING_APPROVAL = "awaiting_approval"
    EXPIRED = "expired"
    REVOKED = "revoked"
    USED_UP = "used_up"


_ACTIVE: Final = GrantState.ACTIVE  # a member's name costs six times a global's (enum, until Python 3.12)

LIVING: Final = (
    *(GrantState.ACTIVE, GrantState.PENDING, GrantState.SUSPENDED, GrantState.AWAITING_APPROVAL),
    GrantState.USED_UP,
)
"""The states of what could be used again, by itself or by an edit of what is no end."""

_PROVE: Final = Operation.PROVE_HOLDER


@dataclass(frozen=True, slots=True)
class Scope:
    """Where a link reaches: one object (`key`), or everything below a prefix that is "" or ends with a slash."""

    bucket: str
    key: str | None = None
    prefix: str | None = None

    def __post_init__(self) -> None:
        if (self.key is None) == (self.prefix is None):
            raise ValueError("a scope has either a key or a prefix")
        if self.key == "":
            raise ValueError("a key is not empty")
        if self.prefix and not self.prefix.endswith("/"):
            raise ValueError("a prefix ends with a slash: without it, it would reach its siblings")

    @property
    def root(self) -> str:
        """The key or the prefix."""
        return self.key if self.key is not None else self.prefix or ""

    def reaches(self, bucket: str, key: str) -> bool:
        if bucket != self.bucket:
            return False
        return key == self.key if self.key is not None else key.startswith(self.prefix or "")


@dataclass(frozen=True, slots=True, kw_only=True)
class Grant:
    """One grant as stores keep it. Instants are seconds since the epoch; sizes are bytes; None means "no limit".

    `serial` is its position in the feed at issue, so a revocation with a higher serial ends it.
    `narrowed` holds a key to these parts of what its app may do, any one of them; none is all of it.
    `uses` counts leases for reads and accepted bodies for writes; `budget` is all bytes it may ever move.
    `confirm` has a link ask before it sends; `once` ends a use once the object was sent whole; `credentials` is whether
    a link may be had as S3 credentials, which are a key whose `link` is the hash of its token
    (`gateway.core.link_credentials`).
    `intake` is what a link wants of the files that come in through it.
    `etag`, with its quotes, is the one version of the object that the link is for; None means whatever is there.
    `terms` are what has to be accepted before a link is used, `holders` are who alone may use it; `holder` is who had a
    key made of such a link.
    `sealed` is a key's secret, encrypted under its id.
    `session_hash` is set for short-lived keys that must come with a session token; `source` is what one came from
    (`gateway.core.source`), and `session_policy` what it may do of that which its app may.
    `own_end` is when a link ends by itself, infinite for never, where credentials act as it that may end before; it is
    never stored.
    `suspended_by` is who may lift a suspension, beside every admin.
    `groups` are those that were said of the owner, a user, when the link was made or last changed by them: rules that
    name groups count for the link as they did for the owner then.
    `rule` names the policy rule that allowed the link, for revocation by policy, or for whose approval a key waits or
    waited. `waiting` says that it is not released yet; `approvals` are those under rules that ask for one.
    `version` grows with every edit.
    """

    id: str
    kind: GrantKind
    hash: SecretHash = field(repr=False)
    owner: Principal
    issued_at: float
    serial: int = 0
    version: int = 1
    scope: Scope | None = None
    actions: frozenset[Action] = frozenset()
    narrowed: tuple[Narrowing, ...] = ()
    not_before: float | None = None
    expires_at: float | None = None
    uses: int | None = None
    budget: int | None = None
    max_size: int | None = None
    overwrite: bool = False
    confirm: bool = False
    once: bool = False
    credentials: bool = True
    intake: Intake = ANY_FILES
    rate: Rate | None = None
    cidrs: tuple[IPv4Network | IPv6Network, ...] = ()
    password: str | None = field(default=None, repr=False)
    label: str | None = None
    filename: str | None = None
    content_type: str | None = None
    etag: str | None = None
    terms: str | None = None
    holders: Holders | None = None
    holder: Holder | None = None
    shows: frozenset[Shown] = frozenset()
    rule: str | None = None
    suspended_at: float | None = None
    suspended_by: str = ""
    waiting: Waiting | None = None
    approvals: tuple[Approval, ...] = ()
    revoked_at: float | None = None
    revoked_reason: str | None = None
    sealed: bytes | None = field(default=None, repr=False)
    session_hash: SecretHash | None = field(default=None, repr=False)
    source: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    session_policy: SessionPolicy | None = None
    link: SecretHash | None = field(default=None, repr=False)
    issued_by: str = ""
    own_end: float | None = None

    def __post_init__(self) -> None:
        if (self.kind is GrantKind.LINK) != (self.scope is not None):
            raise ValueError("a link has a scope, a key has none")
        if self.kind is GrantKind.LINK and self.narrowed:
            raise ValueError("a link is held by its scope")
        if self.kind is GrantKind.LINK and not self.actions:
            raise ValueError("a link allows at least one action")

    def issuers(self) -> Iterator[tuple[str, str, int]]:
        """The keys by which this one was issued, the nearest first: id, owner and serial (`gateway.core.source`)."""
        rest = self.source
        while rest[:1] == ("key",):
            yield rest[2], rest[3], int(rest[4])
            rest = rest[7:]

    @property
    def principal(self) -> Principal:
        """Who acts when this grant is used: the link itself, or the app the key was issued to."""
        return Principal("link", self.id) if self.kind is GrantKind.LINK else self.owner

    @property
    def counted(self) -> bool:
        """Whether its uses or bytes are limited."""
        return self.uses is not None or self.budget is not None

    @property
    def intake_id(self) -> str:
        """Under which the files are counted that came in, beside the uses that are counted under its own id."""
        return self.id + FILES

    @property
    def on_conflict(self) -> str:
        """What becomes of a file whose name is taken: `refuse`, `rename` or `overwrite`."""
        return "overwrite" if self.overwrite else "rename" if self.intake.rename else "refuse"

    @property
    def may_write(self) -> bool:
        """Whether any part of it lets something be written, its owner's rules aside."""
        if self.kind is GrantKind.LINK:
            return Action.WRITE in self.actions
        return not self.narrowed or any(not part.actions or Action.WRITE in part.actions for part in self.narrowed)

    @property
    def asks_first(self) -> bool:
        """Whether something has to come with the token, or with each use of it, before it is worth anything."""
        return self.password is not None or self.terms is not None or self.holders is not None

    @property
    def terms_mark(self) -> str:
        """By what these terms are known from others: in cookies and records; "" where there are none."""
        return "" if self.terms is None else sha256(f"terms:{self.id}:{self.terms}".encode()).hexdigest()[:32]

    def released_under(self, rule: str) -> bool:
        """Whether somebody approved of it under the rule of this name."""
        return any(approval.rule == rule for approval in self.approvals)

    @property
    def placed(self) -> bool:
        """Whether every part of a key's narrowing names its bucket."""
        return bool(self.narrowed) and all(part.bucket is not None for part in self.narrowed)

    def sees(self, bucket: str) -> bool:
        """Whether anything of the bucket is within a link's scope, or a key's narrowing."""
        if self.scope is not None:
            return bucket == self.scope.bucket
        return not self.narrowed or any(part.shows(bucket) for part in self.narrowed)

    def state(self, now: float) -> GrantState:
        """The state that time and revocation give it; uses are the lease store's to know."""
        if self.revoked_at is not None:
            return GrantState.REVOKED
        waiting = self.waiting
        if (self.expires_at is not None and now >= self.expires_at) or (waiting is not None and now >= waiting.until):
            return GrantState.EXPIRED
        if self.suspended_at is not None:
            return GrantState.SUSPENDED
        if waiting is not None:
            return GrantState.AWAITING_APPROVAL
        if self.not_before is not None and now < self.not_before:
            return GrantState.PENDING
        return _ACTIVE

    def lapsed(self, now: float) -> Reason | None:
        """Why the grant as a whole is not usable at this instant, whatever is tried with it."""
        state = self.state(now)
        if state is _ACTIVE:
            return None
        match state:
            case GrantState.REVOKED:
                return Reason.REVOKED
            case GrantState.EXPIRED:
                return Reason.EXPIRED
            case GrantState.SUSPENDED:
                return Reason.SUSPENDED
            case GrantState.AWAITING_APPROVAL:
                return Reason.AWAITING_APPROVAL
            case GrantState.PENDING:
                return Reason.NOT_YET_VALID
            case GrantState.USED_UP:
                return None

    def objections(self, attempt: Attempt) -> Iterator[tuple[Reason, str]]:
        """Every reason why this grant does not reach as far as the attempt, most public one first."""
        reason = self.lapsed(attempt.now)
        if reason is not None:
            yield reason, phrase("grant_lapsed", "the grant {id} is {reason}", id=self.id, reason=reason)
        if self.cidrs and not self._is_from_there(attempt.peer):
            yield (
                Reason.PEER_NOT_ALLOWED,
                phrase("grant_networks", "the peer address is in none of the grant's networks"),
            )
        if self.holders is not None and attempt.operation is not _PROVE and not self.holders.admit(attempt.holder):
            yield Reason.HOLDER_REQUIRED, self.holders.objection_to(attempt.holder)
        if self.scope is not None:
            of_link = self._objections_to_use if attempt.signature is None else self._objections_to_credentials
            yield from of_link(self.scope, attempt)
        if self.narrowed and not self._covers(attempt):
            yield (
                Reason.OUT_OF_SCOPE,
                phrase("key_not_there", "the key is not for {action} there", action=attempt.action or "looking"),
            )
        if self.max_size is not None and (attempt.size or 0) > self.max_size and attempt.operation not in DOCUMENTS:
            yield (
                Reason.TOO_LARGE,
                phrase(
                    "grant_size",
                    "the body of {size} bytes is above the link's {max_size}",
                    size=attempt.size,
                    max_size=self.max_size,
                ),
            )
        if self.session_policy is not None:
            for detail in self.session_policy.objections(attempt):
                yield Reason.DENIED_BY_SESSION, detail

    def keeps_out(self, peer: Address | None, holder: Holder | None, now: float) -> bool:
        """Whether it is for who proves to be one of its holders, and nothing else is against a caller who did not."""
        if self.holders is None or self.holders.admit(holder) or self.lapsed(now) is not None:
            return False
        return not self.cidrs or self._is_from_there(peer)

    def _is_from_there(self, peer: Address | None) -> bool:
        return peer is not None and any(peer in network for network in self.cidrs)

    def _may_undo(self, attempt: Attempt) -> bool:
        return attempt.action is Action.DELETE and self.intake.undo is not None and Action.WRITE in self.actions

    @property
    def gives_credentials(self) -> bool:
        """Whether a link may be had as S3 credentials: one whole download could not be counted with them, and what a
        link wants of the files that come in is asked of those who send them to its address."""
        useful = not self.intake.narrows or self.actions != {Action.WRITE}
        return self.credentials and not self.once and useful

    def _objections_to_use(self, scope: Scope, attempt: Attempt) -> Iterator[tuple[Reason, str]]:
        """What the link has against a request that comes by its address."""
        asks = attempt.operation is Operation.CREATE_SESSION
        if asks and not self.gives_credentials:
            yield Reason.NO_CREDENTIALS, phrase("link_no_credentials", "the link gives no credentials")
        if not scope.reaches(attempt.bucket, attempt.key):
            yield Reason.OUT_OF_SCOPE, phrase("link_scope", "the key is outside the link's scope")
        elif attempt.action not in self.actions and not (self._may_undo(attempt) or (asks and attempt.action is None)):
            yield (
                Reason.METHOD_NOT_ALLOWED,
                phrase("link_not_allowed", "the link does not allow {action}", action=attempt.action),
            )

    def _objections_to_credentials(self, scope: Scope, attempt: Attempt) -> Iterator[tuple[Reason, str]]:
        """What the link has against a request that is signed with its credentials: it is for what the link shows."""
        if not self.gives_credentials:
            yield Reason.NO_CREDENTIALS, phrase("link_no_credentials", "the link gives no credentials")
        if attempt.operation is Operation.LIST_BUCKETS:
            return
        if attempt.operation not in OF_LINKS or attempt.tags or "versionId" in (attempt.params or ()):
            yield (
                Reason.NOT_ALLOWED,
                phrase(
                    "link_credentials_operation",
                    "the credentials of a link are not for such a {operation}",
                    operation=attempt.operation,
                ),
            )
        elif attempt.action is Action.WRITE and self.intake.narrows:
            yield Reason.NOT_ALLOWED, phrase("link_by_address", "files come in through this link by its address alone")
        keys = frozenset[str]() if scope.key is None else frozenset({scope.key})
        whole = Narrowing(bucket=scope.bucket, prefix=scope.prefix or "", keys=keys, actions=self.actions)
        if not whole.covers(attempt.action, attempt.bucket, attempt.key):
            yield (
                Reason.OUT_OF_SCOPE,
                phrase("link_not_there", "the link is not for {action} there", action=attempt.action or "looking"),
            )

    def _covers(self, attempt: Attempt) -> bool:
        """Whether one part of the narrowing covers the attempt whole. The list of buckets shows what `sees` says."""
        if attempt.operation is Operation.LIST_BUCKETS:
            return True
        return any(part.covers(attempt.action, attempt.bucket, attempt.key) for part in self.narrowed)


class GrantStore(Protocol):
    """What serving needs.

    Implementations raise `DependencyDown("grants")` when they cannot answer; None always means "there is none".
    """

    async def find(self, secret_hash: SecretHash) -> Grant | None:
        """The grant of a token or access key id, revoked and expired ones included."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class GrantFilter:
    """Every field narrows; None does not. `state` is judged at `now`.

    `bucket` and `prefix` match links whose scope is inside, and keys of which one place is. `ends_before` matches what
    ends after `now` and not after then. With `shown_to`, only what this principal owns, and what awaits approval under
    one of the rules in `approves`.
    """

    now: float
    kind: GrantKind | None = None
    owner: Principal | None = None
    bucket: str | None = None
    prefix: str | None = None
    label: str | None = None
    state: GrantState | None = None
    shown_to: Principal | None = None
    approves: frozenset[str] = frozenset()
    ends_before: float | None = None


@dataclass(frozen=True, slots=True)
class GrantPage:
    """Newest first. `cursor` continues after the last one that was looked at, None at the end.

    A page may hold fewer than were asked for, even none, where more would have been too many to look at.
    """

    grants: Sequence[Grant]
    cursor: str | None


class GrantAdmin(GrantStore, Protocol):
    """What the control plane needs on top. Every change is durable before the call returns and appears in the feed."""

    async def create(self, grant: Grant, idempotency: str | None = None) -> Grant:
        """Store a new grant and give it its serial.

        With an `idempotency` text seen in the last 24 h, nothing is stored and the earlier grant is returned
        (its `hash` differs from the one passed in, which tells the caller so).
        """
        ...

    async def get(self, grant_id: str) -> Grant | None: ...

    async def save(self, grant: Grant) -> Grant | None:
        """Replace the grant if its stored version is still `grant.version`; returns it with the next version.

        None means that somebody else was faster, or that it does not exist. Counters stay as they are. The serial,
        the issue time and revocation are never changed by this.
        """
        ...

    async def save_all(self, grants: Sequence[Grant]) -> Sequence[Grant | None]:
        """The same for each of these, in one transaction: some hundred cost little more than one."""
        ...

    async def page(self, wanted: GrantFilter, cursor: str | None, limit: int) -> GrantPage:
        """Raises ValueError for a cursor that this store did not give."""
        ...

    async def count(self, target: RevocationTarget) -> int:
        """How many grants a revocation of this target would mark now: those it means that are not revoked yet.

        A backend's revocation marks none, as no stored grant tells its backend: the view ends its uses.
        """
        ...

    async def count_waiting(self, now: float) -> int:
        """How many grants wait for an approval that can still be given."""
        ...

    async def prune_ended(self, before: float) -> int:
        """Forget the grants that ended by themselves before this instant, with their counters; returns how many.

        Their records, and the revocations that name them, stay. One that is revived meanwhile is kept.
        """
        ...
