"""Owns the life of a link: issue, inspect, list, edit, rotate.

Refuses to own its end (`revocations`), bodies and URLs of the API, and the judgement itself (`gateway.core.policy`).

Laws: no link is stored that its owner's policy would not let them share at this moment, edits included; the token
leaves this module once, in the answer to the call that made it. What an owner makes or changes stands on the groups
that they come with; what somebody else changes, on those it stood on before.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import replace
from enum import Enum
from typing import Final, Literal

from gateway.control.caller import Admitted, Reach
from gateway.control.deps import Live, Stores
from gateway.control.usecases.finding import find_grant
from gateway.control.usecases.journal import Journal
from gateway.control.usecases.release import ask_approval, keep_approvals
from gateway.core.attempt import Principal
from gateway.core.grant import LIVING, Grant, GrantAdmin, GrantFilter, GrantKind, GrantState, Scope
from gateway.core.intake import ANY_FILES, Intake
from gateway.core.lease import UNUSED, Usage, state_with
from gateway.core.password import SALT_BYTES, hash_password, password_matches
from gateway.core.policy import Objection, objections_to_share
from gateway.core.reasons import Reason, Refused
from gateway.core.record import RecordPage
from gateway.core.request import Action
from gateway.core.token import ENTROPY_BYTES, LinkToken, SecretHash, grant_id
from gateway.core.values import dataclass

_PAGE: Final = 500

EDIT_TRIES: Final = 3
"""How often an edit without a stated version is tried again after a concurrent change."""

_CHOSEN: Final = (
    *("owner", "scope", "actions", "not_before", "expires_at", "uses", "budget", "max_size", "overwrite", "intake"),
    *("confirm", "once", "credentials", "rate", "cidrs", "label", "filename", "content_type", "etag", "shows", "terms"),
)
"""The fields that a body decides; two bodies are the same when these are."""


class Keep(Enum):
    """Says "leave it as it is" where None already means "none"."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP

Change = Callable[[Grant, float], Grant]
"""What a body asks for, applied to a grant at an instant. It never touches id, hash, issue, password or revocation."""


@dataclass(frozen=True, slots=True)
class CountedGrant:
    """A stored grant with its counters; `received` are the files that came in, where their number is limited."""

    grant: Grant
    usage: Usage
    received: Usage = UNUSED

    def state(self, now: float) -> GrantState:
        return state_with(self.grant, self.usage, self.received, now)


@dataclass(frozen=True, slots=True)
class CountedPage:
    """Newest first. `cursor` continues after the last one, None at the end."""

    held: tuple[CountedGrant, ...]
    cursor: str | None


@dataclass(frozen=True, slots=True)
class IssuedLink:
    """A link and its token; `token` is None when an earlier call made the link, since only its hash is stored."""

    held: CountedGrant
    token: LinkToken | None


@dataclass(frozen=True, slots=True)
class Objections:
    """The policy does not let the owner have such a link: all its objections."""

    objections: tuple[Objection, ...]


@dataclass(frozen=True, slots=True)
class IdempotencyConflict:
    """The idempotency key was used before for another body."""

    link_id: str


