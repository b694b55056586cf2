"""The doctor's look at where state is kept."""

from __future__ import annotations

import fcntl
from pathlib import Path

import pytest

from gateway.cli.state_checks import examine_state
from gateway.core.finding import Finding
from gateway.core.password import SALT_BYTES, hash_password
from gateway.settings.secret import SecretReader
from gateway.settings.state import StateSettings
from gateway.stores.state import open_state
from tests.contract.sample import link

SEALS = {f"SEAL_{number}": f"a sealing key of enough characters, {number}" for number in (1, 2)}


def settings(folder: Path, *keys: int) -> StateSettings:
    wanted = [{"id": number, "key": f"env:SEAL_{number}"} for number in keys]
    values = {"grants": f"sqlite:///{folder}/gateway.db", "sealing_keys": wanted}
    return StateSettings.model_validate(values, context=SecretReader(SEALS, folder))


async def found(state: StateSettings) -> dict[str, Finding]:
    return {one.check: one for one in await examine_state(state)}


async def store(state: StateSettings, count: int) -> None:
    keys = [(one.id, one.key.resolve()) for one in state.sealing_keys]
    opened = await open_state(state.grants.url, sealing_keys=keys)
    for _ in range(count):
        await opened.grants.create(link(password=hash_password("open", bytes(SALT_BYTES))))
    await opened.close()


async def test_all_is_well(tmp_path: Path) -> None:
    """Before the first start, with nothing stored, and with everything under the first key."""
    assert {"locks": True} == {check: one.ok for check, one in (await found(settings(tmp_path, 1))).items()}
    for count in (0, 2):
        await store(settings(tmp_path, 1), count)
        seen = await found(settings(tmp_path, 1))
        assert {"locks": True, "sealing keys": True} == {check: one.ok for check, one in seen.items()}
    assert "of the stored grants 2 with a secret under key 1" == seen["sealing keys"].detail


@pytest.mark.parametrize(
    ("before", "after", "ok", "told"),
    [
        ((), (1,), False, "2 with a secret under no key, and not the first"),
        ((1,), (2, 1), False, "2 with a secret under key 1, and not the first"),
        ((1,), (2,), False, "2 with a secret under key 1, which state.sealing_keys does not name"),
        ((), (), None, "2 with a secret under no key: see state.sealing_keys"),
    ],
)
async def test_secrets_under_an_old_key_or_none_are_told(
    tmp_path: Path, before: tuple[int, ...], after: tuple[int, ...], ok: bool | None, told: str
) -> None:
    """With how many and what to do; without any key in the settings it is no fault, and is said."""
    await store(settings(tmp_path, *before), 2)
    seen = (await found(settings(tmp_path, *after)))["sealing keys"]
    assert (ok, True, ok is False) == (seen.ok, told in seen.detail, "gateway key reseal" in seen.detail)


async def test_a_folder_without_locks_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And a folder that is not there is no fault of locks."""
    assert None is (await found(settings(tmp_path / "none")))["locks"].ok
    monkeypatch.setattr(fcntl, "fcntl", lambda *_: 0)
    seen = (await found(settings(tmp_path)))["locks"]
    assert (False, True) == (seen.ok, "put the file on a disk of this host" in seen.detail)


async def test_a_store_that_does_not_open_is_told(tmp_path: Path) -> None:
    """With its own sentence."""
    (tmp_path / "gateway.db").write_bytes(b"no database at all " * 300)
    seen = (await found(settings(tmp_path)))["sealing keys"]
    assert (False, True) == (seen.ok, "is no database" in seen.detail)


async def test_memory_has_nothing_to_try(tmp_path: Path) -> None:
    """No file and nothing that stays."""
    state = StateSettings.model_validate("memory://", context=SecretReader({}, tmp_path))
    assert [] == await examine_state(state)
