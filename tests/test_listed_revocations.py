"""The list of revocations that somebody else keeps, in a running gateway."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gateway.core.reasons import SettingsError
from gateway.core.revocation import FeedEntry
from gateway.listed_revocations import ListedRevocations
from gateway.settings.state import ListSettings


def write(path: Path, *names: str) -> None:
    """The list as its keeper swaps it in."""
    entries = [{"kind": "link", "name": name, "at": "2027-01-15T08:00:00Z"} for name in names]
    new = path.with_suffix(".new")
    new.write_text(json.dumps({"revocations": entries}))
    new.replace(path)


def listed(path: Path, take: Callable[[Sequence[FeedEntry]], None]) -> ListedRevocations:
    settings = ListSettings.model_construct(file=path, max_age=60.0)
    return ListedRevocations(settings, take)


async def test_what_is_listed_is_taken_at_the_start_and_at_each_change(tmp_path: Path) -> None:
    """A file that is put in place of the read one is read within its look, and what it adds is taken."""
    taken: list[FeedEntry] = []
    both = asyncio.Event()

    def take(entries: Sequence[FeedEntry]) -> None:
        taken.extend(entries)
        if len(taken) == 2:
            both.set()

    write(tmp_path / "list.json", "l_1")
    revocations = listed(tmp_path / "list.json", take)
    await revocations.open()
    assert ["l_1"] == [entry.name for entry in taken]
    running = [asyncio.get_running_loop().create_task(work, name=name) for name, work in revocations.work()]
    write(tmp_path / "list.json", "l_1", "l_2")
    async with asyncio.timeout(5):
        await both.wait()
    assert ["l_1", "l_2"] == [entry.name for entry in taken]
    for task in running:
        task.cancel()
    await asyncio.wait(running)


async def test_a_list_that_is_none_at_the_start_is_a_fault_of_the_settings(tmp_path: Path) -> None:
    """Nothing is served by a list that was never read."""
    (tmp_path / "list.json").write_text('{"revocations": [')
    with pytest.raises(SettingsError, match=r"list\.json"):
        await listed(tmp_path / "list.json", lambda entries: None).open()
