"""Owns the life of a link: issue, inspect, list, edit, rotate.

Refuses to own its end (`revocations`), bodies and URLs of the API, and the judgement itself (`gateway.core.policy`).

Laws: no link is stored that its owner's policy would not let them share at this moment, edits included; the token
leaves this module once, in the answer to the call that made it. What an owner makes or changes stands on the groups
that they come with; what somebody else changes, on those it stood on before.
"""

from __future__ import annotations

import asyncio
from dataclasses import replace
from enum import Enum
from functools import partial
from typing import Final, Literal

from gateway.control.caller import Admitted, Reach
from gateway.control.usecases.grants import (
    Change,
    CountedGrant,
    CountedPage,
    GrantUseCases,
    Objections,
    list_counted,
    require_unrevoked,
    waits_under,
)
from gateway.control.usecases.release import ask_approval, keep_approvals
from gateway.core.attempt import Principal
from gateway.core.grant import Grant, GrantFilter, GrantKind, Scope
from gateway.core.holders import KEY_ENTROPY, ProvedBy, make_key
from gateway.core.intake import ANY_FILES, Intake
from gateway.core.lease import UNUSED
from gateway.core.password import SALT_BYTES, hash_password, password_matches
from gateway.core.policy import objections_to_share
from gateway.core.reasons import Reason, Refused
from gateway.core.record import Act, RecordPage
from gateway.core.request import Action
from gateway.core.said import phrase
from gateway.core.token import ENTROPY_BYTES, LinkToken, SecretHash, grant_id
from gateway.core.values import dataclass

_NO_PROOF: Final = {
    ProvedBy.CODE: phrase("no_codes", "this gateway sends no codes: holders with by: code need mail in its settings"),
    ProvedBy.OIDC: phrase(
        "no_issuer", "nobody can sign in to a link here: holders with by: oidc need an issuer for them in the settings"
    ),
}
_CHOSEN: Final = (
    *("owner", "scope", "actions", "not_before", "expires_at", "uses", "budget", "max_size", "overwrite", "intake"),
    *("confirm", "once", "credentials", "rate", "cidrs", "label", "filename", "content_type", "etag", "shows", "terms"),
    "holders",
)
"""The fields that a body decides; two bodies are the same when these are."""


