"""Owns how a "no" is written: S3 error XML, problem documents (RFC 9457), and their headers.

Refuses to own when one is given, the public words (`gateway.core.reasons.TABLE`), and how pages look (`gateway.pages`).

Law: an answer is made from the table, the caller's own resource name and the request id. Nothing a store said and no
`detail` is ever in it. Two reasons with one public answer have one public name, so that no caller can tell them apart.
"""

from __future__ import annotations

import json
import math
from binascii import b2a_base64
from collections.abc import Callable, Mapping, Sequence
from http import HTTPStatus
from typing import Final, Protocol

from gateway.core.limits import Verdict
from gateway.core.reasons import TABLE, Reason, Refused, public_reason
from gateway.core.request import BucketPlace, LinkPlace, ObjectRequest, RawRequest
from gateway.core.values import dataclass
from gateway.wire.http.date import told_wait
from gateway.wire.http.negotiate import prefers_html
from gateway.wire.links.tus import version_fields
from gateway.wire.links.upload_draft import PROBLEM_TYPES, complete_field, draft_version, limit_field
from gateway.wire.links.visitor import fetches
from gateway.wire.parse import LINK_METHODS, is_link_path
from gateway.wire.s3.operations import Level, methods_of
from gateway.wire.s3.xml import UNWRITABLE, escape

Fields = tuple[tuple[str, str], ...]

LINK_HEADERS: Final[Fields] = (
    ("Cache-Control", "private, no-store"),
    ("Referrer-Policy", "no-referrer"),
    ("X-Robots-Tag", "noindex, nofollow"),
    ("X-Content-Type-Options", "nosniff"),
)
"""On every answer of a link path."""

_BASIC: Final = 'Basic realm="link", charset="UTF-8"'
_FORM: Final = 'Form realm="link"'
"""A scheme that browsers do not know: for Basic they would cover the page with a dialogue of theirs, and what a page
fetches by itself would wait until that is left."""


class WrittenPage(Protocol):
    """A page for people (`gateway.pages`): the headers that it needs to be safe, and its bytes."""

    @property
    def headers(self) -> Fields: ...

    @property
    def body(self) -> bytes: ...


@dataclass(frozen=True, slots=True)
class Reply:
    """A whole small answer. `Content-Length` and `Date` are the writer's to add. `own` are fields that no other has."""

    status: int
    headers: Fields = ()
    body: bytes = b""
    own: Fields = ()

    def without_body(self) -> Reply:
        """The same answer to HEAD."""
        return Reply(self.status, self.headers, own=self.own)


def s3_ids(request_id: str) -> Fields:
    """The two ids that S3 clients expect on every answer."""
    return ("x-amz-request-id", request_id), ("x-amz-id-2", _host_id(request_id))


def s3_error(
    reason: Reason,
    request_id: str,
    resource: str,
    *,
    headers: Fields = (),
) -> Reply:
    """An S3 error document. `resource` is the path as the caller named it."""
    answer = TABLE[reason]
    return _error_xml(
        answer.status, answer.code, answer.message, request_id=request_id, resource=resource, headers=headers
    )


def problem(
    reason: Reason,
    request_id: str,
    *,
    headers: Fields = (),
    kind: tuple[str, str] | None = None,
    more: Mapping[str, int | str] | None = None,
) -> Reply:
    """A problem document with the members `reason` and `request_id` besides RFC 9457's own; `kind` are the type and the
    title of a problem that has any, `more` are members of its own."""
    answer = TABLE[reason]
    known, title = kind or ("about:blank", title_of(answer.link_status))
    members = {
        "type": known,
        "title": title,
        "status": answer.link_status,
        "detail": answer.text,
        "reason": public_reason(reason).value,
        "request_id": request_id,
        **(more or {}),
    }
    body = json.dumps(members, ensure_ascii=False).encode() + b"\n"
    return Reply(answer.link_status, (("Content-Type", "application/problem+json"), *LINK_HEADERS, *headers), body)


def page_reply(page: WrittenPage, *, status: int = 200, headers: Fields = ()) -> Reply:
    """A link's page with the headers that every answer of a link has."""
    return Reply(status, (*page.headers, *LINK_HEADERS, *headers), page.body)


def xml_reply(document: bytes, request_id: str, *more: tuple[str, str]) -> Reply:
    """A document of ours as an answer of the S3 face: for whoever asked, and for now."""
    fields = (("Content-Type", "application/xml"), ("Cache-Control", "private, no-store"))
    return Reply(200, (*fields, *s3_ids(request_id), *more), document)


