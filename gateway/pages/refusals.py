"""Owns the pages that say no: why, in the table's words, and what one can do next.

Refuses to own when one is shown and with which status (`gateway.core.reasons`, `gateway.wire.replies`).

Law: every reason has a next step. Two reasons with one public answer have one page.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.core.reasons import TABLE, Reason, public_reason
from gateway.core.values import dataclass
from gateway.pages.render import ONCE, UPLOADING, Look, Page, render


@dataclass(frozen=True, slots=True)
class Asks:
    """How a link asks who somebody is: by code or sign-in (`oidc`).

    `address` is where a code was asked for, "" if nowhere yet, and `challenge` what goes back with that code, whatever
    another window asks for. `issuers` is what those are called at which one signs in, `carried` what goes with it in an
    address.
    """

    by: str
    address: str = ""
    challenge: str = ""
    issuers: tuple[str, ...] = ()
    carried: str = ""


@dataclass(frozen=True, slots=True)
class Unfinished:
    """Which uploads may go on at a link that takes no new ones: of which types, of one name or several, taken back or
    not."""

    types: tuple[str, ...] = ()
    single: bool = False
    undo: bool = False


_STEPS: Final[Mapping[str, tuple[Reason, ...]]] = MappingProxyType(
    {
        "check_link": (Reason.UNKNOWN_TOKEN, Reason.OUT_OF_SCOPE, Reason.UNKNOWN_BUCKET),
        "ask_for_new": (
            Reason.EXPIRED,
            Reason.REVOKED,
            Reason.USED_UP,
            Reason.OWNER_NOT_ALLOWED,
            Reason.OBJECT_GONE,
            Reason.OBJECT_CHANGED,
            Reason.SIGNATURE_EXPIRED,
        ),
        "later_or_ask": (Reason.NOT_YET_VALID, Reason.SUSPENDED, Reason.AWAITING_APPROVAL, Reason.BACKEND_DRAINED),
        "ask_for_access": (
            Reason.NOT_ALLOWED,
            Reason.METHOD_NOT_ALLOWED,
            Reason.DENIED_BY_RULE,
            Reason.DENIED_BY_SESSION,
            Reason.PEER_NOT_ALLOWED,
            Reason.ENDED_BY_OWNER,
            Reason.CREDENTIALS_MISSING,
            Reason.NO_CREDENTIALS,
        ),
        "password": (Reason.PASSWORD_REQUIRED, Reason.PASSWORD_WRONG),
        "who": (Reason.HOLDER_REQUIRED,),
        "other_code": (Reason.CODE_WRONG, Reason.BAD_ADDRESS),
        "sign_in_again": (Reason.SIGN_IN_FAILED, Reason.NOT_A_HOLDER),
        "press_button": (Reason.NOT_CONFIRMED,),
        "allow_cookies": (Reason.COOKIES_REFUSED,),
        "accept": (Reason.TERMS_NOT_ACCEPTED,),
        "wait": (
            Reason.TOO_MANY_REQUESTS,
            Reason.TOO_MANY_TRANSFERS,
            Reason.TOO_MANY_GUESSES,
            Reason.OVERLOADED,
            Reason.VIEW_TOO_OLD,
            Reason.DEPENDENCY_DOWN,
            Reason.SHUTTING_DOWN,
            Reason.UPSTREAM_UNREACHABLE,
            Reason.UPSTREAM_TIMED_OUT,
            Reason.UPLOAD_BUSY,
        ),
        "again": (
            Reason.UPSTREAM_BROKE,
            Reason.CLIENT_GONE,
            Reason.CLIENT_TOO_SLOW,
            Reason.INCOMPLETE_BODY,
            Reason.BAD_DIGEST,
            Reason.BAD_CONTENT_HASH,
            Reason.CHECKSUM_MISMATCH,
            Reason.OFFSET_MISMATCH,
            Reason.LENGTH_MISMATCH,
            Reason.UPLOAD_UNFINISHED,
            Reason.INTERNAL,
        ),
        "send_anew": (Reason.UPLOAD_UNKNOWN, Reason.UPLOAD_EXPIRED, Reason.UPLOAD_COMPLETE),
        "other_type": (Reason.TYPE_NOT_ALLOWED,),
        "other_size": (Reason.TOO_LARGE, Reason.TOO_SMALL),
        "other_name": (
            Reason.OBJECT_EXISTS,
            Reason.BAD_KEY,
            Reason.KEY_TOO_LONG,
            Reason.KEY_AMBIGUOUS,
            Reason.FOLDER_BODY,
        ),
        "from_the_link": (
            Reason.BAD_REQUEST,
            Reason.BAD_RETURN_ADDRESS,
            Reason.BAD_ARGUMENT,
            Reason.BAD_RANGE,
            Reason.PRECONDITION_FAILED,
            Reason.UNREAD_BODY,
            Reason.MALFORMED_FORM,
            Reason.UNSUPPORTED_OPERATION,
            Reason.NOT_SUPPORTED_BY_BACKEND,
        ),
        "tell_operator": (
            Reason.UPSTREAM_REFUSED,
            Reason.BUCKET_EXISTS,
            Reason.BAD_BUCKET_NAME,
            Reason.MALFORMED_XML,
            Reason.BAD_PART_ORDER,
            Reason.BAD_TAG,
            Reason.HEADER_NOT_OFFERED,
            Reason.PIECE_OF_FILE,
            Reason.MISSING_LENGTH,
            Reason.INVALID_DIGEST,
            Reason.PROTOCOL_VERSION,
            Reason.WRONG_MEDIA_TYPE,
            Reason.CREDENTIALS_MALFORMED,
            Reason.CREDENTIALS_QUERY_MALFORMED,
            Reason.CREDENTIALS_AMBIGUOUS,
            Reason.CREDENTIALS_UNDATED,
            Reason.UNKNOWN_KEY,
            Reason.SIGNATURE_VERSION_REFUSED,
            Reason.BAD_SIGNATURE,
            Reason.UNSIGNED_HEADER,
            Reason.CLOCK_SKEWED,
            Reason.BAD_SESSION_TOKEN,
            Reason.FORM_POLICY_VIOLATED,
        ),
    }
)

NEXT_STEPS: Final[Mapping[Reason, str]] = MappingProxyType(
    {reason: step for step, reasons in _STEPS.items() for reason in reasons}
)
"""What a person can do about a reason, as the key of a text below `next`."""

_WRONG: Final = frozenset(
    {Reason.PASSWORD_WRONG, Reason.CODE_WRONG, Reason.BAD_ADDRESS, Reason.SIGN_IN_FAILED, Reason.NOT_A_HOLDER}
)
_ENTRANCES: Final = frozenset({Reason.PASSWORD_REQUIRED, Reason.TERMS_NOT_ACCEPTED, Reason.HOLDER_REQUIRED})
_ASKS: Final = Asks("code")
_OTHERWISE: Final = "tell_operator"
_TEMPLATES: Final = MappingProxyType(
    {
        Reason.PASSWORD_REQUIRED: "password.html",
        Reason.PASSWORD_WRONG: "password.html",
        Reason.TERMS_NOT_ACCEPTED: "terms.html",
        Reason.HOLDER_REQUIRED: "holder.html",
        Reason.CODE_WRONG: "holder.html",
        Reason.BAD_ADDRESS: "holder.html",
        Reason.SIGN_IN_FAILED: "holder.html",
        Reason.NOT_A_HOLDER: "holder.html",
    }
)


def refusal_texts(look: Look) -> Mapping[str, str]:
    """What a page's script says where a request was refused: a text for each public reason that a person can do
    something about. Of all others the name is enough, for whoever runs the service. What is asked for by a page of its
    own was given before this one was shown, and counts no more: that page comes when this one is loaded again."""
    told = dict.fromkeys(public_reason(reason) for reason, step in NEXT_STEPS.items() if step != _OTHERWISE)
    text = look.language.text
    return {one.value: text("upload.load_again" if one in _ENTRANCES else f"reasons.{one.value}") for one in told}


def refusal_page(
    look: Look,
    reason: Reason,
    request_id: str,
    *,
    terms: str = "",
    asks: Asks | None = None,
    unfinished: Unfinished | None = None,
    anew: bool = False,
) -> Page:
    """Why not, and what next; for a missing or wrong password, for `terms`, and for who somebody is, it is the form
    that asks. With `unfinished`, what a visitor has begun goes on from it, where scripts run; with `anew`, its address
    without the query is the link's own, and is offered.

    The form posts the field `password`, `accept_terms`, `email` or `code`, and says nothing of what is behind the link.
    """
    reason = public_reason(reason)
    status = TABLE[reason].link_status
    title = f"status.{status}"
    return render(
        _TEMPLATES.get(reason, "refusal.html"),
        look,
        scripts=ONCE if reason in _TEMPLATES else () if unfinished is None else UPLOADING,
        fetches=() if unfinished is None else ("connect-src",),
        unfinished=unfinished,
        reasons={} if unfinished is None else refusal_texts(look),
        title=look.language.text(title if look.language.has(title) else "status.otherwise"),
        text=look.language.text(f"reasons.{reason.value}"),
        terms=terms,
        anew=anew,
        wrong=reason in _WRONG,
        asks=asks or _ASKS,
        next_step=look.language.text(f"next.{NEXT_STEPS.get(reason, _OTHERWISE)}"),
        request_id=request_id,
    )
