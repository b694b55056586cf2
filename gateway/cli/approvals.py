"""Owns the commands of four eyes: `approvals`, `approve`, `reject`, of links and keys alike.

Refuses to own who may say what: the control API does.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import click

from gateway.cli.client import control, escape_segment
from gateway.cli.keys import format_scopes
from gateway.cli.links import format_place
from gateway.cli.output import format_when, json_option, print_json, print_table, say, tell
from gateway.cli.values import check_key_id, check_link_id
from gateway.core.units import instant


@click.command()
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many of either kind.")
@json_option
def approvals(*, limit: int, as_json: bool) -> None:
    """List the links and keys that wait for you: not those that you own, made or asked for more of."""
    api = control()
    me = api.call("GET", "/v1/whoami")["principal"]
    waiting = {
        kind: [
            item
            for item in api.pages(f"/v1/{kind}", kind, {"state": "awaiting_approval"}, limit)
            if me not in {item["owner"], item["issued_by"], *item["approval"]["asked_by"]}
        ]
        for kind in ("links", "keys")
    }
    if as_json:
        print_json(waiting)
        return
    now = time.time()
    rows = [
        {
            "id": str(item["id"]),
            "version": str(item["version"]),
            "until": format_when(instant(item["approval"]["until"]), now),
            "owner": str(item["owner"]),
            "may": format_scopes(item) if kind == "keys" else f"{','.join(item['actions'])} {format_place(item)}",
            "rule": str(item["approval"]["rule"]),
            "label": str(item.get("label") or ""),
        }
        for kind, items in waiting.items()
        for item in items
    ]
    print_table(rows, ("id", "version", "until", "owner", "may", "rule", "label"))


@click.command()
@click.argument("ident", metavar="ID")
@click.option("--version", type=click.IntRange(1), help="Only if it is still this one, which `approvals` shows.")
@click.option("--reason", help="For the audit trail.")
@json_option
def approve(ident: str, *, version: int | None, reason: str | None, as_json: bool) -> None:
    """Release a link or a key that waits for your approval. In force at once."""
    _say(ident, "approve", {"reason": reason, "version": version}, as_json=as_json)


@click.command()
@click.argument("ident", metavar="ID")
@click.option("--reason", help="For the audit trail, and for whoever made it.")
@json_option
def reject(ident: str, *, reason: str | None, as_json: bool) -> None:
    """Revoke a link or a key that waits for your approval."""
    _say(ident, "reject", {"reason": reason}, as_json=as_json)


def _say(ident: str, act: str, query: Mapping[str, Any], *, as_json: bool) -> None:
    noun, name = ("keys", check_key_id(ident)) if ident.startswith("k_") else ("links", check_link_id(ident))
    answer = control().call("POST", f"/v1/{noun}/{escape_segment(name)}/{act}", query=query)
    if as_json:
        print_json(answer)
        return
    tell(f"{answer['id']} {answer['state']}")
    if answer["state"] == "awaiting_approval":
        say(f"It waits on, for somebody whom the rule {answer['approval']['rule']!r} names.")
