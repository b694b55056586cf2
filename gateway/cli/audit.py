"""Owns the commands about the ledger: `audit export`, `audit verify`, `audit records`.

Refuses to own the chain (`gateway.core.trail`).

Law: a trail is checked here, from what was given away, never by the gateway that keeps it.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any

import click

from gateway.cli.client import control
from gateway.cli.output import Commands, Exit, fail, json_option, print_json, say
from gateway.core.record import TrailHead
from gateway.core.trail import Inspection, entry_of, head_of

_SHOWN = 20


@click.group(cls=Commands)
def audit() -> None:
    """Export and verify the audit trail, export records."""


@audit.command()
@click.option(
    "-o", "--out", type=click.File("w", encoding="ascii", atomic=True), default="-", help="A file; - is the output."
)
def export(out: IO[str]) -> None:
    """Write the whole audit trail as JSON lines; the last line is its head."""
    head = TrailHead()
    for entries, found in _read_pages():
        for fields in entries:
            out.write(json.dumps(fields, sort_keys=True) + "\n")
        head = found or head
    out.write(json.dumps({"head": {"number": head.number, "digest": head.digest}}) + "\n")
    say(f"{head.number} entries, head {head}")


@audit.command()
@click.option("--file", "exported", type=click.File("r"), help="An export, instead of the gateway's own trail.")
@click.option("--head", "noted", help="A head that was noted before, as NUMBER:DIGEST; the trail has to hold it.")
@json_option
def verify(*, exported: IO[str] | None, noted: str | None, as_json: bool) -> None:
    """Check that no entry was changed, removed, added or moved.

    Note the printed head somewhere else and give it as --head the next time: that shows a trail made anew as a whole.
    """
    try:
        known = None if noted is None else head_of(noted)
    except ValueError as error:
        raise click.UsageError(f"--head: {error}.") from None
    inspection = Inspection(known=known)
    faults: list[str] = []
    head: TrailHead | None = None
    for entries, found in _read_pages() if exported is None else _read_export(exported):
        for fields in entries:
            try:
                faults += inspection.faults([entry_of(fields)])
            except ValueError:
                faults.append(f"after entry {inspection.reached.number} comes something that is no entry")
        head = found
    faults += inspection.end(head)
    if as_json:
        print_json({"entries": inspection.reached.number, "head": str(inspection.reached), "faults": faults})
    else:
        for fault in faults[:_SHOWN]:
            say(fault)
        if not faults:
            click.echo(f"{inspection.reached.number} entries are whole, head {inspection.reached}")
    if faults:
        fail(f"the audit trail has {len(faults)} fault{'s' if len(faults) > 1 else ''}.")


@audit.command()
@click.option(
    "-o", "--out", type=click.File("w", encoding="ascii", atomic=True), default="-", help="A file; - is the output."
)
def records(out: IO[str]) -> None:
    """Write every record that is kept as JSON lines, in the store's order."""
    count = 0
    for record in control().pages("/v1/records", "records", {}, 2**63):
        out.write(json.dumps(record, sort_keys=True) + "\n")
        count += 1
    say(f"{count} records")


def _read_pages() -> Iterator[tuple[list[dict[str, Any]], TrailHead | None]]:
    """The gateway's trail up to the head that it has when the last page is read."""
    api, after = control(), 0
    while True:
        answer = api.call("GET", "/v1/audit", query={"after": after})
        entries = answer.get("entries", [])
        head = _read_head(answer.get("head"))
        yield entries, head
        if not entries:
            return
        after = int(entries[-1]["number"])


def _read_export(exported: IO[str]) -> Iterator[tuple[list[dict[str, Any]], TrailHead | None]]:
    """An export's entries; the head comes with its last line, which must be the last."""
    head: TrailHead | None = None
    for number, line in enumerate(exported, 1):
        try:
            value = json.loads(line)
        except ValueError:
            value = None
        if not isinstance(value, dict):
            fail(f"line {number} is no JSON object.", Exit.FAILED)
        if value.keys() == {"head"}:
            head = _read_head(value["head"])
            yield [], head
        else:
            head = None
            yield [value], head


def _read_head(value: Any) -> TrailHead | None:
    match value:
        case {"number": int(number), "digest": str(digest)}:
            return TrailHead(number, digest)
        case _:
            return None
