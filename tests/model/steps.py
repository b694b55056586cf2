"""What the steps of a run do to the gateway and its model."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

from tests.model.draws import APP, BUCKETS, FOLDERS, KEYS, LAST, Request, Step
from tests.model.oracle import NEEDS, OBJECT, Asked, Part
from tests.model.world import Had, World

__all__ = ["take"]

_LIVES = {"query": 600.0, "v2 query": 600.0}
_DEEPEST = 3
_WRONG = 5


async def take(here: World, step: Step, began: float) -> None:
    """Have it happen. What is not there is not done."""
    if here.stale and step.kind not in {"request", "replay"}:
        await here.hear()
    match step.kind:
        case "request":
            for had in _asked(here, step.about):
                await here.ask(step.worker, had, kept=step.about.kept)
                here.history.append(had)
        case "replay" if here.history:
            number, times = step.about
            had = here.history[-1 - number % len(here.history)]
            for _ in range(times if had.asked.password is None else 0):
                await here.ask(step.worker, had, kept=number % 2 == 0)
        case "while":
            for had in _asked(here, step.about[0])[:1]:
                if had.asked.grant is not None and had.asked.grant.link is None and "find" in step.about[1]:
                    await here.edit(step.worker, had.asked.grant)  # nothing, but that it has to be found anew
                await here.ask_while(step.worker, had, step.about[1], partial(take, here, _inner(step), began))
        case "link":
            owner, bucket, name, fields = step.about
            await here.make_link(step.worker, owner, bucket, name, **_dated(fields, began))
        case "key":
            owner, fields = step.about
            await here.make_key(step.worker, owner, **_dated(fields, began))
        case "session":
            parent = here.of_kind("key", step.about[0])
            if parent is not None and len(parent.issuers) < _DEEPEST:
                await here.make_key(step.worker, parent.owner, parent, **_dated(step.about[1], began))
        case "credentials":
            link = here.of_kind("link", step.about)
            if link is not None:
                await here.make_credentials(step.worker, link)
        case "tick":
            await here.tick(float(step.about))
        case "lose":
            await here.tick(float(step.about), heard=False)
        case "reload":
            ends = {rule: None if rule.until is None else rule.until + began for rule in step.about.rules}
            await here.reload(replace(step.about, rules=tuple(replace(rule, until=end) for rule, end in ends.items())))
        case "drain":
            name, drained = step.about
            await here.drain(name, drained=drained)
        case "revoke":
            await _revoke(here, step)
        case "edit" | "rotate" | "undo":
            await _edit(here, step, began)


def _inner(step: Step) -> Step:
    assert step.inner is not None
    return step.inner


def _dated(fields: dict[str, Any], began: float) -> dict[str, Any]:
    dates = {name: at + began for name, at in fields.items() if name in {"ends", "begins"} and at is not None}
    return fields | dates


async def _revoke(here: World, step: Step) -> None:
    what, number, owner, place, backend = step.about
    last = here.history[-1].asked if here.history else None
    if number == LAST and last is not None and last.grant is not None:  # what ends it, by whichever kind
        owner, place = last.grant.owner, (last.bucket, last.key[:2])
        backend = here.model.rules.homes.get(last.bucket, backend)
    if what in {"link", "key"}:
        grant = here.of_kind(what, number)
        held = [one for one in here.grants if one.link is not None]
        if what == "key" and held and (number % 5 == 0 or number == LAST):  # a link's credentials are taken back by key
            grant = held[-1] if number % 2 or grant is None else grant
        if grant is not None:
            await here.revoke(step.worker, what, grant.id)
    elif what == "prefix":
        await here.revoke(step.worker, what, *place)
    else:
        await here.revoke(step.worker, what, {"owner": owner, "backend": backend, "policy": "works"}[what])


async def _edit(here: World, step: Step, began: float) -> None:
    of, number, changes = step.about
    grant = here.of_kind("link" if step.kind == "rotate" else of, number)
    if grant is None or any(at[1:3] == (grant.kind, grant.id) for at in here.model.ended):
        return
    if step.kind == "rotate":
        await here.rotate(step.worker, grant)
        return
    fields = _dated(changes, began)
    if step.kind == "undo":
        fields = {"ends": None, "begins": None, "cidrs": (), "suspended": False, "max_size": None}
    count = fields.pop("number", None)
    if count is not None and grant.uses is not None:
        fields["uses"] = max(1, count, grant.taken)  # with fewer than were taken, which of them goes on is chance
    elif count is not None and grant.budget is not None:
        fields["budget"] = OBJECT * (count + 1)
    await here.edit(step.worker, grant, **fields)


def _asked(here: World, wanted: Request) -> list[Had]:
    """The requests of a step, in order; none if there is nobody to make them."""
    made = []
    for at in range(wanted.times):
        fault = wanted.faults[at % len(wanted.faults)]
        one = _of_link(here, wanted, fault) if wanted.by == "link" else _of_key(here, wanted, fault)
        if one is None:
            return []
        size = OBJECT if one.method in {"put", "post"} else 0
        acts = APP if wanted.by == "trusted" else one.acts
        one = replace(one, said=wanted.said, acts=acts, size=size, peer=wanted.peers[at % len(wanted.peers)])
        sent = here.sent(one, wanted.form, wanted.marks[at % len(wanted.marks)])
        made.append(Had(one, sent, wanted.by == "trusted"))
    return made


def _of_link(here: World, wanted: Request, fault: str) -> Asked | None:
    link, method = here.of_kind("link", wanted.grant), wanted.method
    if link is None:
        return None
    if not wanted.odd and NEEDS[method] not in link.actions:
        method = "get" if "read" in link.actions else "put"
    if link.prefix is None:
        key, method = link.root, "get" if method == "list" else method
    elif method in {"list", "post"}:
        key = link.prefix if method == "list" else f"{link.prefix}new.txt"
    else:
        below = [name for name in KEYS if name.startswith(link.prefix)]
        key = below[wanted.key % len(below)]
    version = max(0, link.version - (wanted.odd and wanted.key % 2))
    password = None if fault == "password" else link.password
    if fault == "session" and link.password is not None and here.model.wrong[link.id] < _WRONG:
        password = "never"
    return Asked("link", method, link.bucket, key, link, version=version, password=password)


def _of_key(here: World, wanted: Request, fault: str) -> Asked | None:
    """By a key, or by none."""
    method, bucket = wanted.method, BUCKETS[wanted.bucket % 3]
    key = FOLDERS[wanted.key % 3] if method == "list" else KEYS[wanted.key % 4]
    if wanted.by in {"nobody", "trusted"}:
        return None if method == "post" else Asked("nobody", method, bucket, key)
    grant = here.of_kind("key", wanted.grant)
    if wanted.by == "credentials":
        held = [one for one in here.grants if one.link is not None][-4:]
        grant = held[wanted.grant % len(held)] if held else None
    if grant is None:
        return None
    if grant.link is not None and not wanted.odd:
        whole = method == "list" or grant.link.key is not None or not key.startswith(grant.link.root)
        bucket, key = grant.link.bucket, grant.link.root if whole else key
        method = "list" if key in FOLDERS else method
    elif grant.parts and not wanted.odd:
        bucket, key = grant.parts[0].bucket or bucket, _inside(grant.parts[0], key)
    return Asked(
        "key",
        method,
        bucket,
        key,
        grant,
        session="hell" if fault == "session" and grant.session is not None else grant.session,
        signature="v2" if "v2" in wanted.form else "v4",
        signed_at=here.clock.now,
        lives=3600.0 if method == "post" else _LIVES.get(wanted.form),
        wrong=fault == "wrong",
    )


def _inside(part: Part, key: str) -> str:
    if part.keys:
        return min(part.keys)
    return key if key.startswith(part.prefix) else part.prefix + ("c.txt" if key else "")
