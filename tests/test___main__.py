"""`python -m gateway` is the command."""

from __future__ import annotations

import subprocess
import sys

from gateway import __version__


def test_the_module_runs_the_command():
    """With its own name in the help, whatever the interpreter calls the file."""
    done = subprocess.run(
        [sys.executable, "-m", "gateway", "--version"], capture_output=True, text=True, check=True, timeout=30
    )
    assert done.stdout == f"gateway, version {__version__}\n"
