"""Owns the pages of what is loaded and what was done: policy and its explanation, revocations, the audit trail.

Refuses to own the decision, the list and the chain: each page asks the API, and the chain is checked by the core's own
inspection (`gateway.core.trail`).
"""

from __future__ import annotations

from typing import Any, Final

from gateway.control.console.numbers import read_numbers
from gateway.control.console.visit import Visit
from gateway.core.record import TrailHead
from gateway.core.request import Action, Operation
from gateway.core.trail import Inspection, entry_of
from gateway.wire.replies import Reply

_ASKED: Final = ("do", "on", "who", "from", "size", "link", "key", "groups", "holder", "signature")
_PAGE: Final = 50
_LARGEST_SERIAL: Final = 2**62
_CHECKED: Final = 1000
_MOST_CHECKED: Final = 200_000


async def show_policy(visit: Visit) -> Reply:
    return visit.show("console/policy.html", policy=await visit.need("showPolicy"))


async def explain(visit: Visit) -> Reply:
    """A form that asks by GET: it changes nothing, and a question can be sent to a colleague."""
    asked = visit.query.given(*_ASKED)
    choices = [*(str(action) for action in Action), *(str(operation) for operation in Operation)]
    shown: dict[str, Any] = {"asked": asked, "choices": choices, "answer": None, "faults": {}, "wrong": ""}
    if not asked:
        await visit.need("showPolicy")
        return visit.show("console/explain.html", **shown)
    groups = [group.strip() for group in asked.get("groups", "").split(",") if group.strip()]
    answer = await visit.ask("explain", body=asked | ({"groups": groups} if groups else {}))
    if answer.ok:
        return visit.show("console/explain.html", **shown | {"answer": answer.said})
    return visit.show(
        "console/explain.html", answer.status, **shown | {"faults": answer.faults, "wrong": answer.detail}
    )


async def show_revocations(visit: Visit) -> Reply:
    """The last ones, or those after a serial; and how long they take to be in force here."""
    given = visit.query.get("after")
    after = int(given) if given.isascii() and given.isdigit() and len(given) < 19 else await _before_last(visit)
    found = await visit.need("listRevocations", query={"after": after, "limit": _PAGE, "wait": 0})
    page = await visit.api.deps.process.metrics("")
    numbers = None if page is None else read_numbers(page[1].decode())
    count = 0.0 if numbers is None else numbers.total("gateway_revocation_lag_seconds_count")
    lag = numbers.total("gateway_revocation_lag_seconds_sum") / count if numbers is not None and count else None
    age = None if numbers is None else numbers.total("gateway_revocation_view_age_seconds")
    whole = len(found["revocations"]) == _PAGE
    return visit.show("console/revocations.html", found=found, after=after, lag=lag, age=age, whole=whole)


async def _before_last(visit: Visit) -> int:
    """The serial after which the last page begins: the API lists from the oldest, and serials have gaps."""
    low, high = 0, 1
    while high < _LARGEST_SERIAL and await _fills(visit, high):
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if await _fills(visit, middle) else (low, middle)
    return low


async def _fills(visit: Visit, after: int) -> bool:
    found = await visit.need("listRevocations", query={"after": after, "limit": _PAGE, "wait": 0})
    return len(found["revocations"]) == _PAGE


async def show_audit(visit: Visit) -> Reply:
    """A page of the trail, the last one unless another is asked for; its entries are checked against each other."""
    given = visit.query.get("after")
    asked = int(given) if given.isascii() and given.isdigit() and len(given) < 19 else None
    head = (await visit.need("readTrail", query={"after": 0, "limit": 1}))["head"]
    after = max(0, head["number"] - _PAGE) if asked is None else asked
    found = await visit.need("readTrail", query={"after": after, "limit": _PAGE})
    faults = _inspect(found["entries"], Inspection(_start(found["entries"])))
    return visit.show("console/audit.html", found=found, after=after, page=_PAGE, faults=faults, checked=None)


async def verify_trail(visit: Visit) -> Reply:
    """Walk along the whole trail, from its first entry to its head."""
    inspection, faults, after = Inspection(), list[str](), 0
    while after < _MOST_CHECKED:
        found = await visit.need("readTrail", query={"after": after, "limit": _CHECKED})
        faults += _inspect(found["entries"], inspection)
        if not found["entries"] or faults:
            break
        after = found["entries"][-1]["number"]
    head = (await visit.need("readTrail", query={"after": after, "limit": 1}))["head"]
    last = await visit.need("readTrail", query={"after": max(0, head["number"] - _PAGE), "limit": _PAGE})
    if not faults and after < _MOST_CHECKED and inspection.reached.number == head["number"]:
        faults += inspection.end(TrailHead(head["number"], head["digest"]))
    checked = inspection.reached.number
    return visit.show(
        "console/audit.html",
        found=last,
        after=max(0, head["number"] - _PAGE),
        page=_PAGE,
        faults=faults,
        checked=checked,
    )


def _start(entries: list[dict[str, Any]]) -> TrailHead:
    """What the first entry of a page says of the one before it: only the whole trail can be held to more."""
    return TrailHead(entries[0]["number"] - 1, entries[0]["before"]) if entries else TrailHead()


def _inspect(entries: list[dict[str, Any]], inspection: Inspection) -> list[str]:
    try:
        return list(inspection.faults(entry_of(entry) for entry in entries))
    except ValueError as fault:
        return [str(fault)]
