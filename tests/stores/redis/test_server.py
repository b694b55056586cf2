"""A server that goes away, synced writes."""

from __future__ import annotations

import asyncio
import os
import ssl
from contextlib import suppress
from pathlib import Path

import pytest

from gateway.core.lease import Reservation
from gateway.core.limits import Demand
from gateway.core.reasons import DependencyDown, SettingsError
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.units import Rate
from gateway.stores.redis import server
from gateway.stores.redis.engine import open_redis
from tests.contract.sample import NOW, link
from tests.servers.certificate import certificate
from tests.stores.cutting import Wire, wire_to

LINK = [RevocationTarget(FeedKind.LINK, "l_1")]


async def test_writes_are_synced_where_the_server_can(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server with an append-only file is asked to sync each change; if it does not, nothing is acknowledged."""
    state = await open_redis(url)
    assert state.feed._server._syncs
    await state.feed._server._client.config_set("appendfsync", "no")
    monkeypatch.setattr(server, "_SYNC_MILLISECONDS", 20)
    try:
        with pytest.raises(DependencyDown, match="did not sync in time") as caught:
            await state.feed.revoke(LINK, NOW, "", "admin:ops")
        assert caught.value.dependency == "revocations"
    finally:
        await state.feed._server._client.config_set("appendfsync", "always")
        await state.close()


async def test_a_server_that_syncs_no_longer_is_told(url: str) -> None:
    """Its append-only file was switched off since the start: nothing is acknowledged, and the fault says what to do."""
    state = await open_redis(url)
    client = state.feed._server._client
    await client.config_set("appendonly", "no")
    try:
        with pytest.raises(DependencyDown, match="turn appendonly on again"):
            await state.feed.revoke(LINK, NOW, "", "admin:ops")
    finally:
        await client.config_set("appendonly", "yes")
    assert 1 == len(await state.feed.revoke(LINK, NOW, "", "admin:ops"))
    await state.close()


async def test_a_refused_write_is_told_by_its_own_code(url: str) -> None:
    """And not by that of the pipeline around it."""
    state = await open_redis(url)
    client = state.feed._server._client
    await client.config_set("maxmemory", 1)
    try:
        with pytest.raises(DependencyDown, match="OOM"):
            await state.feed.revoke(LINK, NOW, "", "admin:ops")
    finally:
        await client.config_set("maxmemory", 0)
        await state.close()


async def test_a_connection_that_was_closed_while_nobody_used_it_is_not_used(wire: Wire) -> None:
    """As servers (`timeout`) and proxies between do after a while: each would fail one call."""
    state = await open_redis(wire.url)
    for _ in range(2):
        calls = (state.limits.take([Demand("a", Rate(99, 1.0, 99))], NOW) for _ in range(9))
        assert all(verdict.allowed for verdict in await asyncio.gather(*calls))
        wire.lead_to(wire._target.geturl())
        await asyncio.sleep(0.1)
    await state.close()


async def test_a_lost_server_is_told_and_comes_back(wire: Wire) -> None:
    """While the server is away every call is a DependencyDown; once it is back, the same store works on."""
    state = await open_redis(wire.url)
    grant = await state.grants.create(link())
    wire.cut()
    for dependency, call in (
        ("grants", state.grants.find(grant.hash)),
        ("revocations", state.feed.revoke(LINK, NOW, "", "")),
        ("revocations", state.feed.since(0, 9)),
        ("revocations", state.feed.changed(99, 0.1)),
        ("limits", state.limits.take([Demand("a", Rate(1, 1.0, 1))], NOW)),
    ):
        with pytest.raises(DependencyDown) as caught:
            await call
        assert caught.value.dependency == dependency
    wire.heal()
    assert await state.grants.find(grant.hash) == grant
    await state.close()


async def test_no_command_is_sent_twice(wire: Wire) -> None:
    """A command whose answer was lost is not repeated by the client: it may have counted already."""
    state = await open_redis(wire.url)
    await state.leases.usage(["l_1"])
    before = wire.accepted
    wire.cut()
    with pytest.raises(DependencyDown):
        await state.leases.reserve_bytes(Reservation("l_1"), 1, budget=10)
    assert wire.accepted <= before + 1
    await state.close()


async def test_a_deaf_server_is_told_in_time(wire: Wire, monkeypatch: pytest.MonkeyPatch) -> None:
    """A server that takes the connection and never answers costs no more than the answer's time."""
    monkeypatch.setattr(server, "ANSWER_SECONDS", 0.2)
    state = await open_redis(wire.url)
    wire.deafen()
    async with asyncio.timeout(5):
        with pytest.raises(DependencyDown):
            await state.grants.find(link().hash)
    wire.heal()
    assert await state.grants.find(link().hash) is None
    await state.close()


async def test_an_authority_that_is_renewed_is_believed_without_a_restart(url: str, tmp_path: Path) -> None:
    """At the next connection; a file that is away, or holds none, leaves what was read before."""
    context, (cert, key) = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate(tmp_path)
    context.load_cert_chain(cert, key)
    async with wire_to(url, context) as wire:
        state = await open_redis(f"{wire.url.replace('redis:', 'rediss:')}?ssl_ca_certs={cert}")
        for what in ("renewed", "away", "empty"):
            match what:
                case "renewed":
                    context.load_cert_chain(*certificate(tmp_path))
                    os.utime(cert, ns=(1, 1))  # two writes of a test may have one time
                case "away":
                    cert.unlink()
                case _:
                    cert.write_text("nothing yet")
            wire.cut()
            wire.heal()
            with suppress(DependencyDown):  # that a connection broke is found out by its use
                await state.limits.take([Demand("first", Rate(1, 1.0, 1))], NOW)
            assert (await state.limits.take([Demand(what, Rate(1, 1.0, 1))], NOW)).allowed
        await state.close()


async def test_connections_over_tls_read_the_authorities_once(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All together: each reading holds up the loop, and a burst would make sixty."""
    context, (cert, key) = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), certificate(tmp_path)
    context.load_cert_chain(cert, key)
    readings, read = [], ssl.create_default_context

    def count() -> ssl.SSLContext:
        readings.append(1)
        return read()

    monkeypatch.setattr(ssl, "create_default_context", count)
    async with wire_to(url, context) as wire:
        state = await open_redis(f"{wire.url.replace('redis:', 'rediss:')}?ssl_ca_certs={cert}")
        await asyncio.gather(*(state.limits.take([Demand(f"{n}", Rate(1, 1.0, 1))], NOW) for n in range(20)))
        assert (1, True) == (len(readings), wire.accepted > 10)
        await state.close()


@pytest.mark.parametrize("wrong", ["?ssl_ca_certs=ca.crt", "?unheard=of", "?max_connections=many"])
async def test_an_option_that_is_wrong_is_told_as_such(url: str, wrong: str) -> None:
    """A fault of the settings, without the URL; authorities are an option of rediss: alone."""
    with pytest.raises(SettingsError, match="its URL is wrong: an option is unknown, or has no such value"):
        await open_redis(url + wrong)
