"""What a file holds after a restart, and who may read it."""

from __future__ import annotations

import errno
import stat
from pathlib import Path

import pytest

from gateway.core.lease import Reservation
from gateway.core.reasons import SettingsError
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.stores.engine import Engine
from gateway.stores.sqlite.engine import open_sqlite
from tests.contract.sample import NOW, link, record


async def test_everything_survives_reopening(path: Path, state: Engine) -> None:
    """After a restart, grants, revocations, counters and records are as they were, and serials go on."""
    grant = await state.grants.create(link(), "once")
    (entry,) = await state.feed.revoke([RevocationTarget(FeedKind.LINK, grant.id)], NOW, "", "admin:ops")
    await state.leases.open_lease(Reservation("l_2", "k"), 1, NOW, 60)
    await state.ledger.append([record("l_2")])
    await state.close()
    again = await open_sqlite(path)
    found = await again.grants.get(grant.id)
    assert found is not None
    assert found.revoked_at == NOW
    assert list(await again.feed.revocations(0, 9)) == [entry]
    assert await again.leases.open_lease(Reservation("l_2", "other"), 1, NOW, 60) is None
    assert len((await again.ledger.records_of("l_2", None, 9)).records) == 1
    assert (await again.grants.create(link())).serial > entry.serial
    await again.close()


async def test_only_the_owner_can_read_the_files(path: Path, state: Engine) -> None:
    """The database and its companions are readable by their owner alone, also if the file was wider before."""
    await state.grants.create(link())
    files = sorted(path.parent.glob("gateway.db*"))
    assert path in files
    assert len(files) == 3
    assert {stat.S_IMODE(file.stat().st_mode) for file in files} == {0o600}
    await state.close()
    path.chmod(0o644)
    again = await open_sqlite(path)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    await again.close()


async def test_a_file_of_another_user_that_others_may_read_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A volume that has been given to a new user by its group alone holds such a file; what to do is said."""
    path = tmp_path / "gateway.db"
    await (await open_sqlite(path)).close()
    path.chmod(0o660)

    def refuse(*_: object) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(Path, "chmod", refuse)
    with pytest.raises(SettingsError, match=r"another user's.*chown"):
        await open_sqlite(path)


async def test_no_secret_is_in_the_files(path: Path, state: Engine) -> None:
    """A minted token and an access key's secret are nowhere in the bytes of the files."""
    await state.grants.create(link("l_canary"))
    everything = b"".join(file.read_bytes() for file in path.parent.glob("gateway.db*"))
    assert b"l_canary" in everything
    assert b"the secret of l_canary" not in everything
