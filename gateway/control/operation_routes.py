"""Owns what the endpoints that change a running process do: `PUT /v1/backends/{name}`, `PUT /v1/log`.

Refuses to own what the changes are (`gateway.control.usecases.operations`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StrictBool

from gateway.control.answers import View, When, view_reply
from gateway.control.api import Api
from gateway.control.body import Body
from gateway.control.endpoint import Call
from gateway.control.spoken import Spoken
from gateway.core.reasons import Level
from gateway.core.units import format_instant
from gateway.schema.quantities import Duration
from gateway.wire.replies import Reply

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


class FindingView(View):
    """One trial. `ok` is null where it could not be made, or does not matter."""

    check: str
    ok: bool | None
    detail: str


class FindingsView(View):
    """What was seen, in the order in which each trial builds on the one before; it stops where none can follow."""

    findings: list[FindingView]


class LogView(View):
    """The level in force; `until` is null where only a reload or the gateway's end brings the old one back."""

    level: Level
    until: Annotated[When | None, Field(description="When the settings' level is back")]
    processes: Processes
    changed: Changed


async def drain_backend(api: Api, call: Call[None, DrainBody]) -> Reply:
    name, drained = call.values["name"], call.body.drained
    changed = await api.operations.set_drained(call.caller, name, drained=drained)
    processes = api.deps.process.processes
    return view_reply(DrainView(name=name, drained=drained, processes=processes, changed=changed))


async def examine_backend(api: Api, call: Call[None, None]) -> Reply:
    found = await api.operations.examine(call.values["name"])
    seen = [FindingView(check=one.check, ok=one.ok, detail=one.detail) for one in found]
    return Spoken.of(
        view_reply(FindingsView(findings=seen)), [text for one in found for text in (one.check, one.detail)]
    )


async def set_log_level(api: Api, call: Call[None, LogBody]) -> Reply:
    level = await api.operations.set_log_level(call.caller, call.body.level, call.body.seconds)
    until = None if level.until is None else format_instant(level.until)
    processes = api.deps.process.processes
    return view_reply(LogView(level=call.body.level, until=until, processes=processes, changed=level.changed))
