"""Owns what the pages of links and of keys have in common: lists with filters, forms, and what one does to one of them.

Refuses to own what a link or a key is and who may do what: each page asks the API (`gateway.control.console.ask`).

Law: a form that makes something has a text of its own, so that sending it twice makes one; a
form that edits says which version it was shown of, so that nobody overwrites what they have not seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from gateway.control.console import forms
from gateway.control.console.ask import Answer
from gateway.control.console.visit import Visit
from gateway.core.said import phrase
from gateway.core.values import dataclass
from gateway.wire.replies import Reply

_PAGE: Final = "50"
_ACTS: Final = ("suspend", "resume", "revoke", "approve", "reject")


@dataclass(frozen=True, slots=True)
class Kind:
    """Links, or keys. `page` is the template of their list, `makes` and `edits` are keys of texts."""

    noun: str
    page: str
    new: Sequence[forms.Field]
    edited: Sequence[forms.Field]
    filters: tuple[str, ...]
    makes: str
    edits: str

    @property
    def many(self) -> str:
        return f"{self.noun}s"

    def row(self, act: str) -> str:
        """The name of the API's row that does this to one."""
        return f"{act}{self.noun.capitalize()}"


def shown(grant: Mapping[str, Any]) -> dict[str, Any]:
    """A link or a key with what a page needs beside the API's members."""
    return {
        **grant,
        "place": forms.show_place(grant),
        "name": grant.get("label") or forms.show_place(grant) or grant["id"],
        "uses_left": None if grant["uses"] is None else max(0, grant["uses"] - (grant["uses_used"] or 0)),
        "bytes_left": None if grant["bytes"] is None else max(0, grant["bytes"] - (grant["bytes_used"] or 0)),
    }


async def list_some(visit: Visit, kind: Kind) -> Reply:
    """A page of the list, under the filters of the address."""
    filters = visit.query.given(*kind.filters, "cursor")
    answer = await visit.ask(f"{kind.row('list')}s", query={"limit": _PAGE, **filters})
    if not answer.ok and answer.status != 422:
        raise answer.refusal()
    return visit.show(
        kind.page,
        200 if answer.ok else answer.status,
        grants=[shown(grant) for grant in answer.said.get(kind.many, ())],
        filters=filters,
        names=kind.filters,
        faults=answer.faults,
        wrong="" if answer.ok else answer.detail,
        cursor=answer.said.get("cursor"),
    )


def ask_for_new(visit: Visit, kind: Kind, typed: Mapping[str, Any], answer: Answer | None = None) -> Reply:
    """The form that makes one; after an `answer` that was none, with what is wrong."""
    once = typed.get("once_key") or visit.api.deps.live.entropy(16).hex()
    page = {"title": f"{kind.many}.new", "go": kind.makes, "action": f"{kind.many}/new", "back": kind.many}
    more = {"name": "", "hidden_fields": {"once_key": once}, "editing": False}
    return _form(visit, kind.new, typed, answer, {**page, **more})


async def make(visit: Visit, kind: Kind) -> Answer | None:
    """What the API says to the form that makes one; None if it is to be looked at again first (`console/kept.html`)."""
    form = visit.form
    if form.get("review"):
        return None
    body = forms.read(kind.new, form) | forms.read_place(form.get("place"))
    headers = {"idempotency-key": form.get("once_key")} if form.get("once_key") else {}
    return await visit.ask(kind.row("create"), body=body, headers=headers)


def retry_form(visit: Visit, kind: Kind, answer: Answer | None) -> Reply:
    """The form that makes one, with what was typed into it and what is wrong with that."""
    return ask_for_new(visit, kind, forms.typed(kind.new, visit.form), answer)


async def show_edit(visit: Visit, kind: Kind) -> Reply:
    grant = await visit.need(kind.row("show"), values={"id": visit.values["id"]})
    typed = forms.shown(kind.edited, grant) | {"place": forms.show_place(grant)}
    return _edit_form(visit, kind, grant, typed)


async def edit(visit: Visit, kind: Kind) -> Reply:
    """What was changed since the form was shown. If somebody else was faster, nothing is."""
    values, form = {"id": visit.values["id"]}, visit.form
    grant = await visit.need(kind.row("show"), values=values)
    seen = grant | {"version": form.get("version")}
    if form.get("review"):
        return _edit_form(visit, kind, seen, forms.typed(kind.edited, form))
    body = forms.changes(kind.edited, form, forms.shown(kind.edited, grant))
    if form.get("place") != forms.show_place(grant):
        body = {"bucket": None} | body | forms.read_place(form.get("place"))
    headers = {"if-match": f'"{form.get("version")}"'}
    answer = await visit.ask(kind.row("edit"), values=values, body=body, headers=headers)
    if answer.ok:
        return visit.go(f"{kind.many}/{values['id']}")
    return _edit_form(visit, kind, seen, forms.typed(kind.edited, form), answer)


async def act(visit: Visit, kind: Kind) -> Answer | None:
    """What the API says to one of the acts that links and keys have in common; None if this is none of them."""
    act, values = visit.values["act"], {"id": visit.values["id"]}
    if act == "extend":
        return await visit.ask(kind.row("edit"), values=values, body={"expires_in": visit.form.get("expires_in")})
    if act not in _ACTS:
        return None
    return await visit.ask(kind.row(act), values=values, query=visit.form.given("reason", "version"))


def _edit_form(
    visit: Visit, kind: Kind, grant: Mapping[str, Any], typed: Mapping[str, Any], answer: Answer | None = None
) -> Reply:
    """The version in the form is the one of `grant`."""
    place, hidden = f"{kind.many}/{grant['id']}", {"version": grant["version"]}
    page: dict[str, Any] = {"title": kind.edits, "go": "form.save", "action": f"{place}/edit", "back": place}
    page |= {"name": shown(grant)["name"], "hidden_fields": hidden, "editing": True}
    return _form(visit, kind.edited, typed, answer, page)


def _form(
    visit: Visit,
    fields: Sequence[forms.Field],
    typed: Mapping[str, Any],
    answer: Answer | None,
    page: Mapping[str, Any],
) -> Reply:
    wrong, faults = ({}, {}) if answer is None else (answer.said, answer.faults)
    status = 200 if answer is None else answer.status
    dropped = visit.form.all("dropped")
    for field in fields:  # secrets are never shown again, and would be left out of what is sent next
        if field.kind == "secret" and (visit.form.exact(field.name) or field.name in dropped):
            faults = {field.name: phrase("type_again", "type it again: it is not kept"), **faults}
    return visit.show("console/form.html", status, fields=fields, typed=typed, faults=faults, problem=wrong, **page)
