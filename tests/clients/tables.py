"""Owns table formats as clients: a table is begun, added to and read again, by each engine's own S3 client."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.clients.install import command, install
from tests.clients.run import DRIVERS, Step, environ
from tests.e2e.place import Place

__all__ = ["TABLES", "Table", "write_table"]

_GROUP = "tables"


@dataclass(frozen=True, slots=True)
class Table:
    """A format and its engine: the name of its step in the driver, and the package whose version is told."""

    name: str
    step: str
    package: str


TABLES = (
    Table("Delta Lake", "delta", "deltalake"),
    Table("Iceberg", "iceberg", "pyiceberg"),
    Table("Lance", "lance", "pylance"),
    Table("Zarr in Icechunk", "icechunk", "icechunk"),
)


def write_table(table: Table, place: Place, work: Path) -> tuple[str, Step]:
    """The engine's version, and what came of its table. What it wrote is looked for past the gateway."""
    install(_GROUP)
    prefix = f"tables/{table.step}/"
    done = subprocess.run(
        command(_GROUP, DRIVERS / "drive_tables.py"),
        check=False,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=work,
        env=environ(place, work, prefix) | {"TABLE": table.step, "PACKAGE": table.package},
    )
    told = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    version = next((line["version"] for line in told if "version" in line), "?")
    step = next((Step(line["ok"], line["said"]) for line in told if "step" in line), None)
    if step is None:
        return version, Step(ok=False, said=f"no answer; {done.stderr[-300:]}")
    found = place.store.client().list_objects_v2(Bucket=place.real_bucket, Prefix=f"inside/{prefix}")
    if step.ok and not found.get("KeyCount"):
        return version, Step(ok=False, said="the client is content, but the store has nothing")
    return version, step