@dataclass(frozen=True, slots=True)
class Links:
    """The link use cases."""

    stores: Stores
    live: Live
    journal: Journal

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
                raise Refused(Reason.BAD_ARGUMENT, "this Idempotency-Key was used before")
            again = change(_new_link(stored.id, stored.hash, actor, scope, stored.issued_at), stored.issued_at)
            if not _is_same_choice(stored, again) or not await _is_same_password(password, stored.password):
                return IdempotencyConflict(stored.id)
            return IssuedLink(await read_counters(self.stores, stored), None)
        await self.live.apply_now()
        detail = {"owner": str(stored.owner), "rule": stored.rule or "", **waits_under(stored)}
        await self.journal.note(actor, "link.create", stored.id, **detail)
        return IssuedLink(CountedGrant(stored, UNUSED), token)

    async def inspect(self, reach: Reach, link_id: str) -> CountedGrant:
        """Raises Refused(UNKNOWN_TOKEN) if there is no such link within reach."""
        return await read_counters(self.stores, await self._find(reach, link_id))

    async def find(self, reach: Reach, text: str) -> Grant:
        """The link of this id, token or URL. Raises Refused(UNKNOWN_TOKEN) if there is no such link within reach."""
        grant = await find_grant(self.stores.grants, GrantKind.LINK, text)
        if grant is None or not reach.over(grant):
            raise Refused(Reason.UNKNOWN_TOKEN, "no such link")
        return grant

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
        for _ in range(1 if version is not None else EDIT_TRIES):
            grant = await self._find_editable(caller.reach, link_id, version)
            now = self.live.clock()
            wanted = _stand_on(caller, change(grant, now), grant)
            wanted = wanted if hashed is KEEP else replace(wanted, password=hashed)
            decided = self._check_policy(caller, wanted, now, grant)
            if isinstance(decided, Objections):
                return decided
            saved = await self.stores.grants.save(decided)
            if saved is not None:
                await self.live.apply_now()
                detail = {"owner": str(saved.owner), "version": str(saved.version), **waits_under(saved)}
                await self.journal.note(caller.principal, "link.edit", link_id, **detail)
                return await read_counters(self.stores, saved)
        raise Refused(Reason.PRECONDITION_FAILED, "the link was changed by somebody else at the same time")

    async def rotate(self, caller: Admitted, link_id: str) -> IssuedLink:
        """Give the link a new token; the old one ends with the write. Raises as `edit` does."""
        for _ in range(EDIT_TRIES):
            grant = await self._find_editable(caller.reach, link_id, None)
            token = LinkToken.mint(self.live.entropy(ENTROPY_BYTES))
            wanted = _stand_on(caller, grant, grant)
            saved = await self.stores.grants.save(replace(wanted, hash=token.hash))
            if saved is not None:
                await self.live.apply_now()
                detail = {"owner": str(saved.owner), "version": str(saved.version)}
                await self.journal.note(caller.principal, "link.rotate", link_id, **detail)
                return IssuedLink(await read_counters(self.stores, saved), token)
        raise Refused(Reason.PRECONDITION_FAILED, "the link was changed by somebody else at the same time")

    async def records(self, reach: Reach, link_id: str, cursor: str | None, limit: int) -> RecordPage:
        """The link's uses, newest first. Raises Refused for an unknown link or a foreign cursor."""
        await self._find(reach, link_id)
        try:
            return await self.stores.ledger.records_of(link_id, cursor, limit)
        except ValueError:
            raise Refused(Reason.BAD_ARGUMENT, "the cursor comes from no earlier page") from None

    async def _find(self, reach: Reach, link_id: str) -> Grant:
        grant = await self.stores.grants.get(link_id)
        if grant is None or grant.kind is not GrantKind.LINK or not reach.over(grant):
            raise Refused(Reason.UNKNOWN_TOKEN, "no link has this id")
        return grant

    async def _find_editable(self, reach: Reach, link_id: str, version: int | None) -> Grant:
        grant = await self._find(reach, link_id)
        if version is not None and grant.version != version:
            raise Refused(Reason.PRECONDITION_FAILED, f"the link is at version {grant.version}")
        if grant.revoked_at is not None:
            raise Refused(Reason.REVOKED, "a revoked link stays revoked: create a new one")
        return grant

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
            raise Refused(Reason.UNKNOWN_BUCKET, "no bucket has this name")
        if not reach.over(grant):
            raise Refused(Reason.OWNER_NOT_ALLOWED, "only an admin may set another owner")
        _check_form(grant, now, None if before is None else before.expires_at)
        grant = grant if before is None else keep_approvals(grant, before)
        objections, rule = objections_to_share(policy, grant)
        if not objections and not known:
            raise Refused(Reason.UNKNOWN_BUCKET, "no bucket has this name")
        if objections:
            return Objections(objections)
        decided = replace(grant, rule=None if rule is None else rule.name)
        return ask_approval(() if rule is None else (rule,), decided, before, caller.principal, now)


