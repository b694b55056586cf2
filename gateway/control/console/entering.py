"""Owns the page that takes a command line's code, and asks before it signs anybody in.

Refuses to own the codes (`gateway.control.console.entry_codes`).

Laws: the code comes in a form's body; the address has it behind `#`, which no browser sends, and only until the page
is there. Whoever opens such an address is told as whom they would be signed in, and from where it was asked for, and
presses a button: a link of a stranger signs nobody in as the stranger unseen. Wrong codes are throttled as secrets are.
"""

from __future__ import annotations

from typing import Any

from gateway.control.console.signing_in import begin
from gateway.control.console.visit import Visit
from gateway.core.reasons import Refused
from gateway.core.units import format_instant
from gateway.wire.replies import Reply


async def ask_for_code(visit: Visit) -> Reply:
    return visit.go("") if visit.proxied else _form(visit)


async def enter(visit: Visit) -> Reply:
    """First who it would be, then the session."""
    code, origin = visit.form.exact("code").strip(), visit.raw.header("origin") or ""
    if not visit.browser.private:
        return _form(visit, 403, "signing.in_clear")
    if visit.form.get("confirmed"):
        taken = await visit.api.entry_codes.take(code, origin)
        if taken is not None:
            return begin(visit, taken.admitted, taken.by)
    elif (found := visit.api.entry_codes.find(code, origin)) is not None:
        name, asked = str(found.admitted.principal), format_instant(found.began)
        return _form(visit, code=code, name=name, peer=found.peer, asked=asked)
    try:
        visit.api.guard.charge(visit.exchange.peer)
    except Refused:
        return _form(visit, 429, "signing.too_many")
    return _form(visit, 403, "entering.unknown")


def _form(visit: Visit, status: int = 200, wrong: str = "", **found: Any) -> Reply:
    if not visit.browser.cookie:
        visit.browser.renew_cookie(visit.api.deps.live.entropy)
    return visit.show("console/enter.html", status, wrong=wrong, **{"code": "", "name": ""} | found)
