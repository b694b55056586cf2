"""A few kills in the test run; the script makes two hundred."""

from __future__ import annotations

import pytest

from tests.contract.servers import postgres_server
from tests.replicas.kill_gateway import lost_after_kills

pytestmark = pytest.mark.e2e


def test_no_acknowledged_revocation_is_lost() -> None:
    """Whenever the process that took it is killed."""
    with postgres_server() as url:
        acknowledged, lost = lost_after_kills(url, 4, seed=7)
    assert acknowledged
    assert lost == 0
