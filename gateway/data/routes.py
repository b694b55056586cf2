"""Owns the door of the data listener: from aiohttp's request to `serve`, and the few paths that are nobody's object.

Refuses to own the steps.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import lru_cache
from ipaddress import ip_address

from aiohttp import web

from gateway.core.attempt import Address, Principal
from gateway.data.exchange import Exchange, client_address
from gateway.data.gate import Plane
from gateway.data.serve import serve
from gateway.telemetry.logs import new_request_id

__all__ = ["data_handler", "malformed"]

_NOBODYS = frozenset({"/robots.txt", "/favicon.ico"})
_ROBOTS = b"User-agent: *\nDisallow: /\n"


def malformed(status: int) -> web.Response:
    """The answer to a head that no parser could read."""
    answer = web.Response(status=status, text="malformed request\n", headers={"Server": "gateway"})
    answer.force_close()
    return answer


def data_handler(
    plane: Plane, trusted: Principal | None = None
) -> Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]:
    """The handler of one data listener; `trusted` is the app that unsigned requests on it act as."""

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.raw_path in _NOBODYS and request.method in {"GET", "HEAD"} and not _hosted(request, plane):
            return _nobody(request.raw_path)
        peer = _peer(request)
        if plane.gate.trusted_proxies:
            forwarded = request.headers.getall("X-Forwarded-For", [])
            peer = client_address(peer, forwarded, plane.gate.trusted_proxies)
        exchange = Exchange(request, new_request_id(), peer)
        await serve(plane, exchange, trusted)
        if not exchange.started:
            raise ConnectionResetError("cut before an answer")
        return exchange.response

    return handle


def _hosted(request: web.BaseRequest, plane: Plane) -> bool:
    """Whether the host is a bucket's own, where every path is an object's."""
    host = request.headers.get("Host", "").lower().partition(":")[0].removesuffix(".")
    return any(host.endswith(f".{domain}") for domain in plane.gate.domains)


def _nobody(path: str) -> web.Response:
    if path == "/robots.txt":
        return web.Response(body=_ROBOTS, content_type="text/plain", headers={"Server": "gateway"})
    return web.Response(status=204, headers={"Server": "gateway", "Cache-Control": "max-age=86400"})


def _peer(request: web.BaseRequest) -> Address | None:
    transport = request.transport
    name = transport.get_extra_info("peername") if transport is not None else None
    if not isinstance(name, tuple):
        return None
    return _address(name[0])


@lru_cache(4096)
def _address(text: str) -> Address:
    address = ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address
