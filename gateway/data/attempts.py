"""Owns the passage from a request and who sent it to the attempt that policy decides on.

Refuses to own the decision.
"""

from __future__ import annotations

from dataclasses import dataclass

from gateway.core.attempt import Attempt
from gateway.core.grant import Grant
from gateway.core.reasons import Reason, Refused
from gateway.core.request import ACTION_OF, BucketPlace, ObjectRequest, Operation
from gateway.data.exchange import Exchange
from gateway.data.forms import ArrivingForm, form_request
from gateway.data.identify import FormPresented, Presented, TokenPresented
from gateway.data.links import Page, link_attempt, named_by_form, page_of, settle_place
from gateway.data.resolve import Resolved
from gateway.wire.sigv4 import Verified

__all__ = ["Tried", "read_attempt"]


@dataclass(frozen=True, slots=True)
class Tried:
    """An attempt with all that led to it. `page` is set when a person gets a page instead of bytes.

    `grant` is the one that was presented, as it was at the feed's position `as_of`: what may be done with it now is the
    permit's to know.
    """

    request: ObjectRequest
    presented: Presented
    grant: Grant | None
    attempt: Attempt
    as_of: int = 0
    page: Page | None = None
    verified: Verified | None = None
    form: ArrivingForm | None = None


async def read_attempt(
    request: ObjectRequest, presented: Presented, resolved: Resolved, exchange: Exchange, now: float
) -> Tried:
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
        return Tried(settled, presented, grant, attempt, resolved.as_of, page, form=form)
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
    return Tried(request, presented, grant, attempt, resolved.as_of, None, resolved.verified, form)
