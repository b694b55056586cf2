"""Owns the servers that cannot live in our own environment: `python -m tests.servers.install` sets up `.tools/`.

Swift gets an environment of its own, from `swift.lock` beside this file, since it pins what we pin otherwise. Running
it again does nothing unless the lock has changed.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import subprocess
import venv
from pathlib import Path

__all__ = ["SWIFT", "install_swift"]

_ROOT = Path(__file__).resolve().parents[2]
_LOCK = Path(__file__).with_name("swift.lock")
SWIFT = _ROOT / ".tools" / "swift"


def install_swift() -> None:
    """Make `.tools/swift` what `swift.lock` says, from scratch if it is not. Parallel callers wait for the first."""
    SWIFT.parent.mkdir(exist_ok=True)
    with (SWIFT.parent / "swift.busy").open("w") as busy:
        fcntl.flock(busy, fcntl.LOCK_EX)
        stamp = SWIFT / "lock.sha256"
        wanted = hashlib.sha256(_LOCK.read_bytes()).hexdigest()
        if not stamp.exists() or stamp.read_text() != wanted:
            _install()
            stamp.write_text(wanted)


def _install() -> None:
    shutil.rmtree(SWIFT, ignore_errors=True)
    venv.create(SWIFT, with_pip=True)
    pip = [SWIFT / "bin" / "pip", "--disable-pip-version-check", "--quiet"]
    subprocess.run([*pip, "install", "--require-hashes", "--requirement", _LOCK], check=True)


if __name__ == "__main__":
    install_swift()
