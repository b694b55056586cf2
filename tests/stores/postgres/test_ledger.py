"""The PostgreSQL trail against somebody who can write to the database."""

from __future__ import annotations

import asyncpg
import pytest

from gateway.core.record import AuditEvent
from gateway.core.trail import Inspection
from gateway.stores.postgres.engine import open_postgres
from tests.contract.conftest import empty_postgres

CHANGES = (
    "UPDATE gateway_trail SET text = replace(text, 'l_2', 'l_9') WHERE number = 2",
    "DELETE FROM gateway_trail WHERE number = 2",
    "DELETE FROM gateway_trail WHERE number = 3",
    "UPDATE gateway_trail SET number = 9 WHERE number = 3",
)


@pytest.mark.parametrize("change", [None, *CHANGES])
async def test_a_change_in_the_database_is_found(postgres_url: str, change: str | None) -> None:
    """An edited, a deleted, a cut-off and a moved row each break the chain; an untouched trail does not."""
    await empty_postgres(postgres_url)
    state = await open_postgres(postgres_url)
    for number in range(1, 4):
        await state.ledger.audit(AuditEvent(at=1.0, actor="admin:ops", act="revoke", target=f"l_{number}"))
    if change is not None:
        connection = await asyncpg.connect(postgres_url)
        await connection.execute(change)
        await connection.close()
    page = await state.ledger.trail(0, 10)
    inspection = Inspection()
    found = [*inspection.faults(page.entries), *inspection.end(page.head)]
    assert bool(found) is (change is not None)
    await state.close()
