"""Owns the commands about keys: create, ls, show, edit, revoke, reseal (suspend, resume: `gateway.cli.suspend`).

Refuses to own what a key may do at most: the policy's rules about its app say that.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import click

from gateway.cli.client import control, escape_segment
from gateway.cli.lists import list_options, print_list, read_list
from gateway.cli.options import build_members, build_scopes, key_options
from gateway.cli.output import (
    Commands,
    Exit,
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
from gateway.cli.values import check_key_id, check_key_name
from gateway.core.units import instant


@click.group(cls=Commands)
def key() -> None:
    """Create, show, change and revoke keys for apps, and seal what is stored anew."""


@key.command()
@click.argument("app")
@key_options
@json_option
def create(app: str, *, as_json: bool, **chosen: Any) -> None:
    """Create a key for APP, to be used with any S3 SDK.

    It may do all that its app may, or only what --read, --write and --delete say, and never more than its app. A use is
    one object sent or taken; ranges of one object, and the parts of one upload, are one use.

    Prints what a shell, or a .env file, takes. The secret is shown once.

    \b
    gateway key create billing
    gateway key create billing --read reports/2026/ --expires 8h --bytes 50GiB
    gateway key create ci --read models/base/ --write models/out/ --cidr 10.0.0.0/8 --uses 20
    """
    body: dict[str, object] = {"app": app.removeprefix("app:"), **_members(chosen)}
    made = control().call("POST", "/v1/keys", body)
    if as_json:
        print_json(made)
        return
    say(f"{made['id']}  app:{made['app']}  {format_scopes(made)}  ends {format_end(made.get('expires_at'))}")
    say_waiting(made)
    tell(f"AWS_ACCESS_KEY_ID={made['access_key_id']}")
    tell(f"AWS_SECRET_ACCESS_KEY={made['secret_access_key']}")


@key.command()
@list_options
@json_option
def ls(*, limit: int, as_json: bool, **filters: str | None) -> None:
    """List keys, newest first. Never shows a secret."""
    found = read_list("keys", filters, limit)
    if as_json:
        print_json({"keys": found})
        return
    rows = [
        {
            "id": str(item["id"]),
            "state": str(item["state"]),
            "ends": format_end(item.get("expires_at")),
            "app": str(item["app"]),
            "may": format_scopes(item),
            "label": str(item.get("label") or ""),
        }
        for item in found
    ]
    print_list(rows, ("id", "state", "ends", "app", "may", "label"), limit)


@key.command()
@click.argument("ident", metavar="ID")
@json_option
def show(ident: str, *, as_json: bool) -> None:
    """Show one key, what it is held to and what it has used. Never shows a secret."""
    _show_key(control().call("GET", _path_of(ident)), as_json=as_json)


@key.command()
@click.argument("ident", metavar="ID")
@key_options
@click.option("--whole", is_flag=True, help="Wherever its app may, and all that it may there.")
@json_option
def edit(ident: str, *, whole: bool, as_json: bool, **chosen: Any) -> None:
    """Change anything but the secret; `none` takes a limit away. In force at once, for what runs too.

    --read, --write and --delete say anew where it may do what: give all of them. Counters stay as they are.
    """
    body = _members(chosen)
    if whole and "scopes" in body:
        raise click.UsageError("--whole and --read, --write, --delete do not go together.")
    if whole:
        body["scopes"] = None
    if not body:
        raise click.UsageError("Say what to change; gateway key edit --help lists what can be.")
    changed = control().call("PATCH", _path_of(ident), body)
    _show_key(changed, as_json=as_json)


@key.command()
@click.argument("names", metavar="ID|ACCESS_KEY_ID...", nargs=-1, required=True)
@click.option("--reason", help="For the audit trail.")
@json_option
def revoke(names: tuple[str, ...], *, reason: str | None, as_json: bool) -> None:
    """Revoke keys, by id, or by access key id where that is what leaked."""
    named = {name: name if name.startswith("k_") else "the key of that access key id" for name in names}
    targets = [{"key": check_key_name(name)} for name in named]
    counts = control().revoke_each(targets, {"reason": reason} if reason else {})
    report_revoked(list(named.values()), counts, "key", as_json=as_json)


@key.command()
@json_option
def reseal(*, as_json: bool) -> None:
    """Bring every stored secret under the first of state.sealing_keys: those of keys, and links' passwords.

    Nothing changes for anybody who uses them. It can be broken off and done again at any time. Exits with 1 if some
    are under a key that the settings do not hold any more.
    """
    done = {"examined": 0, "resealed": 0, "unreadable": 0}
    cursor = None
    while True:
        batch = control().call("POST", "/v1/reseal", {"cursor": cursor} if cursor else {})
        done = {name: count + batch[name] for name, count in done.items()}
        cursor = batch["cursor"]
        if cursor is None:
            break
    if as_json:
        print_json(done)
    else:
        click.echo("{examined} examined, {resealed} resealed, {unreadable} unreadable".format(**done))
    if done["unreadable"]:
        raise click.exceptions.Exit(int(Exit.FAILED))


def _members(chosen: Mapping[str, Any]) -> dict[str, Any]:
    """The members of a body for the options that were given."""
    body = build_members(chosen)
    if scopes := build_scopes(chosen):
        body["scopes"] = scopes
    ends = body.get("expires_at")
    if ends is not None and instant(ends) <= time.time():
        raise click.UsageError(f"{chosen['expires']} is in the past.")
    return body


def format_scopes(item: Mapping[str, Any]) -> str:
    """Where it may do what, on one line."""
    if item.get("link"):
        return f"what {item['link']} may"
    parts = []
    for scope in item.get("scopes") or ({"bucket": None, "prefix": None, "keys": None, "actions": None},):
        may = ",".join(scope["actions"] or ("all",))
        names = scope["keys"] or [scope["prefix"] or ""]
        more = f" +{len(names) - 1}" if len(names) > 1 else ""
        parts.append(may if scope["bucket"] is None else f"{may} {scope['bucket']}/{names[0]}{more}")
    return "; ".join(parts)


def _show_key(item: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(item)
        return
    rows = {
        "id": item["id"],
        "state": item["state"],
        "app": item["app"],
        "may": format_scopes(item),
        "label": item.get("label"),
        "issued": f"{item['issued_at']} by {item['issued_by']}",
        "starts": item.get("not_before"),
        "ends": format_end(item.get("expires_at")),
        "uses": None if item["uses"] is None else f"{item['uses_used']} of {item['uses']}",
        "bytes": None
        if item["bytes"] is None
        else f"{format_size(item['bytes_used'])} of {format_size(item['bytes'])}",
        "last used": item.get("last_used_at"),
        "networks": ", ".join(item["cidrs"]),
        "rate": item.get("rate"),
        "needs a session token": "yes" if item["session"] else None,
        "role": item.get("role"),
        "session": item.get("session_name"),
        "session policy": item.get("session_policy"),
        "rules": ", ".join(item.get("rules") or ()),
        "suspended": item.get("suspended_at") and f"{item['suspended_at']} by {item['suspended_by']}",
        **format_approval(item.get("approval")),
        "revoked": item.get("revoked_at")
        and f"{item['revoked_at']}: {item.get('revoked_reason') or 'no reason given'}",
    }
    print_table([{"field": name, "value": str(value)} for name, value in rows.items() if value], ("field", "value"))


def _path_of(ident: str) -> str:
    return f"/v1/keys/{escape_segment(check_key_id(ident))}"


add_suspension(key, "key", _path_of, _show_key)
