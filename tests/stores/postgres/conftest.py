"""How the tests of each store open a PostgreSQL engine."""

from __future__ import annotations

import pytest


@pytest.fixture
def url(postgres_url: str) -> str:
    return postgres_url
