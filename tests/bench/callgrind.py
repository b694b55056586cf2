"""Owns the gateway under callgrind: instructions of one window of requests after another, warm, start not counted.

Refuses to own what is sent and what is done with the counts (`tests.bench.instructions`, `tests.bench.costs`).

Law: what is counted does not depend on how busy the machine is. A process under callgrind is forty times slower, and
slower still on a busy machine, so its clock is slowed a hundred times: what comes by the clock comes hardly at all.
Threads are told apart, since the other ones' work falls anywhere.
"""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.store import Stand
from tests.servers.gateway import RunningGateway, gateway_before
from tests.servers.store import RunningStore

__all__ = ["ENVIRON", "Counting", "Window", "counted_gateway"]

ENVIRON = {"PYTHONPATH": str(Path.cwd()), "PYTHONHASHSEED": "1", "PYTHONDONTWRITEBYTECODE": ""}
_RATE = 0.01
_REST = 0.03
_TOTAL = re.compile(r"^totals: (\d+)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Window:
    """Instructions of the thread that answers, and of all threads."""

    main: int
    all: int


@dataclass
class Counting:
    """A gateway whose instructions are counted since `begin`, in windows that end with `window`."""

    gateway: RunningGateway
    output: Path
    windows: int = field(default=0)

    def switch_on(self) -> None:
        self._tell("--instr=on")

    def begin(self) -> None:
        self.switch_on()
        self.window()

    def window(self) -> Window:
        """Instructions since the last window ended, all of what was begun in it: an answer leaves before its end."""
        self._await_rest()
        self._tell("--dump")
        self.windows += 1
        return self.read(self.windows)

    def read(self, dump: int) -> Window:
        """What one dump tells, which is then thrown away."""
        threads = {}
        for part in self.output.parent.glob(f"{self.output.name}.{dump}-*"):
            threads[part.suffix] = sum(int(found) for found in _TOTAL.findall(part.read_text()))
            part.unlink()
        return Window(threads.get(f".{dump}-01", 0), sum(threads.values()))

    def behind(self) -> None:
        """Return when what is done in batches behind the answers is done: a quarter of a second of the slow clock."""
        time.sleep(0.27 / _RATE)

    def _await_rest(self) -> None:
        """Return when no thread has run, or waited to run, for a while."""
        before, since = None, time.monotonic()
        while before is None or time.monotonic() - since < _REST:
            now = [
                (task / "stat").read_text().rpartition(")")[2].split()[0] + (task / "schedstat").read_text()
                for task in Path(f"/proc/{self.gateway.pid}/task").iterdir()
            ]
            if now != before or any(state.startswith("R") for state in now):
                before, since = now, time.monotonic()
            time.sleep(_REST / 5)

    def _tell(self, order: str) -> None:
        told = subprocess.run(
            ["callgrind_control", order, str(self.gateway.pid)], check=True, capture_output=True, text=True, timeout=120
        )
        if "OK" not in told.stdout:
            raise RuntimeError(told.stdout + told.stderr)


def _slow_clock() -> dict[str, str]:
    [library] = Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")
    return {"LD_PRELOAD": str(library), "FAKETIME": f"+0 x{_RATE}"}


@contextmanager
def counted_gateway(
    stands: Sequence[Stand | RunningStore],
    place: Path,
    module: str = "gateway",
    tree: Path | None = None,
    options: Sequence[str] = (),
    environ: Mapping[str, str] | None = None,
) -> Iterator[Counting]:
    """`python -m MODULE serve` under callgrind, from the checkout in `tree`; counting has not begun."""
    output = place / "counts"
    prefix = [
        "setarch",
        "-R",  # addresses are the same in each run
        "valgrind",
        "--tool=callgrind",
        f"--callgrind-out-file={output}",
        "--instr-atstart=no",
        "--separate-threads=yes",
        *options,
        sys.executable,
    ]
    variables = ENVIRON | ({"PYTHONPATH": str(tree)} if tree else {}) | _slow_clock() | dict(environ or {})
    with gateway_before(
        list(stands),  # type: ignore[arg-type]
        place / "home",
        environ=variables,
        interpreter=prefix,
        module=module,
        within=240,
    ) as gateway:
        yield Counting(gateway, output)
