"""Owns the reading of a store's "no": from its status and code to a refusal or a reply of ours.

Refuses to own the wording (`gateway.wire.replies`).
"""

from __future__ import annotations

import re
from typing import Final

from gateway.core.route import Answer
from gateway.data.call import Call
from gateway.data.pinned import require_pinned
from gateway.data.state.transfers import Permit
from gateway.wire.http.date import told_wait
from gateway.wire.replies import Reply
from gateway.wire.s3.documents import store_fault

_ERROR_LIMIT: Final = 64 * 1024
_UNSATISFIED: Final = re.compile(r"bytes \*/\d{1,20}", re.ASCII)


def is_done(answer: Answer, permit: Permit) -> bool:
    """Whether the store did what was asked.

    Raises:
        Refused: OBJECT_CHANGED.
    """
    if answer.status >= 300 and answer.status != 304:
        return False
    require_pinned(answer, permit)
    return True


async def check_answer(answer: Answer, call: Call, permit: Permit) -> Reply | None:
    """None if the store did what was asked; else its error in our words.

    Raises:
        Refused: the store's error on a link path, OBJECT_CHANGED.
    """
    if is_done(answer, permit):
        return None
    unsatisfied = answer.headers.get("content-range", "")
    if answer.status == 416 and _UNSATISFIED.fullmatch(unsatisfied):
        # RFC 9110, 15.5.17: it tells a resuming client how long the object is now.
        permit.exchange.extra += (("Content-Range", unsatisfied),)
    found = None if call.request.raw.method == "HEAD" else store_fault(await answer.body.read(_ERROR_LIMIT))
    return call.error_reply(answer.status, found or "", permit, told_wait(answer.headers))
