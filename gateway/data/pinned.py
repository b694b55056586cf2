"""Owns the check that what a store sends is the one version that a link was made for.

Refuses to own asking the store for it (`gateway.wire.s3.calls`).
"""

from __future__ import annotations

from gateway.core.reasons import Reason, Refused
from gateway.core.route import Answer
from gateway.data.state.transfers import Permit


def require_pinned(answer: Answer, permit: Permit) -> None:
    """Nothing but the version that the link was made for. Asked of the answer itself: not every store heeds If-Match.

    Raises:
        Refused: OBJECT_CHANGED, also when the store does not say what this is.
    """
    permit.version = answer.headers.get("etag")
    pinned = permit.grant.etag if permit.grant is not None else None
    if pinned is not None and permit.version != pinned:
        raise Refused(Reason.OBJECT_CHANGED, f"the link is for {pinned}")
