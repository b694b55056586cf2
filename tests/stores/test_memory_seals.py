"""The book of sealing keys in memory. All engines: `tests.contract.test_seals`."""

from __future__ import annotations

from gateway.stores.memory_seals import MemorySeals


async def test_a_copy_of_the_book_is_handed_out() -> None:
    """What a caller does with it changes nothing in the book."""
    book = MemorySeals()
    assert "mark" == await book.note_seal(1, "mark")
    handed = await book.seals()
    assert isinstance(handed, dict)
    handed.clear()
    assert {1: "mark"} == await book.seals()
