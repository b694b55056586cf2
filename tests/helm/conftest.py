"""The tools, or the reason why there are none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.helm.install import KUBE


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent) and "tools" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.helm)


@pytest.fixture
def tools() -> None:
    """Helm and the checkers are installed; skips when not, unless they have to be."""
    if not KUBE.joinpath("lock.sha256").exists():
        if os.environ.get("GATEWAY_REQUIRE_TOOLS"):
            pytest.fail("python -m tests.helm.install has not run")
        pytest.skip("python -m tests.helm.install has not run")
