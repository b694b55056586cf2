"""What is installed is what was locked, and the image holds what it needs."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
import tomllib
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.servers.process import free_ports

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


def test_no_lock_is_below_a_floor() -> None:
    """Neither lock, and no version that pyproject.toml itself would be content with."""
    document = tomllib.loads((_ROOT / "pyproject.toml").read_text())
    floors, project = document["tool"]["gateway"]["floors"], document["project"]
    for name in ("requirements.lock", ".ci/dev.lock"):
        pins = _pins(name)
        assert pins.keys() & floors.keys()
        assert {} == _below(pins, floors), name
    extras = project["optional-dependencies"].values()
    declared = [*project["dependencies"], *(one for extra in extras for one in extra)]
    least = {_normal(one): found[1] for one in declared if (found := re.search(r">=([0-9.]+)", one))}
    assert {} == _below(least, floors)
    assert {"redis": "4.5.4"} == _below({"redis": "4.5.4", "idna": "3.10", "other": "0"}, floors)
    assert _version("3.14.10") > _version("3.14.9")


def _below(versions: dict[str, str], floors: dict[str, str]) -> dict[str, str]:
    known = versions.keys() & floors.keys()
    return {one: versions[one] for one in known if _version(versions[one]) < _version(floors[one])}


def _version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", text))


def test_each_floor_names_its_advisory() -> None:
    """So that whoever wants to lower one knows what for."""
    table = (_ROOT / "pyproject.toml").read_text().partition("[tool.gateway.floors]\n")[2].partition("\n[")[0]
    lines = [line for line in table.splitlines() if line.strip()]
    assert len(lines) > 10
    assert [] == [line for line in lines if not re.search(r"# .*(CVE|PYSEC|GHSA)-", line)]


@pytest.fixture
def database() -> Iterator[tuple[str, dict[tuple[str, str], list[str]]]]:
    """A database of advisories on a free port, that knows what the test puts into it."""
    known: dict[tuple[str, str], list[str]] = {}

    class Answering(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["queries"]
            found = [known.get((one["package"]["name"], one["version"]), []) for one in asked]
            body = json.dumps({"results": [{"vulns": [{"id": name} for name in ids]} if ids else {} for ids in found]})
            self.send_response(200)
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Tests are silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answering)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}", known
    server.shutdown()
    thread.join()
    server.server_close()


_CONTROL = {("pyyaml", "5.3.1"): ["GHSA-8q59-q68h-6hv4"]}


@pytest.mark.parametrize(
    ("known", "code", "told"),
    [
        (_CONTROL, 0, "0 with advisories; the control was seen"),
        ({**_CONTROL, ("aiohttp", "3.0.0"): ["CVE-1", "CVE-2"]}, 1, "aiohttp 3.0.0: CVE-1, CVE-2"),
        ({}, 3, "the auditor could not see its control: nothing was audited"),
        ({("aiohttp", "3.0.0"): ["CVE-1"]}, 3, "the auditor could not see its control: nothing was audited"),
    ],
    ids=["clean", "advisories", "blind", "half blind"],
)
def test_an_audit_that_is_green_was_one(database, tmp_path: Path, known, code: int, told: str) -> None:
    """Nothing is believed of a database that does not know what everybody knows."""
    url, holds = database
    holds.update(known)
    lock = tmp_path / "a.lock"
    lock.write_text("aiohttp==3.0.0 \\\n    --hash=sha256:aa\nredis[hiredis]==8.1.0 ; python_version > '3'\n")
    done = _audit("--service", url, lock)
    assert (code, True) == (done.returncode, told in done.stdout + done.stderr)


def test_an_audit_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    """With a code of its own, so that a run without the network can go on, saying so."""
    lock = tmp_path / "a.lock"
    lock.write_text("aiohttp==3.0.0\n")
    (port,) = free_ports(1)
    done = _audit("--service", f"http://127.0.0.1:{port}", lock)
    assert (2, True) == (done.returncode, "nothing was audited" in done.stderr)
    assert "Traceback" not in done.stderr


def _audit(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, _ROOT / ".ci/audit", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_base_of_the_image_is_named_by_its_digest() -> None:
    """Every stage is that base or an earlier stage: a tag can be moved to another image, a digest cannot."""
    text = (_ROOT / "Dockerfile").read_text()
    first, *others = re.findall(r"^FROM (\S+)(?: AS (\S+))?", text, re.MULTILINE)
    assert re.fullmatch(r"python:3\.11-slim-bookworm@sha256:[0-9a-f]{64}", first[0])
    assert {first[1]} == {base for base, _ in others}


def test_the_wheel_has_all_that_pages_are_made_of(tmp_path: Path) -> None:
    """Templates, texts and assets are installed with the code that reads them."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", tmp_path]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, done.stderr
    (wheel,) = tmp_path.glob("*.whl")
    packed = set(zipfile.ZipFile(wheel).namelist())
    pages = _ROOT / "gateway/pages"
    files = {
        path.relative_to(_ROOT).as_posix()
        for path in pages.rglob("*")
        if path.is_file() and path.parent.name != "__pycache__"
    }
    assert {"gateway/pages/assets/pages.css", "gateway/pages/texts/en.toml"} <= files
    assert set() == files - packed
