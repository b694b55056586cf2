"""A store that answers half of what it is asked is found by trying the rest, and told once."""

from __future__ import annotations

import asyncio
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from gateway.core.reasons import DependencyDown
from gateway.stores import pulse as module
from gateway.stores.memory import MemoryState
from gateway.stores.pulse import Pulse
from gateway.stores.sqlite import SqliteState
from tests.contract.sample import link

NOW = 1_800_000_000.0


class Half:
    """Answers as the test says."""

    def __init__(self) -> None:
        self.fault = ""
        self.told: float | None = None
        self.hangs = False

    async def probe(self) -> float | None:
        if self.hangs:
            await asyncio.Event().wait()
        if self.fault:
            raise DependencyDown("grants", self.fault)
        return self.told


@pytest.fixture
def logged() -> Iterator[list[Any]]:
    with capture_logs() as lines:
        yield lines


async def test_a_fault_is_known_until_a_trial_succeeds_and_told_once(logged: list[Any]) -> None:
    """Each change is one line; what is well is not spoken of."""
    half = Half()
    pulse = Pulse({"grants": half, "limits": MemoryState()}, clock=lambda: NOW)
    await pulse.beat()
    assert pulse.fault("grants") is None
    half.fault = "its disk is full"
    for _ in range(3):
        await pulse.beat()
    assert "its disk is full" == pulse.fault("grants")
    assert pulse.fault("limits") is None
    half.fault = ""
    await pulse.beat()
    assert pulse.fault("grants") is None
    assert ["a store does not do its work", "a store does its work again"] == [line["event"] for line in logged]


async def test_a_store_that_hangs_is_told_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer is an answer, too."""
    monkeypatch.setattr(module, "PATIENCE", 0.01)
    half = Half()
    half.hangs = True
    pulse = Pulse({"grants": half})
    await pulse.beat()
    assert "no answer within 0.01 s" == pulse.fault("grants")


async def test_it_beats_until_it_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that comes later is found without anybody's asking."""
    monkeypatch.setattr(module, "PERIOD", 0.001)
    half = Half()
    pulse = Pulse({"grants": half})
    task = asyncio.get_running_loop().create_task(pulse.run())
    half.fault = "later"
    async with asyncio.timeout(5):
        while pulse.fault("grants") is None:  # noqa: ASYNC110 (it is what a reader of /readyz sees)
            await asyncio.sleep(0)
    task.cancel()


@pytest.mark.parametrize(("told", "lines"), [(None, 0), (NOW, 0), (NOW + 4.9, 0), (NOW - 3600, 1), (NOW + 6, 1)])
async def test_clocks_that_differ_are_told_once(logged: list[Any], told: float | None, lines: int) -> None:
    """It is a warning: which of the two is wrong, nobody can tell from here."""
    half = Half()
    half.told = told
    pulse = Pulse({"grants": half}, clock=lambda: NOW)
    for _ in range(2):
        await pulse.beat()
    assert lines == sum("clocks differ" in line["event"] for line in logged)
    assert pulse.fault("grants") is None


async def test_a_file_that_takes_no_more_writes_is_found_though_it_is_read(tmp_path: Path) -> None:
    """A full disk: nothing that is read fails, and no write succeeds; with room again it is well."""
    state = SqliteState(tmp_path / "gateway.db")
    await state.open()
    stored = await state.create(link())
    pulse = Pulse({"grants": state})
    await pulse.beat()
    assert pulse.fault("grants") is None
    await state._write("grants", lambda tx: tx.execute("PRAGMA query_only = ON").fetchall())
    assert stored == await state.find(stored.hash)
    await pulse.beat()
    assert "read-only" in (pulse.fault("grants") or "")
    await pulse.beat()  # with a connection of its own again
    assert pulse.fault("grants") is None
    with sqlite3.connect(tmp_path / "gateway.db") as file:
        assert [(0,)] == file.execute("SELECT count(*) FROM leases").fetchall()
    file.close()
    await state.close()


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of its own, of one megabyte; making one is the right of an administrator."""
    place = tmp_path / "disk"
    place.mkdir()
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "none", place], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("only root may mount a file system")
    yield place
    subprocess.run(["umount", "--lazy", place], check=True)


async def test_a_disk_that_fills_up_while_serving_is_found(small_disk: Path) -> None:
    """A real one: what is stored is still found, nothing more is acknowledged, and room heals it without a restart."""
    state = SqliteState(small_disk / "gateway.db")
    await state.open()
    stored = await state.create(link())
    pulse = Pulse({"grants": state})
    await pulse.beat()
    assert pulse.fault("grants") is None
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    async with asyncio.timeout(20):
        while pulse.fault("grants") is None:  # what room the log itself still has is used up first
            await pulse.beat()
    assert "the disk" in (pulse.fault("grants") or "")
    assert stored == await state.find(stored.hash)
    with pytest.raises(DependencyDown):
        await state.create(link())
    filler.unlink()
    await pulse.beat()
    assert pulse.fault("grants") is None
    await state.create(link())
    await state.close()
