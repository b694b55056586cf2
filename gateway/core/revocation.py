"""Owns the facts that end grants, the feed they travel on, and the view that answers "is this revoked?".

Refuses to own how a feed is stored or pushed (`gateway.stores`) and who cuts running transfers (`gateway.data`).

Law: a revocation ends what was issued before it. "Before" is a position in one feed, never a clock: grants and
revocations get their serials from the same counter.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import field
from typing import Final, Protocol

from gateway.core.generations import Generations
from gateway.core.grant import Grant, GrantKind
from gateway.core.revocation_target import REVOKING, FeedKind, RevocationTarget
from gateway.core.values import dataclass

MAX_VIEW_AGE: Final = 5.0
"""Seconds after which a view that could not be refreshed is too old to decide on (promise 2)."""


_NAMED: Final = REVOKING - {FeedKind.PREFIX}


@dataclass(frozen=True, slots=True)
class FeedEntry:
    """One entry of the feed. `at` is in seconds since the epoch, for people; `serial` is what decides."""

    serial: int
    kind: FeedKind
    name: str
    prefix: str = ""
    at: float = 0.0
    reason: str = ""
    by: str = ""

    @property
    def revokes(self) -> bool:
        return self.kind in REVOKING


class RevocationFeed(Protocol):
    """The one ordered log of changes. Raises `DependencyDown("revocations")` when it cannot answer."""

    async def revoke(self, targets: Sequence[RevocationTarget], at: float, reason: str, by: str) -> Sequence[FeedEntry]:
        """Record all targets in one write, durable before it returns, and mark the matching stored grants."""
        ...

    async def since(self, serial: int, limit: int) -> Sequence[FeedEntry]:
        """Entries after `serial`, oldest first. An empty answer is proof that the caller is up to date.

        Notices may be forgotten in time (`Ledger.prune`), the newest entry of all never: who has read it finds it.
        """
        ...

    async def revocations(self, serial: int, limit: int) -> Sequence[FeedEntry]:
        """Like `since`, the revoking entries only."""
        ...

    async def last(self) -> int:
        """The greatest serial that was ever given here. It never becomes less, unless the store lost what it had."""
        ...

    async def changed(self, serial: int, seconds: float) -> None:
        """Return when there may be entries after `serial`, or after `seconds`."""
        ...


@dataclass(slots=True)
class RevocationView:
    """What one process knows of the feed: look-ups in constant time, whatever the number of revocations.

    Mutable on purpose, and changed only by `apply` and `rewind`, in one synchronous call; everything else reads.
    `listed` is what another gateway's list says beside the feed (`gateway.core.revocation_list`): its positions are
    instants, not serials.
    """

    serial: int = 0
    listed: RevocationView | None = None
    _newest: int = 0
    _names: dict[FeedKind, Generations] = field(default_factory=lambda: {kind: Generations() for kind in _NAMED})
    _prefixes: dict[str, Generations] = field(default_factory=dict)
    _lengths: dict[str, tuple[int, ...]] = field(default_factory=dict)

    def rewind(self) -> None:
        """Stand before the first entry again. What is known stays known."""
        self.serial = 0

    def apply(self, entries: Iterable[FeedEntry]) -> None:
        """Take entries in, in any order and any number of times."""
        for entry in entries:
            self.serial = max(self.serial, entry.serial)
            if entry.revokes:
                self._newest = max(self._newest, entry.serial)
            if entry.kind is FeedKind.PREFIX:
                self._prefixes.setdefault(entry.name, Generations()).put(entry.prefix, entry.serial)
                lengths = self._lengths.get(entry.name, ())
                if len(entry.prefix) not in lengths:
                    self._lengths[entry.name] = tuple(sorted((*lengths, len(entry.prefix))))
            elif entry.revokes:
                self._names[entry.kind].put(entry.name, entry.serial)

    def revoked(self, grant: Grant, bucket: str, key: str, backend: str) -> FeedKind | None:
        """Which kind of revocation ends this use of the grant, or None."""
        ended = self._ended(grant, grant.serial, bucket, key, backend)
        if ended is None and self.listed is not None:
            issued = int(grant.issued_at * 1000)
            return self.listed._ended(grant, issued, bucket, key, backend)  # noqa: SLF001 (it is a view too)
        return ended

    def _ended(self, grant: Grant, serial: int, bucket: str, key: str, backend: str) -> FeedKind | None:
        """What is older than the grant is not searched, all of it or of a kind; but for whoever issued the grant."""
        if serial >= self._newest and not grant.source:
            return None
        kind = FeedKind.LINK if grant.kind is GrantKind.LINK else FeedKind.KEY
        own = self._names[kind]
        if own.newest > serial and own.of(grant.id) > serial:
            return kind
        owners = self._names[FeedKind.OWNER]
        if owners.newest > serial and owners.of(str(grant.owner)) > serial:
            return FeedKind.OWNER
        if grant.source and (by := self._issuer_ended(grant, serial)) is not None:
            return by
        backends = self._names[FeedKind.BACKEND]
        if backends.newest > serial and backends.of(backend) > serial:
            return FeedKind.BACKEND
        policies = self._names[FeedKind.POLICY]
        if policies.newest > serial and grant.rule is not None and policies.of(grant.rule) > serial:
            return FeedKind.POLICY
        prefixes = self._prefixes.get(bucket)
        if prefixes is not None and prefixes.newest > serial:
            if self._prefix_revoked(prefixes, bucket, key, serial):
                return FeedKind.PREFIX
            root = key if grant.scope is None else grant.scope.root
            if root != key and self._prefix_revoked(prefixes, bucket, root, serial):
                return FeedKind.PREFIX
        return None

    def _issuer_ended(self, grant: Grant, serial: int) -> FeedKind | None:
        """How one of the keys ended by which this one was issued. An id is used once, so that a key's end is for ever;
        what ended its owner ended it if it was there by then, and a list's positions say no more than this grant's."""
        for name, owner, issued in grant.issuers():
            if self._names[FeedKind.KEY].of(name):
                return FeedKind.KEY
            if self._names[FeedKind.OWNER].of(owner) > (issued if serial == grant.serial else serial):
                return FeedKind.OWNER
        return None

    def _prefix_revoked(self, prefixes: Generations, bucket: str, key: str, serial: int) -> bool:
        for length in self._lengths[bucket]:
            if length > len(key):
                return False
            if prefixes.of(key[:length]) > serial:
                return True
        return False

    def __len__(self) -> int:
        return sum(map(len, self._names.values())) + sum(map(len, self._prefixes.values()))