@dataclass(frozen=True, slots=True)
class RefusalDetails:
    """What a refusal may say beside its reason, as far as it is known.

    `allow` narrows the `Allow` field of a 405; `verdict` describes the limit that was hit; `page` makes the page for a
    person at a link; `challenge` says what a 401 asks for, if not for a password; `drafts` says that links take uploads
    by the IETF's draft, and `max_size` how large one may be.
    """

    verdict: Verdict | None = None
    allow: Sequence[str] | None = None
    page: Callable[[Reason, str], WrittenPage] | None = None
    challenge: str | None = None
    drafts: bool = False
    max_size: int | None = None


_NO_DETAILS: Final = RefusalDetails()


def refusal(
    refused: Refused,
    request: ObjectRequest | None,
    raw: RawRequest | None,
    request_id: str,
    details: RefusalDetails = _NO_DETAILS,
) -> Reply:
    """The answer to a refused request, in the form its sender reads.

    `request` is None when it was refused while parsing, `raw` when not even that far.
    """
    reason = refused.reason
    link = isinstance(request.place, LinkPlace) if request is not None else raw is not None and is_link_path(raw)
    status = TABLE[reason].link_status if link else TABLE[reason].status
    headers = _later(status, refused.retry_after, details.verdict)
    draft = draft_version(raw) if link and details.drafts and raw is not None else 0
    if draft:
        headers += _draft_fields(refused, draft, details.max_size)
    elif link and raw is not None:
        headers += version_fields(raw, reason)
    if status == 405:
        headers += (("Allow", ", ".join(details.allow or _allowed(request, link=link))),)
    if not link:
        reply = s3_error(reason, request_id, raw.path if raw is not None else "/", headers=headers)
    elif details.page is not None and raw is not None and prefers_html(raw.header("accept")):
        asked = _ask_for(status, details.challenge or (_BASIC if fetches(raw) and not _is_by_page(raw) else _FORM))
        reply = page_reply(details.page(reason, request_id), status=status, headers=headers + asked)
    else:
        asked = _ask_for(status, details.challenge or (_FORM if raw is not None and _is_by_page(raw) else _BASIC))
        kind = PROBLEM_TYPES.get(reason) if draft else None
        more = refused.members if draft or reason is Reason.TERMS_NOT_ACCEPTED else None
        reply = problem(reason, request_id, headers=headers + asked, kind=kind, more=more)
    return reply.without_body() if raw is not None and raw.method == "HEAD" else reply


def _is_by_page(raw: RawRequest) -> bool:
    """Whether a page may fetch this by itself, as far as browsers say; over plain connections they do not, so uploads
    count as that."""
    return any(raw.header(name) is not None for name in ("sec-fetch-mode", "tus-resumable"))


def _ask_for(status: int, challenge: str) -> Fields:
    return (("WWW-Authenticate", challenge),) if status == 401 else ()


def _draft_fields(refused: Refused, version: int, max_size: int | None) -> Fields:
    """What a refusal by the draft carries: where the upload stands, or how large it may be."""
    if refused.reason is Reason.TOO_LARGE:
        return limit_field(version, max_size, None)
    stands = refused.members.get("expected-offset")
    return () if stands is None else (("Upload-Offset", str(stands)), complete_field(version, complete=False))


def retry_after_field(seconds: float) -> tuple[str, str]:
    """`Retry-After` in whole seconds, rounded up, at least 1 (RFC 9110, 10.2.3)."""
    return "Retry-After", str(max(1, math.ceil(seconds)))


def rate_fields(verdict: Verdict) -> Fields:
    """`RateLimit-Policy` and `RateLimit` (draft-ietf-httpapi-ratelimit-headers): quota, remaining, seconds to reset."""
    return (
        ("RateLimit-Policy", f'"requests";q={verdict.limit}'),
        ("RateLimit", f'"requests";r={max(0, verdict.remaining)};t={max(0, math.ceil(verdict.reset))}'),
    )


def title_of(status: int) -> str:
    """A status in words. 460 is the tus protocol's own."""
    return "Checksum Mismatch" if status == 460 else HTTPStatus(status).phrase


def _later(status: int, retry_after: float | None, verdict: Verdict | None) -> Fields:
    fields: Fields = ()
    if status in {429, 503}:
        wait = retry_after if retry_after is not None else verdict.retry_after if verdict is not None else 1.0
        fields += (retry_after_field(wait),)
    return fields + rate_fields(verdict) if verdict is not None else fields


