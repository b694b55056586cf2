"""The door: what is nobody's object, who the peer is, and that a broken answer is no answer."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from tests.data.harness import Rig, running


async def test_robots_are_sent_away(rig: Rig) -> None:
    """No link is meant for an index."""
    got = await rig.ask("GET", "/robots.txt")
    assert (200, b"User-agent: *\nDisallow: /\n") == (got.status, got.body)
    assert 204 == (await rig.ask("GET", "/favicon.ico")).status
    assert [] == rig.records


@pytest.mark.parametrize("path", ["/robots.txt/", "/robots.txtx", "/favicon.ico/a"])
async def test_only_those_very_paths_are_nobodys(rig: Rig, path: str) -> None:
    """Everything else is a request like any other, and leaves a record."""
    assert (await rig.ask("GET", path)).status >= 400
    await rig.last()


async def test_a_trusted_proxy_names_the_client() -> None:
    """The record's peer is whom our own proxy saw."""
    async with running(trusted_proxies=(ip_network("127.0.0.0/8"),)) as rig:
        await rig.ask("GET", "/s/x", {"X-Forwarded-For": "198.51.100.1, 203.0.113.9"})
        assert "203.0.113.9" == (await rig.last()).peer


async def test_nobody_else_names_the_client(rig: Rig) -> None:
    """Without trusted proxies the header is a text like any other."""
    await rig.ask("GET", "/s/x", {"X-Forwarded-For": "203.0.113.9"})
    assert "127.0.0.1" == (await rig.last()).peer


async def test_a_trusted_listener_acts_as_its_app(app: Rig, rig: Rig) -> None:
    """Unsigned requests are the app's there, and nobody's elsewhere."""
    for listener in (app, rig):
        listener.store.hold("inside/a.txt", b"hello")
    assert 200 == (await app.ask("GET", "/reports/a.txt")).status
    assert "app:billing" == (await app.last()).principal
    assert 403 == (await rig.ask("GET", "/reports/a.txt")).status
    assert "anonymous" == (await rig.last()).principal
