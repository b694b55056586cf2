"""Owns what `/readyz` answers: named checks, and whether the process is going away.

Refuses to own the pages themselves (`gateway.control`) and what the checks look at.

Law: a check reads what is already known and does no I/O, so that a probe can neither hang nor overload what it asks
about. Liveness is not asked here: a process that answers at all is alive, and a dead dependency is no reason to
restart it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

import structlog

from gateway.core.said import phrase

Check = Callable[[], str | None]

_DRAINING: Final = phrase("check_draining", "draining")
_SHUTTING_DOWN: Final = phrase("shutting_down", "the process is shutting down")
_ENDED: Final = phrase("task_ended", "it ended")

_log = structlog.get_logger("gateway")


class Health:
    """Readiness of one process.

    `draining` is set before the listeners close, so that load balancers look elsewhere first.
    """

    def __init__(self) -> None:
        self.draining = False
        self._checks: dict[str, Check] = {}

    def check(self, name: str, function: Check) -> None:
        """Ask this function at every probe: None when all is well, else one sentence without secrets.

        People may be shown the name and the sentence: what is ours is a `phrase`. A name that is given again replaces
        the earlier check.
        """
        self._checks[name] = function

    def watch(self, task: asyncio.Task[None]) -> None:
        """Of work that is to go on for as long as the process: that it ended is a fault, and why is logged at once."""
        self.check(phrase("check_task", "task {name}", name=task.get_name()), lambda: _ENDED if task.done() else None)
        task.add_done_callback(_tell_failure)

    def faults(self) -> dict[str, str]:
        """What stands against sending requests here, by the name of the check. Empty means ready."""
        found: dict[str, str] = {_DRAINING: _SHUTTING_DOWN} if self.draining else {}
        for name, function in self._checks.items():
            fault = function()
            if fault is not None:
                found[name] = fault
        return found


def _tell_failure(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (failure := task.exception()) is not None:
        _log.error("a task has failed: restart this process", task=task.get_name(), exc_info=failure)
