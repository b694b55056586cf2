"""Owns what the use cases of links and of keys share: how a grant is found, read with its counters, listed and edited.

Refuses to own what is changed, and who may change it (the use cases beside it).

Laws: an edit is one write, in force in this process and noted before it returns; when somebody else was faster it is
tried again on what they wrote, unless the caller insists on a version.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeVar

from gateway.control.caller import Admitted, Reach
from gateway.control.deps import Live, Stores
from gateway.control.usecases.journal import Journal
from gateway.core.grant import LIVING, Grant, GrantAdmin, GrantFilter, GrantKind, GrantState
from gateway.core.lease import UNUSED, Usage, state_with
from gateway.core.policy import Objection
from gateway.core.reasons import DependencyDown, Reason, Refused
from gateway.core.record import Act
from gateway.core.said import phrase
from gateway.core.token import LinkToken, SecretHash, hash_secret, without_marks
from gateway.core.values import dataclass

Instead = TypeVar("Instead")

_log: Final = logging.getLogger("gateway.control")
_PAUSE: Final = 1.0
_PAGE: Final = 500
_TRIES: Final = 3
_UNKNOWN: Final = {GrantKind.LINK: Reason.UNKNOWN_TOKEN, GrantKind.KEY: Reason.UNKNOWN_KEY}

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
class Objections:
    """The policy does not let the owner have such a grant: all its objections."""

    objections: tuple[Objection, ...]


@dataclass(frozen=True, slots=True)
class GrantUseCases:
    """What use cases of grants are made from."""

    stores: Stores
    live: Live
    journal: Journal

    async def find_own(self, reach: Reach, kind: GrantKind, grant_id: str) -> Grant:
        """The grant of this id. Raises Refused (UNKNOWN_TOKEN, UNKNOWN_KEY) if there is no such one within reach."""
        return require(kind, await self.stores.grants.get(grant_id), reach.over)

    async def inspect(self, reach: Reach, kind: GrantKind, grant_id: str) -> CountedGrant:
        """The same with its counters. Raises as `find_own`."""
        return await self.count(await self.find_own(reach, kind, grant_id))

    async def find_named(self, reach: Reach, kind: GrantKind, text: str) -> Grant:
        """The grant of this id, token, URL or access key id. Raises as `find_own`."""
        grant = await find_grant(self.stores.grants, kind, text)
        if grant is None or not reach.over(grant):
            raise Refused(_UNKNOWN[kind], phrase("none_such", "no such {kind}", kind=kind))
        return grant

    async def count(self, grant: Grant) -> CountedGrant:
        """The grant with its counters."""
        return (await _count(self.stores, [grant]))[0]

    async def edit_grant(
        self,
        caller: Admitted,
        act: str,
        find: Callable[[], Awaitable[Grant]],
        change: Callable[[Grant], Grant | Instead],
        tell: Callable[[Grant, Grant], Mapping[str, str]],
        *,
        version: int | None = None,
    ) -> CountedGrant | Instead:
        """Write what `change` makes of the grant that `find` finds; what is no grant is returned instead.

        A grant that `change` returns as it is needs no write. `tell` gives the detail of the audit event `act`, from
        the grant before and after.

        Raises:
            Refused: PRECONDITION_FAILED if the stored version is not `version`, or others change it all the time; and
                whatever `find` and `change` raise.
        """
        tries = 1 if version is not None else _TRIES
        while True:
            grant = await find()
            if version is not None and grant.version != version:
                raise Refused(
                    Reason.PRECONDITION_FAILED,
                    phrase("at_version", "the {kind} is at version {version}", kind=grant.kind, version=grant.version),
                )
            wanted = change(grant)
            if not isinstance(wanted, Grant):
                return wanted
            saved = grant if wanted is grant else await self.stores.grants.save(wanted)
            if saved is not None:
                if saved is not grant:
                    await self.live.apply_now()
                    await self.journal.note(
                        caller.principal, Act(f"{grant.kind}.{act}"), grant.id, **tell(grant, saved)
                    )
                return await self.count(saved)
            tries -= 1
            if not tries:
                detail = phrase(
                    "changed_meanwhile", "the {kind} was changed by somebody else at the same time", kind=grant.kind
                )
                raise Refused(Reason.PRECONDITION_FAILED, detail)


def require(kind: GrantKind, grant: Grant | None, shown: Callable[[Grant], bool]) -> Grant:
    """The grant that an id gave, if it is of this kind and shown to the caller.

    Raises:
        Refused: UNKNOWN_TOKEN, UNKNOWN_KEY.
    """
    if grant is None or grant.kind is not kind or not shown(grant):
        raise Refused(_UNKNOWN[kind], phrase("none_has_id", "no {kind} has this id", kind=kind))
    return grant


def require_unrevoked(grant: Grant) -> None:
    """Raises Refused(REVOKED)."""
    if grant.revoked_at is not None:
        raise Refused(
            Reason.REVOKED, phrase("stays_revoked", "a revoked {kind} stays revoked: create a new one", kind=grant.kind)
        )


async def find_grant(grants: GrantAdmin, kind: GrantKind, text: str) -> Grant | None:
    """The link or key of this id; or of this token or URL, or this access key id."""
    found = await grants.get(text)
    if found is None and (shown := _hash_of(kind, text)) is not None:
        found = await grants.find(shown)
    return found if found is not None and found.kind is kind else None


def _hash_of(kind: GrantKind, text: str) -> SecretHash | None:
    if kind is GrantKind.KEY:
        return hash_secret(text)
    _, _, tail = text.rpartition("/s/")
    try:
        return LinkToken(without_marks(tail.partition("/")[0].partition("?")[0])).hash
    except ValueError:
        return None


async def _count(stores: Stores, grants: Sequence[Grant]) -> tuple[CountedGrant, ...]:
    receiving = [grant.intake_id for grant in grants if grant.intake.counted]
    usage = await stores.leases.usage([grant.id for grant in grants] + receiving)
    return tuple(
        CountedGrant(grant, usage.get(grant.id, UNUSED), usage.get(grant.intake_id, UNUSED)) for grant in grants
    )


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
        raise Refused(Reason.BAD_ARGUMENT, phrase("cursor_unknown", "the cursor comes from no earlier page")) from None
    return CountedPage(await _count(stores, page.grants), page.cursor)


async def list_living(
    grants: GrantAdmin, wanted: GrantFilter, states: Iterable[GrantState] = LIVING
) -> AsyncIterator[Grant]:
    """Every grant that fits and has not ended, whatever keeps it from being used now."""
    for state in states:
        async for grant in list_all(grants, replace(wanted, state=state)):
            yield grant


async def list_all(grants: GrantAdmin, wanted: GrantFilter) -> AsyncIterator[Grant]:
    """Every grant that fits."""
    cursor: str | None = None
    while True:
        page = await grants.page(wanted, cursor, _PAGE)
        for grant in page.grants:
            yield grant
        if (cursor := page.cursor) is None:
            return


async def repeat_until_done(act: Callable[[], Awaitable[object]], complaint: str) -> None:
    """Act until the stores answer. The first failure is logged, its detail within the complaint."""
    logged = False
    while True:
        try:
            await act()
        except DependencyDown as failure:
            if not logged:
                _log.warning(complaint, failure.detail)
            logged = True
            await asyncio.sleep(_PAUSE)
        else:
            return


def waits_under(grant: Grant) -> dict[str, str]:
    """What the audit trail says of a grant that waits: under which rule."""
    return {} if grant.waiting is None else {"waits_under": grant.rule or ""}
