"""Owns the pages of links: the list, one link with its uses, making, editing, and what one does to one of them.

Refuses to own what a link is and who may do what: each page asks the API (`gateway.control.console.ask`).

Laws: a link's address is shown once, in the answer to the form that made it, and never in an address or a redirect. A
form that makes something has a text of its own, so that sending it twice makes one.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import segno

from gateway.control.bodies import EditLink, NewLink
from gateway.control.caller import Access
from gateway.control.console import forms
from gateway.control.console.charts import chart_of
from gateway.control.console.visit import Visit
from gateway.core.reasons import Refused
from gateway.wire.replies import Reply

__all__ = [
    "act_on_link",
    "ask_for_link",
    "edit_link",
    "find_link",
    "list_links",
    "make_link",
    "show_edit",
    "show_link",
]

_FILTERS: Final = ("state", "owner", "bucket", "prefix", "label", "ends_within", "cursor")
_PAGE: Final = "50"
_NEW: Final = forms.fields_of(NewLink, forms.LINK_FIELDS)
_EDITED: Final = forms.fields_of(EditLink, forms.LINK_FIELDS)
_ACTS: Final = {act: f"{act}Link" for act in ("suspend", "resume", "revoke", "approve", "reject")}
_CHARTED: Final = "1000"


class Code(NamedTuple):
    """How many parts wide and high, and what an SVG's path says."""

    size: int
    path: str


async def list_links(visit: Visit) -> Reply:
    filters = visit.query.given(*_FILTERS)
    answer = await visit.ask("listLinks", query={"limit": _PAGE, **filters})
    if not answer.ok and not answer.faults and answer.status != 422:
        await visit.need("listLinks")
    return visit.show(
        "console/links.html",
        200 if answer.ok else answer.status,
        links=[_shown(link) for link in answer.said.get("links", ())],
        filters=filters,
        faults=answer.faults,
        wrong="" if answer.ok else answer.detail,
        cursor=answer.said.get("cursor"),
    )


async def find_link(visit: Visit) -> Reply:
    """By its id, by a place, by its label, or by its own address: which is why this is a form that posts."""
    text = visit.form.get("text")
    if not text:
        return visit.go("links")
    if "/s/" in text or text.startswith(("l_", "gl_")):
        try:
            found = await visit.api.links.find((await visit.admit(Access.READ)).reach, text)
        except Refused as refused:
            return visit.show(
                "console/links.html", 404, links=[], filters={}, faults={}, wrong=refused.detail, cursor=None
            )
        return visit.go(f"links/{found.id}")
    if "/" in text:
        bucket, _, prefix = text.partition("/")
        return visit.go("links", bucket=bucket, prefix=prefix)
    return visit.go("links", label=text)


async def show_link(visit: Visit) -> Reply:
    return await _detail(visit, visit.values["id"])


async def _detail(visit: Visit, link_id: str, status: int = 200, wrong: str = "") -> Reply:
    values = {"id": link_id}
    link = await visit.need("showLink", values=values)
    records = await visit.ask("listRecords", values=values, query={"limit": _CHARTED})
    used = records.said.get("records", ())
    return visit.show(
        "console/link.html",
        status,
        link=_shown(link),
        records=used[:50],
        more=len(used) > 50,
        chart=chart_of(used),
        wrong=wrong,
    )


async def ask_for_link(visit: Visit) -> Reply:
    asked = visit.query.given("place", "owner", "label")
    return _form(visit, {"read": True} | asked, {}, {})


async def make_link(visit: Visit) -> Reply:
    form = visit.form
    body = forms.read(_NEW, form) | forms.read_place(form.get("place"))
    headers = {"idempotency-key": form.get("once_key")} if form.get("once_key") else {}
    answer = await visit.ask("createLink", body=body, headers=headers)
    if not answer.ok:
        return _form(visit, form.shown() | {"actions": form.all("actions")}, answer.faults, answer.said, answer.status)
    return _show_made(visit, answer.said, 201 if answer.said["url"] else 200)


def _form(
    visit: Visit, typed: dict[str, Any], faults: dict[str, str], problem: dict[str, Any], status: int = 200
) -> Reply:
    once_key = typed.get("once_key") or visit.api.deps.live.entropy(16).hex()
    typed = {"actions": ["read"], **typed}
    return visit.show(
        "console/link-new.html", status, fields=_NEW, typed=typed, faults=faults, problem=problem, once_key=once_key
    )


def _show_made(visit: Visit, link: dict[str, Any], status: int = 200) -> Reply:
    return visit.show(
        "console/link-made.html", status, link=_shown(link), code=_draw_code(link["url"]) if link["url"] else None
    )


def _draw_code(url: str) -> Code:
    """A QR code, its dark parts as one path."""
    rows = [list(row) for row in segno.make(url, error="m").matrix_iter(border=4)]
    dark = (f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, part in enumerate(row) if part)
    return Code(len(rows), "".join(dark))


async def show_edit(visit: Visit) -> Reply:
    link = await visit.need("showLink", values={"id": visit.values["id"]})
    typed = forms.shown(_EDITED, link) | {"place": forms.show_place(link)}
    return visit.show("console/link-edit.html", fields=_EDITED, link=_shown(link), typed=typed, faults={}, problem={})


async def edit_link(visit: Visit) -> Reply:
    """What was changed since the form was shown. If somebody else was faster, nothing is."""
    values, form = {"id": visit.values["id"]}, visit.form
    link = await visit.need("showLink", values=values)
    before = forms.shown(_EDITED, link)
    body = forms.changes(_EDITED, form, before)
    if form.get("place") != forms.show_place(link):
        body |= forms.read_place(form.get("place"))
    answer = await visit.ask("editLink", values=values, body=body, headers={"if-match": f'"{form.get("version")}"'})
    if answer.ok:
        return visit.go(f"links/{values['id']}")
    typed = before | form.shown() | {"actions": form.all("actions")}
    return visit.show(
        "console/link-edit.html",
        answer.status,
        fields=_EDITED,
        link=_shown(link) | {"version": form.get("version")},
        typed=typed,
        faults=answer.faults,
        problem=answer.said,
    )


async def act_on_link(visit: Visit) -> Reply:
    """Extend, rotate, suspend, resume or revoke one."""
    values, act = {"id": visit.values["id"]}, visit.values["act"]
    if act == "rotate":
        answer = await visit.ask("rotateLink", values=values)
        if answer.ok:
            return _show_made(visit, answer.said)
    elif act == "extend":
        answer = await visit.ask("editLink", values=values, body={"expires_in": visit.form.get("expires_in")})
    elif act in _ACTS:
        answer = await visit.ask(_ACTS[act], values=values, query=visit.form.given("reason", "version"))
    else:
        return await _detail(visit, values["id"], 404)
    if answer.ok:
        return visit.go(f"links/{values['id']}")
    return await _detail(visit, values["id"], answer.status, answer.detail)


def _shown(link: dict[str, Any]) -> dict[str, Any]:
    """A link with what a page needs beside the API's members."""
    left = {
        "place": forms.show_place(link),
        "uses_left": None if link["uses"] is None else max(0, link["uses"] - link["uses_used"]),
        "bytes_left": None if link["bytes"] is None else max(0, link["bytes"] - link["bytes_used"]),
    }
    return link | left