class Keep(Enum):
    """Says "leave it as it is" where None already means "none"."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP


@dataclass(frozen=True, slots=True)
class IssuedLink:
    """A link and its token; `token` is None when an earlier call made the link, since only its hash is stored."""

    held: CountedGrant
    token: LinkToken | None


@dataclass(frozen=True, slots=True)
class IdempotencyConflict:
    """The idempotency key was used before for another body; for a key, whose secrets are shown once, for any."""

    grant_id: str


@dataclass(frozen=True, slots=True)
class Links(GrantUseCases):
    """The link use cases."""

    async def issue(
        self,
        caller: Admitted,
        scope: Scope,
        change: Change,
        password: str | None,
        idempotency: str | None,
    ) -> IssuedLink | Objections | IdempotencyConflict:
        """Make a link. With an idempotency key seen in the last 24 h the earlier link is returned, without its token.

        Raises:
            Refused: the bucket is unknown, the times make no sense, the owner is not the actor's to choose.
            DependencyDown: a store cannot answer.
        """
        now, actor = self.live.clock(), caller.principal
        token = LinkToken.mint(self.live.entropy(ENTROPY_BYTES))
        bare = _new_link(grant_id("l", self.live.entropy(12)), token.hash, actor, scope, now)
        wanted = replace(change(bare, now), password=await self._hash_password(password))
        decided = self._check_policy(caller, _stand_on(caller, wanted, bare), now, None)
        if isinstance(decided, Objections):
            return decided
        stored = await self.stores.grants.create(decided, idempotency and f"link {actor} {idempotency}")
        if stored.hash != token.hash:
            if not caller.reach.over(stored):
                raise Refused(Reason.BAD_ARGUMENT, phrase("form_used", "this Idempotency-Key was used before"))
            again = change(_new_link(stored.id, stored.hash, actor, scope, stored.issued_at), stored.issued_at)
            if not _is_same_choice(stored, again) or not await _is_same_password(password, stored.password):
                return IdempotencyConflict(stored.id)
            return IssuedLink(await self.count(stored), None)
        await self.live.apply_now()
        detail = {"owner": str(stored.owner), "rule": stored.rule or "", **waits_under(stored)}
        await self.journal.note(actor, Act.LINK_CREATE, stored.id, **detail)
        return IssuedLink(CountedGrant(stored, UNUSED), token)

    async def find(self, reach: Reach, text: str) -> Grant:
        """The link of this id, token or URL. Raises Refused(UNKNOWN_TOKEN) if there is no such link within reach."""
        return await self.find_named(reach, GrantKind.LINK, text)

    async def page(self, reach: Reach, wanted: GrantFilter, cursor: str | None, limit: int) -> CountedPage:
        """Raises Refused(BAD_ARGUMENT) for a cursor that was not given by an earlier page."""
        return await list_counted(self.stores, reach, replace(wanted, kind=GrantKind.LINK), cursor, limit)

    async def edit(
        self,
        caller: Admitted,
        link_id: str,
        change: Change,
        *,
        password: str | Literal[Keep.KEEP] | None = KEEP,
        version: int | None = None,
    ) -> CountedGrant | Objections:
        """Change everything asked for in one write; counters stay.

        Raises:
            Refused: UNKNOWN_TOKEN, REVOKED, PRECONDITION_FAILED if the stored version is not `version`.
        """
        hashed = KEEP if password is KEEP else await self._hash_password(password)

        def change_whole(grant: Grant) -> Grant | Objections:
            require_unrevoked(grant)
            now = self.live.clock()
            wanted = _stand_on(caller, change(grant, now), grant)
            wanted = wanted if hashed is KEEP else replace(wanted, password=hashed)
            return self._check_policy(caller, wanted, now, grant)

        def tell(_: Grant, saved: Grant) -> dict[str, str]:
            return _name_version(saved) | waits_under(saved)

        find = partial(self.find_own, caller.reach, GrantKind.LINK, link_id)
        return await self.edit_grant(caller, "edit", find, change_whole, tell, version=version)

    async def rotate(self, caller: Admitted, link_id: str, version: int | None = None) -> IssuedLink:
        """Give the link a new token; the old one ends with the write. Raises as `edit` does."""
        token = LinkToken.mint(self.live.entropy(ENTROPY_BYTES))

        def change_token(grant: Grant) -> Grant:
            require_unrevoked(grant)
            return replace(_stand_on(caller, grant, grant), hash=token.hash)

        find = partial(self.find_own, caller.reach, GrantKind.LINK, link_id)
        held = await self.edit_grant(
            caller, "rotate", find, change_token, lambda _, saved: _name_version(saved), version=version
        )
        return IssuedLink(held, token)

    async def records(self, reach: Reach, link_id: str, cursor: str | None, limit: int) -> RecordPage:
        """The link's uses, newest first. Raises Refused for an unknown link or a foreign cursor."""
        await self.find_own(reach, GrantKind.LINK, link_id)
        try:
            return await self.stores.ledger.records_of(link_id, cursor, limit)
        except ValueError:
            raise Refused(
                Reason.BAD_ARGUMENT, phrase("cursor_unknown", "the cursor comes from no earlier page")
            ) from None

    async def _hash_password(self, password: str | None) -> str | None:
        if password is None:
            return None
        return await asyncio.to_thread(hash_password, password, self.live.entropy(SALT_BYTES))

    def _check_policy(self, caller: Admitted, grant: Grant, now: float, before: Grant | None) -> Grant | Objections:
        """The grant with the share rule that allows it, waiting if that asks for an approval; or why there is none.

        An end of the link `before` the edit may stay.
        Who sees only their own is told of the rules first, and of a bucket that is none only where they let them share.
        """
        policy, reach = self.live.policy(), caller.reach
        known = grant.scope is not None and grant.scope.bucket in policy.buckets
        if not known and reach.owner is None:
            raise Refused(Reason.UNKNOWN_BUCKET, phrase("no_bucket", "no bucket has this name"))
        if not reach.over(grant):
            raise Refused(Reason.OWNER_NOT_ALLOWED, phrase("other_owner", "only an admin may set another owner"))
        _check_form(grant, now, None if before is None else before.expires_at)
        grant = self._check_holders(grant, before)
        grant = grant if before is None else keep_approvals(grant, before)
        objections, rule = objections_to_share(policy, grant)
        if not objections and not known:
            raise Refused(Reason.UNKNOWN_BUCKET, phrase("no_bucket", "no bucket has this name"))
        if objections:
            return Objections(objections)
        decided = replace(grant, rule=None if rule is None else rule.name)
        return ask_approval(() if rule is None else (rule,), decided, before, caller.principal, now)

    def _check_holders(self, grant: Grant, before: Grant | None) -> Grant:
        """The grant, with a secret for what its holders prove, if it has none yet. Raises Refused(BAD_ARGUMENT)."""
        holders = grant.holders
        if holders is None or (before is not None and before.holders == holders):
            return grant
        if holders.by not in self.live.proofs():
            raise Refused(Reason.BAD_ARGUMENT, _NO_PROOF[holders.by])
        if holders.key:
            return grant
        return replace(grant, holders=replace(holders, key=make_key(self.live.entropy(KEY_ENTROPY))))


