"""Owns the queue of four eyes: the links and keys that wait for whoever looks.

Refuses to own who may say what (`gateway.control.usecases.approvals`), and the saying (the pages of links and keys).

Law: what one owns, made, or asked for more of, waits for somebody else: it is not in one's queue.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.control.console.grants import shown
from gateway.control.console.visit import Visit
from gateway.wire.replies import Reply

_MOST: Final = "200"


async def list_waiting(visit: Visit) -> Reply:
    """At most 200 of either kind, as the API's lists have them."""
    me = (await visit.need("whoami"))["principal"]
    waiting: list[dict[str, Any]] = []
    for many, row in (("links", "listLinks"), ("keys", "listKeys")):
        found = await visit.need(row, query={"state": "awaiting_approval", "limit": _MOST})
        waiting += [
            shown(grant) | {"many": many}
            for grant in found[many]
            if me not in {grant["owner"], grant["issued_by"], *grant["approval"]["asked_by"]}
        ]
    return visit.show("console/approvals.html", waiting=waiting)
