"""Owns what is special about a link: where its path leads, and when a person gets a page instead of bytes.

Refuses to own the pages' HTML (`gateway.pages.links`) and whether the link allows anything
(`gateway.core.policy`).

Law: only a deliberate act takes a use. Opening a page takes none. A limited link opened in a browser shows a page whose
button takes it; a fetch by a tool gets the bytes at once, unless the link asks first. Who says that it only looks,
looks ahead, or fills a page, gets none of it. An unlimited link is its bytes, and a page only where that was chosen.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final
from uuid import UUID

from gateway.core.attempt import Attempt
from gateway.core.grant import Grant, Scope, Shown
from gateway.core.holders import Claim
from gateway.core.naming import NameTemplate
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
from gateway.data.call import LinkAnswer, LinkCall
from gateway.data.links.holders import require_holder
from gateway.data.links.terms import require_terms
from gateway.data.post_form import ArrivingForm
from gateway.data.presented import ResolvedLink, TokenPresented
from gateway.server.exchange import ClientExchange
from gateway.wire.http.form_data import Form
from gateway.wire.links.tus import UNDO
from gateway.wire.links.visitor import Visit, opens_page, visit_of
from gateway.wire.parse import check_key
from gateway.wire.s3.response_headers import asks_download
from gateway.wire.understood import require_whole

_OBJECT_READS: Final = {"GET": Operation.GET_OBJECT, "HEAD": Operation.HEAD_OBJECT}
_SHOWS: Final = frozenset({Action.READ, Action.LIST})
_FIRST: Final = (Action.LIST, Action.READ, Action.WRITE)
_LOOKED_AT: Final = frozenset({Operation.GET_OBJECT, Operation.HEAD_OBJECT})
_ENTERS: Final = frozenset({LinkAnswer.ENTER, LinkAnswer.ENTER_TO_SEE, LinkAnswer.PASSED})
_FOLDER_READS: Final = frozenset({Operation.GET_OBJECT, Operation.LIST_OBJECTS_V2})


async def read_link_call(
    request: ObjectRequest,
    resolved: ResolvedLink,
    exchange: ClientExchange,
    now: float,
    entropy: Callable[[int], bytes],
) -> LinkCall:
    """What using this link here would do.

    Raises:
        Refused: OUT_OF_SCOPE for a path below a link to one object; BAD_REQUEST for an upload without a name;
            HOLDER_REQUIRED; NOT_CONFIRMED; TERMS_NOT_ACCEPTED; UNREAD_BODY for a body that is no form with a file;
            PIECE_OF_FILE.
    """
    claim = require_holder(request, resolved, exchange, now)
    if claim is not None:
        return _claim_call(request, resolved, exchange, now, claim)
    exchange.accepted_terms = require_terms(request, resolved.presented, resolved.grant, now)
    if request.operation is Operation.CREATE_SESSION:
        return _credentials_call(request, resolved, exchange, now)
    presented, grant, scope = resolved.presented, resolved.grant, resolved.scope
    sent = presented.form
    selected = sent.selected if sent is not None else frozenset()
    if selected:
        request = _as_archive(request, sent.archive if sent is not None else "")
    elif sent is not None and sent.archive and scope.key is None and _is_folder(presented.place):
        request = replace(request, operation=Operation.LIST_OBJECTS_V2)  # nothing was selected: its page says so
    place, operation = _settle_place(request, presented.place, scope)
    if operation is not request.operation or place is not request.place:
        request = replace(request, operation=operation, place=place)
    page = _page_of(request, presented, grant)
    form = None
    if operation is Operation.POST_OBJECT and page is None:
        kind = request.headers.get("content-type", "")
        if not kind.lower().startswith("multipart/form-data"):
            raise Refused(Reason.UNREAD_BODY, "a body that is no form with a file")
        form = await ArrivingForm.read(exchange, kind, several=True)
        while scope.key is None and not form.form.filename and await form.next():
            pass  # a browser sends a field with no file in it, too, and FilePond what it knows of the file that follows
        place = place_of_file(place, scope, form.form)
        request = file_request(request, place, form.form)
    path = place.path
    if page is None and _brings_file(request):
        place = name_file(place, grant, now, entropy)
        request = request if place is request.place else replace(request, place=place)
    undo = request.raw.header(UNDO) if presented.form is None else presented.form.undo
    answer, operation, action = _meaning(request, page, grant)
    attempt = Attempt(
        principal=grant.principal,
        operation=operation,
        action=action,
        bucket=scope.bucket,
        key=scope.key if scope.key is not None else (scope.prefix or "") + (place.path or ""),
        peer=exchange.peer,
        now=now,
        size=request.content_length,
        holder=resolved.holder,
    )
    return LinkCall(
        request,
        place,
        grant,
        attempt,
        resolved.as_of,
        answer,
        page is None,
        presented.lease,
        form,
        selected,
        sent=path,
        undo=undo,
        accepts=sent is not None and sent.accepts,
    )


def _brings_file(request: ObjectRequest) -> bool:
    """Whether this begins an object, which gets its name now."""
    step = request.step
    if step is not None:
        return step.verb is UploadVerb.CREATE and not step.partial
    return request.operation in {Operation.PUT_OBJECT, Operation.POST_OBJECT}


def name_file(place: LinkPlace, grant: Grant, now: float, entropy: Callable[[int], bytes]) -> LinkPlace:
    """Where a file goes that was sent to `place`: there, or to the name that the link's template makes of it.

    Raises:
        Refused: BAD_KEY, KEY_TOO_LONG.
    """
    template = grant.intake.names
    if template is None or not place.path:
        return place
    uuid = str(UUID(bytes=entropy(16), version=4))
    return LinkPlace(place.token_text, check_key(NameTemplate(template).render(place.path, now, uuid)))


def _credentials_call(request: ObjectRequest, resolved: ResolvedLink, exchange: ClientExchange, now: float) -> LinkCall:
    """The wish for credentials."""
    place = LinkPlace(resolved.presented.place.token_text, None)
    request = replace(request, place=place)
    attempt = _whole_attempt(request, resolved, exchange, now)
    return LinkCall(request, place, resolved.grant, attempt, resolved.as_of, LinkAnswer.CREDENTIALS, takes_use=True)


def _claim_call(
    request: ObjectRequest, resolved: ResolvedLink, exchange: ClientExchange, now: float, claim: Claim
) -> LinkCall:
    """The proof of who somebody is, or the wish for a code."""
    request = replace(request, operation=Operation.PROVE_HOLDER)
    attempt = _whole_attempt(request, resolved, exchange, now)
    place = resolved.presented.place
    return LinkCall(
        request,
        place,
        resolved.grant,
        attempt,
        resolved.as_of,
        _proof_by(claim),
        takes_use=False,
        claim=claim,
        asked=resolved.presented.asked,
    )


def _proof_by(claim: Claim) -> LinkAnswer:
    if claim.signs_in:
        return LinkAnswer.SIGN_IN
    return LinkAnswer.PROVE if claim.verifier is None else LinkAnswer.HAND_OVER


def _whole_attempt(request: ObjectRequest, resolved: ResolvedLink, exchange: ClientExchange, now: float) -> Attempt:
    """What is of the link itself, decided on as what that is mostly for, of all that it shows."""
    grant, scope = resolved.grant, resolved.scope
    return Attempt(
        principal=grant.principal,
        operation=request.operation,
        action=next(action for action in _FIRST if action in grant.actions),
        bucket=scope.bucket,
        key=scope.root,
        peer=exchange.peer,
        now=now,
        holder=resolved.holder,
    )


def _as_archive(request: ObjectRequest, kind: str) -> ObjectRequest:
    """What was selected on a folder's page, as the download that it asks for: to send the form is a deliberate act."""
    return replace(request, operation=Operation.GET_OBJECT, params={"archive": kind or "zip", "download": "1"})


