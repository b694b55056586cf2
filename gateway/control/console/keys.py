"""Owns the pages of keys: the list, one key, making, narrowing, and what one does to one of them.

Refuses to own what they share with those of links (`gateway.control.console.grants`), and what a key is.

Law: a key's secret is shown once, in the answer to the form that made it.
"""

from __future__ import annotations

from typing import Final

from gateway.control.console import bulk, forms, grants
from gateway.control.console.visit import Visit
from gateway.control.key_bodies import EditKey, NewKey
from gateway.wire.replies import Reply

_KEYS: Final = grants.Kind(
    "key",
    "console/keys.html",
    forms.fields_of(NewKey, forms.KEY_FIELDS),
    forms.fields_of(EditKey, forms.KEY_FIELDS),
    ("state", "owner", "bucket", "prefix", "label"),
    "keys.make",
    "keys.narrow",
)


async def list_keys(visit: Visit) -> Reply:
    return await grants.list_some(visit, _KEYS)


async def show_key(visit: Visit) -> Reply:
    return await _detail(visit)


async def _detail(visit: Visit, status: int = 200, wrong: str = "") -> Reply:
    key = await visit.need("showKey", values={"id": visit.values["id"]})
    return visit.show("console/key.html", status, grant=grants.shown(key), fields=_KEYS.edited, wrong=wrong)


async def ask_for_key(visit: Visit) -> Reply:
    who = "" if visit.who is None or not visit.who.name.startswith("app:") else visit.who.name.removeprefix("app:")
    return grants.ask_for_new(visit, _KEYS, {"app": who})


async def make_key(visit: Visit) -> Reply:
    answer = await grants.make(visit, _KEYS)
    if answer is not None and answer.ok:
        return visit.show("console/key-made.html", 201, key=grants.shown(answer.said))
    return grants.retry_form(visit, _KEYS, answer)


async def show_key_edit(visit: Visit) -> Reply:
    return await grants.show_edit(visit, _KEYS)


async def edit_key(visit: Visit) -> Reply:
    return await grants.edit(visit, _KEYS)


async def act_on_key(visit: Visit) -> Reply:
    """Extend, suspend, resume, revoke, approve or reject one."""
    answer = await grants.act(visit, _KEYS)
    if answer is None:
        return await _detail(visit, 404)
    return visit.go(f"keys/{visit.values['id']}") if answer.ok else await _detail(visit, answer.status, answer.detail)


async def preview_keys(visit: Visit) -> Reply:
    return await bulk.preview(visit, _KEYS)


async def act_on_keys(visit: Visit) -> Reply:
    """Those that were shown."""
    return await bulk.act_on(visit, _KEYS)
