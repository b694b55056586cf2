"""The gateway side by side with what it is compared to, in one run: `make bench`, or `python -m tests.bench`.

Subjects take turns, round after round, so that a busy machine slows all of them alike; ratios are taken within a round.
They can be compared between machines, figures cannot. A whole run takes twenty minutes, writes `RESULTS.md` beside this
file, and the figures of `helm/CAPACITY.md` and the README.

    --quick                 three rounds of smaller loads: a few minutes, written nowhere
    --only get4k,put4k      these rows; `--list` names them; written nowhere
    --tree DIRECTORY        the gateway of another checkout; written nowhere
    --write                 what was measured is written all the same
    --here                  in the machine's own network, whose TCP may be set to pace what is sent

What misses its aim is told once more, with the part of `COSTS.md` that says what it is made of, which is made by
`make profile ARGS=--write`. `make profile` tells where the time of a request goes, `make bench-check` whether it takes
more than it did.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path

from tests.bench import capacity
from tests.bench.extents import EXTENTS, Extent, extents
from tests.bench.instructions import stored
from tests.bench.load import SOURCE
from tests.bench.machine import interpreter, machine
from tests.bench.missed import missed
from tests.bench.network import set_apart
from tests.bench.peers import envoy_program
from tests.bench.rounds import Compared, compare
from tests.bench.rows import ROWS
from tests.bench.scene import Sizes, scene
from tests.bench.signing import verification_cost

_RESULTS = Path(__file__).with_name("RESULTS.md")
_WHOLE = Sizes(rounds=5, seconds=1, large=1 << 30, stalled=(500, 2000))
_QUICK = Sizes(rounds=3, seconds=1, large=1 << 28, stalled=(500,))
_NOT_QUICK = ("weed*", "rclone*", "envoy*", "haproxy*", "million", "*workers")


def chosen(only: str, quick: bool) -> tuple[list[str], list[str]]:
    """The names of the rows and of the extents. Raises KeyError for a name that there is none of."""
    if only:
        names = only.split(",")
        unknown = set(names) - {*ROWS, *EXTENTS}
        if unknown:
            raise KeyError(", ".join(sorted(unknown)))
        return [name for name in ROWS if name in names], [name for name in EXTENTS if name in names]
    left_out = _NOT_QUICK if quick else ()
    rows, others = (
        [name for name in table if not any(fnmatch(name, pattern) for pattern in left_out)] for table in (ROWS, EXTENTS)
    )
    return rows, others


def report(compared: Mapping[str, Compared], told: Sequence[Extent], sizes: Sizes, load: float) -> Iterator[str]:
    """The whole of the results, in lines."""
    yield "# Speed, side by side in one run\n"
    yield f"{datetime.now(UTC):%Y-%m-%d}; {interpreter()}; {machine()} (at the beginning {load:.1f})."
    made = "`python -m tests.bench`" + (f", {len(compared)} rows" if len(compared) < len(ROWS) else "")
    yield f"Made by {made}; a figure is the middle of its rounds, in brackets the least and the most.\n"
    if load > 1.0:
        yield (
            "The machine was shared with other work: ratios of CPU time hold within their spread; latencies and the "
            "time to ready are those of a queue for the CPU.\n"
        )
    yield f"{SOURCE}\n"
    if compared:
        yield f"## CPU time, ours / theirs, {sizes.rounds} rounds, large objects of {sizes.large >> 20} MiB\n"
        yield "| what / against what | now | ours / theirs | reach | then |\n|---|---|---|---|---|"
        yield from map(str, compared.values())
        yield ""
    if told:
        yield "## Latency, memory, start\n"
        yield "| what | now | reach | then |\n|---|---|---|---|"
        yield from map(str, told)
        yield ""
    yield from missed(compared, told)
    header, query = verification_cost()
    yield f"Reading and verifying a signature alone: {header:.1f} µs for a signed header, {query:.1f} µs for a query.\n"
    counts = stored(interpreter())
    if counts:
        yield "## Instructions of one request, by callgrind\n"
        yield "The last that `make bench-check` compared with; they do not depend on what else the machine does.\n"
        yield "| request | instructions |\n|---|---|"
        yield from (f"| {name} | {count:,} |" for name, count in counts.items())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--only", default="", metavar="ROW,…")
    parser.add_argument("--list", action="store_true", help="name the rows")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--tree", type=Path, metavar="DIRECTORY")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--here", action="store_true")
    options = parser.parse_args()
    if options.list:
        sys.stdout.write("".join(f"{name:20} {row.title}\n" for name, row in ROWS.items()))
        sys.stdout.write(
            "".join(f"{name:20} {(extent.__doc__ or '').splitlines()[0]}\n" for name, extent in EXTENTS.items())
        )
        return 0
    try:
        rows, names = chosen(options.only, options.quick)
    except KeyError as unknown:
        parser.error(f"no row is called {unknown}; `--list` names them")
    usual = _QUICK if options.quick else _WHOLE
    sizes = Sizes(options.rounds or usual.rounds, usual.seconds, usual.large, usual.stalled)
    if not options.here:
        if any(name.startswith("envoy") for name in rows):
            envoy_program()  # where it is still to be installed, that needs the network
        set_apart()
    load = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        place = Path(name)
        place.chmod(0o755)
        with scene(place, sizes, options.tree) as standing:
            compared = compare(standing, {name: ROWS[name] for name in rows})
            told = list(extents(standing, names))
    text = "\n".join(report(compared, told, sizes, load)) + "\n"
    sys.stdout.write(text)
    if options.write or not (options.only or options.quick or options.tree):
        _RESULTS.write_text(text)
        capacity.write(compared, told)
    return 0


if __name__ == "__main__":
    sys.exit(main())
