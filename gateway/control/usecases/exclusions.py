"""Owns the end of what one person may do by links that are for certain people: they are excluded from each of them.

Refuses to own ending a link for everybody (`gateway.control.usecases.revocations`) and who is one of a link's holders
(`gateway.core.holders`).

Laws: an exclusion is an edit of the link: in force here before the call returns, and it cuts what runs by that person
and nobody else. It ends what there is: a link that is made later is another one. It is taken back by an edit alone.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Final

from gateway.control.caller import Admitted, Reach
from gateway.control.usecases.grants import GrantUseCases, list_all
from gateway.control.usecases.revocations import Revoked
from gateway.core.attempt import Principal
from gateway.core.grant import Grant, GrantFilter, GrantKind
from gateway.core.holders import MOST_EXCLUDED, Holders
from gateway.core.reasons import Reason, Refused
from gateway.core.record import Act
from gateway.core.said import phrase
from gateway.core.values import dataclass

_AT_ONCE: Final = 200
"""How many links are written at once: others who write wait for that long."""


@dataclass(frozen=True, slots=True)
class HeldLinks:
    """The links that may be for who has this address: one `link` (by id, token or URL), those of an owner, or all."""

    address: str
    link: str | None = None
    owner: Principal | None = None


@dataclass(frozen=True, slots=True)
class Exclusions(GrantUseCases):
    """The use case."""

    async def exclude(
        self, caller: Admitted, of: HeldLinks, reason: str, *, dry_run: bool, issued_before: float | None = None
    ) -> Revoked:
        """Exclude who has this address; with `issued_before`, from what is older than that instant.

        Raises:
            Refused: UNKNOWN_TOKEN, no such link, or an owner who is not the caller; BAD_ARGUMENT, a link excludes as
                many as it can, once all others are done.
            DependencyDown: a store cannot answer; links that were reached before are done.
        """
        count, known, full = 0, False, ""
        meant: list[Grant] = []
        async for grant in self._find(caller.reach, of):
            if grant.holders is None or (issued_before is not None and grant.issued_at >= issued_before):
                continue
            known = known or grant.holders.excludes(of.address)
            if not grant.holders.may_admit(of.address):
                continue
            known = True
            if len(grant.holders.excluded) >= MOST_EXCLUDED:
                full = grant.id
                continue
            count += 1
            meant += [] if dry_run else [grant]
            if len(meant) == _AT_ONCE:
                await self._write(caller, meant, of.address, reason)
                meant = []
        if meant:
            await self._write(caller, meant, of.address, reason)
        if full:
            detail = phrase(
                "excludes_most",
                "{link} excludes {most} addresses already: name its holders anew; {count} others are done",
                link=full,
                most=MOST_EXCLUDED,
                count=count,
            )
            raise Refused(Reason.BAD_ARGUMENT, detail)
        return Revoked(count, None, known)

    async def _find(self, reach: Reach, of: HeldLinks) -> AsyncIterator[Grant]:
        """The links that are meant and not revoked. Those that have expired are among them: they can be revived."""
        if of.link is not None:
            yield await self.find_named(reach, GrantKind.LINK, of.link)
            return
        if reach.owner is not None and of.owner not in {None, reach.owner}:
            raise Refused(Reason.UNKNOWN_TOKEN, phrase("nothing_of_owner", "nothing of this owner is there"))
        wanted = GrantFilter(now=self.live.clock(), kind=GrantKind.LINK, owner=of.owner or reach.owner)
        async for grant in list_all(self.stores.grants, wanted):
            if grant.revoked_at is None:
                yield grant

    async def _write(self, caller: Admitted, links: Sequence[Grant], address: str, reason: str) -> None:
        """One write for all of them, and one for what is audited; a link that others change meanwhile is read again."""
        saved = await self.stores.grants.save_all([_excluding(link, address) for link in links])
        await self.live.apply_now()
        done = {link.id: _tell(reason, link) for link, one in zip(links, saved, strict=True) if one is not None}
        if done:
            await self.journal.note_all(caller.principal, Act.LINK_EXCLUDE, done)
        for link in links:
            if link.id not in done:
                find = partial(self.find_own, caller.reach, GrantKind.LINK, link.id)
                change = partial(_excluding, address=address)
                await self.edit_grant(caller, "exclude", find, change, lambda grant, _: _tell(reason, grant))


def _excluding(link: Grant, address: str) -> Grant:
    """The link without this person; as it is, if it is not for them or cannot exclude more."""
    holders: Holders | None = link.holders
    if holders is None or not holders.may_admit(address) or len(holders.excluded) >= MOST_EXCLUDED:
        return link
    return replace(link, holders=replace(holders, excluded=(*holders.excluded, address)))


def _tell(reason: str, link: Grant) -> dict[str, str]:
    return {"reason": reason, "owner": str(link.owner)}
