"""Owns the reading of a store's "no": from its status and code to a refusal or a reply of ours.

Refuses to own the wording (`gateway.wire.replies`).
"""

from __future__ import annotations

import re
from typing import Final

from gateway.core.reasons import Reason, Refused
from gateway.core.request import LinkPlace, Operation
from gateway.core.route import Answer
from gateway.data.call import Call
from gateway.data.state.transfers import Permit
from gateway.wire.replies import Reply, store_error, store_reason
from gateway.wire.s3.documents import store_fault

__all__ = ["check_answer", "error_reply", "require_pinned"]

_ERROR_LIMIT: Final = 64 * 1024
_UNSATISFIED: Final = re.compile(r"bytes \*/\d{1,20}", re.ASCII)
_UPLOADS: Final = frozenset({Operation.PUT_OBJECT, Operation.POST_OBJECT})


def require_pinned(answer: Answer, permit: Permit) -> None:
    """Nothing but the version that the link was made for. Asked of the answer itself: not every store heeds If-Match.

    Raises:
        Refused: OBJECT_CHANGED, also when the store does not say what this is.
    """
    permit.version = answer.headers.get("etag")
    pinned = permit.grant.etag if permit.grant is not None else None
    if pinned is not None and permit.version != pinned:
        raise Refused(Reason.OBJECT_CHANGED, f"the link is for {pinned}")


async def check_answer(answer: Answer, tried: Call, permit: Permit) -> Reply | None:
    """None if the store did what was asked; else its error in our words.

    Raises:
        Refused: the store's error on a link path, OBJECT_CHANGED.
    """
    if answer.status < 300 or answer.status == 304:
        require_pinned(answer, permit)
        return None
    unsatisfied = answer.headers.get("content-range", "")
    if answer.status == 416 and _UNSATISFIED.fullmatch(unsatisfied):
        # RFC 9110, 15.5.17: it tells a resuming client how long the object is now.
        permit.exchange.extra += (("Content-Range", unsatisfied),)
    found = None if tried.request.raw.method == "HEAD" else store_fault(await answer.body.read(_ERROR_LIMIT))
    return error_reply(answer.status, found or "", tried, permit)


def error_reply(status: int, code: str, tried: Call, permit: Permit) -> Reply:
    """The reply to a store's error code; also for errors that came with status 200.

    Raises:
        Refused: on a link path.
    """
    link = isinstance(tried.request.place, LinkPlace)
    reason = store_reason(status, code, link=link)
    if link:
        if reason is Reason.PRECONDITION_FAILED and tried.request.operation in _UPLOADS:
            reason = Reason.OBJECT_EXISTS
        raise Refused(reason, f"the store answered {status} {code}")
    permit.told = reason
    return store_error(status, code, tried.request, permit.exchange.request_id)
