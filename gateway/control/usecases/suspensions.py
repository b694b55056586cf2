"""Owns the pause of a grant, and its end: suspend and resume, of links and keys alike.

Refuses to own ending one for good (`gateway.control.usecases.revocations`).

Laws: a suspension is an edit: in force here before the call returns, and it cuts what runs. What an admin suspended no
owner resumes. Doing either again changes nothing; what was revoked stays so.
"""

from __future__ import annotations

from dataclasses import replace

from gateway.control.caller import Admitted
from gateway.control.deps import Live, Stores
from gateway.control.usecases.journal import Journal
from gateway.control.usecases.links import EDIT_TRIES, CountedGrant, read_counters
from gateway.core.grant import Grant, GrantKind
from gateway.core.link_credentials import link_of
from gateway.core.reasons import Reason, Refused
from gateway.core.values import dataclass


@dataclass(frozen=True, slots=True)
class Suspensions:
    """The use cases of both."""

    stores: Stores
    live: Live
    journal: Journal

    async def suspend(self, caller: Admitted, kind: GrantKind, grant_id: str, reason: str | None) -> CountedGrant:
        """Let nobody use it until it is resumed.

        Raises:
            Refused: UNKNOWN_TOKEN, UNKNOWN_KEY, REVOKED, PRECONDITION_FAILED when it is changed all the time.
        """
        return await self._write(caller, kind, grant_id, reason, suspending=True)

    async def resume(self, caller: Admitted, kind: GrantKind, grant_id: str, reason: str | None) -> CountedGrant:
        """Let it be used again, as far as it could be before.

        Raises:
            Refused: as `suspend`; NOT_ALLOWED, somebody else suspended it.
        """
        return await self._write(caller, kind, grant_id, reason, suspending=False)

    async def _write(
        self, caller: Admitted, kind: GrantKind, grant_id: str, reason: str | None, *, suspending: bool
    ) -> CountedGrant:
        for _ in range(EDIT_TRIES):
            grant = await self._find(caller, kind, grant_id)
            if not suspending:
                _require_right(caller, grant)
            if (grant.suspended_at is not None) is suspending:
                return await read_counters(self.stores, grant)
            at, by = (self.live.clock(), str(caller.principal)) if suspending else (None, "")
            saved = await self.stores.grants.save(replace(grant, suspended_at=at, suspended_by=by))
            if saved is not None:
                await self.live.apply_now()
                act = f"{kind}.{'suspend' if suspending else 'resume'}"
                await self.journal.note(caller.principal, act, grant_id, reason=reason or "", owner=str(grant.owner))
                return await read_counters(self.stores, saved)
        raise Refused(Reason.PRECONDITION_FAILED, f"the {kind} was changed by somebody else at the same time")

    async def _find(self, caller: Admitted, kind: GrantKind, grant_id: str) -> Grant:
        grant = await self.stores.grants.get(grant_id)
        if grant is None or grant.kind is not kind or not caller.reach.over(grant):
            unknown = Reason.UNKNOWN_TOKEN if kind is GrantKind.LINK else Reason.UNKNOWN_KEY
            raise Refused(unknown, f"no {kind} has this id")
        if grant.revoked_at is not None:
            raise Refused(Reason.REVOKED, f"a revoked {kind} stays revoked: create a new one")
        if grant.link is not None:
            raise Refused(Reason.BAD_ARGUMENT, f"it stands for a link: suspend that one ({link_of(grant)})")
        return grant


def _require_right(caller: Admitted, grant: Grant) -> None:
    """Whoever owns it lifts what they imposed themselves."""
    if grant.suspended_at is None or caller.reach.owner is None or grant.suspended_by == str(caller.principal):
        return
    raise Refused(Reason.NOT_ALLOWED, f"{grant.suspended_by} suspended it: only an admin resumes it")
