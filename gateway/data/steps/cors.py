"""Owns cross-origin requests: preflights, and the headers that every other answer gets for a browser's sake.

Refuses to own the matching (`gateway.wire.http.cors`) and any permission: a preflight opens nothing, it only says what
a page may then try with a credential of its own.
"""

from __future__ import annotations

from gateway.core.grant import Grant
from gateway.core.reasons import Reason, Refused
from gateway.core.request import BucketPlace, LinkPlace, ObjectRequest
from gateway.core.route import Cors
from gateway.core.token import LinkToken
from gateway.data.plane import DataPlane, Snapshot
from gateway.data.steps.authenticate import find_link
from gateway.server.exchange import ClientExchange
from gateway.wire.http.cors import actual_headers, preflight_headers
from gateway.wire.replies import LINK_HEADERS, Reply

__all__ = ["answer_preflight", "set_cors_headers"]


def set_cors_headers(gate: Snapshot, request: ObjectRequest, grant: Grant | None, exchange: ClientExchange) -> None:
    """From now on the exchange's answer, a refusal too, can be read by the pages that the bucket's rules name."""
    exchange.extra = actual_headers(_rules(gate, request, grant), request.raw)


async def answer_preflight(plane: DataPlane, gate: Snapshot, request: ObjectRequest, exchange: ClientExchange) -> None:
    """Answer an OPTIONS request.

    Raises:
        Refused: UNKNOWN_TOKEN, TOO_MANY_GUESSES, NOT_ALLOWED when no rule covers it, BAD_REQUEST for no preflight.
    """
    grant = None
    if isinstance(request.place, LinkPlace):
        try:
            token = LinkToken(request.place.token_text)
        except ValueError:
            raise Refused(Reason.UNKNOWN_TOKEN, "the text is no token") from None
        grant = await find_link(plane, token, exchange.peer, plane.clock())
    fields = preflight_headers(_rules(gate, request, grant), request.raw)
    own = LINK_HEADERS if grant is not None else ()
    await exchange.send(Reply(200, (*fields, *own)))


def _rules(gate: Snapshot, request: ObjectRequest, grant: Grant | None) -> tuple[Cors, ...]:
    place = request.place
    if isinstance(place, BucketPlace):
        name = place.bucket
    else:
        name = grant.scope.bucket if grant is not None and grant.scope is not None else ""
    bucket = gate.policy.buckets.get(name)
    return bucket.cors if bucket is not None else ()
