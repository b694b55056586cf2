"""A browser, and a server that shows it each page's samples."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.conftest import browser
from tests.pages.showing import showing_samples

__all__ = ["browser"]


@pytest.fixture(scope="module")
def shown() -> Iterator[str]:
    """Where the samples are."""
    with showing_samples() as address:
        yield address
