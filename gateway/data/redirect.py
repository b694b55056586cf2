"""Owns `redirect` delivery: a 307 to a presigned URL of the store, good for fifteen seconds.

Refuses to own the choice of it (policy, opt-in).

What is lost is said in the guide to policies and in the answer's own `Gateway-Lost` header: whoever holds the
target can use it until it ends, whatever is revoked meanwhile; its bytes are neither counted nor shaped; and it shows
the store's address, the real names and the access key id.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gateway.core.request import LinkPlace
from gateway.data.call import Call
from gateway.data.links.pages import link_title
from gateway.data.plane import DataPlane
from gateway.data.state.transfers import Permit
from gateway.wire.http.disposition import clean_filename, content_disposition
from gateway.wire.replies import LINK_HEADERS, Reply, s3_ids
from gateway.wire.s3.calls import upstream_call

__all__ = ["redirected"]

_SECONDS: Final = 15


def redirected(plane: DataPlane, tried: Call, permit: Permit) -> Reply:
    """The redirect; taking it is a use, because nobody sees whether it is followed."""
    call = upstream_call(permit.route, tried.request)
    overrides = [(name, value) for name, value in tried.request.params.items() if name.startswith("response-")]
    if isinstance(tried.request.place, LinkPlace):
        overrides = [
            ("response-content-disposition", content_disposition("attachment", clean_filename(link_title(tried))))
        ]
    # Conditions and ranges travel with the client's own request; only what is in the URL is signed.
    call = replace(call, query=(*call.query, *overrides), headers=())
    permit.consumed = True
    own = LINK_HEADERS if isinstance(tried.request.place, LinkPlace) else s3_ids(permit.exchange.request_id)
    headers = (
        ("Location", plane.upstream.presign(call, _SECONDS)),
        ("Gateway-Lost", "revocation, counting, bandwidth"),
        *own,
    )
    return Reply(307, headers)
