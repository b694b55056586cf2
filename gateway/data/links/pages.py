"""Owns the pages that a link shows to a person: landing, upload form, and the way back from a form.

Refuses to own HTML (`gateway.pages.links`) and when a page is shown (`gateway.data.links.request`).

Law: showing a page takes no use. Where uses or bytes are counted, it moves no byte of the object either.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from gateway.core.grant import Grant, Shown
from gateway.core.lease import LEASE_WINDOW, Reservation
from gateway.core.request import Action, Operation
from gateway.data.call import LinkAnswer, LinkCall
from gateway.data.links.cookies import address_of, cookie_attributes, mark_way_back
from gateway.data.links.intake import tell_intake, uses_left
from gateway.data.links.previews import is_free, look_at, preview
from gateway.data.page_reader import load_pages
from gateway.data.plane import DataPlane, Snapshot
from gateway.data.presented import LEASE_COOKIE, PASSWORD_COOKIE, TERMS_COOKIE, password_proof
from gateway.data.state.transfers import Permit
from gateway.data.steps.admit import use_key
from gateway.data.steps.authorise import find_readable
from gateway.data.steps.reserve import may_have_whole
from gateway.pages import links as pages
from gateway.pages.render import Look, look_for
from gateway.wire.replies import LINK_HEADERS, Reply, page_reply

_LEASE_COOKIE_BYTES: Final = 16

Page = Callable[[DataPlane, Snapshot, LinkCall, Permit], Awaitable[Reply]]


async def _look(snapshot: Snapshot, call: LinkCall) -> Look:
    await load_pages()
    return look_for(snapshot.branding, call.request.raw.header("accept-language"))


async def _answer_form(plane: DataPlane, snapshot: Snapshot, call: LinkCall, permit: Permit) -> Reply:
    """Back from one of our forms: the cookies that it earned, and on to the object, or to what its page was before."""
    grant, place = call.grant, call.place
    attributes = cookie_attributes(snapshot.public_url, place.token_text)
    address, query = address_of(call.request.raw, place.token_text), call.request.raw.query
    headers = [("Location", address), *LINK_HEADERS]
    if grant.password is not None:
        headers.append(("Set-Cookie", f"{PASSWORD_COOKIE}={password_proof(grant)}{attributes}"))
    if call.accepts and grant.terms is not None:
        headers.append(("Set-Cookie", f"{TERMS_COOKIE}={grant.terms_mark}{attributes}"))
    params = call.request.params
    if call.answer is LinkAnswer.PASSED:
        headers[0] = ("Location", f"{address}?{query}" if query else address)
    elif (grant.uses is not None or grant.confirm) and Action.READ in grant.actions:
        if call.answer is not LinkAnswer.ENTER_TO_SEE:
            kind = f"&archive={quote(params['archive'], safe='')}" if "archive" in params else ""
            headers[0] = ("Location", f"{address}?download=1{kind}")
        if not await _goes_on(plane, call, permit):
            headers.append(("Set-Cookie", f"{LEASE_COOKIE}={plane.entropy(_LEASE_COOKIE_BYTES).hex()}{attributes}"))
    elif params.get("page") == "1":
        headers[0] = ("Location", f"{address}?page=1")
    if not _needs_no_cookie(grant, call):
        headers[0] = ("Location", mark_way_back(headers[0][1], call.request.raw, call.attempt.now))
    return Reply(303, tuple(headers))


def _needs_no_cookie(grant: Grant, call: LinkCall) -> bool:
    """Whether the way on needs no cookie: of a link that only asks first, `?download=1` is enough."""
    opens = grant.password is None and grant.terms is None and grant.uses is None
    return opens and call.answer is LinkAnswer.ENTER


async def _goes_on(plane: DataPlane, call: LinkCall, permit: Permit) -> bool:
    """Whether this browser has a use that may still bring all of it: after a download that broke, its button is pressed
    again, and that is the same download."""
    grant = call.grant
    if call.lease is None or grant.uses is None:
        return False
    mine = Reservation(grant.id, use_key(call, permit), permit.name)
    if await plane.leases.open_lease(mine, 0, permit.attempt.now, LEASE_WINDOW) is None:
        return False
    try:
        if "archive" in call.request.params:
            return True
        size = (await look_at(plane, grant, permit)).size
        return size is None or await may_have_whole(plane.leases, mine, grant, size)
    finally:
        await plane.leases.give_back(mine)


async def _show_card(plane: DataPlane, snapshot: Snapshot, call: LinkCall, permit: Permit) -> Reply:
    """For programs that make previews: name and size if the owner chose so, else nothing of the file."""
    look = await _look(snapshot, call)
    if Shown.CARD not in call.grant.shows or "archive" in call.request.params:
        return page_reply(pages.card_page(look))
    subject = await look_at(plane, call.grant, permit)
    told = pages.Told(name=call.title, size=subject.size, content_type=subject.content_type)
    return page_reply(pages.card_page(look, told))


async def _show_upload_form(plane: DataPlane, snapshot: Snapshot, call: LinkCall, permit: Permit) -> Reply:
    grant = call.grant
    return page_reply(
        pages.upload_page(
            await _look(snapshot, call),
            await tell_intake(plane, grant),
            title=grant.label or "",
            expires_at=grant.expires_at,
        )
    )


async def _show_landing(plane: DataPlane, snapshot: Snapshot, call: LinkCall, permit: Permit) -> Reply:
    """What is behind the link.

    Raises:
        Refused: as `look_at`, USED_UP.
    """
    grant, look = call.grant, await _look(snapshot, call)
    left = await uses_left(plane, grant)
    told = pages.Told(
        name=call.title,
        expires_at=grant.expires_at,
        uses_left=left,
        sender=grant.owner.name if Shown.SENDER in grant.shows else "",
    )
    if "archive" in call.request.params:
        return page_reply(pages.landing_page(look, told, asks=True))
    subject = await look_at(plane, call.grant, permit)
    told = replace(told, size=subject.size, content_type=subject.content_type, sha256=subject.sha256)
    asks = grant.confirm or grant.uses is not None
    free = is_free(permit.grant or grant)
    route = find_readable(plane, permit.grant, permit.attempt, permit.attempt.key) if free else None
    return page_reply(
        pages.landing_page(
            look,
            told,
            asks=asks,
            may_show=asks and subject.shown_in_place,
            card=Shown.CARD in grant.shows,
            preview=None if route is None else await preview(plane, route, subject, call.title),
        )
    )


PAGES: Final[Mapping[LinkAnswer | Operation, Page]] = MappingProxyType(
    {
        LinkAnswer.ENTER: _answer_form,
        LinkAnswer.ENTER_TO_SEE: _answer_form,
        LinkAnswer.PASSED: _answer_form,
        LinkAnswer.LANDING: _show_landing,
        LinkAnswer.CARD: _show_card,
        LinkAnswer.UPLOAD: _show_upload_form,
    }
)
"""Every page that a link shows, and how it is made."""