def check_times(grant: Grant, now: float, before: float | None) -> None:
    """Raises Refused(BAD_ARGUMENT) for a life that has no time in it. An end `before` the edit may stay."""
    if grant.expires_at is not None and grant.expires_at <= now and grant.expires_at != before:
        raise Refused(Reason.BAD_ARGUMENT, phrase("ends_in_past", "the {kind} would end in the past", kind=grant.kind))
    if None not in (grant.expires_at, grant.not_before) and (grant.not_before or 0) >= (grant.expires_at or 0):
        raise Refused(
            Reason.BAD_ARGUMENT,
            phrase("begins_after_end", "not_before is not before the end of the {kind}", kind=grant.kind),
        )


def _check_form(grant: Grant, now: float, before: float | None) -> None:
    """Raises Refused(BAD_ARGUMENT) for what no rule could make sense of."""
    check_times(grant, now, before)
    if grant.scope is not None and grant.scope.key is not None and Action.LIST in grant.actions:
        raise Refused(Reason.BAD_ARGUMENT, phrase("link_list", "the action list needs a prefix, not a key"))
    if grant.etag is not None and (grant.scope is None or grant.scope.key is None or grant.actions != {Action.READ}):
        raise Refused(
            Reason.BAD_ARGUMENT, phrase("link_etag", "an etag is for a link that reads one object, by its key")
        )
    if grant.once and (grant.uses != 1 or Action.READ not in grant.actions):
        raise Refused(Reason.BAD_ARGUMENT, phrase("link_once", "once is for a link that is read, and is one use"))
    if grant.intake != ANY_FILES:
        _check_intake(grant, grant.intake)


def _check_intake(grant: Grant, intake: Intake) -> None:
    if Action.WRITE not in grant.actions:
        raise Refused(
            Reason.BAD_ARGUMENT,
            phrase("link_intake", "what is said of files that come in is for a link with the action write"),
        )
    if (intake.names or intake.rename) and (grant.scope is None or grant.scope.prefix is None):
        raise Refused(
            Reason.BAD_ARGUMENT, phrase("link_names", "names and on_conflict: rename are for a link to a prefix")
        )
    if intake.blind and grant.actions != {Action.WRITE}:
        raise Refused(
            Reason.BAD_ARGUMENT, phrase("link_blind", "blind is for a link that only writes: it could look otherwise")
        )
    if intake.blind and not (intake.rename or grant.overwrite):
        raise Refused(
            Reason.BAD_ARGUMENT,
            phrase("link_blind_conflict", "a blind link renames or overwrites: a refusal tells that a name is taken"),
        )


def _new_link(link_id: str, secret: SecretHash, actor: Principal, scope: Scope, now: float) -> Grant:
    """A link that reads, owned by who makes it, before its body is applied."""
    return Grant(
        id=link_id,
        kind=GrantKind.LINK,
        hash=secret,
        owner=actor,
        issued_at=now,
        scope=scope,
        actions=frozenset({Action.READ}),
        issued_by=str(actor),
    )


def _name_version(saved: Grant) -> dict[str, str]:
    return {"owner": str(saved.owner), "version": str(saved.version)}


def _stand_on(caller: Admitted, grant: Grant, before: Grant) -> Grant:
    """The grant with the groups that it stands on from now on: its owner's, where the caller is that."""
    if grant.owner == caller.principal:
        return replace(grant, groups=caller.groups)
    return replace(grant, groups=before.groups if grant.owner == before.owner else ())


def _is_same_choice(stored: Grant, wanted: Grant) -> bool:
    return all(getattr(stored, name) == getattr(wanted, name) for name in _CHOSEN)


async def _is_same_password(password: str | None, stored: str | None) -> bool:
    if password is None or stored is None:
        return password is None and stored is None
    return await asyncio.to_thread(password_matches, password, stored)
