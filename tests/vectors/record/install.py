"""Owns getting a stack onto this machine, below `.tools/record`, and the command that runs a driver with it."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from pathlib import Path

from tests.vectors.record.recipes import Recipe

__all__ = ["command", "prepare", "version_of"]

_ROOT = Path(__file__).resolve().parents[3]
_PLACE = _ROOT / ".tools" / "record"
_GOPATH = "/usr/share/gocode"


def prepare(recipe: Recipe) -> None:
    """Install the stack unless it is there as it is asked for."""
    if recipe.apt:
        subprocess.run([_ROOT / ".ci" / "packages", *recipe.apt], check=True)
    place, wanted = _PLACE / recipe.label, "\n".join((*recipe.pip, *recipe.npm))
    stamp = place / "wanted"
    if not wanted or (stamp.exists() and stamp.read_text() == wanted):
        return
    shutil.rmtree(place, ignore_errors=True)
    if recipe.pip:
        venv.create(place, with_pip=True)
        pip = [place / "bin" / "pip", "--disable-pip-version-check", "-qq", "install"]
        subprocess.run([*pip, *(["--no-deps"] if recipe.bare else []), *recipe.pip], check=True)
    else:
        place.mkdir(parents=True)
        npm = ["npm", "install", "--no-audit", "--no-fund", "--silent", "--prefix", place]
        subprocess.run([*npm, *(["--ignore-scripts"] if recipe.bare else []), *recipe.npm], check=True)
    stamp.write_text(wanted)


def version_of(recipe: Recipe) -> str:
    """The installed version: the one that is pinned, or what Debian's package says."""
    if not recipe.apt or recipe.version:
        return recipe.version
    query = ["dpkg-query", "--show", "--showformat=${Version}", recipe.apt[0]]
    return subprocess.run(query, check=True, capture_output=True, text=True).stdout


def command(recipe: Recipe, driver: Path, work: Path) -> list[str]:
    """How a driver is run with the stack."""
    place = _PLACE / recipe.label
    match driver.suffix:
        case ".py":
            python = place / "bin" / "python" if recipe.pip else sys.executable
            return ["env", f"PATH={place / 'bin'}:/usr/bin:/bin", str(python), "-W", "ignore", str(driver)]
        case ".go":
            go = [
                "env",
                "GO111MODULE=off",
                f"GOPATH={_GOPATH}",
                "GOFLAGS=-p=1",
                f"GOCACHE={_PLACE / 'go'}",
                f"MINIO_GO_VERSION={version_of(recipe)}",
            ]
            return [*go, "go", "run", str(driver)]
        case ".ts":
            bun = place / "node_modules" / ".bin" / "bun"
            return [str(bun), "run", str(driver)]
        case ".cjs" | ".mjs":
            modules = place / "node_modules"
            if driver.suffix == ".mjs":  # found from where the file is, not by NODE_PATH
                shutil.copy(driver, place / driver.name)
                driver = place / driver.name
            return ["env", f"NODE_PATH={modules}", "NODE_NO_WARNINGS=1", "node", str(driver)]
    interpreter = {
        ".pl": "perl",
        ".rb": "ruby",
        ".tcl": "tclsh",
        ".php": "php",
        ".sh": "bash",
        ".lisp": "sbcl --script",
    }
    if driver.suffix == ".java":
        jars = [str(found) for jar in recipe.jars for found in sorted(Path("/").glob(str(place / jar)[1:]))]
        return ["java", f"-Djdk.net.hosts.file={work / 'hosts'}", "-cp", ":".join(jars), str(driver)]
    return [
        "env",
        f"PATH={place / 'bin'}:/usr/bin:/bin",
        f"PLACE={place}",
        *interpreter[driver.suffix].split(),
        str(driver),
    ]
