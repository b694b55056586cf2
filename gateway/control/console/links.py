"""Owns the pages of links: the list, one link with its uses, making, editing, and what one does to one of them.

Refuses to own what they share with those of keys (`gateway.control.console.grants`), and what a link is.

Law: a link's address is shown once, in the answer to the form that made it, and never in an address or a redirect.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

import segno

from gateway.control.bodies import EditLink, NewLink
from gateway.control.caller import Access
from gateway.control.console import bulk, forms, grants
from gateway.control.console.charts import chart_of
from gateway.control.console.visit import Visit
from gateway.core.reasons import Refused
from gateway.wire.replies import Reply

_LINKS: Final = grants.Kind(
    "link",
    "console/links.html",
    forms.fields_of(NewLink, forms.LINK_FIELDS),
    forms.fields_of(EditLink, forms.LINK_FIELDS),
    ("state", "owner", "bucket", "prefix", "label", "ends_within"),
    "links.make",
    "acts.edit",
)
_CHARTED: Final = "1000"


class Code(NamedTuple):
    """How many parts wide and high, and what an SVG's path says."""

    size: int
    path: str


async def list_links(visit: Visit) -> Reply:
    return await grants.list_some(visit, _LINKS)


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
                _LINKS.page,
                404,
                grants=[],
                filters={},
                names=_LINKS.filters,
                faults={},
                wrong=refused.detail,
                cursor=None,
            )
        return visit.go(f"links/{found.id}")
    if "/" in text:
        bucket, _, prefix = text.partition("/")
        return visit.go("links", bucket=bucket, prefix=prefix)
    return visit.go("links", label=text)


async def show_link(visit: Visit) -> Reply:
    return await _detail(visit)


async def _detail(visit: Visit, status: int = 200, wrong: str = "") -> Reply:
    values = {"id": visit.values["id"]}
    link = await visit.need("showLink", values=values)
    records = await visit.ask("listRecords", values=values, query={"limit": _CHARTED})
    running = await visit.ask("listTransfers")
    used = records.said.get("records", ())
    return visit.show(
        "console/link.html",
        status,
        grant=grants.shown(link),
        fields=_LINKS.edited,
        records=used[:50],
        more=len(used) > 50,
        chart=chart_of(used),
        transfers=[one for one in running.said.get("transfers", ()) if one["principal"] == f"link:{link['id']}"],
        wrong=wrong,
    )


async def ask_for_link(visit: Visit) -> Reply:
    asked = visit.query.given("place", "owner", "label")
    return grants.ask_for_new(visit, _LINKS, forms.defaults(_LINKS.new, asked.get("place", "")) | asked)


async def make_link(visit: Visit) -> Reply:
    answer = await grants.make(visit, _LINKS)
    if answer is None or not answer.ok:
        return grants.retry_form(visit, _LINKS, answer)
    return _show_made(visit, answer.said, 201 if answer.said["url"] else 200)


def _show_made(visit: Visit, link: dict[str, Any], status: int = 200, *, rotated: bool = False) -> Reply:
    code = _draw_code(link["url"]) if link["url"] else None
    return visit.show("console/link-made.html", status, link=grants.shown(link), code=code, rotated=rotated)


def _draw_code(url: str) -> Code:
    """A QR code, its dark parts as one path."""
    rows = [list(row) for row in segno.make(url, error="m").matrix_iter(border=4)]
    dark = (f"M{x} {y}h1v1h-1z" for y, row in enumerate(rows) for x, part in enumerate(row) if part)
    return Code(len(rows), "".join(dark))


async def show_edit(visit: Visit) -> Reply:
    return await grants.show_edit(visit, _LINKS)


async def edit_link(visit: Visit) -> Reply:
    return await grants.edit(visit, _LINKS)


async def act_on_link(visit: Visit) -> Reply:
    """Rotate one, or what one does to keys, too."""
    values, act = {"id": visit.values["id"]}, visit.values["act"]
    if act == "rotate":
        version = visit.form.get("version")  # so that a page that is loaded again does not end the address it showed
        answer = await visit.ask("rotateLink", values=values, headers={"if-match": f'"{version}"'} if version else {})
        if answer.ok:
            return _show_made(visit, answer.said, rotated=True)
    elif (acted := await grants.act(visit, _LINKS)) is not None:
        answer = acted
    else:
        return await _detail(visit, 404)
    return visit.go(f"links/{values['id']}") if answer.ok else await _detail(visit, answer.status, answer.detail)


async def preview_links(visit: Visit) -> Reply:
    return await bulk.preview(visit, _LINKS)


async def act_on_links(visit: Visit) -> Reply:
    """Those that were shown."""
    return await bulk.act_on(visit, _LINKS)
