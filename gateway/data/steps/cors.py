"""Owns the answer to a cross-origin preflight.

Refuses to own the matching (`gateway.wire.http.cors`), what every other answer gets for a browser's sake (each face
sets that as soon as its bucket is known) and any permission: a preflight opens nothing, it only says what a page may
then try with a credential of its own.
"""

from __future__ import annotations

from gateway.core.reasons import Reason, Refused
from gateway.core.request import LinkPlace, ObjectRequest
from gateway.core.token import LinkToken
from gateway.data.plane import DataPlane, Snapshot
from gateway.data.presented import TokenPresented
from gateway.data.steps.authenticate import find_link
from gateway.server.exchange import ClientExchange
from gateway.wire.http.cors import preflight_headers
from gateway.wire.replies import LINK_HEADERS, Reply


async def answer_preflight(
    plane: DataPlane, snapshot: Snapshot, request: ObjectRequest, exchange: ClientExchange
) -> None:
    """Answer an OPTIONS request.

    Raises:
        Refused: UNKNOWN_TOKEN, TOO_MANY_GUESSES, NOT_ALLOWED when no rule covers it, BAD_REQUEST for no preflight.
    """
    place, bucket = request.place, request.place.bucket
    own: tuple[tuple[str, str], ...] = ()
    if isinstance(place, LinkPlace):
        try:
            token = LinkToken(place.token_text)
        except ValueError:
            raise Refused(Reason.UNKNOWN_TOKEN, "the text is no token") from None
        found = await find_link(plane, TokenPresented(token, place), exchange.peer, plane.clock())
        bucket, own = found.scope.bucket, LINK_HEADERS
    fields = preflight_headers(snapshot.cors_of(bucket), request.raw, drafts=snapshot.drafts)
    await exchange.send(Reply(200, (*fields, *own)))
