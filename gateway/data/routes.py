"""Owns the door of the data plane: from a request that arrived to `serve`, and the few fixed paths that name no object.

Refuses to own the steps.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

from gateway.core.reasons import Reason, Refused
from gateway.core.request import RawRequest
from gateway.data.links.cookies import MARK, way_on
from gateway.data.links.sign_in import RETURN_PATH, lead_back
from gateway.data.page_reader import load_pages
from gateway.data.plane import DataPlane, Terms
from gateway.data.serve import serve
from gateway.data.state.forwarding import Undeclared
from gateway.pages.assets import find_asset
from gateway.pages.links import front_page
from gateway.pages.refusals import refusal_page
from gateway.pages.render import ASSETS_AT, Page, look_for
from gateway.server.client_address import BELIEVED, client_address
from gateway.server.connection import Connection
from gateway.server.exchange import ClientExchange
from gateway.server.request import IncomingRequest
from gateway.telemetry.logs import new_request_id
from gateway.wire.http.negotiate import prefers_html
from gateway.wire.parse import is_link_path
from gateway.wire.replies import LINK_HEADERS, RefusalDetails, Reply, page_reply, refusal

_FIXED: Final = {
    "/robots.txt": Reply(200, (("Content-Type", "text/plain"),), b"User-agent: *\nDisallow: /\n"),
    "/favicon.ico": Reply(204, (("Cache-Control", "max-age=86400"),)),
}
_ASSET_HEADERS: Final = (
    ("Cache-Control", "public, max-age=31536000, immutable"),
    ("X-Content-Type-Options", "nosniff"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; sandbox"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
)
"""A logo may be an SVG, which is a document of its own when it is opened: it gets its own styles and nothing else."""


def data_handler(
    plane: DataPlane, terms: Terms, *, shown: Callable[[str], str] = str
) -> Callable[[Connection, IncomingRequest], Awaitable[None]]:
    """The handler of one data listener; `shown` is how a peer's address may stand in the log."""
    undeclared = Undeclared(plane.metrics, shown)

    async def handle(connection: Connection, arrival: IncomingRequest) -> None:
        peer = connection.peer
        if arrival.forwarded and arrival.raw is not None:
            snapshot = plane.snapshot
            believed = snapshot.trusts(peer)
            undeclared.notice(peer, arrival.raw.names(), believed=believed)
            if believed:
                named = arrival.raw.header_values(BELIEVED)
                peer = client_address(peer, named, snapshot.trusted_proxies, trusted_socket=snapshot.trusted_socket)
        exchange = ClientExchange(connection, arrival, new_request_id(), peer)
        target = arrival.target
        if (target in _FIXED or target.startswith(ASSETS_AT) or MARK in target) and _only_asks(arrival):
            named_bucket, raw = _names_bucket(arrival, plane), arrival.raw
            fixed = None if named_bucket else await _fixed_reply(target, raw, plane, exchange.request_id)
            if fixed is not None:
                with suppress(Refused):  # the client has gone: there is no record to make
                    await exchange.send(fixed)
                return
        if target == "/" and terms.trusted is None and _wants_front_page(arrival) and not _names_bucket(arrival, plane):
            await load_pages()
            look = look_for(plane.snapshot.branding, arrival.headers.get("accept-language"))
            front = page_reply(front_page(look))
            with suppress(Refused):
                await exchange.send(front if arrival.method == "GET" else front.without_body())
            return
        await serve(plane, exchange, terms)
        if not exchange.started:
            connection.abort()

    return handle


async def _fixed_reply(target: str, raw: RawRequest | None, plane: DataPlane, request_id: str) -> Reply | None:
    """The answer of a path that is the same for everybody, if it is one, or of whoever comes back to a link."""
    if raw is not None and raw.path == RETURN_PATH:
        return lead_back(raw, plane.snapshot) or await _say_cookies_are_needed(raw, plane, request_id, anew=False)
    if target.startswith(ASSETS_AT):
        name, logo = target.removeprefix(ASSETS_AT), plane.snapshot.branding.logo
        asset = logo if logo is not None and logo.served_as == name else find_asset(name)
        return (
            None if asset is None else Reply(200, (("Content-Type", asset.content_type), *_ASSET_HEADERS), asset.body)
        )
    way = way_on(raw, plane.clock()) if raw is not None and is_link_path(raw) else None
    if raw is None or way is None:
        return _FIXED.get(target)
    if way:
        return Reply(303, (("Location", way), *LINK_HEADERS))
    return await _say_cookies_are_needed(raw, plane, request_id, anew=True)


async def _say_cookies_are_needed(raw: RawRequest, plane: DataPlane, request_id: str, *, anew: bool) -> Reply:
    """Of no link in particular, so it says nothing of one; with `anew`, its address leads to one again."""
    await load_pages()

    def page(reason: Reason, name: str) -> Page:
        look = look_for(plane.snapshot.branding, raw.header("accept-language"))
        return refusal_page(look, reason, name, anew=anew)

    return refusal(
        Refused(Reason.COOKIES_REFUSED, "no cookie of ours came"), None, raw, request_id, RefusalDetails(page=page)
    )


def _wants_front_page(arrival: IncomingRequest) -> bool:
    """Whether a person opened the host's own address. A program that asks it for a list of buckets signs that."""
    headers = arrival.headers
    asks = arrival.method in {"GET", "HEAD"} and "authorization" not in headers
    return asks and prefers_html(headers.get("accept"))


def _only_asks(arrival: IncomingRequest) -> bool:
    """Whether there is nothing in the request but the question."""
    headers = arrival.headers
    bare = headers.get("content-length", "0") == "0" and "transfer-encoding" not in headers
    return bare and arrival.method in {"GET", "HEAD"}


def _names_bucket(arrival: IncomingRequest, plane: DataPlane) -> bool:
    """Whether the host is a bucket's own, where every path is an object's."""
    host = arrival.headers.get("host", "").lower().partition(":")[0].removesuffix(".")
    return any(host.endswith(f".{domain}") for domain in plane.snapshot.domains)
