"""Owns the commands that change a running gateway: `backend ls|drain|resume`, `log-level`.

Refuses to own the changes (the control API) and the ones that last (the policy and settings files).
"""

from __future__ import annotations

from typing import Any

import click

from gateway.cli.client import control, escape_segment
from gateway.cli.output import Commands, json_option, print_json, print_table, say, tell
from gateway.cli.values import SPAN
from gateway.core.units import duration


@click.group(cls=Commands)
def backend() -> None:
    """List backends, take one out of use and back."""


@backend.command()
@json_option
def ls(*, as_json: bool) -> None:
    """List the backends, what they can do, and which are drained."""
    found: list[dict[str, Any]] = control().call("GET", "/v1/backends")["backends"]
    if as_json:
        print_json({"backends": found})
        return
    rows = [
        {
            "name": str(one["name"]),
            "profile": str(one["profile"]),
            "state": "drained" if one["drained"] else "in use",
            "can": " ".join(one["capabilities"]),
        }
        for one in found
    ]
    print_table(rows, ("name", "profile", "state", "can"))


@backend.command()
@click.argument("name")
@json_option
def drain(name: str, *, as_json: bool) -> None:
    """Answer 503 to new requests for backend NAME; running transfers go on.

    Holds in the gateway that GATEWAY_URL reaches, in all its workers, until it is reloaded or ends: ask each replica,
    or write `drained: true` into the policy file, which lasts.
    """
    _set_drained(name, drained=True, as_json=as_json)


@backend.command()
@click.argument("name")
@json_option
def resume(name: str, *, as_json: bool) -> None:
    """Take requests for backend NAME again, in the gateway that GATEWAY_URL reaches."""
    _set_drained(name, drained=False, as_json=as_json)


def _set_drained(name: str, *, drained: bool, as_json: bool) -> None:
    answer = control().call("PUT", f"/v1/backends/{escape_segment(name)}", {"drained": drained})
    if as_json:
        print_json(answer)
        return
    tell(f"{answer['name']} {'drained' if answer['drained'] else 'in use'}")
    say(f"It lasts {answer['lasts']}.")
    _warn_of_others(answer)


@click.command("log-level")
@click.argument("level", type=click.Choice(("debug", "info", "warning", "error")))
@click.option("--for", "span", type=SPAN, help="How long, like 15m; then the settings' level is back.")
@json_option
def log_level(level: str, *, span: str | None, as_json: bool) -> None:
    """Change how much the gateway that GATEWAY_URL reaches logs, until it is reloaded, or for a time.

    \b
    gateway log-level debug --for 15m
    """
    answer = control().call("PUT", "/v1/log", {"level": level} | ({"for": duration(span)} if span else {}))
    if as_json:
        print_json(answer)
        return
    tell(f"{answer['level']} until {answer['until'] or 'the gateway is reloaded or ends'}")
    _warn_of_others(answer)


def _warn_of_others(answer: dict[str, Any]) -> None:
    if answer["changed"] < answer["processes"]:
        say(f"Only {answer['changed']} of {answer['processes']} processes have changed: do it again, or use the files.")
