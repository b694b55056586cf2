"""Owns the passage from a request and who sent it to the attempt that policy decides on.

Refuses to own the decision.
"""

from __future__ import annotations

from gateway.core.attempt import Attempt
from gateway.core.reasons import Reason, Refused
from gateway.core.request import ACTION_OF, BucketPlace, ObjectRequest, Operation
from gateway.data.call import Call
from gateway.data.links.request import link_attempt, named_by_form, page_of, settle_place
from gateway.data.post_form import ArrivingForm, form_request
from gateway.data.presented import FormPresented, Presented, TokenPresented
from gateway.data.steps.authenticate import Resolved
from gateway.server.exchange import ClientExchange

__all__ = ["read_attempt"]


async def read_attempt(
    request: ObjectRequest, presented: Presented, resolved: Resolved, exchange: ClientExchange, now: float
) -> Call:
    """What this request tries, and where.

    Raises:
        Refused: OUT_OF_SCOPE, BAD_REQUEST for a path that means nothing under its link.
    """
    grant = resolved.grant
    if isinstance(presented, TokenPresented):
        if grant is None:
            raise Refused(Reason.UNKNOWN_TOKEN, "a token without a grant")
        settled = settle_place(request, grant)
        page = page_of(settled, presented, grant)
        form = None
        if settled.operation is Operation.POST_OBJECT and page is None:
            if not settled.headers.get("content-type", "").lower().startswith("multipart/form-data"):
                raise Refused(Reason.UNREAD_BODY, "a body that is no form with a file")
            form = await ArrivingForm.read(exchange, settled.headers.get("content-type", ""))
            settled = named_by_form(settled, grant, form.form)
        attempt = link_attempt(settled, resolved, page, exchange, now)
        return Call(settled, presented, grant, attempt, resolved.as_of, page, form=form)
    form = presented.arriving if isinstance(presented, FormPresented) else None
    if form is not None:
        request = form_request(request, form.form)
    place = request.place
    if not isinstance(place, BucketPlace):
        raise Refused(Reason.BAD_REQUEST, "a link's path without a token")
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
    )
    return Call(request, presented, grant, attempt, resolved.as_of, None, resolved.verified, form)
