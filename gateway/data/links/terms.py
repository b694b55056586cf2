"""Owns whether a link's terms are accepted by whoever comes with it.

Refuses to own the page that shows them (`gateway.pages.refusals`) and where an acceptance is recorded
(`gateway.data.state.records`).

Law: nothing is had of a link, and nothing taken by it, before its terms were accepted: by the cookie of its page, or by
what the request itself says. Other terms have to be accepted anew. A form of its page gives nothing but cookies.
"""

from __future__ import annotations

from typing import Final

from gateway.core.grant import Grant
from gateway.core.reasons import Reason, Refused
from gateway.core.request import ObjectRequest, Operation, UploadVerb
from gateway.data.presented import TokenPresented
from gateway.wire.http.target import query_pairs

TERMS_PARAM: Final = "accept_terms"
TERMS_HEADER: Final = "accept-terms"
_YES: Final = frozenset({"1", "true", "yes"})


def require_terms(request: ObjectRequest, presented: TokenPresented, grant: Grant, now: float) -> str:
    """Let pass who accepts the link's terms, whose mark is returned; also who goes on with what was begun, and who is
    refused anyway.

    Raises:
        Refused: TERMS_NOT_ACCEPTED.
    """
    if grant.terms is None or grant.lapsed(now) is not None:
        return ""
    mark, form = grant.terms_mark, presented.form
    asked = dict(query_pairs(request.raw.query)).get(TERMS_PARAM)  # steps of uploads have no parameters of their own
    said = asked or request.raw.header(TERMS_HEADER) or ""
    if said.lower() in _YES or mark in {said, presented.accepted} or (form is not None and form.accepts):
        return mark
    if _goes_on(request, presented):
        return ""
    members = {"terms": grant.terms, "terms_mark": mark}
    raise Refused(Reason.TERMS_NOT_ACCEPTED, f"the terms {mark} were not accepted", members=members)


def _goes_on(request: ObjectRequest, presented: TokenPresented) -> bool:
    """Whether it is the way in or back from a page, or a step of an upload that exists, or takes one back."""
    if request.step is not None:
        return request.step.verb is not UploadVerb.CREATE
    if request.operation is Operation.DELETE_OBJECT:
        return True
    return presented.form is not None and not presented.form.selected
