"""Credentials are at hand before they are needed, and nobody waits for new ones while the old ones are good."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest

from gateway.backends.credential_chain import (
    RELOAD_EVERY,
    RETRY_AFTER,
    ChainCredentials,
    LoadedCredentials,
    StaticCredentials,
    load_chain,
)
from gateway.core.backend import ChainSource, Credentials
from gateway.core.reasons import Reason, UpstreamFailed
from tests.backends.fault_server import Peer, fault_server, reply


class Machine:
    """A loader and a clock that a test moves."""

    def __init__(self, life: float | None = 3600.0) -> None:
        self.now = 1000.0
        self.life = life
        self.loads = 0
        self.fails = False
        self.gate = asyncio.Event()
        self.gate.set()
        self.source = ChainCredentials(self.load, lambda: self.now)

    async def load(self) -> LoadedCredentials:
        self.loads += 1
        number = self.loads
        await self.gate.wait()
        if self.fails:
            raise LookupError("nothing found")
        return LoadedCredentials(
            Credentials(f"key-{number}", "secret"), None if self.life is None else self.now + self.life
        )

    def key(self) -> str | None:
        current = self.source.current()
        return current.access_key if current else None


async def turns() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_static_ones_are_always_there() -> None:
    """Written-down credentials need no load."""
    credentials = Credentials("a", "b")
    source = StaticCredentials(credentials)
    assert credentials is source.current()
    assert credentials is await source.fetch()


async def test_many_waiters_cause_one_load() -> None:
    """The first requests share a single load."""
    machine = Machine()
    assert None is machine.key()
    got = await asyncio.gather(*(machine.source.fetch() for _ in range(50)))
    assert ({"key-1"}, 1) == ({one.access_key for one in got}, machine.loads)


async def test_nobody_waits_while_the_old_ones_are_good() -> None:
    """Ahead of expiry a slow load runs behind the scenes; the old ones are given at once."""
    machine = Machine()
    await machine.source.fetch()
    machine.now += 3600 - 600
    machine.gate.clear()
    for _ in range(10):
        assert "key-1" == machine.key()
        assert "key-1" == (await machine.source.fetch()).access_key
        await turns()
    assert 2 == machine.loads
    machine.gate.set()
    await turns()
    assert "key-2" == machine.key()


async def test_expired_ones_are_never_given() -> None:
    """After expiry there are none until a load brings new ones."""
    machine = Machine()
    await machine.source.fetch()
    machine.now += 3600
    assert None is machine.key()
    assert "key-2" == (await machine.source.fetch()).access_key


async def test_a_failed_load_is_told_and_not_hammered() -> None:
    """With nothing left a request fails at once; the next load is tried after a pause."""
    machine = Machine()
    machine.fails = True
    for _ in range(5):
        with pytest.raises(UpstreamFailed) as failed:
            await machine.source.fetch()
        assert Reason.UPSTREAM_UNREACHABLE is failed.value.reason
        assert "LookupError" in failed.value.detail
    assert 1 == machine.loads
    machine.fails = False
    machine.now += RETRY_AFTER
    assert "key-2" == (await machine.source.fetch()).access_key


async def test_a_failed_refresh_leaves_the_old_ones() -> None:
    """While the old ones are valid a failure is nobody's problem."""
    machine = Machine()
    await machine.source.fetch()
    machine.now += 3600 - 600
    machine.fails = True
    assert "key-1" == machine.key()
    await turns()
    assert "key-1" == machine.key()


async def test_a_cancelled_waiter_does_not_cancel_the_load() -> None:
    """The load belongs to all who wait."""
    machine = Machine()
    machine.gate.clear()
    first = asyncio.get_running_loop().create_task(machine.source.fetch())
    second = asyncio.get_running_loop().create_task(machine.source.fetch())
    await turns()
    first.cancel()
    await turns()
    machine.gate.set()
    assert "key-1" == (await second).access_key
    assert 1 == machine.loads


