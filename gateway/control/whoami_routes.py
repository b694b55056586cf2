"""Owns what `/v1/whoami` and `/v1/sign-in` do: who the caller is here, what they may ask, and where people sign in.

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


class IssuerView(View):
    """An issuer of OpenID Connect. A bearer token here has to be signed by it and to name the audience."""

    issuer: str
    client_id: Annotated[str, Field(description="The command line's public client, which has no secret")]
    audience: str
    scopes: list[str]


class SignInView(View):
    """Where people sign in for this API. Nothing in it is a secret, and everybody may read it."""

    issuers: list[IssuerView]


async def show_issuers(api: Api, call: Call[None, None]) -> Reply:
    return view_reply(SignInView.model_validate({"issuers": api.deps.live.callers().clients}))
