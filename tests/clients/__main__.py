"""`python -m tests.clients [CLIENT...]`: all clients against a gateway before SeaweedFS; writes `RESULTS.md`."""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path

from tests.clients.run import CLIENTS, COUNT, STEPS, Outcome, Step, drive, stock
from tests.clients.tables import TABLES, write_table
from tests.e2e.place import Place
from tests.servers.gateway import gateway_before
from tests.servers.seaweedfs import seaweedfs_store

_RESULTS = Path(__file__).with_name("RESULTS.md")
_SIZE = 200 * 1024 * 1024
_HEAD = """# S3 clients through the gateway

Written by `make clients`. Each client is as published, knows only the gateway's address and a key it issued, and works
on a bucket of the gateway with SeaweedFS behind it. What it wrote and removed is checked past the gateway.

- **list**: {count:,} keys · **multipart**: {size} MiB up and down · **unicode**: put, get and list of such a key
- ✔ works · – the client has no such operation · ✘ does not work
"""


def main(wanted: list[str]) -> int:
    """0 if every client did everything it offers."""
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="clients-") as home:
        directory = Path(home)
        (directory / "store").mkdir()
        with (
            seaweedfs_store(directory / "store") as store,
            gateway_before([store], directory / "gateway") as gateway,
        ):
            place = Place.before(gateway, store)
            stock(place)
            for client in CLIENTS:
                if wanted and client.name not in wanted:
                    continue
                work = directory / client.driver
                work.mkdir()
                began = time.monotonic()
                outcome = drive(client, place, work, _SIZE)
                outcomes.append(outcome)
                _say(f"{client.name} {outcome.version}: {time.monotonic() - began:.0f} s {outcome.faults or '✔'}")
                if outcome.faults:
                    _say((work / "driver.log").read_text()[-3000:])
                (work / "big.bin").unlink()
                (work / "back.bin").unlink(missing_ok=True)
            tables = _tables(place, directory, wanted)
    if not wanted:
        _RESULTS.write_text(_table(outcomes) + _table_formats(tables))
    return 1 if any(outcome.faults for outcome in outcomes) or any(not step.ok for _, _, step in tables) else 0


def _tables(place: Place, directory: Path, wanted: list[str]) -> list[tuple[str, str, Step]]:
    """Each table format's name, version and outcome."""
    found = []
    for table in TABLES:
        if wanted and table.name not in wanted:
            continue
        work = directory / table.step
        work.mkdir()
        version, step = write_table(table, place, work)
        found.append((table.name, version, step))
        _say(f"{table.name} {version}: {step.said or '✔'}")
    return found


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _table(outcomes: list[Outcome]) -> str:
    lines = [_HEAD.format(count=COUNT, size=_SIZE // 1024**2)]
    lines.append(f"| client | version | {' | '.join(STEPS)} |")
    lines.append("|" + "---|" * (len(STEPS) + 2))
    for outcome in outcomes:
        cells = (_cell(outcome.steps[name]) for name in STEPS)
        lines.append(f"| {outcome.client.name} | {outcome.version} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _table_formats(tables: list[tuple[str, str, Step]]) -> str:
    lines = ["", "A table is begun, added to and read again by each engine's own S3 client.", ""]
    lines += ["| table format | version | outcome |", "|---|---|---|"]
    lines += [f"| {name} | {version} | {_cell(step)} |" for name, version, step in tables]
    return "\n".join(lines) + "\n"


def _cell(step: Step) -> str:
    if step.ok is None:
        return "–"
    mark = "✔" if step.ok else "✘"
    return f"{mark} {step.said}".strip().replace("|", "/").replace("\n", " ")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
