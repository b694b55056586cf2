"""Owns what is special about a link: where its path leads, and when a person gets a page instead of bytes.

Refuses to own the pages' HTML (`gateway.wire.links.pages`) and whether the link allows anything
(`gateway.core.policy`).

Law: only a deliberate act takes a use. Opening a page takes none. A limited link opened in a browser shows a page whose
button takes it; a fetch by a tool gets the bytes at once, unless the link asks first. Who says that it only looks,
looks ahead, or fills a page, gets none of it.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gateway.core.attempt import Attempt
from gateway.core.grant import Grant, Scope
from gateway.core.reasons import Reason, Refused
from gateway.core.request import (
    ACTION_OF,
    Action,
    LinkPlace,
    ObjectRequest,
    Operation,
    UploadStep,
    UploadVerb,
)
from gateway.data.call import LinkPage
from gateway.data.presented import TokenPresented
from gateway.data.steps.authenticate import Resolved
from gateway.server.exchange import ClientExchange
from gateway.wire.http.form_data import Form
from gateway.wire.links.visitor import Visit, visit_of
from gateway.wire.parse import checked_key
from gateway.wire.s3.response_headers import asks_download

__all__ = ["is_navigation", "link_attempt", "named_by_form", "page_of", "settle_place"]


_OBJECT_READS: Final = {"GET": Operation.GET_OBJECT, "HEAD": Operation.HEAD_OBJECT}
_LOOKED_AT: Final = frozenset({Operation.GET_OBJECT, Operation.HEAD_OBJECT})
_FOLDER_READS: Final = frozenset({Operation.GET_OBJECT, Operation.LIST_OBJECTS_V2})


def is_navigation(request: ObjectRequest) -> bool:
    """Whether a browser is opening this as a page (Fetch Metadata, W3C; older browsers by their Accept alone)."""
    mode = request.raw.header("sec-fetch-mode")
    accepts_html = "text/html" in (request.raw.header("accept") or "")
    return request.raw.method == "GET" and accepts_html and mode in {None, "navigate"}


def settle_place(request: ObjectRequest, grant: Grant) -> ObjectRequest:
    """The request with the operation that its path means under this link.

    Raises:
        Refused: OUT_OF_SCOPE for a path below a link to one object; BAD_REQUEST for an upload without a name.
    """
    scope, place = grant.scope, request.place
    if scope is None or not isinstance(place, LinkPlace):
        return request
    if request.step is not None:
        return replace(request, place=LinkPlace(place.token_text, _upload_path(place.path, scope, request.step)))
    if scope.key is not None:
        if place.path:
            raise Refused(Reason.OUT_OF_SCOPE, "a path below a link to one object")
        if request.operation is Operation.LIST_OBJECTS_V2:  # a slash behind the token, as people paste it
            return replace(request, operation=_OBJECT_READS[request.raw.method])
        return request
    if "archive" in request.params and request.operation in _FOLDER_READS and _is_folder(place):
        # One use and one answer with a body, like an object; which keys it holds is decided one by one.
        return replace(request, operation=Operation.GET_OBJECT, place=LinkPlace(place.token_text, place.path or ""))
    if not place.path:
        if request.operation in {Operation.GET_OBJECT, Operation.HEAD_OBJECT}:
            return replace(request, operation=Operation.LIST_OBJECTS_V2, place=LinkPlace(place.token_text, ""))
        if request.operation is Operation.PUT_OBJECT:
            raise Refused(Reason.BAD_REQUEST, "an upload to a folder link needs a name: PUT /s/TOKEN/NAME")
    return request


def _upload_path(path: str | None, scope: Scope, step: UploadStep) -> str | None:
    """Where a resumable upload goes below its link: where its address says, or to the name that its metadata has."""
    if scope.key is not None:
        if path:
            raise Refused(Reason.OUT_OF_SCOPE, "a path below a link to one object")
        return None
    if step.verb is not UploadVerb.CREATE or step.partial or (path and not path.endswith("/")):
        return path  # the address of a partial upload is the folder's: it has no name of its own
    if step.filename is None:
        raise Refused(Reason.BAD_REQUEST, "an upload to a folder link needs a filename in its metadata")
    return checked_key(f"{path or ''}{step.filename}")


def _is_folder(place: LinkPlace) -> bool:
    return not place.path or place.path.endswith("/")


def named_by_form(request: ObjectRequest, grant: Grant, form: Form) -> ObjectRequest:
    """A form upload through a link, with the place where its file goes; the file's own type goes with it.

    Raises:
        Refused: BAD_REQUEST for a folder link when the form names no file.
    """
    place, scope = request.place, grant.scope
    headers = dict(request.headers)
    headers.pop("content-type", None)
    if form.content_type is not None:
        headers["content-type"] = form.content_type
    if isinstance(place, LinkPlace) and scope is not None and scope.key is None:
        if not form.filename:
            raise Refused(Reason.BAD_REQUEST, "the form names no file")
        folder = (place.path or "").rpartition("/")[0]
        path = checked_key(f"{folder}/{form.filename}" if folder else form.filename)
        place = LinkPlace(place.token_text, path)
    return replace(request, place=place, headers=headers, content_length=None)  # it was the form's, not the file's


def page_of(request: ObjectRequest, presented: TokenPresented, grant: Grant) -> LinkPage | None:
    """Which page answers this request, if any.

    Raises:
        Refused: NOT_CONFIRMED for one that is not meant to take what it asks for.
    """
    if presented.form is not None:
        return LinkPage.ENTER
    navigates = is_navigation(request)
    if navigates and Action.READ not in grant.actions and Action.LIST not in grant.actions:
        return LinkPage.UPLOAD
    if request.operation not in _LOOKED_AT or not (grant.confirm or grant.uses is not None):
        return None
    visit = visit_of(request.raw)
    if visit is Visit.PREVIEW:
        return LinkPage.CARD
    if request.operation is Operation.HEAD_OBJECT:
        return None
    asked, pressed = asks_download(request), presented.lease is not None
    if visit is Visit.AHEAD or (visit is Visit.PART and not pressed and not (asked and _by_a_program(request))):
        raise Refused(Reason.NOT_CONFIRMED, f"what is fetched as {visit.name.lower()} takes no use")
    if pressed or (asked and grant.uses is None):
        return None
    if navigates:
        return LinkPage.LANDING
    if grant.confirm and not asked:
        raise Refused(Reason.NOT_CONFIRMED, "the link asks first")
    return None


def link_attempt(
    request: ObjectRequest, resolved: Resolved, page: LinkPage | None, exchange: ClientExchange, now: float
) -> Attempt:
    """What using this link here would do."""
    grant = resolved.grant
    if grant is None or grant.scope is None or not isinstance(request.place, LinkPlace):
        raise ValueError("not a link's request")
    scope, path = grant.scope, request.place.path or ""
    key = scope.key if scope.key is not None else (scope.prefix or "") + path
    match page:
        case LinkPage.UPLOAD:
            operation, action = Operation.PUT_OBJECT, Action.WRITE
        case LinkPage.ENTER | LinkPage.LANDING | LinkPage.CARD:
            operation = Operation.HEAD_OBJECT
            action = Action.LIST if "archive" in request.params else Action.READ
        case _ if "archive" in request.params and request.operation is Operation.GET_OBJECT:
            operation, action = Operation.GET_OBJECT, Action.LIST
        case _:
            operation, action = request.operation, ACTION_OF[request.operation] or Action.READ
    if page is LinkPage.ENTER and Action.READ not in grant.actions:
        action = min(grant.actions)
    return Attempt(
        principal=resolved.principal,
        operation=operation,
        action=action,
        bucket=scope.bucket,
        key=key,
        peer=exchange.peer,
        now=now,
        size=request.content_length,
    )


def _by_a_program(request: ObjectRequest) -> bool:
    """Whether a page's own script asks; what else a page holds is fetched for whoever looks at it."""
    return request.raw.header("sec-fetch-dest") in {None, "empty"}