def _allowed(request: ObjectRequest | None, *, link: bool) -> Sequence[str]:
    if link:
        return LINK_METHODS
    bucket_level = request is not None and isinstance(request.place, BucketPlace) and not request.place.key
    return methods_of(Level.BUCKET if bucket_level else Level.OBJECT)


def _host_id(request_id: str) -> str:
    """One more id that says nothing: the same one as clients expect it to look."""
    return b2a_base64(request_id.encode("utf-8", "replace"), newline=False).decode()


def _error_xml(
    status: int,
    code: str,
    message: str,
    *,
    request_id: str,
    resource: str,
    headers: Fields = (),
) -> Reply:
    members = {
        "Code": code,
        "Message": message,
        "Resource": resource,
        "RequestId": request_id,
        "HostId": _host_id(request_id),
    }
    inner = "".join(f"<{name}>{escape(UNWRITABLE.sub('?', text))}</{name}>" for name, text in members.items())
    body = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error>{inner}</Error>'.encode()
    return Reply(status, (("Content-Type", "application/xml"), *s3_ids(request_id), *headers), body)


_STORE_CODES: Final[Mapping[str, tuple[int, str]]] = {
    "BadDigest": (400, "The body does not match the checksum you sent."),
    "EntityTooLarge": (400, "The body is larger than the store allows."),
    "EntityTooSmall": (400, "A part but the last is smaller than the store allows."),
    "IncompleteBody": (400, "The body ended before its declared length."),
    "InvalidArgument": (400, "A parameter or header has an invalid value."),
    "InvalidDigest": (400, "The checksum you sent is not valid."),
    "InvalidPart": (400, "A part could not be found, or its entity tag does not match."),
    "InvalidPartOrder": (400, "The list of parts is not in ascending order."),
    "InvalidPartNumber": (416, "The requested part number is not satisfiable."),
    "InvalidRange": (416, "The requested range is not satisfiable."),
    "InvalidRequest": (400, "The store finds the request invalid."),
    "InvalidStorageClass": (400, "The storage class is not one of the store's."),
    "InvalidTag": (400, "A tag is not valid."),
    "KeyTooLongError": (400, "The object name is too long for the store."),
    "MalformedXML": (400, "The XML you sent is not well formed or not valid."),
    "MetadataTooLarge": (400, "The metadata is larger than the store allows."),
    "MethodNotAllowed": (405, "This method is not allowed on this resource."),
    "NoSuchKey": (404, TABLE[Reason.OBJECT_GONE].message),
    "NoSuchUpload": (404, "The specified multipart upload does not exist."),
    "NoSuchVersion": (404, "The version does not exist."),
    "NoSuchTagSet": (404, "The object has no tags."),
    "NotImplemented": (501, "The store behind this bucket does not support this operation."),
    "ConditionalRequestConflict": (409, "Another write to this object was under way. Please try again."),
    "OperationAborted": (409, "Another operation on this object was under way. Please try again."),
    "InvalidObjectState": (403, "The object is archived and has to be restored first."),
    "PreconditionFailed": (412, "At least one of the pre-conditions you specified did not hold."),
    "RequestTimeout": (400, "The store waited too long for the body."),
    "SlowDown": (503, "The store asks to slow down."),
    "ServiceUnavailable": (503, "The store is unavailable. Please try again."),
    "InternalError": (500, "The store had an internal error. Please try again."),
}
"""The store's errors that are about the caller's request, and our words for them. All others are about us."""

_OTHER_WORDS: Final[Mapping[str, str]] = {
    "BandwidthLimitExceeded": "SlowDown",
    "KeyTooLong": "KeyTooLongError",
    "RequestLimitExceeded": "SlowDown",
    "SlowDownRead": "SlowDown",
    "SlowDownWrite": "SlowDown",
    "Throttling": "SlowDown",
    "ThrottlingException": "SlowDown",
    "TooManyRequests": "SlowDown",
}
"""What some stores call an error for which S3 has a name."""

_BUSY: Final[Mapping[int, str]] = {429: "SlowDown", 498: "SlowDown", 503: "ServiceUnavailable"}
"""Statuses that ask to come again, whatever code stands beside them (498 is OpenStack's)."""

