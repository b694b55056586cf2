"""Owns the passage from a request and who sent it to the call that policy decides on.

Refuses to own what is special about a link (`gateway.data.links.request`), and the decision.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gateway.core.attempt import Attempt
from gateway.core.reasons import Reason, Refused
from gateway.core.request import ACTION_OF, BucketPlace, ObjectRequest, Operation
from gateway.data.call import Call, S3Call
from gateway.data.links.request import read_link_call
from gateway.data.plane import Snapshot
from gateway.data.post_form import form_request
from gateway.data.presented import Resolved, ResolvedLink
from gateway.server.exchange import ClientExchange
from gateway.wire.http.cors import actual_headers

_CLASS: Final = "x-amz-storage-class"
_USUAL: Final = "STANDARD"


async def read_call(  # noqa: PLR0917 (what is known so far, and time and chance)
    snapshot: Snapshot,
    request: ObjectRequest,
    resolved: Resolved,
    exchange: ClientExchange,
    now: float,
    entropy: Callable[[int], bytes],
) -> Call:
    """What this request asks for, and where.

    Raises:
        Refused: OUT_OF_SCOPE, BAD_REQUEST for a path that means nothing under its link; NOT_ALLOWED for a header that
            no link's user may send.
    """
    if isinstance(resolved, ResolvedLink):
        # Only its grant says which bucket's rules a link's answers follow, a refusal's too.
        exchange.extra = actual_headers(snapshot.cors_of(resolved.scope.bucket), request.raw, drafts=snapshot.drafts)
        return await read_link_call(request, resolved, exchange, now, entropy)
    form = resolved.form
    if form is not None:
        request = form_request(request, form.form)
    place = request.place
    if not isinstance(place, BucketPlace):
        raise Refused(Reason.BAD_REQUEST, "a link's path without a token")
    if resolved.credentials is not None and request.headers.get(_CLASS, _USUAL) != _USUAL:
        raise Refused(Reason.NOT_ALLOWED, "what an object costs its owner is not for a link's user to choose")
    attempt = Attempt(
        principal=resolved.principal,
        operation=request.operation,
        # A batch names its keys in its body, and each is decided on there: here only the bucket's sight is asked for.
        action=None if request.operation is Operation.DELETE_OBJECTS else ACTION_OF[request.operation],
        bucket=place.bucket,
        key=place.key or request.params.get("prefix", ""),
        peer=exchange.peer,
        now=now,
        size=request.content_length,
        signature=resolved.signature,
        params=request.params,
        tags="x-amz-tagging" in request.headers,
        holder=None if resolved.credentials is None else resolved.credentials.holder,
    )
    return S3Call(
        request,
        resolved.grant,
        attempt,
        resolved.as_of,
        resolved.verified,
        form,
        credentials=resolved.credentials,
    )
