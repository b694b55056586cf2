"""Owns the reading of a folder from its store, page by page, with our names.

Refuses to own what is shown of it (`gateway.data.links.listing`) and archives of it (`gateway.data.links.archive`).
"""

from __future__ import annotations

from gateway.core.request import ObjectRequest
from gateway.core.route import Route
from gateway.data.call import LinkCall
from gateway.data.plane import DataPlane
from gateway.data.state.transfers import Permit
from gateway.data.turns import give_way, store_document
from gateway.wire.replies import store_refusal
from gateway.wire.s3.calls import upstream_call
from gateway.wire.s3.documents import store_fault
from gateway.wire.s3.listing import Listing, read_listing, rename


async def read_page(plane: DataPlane, call: LinkCall, permit: Permit) -> Listing:
    """One page of the store's listing below what was decided on, with our names."""
    return await read_folder(plane, call.request, permit.route, call.attempt.key)


async def read_folder(plane: DataPlane, request: ObjectRequest, route: Route, folder: str) -> Listing:
    """One page of the store's listing below `folder`, to which the route leads, with our names."""
    async with plane.upstream.open(upstream_call(route, request)) as answer:
        body = await store_document(answer.body)
    if answer.status != 200:
        raise store_refusal(answer.status, store_fault(body) or "", answer.headers, "a listing")
    page = read_listing(body)
    await give_way()
    return rename(page, route.bucket.prefix, folder)[0]