def _settle_place(request: ObjectRequest, place: LinkPlace, scope: Scope) -> tuple[LinkPlace, Operation]:
    """Where the path leads under this link, and what is asked of it there."""
    operation = request.operation
    if request.step is not None:
        return LinkPlace(place.token_text, _upload_path(place.path, scope, request.step)), operation
    if scope.key is not None:
        if place.path:
            raise Refused(Reason.OUT_OF_SCOPE, "a path below a link to one object")
        if operation is Operation.LIST_OBJECTS_V2:  # a slash behind the token, as people paste it
            return place, _OBJECT_READS[request.raw.method]
        return place, operation
    if "archive" in request.params and operation in _FOLDER_READS and _is_folder(place):
        # One use and one answer with a body, like an object; which keys it holds is decided one by one.
        return LinkPlace(place.token_text, place.path or ""), Operation.GET_OBJECT
    if not place.path:
        if operation in _LOOKED_AT:
            return LinkPlace(place.token_text, ""), Operation.LIST_OBJECTS_V2
        if operation is Operation.PUT_OBJECT:
            raise Refused(Reason.BAD_REQUEST, "an upload to a folder link needs a name: PUT /s/TOKEN/NAME")
    return place, operation


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
    return check_key(f"{path or ''}{step.filename}")


def _is_folder(place: LinkPlace) -> bool:
    return not place.path or place.path.endswith("/")


