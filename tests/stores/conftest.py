"""Servers for the tests of single engines; the law that all share is in tests/contract."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.contract.servers import postgres_server, valkey_server


@pytest.fixture(scope="session")
def postgres_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with postgres_server(tmp_path_factory.mktemp("postgres") / "server") as url:
        yield url


@pytest.fixture(scope="session")
def valkey_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with valkey_server(tmp_path_factory.mktemp("valkey") / "server") as url:
        yield url
