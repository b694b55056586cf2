"""The pool's counting, its queue, its patience, and what it refuses to dial."""

from __future__ import annotations

import asyncio
import random
import ssl
import subprocess
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

from gateway.backends import pool as pool_module
from gateway.backends.connection import Connection, Timeouts
from gateway.backends.pool import Authority, Pool, PoolLimits
from gateway.backends.upstream import StoreUpstream
from gateway.core.reasons import Reason, SettingsError, UpstreamFailed
from tests.backends.fault_server import Peer, call, fault_server, reply, upstream_to
from tests.servers import over_tls


async def hold(peer: Peer) -> None:
    await peer.until_closed()


def pool_to(port: int, maximum: int = 2, patience: Timeouts | None = None, **sizing: float) -> Pool:
    tls = over_tls.client()
    authority = Authority("127.0.0.1", port, tls=tls is not None)
    return Pool(authority, PoolLimits(max_connections=maximum, **sizing), patience or Timeouts(), tls)


async def settle(done: asyncio.Event) -> None:
    await asyncio.wait_for(done.wait(), 5)


async def test_the_maximum_holds_and_waiters_are_served_in_order() -> None:
    """With all connections taken, callers wait; each release serves the one that came first."""
    async with fault_server(hold) as seen:
        pool = pool_to(seen.port, 1)
        first = await pool.acquire()
        order: list[int] = []

        async def user(number: int) -> None:
            connection = await pool.acquire()
            order.append(number)
            pool.release(connection)

        async with asyncio.TaskGroup() as users:
            for number in range(5):
                users.create_task(user(number))
            await asyncio.sleep(0)
            assert [] == order
            pool.release(first)
        assert [0, 1, 2, 3, 4] == order
        assert (1, 1, 1) == (pool.size, pool.idle, seen.connections)
        pool.close()


async def test_a_lost_connection_makes_room_for_a_waiter() -> None:
    """A waiter gets the right to connect when a connection ends instead of being released."""
    async with fault_server(hold) as seen:
        pool = pool_to(seen.port, 1)
        first = await pool.acquire()
        async with asyncio.timeout(5), asyncio.TaskGroup() as users:
            waiting = users.create_task(pool.acquire())
            await asyncio.sleep(0)
            first.abort()
        assert not waiting.result().closed
        assert 1 == pool.size
        pool.close()


@pytest.mark.parametrize("lost", [True, False])
async def test_a_cancelled_waiter_passes_on_what_it_was_given(lost: bool) -> None:
    """A waiter that is cancelled in the very turn it was served leaves a connection or a slot for the next one."""
    async with fault_server(hold) as seen:
        pool = pool_to(seen.port, 1)
        first = await pool.acquire()
        served = asyncio.get_running_loop().create_task(pool.acquire())
        behind = asyncio.get_running_loop().create_task(pool.acquire())
        await asyncio.sleep(0)
        if lost:
            first.abort()
            first.connection_lost(None)
        else:
            pool.release(first)
        served.cancel()
        with pytest.raises(asyncio.CancelledError):
            await served
        last = await asyncio.wait_for(behind, 5)
        assert (lost, 1) == (last is not first, pool.size)
        pool.close()


async def test_waiting_has_an_end() -> None:
    """A caller that gets no connection in time is told so, and is gone from the queue."""
    async with fault_server(hold) as seen:
        pool = pool_to(seen.port, 1, queue_timeout=0.02)
        first = await pool.acquire()
        with pytest.raises(UpstreamFailed) as failed:
            await pool.acquire()
        assert Reason.UPSTREAM_TIMED_OUT is failed.value.reason
        pool.release(first)
        assert 1 == pool.idle
        pool.close()


@pytest.mark.parametrize("seed", range(6))
async def test_counts_stay_right_through_cancellation_and_loss(seed: int) -> None:
    """Whatever is cancelled, lost or released in whatever order, no connection is counted twice, leaked or shared."""
    rng = random.Random(seed)
    async with fault_server(hold) as seen:
        pool = pool_to(seen.port, 3)
        in_use: set[Connection] = set()
        highest = 0

        async def user() -> None:
            nonlocal highest
            connection = pool.take(write=False) or await pool.acquire(fresh=rng.random() < 0.2)
            assert connection not in in_use
            in_use.add(connection)
            highest = max(highest, len(in_use))
            try:
                for _ in range(rng.randrange(4)):
                    await asyncio.sleep(0)
            finally:
                in_use.discard(connection)
                if rng.random() < 0.3:
                    connection.abort()
                else:
                    pool.release(connection)

        users = [asyncio.get_running_loop().create_task(user()) for _ in range(60)]
        while not all(user.done() for user in users):
            await asyncio.sleep(0)
            victim = rng.choice(users)
            if rng.random() < 0.05:
                victim.cancel()
        for result in await asyncio.gather(*users, return_exceptions=True):
            assert result is None or isinstance(result, asyncio.CancelledError)
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert highest <= 3
        assert (pool.idle, 0) == (pool.size, pool._connecting)
        assert not pool._waiters
        pool.close()


