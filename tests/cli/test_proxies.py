"""The doctor's look at whether callers hide behind a proxy."""

from __future__ import annotations

import pytest
from aiohttp import web

from gateway.cli.proxies import examine_proxies
from gateway.schema.addresses import ListenAddress


@pytest.mark.parametrize(
    ("ignored", "requests", "ok"), [(0, 50, True), (3, 50, None), (25, 50, False), (60, 50, False)]
)
async def test_what_the_running_gateway_counts_is_told(ignored: int, requests: int, ok: bool | None) -> None:
    """Bad where at least half of all requests are not believed: fewer may be somebody's play."""

    async def page(_: web.Request) -> web.Response:
        lines = (
            "# HELP gateway_forwarded_ignored_total x",
            f"gateway_forwarded_ignored_total {ignored}.0",
            f'gateway_requests_total{{plane="data",operation="x"}} {requests - 1}.0',
            'gateway_requests_total{plane="data",operation="y"} 1.0',
            'gateway_requests_total{plane="control",operation="y"} 1000.0',
        )
        return web.Response(text="\n".join(lines) + "\n")

    app = web.Application()
    app.router.add_get("/metrics", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        found = await examine_proxies(ListenAddress("0.0.0.0", runner.addresses[0][1]), tls=False)
    finally:
        await runner.cleanup()
    assert found.ok is ok
    assert ok or f"{ignored} of {requests} " in found.detail


async def test_a_proxy_that_speaks_another_protocol_is_told() -> None:
    """Before all else: none of its requests has come in."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text='gateway_connections_refused_total{why="proxy_protocol"} 7.0\n')

    app = web.Application()
    app.router.add_get("/metrics", page)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        found = await examine_proxies(ListenAddress("127.0.0.1", runner.addresses[0][1]), tls=False)
    finally:
        await runner.cleanup()
    assert (False, True) == (found.ok, found.detail.startswith("7 connections began with the PROXY protocol"))


@pytest.mark.parametrize("tls", [True, False])
async def test_where_nobody_answers_nothing_is_known(tls: bool) -> None:
    """It is said, and no fault."""
    found = await examine_proxies(ListenAddress("127.0.0.1", 1), tls=tls)
    assert (found.backend, found.check, found.ok) == ("gateway", "proxies", None)
