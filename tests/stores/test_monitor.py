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
from gateway.stores import monitor as module
from gateway.stores.memory import open_memory
from gateway.stores.monitor import StoreMonitor
from gateway.stores.sqlite.engine import open_sqlite
from tests.contract.sample import link
from tests.waiting import until

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
    monitor = StoreMonitor({"grants": half.probe, "limits": open_memory().probe}, clock=lambda: NOW)
    await monitor.check()
    assert monitor.fault("grants") is None
    half.fault = "its disk is full"
    for _ in range(3):
        await monitor.check()
    assert "its disk is full" == monitor.fault("grants")
    assert monitor.fault("limits") is None
    half.fault = ""
    await monitor.check()
    assert monitor.fault("grants") is None
    assert ["a store does not do its work", "a store does its work again"] == [line["event"] for line in logged]


async def test_what_cannot_be_taken_back_is_done_by_the_earliest_clock() -> None:
    """A clock here that is ahead, or jumps, takes nobody's grants away; one that is behind is the earliest itself. An
    engine without a clock says nothing."""
    told, elsewhere, here, elapsed = Half(), Half(), [NOW], [100.0]
    probes = {"grants": told.probe, "limits": open_memory().probe, "audit": elsewhere.probe}
    monitor = StoreMonitor(probes, clock=lambda: here[0], monotonic=lambda: elapsed[0])
    assert (NOW, 0.0) == (monitor.earliest(), monitor.skew())
    told.told = NOW
    await monitor.check()
    here[0] += 90 * 86400
    elapsed[0] += 60
    assert (NOW + 60, 90 * 86400 - 60) == (monitor.earliest(), monitor.skew())
    here[0] = NOW - 5
    assert NOW - 5 == monitor.earliest()
    here[0], elsewhere.told = NOW + 60, NOW - 30
    await monitor.check()
    assert NOW - 30 == monitor.earliest()


async def test_a_store_that_hangs_is_told_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """No answer is an answer, too."""
    monkeypatch.setattr(module, "ANSWER_SECONDS", 0.01)
    half = Half()
    half.hangs = True
    monitor = StoreMonitor({"grants": half.probe})
    await monitor.check()
    assert "no answer within 0.01 s" == monitor.fault("grants")


async def test_it_checks_until_it_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """A fault that comes later is found without anybody's asking."""
    monkeypatch.setattr(module, "PERIOD_SECONDS", 0.001)
    half = Half()
    monitor = StoreMonitor({"grants": half.probe})
    task = asyncio.get_running_loop().create_task(monitor.run())
    half.fault = "later"
    await until(lambda: monitor.fault("grants") is not None)
    task.cancel()


@pytest.mark.parametrize(("told", "lines"), [(None, 0), (NOW, 0), (NOW + 4.9, 0), (NOW - 3600, 1), (NOW + 6, 1)])
async def test_clocks_that_differ_are_told_once(logged: list[Any], told: float | None, lines: int) -> None:
    """It is a warning: which of the two is wrong, nobody can tell from here."""
    half = Half()
    half.told = told
    monitor = StoreMonitor({"grants": half.probe}, clock=lambda: NOW)
    for _ in range(2):
        await monitor.check()
    assert lines == sum("clocks differ" in line["event"] for line in logged)
    assert monitor.fault("grants") is None


async def test_a_file_that_takes_no_more_writes_is_found_though_it_is_read(tmp_path: Path) -> None:
    """A full disk: nothing that is read fails, and no write succeeds; with room again it is well."""
    state = await open_sqlite(tmp_path / "gateway.db")
    stored = await state.grants.create(link())
    monitor = StoreMonitor({"grants": state.probe})
    await monitor.check()
    assert monitor.fault("grants") is None
    await state.grants._database.write("grants", lambda tx: tx.execute("PRAGMA query_only = ON").fetchall())
    assert stored == await state.grants.find(stored.hash)
    await monitor.check()
    assert "read-only" in (monitor.fault("grants") or "")
    await monitor.check()  # with a connection of its own again
    assert monitor.fault("grants") is None
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
    state = await open_sqlite(small_disk / "gateway.db")
    stored = await state.grants.create(link())
    monitor = StoreMonitor({"grants": state.probe})
    await monitor.check()
    assert monitor.fault("grants") is None
    filler = small_disk / "filler"
    with filler.open("wb", buffering=0) as file, suppress(OSError):
        while True:
            file.write(bytes(4096))
    async with asyncio.timeout(20):
        while monitor.fault("grants") is None:  # what room the log itself still has is used up first
            await monitor.check()
    assert "the disk" in (monitor.fault("grants") or "")
    assert stored == await state.grants.find(stored.hash)
    with pytest.raises(DependencyDown):
        await state.grants.create(link())
    filler.unlink()
    await monitor.check()
    assert monitor.fault("grants") is None
    await state.grants.create(link())
    await state.close()
