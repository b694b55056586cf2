"""Owns the command that reads everything a gateway would read, and says what is wrong before it matters.

Refuses to own the reading and the sentences (`gateway.settings`). Nothing is opened and nothing is sent. What depends
on the machine, like the folder of the state, is a warning and no fault: files are often checked elsewhere.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click

from gateway.cli.output import Exit, fail, json_option, print_json, say
from gateway.cli.state_checks import warn_of_places
from gateway.cli.values import config_option
from gateway.core.reasons import SettingsError

if TYPE_CHECKING:
    from gateway.settings.model import Settings


@click.command()
@config_option
@click.option(
    "--schema",
    type=click.Choice(("settings", "policy")),
    is_flag=False,
    flag_value="settings",
    help="Print a JSON Schema.",
)
@json_option
def check(config: Path, *, schema: str | None, as_json: bool) -> None:
    """Check gateway.yaml and the policies: every fault at once, with file, line and column.

    Runs the policies' examples too, and warns where the state could not be kept here. `--schema` prints the JSON
    Schema of gateway.yaml for editors, `--schema policy` that of a policy file.
    """
    if schema is not None:
        from gateway.settings.schemas import build_policy_schema, build_settings_schema

        print_json(build_settings_schema() if schema == "settings" else build_policy_schema())
        return
    warnings: list[str] = []
    faults, summary = read_files(config, warnings)
    if as_json:
        print_json({"faults": faults, "warnings": warnings, **summary})
        raise click.exceptions.Exit(int(Exit.SETTINGS if faults else Exit.OK))
    if faults:
        fail("\n".join(faults), Exit.SETTINGS)
    for warning in warnings:
        say(f"warning: {warning}")
    click.echo(
        ", ".join(f"{count} {name.removesuffix('s') if count == 1 else name}" for name, count in summary.items())
        + ": all in order"
    )


def _warn_of_certificates(settings: Settings) -> list[str]:
    if not settings.tls:
        return []
    from gateway.server.tls import list_untimely

    return list_untimely(settings.tls.values(), time.time())


def read_files(config: Path, warnings: list[str] | None = None) -> tuple[list[str], dict[str, int]]:
    """Every fault, and how many of what was read; what is seldom meant is added to `warnings`."""
    from gateway.backends.profiles import PROFILES
    from gateway.settings.watch import Reloader

    try:
        loaded = Reloader(config, os.environ, PROFILES).load()
        if loaded.settings.state.revocations is not None or loaded.settings.tls:
            from gateway.app import check_files

            check_files(loaded.settings)
    except SettingsError as error:
        return list(error.faults), {}
    policies = loaded.policies
    if warnings is not None:
        warnings.extend(loaded.warnings)
        warnings.extend(warn_of_places(loaded.settings.state))
        warnings.extend(_warn_of_certificates(loaded.settings))
    policy = policies.policy
    summary = {
        "backends": len(policy.backends),
        "buckets": len(policy.buckets),
        "rules": len(policy.rules),
        "limits": len(policy.limits),
        "examples": len(policies.examples),
    }
    return [], summary
