"""Owns the commands about keys: create, ls, revoke, reseal.

Refuses to own what a key may do: the policy's rules about its app say that.
"""

from __future__ import annotations

import time

import click

from gateway.cli.client import control
from gateway.cli.output import Exit, format_when, json_option, print_json, print_table, report_revoked, say
from gateway.cli.values import EXPIRY, NONE, check_key_name
from gateway.core.units import duration, end_instant, instant

__all__ = ["key"]

_STATES = ("active", "expired", "revoked")


@click.group()
def key() -> None:
    """Create, list and revoke keys for apps, and seal what is stored anew."""


@key.command()
@click.argument("app")
@click.option("--label", help="A name for people; lists can be filtered by it.")
@click.option("--expires", type=EXPIRY, help="When it ends: 12h, 30d, 2w from now, a date (its end in UTC), or none.")
@json_option
def create(app: str, *, label: str | None, expires: str | None, as_json: bool) -> None:
    """Create a key for APP, to be used with any S3 SDK.

    Prints what a shell, or a .env file, takes. The secret is shown once.
    """
    body: dict[str, object] = {"app": app.removeprefix("app:")}
    if label is not None:
        body["label"] = label
    if expires not in {None, NONE}:
        body["expires_in"] = _seconds_from_now(str(expires))
    made = control().call("POST", "/v1/keys", body)
    if as_json:
        print_json(made)
        return
    say(f"{made['id']}  app:{made['app']}  ends {_format_end(made.get('expires_at'))}")
    click.echo(f"AWS_ACCESS_KEY_ID={made['access_key_id']}")
    click.echo(f"AWS_SECRET_ACCESS_KEY={made['secret_access_key']}")


@key.command()
@click.option("--owner", help="A principal, like app:billing.")
@click.option("--state", type=click.Choice(_STATES))
@click.option("--label", help="Keys with exactly this label.")
@click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many.")
@json_option
def ls(*, limit: int, as_json: bool, **filters: str | None) -> None:
    """List keys, newest first. Never shows a secret."""
    found = list(control().pages("/v1/keys", "keys", filters, limit))
    if as_json:
        print_json({"keys": found})
        return
    rows = [
        {
            "id": str(item["id"]),
            "state": str(item["state"]),
            "ends": _format_end(item.get("expires_at")),
            "app": str(item["app"]),
            "label": str(item.get("label") or ""),
        }
        for item in found
    ]
    print_table(rows, ("id", "state", "ends", "app", "label"))
    if len(found) == limit:
        say(f"There may be more: --limit {limit * 10} shows them.")


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


def _format_end(text: object) -> str:
    return format_when(instant(text) if isinstance(text, str) else None, time.time())


def _seconds_from_now(text: str) -> float:
    try:
        return duration(text)
    except ValueError:
        pass
    left = end_instant(text) - time.time()
    if left <= 0:
        raise click.UsageError(f"{text} is in the past.")
    return left
