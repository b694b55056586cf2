"""Owns the pages that a link shows to a person: landing, upload form, and the way back from a form.

Refuses to own HTML (`gateway.pages.links`) and when a page is shown (`gateway.data.links.request`).

Law: showing a page takes no use and moves no byte of the object.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from types import MappingProxyType
from typing import Final
from urllib.parse import quote

from gateway.core.grant import Grant
from gateway.core.reasons import Reason, Refused
from gateway.core.request import Action, Operation
from gateway.core.route import Answer, UpstreamCall
from gateway.data.call import LinkAnswer, LinkCall
from gateway.data.plane import DataPlane, Snapshot
from gateway.data.presented import LEASE_COOKIE, PASSWORD_COOKIE, password_proof
from gateway.data.state.transfers import Permit
from gateway.data.store_errors import require_pinned
from gateway.pages import links as pages
from gateway.pages.languages import SOURCE, languages
from gateway.pages.render import Look, look_for
from gateway.wire.http.negotiate import prefers_html, prefers_json
from gateway.wire.replies import LINK_HEADERS, Reply, page_reply, store_reason

__all__ = ["PAGES", "answer_receipt"]

_LEASE_COOKIE_BYTES: Final = 16

Page = Callable[[DataPlane, Snapshot, LinkCall, Permit], Awaitable[Reply]]


def answer_receipt(snapshot: Snapshot, call: LinkCall, permit: Permit, answer: Answer) -> Reply:
    """What the sender of a file gets: a page, a document, or one line, as they asked for."""
    name, size = call.title, permit.moved
    raw = call.request.raw
    etag = answer.headers.get("etag")
    headers = (*LINK_HEADERS, ("ETag", etag)) if etag is not None else LINK_HEADERS
    if prefers_html(raw.header("accept")):
        page = pages.receipt_page(_look(snapshot, call), name=name, size=size, request_id=permit.exchange.request_id)
        return Reply(201, (*page.headers, *headers), page.body)
    if prefers_json(raw.header("accept")):
        receipt = {"name": name, "size": size, "etag": etag, "request_id": permit.exchange.request_id}
        return Reply(201, (*headers, ("Content-Type", "application/json")), json.dumps(receipt).encode() + b"\n")
    line = f"received {name} ({languages()[SOURCE].size(size)})\n"
    return Reply(201, (*headers, ("Content-Type", "text/plain; charset=utf-8")), line.encode("utf-8", "replace"))


def _look(snapshot: Snapshot, call: LinkCall) -> Look:
    return look_for(snapshot.branding, call.request.raw.header("accept-language"))


async def _answer_form(plane: DataPlane, snapshot: Snapshot, call: LinkCall, permit: Permit) -> Reply:
    """Back from one of our forms: the cookies that it earned, and on to the object."""
    grant, place = call.grant, call.place
    attributes = f"; Path=/s/{place.token_text}; HttpOnly; SameSite=Lax"
    if snapshot.public_url.startswith("https:"):
        attributes += "; Secure"
    _, slash, path = call.request.raw.path.removeprefix("/s/").partition("/")
    address = f"/s/{place.token_text}{slash}{path}"  # without what was pasted behind the token: cookies go there alone
    headers = [("Location", address), *LINK_HEADERS]
    if grant.password is not None:
        headers.append(("Set-Cookie", f"{PASSWORD_COOKIE}={password_proof(grant)}{attributes}"))
    if (grant.uses is not None or grant.confirm) and Action.READ in grant.actions:
        archive = call.request.params.get("archive")
        kind = "" if archive is None else f"&archive={quote(archive, safe='')}"
        headers[0] = ("Location", f"{address}?download=1{kind}")
        headers.append(("Set-Cookie", f"{LEASE_COOKIE}={plane.entropy(_LEASE_COOKIE_BYTES).hex()}{attributes}"))
    return Reply(303, tuple(headers))


async def _show_card(plane: DataPlane, snapshot: Snapshot, call: LinkCall, permit: Permit) -> Reply:
    return page_reply(pages.card_page(_look(snapshot, call)))


async def _uses_left(plane: DataPlane, grant: Grant) -> int | None:
    if grant.uses is None:
        return None
    usage = (await plane.leases.usage([grant.id])).get(grant.id)
    left = grant.uses - (usage.uses if usage is not None else 0)
    if left <= 0:
        raise Refused(Reason.USED_UP, f"all {grant.uses} uses are taken")
    return left


async def _show_upload_form(plane: DataPlane, snapshot: Snapshot, call: LinkCall, permit: Permit) -> Reply:
    grant = call.grant
    return page_reply(
        pages.upload_page(
            _look(snapshot, call),
            title=grant.label or "",
            max_size=grant.max_size,
            expires_at=grant.expires_at,
            uses_left=await _uses_left(plane, grant),
            overwrite=grant.overwrite,
        )
    )


async def _show_landing(plane: DataPlane, snapshot: Snapshot, call: LinkCall, permit: Permit) -> Reply:
    """What is behind the link.

    Raises:
        Refused: OBJECT_GONE when its object is not there, OBJECT_CHANGED when it is another now.
    """
    grant, route = call.grant, permit.route
    left = await _uses_left(plane, grant)
    if "archive" in call.request.params:
        return page_reply(
            pages.landing_page(_look(snapshot, call), name=call.title, expires_at=grant.expires_at, uses_left=left)
        )
    look = UpstreamCall(backend=route.backend.name, method="HEAD", bucket=route.bucket.real_bucket, key=route.real_key)
    async with plane.upstream.open(look) as answer:
        if answer.status >= 300:
            raise Refused(store_reason(answer.status, ""), f"the store answered {answer.status} to HEAD")
        require_pinned(answer, permit)
        size = answer.headers.get("content-length", "")
        kind = answer.headers.get("content-type")
    return page_reply(
        pages.landing_page(
            _look(snapshot, call),
            name=call.title,
            size=int(size) if size.isdigit() else None,
            content_type=grant.content_type or kind,
            expires_at=grant.expires_at,
            uses_left=left,
        )
    )


PAGES: Final[Mapping[LinkAnswer | Operation, Page]] = MappingProxyType(
    {
        LinkAnswer.ENTER: _answer_form,
        LinkAnswer.LANDING: _show_landing,
        LinkAnswer.CARD: _show_card,
        LinkAnswer.UPLOAD: _show_upload_form,
    }
)
"""Every page that a link shows, and how it is made."""
