"""Owns what `/v1/whoami` does: it tells a caller who they are here, and what they may ask.

Refuses to own how somebody is recognised (`gateway.control.guard`).
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from gateway.control.answers import View, When, view_reply
from gateway.control.api import Api
from gateway.control.endpoint import Call
from gateway.core.duty import Duty
from gateway.core.units import format_instant
from gateway.wire.replies import Reply

__all__ = ["WhoView", "show_caller"]


class WhoView(View):
    """Who calls. `until` is null where what was shown does not end by itself."""

    principal: str
    groups: Annotated[list[str], Field(description="What was said of a user")]
    sees: Annotated[Literal["everything", "own"], Field(description="Whose links and keys are there")]
    may: Annotated[list[Duty], Field(description="The `x-duty` of the operations that are open")]
    until: When | None


async def show_caller(api: Api, call: Call[None, None]) -> Reply:
    caller = call.admitted
    return view_reply(
        WhoView(
            principal=str(caller.principal),
            groups=list(caller.groups),
            sees="everything" if caller.reach.owner is None else "own",
            may=[duty for duty in Duty if duty in caller.may],
            until=None if caller.until is None else format_instant(caller.until),
        )
    )
