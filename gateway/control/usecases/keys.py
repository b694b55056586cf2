"""Owns the life of a key: issue, inspect, list, edit; and the change of the key that all of them are sealed under.

Refuses to own its end (`revocations`), how a secret is sealed (an injected sealer) and who may ask
(`gateway.control.guard`).

Law: the secret leaves this module once. It is stored only sealed under the access key id, which itself is stored
only as a hash, so that a copy of the store opens nothing; under a sealing key too, where there is one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Final

from gateway.control.caller import Admitted, Reach
from gateway.control.usecases.grants import (
    Change,
    CountedGrant,
    CountedPage,
    GrantUseCases,
    Objections,
    list_counted,
    list_living,
    require_unrevoked,
    waits_under,
)
from gateway.control.usecases.links import IdempotencyConflict, check_times
from gateway.control.usecases.release import ask_approval, keep_approvals
from gateway.core.approval import Approval
from gateway.core.attempt import Principal
from gateway.core.grant import Grant, GrantFilter, GrantKind
from gateway.core.holders import Holder
from gateway.core.issued import IssuedKey, LivingSession
from gateway.core.link_credentials import end_of, link_of, source_of
from gateway.core.policy import objections_to_key, rules_to_approve
from gateway.core.reasons import Reason, Refused
from gateway.core.record import Act
from gateway.core.request import Action
from gateway.core.said import phrase
from gateway.core.sealing import Resealed
from gateway.core.session_policy import SessionPolicy
from gateway.core.source import Session, Source, from_key, session_of, source_behind
from gateway.core.token import ENTROPY_BYTES, access_key_id, grant_id, hash_secret, secret_access_key
from gateway.core.values import dataclass

NONCE_BYTES: Final = 12
"""The nonce of AES-GCM and ChaCha20-Poly1305."""
_SECRET_BYTES: Final = 31


@dataclass(frozen=True, slots=True)
class Keys(GrantUseCases):
    """The key use cases."""

    async def issue(
        self,
        actor: Principal,
        app: str,
        *,
        label: str | None = None,
        expires_in: float | None = None,
        session: bool = False,
        source: Source = (),
        session_policy: SessionPolicy | None = None,
        approvals: tuple[Approval, ...] = (),
        rule: str | None = None,
    ) -> IssuedKey:
        """A new key for an app; with `session` it works only together with its session token. Seconds.

        With a `source` it ends when that does, and a `session_policy` narrows it. It waits for nobody: rules that ask
        for an approval count for it by the `approvals` that it comes with, and else not at all.
        """
        made = self._make(actor, Principal("app", app), session=session)
        ends = None if expires_in is None else made.grant.issued_at + expires_in
        wanted = replace(made.grant, label=label, expires_at=ends, source=source, session_policy=session_policy)
        return await self._store(actor, made, replace(wanted, approvals=approvals, rule=rule))

    async def issue_by(
        self, holder: Grant, app: str, seconds: float, asked: Session, policy: SessionPolicy | None
    ) -> IssuedKey:
        """A session that the holder of another key asked for. It ends with that key, at the latest, and with the rule
        under which that was approved; for the same app, it is approved as that is."""
        now = self.live.clock()
        ends = now + seconds if holder.expires_at is None else min(now + seconds, holder.expires_at)
        return await self.issue(
            holder.principal,
            app,
            label=asked.name or None,
            expires_in=ends - now,
            session=True,
            source=from_key(self.live.address(), holder, asked.role, asked.name),
            session_policy=policy,
            approvals=holder.approvals if holder.owner == Principal("app", app) else (),
            rule=holder.rule,
        )

    async def issue_for_link(self, link: Grant, use: str, holder: Holder | None) -> IssuedKey:
        """See `gateway.core.issued.LinkIssuer`: the link itself acts, and what is made is its owner's to take back."""
        made = self._make(link.principal, link.owner, session=True)
        wanted = replace(
            made.grant,
            label=link.label,
            expires_at=end_of(link, made.grant.issued_at, None if holder is None else holder.until),
            holder=holder,
            password=link.password,
            link=link.hash,
            source=source_of(self.live.address(), link, use),
        )
        return await self._store(link.principal, made, wanted)

    async def create(
        self, caller: Admitted, app: str, change: Change, *, session: bool, idempotency: str | None = None
    ) -> IssuedKey | Objections | IdempotencyConflict:
        """A new key, chosen by a body, for an app that the caller may act for, if its rules count for one like it.

        With what the caller showed it ends as well. An idempotency key that was seen in the last 24 h makes none.

        Raises:
            Refused: NOT_ALLOWED, the app is not the caller's, or the key would outlive what the caller showed; the
                bucket is unknown, or the times make no sense.
            DependencyDown: a store cannot answer.
        """
        if not caller.reach.names(Principal("app", app)):
            raise Refused(
                Reason.NOT_ALLOWED,
                phrase("key_for_others", "only an admin makes keys for others: an app makes its own"),
            )
        made = self._make(caller.principal, Principal("app", app), session=session)
        wanted = replace(change(made.grant, made.grant.issued_at), source=caller.source)
        decided = self._check(caller, wanted, None)
        if isinstance(decided, Objections):
            return decided
        key = await self._store(caller.principal, made, decided, idempotency)
        return key if key.grant.hash == made.grant.hash else IdempotencyConflict(key.grant.id)

    async def edit(
        self, caller: Admitted, key_id: str, change: Change, version: int | None = None
    ) -> CountedGrant | Objections:
        """Change everything asked for in one write; secrets and counters stay.

        Raises:
            Refused: UNKNOWN_KEY, REVOKED, PRECONDITION_FAILED if the stored version is not `version`; as `create`.
        """

        def change_whole(grant: Grant) -> Grant | Objections:
            require_unrevoked(grant)
            if grant.link is not None:
                raise Refused(
                    Reason.BAD_ARGUMENT,
                    phrase("edit_link", "it stands for a link: edit that one ({grant})", grant=link_of(grant)),
                )
            return self._check(caller, change(grant, self.live.clock()), grant)

        def tell(_: Grant, saved: Grant) -> dict[str, str]:
            return {"version": str(saved.version), **waits_under(saved)}

        find = partial(self.find_own, caller.reach, GrantKind.KEY, key_id)
        return await self.edit_grant(caller, "edit", find, change_whole, tell, version=version)

    def _make(self, actor: Principal, owner: Principal, *, session: bool) -> IssuedKey:
        """A key that is not stored yet, with all that its owner may do."""
        public = access_key_id(self.live.entropy(ENTROPY_BYTES))
        secret = secret_access_key(self.live.entropy(_SECRET_BYTES))
        token = "gs_" + secret_access_key(self.live.entropy(_SECRET_BYTES)) if session else None
        grant = Grant(
            id=grant_id("k", self.live.entropy(12)),
            kind=GrantKind.KEY,
            hash=hash_secret(public),
            owner=owner,
            issued_at=self.live.clock(),
            sealed=self.stores.sealer.seal(public, secret, self.live.entropy(NONCE_BYTES)),
            session_hash=None if token is None else hash_secret(token),
            issued_by=str(actor),
        )
        return IssuedKey(grant, public, secret, token)

    async def _store(
        self, actor: Principal, made: IssuedKey, wanted: Grant, idempotency: str | None = None
    ) -> IssuedKey:
        stored = await self.stores.grants.create(wanted, idempotency and f"key {actor} {idempotency}")
        if stored.hash != wanted.hash:
            return replace(made, grant=stored)
        await self.live.apply_now()
        asked = session_of(stored.source)
        more = waits_under(stored) | ({} if asked is None else {"role": asked.role, "session": asked.name})
        await self.journal.note(actor, Act.KEY_CREATE, stored.id, owner=str(stored.owner), **more)
        return replace(made, grant=stored)

    def _check(self, caller: Admitted, wanted: Grant, before: Grant | None) -> Grant | Objections:
        """The key as it is stored, or what the policy has against such a one, that was another one before. An end of
        that time may stay.

        Who sees only their own knows of no bucket but those that their rules show.
        """
        policy, now = self.live.policy(), self.live.clock()
        shown = {bucket.name for bucket in policy.visible_buckets(wanted.owner)}
        known = policy.buckets.keys() if caller.reach.owner is None else shown
        if any(part.bucket is not None and part.bucket not in known for part in wanted.narrowed):
            raise Refused(Reason.UNKNOWN_BUCKET, phrase("no_bucket", "no bucket has this name"))
        if any(part.keys and Action.LIST in part.actions for part in wanted.narrowed):
            raise Refused(Reason.BAD_ARGUMENT, phrase("key_list", "the action list needs a prefix, not keys"))
        ended = None if before is None else before.expires_at
        check_times(wanted, now, ended)
        if before is None or wanted.expires_at != ended:
            _require_within(caller, wanted, now)
        if objections := objections_to_key(policy, wanted):
            return Objections(objections)
        wanted = wanted if before is None else keep_approvals(wanted, before)
        return ask_approval(rules_to_approve(policy, wanted), wanted, before, caller.principal, now)

    async def issue_session(
        self, app: str, seconds: float, label: str, source: Source, session_policy: SessionPolicy | None = None
    ) -> IssuedKey:
        """See `gateway.core.issued.SessionIssuer`: the app itself acts. A `session_policy` narrows the key."""
        return await self.issue(
            Principal("app", app),
            app,
            label=label,
            expires_in=seconds,
            session=True,
            source=source,
            session_policy=session_policy,
        )

    async def living_through(self, sidecar: str, apps: Iterable[str], address: str) -> list[LivingSession]:
        """The living keys of these apps that a sidecar had issued while it was known by this address."""
        found: list[LivingSession] = []
        for app in apps:
            owner = Principal("app", app)
            keys = GrantFilter(now=self.live.clock(), kind=GrantKind.KEY, owner=owner)
            async for grant in list_living(self.stores.grants, keys):
                source = source_behind(grant.source, sidecar)
                if source[1:2] == (address,):
                    found.append(LivingSession(grant.id, app, source))
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
            raise Refused(
                Reason.BAD_ARGUMENT, phrase("no_sealing_keys", "no sealing keys are set here: see state.sealing_keys")
            )
        try:
            done = await self.stores.resealer.reseal(cursor, limit)
        except ValueError:
            raise Refused(
                Reason.BAD_ARGUMENT, phrase("batch_unknown", "the cursor comes from no earlier batch")
            ) from None
        await self.live.apply_now()
        if done.resealed or done.unreadable or done.cursor is None:
            counts = {name: str(getattr(done, name)) for name in ("examined", "resealed", "unreadable")}
            await self.journal.note(actor, Act.KEY_RESEAL, "state", **counts)
        return done


def _require_within(caller: Admitted, wanted: Grant, now: float) -> None:
    """Raises Refused(NOT_ALLOWED) for a key that would outlive the key that it is made with."""
    if caller.reach.owner is None or caller.until is None:
        return
    if wanted.expires_at is None or wanted.expires_at > caller.until:
        left = int(caller.until - now)
        raise Refused(
            Reason.NOT_ALLOWED,
            phrase(
                "key_outlives",
                "a key outlives none that it was made with: expires_in is at most {left} seconds",
                left=left,
            ),
        )