async def test_a_write_does_not_use_a_connection_that_rested(monkeypatch: pytest.MonkeyPatch) -> None:
    """After a few seconds of rest a connection still carries reads, but a write gets a new one."""
    async with fault_server(hold) as seen:
        pool = pool_to(seen.port)
        kept = await pool.acquire()
        pool.release(kept)
        kept.idle_since -= pool_module.WRITE_IDLE_LIMIT + 1
        assert None is pool.take(write=True)
        assert kept is pool.take(write=False)
        pool.close()


async def test_a_write_does_not_use_a_connection_that_the_peer_closed() -> None:
    """The kernel is asked right before a write, so a close that the loop has not seen yet is seen."""
    closing = asyncio.Event()

    async def script(peer: Peer) -> None:
        await closing.wait()

    async with fault_server(script) as seen:
        pool = pool_to(seen.port)
        kept = await pool.acquire()
        pool.release(kept)
        assert kept.is_quiet()
        closing.set()
        await seen.closed.wait()
        # No turn of the loop between the peer's close and this look.
        assert None is pool.take(write=True)
        pool.close()


async def test_an_old_connection_is_not_used_and_is_closed() -> None:
    """Beyond the idle limit a connection serves nobody; the pool's clock closes it."""
    async with fault_server(hold) as seen:
        pool = pool_to(seen.port, patience=Timeouts(head=0.04, body=0.04))
        kept = await pool.acquire()
        pool.release(kept)
        kept.idle_since -= pool_module.IDLE_LIMIT + 1
        assert None is pool.take(write=False)
        await settle(seen.closed)
        assert 0 == pool.size


async def test_the_stores_own_patience_shortens_ours() -> None:
    """A store that says it keeps connections two seconds is not asked after one."""
    async with fault_server(hold) as seen:
        pool = pool_to(seen.port)
        kept = await pool.acquire()
        kept.keep_alive_seconds = 2
        pool.release(kept)
        kept.idle_since -= 1.1
        assert None is pool.take(write=False)
        pool.close()


async def test_a_store_gets_none_of_the_last_descriptors(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that needs one is told so, and the connection is closed; the next one that has another is served."""
    async with fault_server(hold) as seen:
        pool = pool_to(seen.port)
        with monkeypatch.context() as short:
            short.setattr(pool_module, "is_kept", lambda number: True)
            with pytest.raises(UpstreamFailed, match="no descriptor left") as failure:
                await pool.acquire()
        assert (Reason.UPSTREAM_UNREACHABLE, 0) == (failure.value.reason, pool.size)
        pool.release(await pool.acquire())
        assert 1 == pool.size
        pool.close()


async def test_nobody_listening_is_unreachable() -> None:
    """A refused connection is UPSTREAM_UNREACHABLE and leaves no count behind."""
    async with fault_server(hold) as seen:
        port = seen.port
    pool = pool_to(port)
    with pytest.raises(UpstreamFailed) as failed:
        await pool.acquire()
    assert Reason.UPSTREAM_UNREACHABLE is failed.value.reason
    assert 0 == pool.size


@pytest.mark.parametrize("host", ["169.254.169.254", "fe80::1", "fd00:ec2::254", "::ffff:169.254.169.254"])
async def test_metadata_addresses_are_not_dialled(host: str) -> None:
    """A backend whose address is link-local is refused before a packet leaves."""
    pool = Pool(Authority(host, 80, tls=False), PoolLimits(connect_timeout=0.2), Timeouts())
    with pytest.raises(UpstreamFailed, match="link-local"):
        await pool.acquire()


def resolves_to(monkeypatch: pytest.MonkeyPatch, *addresses: str) -> None:
    """Every name is at these addresses."""

    def found(*args: object, **more: object) -> list[tuple[object, ...]]:
        return [(0, 0, 0, "", (address, 80)) for address in addresses]

    monkeypatch.setattr("socket.getaddrinfo", found)


async def test_one_bad_address_among_good_ones_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name that resolves to a good and a forbidden address is refused whole: the order is the attacker's."""
    resolves_to(monkeypatch, "127.0.0.1", "169.254.169.254")
    pool = Pool(Authority("store.test", 80, tls=False), PoolLimits(connect_timeout=0.2), Timeouts())
    with pytest.raises(UpstreamFailed, match="link-local"):
        await pool.acquire()


async def test_an_address_that_does_not_answer_is_waited_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a name's addresses the others come first for half a minute; then, and if nothing else is left, it is tried."""
    loop, tried, dead, passed = asyncio.get_running_loop(), list[str](), {"127.0.0.2"}, 0.0

    class Resolving:
        def __getattr__(self, name: str) -> object:
            return getattr(loop, name)

        def time(self) -> float:
            return loop.time() + passed

        async def create_connection(self, make: Any, address: str, port: int, **more: Any) -> Any:
            tried.append(address)
            if address in dead:
                await asyncio.Event().wait()
            return await loop.create_connection(make, "127.0.0.1", port, **more)

    async with fault_server(hold) as seen:
        tls = over_tls.client()
        limits = PoolLimits(connect_timeout=0.4, max_connections=9)
        pool = Pool(Authority("localhost", seen.port, tls=tls is not None), limits, Timeouts(), tls)
        resolves_to(monkeypatch, "127.0.0.2", "127.0.0.1")
        monkeypatch.setattr(pool_module.asyncio, "get_running_loop", Resolving)
        await pool.acquire()
        await pool.acquire()
        assert ["127.0.0.2", "127.0.0.1", "127.0.0.1"] == tried
        dead = {"127.0.0.1"}
        await pool.acquire()
        assert ["127.0.0.1", "127.0.0.2"] == tried[3:]
        passed = 31.0
        dead = set()
        await pool.acquire()
        assert ["127.0.0.2"] == tried[5:]
        monkeypatch.undo()
        pool.close()


def certificate(directory: Path, name: str) -> tuple[Path, Path]:
    key, cert = directory / "key.pem", directory / "cert.pem"
    options = f"-x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN={name}".split()
    names = ["-keyout", key, "-out", cert, "-addext", f"subjectAltName=DNS:{name}"]
    subprocess.run(["openssl", "req", *options, *names], check=True, capture_output=True)
    return key, cert


@pytest.mark.parametrize(("trusted", "name"), [(True, "localhost"), (False, "localhost"), (True, "other.test")])
async def test_tls_checks_the_name_and_the_authority(tmp_path: Path, trusted: bool, name: str) -> None:
    """A TLS store is used only with a certificate of the given authority for the very name."""
    key, cert = certificate(tmp_path, name)
    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(cert, key)

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(reply(b"x" * 300_000))
            await writer.drain()
            await reader.read()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=serving)
    port = server.sockets[0].getsockname()[1]
    ca_file = str(cert) if trusted else None
    async with upstream_to(port, endpoint=f"https://localhost:{port}", ca_file=ca_file) as upstream:
        if trusted and name == "localhost":
            async with upstream.open(call()) as answer:
                assert 300_000 == len(await answer.body.read(10**6))
        else:
            with pytest.raises(UpstreamFailed) as failed:
                async with upstream.open(call()):
                    pytest.fail("there is no answer")
            assert Reason.UPSTREAM_UNREACHABLE is failed.value.reason
    server.close()


