"""Owns the pages that a link shows to a person: landing, upload form, and the way back from a form.

Refuses to own HTML (`gateway.wire.links.pages`) and when a page is shown (`gateway.data.links.request`).

Law: showing a page takes no use and moves no byte of the object.
"""

from __future__ import annotations

import json
from typing import Final
from urllib.parse import quote

from gateway.core.reasons import Reason, Refused
from gateway.core.request import Action, LinkPlace
from gateway.core.route import Answer, UpstreamCall
from gateway.data.call import Call, LinkPage
from gateway.data.plane import DataPlane, Snapshot
from gateway.data.presented import LEASE_COOKIE, PASSWORD_COOKIE
from gateway.data.state.transfers import Permit
from gateway.data.steps.password import password_proof
from gateway.data.store_errors import require_pinned
from gateway.wire.http.negotiate import prefers_html, prefers_json
from gateway.wire.links import pages
from gateway.wire.replies import LINK_HEADERS, Reply, store_reason

__all__ = ["html", "link_page", "link_receipt", "link_title"]

_LEASE_COOKIE_BYTES: Final = 16


async def link_page(plane: DataPlane, gate: Snapshot, tried: Call, permit: Permit) -> Reply:
    """The page that answers this request.

    Raises:
        Refused: OBJECT_GONE for a landing page whose object is not there, OBJECT_CHANGED for one that is another now.
    """
    match tried.page:
        case LinkPage.ENTER:
            return _enter(plane, gate, tried)
        case LinkPage.UPLOAD:
            return await _upload(plane, tried)
        case LinkPage.LANDING:
            return await _landing(plane, tried, permit)
        case LinkPage.CARD:
            return html(pages.card_page())
        case None:
            raise ValueError("no page answers this request")


def html(page: pages.Page) -> Reply:
    """A page with the headers that every answer of a link has."""
    return Reply(200, (*page.headers, *LINK_HEADERS), page.body)


def link_title(tried: Call) -> str:
    """What a person would call what the link leads to; never the bucket or the path above it."""
    grant, key = tried.grant, tried.attempt.key
    if grant is not None and grant.filename:
        return grant.filename
    name = key.rstrip("/").rpartition("/")[2]
    return name or (grant.label if grant is not None and grant.label else "Files")


def link_receipt(tried: Call, permit: Permit, answer: Answer) -> Reply:
    """What the sender of a file gets: a page, a document, or one line, as they asked for."""
    name, size = link_title(tried), permit.moved
    raw = tried.request.raw
    etag = answer.headers.get("etag")
    headers = (*LINK_HEADERS, ("ETag", etag)) if etag is not None else LINK_HEADERS
    if prefers_html(raw.header("accept")):
        page = pages.receipt_page(name=name, size=size, request_id=permit.exchange.request_id)
        return Reply(201, (*page.headers, *headers), page.body)
    if prefers_json(raw.header("accept")):
        receipt = {"name": name, "size": size, "etag": etag, "request_id": permit.exchange.request_id}
        return Reply(201, (*headers, ("Content-Type", "application/json")), json.dumps(receipt).encode() + b"\n")
    line = f"received {name} ({pages.shown_size(size)})\n"
    return Reply(201, (*headers, ("Content-Type", "text/plain; charset=utf-8")), line.encode("utf-8", "replace"))


def _enter(plane: DataPlane, gate: Snapshot, tried: Call) -> Reply:
    grant, place = tried.grant, tried.request.place
    if grant is None or not isinstance(place, LinkPlace):
        raise Refused(Reason.BAD_REQUEST, "a form without a link")
    attributes = f"; Path=/s/{place.token_text}; HttpOnly; SameSite=Lax"
    if gate.public_url.startswith("https:"):
        attributes += "; Secure"
    _, slash, path = tried.request.raw.path.removeprefix("/s/").partition("/")
    address = f"/s/{place.token_text}{slash}{path}"  # without what was pasted behind the token: cookies go there alone
    headers = [("Location", address), *LINK_HEADERS]
    if grant.password is not None:
        headers.append(("Set-Cookie", f"{PASSWORD_COOKIE}={password_proof(grant)}{attributes}"))
    if (grant.uses is not None or grant.confirm) and Action.READ in grant.actions:
        archive = tried.request.params.get("archive")
        kind = "" if archive is None else f"&archive={quote(archive, safe='')}"
        headers[0] = ("Location", f"{address}?download=1{kind}")
        headers.append(("Set-Cookie", f"{LEASE_COOKIE}={plane.entropy(_LEASE_COOKIE_BYTES).hex()}{attributes}"))
    return Reply(303, tuple(headers))


async def _uses_left(plane: DataPlane, tried: Call) -> int | None:
    grant = tried.grant
    if grant is None or grant.uses is None:
        return None
    usage = (await plane.leases.usage([grant.id])).get(grant.id)
    left = grant.uses - (usage.uses if usage is not None else 0)
    if left <= 0:
        raise Refused(Reason.USED_UP, f"all {grant.uses} uses are taken")
    return left


async def _upload(plane: DataPlane, tried: Call) -> Reply:
    grant = tried.grant
    return html(
        pages.upload_page(
            title=grant.label if grant is not None and grant.label else "Send files",
            max_size=grant.max_size if grant is not None else None,
            expires_at=grant.expires_at if grant is not None else None,
            uses_left=await _uses_left(plane, tried),
            overwrite=grant is not None and grant.overwrite,
        )
    )


async def _landing(plane: DataPlane, tried: Call, permit: Permit) -> Reply:
    left = await _uses_left(plane, tried)
    grant, route = tried.grant, permit.route
    expires_at = grant.expires_at if grant is not None else None
    if "archive" in tried.request.params:
        return html(pages.landing_page(name=link_title(tried), expires_at=expires_at, uses_left=left))
    look = UpstreamCall(backend=route.backend.name, method="HEAD", bucket=route.bucket.real_bucket, key=route.real_key)
    async with plane.upstream.open(look) as answer:
        if answer.status >= 300:
            raise Refused(store_reason(answer.status, ""), f"the store answered {answer.status} to a look")
        require_pinned(answer, permit)
        size = answer.headers.get("content-length", "")
        kind = answer.headers.get("content-type")
    return html(
        pages.landing_page(
            name=link_title(tried),
            size=int(size) if size.isdigit() else None,
            content_type=grant.content_type if grant is not None and grant.content_type else kind,
            expires_at=expires_at,
            uses_left=left,
        )
    )
