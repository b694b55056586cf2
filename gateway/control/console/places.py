"""Owns the pages of buckets: looking into a folder, and sending a file that is shared at once.

Refuses to own listing and storing: the control plane opens no store. Both are done by links, at the data listener,
under the rules, limits and records that every link has; there is no second way to the data plane.

Laws: a link for looking lists and reads for 15 minutes, and for as long again whenever somebody asks for that. One for
sending takes one file, of one name, within an hour, and whoever it is shared with has another link, which only reads.
"""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import urlsplit

from gateway.control.console import forms
from gateway.control.console.ask import Answer
from gateway.control.console.visit import Visit
from gateway.wire.replies import Reply

_LOOK: Final = {"actions": ["read", "list"], "expires_in": "15m", "label": "console: a look"}
_SEND: Final = {"actions": ["write"], "expires_in": "1h", "uses": 1, "label": "console: an upload"}
_SHARED: Final = tuple(field for field in forms.LINK_FIELDS if field.name in {"expires_in", "uses", "label"})


async def list_buckets(visit: Visit) -> Reply:
    return await _buckets(visit)


async def _buckets(visit: Visit, status: int = 200, problem: dict[str, Any] | None = None) -> Reply:
    found, wrong = await visit.need("listBuckets"), problem or {}
    objections = wrong.get("objections", ())
    return visit.show("console/buckets.html", status, **found, wrong=wrong.get("detail", ""), objections=objections)


async def open_folder(visit: Visit) -> Reply:
    """A link to the folder. (To send the browser there at once, a form's answer would have to lead to another host.)"""
    folder = visit.form.get("folder").strip("/")
    prefix = f"{folder}/" if folder else ""
    answer = await visit.ask("createLink", body=_LOOK | {"bucket": visit.form.get("bucket"), "prefix": prefix})
    if not answer.ok:
        return await _buckets(visit, answer.status, answer.said)
    return _show_folder(visit, 201, answer.said)


async def keep_open(visit: Visit) -> Reply:
    """For as long again, from now on, if that link may live on: whatever tab shows the folder goes on with it. Its
    address is not told again."""
    values = {"id": visit.form.get("id")}
    answer = await visit.ask("editLink", values=values, body={"expires_in": _LOOK["expires_in"]})
    if answer.ok:
        return _show_folder(visit, 200, answer.said)
    return _show_folder(visit, answer.status, await visit.need("showLink", values=values), answer.detail)


def _show_folder(visit: Visit, status: int, link: dict[str, Any], wrong: str = "") -> Reply:
    return visit.show("console/folder.html", status, link=link | {"place": forms.show_place(link)}, wrong=wrong)


async def ask_for_file(visit: Visit) -> Reply:
    return _ask(visit, visit.query.given("place"))


def _ask(visit: Visit, typed: dict[str, str], answer: Answer | None = None) -> Reply:
    """The form. Where scripts run, the page itself sends the file to the data listener."""
    status, faults, wrong = (200, {}, {}) if answer is None else (answer.status, answer.faults, answer.said)
    origin = _origin_of(visit.api.deps.live.public_url())
    return visit.show("console/send.html", status, typed=typed, faults=faults, problem=wrong, posts_to=(origin,))


def _origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"


async def make_way(visit: Visit) -> Reply:
    """First the link that reads: whoever may not share the file need not send it."""
    form = visit.form
    place = forms.read_place(form.get("place"))
    answer = await visit.ask("createLink", body=forms.read(_SHARED, form) | place | {"actions": ["read"]})
    if answer.ok:
        link = answer.said
        body = _SEND | place | {"overwrite": bool(form.get("overwrite"))}
        answer = await visit.ask("createLink", body=body)
        if not answer.ok:
            await visit.ask("revokeLink", values={"id": link["id"]}, query={"reason": "its file could not be sent"})
        else:
            shown, upload = link | {"place": forms.show_place(link)}, answer.said["url"]
            return visit.show("console/send-file.html", 201, link=shown, upload=upload, posts_to=(_origin_of(upload),))
    return _ask(visit, form.shown(), answer)
