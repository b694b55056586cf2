"""How long a start takes and how much an idle gateway holds: `python -m tests.bench.start`.

Bytecode is compiled beforehand, as in the image, into a directory of its own. Each figure is the least of several
starts: a busy machine adds to all of them and takes from none. CPU time says more than seconds where others work too.
`--against NAME=DIRECTORY` puts another checkout of this project beside this one, in turns.
"""

from __future__ import annotations

import argparse
import compileall
import http.client
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.measure import cpu_seconds
from tests.servers.process import await_port, free_ports, running

_HERE = Path(__file__).resolve().parents[2]
_ENVIRON = {"ADMIN": "an-admin-token-for-the-bench-0123456789", "KEY": "AKIABENCH", "SECRET": "secret"}
_MIB = 1024**2
_OBJECTS = "(objects of Python, large blocks, stacks of threads)"
_SETTLED = 1.5
"""Seconds after which a start's own work is over and freed memory is given back."""

_SETTINGS = """
data: {{listen: "127.0.0.1:{data}", public_url: "http://127.0.0.1:{data}"}}
control: {{listen: "127.0.0.1:{control}", tokens: [{{name: ops, secret: "env:ADMIN"}}]}}
state: "{state}"
"""

_POLICY = """
backends:
  lab: {profile: generic, endpoint: "http://127.0.0.1:9", region: us-east-1,
        credentials: {access_key: "env:KEY", secret_key: "env:SECRET"}}
buckets: {reports: {backend: lab}}
rules: [{name: all, who: ["app:billing"], may: [read, share], on: "reports/**"}]
"""


@dataclass(frozen=True, slots=True)
class Start:
    """Seconds to ready, and of CPU until then; bytes when idle, `own` of them its alone, and after a scrape; `mapped`
    tells those when idle by what they are mapped from."""

    ready: float
    cpu: float
    resident: int
    own: int
    scraped: int
    mapped: Mapping[str, int]


_INTERPRETER = "(interpreter)"
_OTHER = "the standard library's and others' modules"
_FIGURES = ("ready", "cpu", "resident", "own", "scraped")


def started(code: Path, state: str) -> Start:
    """One start of the gateway whose package lies in `code`."""
    with tempfile.TemporaryDirectory() as name:
        directory, (data, control) = Path(name), free_ports(2)
        (directory / "policies").mkdir()
        (directory / "policies" / "p.yaml").write_text(_POLICY)
        (directory / "gateway.yaml").write_text(_SETTINGS.format(data=data, control=control, state=state))
        log = directory / "gateway.log"
        began = time.monotonic()
        command = [sys.executable, "-m", "gateway", "serve"]
        with running(command, log, {**_ENVIRON, "PYTHONPATH": str(code)}, directory) as child:
            await_port(data, child, log)
            ready, cpu = time.monotonic() - began, cpu_seconds(child.pid)
            time.sleep(_SETTLED)
            resident, own = _memory(child.pid)
            mapped = by_mapping(Path(f"/proc/{child.pid}/smaps").read_text())
            with closing(http.client.HTTPConnection("127.0.0.1", control, timeout=30)) as connection:
                connection.request("GET", "/metrics")
                connection.getresponse().read()
            return Start(ready, cpu, resident, own, _memory(child.pid)[0], mapped)


def _memory(pid: int) -> tuple[int, int]:
    """What a process holds, and what of it is written by itself alone."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    found = {name: int(size) * 1024 for name, size in re.findall(r"(\w+):\s+(\d+) kB", text)}
    return found["Rss"], found["Private_Dirty"]


def by_mapping(smaps: str) -> dict[str, int]:
    """Resident bytes by what /proc/PID/smaps says they are mapped from, the largest first: a file's name up to its
    first dot, whatever its directory; what is from no file is the C library's heap, a stack, or the interpreter's."""
    found: dict[str, int] = {}
    for head, size in re.findall(r"^([0-9a-f]+-.*)$(?:\n\w+:.*)*?\nRss:\s+(\d+) kB", smaps, re.MULTILINE):
        place = "".join(head.split(maxsplit=5)[5:])
        name = place if place.startswith("[") else Path(place).name.partition(".")[0]
        found[name or _OBJECTS] = found.get(name or _OBJECTS, 0) + int(size) * 1024
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


@contextmanager
def compiled(checkout: Path) -> Iterator[Path]:
    """A copy of a checkout's package with its bytecode."""
    with tempfile.TemporaryDirectory() as name:
        shutil.copytree(checkout / "gateway", Path(name) / "gateway", ignore=shutil.ignore_patterns("__pycache__"))
        compileall.compile_dir(name, quiet=1)
        yield Path(name)


