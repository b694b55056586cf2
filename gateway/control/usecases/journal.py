"""Owns the trace of administrative acts: every act leaves one audit event, or says loudly that it could not.

Refuses to own where events are stored. No secret ever enters an event.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Final

from gateway.core.attempt import Principal
from gateway.core.reasons import DependencyDown
from gateway.core.record import Act, AuditEvent, Ledger
from gateway.core.values import dataclass

_log: Final = logging.getLogger("gateway.control")


@dataclass(frozen=True, slots=True)
class Journal:
    """The audit trail as use cases see it. `required` asks for the declared posture: true refuses, false goes on.

    `tell` is given every event first: it is logged (at level info) even while the ledger is down.
    """

    ledger: Ledger
    clock: Callable[[], float]
    required: Callable[[], bool]
    tell: Callable[[AuditEvent], None]

    async def note(self, actor: Principal, act: Act, target: str, **detail: str) -> None:
        """Write one event, durable before it returns.

        Raises:
            DependencyDown: the ledger is down and the posture is closed. The act itself stands and may be repeated.
        """
        await self.note_all(actor, act, {target: detail})

    async def note_all(self, actor: Principal, act: Act, details: Mapping[str, dict[str, str]]) -> None:
        """The same of several targets, an event for each, with its detail."""
        events = [
            AuditEvent(at=self.clock(), actor=str(actor), act=act, target=target, detail=detail)
            for target, detail in details.items()
        ]
        for event in events:
            self.tell(event)
        try:
            await self.ledger.audit(*events)
        except DependencyDown as down:
            if self.required():
                raise
            for event in events:
                _log.error("audit event lost: %s %s %s: %s", event.actor, act, event.target, down.detail)
