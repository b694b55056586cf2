"""Owns what is done to many links at once: those that were ticked in the list, or all that a target names.

Refuses to own the doing: each link is asked for by the API's own row, and a target by `POST /v1/revocations`.

Law: nothing is done before what it will hit was shown. What is done is what was shown: the very ids; or for a target,
what it names at that moment, of which the number was shown.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.control.console.forms import show_place
from gateway.control.console.visit import Visit
from gateway.core.reasons import Reason, Refused
from gateway.wire.replies import Reply

_ACTS: Final = {"suspend": "suspendLink", "resume": "resumeLink", "revoke": "revokeLink"}
_MOST: Final = 200
_TARGETS: Final = ("link", "key", "owner", "bucket", "prefix", "backend", "policy", "role", "session", "issued_before")


def _selected(visit: Visit) -> tuple[str, list[str]]:
    """What is to be done, and to which ids. Raises Refused."""
    act, ids = visit.form.get("act"), list(dict.fromkeys(visit.form.all("id")))
    if act not in _ACTS:
        raise Refused(Reason.BAD_ARGUMENT, "nothing was chosen to be done")
    if len(ids) > _MOST:
        raise Refused(Reason.BAD_ARGUMENT, f"at most {_MOST} at once")
    return act, ids


async def preview_selected(visit: Visit) -> Reply:
    """Each link as it is now, and how many transfers run with it."""
    act, ids = _selected(visit)
    if not ids:
        return visit.go("links")
    found = [await visit.ask("showLink", values={"id": link_id}) for link_id in ids]
    running = await visit.ask("listTransfers")
    counts: dict[str, int] = {}
    for transfer in running.said.get("transfers", ()):
        counts[transfer["principal"]] = counts.get(transfer["principal"], 0) + 1
    links = [
        answer.said | {"place": show_place(answer.said), "running": counts.get(f"link:{answer.said['id']}", 0)}
        for answer in found
        if answer.ok
    ]
    return visit.show("console/bulk.html", act=act, links=links, gone=len(found) - len(links))


async def act_on_selected(visit: Visit) -> Reply:
    act, ids = _selected(visit)
    done: list[dict[str, Any]] = []
    for link_id in ids:
        answer = await visit.ask(_ACTS[act], values={"id": link_id}, query=visit.form.given("reason"))
        done.append({"id": link_id, "ok": answer.ok, "detail": answer.detail})
    return visit.show("console/bulk-done.html", act=act, done=done)


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