def imports(code: Path, count: int) -> Iterator[str]:
    """What costs most to import, by package, in milliseconds of its own."""
    script = "from gateway.cli import _keep_out; _keep_out(); import gateway.cli.serve, gateway.app"
    command = [sys.executable, "-X", "importtime", "-c", script]
    environ = {**os.environ, "PYTHONPATH": str(code)}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=True)
    spent: dict[str, int] = {}
    for own, name in re.findall(r"import time:\s+(\d+) \|\s+\d+ \|\s*(\S+)", done.stderr):
        place = ".".join(name.split(".")[: 2 if name.startswith("gateway.") else 1])
        spent[place] = spent.get(place, 0) + int(own)
    for name, own in sorted(spent.items(), key=lambda pair: -pair[1])[:count]:
        yield f"{own / 1000:8.1f}  {name}"


_HELD = """
import collections, importlib._bootstrap_external as loaders, json, sys

def held():
    with open("/proc/self/statm") as told:
        return int(told.read().split()[1]) * 4096

inside, own = [], collections.Counter({"(interpreter)": held()})

def around(loader, name):
    original = getattr(loader, name)
    def measured(self, what):
        before = held()
        inside.append(0)
        try:
            return original(self, what)
        finally:
            grown = held() - before
            parts = (getattr(what, "__name__", "") or what.name).split(".")
            own[".".join(parts[: 2 if parts[0] == "gateway" else 1])] += grown - inside.pop()
            if inside:
                inside[-1] += grown
    setattr(loader, name, measured)

around(loaders.SourceLoader, "exec_module")
around(loaders.ExtensionFileLoader, "create_module")
from gateway.cli import _keep_out
_keep_out()
import gateway.cli.serve, gateway.app, uvloop
print(json.dumps(own))
"""


PURPOSES = {
    "settings and policies: their grammar, and what reads it": (
        "pydantic pydantic_core annotated_types typing_extensions typing_inspection yaml decimal _decimal numbers "
        "fractions zoneinfo _zoneinfo sysconfig _sysconfigdata__x86_64-linux-gnu gateway.settings gateway.schema"
    ),
    "TLS and hashes: OpenSSL": "ssl _ssl hashlib _hashlib hmac",
    "event loop, sockets, heads": "asyncio uvloop httptools concurrent socket _socket selectors select _asyncio",
    "command line": "click gettext gateway.cli",
    "log": "structlog logging",
    "the rest of the gateway": "gateway",
}
"""What packages are there for; a package is counted where it is named, else where what it is a part of is named."""


def held_by_purpose(packages: Mapping[str, int]) -> dict[str, int]:
    """What `held_by_package` found, summed by what it is there for; what nobody names is other libraries'."""
    named = {package: purpose for purpose, names in PURPOSES.items() for package in names.split()}
    found: dict[str, int] = {}
    for package, size in packages.items():
        purpose = named.get(package) or named.get(package.partition(".")[0], _OTHER)
        purpose = package if package == _INTERPRETER else purpose
        found[purpose] = found.get(purpose, 0) + size
    return dict(sorted(found.items(), key=lambda pair: -pair[1]))


def held_by_package(code: Path) -> dict[str, int]:
    """Bytes that a start's imports hold, by package, the largest first, and the interpreter before them."""
    environ = {**os.environ, "PYTHONPATH": str(code)}
    done = subprocess.run([sys.executable, "-c", _HELD], env=environ, capture_output=True, text=True, check=True)
    return dict(sorted(json.loads(done.stdout).items(), key=lambda pair: -pair[1]))


def _tell(*lines: str) -> None:
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--imports", type=int, default=0, metavar="N", help="show the N packages that cost most")
    parser.add_argument("--against", action="append", default=[], metavar="NAME=DIRECTORY")
    chosen = parser.parse_args()
    checkouts = {"gateway": _HERE} | {name: Path(path) for name, _, path in (o.partition("=") for o in chosen.against)}
    row = "{:24} {:>8} {:>8} {:>9} {:>9} {:>9}"
    _tell(row.format("", "ready s", "CPU s", "idle MiB", "own MiB", "scraped"))
    for state in ("memory://", "sqlite:///gateway.db"):
        found: dict[str, list[Start]] = {name: [] for name in checkouts}
        for _ in range(chosen.rounds):
            for name, checkout in checkouts.items():
                with compiled(checkout) as code:
                    found[name].append(started(code, state))
        for name, starts in found.items():
            least = [min(getattr(one, figure) for one in starts) for figure in _FIGURES]
            sizes = (f"{size / _MIB:.1f}" for size in least[2:])
            _tell(row.format(f"{name}, {state.partition(':')[0]}", f"{least[0]:.2f}", f"{least[1]:.2f}", *sizes))
    if chosen.imports:
        with compiled(_HERE) as code:
            _tell(*imports(code, chosen.imports))


if __name__ == "__main__":
    main()
