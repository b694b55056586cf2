"""What is installed is what was locked, and the image holds what it needs."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[1]
_PIN = re.compile(r"^([a-z0-9._-]+)(?:\[[^]]*\])?==(\S+)", re.MULTILINE)


def _pins(name: str) -> dict[str, str]:
    return dict(_PIN.findall((_ROOT / name).read_text()))


def _normal(requirement: str) -> str:
    return re.split(r"[\[<>=;! ]", requirement, maxsplit=1)[0].lower().replace("_", "-")


def test_the_two_locks_agree() -> None:
    """What the image runs is what the tests ran: the same versions, in the lock of tests and in the shorter one."""
    runtime, dev = _pins("requirements.lock"), _pins(".ci/dev.lock")
    assert runtime
    assert runtime == {name: dev.get(name) for name in runtime}


def test_every_dependency_is_locked_with_hashes() -> None:
    """Each declared dependency is pinned, and each pin has a hash of at least one file."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    dev = _pins(".ci/dev.lock")
    declared = [*project["dependencies"], *(entry for extra in extras.values() for entry in extra)]
    assert {_normal(entry) for entry in declared} - {"gateway"} <= dev.keys()
    text = (_ROOT / ".ci/dev.lock").read_text()
    assert all("--hash=sha256:" in block for block in re.split(r"\n(?=[a-z0-9])", text.strip()) if "==" in block)


def test_a_lock_names_no_index() -> None:
    """Where packages come from is the installer's matter."""
    for name in ("requirements.lock", ".ci/dev.lock", ".ci/sbom.lock", "tests/servers/swift.lock"):
        assert "://" not in (_ROOT / name).read_text()


def test_the_version_is_written_once() -> None:
    """`pyproject.toml` takes the version from the package."""
    project = tomllib.loads((_ROOT / "pyproject.toml").read_text())
    assert ["version"] == project["project"]["dynamic"]
    assert "version" not in project["project"]


def test_the_image_is_sound() -> None:
    """hadolint has nothing to say; the user is numeric and not root; nothing is fetched without a hash."""
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert hadolint is not None
    done = subprocess.run([hadolint, _ROOT / "Dockerfile"], capture_output=True, text=True, check=False)
    assert (0, "") == (done.returncode, done.stdout)
    text = (_ROOT / "Dockerfile").read_text()
    users = re.findall(r"^USER (\d+):(\d+)$", text, re.MULTILINE)
    assert [("65532", "65532")] == users
    assert "--require-hashes" in text
    assert "HEALTHCHECK" in text


def test_what_the_image_copies_exists() -> None:
    """Each path that the Dockerfile copies is in the repository and let through by .dockerignore."""
    ignore = (_ROOT / ".dockerignore").read_text().splitlines()
    copied = re.findall(r"^COPY (?!--from)(.+) \S+$", (_ROOT / "Dockerfile").read_text(), re.MULTILINE)
    for path in " ".join(copied).split():
        assert (_ROOT / path).exists(), path
        assert f"!{path}" in ignore
