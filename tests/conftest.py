"""What every test may ask for. Servers are started once a worker, when the first test asks for one."""

from __future__ import annotations

import asyncio
import gc
import os
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final
from weakref import WeakSet

import pytest
import uvloop
from hypothesis import settings

from tests.servers import ceph, otherwise, without_plans
from tests.servers import gateway as servers_gateway
from tests.servers.rclone import rclone_store
from tests.servers.seaweedfs import seaweedfs_store
from tests.servers.store import RunningStore
from tests.servers.swift import swift_store

_LONG: Final = tuple(
    f"tests/{name}"
    for name in ("linear/", "control/test_openapi.py", "replicas/", "clients/", "e2e/", "ops/", "cli/", "fuzz/")
)

# Laws are about values; how long one example takes says only how busy the machine is.
settings.register_profile("gateway", deadline=None)
settings.load_profile("gateway")


class ServingLoop(uvloop.Loop):
    """The loop that serves. Connections that a failed test left open are cut when it closes.

    The traceback keeps them alive, and uvloop would wait for their end: the failure would never be told.
    """

    def __init__(self) -> None:
        super().__init__()
        self._opened: WeakSet[Any] = WeakSet()

    async def create_connection(self, *args: Any, **kwargs: Any) -> Any:
        transport, protocol = await super().create_connection(*args, **kwargs)
        if not kwargs.get("ssl"):  # those of TLS take no weak references
            self._opened.add(transport)
        return transport, protocol

    def close(self) -> None:
        if not self.is_closed():
            for transport in self._opened:
                transport.abort()
            self.call_soon(self.stop)
            self.run_forever()
        super().close()


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--without-plans", action="store_true", help="have every request ask every step")
    parser.addoption("--ceph", action="store_true", help="put Ceph where Swift stands (tests.servers.ceph)")
    for option, does in otherwise.OPTIONS.items():
        parser.addoption(option, action="store_true", help=does)


def pytest_configure(config: pytest.Config) -> None:
    """What a whole run may do otherwise, here and in every gateway that is started. No head is remembered: plans are a
    memo and nothing else. There is no uvloop. Everything is encrypted."""
    if config.getoption("--without-plans"):
        without_plans.forget()
        servers_gateway.MODULE = without_plans.__name__
        os.environ["PYTHONPATH"] = str(config.rootpath)
    directory = TemporaryDirectory()
    config.add_cleanup(directory.cleanup)
    otherwise.begin([option for option in otherwise.OPTIONS if config.getoption(option)], Path(directory.name))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes long by itself comes first, so that no worker is left with it when the others have ended."""
    items.sort(key=lambda item: not item.nodeid.startswith(_LONG))


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """What is collected stays: the garbage collector looks through it neither meanwhile nor later."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def loops_of(config: pytest.Config, *, both: bool = False) -> dict[str, Callable[[], Any]]:
    """The loop that serves; with `both` also the one that serves where there is no uvloop, as it is in some runs."""
    uvloop_first = {"uvloop": ServingLoop, "asyncio": asyncio.new_event_loop}
    wanted = {"asyncio"} if config.getoption("--without-uvloop") else set(uvloop_first) if both else {"uvloop"}
    return {name: made for name, made in uvloop_first.items() if name in wanted}


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, Callable[[], Any]]:
    """Asynchronous tests run on the loop that serves."""
    return loops_of(config)


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStore]:
    with seaweedfs_store(tmp_path_factory.mktemp("seaweedfs")) as store:
        yield store


@pytest.fixture(scope="session")
def swift(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStore]:
    started = ceph.ceph_store if request.config.getoption("--ceph") else swift_store
    with started(tmp_path_factory.mktemp("swift")) as store:
        yield store


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStore]:
    with rclone_store(tmp_path_factory.mktemp("rclone")) as store:
        yield store
