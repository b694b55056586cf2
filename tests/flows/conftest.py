"""One gateway a worker for the flows, with cross-origin rules, and the clients that the flows name."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.clients.install import CORE, install
from tests.e2e.conftest import browser, require
from tests.e2e.place import Place
from tests.flows.actor import Actor
from tests.flows.pages import Pages, serving_pages
from tests.servers.gateway import RunningGateway, gateway_before
from tests.servers.store import RunningStore

__all__ = ["browser"]  # the fixture of the end-to-end tests, for these as well


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.e2e)


@pytest.fixture(scope="session")
def pages() -> Iterator[Pages]:
    """Two web sites that are not the gateway's: one that the policy names, one that it does not."""
    with serving_pages() as found:
        yield found


@pytest.fixture(scope="session")
def gateway(
    seaweedfs: RunningStore, swift: RunningStore, pages: Pages, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningGateway]:
    cors = (
        f', cors: [{{origins: ["{pages.known}"], methods: [GET, HEAD, PUT, POST, PATCH], headers: [Content-Type],'
        " expose: [ETag, x-amz-request-id]}]"
    )
    with gateway_before([seaweedfs, swift], tmp_path_factory.mktemp("flows"), bucket_more=cors) as running:
        yield running


@pytest.fixture(params=["seaweedfs", "swift"])
def place(request: pytest.FixtureRequest, gateway: RunningGateway) -> Place:
    """A bucket of the gateway, once on each store."""
    store: RunningStore = request.getfixturevalue(request.param)
    return Place.before(gateway, store)


@pytest.fixture(scope="session")
def clients() -> None:
    """The clients are there; installed now if they are not."""
    require("npm")
    install(*CORE)


@pytest.fixture
def new_actor(clients: None, tmp_path: Path) -> Callable[[Place], Actor]:
    def make(place: Place) -> Actor:
        key = place.gateway.api("POST", "/v1/keys", {"app": "tests", "label": "a flow"})
        return Actor(place, key["id"], key["access_key_id"], key["secret_access_key"], tmp_path)

    return make


@pytest.fixture
def actor(place: Place, new_actor: Callable[[Place], Actor]) -> Actor:
    """An app with a key of its own, once on each store."""
    return new_actor(place)
