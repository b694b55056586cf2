"""Owns the command that writes the revocation list into a file, for gateways that follow one.

Refuses to own the list (the control API) and how a file is followed (`state.revocations` in gateway.yaml).

Law: a reader never sees half a list. The file is written beside its place and moved there, and says by itself when it
was complete. While no gateway answers it stays as it is, so that its age tells.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Callable
from dataclasses import field
from pathlib import Path
from typing import Any, Final, NoReturn

import click

from gateway.cli.client import Control, control
from gateway.cli.output import Commands, Exit, fail, say
from gateway.cli.values import SPAN
from gateway.core.reasons import DependencyDown
from gateway.core.units import duration, format_instant
from gateway.core.values import dataclass

_FEED: Final = "/v1/revocations"
_PAGE: Final = 1000
_LONGEST_WAIT: Final = 20.0
_AGAIN: Final = 5.0
"""Seconds from one try to the next while no gateway answers, if `--every` is not less."""

Asking = Callable[..., dict[str, Any]]


@click.group(cls=Commands)
def revocations() -> None:
    """Write the revocation list for gateways that follow a file."""


@revocations.command()
@click.option(
    "-o", "--out", type=click.Path(path_type=Path, dir_okay=False), help="Where to; standard output otherwise."
)
@click.option("--every", "span", type=SPAN, help="Go on: write at each revocation, and this often without any.")
def export(*, out: Path | None, span: str | None) -> None:
    """Write every revocation there is, in the form that `state: {revocations: {file: …}}` follows.

    With --every it keeps the file young until it is stopped: choose it well below the followers' max_age. While the
    gateway does not answer it tries again, and the last file grows old. A sidecar's token, as GATEWAY_ADMIN_TOKEN, is
    enough.

    \b
    gateway revocations export --out /shared/revoked.json --every 30s
    """
    if span is not None and out is None:
        raise click.UsageError("--every goes with --out.")
    api, known = control(), _List()
    if out is not None and span is not None:
        _keep_entries(api, known, out, duration(span))
    text = known.read(api.call)
    if out is None:
        sys.stdout.write(text)
    else:
        _replace_file(out, text)


@dataclass(slots=True)
class _List:
    """What has been read of the list. A page that was read is not asked for again."""

    found: list[dict[str, Any]] = field(default_factory=list)
    serial: int = 0

    def read(self, asking: Asking) -> str:
        """The whole list as a text. Raises as `asking` does."""
        asked_at = time.time()
        while True:
            page = asking("GET", _FEED, query={"after": self.serial, "limit": _PAGE, "wait": 0})
            self.found += page["revocations"]
            self.serial = page["serial"]
            if len(page["revocations"]) < _PAGE:
                return _format_list(self.found, self.serial, asked_at)


def _keep_entries(api: Control, known: _List, out: Path, seconds: float) -> NoReturn:
    """Write the list again and again. A line is printed when the gateway stops or starts answering."""
    reached = True
    while True:
        try:
            text = known.read(api.reach)
            if not reached:
                say(f"The gateway answers again: {out} is renewed.")
            reached = True
            _replace_file(out, text)
            _wait_for_next(api, known.serial, seconds)
        except DependencyDown as failure:
            if reached:
                say(f"{failure.detail}: trying again, {out} stays as it is.")
            reached = False
            time.sleep(min(seconds, _AGAIN))


def _format_list(found: list[dict[str, Any]], serial: int, as_of: float) -> str:
    """The entries first, and what changes at every writing last: so a follower reads only what is new."""
    lines = ",\n".join(json.dumps(entry) for entry in found)
    return f'{{"revocations": [\n{lines}\n],\n"serial": {serial},\n"as_of": "{format_instant(as_of)}"}}\n'


def _replace_file(out: Path, text: str) -> None:
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        beside.write_text(text)
        beside.replace(out)
    except OSError as failure:
        fail(f"{out}: {failure.strerror or failure}", Exit.FAILED)


def _wait_for_next(api: Control, serial: int, seconds: float) -> None:
    """Wait for an entry after the serial, or for so many seconds. Raises DependencyDown: no gateway answers."""
    query = {"after": serial, "limit": 1, "wait": min(seconds, _LONGEST_WAIT)}
    began = time.monotonic()
    while (left := seconds - (time.monotonic() - began)) > 0:
        query["wait"] = min(left, _LONGEST_WAIT)
        if api.reach("GET", _FEED, query=query)["revocations"]:
            return
