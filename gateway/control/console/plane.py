"""Owns the way of a request for a page, in one function: find the page, read its form, ask who looks, answer.

Refuses to own which pages there are (`gateway.control.console.table`) and what is on them.

Laws: no page but those of the sign-in is shown to somebody who is not known, and no form is acted on that is not from a
page of ours. Whatever fails becomes a page with the public sentence of a reason, and never more.
"""

from __future__ import annotations

import asyncio
from typing import Final

from gateway.control.api import Api
from gateway.control.console.live import Stream, Streams
from gateway.control.console.looks import asset_reply
from gateway.control.console.sessions import Sessions
from gateway.control.console.signing_in import ask_again, offer_again
from gateway.control.console.table import PAGES, Page
from gateway.control.console.visit import Visit
from gateway.control.endpoint import Found, Router
from gateway.control.problems import describe_failure
from gateway.core.reasons import Reason, Refused, public_reason
from gateway.core.request import RawRequest
from gateway.core.said import phrase
from gateway.pages.assets import Asset, find_asset
from gateway.pages.render import are_read, read_templates
from gateway.server.exchange import ClientExchange
from gateway.wire.replies import Reply

_ASSETS: Final = "/assets/"
_NEXT: Final = {
    401: "failure.sign_in",
    403: "failure.ask",
    404: "failure.gone",
    409: "failure.stale",
    412: "failure.changed",
    422: "failure.correct",
    429: "failure.retry",
}
"""What somebody can do about an answer, by its status."""
_METHODS: Final = {"GET": "GET", "HEAD": "GET", "POST": "POST"}


class Console:
    """The pages."""

    def __init__(self, api: Api, sessions: Sessions) -> None:
        self._api = api
        self._sessions = sessions
        self._router: Router[Page] = Router(PAGES)
        self.streams = Streams()

    async def answer(self, exchange: ClientExchange, raw: RawRequest, place: str) -> Reply | Stream:
        """The page at a path, whose part after `/ui` is `place`."""
        if not place:
            return Reply(308, (("Location", "ui/"),))
        if place.startswith(_ASSETS) and (asset := self._find_asset(place.removeprefix(_ASSETS))) is not None:
            return asset_reply(asset)
        found = self._router.find(place)
        values = {} if found is None else found.values
        visit = Visit(self._api, self._sessions, exchange, raw, place=place, values=values)
        if not are_read("console/"):
            await asyncio.to_thread(read_templates, "console/")
        try:
            return await self._show(visit, found)
        except Exception as failure:  # noqa: BLE001 (the last line of defence: nothing inner may reach a page)
            return self._fail(visit, failure)

    def _find_asset(self, name: str) -> Asset | None:
        logo = self._api.deps.live.console().branding.logo
        return logo if logo is not None and logo.served_as == name else find_asset(name)

    async def _show(self, visit: Visit, found: Found[Page] | None) -> Reply | Stream:
        method = _METHODS.get(visit.raw.method, "")
        page = None if found is None else found.methods.get(method)
        if page is None or not page.open:
            try:
                await visit.recognise(uses=page is None or page.path != "/live")
            except Refused as refused:
                if page is None or method != "POST" or refused.reason is not Reason.CREDENTIALS_MISSING:
                    raise
                return await ask_again(visit)
        if page is None:
            why = Reason.UNKNOWN_TOKEN if found is None else Reason.METHOD_NOT_ALLOWED
            raise Refused(why, phrase("no_page", "there is no such page"))
        if method == "POST":
            await visit.read_form()
            try:
                visit.require_own_form()
            except Refused:
                found_again = offer_again(visit)
                if found_again is None:
                    raise
                return found_again
        return await page.handler(visit)

    def _fail(self, visit: Visit, failure: Exception) -> Reply:
        reason = failure.reason if isinstance(failure, Refused) else None
        if reason is Reason.CREDENTIALS_MISSING and visit.raw.method in {"GET", "HEAD"}:
            return visit.go("sign-in", next=visit.place.lstrip("/"))
        told = describe_failure(visit.exchange.request_id, failure)
        detail = failure.detail if isinstance(failure, Refused) else ""
        status = 403 if reason is Reason.CREDENTIALS_MISSING else told.status
        later = tuple(pair for pair in told.headers if pair[0] == "Retry-After")
        why = public_reason(Reason.INTERNAL if reason is None else reason)
        if reason is None and status == 503:
            why = Reason.DEPENDENCY_DOWN
        page = visit.show(
            "console/failure.html",
            status,
            text=visit.text("failure.nothing" if why is Reason.UNKNOWN_TOKEN else f"reasons.{why.value}"),
            detail=detail,
            next=_NEXT.get(status, "failure.retry" if status >= 500 else "failure.from_the_page"),
            request_id=visit.exchange.request_id,
        )
        return Reply(page.status, (*page.headers, *later), page.body)
