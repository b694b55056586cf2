"""Owns the command `whoami`.

Refuses to own who that is: the control API says so.
"""

from __future__ import annotations

import click

from gateway.cli.client import control
from gateway.cli.output import json_option, print_json, say

__all__ = ["whoami"]


@click.command()
@json_option
def whoami(*, as_json: bool) -> None:
    """Show as whom the gateway knows you, and what you may ask it."""
    found = control().call("GET", "/v1/whoami")
    if as_json:
        print_json(found)
        return
    click.echo(found["principal"])
    whose = "everybody's links and keys" if found["sees"] == "everything" else "your own links and keys"
    say(f"sees {whose}; may {', '.join(found['may'])}" + (f"; until {found['until']}" if found["until"] else ""))
