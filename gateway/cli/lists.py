"""Owns what `link ls` and `key ls` have in common: by what they filter, how much they show, and that there may be more.

Refuses to own the columns of either (`gateway.cli.links`, `gateway.cli.keys`) and finding anything (the control API).

Law: a list that was cut off says so, and how to see the rest.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import click

from gateway.cli.client import control
from gateway.cli.output import print_table, say

_Command = TypeVar("_Command", bound=Callable[..., Any])

_STATES: Final = ("active", "pending", "suspended", "awaiting_approval", "expired", "revoked", "used_up")
_OPTIONS: Final = (
    click.option("--owner", help="A principal, like app:billing."),
    click.option("--bucket", help="Those of this bucket."),
    click.option("--prefix", help="Those of this folder of the bucket, or below it."),
    click.option("--state", type=click.Choice(_STATES)),
    click.option("--label", help="Those with exactly this label."),
    click.option("--limit", type=click.IntRange(1), default=100, show_default=True, help="At most so many."),
)


def list_options(command: _Command) -> _Command:
    """Adds the filters, and `--limit`."""
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def read_list(name: str, filters: Mapping[str, str | None], limit: int) -> list[dict[str, Any]]:
    """The newest of these: `name` is what the API calls them."""
    return list(control().pages(f"/v1/{name}", name, filters, limit))


def print_list(rows: Sequence[Mapping[str, str]], columns: Sequence[str], limit: int) -> None:
    """As `print_table`, with a word to the person where the limit was reached."""
    print_table(rows, columns)
    if len(rows) == limit:
        say(f"There may be more: --limit {limit * 10} shows them.")
