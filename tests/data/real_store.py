"""The data listener before a store on a socket, through the real client of stores."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from gateway.backends.profiles import PROFILES
from gateway.backends.upstream import StoreUpstream
from gateway.core.backend import BackendSpec
from tests.backends.fault_server import CREDENTIALS, Script, Seen, fault_server
from tests.data.harness import APP, Rig, running
from tests.servers import over_tls

__all__ = ["before"]


@asynccontextmanager
async def before(script: Script, **options: Any) -> AsyncIterator[tuple[Rig, Seen]]:
    """`script` is the store's side of each connection; `options` are the backend's. Unsigned requests act as an app."""
    async with fault_server(script) as seen, running(trusted=APP) as rig:
        options = {"endpoint": seen.url, "ca_file": over_tls.authorities()} | options
        spec = BackendSpec.resolve("lab", PROFILES["generic"], CREDENTIALS, **options)
        upstream = StoreUpstream([spec])
        rig.plane.upstream = upstream
        try:
            yield rig, seen
        finally:
            await upstream.close()
