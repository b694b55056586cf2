"""Owns the pages of keys: the list, one key, making, narrowing, and what one does to one of them.

Refuses to own what a key is and who may do what: each page asks the API (`gateway.control.console.ask`).

Law: a key's secret is shown once, in the answer to the form that made it.
"""

from __future__ import annotations

from typing import Any, Final

from gateway.control.console import forms
from gateway.control.console.visit import Visit
from gateway.control.key_bodies import EditKey, NewKey
from gateway.wire.replies import Reply

__all__ = ["act_on_key", "ask_for_key", "edit_key", "list_keys", "make_key", "show_key", "show_key_edit"]

_FILTERS: Final = ("state", "owner", "bucket", "prefix", "label", "cursor")
_PAGE: Final = "50"
_NEW: Final = forms.fields_of(NewKey, forms.KEY_FIELDS)
_EDITED: Final = forms.fields_of(EditKey, forms.KEY_FIELDS)
_ACTS: Final = {act: f"{act}Key" for act in ("suspend", "resume", "revoke", "approve", "reject")}


async def list_keys(visit: Visit) -> Reply:
    filters = visit.query.given(*_FILTERS)
    answer = await visit.ask("listKeys", query={"limit": _PAGE, **filters})
    if not answer.ok and answer.status != 422:
        await visit.need("listKeys")
    return visit.show(
        "console/keys.html",
        200 if answer.ok else answer.status,
        keys=answer.said.get("keys", ()),
        filters=filters,
        faults=answer.faults,
        wrong="" if answer.ok else answer.detail,
        cursor=answer.said.get("cursor"),
    )


async def show_key(visit: Visit) -> Reply:
    return await _detail(visit, visit.values["id"])


async def _detail(visit: Visit, key_id: str, status: int = 200, wrong: str = "") -> Reply:
    key = await visit.need("showKey", values={"id": key_id})
    return visit.show("console/key.html", status, key=key | {"place": forms.show_place(key)}, wrong=wrong)


async def ask_for_key(visit: Visit) -> Reply:
    who = "" if visit.who is None or not visit.who.name.startswith("app:") else visit.who.name.removeprefix("app:")
    return visit.show("console/key-new.html", fields=_NEW, typed={"app": who}, faults={}, problem={})


async def make_key(visit: Visit) -> Reply:
    form = visit.form
    body = forms.read(_NEW, form) | forms.read_place(form.get("place"))
    answer = await visit.ask("createKey", body=body)
    if answer.ok:
        return visit.show("console/key-made.html", 201, key=answer.said | {"place": forms.show_place(answer.said)})
    typed = form.shown() | {"actions": form.all("actions")}
    return visit.show(
        "console/key-new.html", answer.status, fields=_NEW, typed=typed, faults=answer.faults, problem=answer.said
    )


async def show_key_edit(visit: Visit) -> Reply:
    key = await visit.need("showKey", values={"id": visit.values["id"]})
    typed = forms.shown(_EDITED, key) | {"place": forms.show_place(key)}
    return visit.show("console/key-edit.html", fields=_EDITED, key=key, typed=typed, faults={}, problem={})


async def edit_key(visit: Visit) -> Reply:
    """What was changed since the form was shown. If somebody else was faster, nothing is."""
    values, form = {"id": visit.values["id"]}, visit.form
    key = await visit.need("showKey", values=values)
    before = forms.shown(_EDITED, key)
    body = forms.changes(_EDITED, form, before)
    if form.get("place") != forms.show_place(key):
        body |= forms.read_place(form.get("place"))
        body.setdefault("bucket", None)
    answer = await visit.ask("editKey", values=values, body=body, headers={"if-match": f'"{form.get("version")}"'})
    if answer.ok:
        return visit.go(f"keys/{values['id']}")
    shown: dict[str, Any] = before | form.shown() | {"actions": form.all("actions")}
    told = key | {"version": form.get("version")}
    return visit.show(
        "console/key-edit.html",
        answer.status,
        fields=_EDITED,
        key=told,
        typed=shown,
        faults=answer.faults,
        problem=answer.said,
    )


async def act_on_key(visit: Visit) -> Reply:
    """Suspend, resume or revoke one."""
    values, act = {"id": visit.values["id"]}, visit.values["act"]
    if act not in _ACTS:
        return await _detail(visit, values["id"], 404)
    answer = await visit.ask(_ACTS[act], values=values, query=visit.form.given("reason", "version"))
    if answer.ok:
        return visit.go(f"keys/{values['id']}")
    return await _detail(visit, values["id"], answer.status, answer.detail)
