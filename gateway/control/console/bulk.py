"""Owns what is done to many links or keys at once: those that were ticked in a list, all that its filters match, or all
that a target names.

Refuses to own the doing: each one is asked for by the API's own row, and a target by `POST /v1/revocations`.

Laws: nothing is done before what it will hit was shown. What is done is what was shown: the very ids, whatever came to
match since; or for a target, what it names at that moment, of which the number was shown. One step hits at most 1,000
and looks through a bounded part of the list; whatever is left is the next step's, which begins where this one ended.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any, Final

from gateway.control.console import grants
from gateway.control.console.ask import Answer
from gateway.control.console.visit import Visit
from gateway.core.reasons import Reason, Refused
from gateway.core.said import phrase
from gateway.core.values import dataclass
from gateway.wire.replies import Reply

_ACTS: Final = ("suspend", "resume", "revoke")
_EDITS: Final = {"extend": "expires_in", "label": "label"}
"""What is done by an edit, and the field that says how."""

_FIRST: Final = {"expires_in": "30d"}
_PAST: Final = {"suspend": {"suspended", "revoked"}, "revoke": {"revoked"}, "extend": {"revoked"}, "label": {"revoked"}}
"""The states of which there is nothing to be done; one resumes only what is suspended."""

_MOST: Final = 1000
_A_PAGE: Final = 200
_MOST_PAGES: Final = 25
_SHOWN: Final = 50
_OWNERS: Final = 10
_TARGETS: Final = (
    "link",
    "key",
    "owner",
    "bucket",
    "prefix",
    "backend",
    "policy",
    "role",
    "session",
    "holder",
    "issued_before",
)


@dataclass(frozen=True, slots=True)
class Found:
    """What will be hit. `gone` are chosen ones that are not there; where there is a `cursor`, more may match."""

    grants: Sequence[dict[str, Any]]
    gone: int = 0
    cursor: str | None = None


async def preview(visit: Visit, kind: grants.Kind) -> Reply:
    """What was ticked, or what the filters match, as it is now."""
    _read_act(visit)
    if visit.form.get("which") == "matching":
        return await _show_found(visit, kind, await _find_matching(visit, kind))
    return await _show_found(visit, kind, await _find_named(visit, kind, _read_ids(visit, visit.form.all("id"))))


async def act_on(visit: Visit, kind: grants.Kind) -> Reply:
    act = _read_act(visit)
    ids = _read_ids(visit, visit.form.get("ids").split())
    done: list[dict[str, Any]] = []
    for one in ids:
        answer = await _act_on_one(visit, kind, act, one)
        if _EDITS.get(act) in answer.faults:  # which no one of them could be told
            found = await _find_named(visit, kind, ids)
            return await _show_found(visit, kind, found, answer)
        done.append({"id": one, "ok": answer.ok, "detail": answer.detail})
    failed = [one for one in done if not one["ok"]]
    return visit.show(
        "console/bulk-done.html",
        act=act,
        many=kind.many,
        done=len(done) - len(failed),
        failed=failed[:_SHOWN],
        more=max(0, len(failed) - _SHOWN),
        filters=_filters(visit, kind),
        cursor=visit.form.get("cursor"),
    )


def _read_act(visit: Visit) -> str:
    """What is to be done. Raises Refused(BAD_ARGUMENT)."""
    act = visit.form.get("act")
    if act not in _ACTS and act not in _EDITS:
        raise Refused(Reason.BAD_ARGUMENT, phrase("bulk_no_act", "nothing was chosen to be done"))
    return act


def _read_ids(visit: Visit, ids: Sequence[str]) -> list[str]:
    """Each once. Raises Refused(BAD_ARGUMENT): more than are hit at once."""
    found = list(dict.fromkeys(ids))
    if len(found) > _MOST:
        raise Refused(Reason.BAD_ARGUMENT, phrase("bulk_most", "at most {most} at once", most=_MOST))
    return found


def _filters(visit: Visit, kind: grants.Kind) -> dict[str, str]:
    """The filters of the list that the form came from."""
    given = visit.form.given(*(f"filter_{name}" for name in kind.filters))
    return {name.removeprefix("filter_"): text for name, text in given.items()}


async def _find_named(visit: Visit, kind: grants.Kind, ids: Sequence[str]) -> Found:
    answers = [await visit.ask(kind.row("show"), values={"id": one}) for one in ids]
    there = [grants.shown(answer.said) for answer in answers if answer.ok]
    return Found(there, len(ids) - len(there), visit.form.get("cursor") or None)


async def _find_matching(visit: Visit, kind: grants.Kind) -> Found:
    """From where the step before ended, as far as one step goes. Raises Refused: a filter cannot be read."""
    filters, cursor = _filters(visit, kind), visit.form.get("cursor")
    found: list[dict[str, Any]] = []
    for _ in range(_MOST_PAGES):
        place = {"cursor": cursor} if cursor else {}
        query = {**filters, **place, "limit": min(_A_PAGE, _MOST - len(found))}
        said = await visit.need(f"{kind.row('list')}s", query=query)
        found += [grants.shown(grant) for grant in said[kind.many] if _concerns(visit.form.get("act"), grant["state"])]
        cursor = said["cursor"]
        if not cursor or len(found) >= _MOST:
            break
    return Found(found, cursor=cursor or None)


def _concerns(act: str, state: str) -> bool:
    return state == "suspended" if act == "resume" else state not in _PAST[act]


async def _show_found(visit: Visit, kind: grants.Kind, found: Found, answer: Answer | None = None) -> Reply:
    """How many, the first of them, whose they are, and how many transfers run with them."""
    act = visit.form.get("act")
    field = _EDITS.get(act, "")
    running = await _count_running(visit, kind)
    owners = Counter(grant["owner"] for grant in found.grants).most_common()
    return visit.show(
        "console/bulk.html",
        200 if answer is None else answer.status,
        act=act,
        many=kind.many,
        first=[grant | {"running": running[grant["id"]]} for grant in found.grants[:_SHOWN]],
        ids=[grant["id"] for grant in found.grants],
        running=sum(running[grant["id"]] for grant in found.grants),
        owners=owners[:_OWNERS],
        more_owners=max(0, len(owners) - _OWNERS),
        gone=found.gone,
        filters=_filters(visit, kind),
        cursor=found.cursor,
        field=field,
        typed=visit.form.get(field) if answer is not None else _FIRST.get(field, ""),
        fault="" if answer is None else answer.faults.get(field, ""),
    )


async def _count_running(visit: Visit, kind: grants.Kind) -> Counter[str]:
    """Transfers by the id of what they were let in by, of links: those of keys run as their app."""
    running = await visit.ask("listTransfers")
    whose = (transfer["principal"].partition(":") for transfer in running.said.get("transfers", ()))
    return Counter(name for noun, _, name in whose if noun == kind.noun)


async def _act_on_one(visit: Visit, kind: grants.Kind, act: str, one: str) -> Answer:
    field = _EDITS.get(act)
    if field is None:
        return await visit.ask(kind.row(act), values={"id": one}, query=visit.form.given("reason"))
    text = visit.form.get(field)
    body = {field: None if field == "label" and not text else text}
    return await visit.ask(kind.row("edit"), values={"id": one}, body=body)


async def preview_revocation(visit: Visit) -> Reply:
    """How many living grants a target names."""
    return await _revoke(visit, done=False)


async def revoke_target(visit: Visit) -> Reply:
    return await _revoke(visit, done=True)


async def _revoke(visit: Visit, *, done: bool) -> Reply:
    target = _target(visit)
    more: dict[str, Any] = dict(visit.form.given("reason")) if done else {"dry_run": True}
    answer = await visit.ask("revoke", body={**target, **more})
    shown = {"target": target, "found": answer.said, "ok": answer.ok, "done": done}
    return visit.show("console/revoke.html", 200 if answer.ok else answer.status, **shown)


def _target(visit: Visit) -> dict[str, str]:
    """A bucket without a prefix is the whole bucket."""
    body = visit.form.given(*_TARGETS)
    return body | {"prefix": body.get("prefix", "")} if "bucket" in body else body
