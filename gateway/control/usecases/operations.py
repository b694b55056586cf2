"""Owns what an operator changes in a running process: which backends are in use, and how much is logged.

Refuses to own the change itself (`gateway.app`).

Law: both hold until the gateway's end or its next reload, in every process that serves at this address; what is to
last, or to hold in every replica, is written in the files. Each leaves an audit event.
"""

from __future__ import annotations

from collections.abc import Sequence

from gateway.control.deps import Live, Process
from gateway.control.usecases.journal import Journal
from gateway.core.attempt import Principal
from gateway.core.finding import Finding
from gateway.core.reasons import Reason, Refused
from gateway.core.record import Act
from gateway.core.said import phrase
from gateway.core.units import format_instant
from gateway.core.values import dataclass


@dataclass(frozen=True, slots=True)
class LevelSet:
    """When the settings' level is back, None if a reload has to bring it; and how many processes have changed."""

    until: float | None
    changed: int


@dataclass(frozen=True, slots=True)
class Operations:
    """The use cases of running a gateway."""

    process: Process
    live: Live
    journal: Journal

    async def set_drained(self, actor: Principal, name: str, *, drained: bool) -> int:
        """Refuse new requests for a backend, or take them again; running transfers go on. How many have changed.

        Raises:
            Refused: UNKNOWN_BUCKET, no backend has this name.
            DependencyDown: the audit trail is down and its posture closed; the change stands.
        """
        self._require_backend(name)
        changed = await self.process.drain(name, drained)
        await self.journal.note(actor, Act.DRAIN if drained else Act.RESUME, f"backend {name}")
        return changed

    async def examine(self, name: str) -> Sequence[Finding]:
        """What the trials of a backend show. Raises Refused: UNKNOWN_BUCKET, no backend has this name."""
        self._require_backend(name)
        return await self.live.examine(name)

    def _require_backend(self, name: str) -> None:
        if name not in self.live.policy().backends:
            raise Refused(Reason.UNKNOWN_BUCKET, phrase("no_backend", "no backend has this name"))

    async def set_log_level(self, actor: Principal, level: str, seconds: float | None) -> LevelSet:
        """Log at this level.

        Raises:
            DependencyDown: the audit trail is down and its posture closed; the change stands.
        """
        changed = await self.process.log_at(level, seconds)
        until = None if seconds is None else self.live.clock() + seconds
        await self.journal.note(actor, Act.LOG_LEVEL, level, until="" if until is None else format_instant(until))
        return LevelSet(until, changed)