def check_times(grant: Grant, now: float, before: float | None) -> None:
    """Raises Refused(BAD_ARGUMENT) for a life that has no time in it. An end `before` the edit may stay."""
    if grant.expires_at is not None and grant.expires_at <= now and grant.expires_at != before:
        raise Refused(Reason.BAD_ARGUMENT, f"the {grant.kind} would end in the past")
    if None not in (grant.expires_at, grant.not_before) and (grant.not_before or 0) >= (grant.expires_at or 0):
        raise Refused(Reason.BAD_ARGUMENT, f"not_before is not before the end of the {grant.kind}")


def waits_under(grant: Grant) -> dict[str, str]:
    """What the audit trail says of a grant that waits: under which rule."""
    return {} if grant.waiting is None else {"waits_under": grant.rule or ""}


async def read_counters(stores: Stores, grant: Grant) -> CountedGrant:
    """A grant with its counters."""
    return (await _count(stores, [grant]))[0]


async def _count(stores: Stores, grants: Sequence[Grant]) -> tuple[CountedGrant, ...]:
    receiving = [grant.intake_id for grant in grants if grant.intake.counted]
    usage = await stores.leases.usage([grant.id for grant in grants] + receiving)
    return tuple(
        CountedGrant(grant, usage.get(grant.id, UNUSED), usage.get(grant.intake_id, UNUSED)) for grant in grants
    )


def _check_form(grant: Grant, now: float, before: float | None) -> None:
    """Raises Refused(BAD_ARGUMENT) for what no rule could make sense of."""
    check_times(grant, now, before)
    if grant.scope is not None and grant.scope.key is not None and Action.LIST in grant.actions:
        raise Refused(Reason.BAD_ARGUMENT, "the action list needs a prefix, not a key")
    if grant.etag is not None and (grant.scope is None or grant.scope.key is None or grant.actions != {Action.READ}):
        raise Refused(Reason.BAD_ARGUMENT, "an etag is for a link that reads one object, by its key")
    if grant.once and (grant.uses != 1 or Action.READ not in grant.actions):
        raise Refused(Reason.BAD_ARGUMENT, "once is for a link that is read, and is one use")
    if grant.intake != ANY_FILES:
        _check_intake(grant, grant.intake)


def _check_intake(grant: Grant, intake: Intake) -> None:
    if Action.WRITE not in grant.actions:
        raise Refused(Reason.BAD_ARGUMENT, "what is said of files that come in is for a link with the action write")
    if (intake.names or intake.rename) and (grant.scope is None or grant.scope.prefix is None):
        raise Refused(Reason.BAD_ARGUMENT, "names and on_conflict: rename are for a link to a prefix")
    if intake.blind and grant.actions != {Action.WRITE}:
        raise Refused(Reason.BAD_ARGUMENT, "blind is for a link that only writes: it could look otherwise")
    if intake.blind and not (intake.rename or grant.overwrite):
        raise Refused(Reason.BAD_ARGUMENT, "a blind link renames or overwrites: a refusal tells that a name is taken")


async def list_living(
    grants: GrantAdmin, wanted: GrantFilter, states: Iterable[GrantState] = LIVING
) -> AsyncIterator[Grant]:
    """Every grant that fits and has not ended, whatever keeps it from being used now."""
    for state in states:
        cursor: str | None = None
        while True:
            page = await grants.page(replace(wanted, state=state), cursor, _PAGE)
            for grant in page.grants:
                yield grant
            if (cursor := page.cursor) is None:
                break


async def list_counted(
    stores: Stores, reach: Reach, wanted: GrantFilter, cursor: str | None, limit: int
) -> CountedPage:
    """A page of grants with their counters: those within reach, and what awaits approval under `wanted.approves`.

    Raises:
        Refused: BAD_ARGUMENT for a cursor that was not given by an earlier page.
    """
    if reach.owner is not None and wanted.approves:
        there: GrantFilter | None = replace(wanted, shown_to=reach.owner)
    else:
        there = reach.within(wanted)
    if there is None:
        return CountedPage((), None)
    try:
        page = await stores.grants.page(there, cursor, limit)
    except ValueError:
        raise Refused(Reason.BAD_ARGUMENT, "the cursor comes from no earlier page") from None
    return CountedPage(await _count(stores, page.grants), page.cursor)


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
