"""Owns the commands about one link: create, ls, show, edit, extend, revoke, rotate, log.

Refuses to own moving bytes and drawing codes (`gateway.cli.transfer`), and every decision (the control API's).
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any, Final

import click

from gateway.cli.client import Control, control, escape_segment
from gateway.cli.credentials import credentials
from gateway.cli.lists import list_options, print_list, read_list
from gateway.cli.open_link import open_link
from gateway.cli.options import build_members, link_options, read_password
from gateway.cli.output import (
    Commands,
    fail,
    format_approval,
    format_end,
    format_size,
    json_option,
    print_json,
    print_table,
    report_revoked,
    say,
    say_waiting,
    tell,
)
from gateway.cli.suspend import add_suspension
from gateway.cli.transfer import download, draw_code, qr, upload
from gateway.cli.values import EXPIRY, PLACE, Place, check_link_id, find_token, parse_expiry
from gateway.core.units import duration, format_instant, instant

_ACTIONS: Final = ("read", "list", "write")
_UPLOAD_WITHIN: Final = 3600
"""Seconds that the one-use upload link of `link create --file` lives."""


@click.group(cls=Commands)
def link() -> None:
    """Create, show, change and revoke links."""


link.add_command(credentials)
link.add_command(download)
link.add_command(open_link)
link.add_command(qr)


@link.command()
@click.argument("place", metavar="BUCKET/KEY", type=PLACE)
@link_options
@click.option("--upload", "uploads", is_flag=True, help="A link to upload through: PUT, form, tus.")
@click.option("--allow", type=click.Choice(_ACTIONS), multiple=True, help="Exactly these actions; may be repeated.")
@click.option("--file", "local", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="Upload it first.")
@click.option("--qr", "show_qr", is_flag=True, help="Draw the URL as a QR code too.")
@json_option
def create(
    place: Place,
    *,
    uploads: bool,
    allow: tuple[str, ...],
    local: Path | None,
    show_qr: bool,
    as_json: bool,
    **chosen: Any,
) -> None:
    """Create a link to BUCKET/KEY, or to everything below BUCKET/FOLDER/.

    The last line of the output is the URL. It is shown once: only its hash is kept.

    \b
    gateway link create reports/2026/q3.pdf --expires 30d --uses 3
    gateway link create drop/inbox/ --upload --max-size 2GiB --label "from ACME"
    gateway link create reports/ --file q3.pdf
    """
    api = control()
    body = build_members(chosen) | ({"password": word} if (word := read_password(chosen)) else {})
    if local is not None:
        if uploads:
            raise click.UsageError("--file and --upload do not go together.")
        if place.is_prefix:
            place = Place(place.bucket, place.rest + local.name)
        _upload_first(api, place, local, overwrite=body.get("overwrite", False), owner=body.get("owner"))
        body.pop("overwrite", None)
    default = ("write",) if uploads else ("read", "list") if place.is_prefix else ("read",)
    made = api.call("POST", "/v1/links", {**place.body(), "actions": list(allow or default), **body})
    _show_made(made, as_json=as_json, show_qr=show_qr)


def _upload_first(api: Control, place: Place, local: Path, *, overwrite: bool, owner: str | None) -> None:
    """Upload a file through a link that serves this once, and is gone if it did not."""
    wanted: dict[str, Any] = {
        **place.body(),
        "actions": ["write"],
        "uses": 1,
        "expires_in": _UPLOAD_WITHIN,
        "overwrite": overwrite,
        "label": "upload by gateway link create",
    }
    upload_link = api.call("POST", "/v1/links", wanted | ({"owner": owner} if owner else {}))
    try:
        upload(str(upload_link["url"]), local)
    finally:
        api.call("DELETE", f"/v1/links/{escape_segment(str(upload_link['id']))}")


def _show_made(made: dict[str, Any], *, as_json: bool, show_qr: bool) -> None:
    if as_json:
        print_json(made)
        return
    say(f"{made['id']}  {format_place(made)}  {', '.join(made['actions'])}  ends {_format_ends(made)}")
    say_waiting(made)
    if made.get("url") is None:
        fail(str(made.get("note") or "The link was made before, and its URL cannot be shown again."))
    if show_qr:
        draw_code(str(made["url"]))
    tell(made["url"])


@link.command()
@list_options
@json_option
def ls(*, limit: int, as_json: bool, **filters: str | None) -> None:
    """List links, newest first. Never shows a secret."""
    found = read_list("links", filters, limit)
    if as_json:
        print_json({"links": found})
        return
    rows = [
        {
            "id": str(item["id"]),
            "state": str(item["state"]),
            "ends": format_end(item.get("expires_at")),
            "used": f"{item['uses_used']}/{item['uses'] or '∞'}",
            "may": ",".join(item["actions"]),
            "owner": str(item["owner"]),
            "place": format_place(item),
            "label": str(item.get("label") or ""),
        }
        for item in found
    ]
    print_list(rows, ("id", "state", "ends", "used", "may", "owner", "place", "label"), limit)


@link.command()
@click.argument("ident", metavar="ID")
@json_option
def show(ident: str, *, as_json: bool) -> None:
    """Show one link with its counters."""
    _show_link(control().call("GET", _path_of(ident)), as_json=as_json)


@link.command()
@click.argument("ident", metavar="ID")
@link_options
@click.option("--allow", type=click.Choice(_ACTIONS), multiple=True, help="Exactly these actions; may be repeated.")
@click.option("--no-password", is_flag=True, help="Take the password away.")
@click.option("--to", "place", type=PLACE, help="Point the link at another place.")
@json_option
def edit(
    ident: str, *, allow: tuple[str, ...], no_password: bool, place: Place | None, as_json: bool, **chosen: Any
) -> None:
    """Change anything but the secret; `none` takes a limit away. Counters stay as they are."""
    body = build_members(chosen)
    if word := read_password(chosen):
        body["password"] = word
    if no_password:
        body["password"] = None
    if allow:
        body["actions"] = list(allow)
    if place is not None:
        body |= place.body()
    if not body:
        raise click.UsageError("Say what to change; gateway link edit --help lists what can be.")
    _show_link(control().call("PATCH", _path_of(ident), body), as_json=as_json)


@link.command()
@click.argument("ident", metavar="ID")
@click.argument("end", metavar="BY|DATE", type=EXPIRY)
@json_option
def extend(ident: str, end: str, *, as_json: bool) -> None:
    """Let a link live longer: BY a duration beyond its end (or beyond now), or to the end of a DATE in UTC."""
    api = control()
    path = _path_of(ident)
    body = parse_expiry(end)
    if "expires_in" in body:
        ends = _parse_instant(api.call("GET", path).get("expires_at"))
        if ends is None:
            fail("This link has no end, so there is nothing to extend.")
        body = {"expires_at": format_instant(max(ends, time.time()) + duration(end))}
    _show_link(api.call("PATCH", path, body), as_json=as_json)


@link.command()
@click.argument("idents", metavar="ID|URL...", nargs=-1, required=True)
@click.option("--reason", help="For the audit trail and the link's page.")
@json_option
def revoke(idents: tuple[str, ...], *, reason: str | None, as_json: bool) -> None:
    """Revoke links, by id, or by URL or token where that is what leaked."""
    named = {text: "the link of that URL" if find_token(text) else text for text in idents}
    targets = [{"link": find_token(text) or check_link_id(text)} for text in named]
    counts = control().revoke_each(targets, {"reason": reason} if reason else {})
    report_revoked(list(named.values()), counts, "link", as_json=as_json)


@link.command()
@click.argument("ident", metavar="ID")
@click.option("--qr", "show_qr", is_flag=True, help="Draw the URL as a QR code too.")
@json_option
def rotate(ident: str, *, show_qr: bool, as_json: bool) -> None:
    """Give a link a new URL; the old one ends at once."""
    made = control().call("POST", f"{_path_of(ident)}/rotate")
    _show_made(made, as_json=as_json, show_qr=show_qr)


@link.command()
@click.argument("ident", metavar="ID")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many.")
@json_option
def log(ident: str, *, limit: int, as_json: bool) -> None:
    """Show a link's uses, newest first: when, from where, what, how it ended."""
    found = list(control().pages(f"{_path_of(ident)}/records", "records", {}, limit))
    if as_json:
        print_json({"records": found})
        return
    rows = [
        {
            "at": str(item["at"]),
            "from": str(item["peer"]),
            "who": str(item.get("holder") or ""),
            "operation": str(item["operation"]),
            "status": str(item["status"]),
            "outcome": str(item["reason"] or item["outcome"]),
            "in": format_size(item["bytes_in"]),
            "out": format_size(item["bytes_out"]),
            "key": str(item["key"]),
        }
        for item in found
    ]
    who = ("who",) if any(row["who"] for row in rows) else ()
    print_table(rows, ("at", "from", *who, "operation", "status", "outcome", "in", "out", "key"))


