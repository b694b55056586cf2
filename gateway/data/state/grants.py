"""Owns the bounded cache in front of the grant store, and what the feed has said of edits.

Refuses to own the proof of a secret (`gateway.data.steps.authenticate`) and revocations (`gateway.core.revocation`).

Laws: a known grant costs no store round trip; the feed keeps the cache honest, and an entry for "there is none" holds
only while the feed has not moved.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from typing import Final

from cachetools import LRUCache

from gateway.core.grant import Grant, GrantStore
from gateway.core.reasons import Reason, Refused
from gateway.core.revocation import FeedEntry, RevocationView
from gateway.core.revocation_target import EVERY, FeedKind
from gateway.core.sealing import Sealer
from gateway.core.token import SecretHash
from gateway.telemetry.metrics import Metrics

_CACHED: Final = 100_000
_CACHE_SECONDS: Final = 300.0
_EDITS: Final = 10_000


class Grants:
    """A bounded cache in front of the grant store."""

    def __init__(
        self,
        store: GrantStore,
        view: Callable[[], RevocationView],
        sealer: Sealer,
        *,
        monotonic: Callable[[], float],
        metrics: Metrics,
        keep_up: Callable[[], Awaitable[None]] | None = None,
        is_behind: Callable[[], bool] | None = None,
    ) -> None:
        """`keep_up` returns when the feed's entries that another process of this host knows have come through here, and
        `is_behind` says whether there are any to wait for."""
        self._store = store
        self._keep_up = keep_up
        self._is_behind = is_behind
        self._view = view
        self._sealer = sealer
        self._metrics = metrics
        self._hits = metrics.tally_grant_hits()
        self._monotonic = monotonic
        self._known: OrderedDict[SecretHash, tuple[Grant, float]] = OrderedDict()  # with the end of its time here
        self._hashes: dict[str, SecretHash] = {}  # by which the feed reaches each of them, and nothing else
        self._secrets: dict[SecretHash, str] = {}  # of those that are known, and no longer than they are
        self._absent: LRUCache[SecretHash, int] = LRUCache(_CACHED)
        self._edited: dict[str, int] = {}  # the newest positions at which grants were edited, oldest first
        self._last_edit = self._forgotten = 0

    async def find(self, secret_hash: SecretHash) -> Grant | None:
        """The grant of a secret.

        Raises:
            DependencyDown: it is not cached, or the cache may be behind, and the store cannot answer.
        """
        if self._keep_up is not None:
            await self._keep_up()
        grant = self._recall(secret_hash)
        return grant if grant is not None else await self.look_up(secret_hash)

    def known_now(self, secret_hash: SecretHash) -> Grant | None:
        """What `find` would answer in this turn; None if it would have to wait for anything, or there is none."""
        if self._is_behind is not None and self._is_behind():
            return None
        return self._recall(secret_hash)

    async def look_up(self, secret_hash: SecretHash) -> Grant | None:
        """As `find`, by what this process has read of the feed."""
        grant = self._recall(secret_hash)
        if grant is not None:
            return grant
        serial = self._view().serial
        if self._absent.get(secret_hash) == serial:
            self._metrics.count_grant_lookup("negative")
            return None
        self._metrics.count_grant_lookup("miss")
        grant = await self._store.find(secret_hash)
        if grant is None:
            self._absent[secret_hash] = serial
        elif self.is_current(grant.id, serial):  # else an edit has passed us by: what was read may be old
            self._keep(secret_hash, grant)
        return grant

    def _recall(self, secret_hash: SecretHash) -> Grant | None:
        known = self._known.get(secret_hash)
        if known is None:
            return None
        grant, until = known
        if self._monotonic() >= until:
            self._forget(grant.id)
            return None
        self._known.move_to_end(secret_hash)
        self._hits.count += 1
        return grant

    def _keep(self, secret_hash: SecretHash, grant: Grant) -> None:
        """In place of what was unused for longest, and of what the same grant was under another secret."""
        self._forget(grant.id)
        self._known[secret_hash] = grant, self._monotonic() + _CACHE_SECONDS
        self._hashes[grant.id] = secret_hash
        if len(self._known) > _CACHED:
            self._forget(next(iter(self._known.values()))[0].id)

    def _forget(self, grant_id: str) -> None:
        secret_hash = self._hashes.pop(grant_id, None)
        if secret_hash is not None:
            del self._known[secret_hash]
            self._secrets.pop(secret_hash, None)

    def knows(self, secret_hash: SecretHash) -> bool:
        """Whether `find` would answer without the store."""
        known = self._known.get(secret_hash)
        if known is not None:
            return self._monotonic() < known[1]
        return self._absent.get(secret_hash) == self._view().serial

    def is_current(self, grant_id: str, as_of: int) -> bool:
        """Whether, as far as this process has read the feed, the grant is still what it was at that position."""
        if as_of >= self._last_edit:
            return True
        return as_of >= self._forgotten and self._edited.get(grant_id, 0) <= as_of

    def secret_of(self, grant: Grant, access_key_id: str) -> str:
        """The secret of a key grant, for verification."""
        secret = self._secrets.get(grant.hash)
        if secret is None:
            if grant.sealed is None:
                raise Refused(Reason.UNKNOWN_KEY, "the key has no secret")
            secret = self._sealer.open(access_key_id, grant.sealed)
            if grant.hash in self._known:
                self._secrets[grant.hash] = secret
        return secret

    def take(self, entries: Sequence[FeedEntry]) -> None:
        """Drop what the feed says has changed."""
        for entry in entries:
            if entry.kind is FeedKind.CHANGED and entry.name == EVERY:
                self._forget_all(entry.serial)
            elif entry.kind is FeedKind.CHANGED:
                self._note_edit(entry)
            self._forget(entry.name)

    def _forget_all(self, serial: int) -> None:
        for kept in (self._known, self._hashes, self._secrets, self._edited, self._absent):
            kept.clear()
        self._last_edit = self._forgotten = serial

    def _note_edit(self, entry: FeedEntry) -> None:
        self._edited.pop(entry.name, None)
        self._edited[entry.name] = self._last_edit = entry.serial
        if len(self._edited) > _EDITS:
            self._forgotten = self._edited.pop(next(iter(self._edited)))
