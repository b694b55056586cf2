"""Owns the long runs of this folder as one command, which writes what they print to `RESULTS.md`.

Refuses to own what is measured: each run is a program of its own, and fails by its own exit code.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

_RUNS = ("rolling", "corruption", "image")
_RESULTS = Path(__file__).with_name("RESULTS.md")


def _main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.ops", description="Twenty minutes on two free cores.")
    parser.add_argument("--restarts", type=int, default=100, help="of a fleet of two, under load")
    parser.add_argument("--reloads", type=int, default=1000, help="with a corrupted file each")
    parser.add_argument("--only", choices=_RUNS, action="append", help="one run, written nowhere; may be repeated")
    chosen = parser.parse_args()
    arguments = {"rolling": [str(chosen.restarts)], "corruption": [str(chosen.reloads)]}
    text = [
        "# The gateway in operation: the last long runs",
        "",
        f"Written by `make ops`, on {os.cpu_count()} cores; [README.md](README.md) says what each run does.",
        "",
    ]
    failed = False
    for name in chosen.only or _RUNS:
        command = ["python", "-m", f"tests.ops.{name}", *arguments.get(name, [])]
        run = subprocess.run([sys.executable, *command[1:]], stdout=subprocess.PIPE, text=True, check=False)
        failed = failed or run.returncode != 0
        text += [f"`{' '.join(command)}` ended with {run.returncode}:", "", "```", run.stdout.rstrip(), "```", ""]
        print(*text[-6:], sep="\n", flush=True)
    if not chosen.only:
        _RESULTS.write_text("\n".join(text))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(_main())
