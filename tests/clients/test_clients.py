"""The S3 clients that people use, unmodified: everything they offer works and is what the store then holds."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.clients.run import CLIENTS, Client, Step, drive, stock
from tests.clients.tables import TABLES, Table, write_table
from tests.e2e.conftest import require
from tests.e2e.place import Place
from tests.servers.gateway import gateway_before
from tests.servers.store import RunningStore

_MIB = 1024 * 1024
pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def place(seaweedfs: RunningStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A bucket of a gateway, with many objects in it."""
    with gateway_before([seaweedfs], tmp_path_factory.mktemp("clients")) as gateway:
        place = Place.before(gateway, seaweedfs)
        stock(place)
        yield place


@pytest.mark.parametrize("client", [client for client in CLIENTS if client.core], ids=lambda client: client.name)
def test_a_client_in_daily_use_does_everything_it_offers(place: Place, tmp_path: Path, client: Client) -> None:
    """Put, get, range, 2,500 keys, parts, copy, batch delete and a key of many scripts, each of the client's own."""
    require("npm")
    assert {} == drive(client, place, tmp_path, 24 * _MIB).faults


@pytest.mark.slow
@pytest.mark.parametrize("client", CLIENTS, ids=lambda client: client.name)
def test_every_client_moves_200_mib_too(place: Place, tmp_path: Path, client: Client) -> None:
    """The same with a large object, and with the clients that are large themselves."""
    require("npm")
    assert {} == drive(client, place, tmp_path, 200 * _MIB).faults


@pytest.mark.slow
@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_table_format_starts_grows_and_is_read(place: Place, tmp_path: Path, table: Table) -> None:
    """A table is begun, added to and read again, each by the engine's own S3 client."""
    _, step = write_table(table, place, tmp_path)
    assert Step(ok=True, said="") == step
