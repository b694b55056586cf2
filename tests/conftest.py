"""What every test may ask for. Servers are started once a worker, when the first test asks for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
import uvloop
from hypothesis import settings

from tests.servers.rclone import rclone_store
from tests.servers.seaweedfs import seaweedfs_store
from tests.servers.store import RunningStore
from tests.servers.swift import swift_store

# Laws are about values; how long one example takes says only how busy the machine is.
settings.register_profile("gateway", deadline=None)
settings.load_profile("gateway")


def pytest_asyncio_loop_factories(config: pytest.Config, item: pytest.Item) -> dict[str, Callable[[], Any]]:
    """Asynchronous tests run on the loop that serves."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def seaweedfs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStore]:
    with seaweedfs_store(tmp_path_factory.mktemp("seaweedfs")) as store:
        yield store


@pytest.fixture(scope="session")
def swift(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStore]:
    with swift_store(tmp_path_factory.mktemp("swift")) as store:
        yield store


@pytest.fixture(scope="session")
def rclone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningStore]:
    with rclone_store(tmp_path_factory.mktemp("rclone")) as store:
        yield store
