"""Owns `suspend` and `resume`, which are the same for links and keys.

Refuses to own how either is named and shown.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import click

from gateway.cli.client import control
from gateway.cli.output import json_option


def add_suspension(group: click.Group, noun: str, path_of: Callable[[str], str], show: Callable[..., None]) -> None:
    """Give a group both commands. `path_of` is the address of an id; `show` is called with the answer and `as_json`."""
    lines = {
        "suspend": f"Let nobody use a {noun} until it is resumed. In force at once, for what runs too.",
        "resume": f"Let a suspended {noun} be used again.",
    }
    for act, line in lines.items():
        _add(group, act, line, path_of, show)


def _add(group: click.Group, act: str, line: str, path_of: Callable[[str], str], show: Callable[..., None]) -> None:
    @group.command(act, help=line)
    @click.argument("ident", metavar="ID")
    @click.option("--reason", help="For the audit trail.")
    @json_option
    def run(ident: str, *, reason: str | None, as_json: bool) -> None:
        answer: dict[str, Any] = control().call("POST", f"{path_of(ident)}/{act}", query={"reason": reason})
        show(answer, as_json=as_json)