def place_of_file(place: LinkPlace, scope: Scope, form: Form) -> LinkPlace:
    """Where the file of a form goes.

    Raises:
        Refused: BAD_REQUEST for a folder link when the form names no file.
    """
    if scope.key is not None:
        return place
    if not form.filename:
        raise Refused(Reason.BAD_REQUEST, "the form names no file")
    folder = (place.path or "").rpartition("/")[0]
    return LinkPlace(place.token_text, check_key(f"{folder}/{form.filename}" if folder else form.filename))


def file_request(request: ObjectRequest, place: LinkPlace, form: Form) -> ObjectRequest:
    """A form upload through a link: the file's own type goes with it, the form's length does not.

    Raises:
        Refused: PIECE_OF_FILE.
    """
    require_whole(form.fields)
    headers = {name: value for name, value in request.headers.items() if name != "content-type"}
    if form.content_type is not None:
        headers["content-type"] = form.content_type
    return replace(request, place=place, headers=headers, content_length=None)


def _meaning(
    request: ObjectRequest, page: LinkAnswer | None, grant: Grant
) -> tuple[LinkAnswer | Operation, Operation, Action]:
    """What the request gets, and what policy decides on: a page asks for what lies behind it."""
    operation, archive = request.operation, "archive" in request.params
    if page is None:
        if archive and operation is Operation.GET_OBJECT:
            return LinkAnswer.ARCHIVE, operation, Action.LIST
        return operation, operation, ACTION_OF[operation] or Action.READ
    if page is LinkAnswer.UPLOAD:
        return page, Operation.PUT_OBJECT, Action.WRITE
    if page is LinkAnswer.UNDO:  # what it removes is known with its record, and decided on then
        return page, Operation.DELETE_OBJECT, Action.WRITE
    action = Action.LIST if archive else Action.READ
    if page in _ENTERS and Action.READ not in grant.actions:
        action = min(grant.actions)
    return page, Operation.HEAD_OBJECT, action


def _page_of(request: ObjectRequest, presented: TokenPresented, grant: Grant) -> LinkAnswer | None:
    """Which page answers this request, if any.

    Raises:
        Refused: NOT_CONFIRMED for one that is not meant to take what it asks for.
    """
    if request.operation is Operation.DELETE_OBJECT:
        return LinkAnswer.UNDO
    if presented.form is not None and request.operation is Operation.POST_OBJECT:
        if presented.form.undo is not None:
            return LinkAnswer.UNDO
        if presented.form.passes:
            return LinkAnswer.PASSED
        return LinkAnswer.ENTER_TO_SEE if presented.form.show else LinkAnswer.ENTER
    if grant.actions.isdisjoint(_SHOWS) and opens_page(request.raw, head=True):
        return LinkAnswer.UPLOAD
    navigates = opens_page(request.raw)
    if request.operation not in _LOOKED_AT:
        return None
    limited = grant.confirm or grant.uses is not None
    return (_page_of_limited if limited else _page_of_unlimited)(request, presented, grant, navigates=navigates)


def _page_of_limited(
    request: ObjectRequest, presented: TokenPresented, grant: Grant, *, navigates: bool
) -> LinkAnswer | None:
    """A card for who only looks, a page for a person, bytes for who pressed its button and for programs.

    Raises:
        Refused: NOT_CONFIRMED.
    """
    visit = visit_of(request.raw)
    if visit is Visit.PREVIEW:
        return LinkAnswer.CARD
    if request.operation is Operation.HEAD_OBJECT:
        return None
    asked, pressed = asks_download(request), presented.lease is not None
    if visit is Visit.AHEAD or (visit is Visit.PART and not pressed and not (asked and _by_a_program(request))):
        raise Refused(Reason.NOT_CONFIRMED, f"what is fetched as {visit.name.lower()} takes no use")
    if pressed or (asked and grant.uses is None):
        return None
    if navigates:
        return LinkAnswer.LANDING
    if grant.confirm and not asked:
        raise Refused(Reason.NOT_CONFIRMED, "the link asks first")
    return None


def _page_of_unlimited(
    request: ObjectRequest, presented: TokenPresented, grant: Grant, *, navigates: bool
) -> LinkAnswer | None:
    """The bytes come at once, unless the owner chose a page, or the address asks for one; `page=0` asks for none."""
    if Shown.CARD in grant.shows and visit_of(request.raw) is Visit.PREVIEW:
        return LinkAnswer.CARD
    wanted = request.params.get("page", "1" if Shown.PAGE in grant.shows else "0")
    if not navigates or wanted != "1" or asks_download(request) or "archive" in request.params:
        return None
    return LinkAnswer.LANDING


def _by_a_program(request: ObjectRequest) -> bool:
    """Whether a page's own script asks; what else a page holds is fetched for whoever looks at it."""
    return request.raw.header("sec-fetch-dest") in {None, "empty"}
