"""The book of sealing keys in PostgreSQL."""

from __future__ import annotations

import asyncio

from gateway.stores.postgres.engine import open_postgres


async def test_of_replicas_that_note_a_number_at_once_one_mark_stands(url: str) -> None:
    """Every replica is told the same one, so all but one of different keys find out."""
    states = await asyncio.gather(*(open_postgres(url) for _ in range(3)))
    books = [state.seals for state in states if state.seals is not None]
    marks = await asyncio.gather(*(book.note_seal(1, f"mark {place}") for place, book in enumerate(books)))
    assert 1 == len(set(marks))
    assert {1: marks[0]} == await books[0].seals()
    for state in states:
        await state.close()
