"""Owns step 3: from what was presented to the grant it stands for, proved.

Refuses to own whether the grant reaches far enough (`gateway.core.policy`).

Laws: a known grant costs no store round trip; the cache is kept honest by the feed, and an entry for "there is none"
holds only while the feed has not moved. Compare secrets in constant time. A right secret passes however many wrong ones
came from the same address: only an unknown token or key id is a guess, never a bad signature or a clock that is wrong.
"""

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from cachetools import LRUCache, TTLCache

from gateway.core.attempt import ANONYMOUS, Address, Principal, address_class
from gateway.core.grant import Grant, GrantKind, GrantStore
from gateway.core.reasons import Reason, Refused
from gateway.core.request import ObjectRequest
from gateway.core.revocation import FeedEntry, RevocationView
from gateway.core.revocation_target import FeedKind
from gateway.core.token import LinkToken, SecretHash, hash_secret
from gateway.data.guesses import TOKEN_GUESSES
from gateway.data.identify import (
    FormPresented,
    Presented,
    SignedPresented,
    TokenPresented,
    TrustedPresented,
)
from gateway.data.passwords import prove_password
from gateway.data.verify import verify_signature, verify_signed_form
from gateway.telemetry.metrics import Metrics
from gateway.wire.sigv4 import Verified

if TYPE_CHECKING:
    from gateway.data.gate import Plane

__all__ = ["Grants", "Resolved", "find_link", "resolve"]

_CACHED: Final = 100_000
_CACHE_SECONDS: Final = 300.0
_EDITS: Final = 10_000


class Unsealer(Protocol):
    """Opens a key's sealed secret; raises ValueError when it was sealed under another id."""

    def open(self, access_key_id: str, sealed: bytes) -> str: ...


@dataclass(frozen=True, slots=True)
class Resolved:
    """Who acts and by which grant, as it was at the feed's position `as_of`.

    `verified` is what a signature proved, for the body's own checks.
    """

    principal: Principal
    grant: Grant | None
    as_of: int = 0
    verified: Verified | None = None