_STATUS_CODES: Final[Mapping[int, str]] = {
    404: "NoSuchKey",
    405: "MethodNotAllowed",
    409: "OperationAborted",
    412: "PreconditionFailed",
    416: "InvalidRange",
    500: "InternalError",
    501: "NotImplemented",
}
"""For answers without a document, as to HEAD."""

_LINK_REASONS: Final[Mapping[str, Reason]] = {
    "BadDigest": Reason.BAD_DIGEST,
    "EntityTooLarge": Reason.TOO_LARGE,
    "EntityTooSmall": Reason.TOO_SMALL,
    "IncompleteBody": Reason.INCOMPLETE_BODY,
    "InvalidDigest": Reason.INVALID_DIGEST,
    "InvalidRange": Reason.BAD_RANGE,
    "KeyTooLongError": Reason.KEY_TOO_LONG,
    "MethodNotAllowed": Reason.METHOD_NOT_ALLOWED,
    "NoSuchKey": Reason.OBJECT_GONE,
    "NoSuchVersion": Reason.OBJECT_GONE,
    "NotImplemented": Reason.NOT_SUPPORTED_BY_BACKEND,
    "PreconditionFailed": Reason.PRECONDITION_FAILED,
    "ServiceUnavailable": Reason.UPSTREAM_UNREACHABLE,
    "SlowDown": Reason.OVERLOADED,
}


_CALLERS_REASONS: Final[Mapping[str, Reason]] = {
    "ConditionalRequestConflict": Reason.PRECONDITION_FAILED,
    "InvalidArgument": Reason.BAD_ARGUMENT,
    "InvalidPart": Reason.BAD_ARGUMENT,
    "InvalidPartNumber": Reason.BAD_RANGE,
    "InvalidPartOrder": Reason.BAD_PART_ORDER,
    "InvalidRequest": Reason.BAD_REQUEST,
    "InvalidStorageClass": Reason.BAD_ARGUMENT,
    "InvalidTag": Reason.BAD_TAG,
    "MalformedXML": Reason.MALFORMED_XML,
    "MetadataTooLarge": Reason.TOO_LARGE,
    "NoSuchTagSet": Reason.OBJECT_GONE,
    "NoSuchUpload": Reason.OBJECT_GONE,
}
"""What else S3 callers do wrong by themselves; a link's request is built here, so there it is no fault of theirs."""


def _store_code(status: int, code: str) -> str | None:
    """The code to relay, or None when the store's refusal is about our own credentials or settings."""
    known = _OTHER_WORDS.get(code, code)
    if known in _STORE_CODES:
        return known
    return _BUSY.get(status) or (None if code else _STATUS_CODES.get(status))


def store_reason(status: int, code: str, *, link: bool = True) -> Reason:
    """The reason that stands for a store's error in records and on link paths."""
    known = _store_code(status, code) or ""
    if not link and known in _CALLERS_REASONS:
        return _CALLERS_REASONS[known]
    return _LINK_REASONS.get(known, Reason.UPSTREAM_REFUSED)


def store_said(status: int, code: str, asked: str = "") -> str:
    """A store's error for the log: to which of our own questions, if it was one."""
    said = f"the store answered {status} {code}".rstrip()
    return f"{said} to {asked}" if asked else said


def store_refusal(status: int, code: str, headers: Mapping[str, str], asked: str = "") -> Refused:
    """The refusal that stands for a store's error where it cannot be relayed, with the wait that it asks for; `headers`
    are the answer's."""
    return Refused(store_reason(status, code), store_said(status, code, asked), retry_after=told_wait(headers))


def store_error(
    status: int, code: str, request: ObjectRequest, request_id: str, *, retry_after: float | None = None
) -> Reply:
    """The answer to a store's error. `code` is the `Code` of its document, "" if there was none; `retry_after` is in
    seconds, if it asked for a wait.

    Only codes about the caller's request are relayed, in our words and with our names; the rest (a refused signature,
    a missing real bucket, a redirect) is a fault of this gateway's settings and answers 502.
    """
    raw = request.raw
    relayed = _store_code(status, code)
    if isinstance(request.place, LinkPlace) or relayed is None:
        return refusal(Refused(store_reason(status, code), retry_after=retry_after), request, raw, request_id)
    answered, message = _STORE_CODES[relayed]
    waiting = _later(answered, retry_after, None)
    reply = _error_xml(answered, relayed, message, request_id=request_id, resource=raw.path, headers=waiting)
    return reply.without_body() if raw.method == "HEAD" else reply
