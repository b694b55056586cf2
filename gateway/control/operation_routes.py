"""Owns the endpoints that change a running process: `PUT /v1/backends/{name}`, `PUT /v1/log`.

Refuses to own what the changes are (`gateway.control.usecases.operations`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from aiohttp import web
from pydantic import Field, StrictBool

from gateway.control.answers import View
from gateway.control.bodies import NoQuery
from gateway.control.body import Body
from gateway.control.ledger_answers import Instant
from gateway.control.routes import Endpoint, read_body, read_query, reply
from gateway.control.usecases.operations import Operations
from gateway.core.attempt import Principal
from gateway.core.units import format_instant
from gateway.schema.quantities import Duration

__all__ = ["DrainBody", "DrainView", "LogBody", "LogView", "operation_endpoints"]

Level = Literal["debug", "info", "warning", "error"]
Lasts = Literal["until the gateway is reloaded or ends"]
Processes = Annotated[int, Field(description="How many serve at this address")]
Changed = Annotated[int, Field(description="How many of them have changed; one that did not answer in time has not")]


class DrainBody(Body):
    """The body of `PUT /v1/backends/{name}`. A policy's own `drained: true` is the way that lasts."""

    drained: StrictBool


class LogBody(Body):
    """The body of `PUT /v1/log`. Without `for`, the level stays until a reload or the gateway's end."""

    level: Level
    seconds: Duration | None = Field(default=None, alias="for")


class DrainView(View):
    """What is in force, for how long, and in how many processes."""

    name: str
    drained: bool
    lasts: Lasts = "until the gateway is reloaded or ends"
    processes: Processes
    changed: Changed


class LogView(View):
    """The level in force; `until` is null where only a reload or the gateway's end brings the old one back."""

    level: Level
    until: Annotated[Instant | None, Field(description="When the settings' level is back")]
    processes: Processes
    changed: Changed


def operation_endpoints(operations: Operations, processes: int) -> tuple[Endpoint, ...]:
    """The rows that change a running gateway of so many processes."""
    desk = _OperationDesk(operations, processes)
    return (
        Endpoint("PUT", "/v1/backends/{name}", desk.drain),
        Endpoint("PUT", "/v1/log", desk.log),
    )


@dataclass(frozen=True, slots=True)
class _OperationDesk:
    operations: Operations
    processes: int

    async def drain(self, request: web.Request, actor: Principal) -> web.Response:
        read_query(request, NoQuery)
        body = await read_body(request, DrainBody)
        name = request.match_info["name"]
        changed = await self.operations.set_drained(actor, name, drained=body.drained)
        return reply(DrainView(name=name, drained=body.drained, processes=self.processes, changed=changed))

    async def log(self, request: web.Request, actor: Principal) -> web.Response:
        read_query(request, NoQuery)
        body = await read_body(request, LogBody)
        level = await self.operations.set_log_level(actor, body.level, body.seconds)
        ends = None if level.until is None else format_instant(level.until)
        return reply(LogView(level=body.level, until=ends, processes=self.processes, changed=level.changed))
