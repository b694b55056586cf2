"""Owns the doctor's check of the running gateway: whether its callers come through a proxy that is not declared,
or one that speaks another protocol.

Refuses to own the counting (`gateway.data.state.forwarding`). What it reads is what Prometheus reads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from gateway.core.finding import Finding

if TYPE_CHECKING:
    from gateway.schema.addresses import ListenAddress

_TIMEOUT: Final = 3.0
_IGNORED: Final = "gateway_forwarded_ignored_total"
_SPOKEN: Final = 'gateway_connections_refused_total{why="proxy_protocol"}'
_REQUESTS: Final = 'gateway_requests_total{plane="data"'


async def examine_proxies(listen: ListenAddress, *, tls: bool) -> Finding:
    """Whether most requests came with fields about their client that are not believed. A few may be anybody's play."""
    page = (
        None if tls or listen.path else await _read_metrics(f"http://{_address_of(listen.host)}:{listen.port}/metrics")
    )
    if page is None:
        return Finding("gateway", "proxies", None, "no gateway answers at control.listen, so nothing is known")
    ignored, requests, spoken = (_add_up(page, series) for series in (_IGNORED, _REQUESTS, _SPOKEN))
    if spoken:
        detail = (
            f"{spoken:.0f} connections began with the PROXY protocol, which no listener here speaks. The log names the "
            "peers; switch it off at that proxy, and have it send X-Forwarded-For"
        )
        return Finding("gateway", "proxies", False, detail)
    if not ignored:
        return Finding("gateway", "proxies", True, "no caller comes through a proxy that is not in trusted_proxies")
    detail = (
        f"{ignored:.0f} of {requests:.0f} requests name a client that is not believed: to the gateway all of a proxy's "
        "callers are one address. The log names the peers ('client address not believed'); see trusted_proxies"
    )
    return Finding("gateway", "proxies", False if 2 * ignored >= requests else None, detail)


def _address_of(host: str) -> str:
    """Where a listener can be reached from its own host."""
    shown = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104 (what it listens on)
    return f"[{shown}]" if ":" in shown else shown


async def _read_metrics(url: str) -> str | None:
    """The page of metrics at this address, None if there is none."""
    import aiohttp

    try:
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_TIMEOUT)) as session,
            session.get(url, allow_redirects=False) as answer,
        ):
            return await answer.text() if answer.status == 200 else None
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError):
        return None


def _add_up(page: str, series: str) -> float:
    return sum(float(line.rpartition(" ")[2]) for line in page.splitlines() if line.startswith(series))
