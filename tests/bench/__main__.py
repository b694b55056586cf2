"""The gateway side by side with what it is compared to, in one run: `make bench`, or `python -m tests.bench`.

Subjects take turns, round after round, and medians are compared, so that a busy machine slows all of them alike. What
is told first are ratios: those can be compared between machines, figures cannot. The result is printed and written to
`tests/bench/RESULTS.md`. `--against NAME=DIRECTORY` puts another checkout of this project beside this one.
"""

from __future__ import annotations

import argparse
import os
import platform
import shlex
import statistics
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from tests.bench.measure import cpu_seconds, curl, resident, stalled_readers, wrk
from tests.bench.signing import verification_cost
from tests.bench.subjects import BARE, LARGE, NGINX, Store, Subject, started

_RESULTS = Path(__file__).with_name("RESULTS.md")
_CONNECTIONS = 32
_READERS = 500
_MIB = 1024**2
_BUSY = (
    "The machine was busy with other work: latencies and the time to ready are those of a queue for the CPU, and CPU "
    "times are higher than on an idle machine. Run it again on a quiet one before quoting any of it."
)

Figures = dict[str, dict[str, list[float]]]


def measure(store: Store, subjects: list[Subject], upload: Path, rounds: int, seconds: int) -> Figures:
    """Every figure of every subject, by name of the figure; each a list with one number a round."""
    figures: Figures = defaultdict(lambda: defaultdict(list))

    def note(figure: str, subject: Subject, work: Callable[..., float], *arguments: object) -> None:
        before = cpu_seconds(subject.pid)
        count = work(*arguments)
        figures[figure][subject.name].append((cpu_seconds(subject.pid) - before) / count)

    for number in range(rounds + 1):
        if number == 1:
            figures.clear()  # the first round warms up
        direct = wrk(store.small, seconds, 1)[1]
        for subject in subjects:
            if subject.small:
                headers = subject.headers()
                note("small", subject, _requests, subject.small, seconds, headers)
                figures["latency"][subject.name].append(wrk(subject.small, seconds, 1, headers)[1] - direct)
            if subject.large:
                note("get", subject, _gibibytes, subject.large)
            if subject.put:
                note("put", subject, _gibibytes, subject.put, "--upload-file", str(upload))
    return figures


def _requests(url: str, seconds: int, headers: list[str]) -> float:
    return wrk(url, seconds, _CONNECTIONS, headers)[0]


def _gibibytes(url: str, *arguments: str) -> float:
    return curl(url, *arguments) / LARGE


def memory(subject: Subject) -> tuple[int, int]:
    """Bytes held when idle, and with many clients that stopped reading."""
    idle = resident(subject.pid)
    with stalled_readers(subject.large, _READERS):
        return idle, resident(subject.pid)


def table(figures: Figures, subjects: list[Subject]) -> Iterator[str]:
    """One row a subject: ratios to the bare prototype and to nginx, then the figures themselves."""
    middle = {
        figure: {name: statistics.median(rows) for name, rows in found.items()} for figure, found in figures.items()
    }
    yield "| subject | 4 KiB GET / bare | 4 KiB GET / nginx | 1 GiB GET / nginx | 1 GiB PUT / nginx "
    yield "| µs CPU a 4 KiB GET | added median ms | CPU-s a GiB, GET | CPU-s a GiB, PUT |\n"
    yield "|---|---|---|---|---|---|---|---|---|\n"
    for subject in subjects:
        name = subject.name

        def ratio(figure: str, to: str, name: str = name) -> str:
            return f"{middle[figure][name] / middle[figure][to]:.2f}" if name in middle[figure] else "–"

        def plain(figure: str, scale: float, name: str = name) -> str:
            return f"{middle[figure][name] * scale:.2f}" if name in middle[figure] else "–"

        cells = [ratio("small", BARE), ratio("small", NGINX), ratio("get", NGINX), ratio("put", NGINX)]
        cells += [plain("small", 1e6), plain("latency", 1), plain("get", 1), plain("put", 1)]
        yield f"| {name} | {' | '.join(cells)} |\n"


def report(figures: Figures, subjects: list[Subject], rounds: int, held: dict[str, tuple[int, int]]) -> str:
    """The whole of the results file."""
    told = ["# Speed, side by side in one run\n\n"]
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    told.append(
        f"{datetime.now(UTC):%Y-%m-%d}, {len(os.sched_getaffinity(0))} CPUs ({model}), Linux {platform.release()}, "
        f"Python {platform.python_version()}, load average {os.getloadavg()[0]:.1f}.\n"
        f"Made by `python -m tests.bench {shlex.join(sys.argv[1:])}`.\n\n"
        f"Medians of {rounds} interleaved rounds. CPU time is what the kernel booked on the subject's process, threads "
        f"and children; subjects run on one CPU, store and load on another. Small objects: {_CONNECTIONS} connections "
        "of wrk; latency: one connection, less the store's own. Lower is better everywhere.\n\n"
    )
    if os.getloadavg()[0] > 2 * len(os.sched_getaffinity(0)):
        told.append(f"{_BUSY}\n\n")
    told.extend(table(figures, subjects))
    told.append("\n| gateway | ready after s | idle MiB | MiB with 500 stalled readers |\n|---|---|---|---|\n")
    for subject in subjects:
        if subject.name in held:
            idle, stalled = held[subject.name]
            told.append(
                f"| {subject.name} | {subject.seconds_to_ready:.2f} | {idle / _MIB:.0f} | {stalled / _MIB:.0f} |\n"
            )
    header, query = verification_cost()
    told.append(
        f"\nReading and verifying a signature alone: {header:.1f} µs for a signed header, {query:.1f} µs for a "
        "presigned query.\n\nThe row that signs in njs stands for gateways that sign inside nginx: the least that a "
        "signature costs there, with a cached signing key and without any check of the caller.\n"
    )
    return "".join(told)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=2, help="of each load of small objects")
    parser.add_argument("--against", action="append", default=[], metavar="NAME=DIRECTORY")
    parser.add_argument("--directory", type=Path, help="where the store's files go for the run")
    options = parser.parse_args()
    others = {name: Path(tree).resolve() for name, _, tree in (text.partition("=") for text in options.against)}
    with (
        tempfile.TemporaryDirectory(prefix="bench-", dir=options.directory) as place,
        started(Path(place), others) as (store, subjects),
    ):
        figures = measure(store, subjects, store.upload, options.rounds, options.seconds)
        held = {subject.name: memory(subject) for subject in subjects if subject.seconds_to_ready}
        text = report(figures, subjects, options.rounds, held)
    _RESULTS.write_text(text)
    sys.stdout.write(text)


if __name__ == "__main__":
    main()
