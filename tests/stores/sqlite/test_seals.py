"""The book of sealing keys in a file."""

from __future__ import annotations

from pathlib import Path

from gateway.stores.engine import Engine
from gateway.stores.sqlite.engine import open_sqlite


async def test_the_book_outlives_the_process(path: Path, state: Engine) -> None:
    """A number that was noted is known after a restart, with its mark; one that was forgotten is not."""
    assert state.seals is not None
    for number in (1, 2):
        await state.seals.note_seal(number, f"mark {number}")
    await state.seals.forget_seal(1)
    await state.close()
    again = await open_sqlite(path)
    assert again.seals is not None
    assert {2: "mark 2"} == await again.seals.seals()
    await again.close()
