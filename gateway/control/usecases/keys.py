"""Owns the life of a key: issue, inspect, list; and the change of the key that all of them are sealed under.

Refuses to own its end (`revocations`), how a secret is sealed (an injected sealer) and who may ask
(`gateway.control.guard`).

Law: the secret leaves this module once. It is stored only sealed under the access key id, which itself is stored
only as a hash, so that a copy of the store opens nothing; under a sealing key too, where there is one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from gateway.control.caller import Admitted, Reach
from gateway.control.deps import Live, Stores
from gateway.control.usecases.journal import Journal
from gateway.control.usecases.links import CountedGrant, CountedPage, list_counted, read_counters
from gateway.core.attempt import Principal
from gateway.core.grant import Grant, GrantFilter, GrantKind, GrantState
from gateway.core.issued import IssuedKey, LivingSession
from gateway.core.reasons import Reason, Refused
from gateway.core.sealing import Resealed
from gateway.core.source import Source, source_behind
from gateway.core.token import ENTROPY_BYTES, access_key_id, grant_id, hash_secret, secret_access_key

__all__ = ["Keys"]

NONCE_BYTES: Final = 12
"""The nonce of AES-GCM and ChaCha20-Poly1305."""
_SECRET_BYTES: Final = 31
_PAGE: Final = 500


@dataclass(frozen=True, slots=True)
class Keys:
    """The key use cases."""

    stores: Stores
    live: Live
    journal: Journal

    async def issue(
        self,
        actor: Principal,
        app: str,
        *,
        label: str | None = None,
        expires_in: float | None = None,
        session: bool = False,
        source: Source = (),
    ) -> IssuedKey:
        """A new key for an app; with `session` it works only together with its session token. Seconds.

        With a `source` it ends when that does.
        """
        now = self.live.clock()
        public = access_key_id(self.live.entropy(ENTROPY_BYTES))
        secret = secret_access_key(self.live.entropy(_SECRET_BYTES))
        token = "gs_" + secret_access_key(self.live.entropy(_SECRET_BYTES)) if session else None
        grant = Grant(
            id=grant_id("k", self.live.entropy(12)),
            kind=GrantKind.KEY,
            hash=hash_secret(public),
            owner=Principal("app", app),
            issued_at=now,
            expires_at=None if expires_in is None else now + expires_in,
            label=label,
            sealed=self.stores.sealer.seal(public, secret, self.live.entropy(NONCE_BYTES)),
            session_hash=None if token is None else hash_secret(token),
            source=source,
            issued_by=str(actor),
        )
        stored = await self.stores.grants.create(grant)
        await self.live.apply_now()
        await self.journal.note(actor, "key.create", stored.id, owner=str(stored.owner))
        return IssuedKey(stored, public, secret, token)

    async def issue_for(
        self,
        caller: Admitted,
        app: str,
        *,
        label: str | None = None,
        expires_in: float | None = None,
        session: bool = False,
    ) -> IssuedKey:
        """A new key, as `issue`, for an app that the caller may act for. With what they showed it ends as well.

        Raises:
            Refused: NOT_ALLOWED, the app is not the caller's, or the key would outlive what the caller showed.
        """
        if not caller.reach.names(Principal("app", app)):
            raise Refused(Reason.NOT_ALLOWED, "only an admin makes keys for others: an app makes its own")
        if caller.reach.owner is not None and caller.until is not None:
            left = caller.until - self.live.clock()
            if expires_in is None or expires_in > left:
                detail = f"a key outlives none that it was made with: expires_in is at most {int(left)} seconds"
                raise Refused(Reason.NOT_ALLOWED, detail)
        return await self.issue(
            caller.principal, app, label=label, expires_in=expires_in, session=session, source=caller.source
        )

    async def issue_session(self, app: str, seconds: float, label: str, source: Source) -> IssuedKey:
        """See `gateway.core.issued.SessionIssuer`: the app itself acts."""
        actor = Principal("app", app)
        return await self.issue(actor, app, label=label, expires_in=seconds, session=True, source=source)

    async def inspect(self, reach: Reach, key_id: str) -> CountedGrant:
        """Raises Refused(UNKNOWN_KEY) if there is no such key within reach."""
        grant = await self.stores.grants.get(key_id)
        if grant is None or grant.kind is not GrantKind.KEY or not reach.over(grant):
            raise Refused(Reason.UNKNOWN_KEY, "no key has this id")
        return await read_counters(self.stores, grant)

    async def living_through(self, sidecar: str, apps: Iterable[str], address: str) -> list[LivingSession]:
        """The living keys of these apps that a sidecar had issued while it was known by this address."""
        found: list[LivingSession] = []
        for app in apps:
            owner = Principal("app", app)
            wanted = GrantFilter(now=self.live.clock(), kind=GrantKind.KEY, owner=owner, state=GrantState.ACTIVE)
            cursor: str | None = None
            while True:
                page = await self.stores.grants.page(wanted, cursor, _PAGE)
                behind = ((grant, source_behind(grant.source, sidecar)) for grant in page.grants)
                found += [LivingSession(grant.id, app, source) for grant, source in behind if source[1:2] == (address,)]
                if (cursor := page.cursor) is None:
                    break
        return found

    async def page(self, reach: Reach, wanted: GrantFilter, cursor: str | None, limit: int) -> CountedPage:
        """Raises Refused(BAD_ARGUMENT) for a cursor that was not given by an earlier page."""
        return await list_counted(self.stores, reach, replace(wanted, kind=GrantKind.KEY), cursor, limit)

    async def reseal(self, actor: Principal, cursor: str | None, limit: int) -> Resealed:
        """Bring one batch of grants under the sealing key in force; doing it again changes nothing.

        Raises:
            Refused: there are no sealing keys here, or the cursor was not given by an earlier batch.
            DependencyDown: the store cannot answer; what was resealed stays so.
        """
        if self.stores.resealer is None:
            raise Refused(Reason.BAD_ARGUMENT, "no sealing keys are set here: see state.sealing_keys")
        try:
            done = await self.stores.resealer.reseal(cursor, limit)
        except ValueError:
            raise Refused(Reason.BAD_ARGUMENT, "the cursor comes from no earlier batch") from None
        await self.live.apply_now()
        if done.resealed or done.unreadable or done.cursor is None:
            counts = {name: str(getattr(done, name)) for name in ("examined", "resealed", "unreadable")}
            await self.journal.note(actor, "key.reseal", "state", **counts)
        return done
