"""Owns the command that writes the revocation list into a file, for gateways that follow one.

Refuses to own the list (the control API) and how a file is followed (`state.revocations` in gateway.yaml).

Law: a reader never sees half a list. The file is written beside its place and moved there, and says by itself when it
was complete.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import click

from gateway.cli.client import Control, control
from gateway.cli.output import Exit, fail
from gateway.cli.values import SPAN
from gateway.core.units import duration, format_instant

__all__ = ["revocations"]

_PAGE: Final = 1000
_LONGEST_WAIT: Final = 20.0


@click.group()
def revocations() -> None:
    """Write the revocation list for gateways that follow a file."""


@revocations.command()
@click.option("--out", type=click.Path(path_type=Path, dir_okay=False), help="Where to; standard output otherwise.")
@click.option("--every", "span", type=SPAN, help="Go on: write at each revocation, and this often without any.")
def export(*, out: Path | None, span: str | None) -> None:
    """Write every revocation there is, in the form that `state: {revocations: {file: …}}` follows.

    With --every it keeps the file young until it is stopped: choose it well below the followers' max_age. A sidecar's
    token, as GATEWAY_ADMIN_TOKEN, is enough.

    \b
    gateway revocations export --out /shared/revoked.json --every 30s
    """
    if span is not None and out is None:
        raise click.UsageError("--every goes with --out.")
    api, found, serial = control(), list[dict[str, Any]](), 0
    while True:
        asked_at = time.time()
        for page in _pages(api, serial):
            found += page["revocations"]
            serial = page["serial"]
        text = _text(found, serial, asked_at)
        if out is None:
            sys.stdout.write(text)
        else:
            _replace(out, text)
        if span is None:
            return
        _wait(api, serial, duration(span))


def _pages(api: Control, serial: int) -> Iterator[dict[str, Any]]:
    """What came after a serial, until nothing does."""
    while True:
        page = api.call("GET", "/v1/revocations", query={"after": serial, "limit": _PAGE, "wait": 0})
        yield page
        if len(page["revocations"]) < _PAGE:
            return
        serial = page["serial"]


def _text(found: list[dict[str, Any]], serial: int, as_of: float) -> str:
    """The entries first, and what changes at every writing last: so a follower reads only what is new."""
    lines = ",\n".join(json.dumps(entry) for entry in found)
    return f'{{"revocations": [\n{lines}\n],\n"serial": {serial},\n"as_of": "{format_instant(as_of)}"}}\n'


def _replace(out: Path, text: str) -> None:
    beside = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        beside.write_text(text)
        beside.replace(out)
    except OSError as failure:
        fail(f"{out}: {failure.strerror or failure}", Exit.FAILED)


def _wait(api: Control, serial: int, seconds: float) -> None:
    """Until there is something after the serial, or for so long."""
    query = {"after": serial, "limit": 1, "wait": min(seconds, _LONGEST_WAIT)}
    began = time.monotonic()
    while (left := seconds - (time.monotonic() - began)) > 0:
        query["wait"] = min(left, _LONGEST_WAIT)
        if api.call("GET", "/v1/revocations", query=query)["revocations"]:
            return
