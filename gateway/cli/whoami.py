"""Owns the command `whoami`.

Refuses to own who that is: the control API says so; and which gateway it is (`gateway.cli.contexts`).
"""

from __future__ import annotations

import click

from gateway.cli.client import control
from gateway.cli.contexts import choose_place
from gateway.cli.output import json_option, print_json, say, tell


@click.command()
@json_option
def whoami(*, as_json: bool) -> None:
    """Show as whom the gateway knows you, what you may ask it, and which gateway it is."""
    place, api = choose_place(), control()
    found = api.call("GET", "/v1/whoami")
    if as_json:
        context = None if place.context is None else place.context.name
        print_json({**found, "context": context, "url": place.url, "by": api.source})
        return
    tell(found["principal"])
    say(f"at {place}, by {api.source}")
    whose = "everybody's links and keys" if found["sees"] == "everything" else "your own links and keys"
    say(f"sees {whose}; may {', '.join(found['may'])}" + (f"; until {found['until']}" if found["until"] else ""))
