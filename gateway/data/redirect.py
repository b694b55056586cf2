"""Owns `redirect` delivery: a 307 to a presigned URL of the store, good for fifteen seconds.

Refuses to own the choice of it (policy, opt-in).

What is lost is said in the guide to policies and in the answer's own `Gateway-Lost` header: whoever holds the
target can use it until it ends, whatever is revoked meanwhile; its bytes are neither counted nor shaped; and it shows
the store's address, the real names and the access key id.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gateway.data.call import Call
from gateway.data.plane import DataPlane, Snapshot
from gateway.data.state.transfers import Permit
from gateway.wire.replies import Reply
from gateway.wire.s3.calls import upstream_call

_SECONDS: Final = 15


async def redirect(plane: DataPlane, snapshot: Snapshot, call: Call, permit: Permit) -> Reply:
    """The redirect; it counts as a use at once, as nothing tells whether it is followed."""
    store_call = upstream_call(permit.route, call.request)
    # Conditions and ranges travel with the client's own request; only what is in the URL is signed.
    store_call = replace(store_call, query=(*store_call.query, *call.overrides()), headers=())
    permit.consumed = True
    headers = (
        ("Location", plane.upstream.presign(store_call, _SECONDS)),
        ("Gateway-Lost", "revocation, counting, bandwidth"),
        *call.own_fields(permit.exchange.request_id),
    )
    return Reply(307, headers)
