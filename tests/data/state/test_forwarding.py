"""Proxies that nobody declared are told of, once, and change nothing."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from gateway.data.state.forwarding import Undeclared
from gateway.telemetry.metrics import Metrics
from tests.data.harness import Rig
from tests.data.raw_client import RawClient

FIELDS = ("X-Forwarded-For", "Forwarded", "X-Real-IP", "True-Client-IP", "CF-Connecting-IP")
ALL = (ip_network("127.0.0.0/8"),)


@pytest.mark.parametrize("field", FIELDS)
async def test_who_is_behind_an_undeclared_proxy_is_told_once(rig: Rig, field: str) -> None:
    """In the log with the peer, the field and what to do, and in a metric for each request; the address is the peer's,
    and a word that is not believed refuses nothing."""
    rig.store.hold("inside/a.txt", b"hello")
    token = await rig.link()
    with capture_logs() as logs:
        got = [await rig.ask("GET", f"/s/{token}", {field: "192.0.2.1"}) for _ in range(3)]
    assert [200] * 3 == [one.status for one in got]
    (told,) = [line for line in logs if line["event"] == "client address not believed"]
    assert ("127.0.0.1", [field.lower()], "warning") == (told["peer"], told["fields"], told["log_level"])
    assert "trusted_proxies" in told["advice"]
    assert 3 == rig.metric("gateway_forwarded_ignored_total")
    assert "127.0.0.1" == (await rig.last()).peer


async def test_a_declared_proxy_is_not_told_of(rig: Rig) -> None:
    """Its field is believed, a second one beside it is no matter; and nor is a request without any such field."""
    rig.plane.snapshot = replace(rig.plane.snapshot, trusted_proxies=ALL)
    with capture_logs() as logs:
        await rig.fetch("x", X_Forwarded_For="192.0.2.1", X_Real_IP="192.0.2.1")
        rig.plane.snapshot = replace(rig.plane.snapshot, trusted_proxies=())
        await rig.fetch("x", User_Agent="curl")
    assert 0 == rig.metric("gateway_forwarded_ignored_total")
    assert [] == [line for line in logs if line["event"] == "client address not believed"]
    assert "192.0.2.1" == rig.records[0].peer


async def test_a_declared_proxy_that_speaks_of_it_in_another_field_is_told(rig: Rig) -> None:
    """It is trusted and still all its clients are one address."""
    rig.plane.snapshot = replace(rig.plane.snapshot, trusted_proxies=ALL)
    with capture_logs() as logs:
        await rig.fetch("x", Forwarded="for=192.0.2.1")
    (told,) = [line for line in logs if line["event"] == "client address not believed"]
    assert "x-forwarded-for" in told["advice"]


async def test_a_proxy_on_a_unix_socket_can_be_declared(rig: Rig, tmp_path: Path) -> None:
    """Its clients are told apart then, and all one nobody before, of which it is told."""
    assert rig.server is not None
    path = tmp_path / "s"
    await rig.server.listen_on_path(str(path))

    async def ask() -> str:
        async with RawClient(path) as client:
            await client.send(b"GET /s/x HTTP/1.1\r\nHost: gw\r\nX-Forwarded-For: 192.0.2.1\r\n\r\n")
            await client.answer()
        return (await rig.last()).peer

    with capture_logs() as logs:
        assert "" == await ask()
        rig.plane.snapshot = replace(rig.plane.snapshot, trusted_socket=True)
        assert "192.0.2.1" == await ask()
    assert ["unix"] == [line["peer"] for line in logs if line["event"] == "client address not believed"]


def test_what_is_remembered_is_bounded_and_shown_as_set() -> None:
    """However many peers there are, 256 lines are the most; an address stands in them as in the access log."""
    undeclared = Undeclared(Metrics(), lambda address: "hidden")
    with capture_logs() as logs:
        for number in range(1000):
            undeclared.notice(ip_address(number), {"x-real-ip"}, believed=False)
    assert 256 == len(logs)
    assert {"hidden"} == {line["peer"] for line in logs}
