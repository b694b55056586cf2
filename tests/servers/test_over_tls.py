"""What `pytest --over-tls` and `pytest --without-uvloop` change, tried in runs without them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.backends.fault_server import Peer, reply
from tests.data.harness import request
from tests.data.raw_client import RawClient
from tests.data.real_store import before
from tests.servers import over_tls, without_uvloop

_LOOP = """
import asyncio
from gateway.cli.serve import run_loop

async def tell():
    print(type(asyncio.get_running_loop()).__module__.partition(".")[0])

run_loop(tell)
"""


async def _one_object(peer: Peer) -> None:
    await peer.request()
    await peer.send(reply(b"an object"))


async def test_listeners_and_stores_are_encrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests' own client gets what the store has, and whoever does not encrypt gets nothing at either door."""
    monkeypatch.setattr(over_tls, "_trust", None)
    over_tls.begin(tmp_path)
    async with before(_one_object) as (rig, seen):
        assert b"an object" == (await rig.ask("GET", "/reports/a")).body
        for port in (rig.port, seen.port):
            async with RawClient(port, plain=True) as client:
                await client.send(request("GET", "/reports/a"))
                assert b"HTTP/1.1 " not in await client.rest()


@pytest.mark.parametrize(("path", "loop"), [("", "uvloop"), (without_uvloop.__path__[0], "asyncio")])
def test_a_process_serves_on_the_other_loop(path: str, loop: str) -> None:
    """Where nobody asked for it, on uvloop."""
    environ = os.environ | {"PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", _LOOP], env=environ, capture_output=True, text=True, check=True)
    assert loop == done.stdout.strip()
