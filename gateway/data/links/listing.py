"""Owns what a folder link shows of its folder: HTML for people, JSON for programs, never a name above its root.

Refuses to own XML (`gateway.wire.s3.listing`) and HTML (`gateway.pages.links`).
"""

from __future__ import annotations

from gateway.core.request import RawRequest
from gateway.data.call import LinkCall
from gateway.data.links.folder import read_page
from gateway.data.plane import DataPlane, Snapshot
from gateway.data.state.transfers import Permit
from gateway.pages.links import listing_page
from gateway.pages.render import look_for
from gateway.wire.http.negotiate import prefers_html
from gateway.wire.replies import LINK_HEADERS, Reply, page_reply
from gateway.wire.s3.listing import link_entries, link_json

__all__ = ["answer_listing"]


async def answer_listing(plane: DataPlane, snapshot: Snapshot, call: LinkCall, permit: Permit) -> Reply:
    """One page of a folder.

    Raises:
        Refused: the store's refusal, as a reason of ours.
        UpstreamFailed: the store is away, or answered something else than a listing.
    """
    raw = call.request.raw
    if prefers_html(raw.header("accept")) and not raw.path.endswith("/"):
        return _redirect_to_folder(raw)
    listing = await read_page(plane, call, permit)
    path = call.place.path or ""
    entries = link_entries(listing, call.attempt.key)
    if not prefers_html(raw.header("accept")):
        headers = (("Content-Type", "application/json"), *LINK_HEADERS)
        return Reply(200, headers, b"" if raw.method == "HEAD" else link_json(path, entries, listing.cursor))
    grant = call.grant
    folders = [part for part in path.split("/") if part]
    page = listing_page(
        look_for(snapshot.branding, raw.header("accept-language")),
        title=grant.label or (folders[-1] if folders else call.title),
        folders=folders,
        entries=entries,
        cursor=listing.cursor,
        expires_at=grant.expires_at,
    )
    return page_reply(page)


def _redirect_to_folder(raw: RawRequest) -> Reply:
    """The page's links are relative, so a browser has to be where they begin."""
    query = f"?{raw.query}" if raw.query else ""
    return Reply(308, (("Location", f"{raw.path}/{query}"), *LINK_HEADERS))
