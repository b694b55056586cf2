"""One gateway a worker in front of SeaweedFS and Swift, and the clients that people really use."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.clients.install import program
from tests.e2e.firefox import Firefox, firefox
from tests.e2e.place import Place
from tests.e2e.webkit import Webkit, webkit
from tests.servers import over_tls
from tests.servers.gateway import RunningGateway, gateway_before
from tests.servers.process import free_ports
from tests.servers.store import RunningStore

Run = Callable[..., subprocess.CompletedProcess[str]]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def trusted() -> str:
    """Where the gateway takes unsigned requests for those of an app."""
    [port] = free_ports(1)
    return f"http://127.0.0.1:{port}"


@pytest.fixture(scope="session")
def gateway(
    seaweedfs: RunningStore, swift: RunningStore, trusted: str, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    listeners = [{"listen": trusted.removeprefix("http://"), "app": "app:tests"}]
    environ = {"GATEWAY_DATA__TRUSTED": json.dumps(listeners)}
    with gateway_before([seaweedfs, swift], tmp_path_factory.mktemp("gateway"), environ=environ) as running:
        yield running


@pytest.fixture(params=["seaweedfs", "swift"])
def place(request: pytest.FixtureRequest, gateway: RunningGateway) -> Place:
    """A bucket of the gateway, once on each store."""
    store: RunningStore = request.getfixturevalue(request.param)
    return Place.before(gateway, store)


@pytest.fixture
def weed(gateway: RunningGateway, seaweedfs: RunningStore) -> Place:
    """A bucket on SeaweedFS, for laws that no store can bend."""
    return Place.before(gateway, seaweedfs)


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """Run a program in a directory of the test's own; skips when it is not installed, unless it has to be.

    An S3 client is the one that the tests install, as the machine's own may be years old.
    """

    def call(*command: str | Path, check: bool = True, **options: object) -> subprocess.CompletedProcess[str]:
        first = program("core", str(command[0]))
        if not first.exists():
            require(str(first := Path(command[0])))
        options = {"capture_output": True, "text": True, "timeout": 100, "cwd": tmp_path} | options
        parts = (first, *over_tls.program_options(first.name), *command[1:])
        return subprocess.run([str(part) for part in parts], check=check, **options)

    return call


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A real one. Not for the whole session: its driver keeps an event loop, which asynchronous tests would meet."""
    require("chromium")
    with sync_playwright() as driver:
        options = ["--no-sandbox"] if os.geteuid() == 0 else []
        options += ["--ignore-certificate-errors"] if over_tls.trust() is not None else []
        chromium = driver.chromium.launch(executable_path=shutil.which("chromium"), args=options)
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def fox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Firefox]:
    """A real one, without a window."""
    program = shutil.which("firefox-esr") or shutil.which("firefox")
    if program is None:
        require("firefox-esr")
    with firefox(str(program), tmp_path_factory.mktemp("firefox")) as running:
        yield running


@pytest.fixture(scope="module")
def kit(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Webkit]:
    """A real WebKit, which is Safari's engine."""
    require("WebKitWebDriver")
    require("Xvfb")
    with webkit("WebKitWebDriver", tmp_path_factory.mktemp("webkit")) as running:
        yield running


def require(program: str) -> str:
    """Where it is; servers stand where only root looks."""
    found = shutil.which(program) or shutil.which(program, path="/usr/sbin")
    if found is None:
        if os.environ.get("GATEWAY_REQUIRE_TOOLS"):
            pytest.fail(f"{program} is not installed")
        pytest.skip(f"{program} is not installed")
    return found
