"""Owns the commands about decisions: explain (asks a running gateway) and test (runs the examples of the files).

Refuses to own deciding (`gateway.core.policy`) and reading files (`gateway.settings`).
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import click

from gateway.cli.client import control
from gateway.cli.output import Commands, Exit, fail, json_option, print_json, print_table, tell
from gateway.cli.values import SIZE, config_option, find_token


@click.group(cls=Commands)
def policy() -> None:
    """Explain and test decisions."""


@policy.command()
@click.argument("who")
@click.argument("do")
@click.argument("on", metavar="BUCKET/KEY")
@click.option("--from", "peer", metavar="ADDRESS", help="As if from this address.")
@click.option("--size", type=SIZE, help="As if with a body of this size.")
@click.option("--signature", type=click.Choice(("v2", "v4")), help="As if signed with this version.")
@click.option("--group", "groups", multiple=True, help="As if the user WHO, or --holder, were in this group.")
@click.option("--holder", metavar="ADDRESS", help="As if who comes to the link WHO had proved to have this address.")
@json_option
def explain(who: str, do: str, on: str, *, groups: tuple[str, ...], as_json: bool, **as_if: str | None) -> None:
    """Say why WHO would be allowed, or refused, to DO something at BUCKET/KEY: all reasons.

    WHO is a principal, or a link or key: by its id, its URL, its access key id. DO is an action (read, list, write,
    delete, share, sign) or an S3 operation.

    \b
    gateway policy explain app:billing GetObject reports/payroll/a.pdf
    gateway policy explain user:ann@acme.example share reports/2026/a.pdf --group finance
    gateway policy explain l_8fKq2… read reports/a.pdf --from 203.0.113.9
    gateway policy explain l_8fKq2… read reports/a.pdf --holder ann@acme.example

    What was not said is named, where the answer depends on it. Exits with 0 if it is allowed, with 1 if not.
    """
    is_link = who.startswith(("l_", "http://", "https://")) or find_token(who) is not None
    subject = {"link" if is_link else "key" if who.startswith(("k_", "GWK")) else "who": who}
    more: dict[str, Any] = {
        "from" if name == "peer" else name: value for name, value in as_if.items() if value is not None
    }
    more |= {"groups": list(groups)} if groups else {}
    answer = control().call("POST", "/v1/policy/explain", {**subject, "do": do, "on": on, **more})
    if as_json:
        print_json(answer)
    else:
        _print_explanation(answer)
    if not answer["allowed"]:
        raise click.exceptions.Exit(int(Exit.FAILED))


def _print_explanation(answer: dict[str, Any]) -> None:
    tell(f"allowed by {answer['rule']!r}, delivery {answer['delivery']}" if answer["allowed"] else "refused")
    for statement in answer["session"]:
        tell(f"  {statement}")
    for objection in answer["objections"]:
        tell(f"  {objection['reason']}: {objection['detail']}")
    for missing in answer.get("missing", ()):
        tell(f"  not said: {missing['field']} ({missing['detail']})")
    if answer["rules"]:
        click.echo()
        print_table(answer["rules"], ("rule", "source", "verdict"))


@policy.command()
@config_option
@json_option
def test(config: Path, *, as_json: bool) -> None:
    """Run the examples of the policy files; needs no running gateway."""
    from gateway.backends.profiles import PROFILES
    from gateway.settings.load import load_settings
    from gateway.settings.policies import check_examples, load_policies

    loaded = load_policies(load_settings(config, os.environ).policies, PROFILES, os.environ)
    faults = check_examples(loaded)
    if as_json:
        print_json({"examples": len(loaded.examples), "faults": faults})
        raise click.exceptions.Exit(int(Exit.SETTINGS if faults else Exit.OK))
    if faults:
        fail("\n".join(faults), Exit.SETTINGS)
    click.echo(f"{len(loaded.examples)} examples, all decided as they say")