class Grants:
    """A bounded cache in front of the grant store."""

    def __init__(
        self,
        store: GrantStore,
        view: Callable[[], RevocationView],
        unsealer: Unsealer,
        *,
        monotonic: Callable[[], float],
        metrics: Metrics,
        keep_up: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        """`keep_up` returns when the feed's entries that another process of this host knows have come through here."""
        self._store = store
        self._keep_up = keep_up
        self._view = view
        self._unsealer = unsealer
        self._metrics = metrics
        self._known: TTLCache[SecretHash, Grant] = TTLCache(_CACHED, _CACHE_SECONDS, timer=monotonic)
        self._hashes: LRUCache[str, SecretHash] = LRUCache(_CACHED)
        self._secrets: LRUCache[SecretHash, str] = LRUCache(_CACHED)
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
        return await self.look_up(secret_hash)

    async def look_up(self, secret_hash: SecretHash) -> Grant | None:
        """As `find`, by what this process has heard."""
        grant = self._known.get(secret_hash)
        if grant is not None and self._hashes.get(grant.id) == secret_hash:  # else the feed could not reach it
            self._metrics.grant_cache("hit")
            return grant
        serial = self._view().serial
        if self._absent.get(secret_hash) == serial:
            self._metrics.grant_cache("negative")
            return None
        self._metrics.grant_cache("miss")
        grant = await self._store.find(secret_hash)
        if grant is None:
            self._absent[secret_hash] = serial
        elif self.unedited(grant.id, serial):  # else an edit has passed us by: what was read may be old
            self._known[secret_hash] = grant
            self._hashes[grant.id] = secret_hash
        return grant

    def knows(self, secret_hash: SecretHash) -> bool:
        """Whether `find` would ask nobody."""
        grant = self._known.get(secret_hash)
        if grant is not None:
            return self._hashes.get(grant.id) == secret_hash
        return self._absent.get(secret_hash) == self._view().serial

    def unedited(self, grant_id: str, as_of: int) -> bool:
        """Whether, as far as this process has heard, the grant is still what it was at that position of the feed."""
        if as_of >= self._last_edit:
            return True
        return as_of >= self._forgotten and self._edited.get(grant_id, 0) <= as_of

    def secret_of(self, grant: Grant, access_key_id: str) -> str:
        """The secret of a key grant, for verification."""
        secret = self._secrets.get(grant.hash)
        if secret is None:
            if grant.sealed is None:
                raise Refused(Reason.UNKNOWN_KEY, "the key has no secret")
            secret = self._secrets[grant.hash] = self._unsealer.open(access_key_id, grant.sealed)
        return secret

    def take(self, entries: Sequence[FeedEntry]) -> None:
        """Drop what the feed says has changed."""
        for entry in entries:
            if entry.kind is FeedKind.CHANGED:
                self._note_edit(entry)
            secret_hash = self._hashes.pop(entry.name, None)
            if secret_hash is not None:
                self._known.pop(secret_hash, None)
                self._secrets.pop(secret_hash, None)

    def _note_edit(self, entry: FeedEntry) -> None:
        self._edited.pop(entry.name, None)
        self._edited[entry.name] = self._last_edit = entry.serial
        if len(self._edited) > _EDITS:
            self._forgotten = self._edited.pop(next(iter(self._edited)))


async def resolve(
    plane: Plane, presented: Presented, request: ObjectRequest, peer: Address | None, now: float
) -> Resolved:
    """Find and prove.

    Raises:
        Refused: unknown (guessed too often, or not), badly signed, skewed, or without its password.
        DependencyDown: the grant store cannot answer.
    """
    as_of = plane.follower.view.serial
    match presented:
        case TokenPresented():
            grant = await _link(plane, presented, request, peer, now)
            return Resolved(grant.principal, grant, as_of)
        case SignedPresented(signed):
            grant, secret = await _key(plane, signed.access_key_id, signed.session_token, peer, now)
            return Resolved(grant.principal, grant, as_of, verify_signature(signed, request, secret, now))
        case FormPresented(arriving, None):
            raise Refused(Reason.CREDENTIALS_MISSING, f"a form without a policy: {arriving.form!r}")
        case FormPresented(arriving, signed_form) if signed_form is not None:
            grant, secret = await _key(plane, signed_form.access_key_id, signed_form.session_token, peer, now)
            arriving.sizes = verify_signed_form(signed_form, arriving.form, request, secret, now)
            return Resolved(grant.principal, grant, as_of)
        case TrustedPresented(principal):
            return Resolved(principal, None)
        case _:
            return Resolved(ANONYMOUS, None)


async def _key(
    plane: Plane, access_key_id: str, session_token: str | None, peer: Address | None, now: float
) -> tuple[Grant, str]:
    """The key grant of an access key id, and the secret to verify with."""
    guesser = f"key:{_address(peer)}"
    grant = await _look_up(plane, guesser, hash_secret(access_key_id), now)
    if grant is None or grant.kind is not GrantKind.KEY:
        plane.guesses.failed(guesser, TOKEN_GUESSES, now)
        raise Refused(Reason.UNKNOWN_KEY, "no key has this id")
    _check_session(grant, session_token)
    return grant, plane.grants.secret_of(grant, access_key_id)


async def find_link(plane: Plane, token: LinkToken, peer: Address | None, now: float) -> Grant:
    """The link of a token.

    Raises:
        Refused: UNKNOWN_TOKEN, TOO_MANY_GUESSES.
        DependencyDown: the grant store cannot answer.
    """
    guesser = f"token:{_address(peer)}"
    grant = await _look_up(plane, guesser, token.hash, now)
    if grant is None or grant.kind is not GrantKind.LINK:
        plane.guesses.failed(guesser, TOKEN_GUESSES, now)
        raise Refused(Reason.UNKNOWN_TOKEN, "no link has this token")
    return grant


async def _look_up(plane: Plane, guesser: str, secret_hash: SecretHash, now: float) -> Grant | None:
    """Whether it is right is found out however many were wrong before it; whoever guesses asks the store one by one."""
    if plane.guesses.waits(guesser, now) and not plane.grants.knows(secret_hash):
        async with plane.turns.take(guesser):
            return await plane.grants.find(secret_hash)
    return await plane.grants.find(secret_hash)


async def _link(
    plane: Plane, presented: TokenPresented, request: ObjectRequest, peer: Address | None, now: float
) -> Grant:
    grant = await find_link(plane, presented.token, peer, now)
    if grant.password is not None and grant.lapsed(now) is None:
        agent = request.raw.header("user-agent") or ""
        await prove_password(plane, grant, presented.password, presented.proof, peer=peer, agent=agent, now=now)
    return grant


def _check_session(grant: Grant, session_token: str | None) -> None:
    if grant.session_hash is None:
        if session_token is not None:
            raise Refused(Reason.BAD_SESSION_TOKEN, "this key has no session token")
    elif session_token is None or not hmac.compare_digest(hash_secret(session_token), grant.session_hash):
        raise Refused(Reason.BAD_SESSION_TOKEN, "the session token is missing or another one")


def _address(peer: Address | None) -> str:
    return "local" if peer is None else address_class(peer)
