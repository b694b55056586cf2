"""Owns the pause of a grant, and its end: suspend and resume, of links and keys alike.

Refuses to own ending one for good (`gateway.control.usecases.revocations`).

Laws: a suspension is an edit: in force here before the call returns, and it cuts what runs. What an admin suspended no
owner resumes. Doing either again changes nothing; what was revoked stays so.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial

from gateway.control.caller import Admitted
from gateway.control.usecases.grants import CountedGrant, GrantUseCases, require_unrevoked
from gateway.core.grant import Grant, GrantKind
from gateway.core.link_credentials import link_of
from gateway.core.reasons import Reason, Refused
from gateway.core.said import phrase
from gateway.core.values import dataclass


@dataclass(frozen=True, slots=True)
class Suspensions(GrantUseCases):
    """The use cases of both."""

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
        at, by = (self.live.clock(), str(caller.principal)) if suspending else (None, "")
        find = partial(self.find_own, caller.reach, kind, grant_id)

        def change(grant: Grant) -> Grant:
            require_unrevoked(grant)
            if grant.link is not None:
                raise Refused(
                    Reason.BAD_ARGUMENT,
                    phrase("suspend_link", "it stands for a link: suspend that one ({grant})", grant=link_of(grant)),
                )
            if not suspending:
                _require_right(caller, grant)
            already = (grant.suspended_at is not None) is suspending
            return grant if already else replace(grant, suspended_at=at, suspended_by=by)

        def tell(grant: Grant, _: Grant) -> dict[str, str]:
            return {"reason": reason or "", "owner": str(grant.owner)}

        return await self.edit_grant(caller, "suspend" if suspending else "resume", find, change, tell)


def _require_right(caller: Admitted, grant: Grant) -> None:
    """Whoever owns it lifts what they imposed themselves."""
    if grant.suspended_at is None or caller.reach.owner is None or grant.suspended_by == str(caller.principal):
        return
    raise Refused(
        Reason.NOT_ALLOWED,
        phrase(
            "suspended_by", "{suspended_by} suspended it: only an admin resumes it", suspended_by=grant.suspended_by
        ),
    )
