"""Owns what `POST /v1/console/codes` does: a command line has the console opened for whoever it acts as.

Refuses to own the codes (`gateway.control.console.entry_codes`) and the page that takes one.

Law: a code is for who could sign in by what they have shown, and opens no more than that; a sidecar is not let in here
(`Access.SIGN_IN`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated

from pydantic import Field

from gateway.control.answers import View, When, view_reply
from gateway.control.api import Api
from gateway.control.body import Body
from gateway.control.console.entry_codes import LIFE
from gateway.control.endpoint import Call
from gateway.core.reasons import Reason, Refused
from gateway.core.units import format_instant
from gateway.schema.addresses import PathUrl
from gateway.wire.replies import Reply


class NewCode(Body):
    """The body of `POST /v1/console/codes`. `url` is where the caller reaches this API; a `public_url` precedes it."""

    url: PathUrl


class CodeView(View):
    """The code stands behind `#` in `url`, so that a browser keeps it for itself until its page posts it."""

    code: str
    url: Annotated[str, Field(description="The page that takes the code, with the code")]
    expires_at: When


async def make_code(api: Api, call: Call[None, NewCode]) -> Reply:
    """Raises Refused: UNKNOWN_TOKEN, there is no console."""
    live, caller = api.deps.live, call.admitted
    rules = live.console()
    if not rules.enabled:
        raise Refused(Reason.UNKNOWN_TOKEN, "this gateway has no console")
    base = (rules.public_url or call.body.url).rstrip("/")
    peer = "" if call.peer is None else api.deps.process.shown(str(call.peer))
    code = await api.entry_codes.make(replace(caller, source=(), digest=None), peer, base)
    until = format_instant(live.clock() + LIFE)
    return view_reply(CodeView(code=code, url=f"{base}/ui/enter#{code}", expires_at=until), status=201)