def _show_link(item: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(item)
        return
    rows = {
        "id": item["id"],
        "state": item["state"],
        "place": format_place(item),
        "actions": ", ".join(item["actions"]),
        "owner": item["owner"],
        "by the groups": ", ".join(item.get("groups") or ()),
        "label": item.get("label"),
        "issued": f"{item['issued_at']} by {item['issued_by']}",
        "starts": item.get("not_before"),
        "ends": _format_ends(item),
        "uses": f"{item['uses_used']} of {item['uses'] or 'any number'}",
        "bytes": f"{format_size(item['bytes_used'])} of {format_size(item['bytes']) or 'any number'}",
        "last used": item.get("last_used_at"),
        "password": "yes" if item["password"] else "no",
        "networks": ", ".join(item["cidrs"]),
        "rate": item.get("rate"),
        "file name": item.get("filename"),
        "served as": item.get("content_type"),
        "only as": item.get("etag"),
        "largest upload": format_size(item.get("max_size")),
        "overwrites": "yes" if item["overwrite"] else None,
        "renames": "yes" if item["on_conflict"] == "rename" else None,
        "files": item.get("max_files") and f"{item['files_received']} of {item['max_files']}",
        "bytes of files": item.get("total_bytes")
        and f"{format_size(item['bytes_received'])} of {format_size(item['total_bytes'])}",
        "file types": ", ".join(item.get("types") or ()),
        "file names": item["names"] if item["names"] != "keep" else None,
        "tells of no name": "yes" if item["blind"] else None,
        "may be taken back": item.get("undo") and f"for {item['undo']:g} s",
        "message": item.get("message"),
        "terms": item.get("terms"),
        "holders": _format_holders(item.get("holders")),
        "asks first": "yes" if item["confirm"] else None,
        "one whole download": "yes" if item["once"] else None,
        "gives credentials": None if item["credentials"] else "no",
        "shows": ", ".join(item["shows"]),
        "suspended": item.get("suspended_at") and f"{item['suspended_at']} by {item['suspended_by']}",
        **format_approval(item.get("approval")),
        "revoked": item.get("revoked_at")
        and f"{item['revoked_at']}: {item.get('revoked_reason') or 'no reason given'}",
        "rule": item.get("rule"),
    }
    print_table([{"field": name, "value": str(value)} for name, value in rows.items() if value], ("field", "value"))


def _format_holders(holders: dict[str, Any] | None) -> str:
    if holders is None:
        return ""
    named = [*holders["emails"], *(f"@{name}" for name in holders["domains"])]
    named += [f"group:{name}" for name in holders["groups"]]
    named += [f"not:{name}" for name in holders.get("excluded", ())]
    return f"{', '.join(named)}; by {holders['by']}"


def _format_ends(item: dict[str, Any]) -> str:
    """The very second, in UTC, and how far away it is."""
    ends = item.get("expires_at")
    return "never" if ends is None else f"{ends} ({format_end(ends)})"


def format_place(item: dict[str, Any]) -> str:
    """Where it is, as `link create` takes it."""
    return f"{item['bucket']}/{item['key'] if item.get('key') is not None else item.get('prefix') or ''}"


def _parse_instant(text: object) -> float | None:
    return instant(text) if isinstance(text, str) else None


def _path_of(ident: str) -> str:
    return f"/v1/links/{escape_segment(check_link_id(ident))}"


add_suspension(link, "link", _path_of, _show_link)
