"""The bare prototype that the gateway is measured against: aiohttp's low-level server, our store client, a signature a
request, and none of the eight steps' checks, counts, records or logs.

Run it: `python -m tests.bench.prototype PORT STORE_URL`. `/static` answers from memory, any other path from the store.
"""

from __future__ import annotations

import asyncio
import sys

import uvloop
from aiohttp import web

from gateway.backends.profiles import PROFILES
from gateway.backends.upstream import StoreUpstream
from gateway.core.backend import BackendSpec, Credentials
from gateway.core.route import UpstreamCall

_BODY = b"x" * 4096
_SMALL = 65536


async def main(port: int, store: str) -> None:
    spec = BackendSpec.resolve("store", PROFILES["generic"], Credentials("AK", "SK"), endpoint=store)
    upstream = StoreUpstream([spec])

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if request.path == "/static":
            return web.Response(body=_BODY)
        bucket, _, key = request.path[1:].partition("/")
        async with upstream.open(UpstreamCall(backend="store", method="GET", bucket=bucket, key=key)) as answer:
            if answer.length is not None and answer.length <= _SMALL:
                return web.Response(body=await answer.body.read(_SMALL))
            response = web.StreamResponse()
            response.content_length = answer.length
            await response.prepare(request)
            async for chunk in answer.body:
                await response.write(chunk)
            return response

    runner = web.ServerRunner(web.Server(handle, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as loop:
        loop.run(main(int(sys.argv[1]), sys.argv[2]))
