"""Owns every reason for a "no", the four exception classes, and the one table from reason to public answer.

Refuses to own how an answer is written (`gateway.wire.replies`) and when one is given (`gateway.data`).

Law: a caller learns what the table says and nothing else. `detail` is for logs and for `explain`; it never
reaches a caller of the data listener.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, Literal

from gateway.core.limits import Verdict
from gateway.core.values import dataclass


class Reason(StrEnum):
    """Why an attempt was refused, failed or cut. The value is the metric label and the `reason` member of a problem."""

    # what was sent cannot be understood or is not offered
    BAD_REQUEST = "bad_request"
    BAD_BUCKET_NAME = "bad_bucket_name"
    BAD_KEY = "bad_key"
    KEY_TOO_LONG = "key_too_long"
    BAD_ARGUMENT = "bad_argument"
    MALFORMED_XML = "malformed_xml"
    BAD_PART_ORDER = "bad_part_order"
    BAD_TAG = "bad_tag"
    MALFORMED_FORM = "malformed_form"
    UNSUPPORTED_OPERATION = "unsupported_operation"
    METHOD_NOT_ALLOWED = "method_not_allowed"
    HEADER_NOT_OFFERED = "header_not_offered"
    UNREAD_BODY = "unread_body"
    PIECE_OF_FILE = "piece_of_file"
    MISSING_LENGTH = "missing_length"
    INCOMPLETE_BODY = "incomplete_body"
    TOO_LARGE = "too_large"
    TOO_SMALL = "too_small"
    BAD_DIGEST = "bad_digest"
    INVALID_DIGEST = "invalid_digest"
    BAD_CONTENT_HASH = "bad_content_hash"
    BAD_RANGE = "bad_range"
    PROTOCOL_VERSION = "protocol_version"
    WRONG_MEDIA_TYPE = "wrong_media_type"
    TYPE_NOT_ALLOWED = "type_not_allowed"
    OFFSET_MISMATCH = "offset_mismatch"
    LENGTH_MISMATCH = "length_mismatch"
    CHECKSUM_MISMATCH = "checksum_mismatch"
    # who asks is not known
    CREDENTIALS_MISSING = "credentials_missing"
    CREDENTIALS_MALFORMED = "credentials_malformed"
    CREDENTIALS_QUERY_MALFORMED = "credentials_query_malformed"
    CREDENTIALS_AMBIGUOUS = "credentials_ambiguous"
    CREDENTIALS_UNDATED = "credentials_undated"
    UNKNOWN_TOKEN = "unknown_token"  # noqa: S105 (a reason, not a secret)
    UNKNOWN_KEY = "unknown_key"
    SIGNATURE_VERSION_REFUSED = "signature_version_refused"
    BAD_SIGNATURE = "bad_signature"
    UNSIGNED_HEADER = "unsigned_header"
    CLOCK_SKEWED = "clock_skewed"
    SIGNATURE_EXPIRED = "signature_expired"
    BAD_SESSION_TOKEN = "bad_session_token"  # noqa: S105
    FORM_POLICY_VIOLATED = "form_policy_violated"
    # the grant does not reach this far
    NOT_YET_VALID = "not_yet_valid"
    EXPIRED = "expired"
    REVOKED = "revoked"
    SUSPENDED = "suspended"
    AWAITING_APPROVAL = "awaiting_approval"
    USED_UP = "used_up"
    OUT_OF_SCOPE = "out_of_scope"
    PEER_NOT_ALLOWED = "peer_not_allowed"
    PASSWORD_REQUIRED = "password_required"  # noqa: S105
    PASSWORD_WRONG = "password_wrong"  # noqa: S105
    COOKIES_REFUSED = "cookies_refused"
    NOT_CONFIRMED = "not_confirmed"
    TERMS_NOT_ACCEPTED = "terms_not_accepted"
    HOLDER_REQUIRED = "holder_required"
    CODE_WRONG = "code_wrong"
    BAD_ADDRESS = "bad_address"
    SIGN_IN_FAILED = "sign_in_failed"
    NOT_A_HOLDER = "not_a_holder"
    BAD_RETURN_ADDRESS = "bad_return_address"
    NO_CREDENTIALS = "no_credentials"
    # the policy does not allow it
    NOT_ALLOWED = "not_allowed"
    DENIED_BY_RULE = "denied_by_rule"
    DENIED_BY_SESSION = "denied_by_session"
    OWNER_NOT_ALLOWED = "owner_not_allowed"
    UNKNOWN_BUCKET = "unknown_bucket"
    KEY_AMBIGUOUS = "key_ambiguous"
    NOT_SUPPORTED_BY_BACKEND = "not_supported_by_backend"
    FOLDER_BODY = "folder_body"
    # not now
    TOO_MANY_REQUESTS = "too_many_requests"
    TOO_MANY_TRANSFERS = "too_many_transfers"
    TOO_MANY_GUESSES = "too_many_guesses"
    OVERLOADED = "overloaded"
    VIEW_TOO_OLD = "view_too_old"
    DEPENDENCY_DOWN = "dependency_down"
    BACKEND_DRAINED = "backend_drained"
    SHUTTING_DOWN = "shutting_down"
    ENDED_BY_OWNER = "ended_by_owner"
    # what the store said
    OBJECT_GONE = "object_gone"
    OBJECT_CHANGED = "object_changed"
    OBJECT_EXISTS = "object_exists"
    BUCKET_EXISTS = "bucket_exists"
    UPLOAD_UNKNOWN = "upload_unknown"
    UPLOAD_EXPIRED = "upload_expired"
    UPLOAD_BUSY = "upload_busy"
    UPLOAD_UNFINISHED = "upload_unfinished"
    UPLOAD_COMPLETE = "upload_complete"
    PRECONDITION_FAILED = "precondition_failed"
    UPSTREAM_REFUSED = "upstream_refused"
    UPSTREAM_UNREACHABLE = "upstream_unreachable"
    UPSTREAM_TIMED_OUT = "upstream_timed_out"
    UPSTREAM_BROKE = "upstream_broke"
    # while bytes were moving
    CLIENT_GONE = "client_gone"
    CLIENT_TOO_SLOW = "client_too_slow"
    # ours
    INTERNAL = "internal"


Level = Literal["debug", "info", "warning", "error"]


@dataclass(frozen=True, slots=True)
class PublicAnswer:
    """What the world is told about a reason.

    `status` and `code` answer S3 paths (XML), `link_status` and `text` answer link paths (problem+json or a page).
    `s3_text` stands where `text` speaks of a link: on S3 paths nobody presents one.
    """

    status: int
    code: str
    link_status: int
    text: str
    level: Level = "info"
    s3_text: str | None = None

    @property
    def message(self) -> str:
        """The words of an S3 error document."""
        return self.text if self.s3_text is None else self.s3_text


_GONE = "This link does not exist or is no longer available."
_DENIED = "Access Denied"
_NO_KEY = "The specified key does not exist."

TABLE: Final[dict[Reason, PublicAnswer]] = {
    Reason.BAD_REQUEST: PublicAnswer(400, "InvalidRequest", 400, "The request is malformed."),
    Reason.BAD_BUCKET_NAME: PublicAnswer(400, "InvalidBucketName", 400, "The specified bucket name is not valid."),
    Reason.BAD_KEY: PublicAnswer(400, "InvalidURI", 400, "The object name is not acceptable."),
    Reason.KEY_TOO_LONG: PublicAnswer(400, "KeyTooLongError", 400, "The object name is longer than 1024 bytes."),
    Reason.BAD_ARGUMENT: PublicAnswer(400, "InvalidArgument", 400, "A parameter or header has an invalid value."),
    Reason.MALFORMED_XML: PublicAnswer(400, "MalformedXML", 400, "The XML you sent is not well formed or not valid."),
    Reason.BAD_PART_ORDER: PublicAnswer(400, "InvalidPartOrder", 400, "The list of parts is not in ascending order."),
    Reason.BAD_TAG: PublicAnswer(400, "InvalidTag", 400, "The tags are too many, too long or not unique."),
    Reason.MALFORMED_FORM: PublicAnswer(
        400, "MalformedPOSTRequest", 400, "The form is not well-formed multipart/form-data."
    ),
    Reason.UNSUPPORTED_OPERATION: PublicAnswer(501, "NotImplemented", 501, "This operation is not offered here."),
    Reason.METHOD_NOT_ALLOWED: PublicAnswer(405, "MethodNotAllowed", 405, "This method is not allowed here."),
    Reason.HEADER_NOT_OFFERED: PublicAnswer(
        501, "NotImplemented", 501, "A header you provided implies functionality that is not implemented."
    ),
    Reason.UNREAD_BODY: PublicAnswer(
        400,
        "InvalidRequest",
        415,
        "Nothing was stored: nobody reads a body like this. Send a file with PUT (curl -T FILE URL), or as a form with "
        "a file in it (curl -F file=@FILE URL).",
        s3_text="A request like this has no body.",
    ),
    Reason.PIECE_OF_FILE: PublicAnswer(
        501,
        "NotImplemented",
        501,
        "Nothing was stored: this is one piece of a file. Send it whole, or in pieces by tus.",
    ),
    Reason.MISSING_LENGTH: PublicAnswer(411, "MissingContentLength", 411, "The request needs a Content-Length."),
    Reason.INCOMPLETE_BODY: PublicAnswer(400, "IncompleteBody", 400, "The body ended before its declared length."),
    Reason.TOO_LARGE: PublicAnswer(400, "EntityTooLarge", 413, "The body is larger than allowed."),
    Reason.TOO_SMALL: PublicAnswer(400, "EntityTooSmall", 400, "The body is smaller than allowed."),
    Reason.BAD_DIGEST: PublicAnswer(400, "BadDigest", 400, "The body does not match the checksum you sent."),
    Reason.INVALID_DIGEST: PublicAnswer(400, "InvalidDigest", 400, "The checksum you sent is not valid."),
    Reason.BAD_CONTENT_HASH: PublicAnswer(
        400, "XAmzContentSHA256Mismatch", 400, "The body does not match x-amz-content-sha256."
    ),
    Reason.BAD_RANGE: PublicAnswer(416, "InvalidRange", 416, "The requested range is not satisfiable."),
    Reason.PROTOCOL_VERSION: PublicAnswer(
        412, "PreconditionFailed", 412, "The upload protocol's version is missing or not supported."
    ),
    Reason.WRONG_MEDIA_TYPE: PublicAnswer(
        415, "InvalidRequest", 415, "The content type is not the one that the upload protocol has for bytes."
    ),
    Reason.TYPE_NOT_ALLOWED: PublicAnswer(
        415, "InvalidRequest", 415, "Files of this type are not taken here. Nothing was stored."
    ),
    Reason.OFFSET_MISMATCH: PublicAnswer(409, "InvalidRequest", 409, "The upload stands at another offset."),
    Reason.LENGTH_MISMATCH: PublicAnswer(
        400, "InvalidRequest", 400, "The upload has another length than was said before, or than it has bytes."
    ),
    Reason.CHECKSUM_MISMATCH: PublicAnswer(400, "BadDigest", 460, "The body does not match its Upload-Checksum."),
    Reason.CREDENTIALS_MISSING: PublicAnswer(403, "AccessDenied", 401, _DENIED),
    Reason.CREDENTIALS_MALFORMED: PublicAnswer(
        400, "AuthorizationHeaderMalformed", 400, "The Authorization header is malformed."
    ),
    Reason.CREDENTIALS_QUERY_MALFORMED: PublicAnswer(
        400, "AuthorizationQueryParametersError", 400, "The authorization query parameters are malformed."
    ),
    Reason.CREDENTIALS_AMBIGUOUS: PublicAnswer(
        400, "InvalidArgument", 400, "Only one authentication mechanism is allowed in a request."
    ),
    Reason.CREDENTIALS_UNDATED: PublicAnswer(
        403, "AccessDenied", 403, "Authentication needs a valid Date or x-amz-date header."
    ),
    Reason.UNKNOWN_TOKEN: PublicAnswer(404, "NoSuchKey", 404, _GONE, s3_text=_NO_KEY),
    Reason.UNKNOWN_KEY: PublicAnswer(
        403, "InvalidAccessKeyId", 403, "The access key id does not exist in our records."
    ),
    Reason.SIGNATURE_VERSION_REFUSED: PublicAnswer(
        400,
        "InvalidRequest",
        400,
        "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256.",
    ),
    Reason.BAD_SIGNATURE: PublicAnswer(
        403, "SignatureDoesNotMatch", 403, "The request signature we calculated does not match the one you provided."
    ),
    Reason.UNSIGNED_HEADER: PublicAnswer(403, "AccessDenied", 403, "There were headers present which were not signed."),
    Reason.CLOCK_SKEWED: PublicAnswer(
        403, "RequestTimeTooSkewed", 403, "The difference between the request time and the server's time is too large."
    ),
    Reason.SIGNATURE_EXPIRED: PublicAnswer(403, "AccessDenied", 403, "Request has expired"),
    Reason.BAD_SESSION_TOKEN: PublicAnswer(
        400, "InvalidToken", 400, "The provided token is malformed or otherwise invalid."
    ),
    Reason.FORM_POLICY_VIOLATED: PublicAnswer(
        403, "AccessDenied", 403, "Invalid according to Policy: a condition of the form's policy is not met."
    ),
    Reason.NOT_YET_VALID: PublicAnswer(
        403, "AccessDenied", 403, "This link is not valid yet.", s3_text="This key is not valid yet."
    ),
    Reason.EXPIRED: PublicAnswer(400, "ExpiredToken", 410, "This link has expired.", s3_text="This key has expired."),
    Reason.REVOKED: PublicAnswer(
        403, "InvalidAccessKeyId", 410, "This link was revoked.", s3_text="This key was revoked."
    ),
    Reason.SUSPENDED: PublicAnswer(
        403, "AccessDenied", 403, "This link is suspended for now.", s3_text="This key is suspended for now."
    ),
    Reason.AWAITING_APPROVAL: PublicAnswer(
        403, "AccessDenied", 403, "This link is not released yet.", s3_text="This key is not released yet."
    ),
    Reason.USED_UP: PublicAnswer(
        403, "AccessDenied", 410, "This link has been used up.", s3_text="This key has been used up."
    ),
    Reason.OUT_OF_SCOPE: PublicAnswer(403, "AccessDenied", 404, _GONE, s3_text=_DENIED),
    Reason.PEER_NOT_ALLOWED: PublicAnswer(
        403,
        "AccessDenied",
        403,
        "This link may not be used from your address.",
        s3_text="This key may not be used from your address.",
    ),
    Reason.PASSWORD_REQUIRED: PublicAnswer(
        403, "AccessDenied", 401, "This link needs a password.", s3_text="A password is needed."
    ),
    Reason.PASSWORD_WRONG: PublicAnswer(403, "AccessDenied", 401, "The password is wrong."),
    Reason.HOLDER_REQUIRED: PublicAnswer(
        403,
        "AccessDenied",
        401,
        "This link is for certain people: prove to be one of them on its page in a browser, or with gateway link open.",
        s3_text=_DENIED,
    ),
    Reason.CODE_WRONG: PublicAnswer(
        403, "AccessDenied", 401, "The code is wrong, too old, or was used before.", s3_text=_DENIED
    ),
    Reason.BAD_ADDRESS: PublicAnswer(
        400, "InvalidArgument", 400, "This is no mail address: write one like ann@example.com.", s3_text=_DENIED
    ),
    Reason.COOKIES_REFUSED: PublicAnswer(
        400,
        "InvalidRequest",
        400,
        "The cookie that lets you in did not come back: your browser keeps none from this site, or too much time went "
        "by.",
        s3_text=_DENIED,
    ),
    Reason.NOT_CONFIRMED: PublicAnswer(
        403,
        "AccessDenied",
        403,
        "Nothing was sent: open this link in a browser and press its button, or ask for it with ?download=1.",
        s3_text=_DENIED,
    ),
    Reason.SIGN_IN_FAILED: PublicAnswer(
        403, "AccessDenied", 401, "Nobody was signed in. Begin again.", s3_text=_DENIED
    ),
    Reason.NOT_A_HOLDER: PublicAnswer(
        403,
        "AccessDenied",
        403,
        "You are signed in, but not as somebody whom this link is for.",
        s3_text=_DENIED,
    ),
    Reason.BAD_RETURN_ADDRESS: PublicAnswer(
        400,
        "InvalidArgument",
        400,
        "A program waits at http://127.0.0.1:PORT/callback or http://[::1]:PORT/callback, with an S256 challenge of "
        "43 characters: nobody is led anywhere else.",
        s3_text=_DENIED,
    ),
    Reason.NO_CREDENTIALS: PublicAnswer(
        403,
        "AccessDenied",
        403,
        "This link gives no S3 credentials: a link for one whole download never does, and others may be made so.",
        s3_text=_DENIED,
    ),
    Reason.TERMS_NOT_ACCEPTED: PublicAnswer(
        403,
        "AccessDenied",
        403,
        "This link has terms: read them on its page in a browser. To ask with ?accept_terms=1 is to accept them.",
        s3_text=_DENIED,
    ),
    Reason.NOT_ALLOWED: PublicAnswer(403, "AccessDenied", 403, _DENIED),
    Reason.DENIED_BY_RULE: PublicAnswer(403, "AccessDenied", 403, _DENIED),
    Reason.DENIED_BY_SESSION: PublicAnswer(403, "AccessDenied", 403, _DENIED),
    Reason.OWNER_NOT_ALLOWED: PublicAnswer(
        403, "AccessDenied", 410, "This link is no longer allowed by its owner's policy.", s3_text=_DENIED
    ),
    Reason.UNKNOWN_BUCKET: PublicAnswer(404, "NoSuchBucket", 404, "The specified bucket does not exist."),
    Reason.KEY_AMBIGUOUS: PublicAnswer(
        400, "InvalidURI", 400, "The store behind this bucket would confuse this object name with another one."
    ),
    Reason.NOT_SUPPORTED_BY_BACKEND: PublicAnswer(
        501, "NotImplemented", 501, "The store behind this bucket does not support this operation."
    ),
    Reason.FOLDER_BODY: PublicAnswer(
        501,
        "NotImplemented",
        501,
        "The store behind this bucket keeps no content under a name that ends with a slash. Leave the slash out.",
    ),
    Reason.TOO_MANY_REQUESTS: PublicAnswer(503, "SlowDown", 429, "Too many requests. Please slow down."),
    Reason.TOO_MANY_TRANSFERS: PublicAnswer(503, "SlowDown", 429, "Too many transfers at once. Please slow down."),
    Reason.TOO_MANY_GUESSES: PublicAnswer(503, "SlowDown", 429, "Too many failed tries. Please wait."),
    Reason.OVERLOADED: PublicAnswer(503, "SlowDown", 503, "The gateway is at its limit of transfers.", "warning"),
    Reason.VIEW_TOO_OLD: PublicAnswer(
        503, "ServiceUnavailable", 503, "The revocation list is too old to decide on.", "error"
    ),
    Reason.DEPENDENCY_DOWN: PublicAnswer(503, "ServiceUnavailable", 503, "A part this needs is unavailable.", "error"),
    Reason.BACKEND_DRAINED: PublicAnswer(
        503, "ServiceUnavailable", 503, "The store is taken out of service.", "warning"
    ),
    Reason.SHUTTING_DOWN: PublicAnswer(503, "ServiceUnavailable", 503, "The gateway is shutting down."),
    Reason.ENDED_BY_OWNER: PublicAnswer(
        403, "AccessDenied", 403, "This transfer was ended by whoever shares the file."
    ),
    Reason.OBJECT_GONE: PublicAnswer(404, "NoSuchKey", 404, "The object does not exist.", s3_text=_NO_KEY),
    Reason.OBJECT_CHANGED: PublicAnswer(
        412,
        "PreconditionFailed",
        410,
        "The object is no longer the one that this link was made for.",
        s3_text="The object has changed.",
    ),
    Reason.OBJECT_EXISTS: PublicAnswer(412, "PreconditionFailed", 409, "An object with this name exists already."),
    Reason.BUCKET_EXISTS: PublicAnswer(409, "BucketAlreadyOwnedByYou", 409, "The bucket exists and you may use it."),
    Reason.UPLOAD_UNKNOWN: PublicAnswer(404, "NoSuchUpload", 404, "The upload does not exist."),
    Reason.UPLOAD_EXPIRED: PublicAnswer(410, "NoSuchUpload", 410, "The upload was not finished in time."),
    Reason.UPLOAD_UNFINISHED: PublicAnswer(
        409, "InvalidRequest", 409, "One of the partial uploads is not finished yet, so there is nothing to join."
    ),
    Reason.UPLOAD_COMPLETE: PublicAnswer(400, "InvalidRequest", 400, "The upload is complete: nothing can follow."),
    Reason.UPLOAD_BUSY: PublicAnswer(
        409, "OperationAborted", 423, "The upload is being written by another request. Please try again."
    ),
    Reason.PRECONDITION_FAILED: PublicAnswer(
        412, "PreconditionFailed", 412, "At least one of the pre-conditions you specified did not hold."
    ),
    Reason.UPSTREAM_REFUSED: PublicAnswer(502, "BadGateway", 502, "The store refused the request.", "error"),
    Reason.UPSTREAM_UNREACHABLE: PublicAnswer(503, "ServiceUnavailable", 502, "The store cannot be reached.", "error"),
    Reason.UPSTREAM_TIMED_OUT: PublicAnswer(504, "GatewayTimeout", 504, "The store did not answer in time.", "error"),
    Reason.UPSTREAM_BROKE: PublicAnswer(502, "BadGateway", 502, "The store broke off.", "error"),
    Reason.CLIENT_GONE: PublicAnswer(400, "RequestTimeout", 400, "The client went away."),
    Reason.CLIENT_TOO_SLOW: PublicAnswer(400, "RequestTimeout", 408, "The client was too slow."),
    Reason.INTERNAL: PublicAnswer(
        500, "InternalError", 500, "We encountered an internal error. Please try again.", "error"
    ),
}


def _public_names() -> dict[Reason, Reason]:
    first: dict[tuple[int, str], Reason] = {}
    return {reason: first.setdefault((answer.link_status, answer.text), reason) for reason, answer in TABLE.items()}


_PUBLIC: Final = _public_names()


def public_reason(reason: Reason) -> Reason:
    """The name under which the world learns a reason: two with one public answer have one name."""
    return _PUBLIC[reason]


class Refused(Exception):
    """A step says no.

    `detail` says why in our own words, for the log. `retry_after` is in seconds. `rule` names a deny rule.
    `verdict` is what the limiter said, for `RateLimit` fields. `members` stand in the problem document, too.
    """

    def __init__(
        self,
        reason: Reason,
        detail: str = "",
        *,
        retry_after: float | None = None,
        rule: str | None = None,
        verdict: Verdict | None = None,
        members: Mapping[str, int | str] | None = None,
    ) -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail
        self.retry_after = retry_after
        self.rule = rule
        self.verdict = verdict
        self.members = members or {}


class UpstreamFailed(Exception):
    """The store could not be reached, timed out, or broke its framing. `reason` is one of the UPSTREAM_* reasons."""

    def __init__(self, reason: Reason, detail: str = "") -> None:
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


Dependency = Literal["grants", "revocations", "limits", "audit"]
"""The parts of ours that may be down, by the names that `fail` in the settings has for them."""


class DependencyDown(Exception):
    """One of our own parts (grants, feed, limiter, ledger) cannot answer. The fail posture decides what follows."""

    def __init__(self, dependency: Dependency, detail: str = "") -> None:
        super().__init__(dependency, detail)
        self.dependency = dependency
        self.detail = detail


class SettingsError(Exception):
    """A file or a value from outside is wrong. `faults` are complete sentences with file:line:column where known."""

    def __init__(self, *faults: str) -> None:
        super().__init__("\n".join(faults))
        self.faults = faults


def as_refused(failure: BaseException | None) -> Refused:
    """The refusal that a failure is answered as."""
    match failure:
        case Refused():
            return failure
        case UpstreamFailed(reason=reason, detail=detail):
            return Refused(reason, detail)
        case DependencyDown(detail=detail):
            return Refused(Reason.DEPENDENCY_DOWN, detail, retry_after=1.0)
        case _:
            return Refused(Reason.INTERNAL)