async def test_renewed_authorities_are_believed_after_a_reload(tmp_path: Path) -> None:
    """Those that the file held before no longer; a file that has become unreadable changes nothing."""
    (tmp_path / "new").mkdir()
    (tmp_path / "old").mkdir()
    (old_key, old), (new_key, new) = (certificate(tmp_path / age, "localhost") for age in ("old", "new"))
    trusted = tmp_path / "ca.pem"
    trusted.write_bytes(old.read_bytes())

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(reply(b"x"))
        writer.close()

    async def works(upstream: StoreUpstream) -> bool:
        try:
            async with upstream.open(call()) as answer:
                return b"x" == await answer.body.read(10)
        except UpstreamFailed:
            return False

    serving = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    serving.load_cert_chain(old, old_key)
    async with await asyncio.start_server(accept, "127.0.0.1", 0, ssl=serving) as server:
        port = server.sockets[0].getsockname()[1]
        async with upstream_to(port, endpoint=f"https://localhost:{port}", ca_file=str(trusted)) as upstream:
            spec = upstream.store("b").spec
            assert await works(upstream)
            serving.load_cert_chain(new, new_key)
            trusted.write_bytes(new.read_bytes())
            await upstream.prepare([spec])()
            assert await works(upstream)
            before = upstream.store("b")
            await upstream.prepare([spec])()
            assert before is upstream.store("b"), "what is the same keeps its connections"
            trusted.unlink()
            with pytest.raises(SettingsError, match=r"ca\.pem"):
                await upstream.prepare([spec])()
            assert await works(upstream)
            trusted.write_bytes(old.read_bytes())
            await upstream.prepare([spec])()
            assert not await works(upstream)


@pytest.mark.parametrize(
    ("endpoint", "authority"),
    [
        ("http://rgw.lab:7480", Authority("rgw.lab", 7480, tls=False)),
        ("https://s3.example/", Authority("s3.example", 443, tls=True)),
        ("http://[::1]:9000", Authority("::1", 9000, tls=False)),
        ("http://10.0.0.1", Authority("10.0.0.1", 80, tls=False)),
    ],
)
def test_endpoints_become_authorities(endpoint: str, authority: Authority) -> None:
    """Host, port and TLS follow from the URL, with the scheme's own port."""
    assert authority == Authority.from_url(endpoint)