async def test_lasting_ones_are_read_again() -> None:
    """Environment and files have no expiry, but are rotated in place."""
    machine = Machine(life=None)
    await machine.source.fetch()
    machine.now += RELOAD_EVERY
    assert "key-1" == machine.key()
    await turns()
    assert "key-2" == machine.key()


async def test_short_lived_ones_are_not_loaded_in_a_loop() -> None:
    """Credentials of one minute are renewed at half of their life, not at every request."""
    machine = Machine(life=60)
    await machine.source.fetch()
    for _ in range(5):
        machine.key()
        await turns()
    assert 1 == machine.loads
    machine.now += 31
    machine.key()
    await turns()
    assert 2 == machine.loads


async def test_closing_ends_a_load() -> None:
    """No task survives `close`."""
    machine = Machine()
    machine.gate.clear()
    waiter = asyncio.get_running_loop().create_task(machine.source.fetch())
    await turns()
    await machine.source.close()
    with pytest.raises((asyncio.CancelledError, UpstreamFailed)):
        await waiter


def test_no_secret_in_a_repr() -> None:
    """What was loaded can be logged."""
    assert "secret" not in repr(LoadedCredentials(Credentials("a", "secret"), None))


async def test_the_chain_reads_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """The cloud library's resolver finds the environment's credentials, session token included."""
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret-env")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token-env")
    loaded = await load_chain(ChainSource())()
    assert Credentials("AKIDENV", "secret-env", "token-env") == loaded.credentials
    assert None is loaded.expires_at


async def test_the_chain_reads_a_section_of_the_shared_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A named profile wins over the environment, and a rotated file is seen by the next load."""
    shared = tmp_path / "credentials"
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(shared))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    for key in ("AKONE", "AKTWO"):
        shared.write_text(f"[store]\naws_access_key_id = {key}\naws_secret_access_key = s\n")
        assert key == (await load_chain(ChainSource("store"))()).credentials.access_key


async def test_the_chain_asks_a_container_service(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Short-lived credentials from a container service come with their expiry."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_SHARED_CREDENTIALS_FILE", "AWS_CONFIG_FILE"):
        monkeypatch.setenv(name, str(tmp_path / "none"))
    given = b'{"AccessKeyId": "AKPOD", "SecretAccessKey": "s", "Token": "t", "Expiration": "2100-01-01T00:00:00Z"}'

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(reply(given, extra="content-type: application/json\r\n"))

    async with fault_server(script, plain=True) as seen:
        monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"http://127.0.0.1:{seen.port}/creds")
        loaded = await load_chain(ChainSource())()
    assert (Credentials("AKPOD", "s", "t"), 4102444800.0) == (loaded.credentials, loaded.expires_at)


async def test_expired_ones_are_told_with_their_source_and_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the library found and could not renew is one sentence, and its own exception is not shown."""
    for name, value in (("ACCESS_KEY_ID", "A"), ("SECRET_ACCESS_KEY", "B"), ("SESSION_TOKEN", "C")):
        monkeypatch.setenv(f"AWS_{name}", value)
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", "2025-01-01T00:00:00Z")
    source = ChainCredentials(load_chain(ChainSource()), time.time)
    with pytest.raises(UpstreamFailed) as failed:
        await source.fetch()
    assert "no credentials for the store: those of env expired at 2025-01-01T00:00:00Z" == failed.value.detail
    monkeypatch.setenv("AWS_CREDENTIAL_EXPIRATION", "2125-01-01T00:00:00Z")
    good = ChainCredentials(load_chain(ChainSource()), time.time)
    assert "A" == (await good.fetch()).access_key


async def test_a_load_that_fails_after_the_end_still_says_since_when() -> None:
    """The service that renews them may be gone: when the last ones ended is what an operator asks first."""
    machine = Machine(life=100.0)
    await machine.source.fetch()
    machine.now += 200
    machine.fails = True
    with pytest.raises(
        UpstreamFailed, match="LookupError while loading them; those of chain expired at 1970-01-01T00:18:20Z"
    ):
        await machine.source.fetch()
