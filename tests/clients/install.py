"""Owns the S3 clients that people use, each as it is published: `python -m tests.clients.install [GROUP...]`.

They get environments of their own below `.tools/clients`, since their versions of botocore are not ours; each group is
what its lock file beside this one says. Running it again does nothing unless a lock has changed.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path

__all__ = ["CORE", "GROUPS", "NODE", "PLAYERS", "UPLOADS", "UPPY", "command", "install", "program"]

_HERE = Path(__file__).resolve().parent
_PLACE = _HERE.parents[1] / ".tools" / "clients"
CORE = ("core", "node")
GROUPS = (*CORE, "bun", "frames", "go", "players", "s3fs", "tables", "tuspy", "uploads", "uppy")
NODE = _PLACE / "node"
PLAYERS = _PLACE / "players"
UPLOADS = _PLACE / "uploads"
UPPY = _PLACE / "uppy"
_NPM = {"node": _HERE} | {name: _HERE / name for name in ("bun", "players", "uploads", "uppy")}
_DEBIAN = {"go": ("golang-github-minio-minio-go-v7-dev", "golang-go")}
"""Groups that are Debian's packages: minio-go's source with what it needs, and a compiler for it."""


def program(group: str, name: str) -> Path:
    """Where a Python group's command is. It need not be installed yet."""
    return _PLACE / group / "bin" / name


def command(group: str, driver: Path) -> list[str]:
    """How a driver is run with its group."""
    match driver.suffix:
        case ".cjs":
            return ["env", f"NODE_PATH={NODE / 'node_modules'}", "node", str(driver)]
        case ".ts":
            return [str(_PLACE / "bun/node_modules/@oven/bun-linux-x64-baseline/bin/bun"), "run", str(driver)]
        case ".go":
            return ["env", f"MINIO_GO_VERSION={_packaged(_DEBIAN[group][0])}", str(_built(driver))]
    return [str(program(group, "python")), "-W", "ignore", str(driver)]


def _packaged(package: str) -> str:
    """The version of an installed package of Debian's, without Debian's own part."""
    query = ["dpkg-query", "--show", "--showformat=${Version}", package]
    return subprocess.run(query, check=True, capture_output=True, text=True).stdout.partition("-")[0]


def _built(driver: Path) -> Path:
    """The program of a Go driver, built from Debian's sources alone."""
    made = _PLACE / driver.stem
    settings = {"GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOCACHE": str(_PLACE / "go-cache")}
    subprocess.run(["go", "build", "-o", made, driver], env=os.environ | settings, check=True)
    return made


def install(*groups: str) -> None:
    """Make these groups what their locks say, each from scratch if it is not. Parallel callers wait for the first."""
    _PLACE.mkdir(parents=True, exist_ok=True)
    for group in groups:
        with (_PLACE / f"{group}.busy").open("w") as busy:
            fcntl.flock(busy, fcntl.LOCK_EX)
            _install(group)


def _install(group: str) -> None:
    if group in _DEBIAN:
        subprocess.run([_HERE.parents[1] / ".ci" / "packages", *_DEBIAN[group]], check=True)
        return
    lock = _NPM[group] / "package-lock.json" if group in _NPM else _HERE / f"{group}.lock"
    place, wanted = _PLACE / group, hashlib.sha256(lock.read_bytes()).hexdigest()
    stamp = place / "lock.sha256"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    shutil.rmtree(place, ignore_errors=True)
    if group in _NPM:
        _install_node(place, _NPM[group])
    else:
        venv.create(place, with_pip=True)
        pip = [place / "bin" / "pip", "--disable-pip-version-check", "-qq"]
        subprocess.run([*pip, "install", "--require-hashes", "--requirement", lock], check=True)
    stamp.write_text(wanted)


def _install_node(place: Path, source: Path) -> None:
    place.mkdir()
    for name in ("package.json", "package-lock.json"):
        shutil.copy(source / name, place)
    subprocess.run(["npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=place, check=True)


if __name__ == "__main__":
    install(*(sys.argv[1:] or GROUPS))
