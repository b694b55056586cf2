"""Owns the command that takes much back at once: by owner, prefix, backend, policy rule, role, session, holder, or from
a leak.

Refuses to own what a revocation reaches (the control API and `gateway.core.revocation`).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import IO, Any

import click

from gateway.cli.client import Control, control
from gateway.cli.output import Exit, fail, json_option, print_json, say, tell
from gateway.cli.values import INSTANT, PLACE, Place, find_secrets


@click.command()
@click.option("--owner", help="Every link and key of a principal, like app:billing.")
@click.option("--prefix", "place", metavar="BUCKET/FOLDER/", type=PLACE, help="Everything that reaches below it.")
@click.option("--backend", help="Everything that reaches this backend.")
@click.option("--policy", help="Every link that this policy rule allowed.")
@click.option("--role", help="Every session of a role.")
@click.option("--session", help="Every session that was given this name.")
@click.option("--holder", metavar="ADDRESS", help="One person, from every link that is for certain people.")
@click.option(
    "--link", help="With --holder, who is excluded from this link alone; with --owner, from those of that owner."
)
@click.option(
    "--from-file", "text", type=click.File("r", errors="replace"), help="What a text holds; - is standard input."
)
@click.option("--before", type=INSTANT, help="Only what was issued before this time; not with --prefix or --backend.")
@click.option("--reason", help="For the audit trail and the links' pages.")
@click.option("--dry-run", is_flag=True, help="Say how many, change nothing.")
@click.option("-y", "--yes", is_flag=True, help="Do not ask.")
@json_option
def revoke(
    *,
    place: Place | None,
    text: IO[str] | None,
    link: str | None,
    before: str | None,
    reason: str | None,
    dry_run: bool,
    yes: bool,
    as_json: bool,
    **names: str | None,
) -> None:
    """Revoke many links and keys at once; what is issued afterwards is not touched.

    `--from-file` finds link URLs, tokens, access key ids and ids in any text: a chat log, a mail, a paste.
    A --holder is excluded from each link that may be for them, at once and for what they have running; nobody else is.
    On a terminal it says how many and asks first, unless --yes is given. A name that this gateway does not know is
    recorded, for gateways that follow it, and the exit code is 1.

    \b
    gateway revoke --owner app:billing --dry-run
    gateway revoke --owner app:billing --before 2026-11-01T00:00:00Z
    gateway revoke --holder ann@acme.example --owner app:billing
    gateway revoke --prefix reports/2026/ --reason "wrong folder"
    pbpaste | gateway revoke --from-file - --yes
    """
    named = _read_targets(place, link, names, several=text is not None)
    if before is not None and not any(names[name] for name in ("owner", "policy", "role", "session", "holder")):
        raise click.UsageError("--before goes with --owner, --policy, --role, --session or --holder.")
    targets = named if text is None else [_target_of(found) for found in find_secrets(text.read())]
    if not targets:
        fail("The text holds nothing that this gateway gives out.", Exit.NOT_FOUND)
    chosen = {"reason": reason, "issued_before": before}
    api, more = control(), {name: value for name, value in chosen.items() if value}
    if not (dry_run or yes or as_json) and sys.stdin.isatty():
        count = _revoke_all(api, targets, more, dry_run=True)[0]
        click.confirm(_say_revoked("Revoke", count, names["holder"]) + "?", abort=True, err=True)
    count, unknown = _revoke_all(api, targets, more, dry_run=dry_run)
    if as_json:
        print_json({"revoked": count, "recognised": len(targets), "unknown": unknown, "dry_run": dry_run})
        if unknown == len(targets):
            raise click.exceptions.Exit(int(Exit.FAILED))
        return
    if unknown == len(targets):
        fail(
            "This gateway knows "
            + (_describe_target(targets[0]) if text is None else "none of what the text holds")
            + "."
        )
    if unknown:
        say(f"{unknown} of {len(targets)} things found are not known to this gateway.")
    tell(_say_revoked("would revoke" if dry_run else "revoked", count, names["holder"]))


def _read_targets(
    place: Place | None, link: str | None, names: Mapping[str, str | None], *, several: bool
) -> list[dict[str, Any]]:
    """The one target that the options name; none if a text holds `several`. Raises click.UsageError."""
    named: list[dict[str, Any]] = [{name: value} for name, value in names.items() if value]
    if names["holder"]:
        within = {"link": link, "owner": names["owner"]}
        holder = {"holder": names["holder"].removeprefix("user:")} | {
            name: value for name, value in within.items() if value
        }
        if place is not None or several or len(named) > 1 + bool(names["owner"]) or len(holder) > 2:
            raise click.UsageError("--holder goes alone, with --link or with --owner.")
        return [holder]
    if link is not None:
        raise click.UsageError("--link goes with --holder: a whole link is ended by gateway link revoke.")
    if place is not None:
        named.append({"bucket": place.bucket, "prefix": place.rest})
    if len(named) + several != 1:
        raise click.UsageError(
            "Name one of --owner, --prefix, --backend, --policy, --role, --session, --holder and --from-file."
        )
    return named


def _target_of(found: str) -> dict[str, Any]:
    return {"key" if found.startswith(("GWK", "k_")) else "link": found}


def _describe_target(target: dict[str, Any]) -> str:
    """An unknown target in words."""
    if "bucket" in target:
        return f"no bucket {target['bucket']!r}"
    if "holder" in target:
        return f"no link for {target['holder']}"
    [(kind, name)] = target.items()
    return f"no {'rule' if kind == 'policy' else kind} {name!r}"


def _revoke_all(api: Control, targets: list[dict[str, Any]], more: dict[str, str], *, dry_run: bool) -> tuple[int, int]:
    """How many grants ended, or would end, and how many of the targets are unknown."""
    counts = api.revoke_each(targets, {**more, "dry_run": dry_run})
    return sum(count or 0 for count in counts), counts.count(None)


def _say_revoked(done: str, count: int, holder: str | None) -> str:
    if holder:
        return f"{done} {holder} at {count} {'link' if count == 1 else 'links'}"
    return f"{done} {count} link or key" if count == 1 else f"{done} {count} links and keys"
