"""What `pytest --over-tls` and `pytest --without-uvloop` change, tried in runs without them."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.backends.fault_server import Peer, reply
from tests.data.harness import request
from tests.data.raw_client import RawClient
from tests.data.real_store import before
from tests.servers import over_tls, without_uvloop
from tests.servers.gateway import gateway_before
from tests.servers.rclone import rclone_store

_LOOP = """
import asyncio
from gateway.cli.serve import run_loop

async def tell():
    print(type(asyncio.get_running_loop()).__module__.partition(".")[0])

run_loop(tell)
"""


_PROGRAM = f"""
import subprocess, sys
from tests.servers import over_tls
print(over_tls.scheme(), end=" ", flush=True)
subprocess.run([sys.executable, "-c", {_LOOP!r}], check=True)
"""


def _as_usual() -> dict[str, str]:
    """The environment without what a run that is done otherwise passes on."""
    passed_on = {"OVER_TLS_DIRECTORY", "PYTHONPATH", *over_tls.program_variables()}
    return {name: value for name, value in os.environ.items() if name not in passed_on}


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


def test_a_gateway_of_its_own_and_its_store_are_encrypted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both listeners and the store answer who trusts the certificate, and nobody who does not encrypt."""
    monkeypatch.setattr(over_tls, "_trust", None)
    over_tls.begin(tmp_path)
    with rclone_store(tmp_path) as store, gateway_before([store], tmp_path / "gateway") as gateway:
        store.client().put_object(Bucket=gateway.real_buckets["rclone"], Key="inside/a", Body=b"an object")
        with closing(over_tls.dial(gateway.data)) as connection:
            connection.request("GET", urlsplit(gateway.link("rclone", "a").url).path)
            assert b"an object" == connection.getresponse().read()
        for address in (gateway.data, gateway.control, store.endpoint):
            with socket.create_connection(("127.0.0.1", urlsplit(address).port), timeout=10) as plain:
                plain.sendall(b"GET / HTTP/1.1\r\nHost: gw\r\n\r\n")
                assert plain.recv(100)[:12] in {b"", b"HTTP/1.0 400"}, address  # Go's servers say what is wrong


@pytest.mark.parametrize(
    ("options", "told"),
    [([], "http uvloop"), (["--over-tls"], "https uvloop"), (["--over-tls", "--without-uvloop"], "https asyncio")],
)
def test_a_program_and_all_that_it_starts_do_otherwise(options: list[str], told: str) -> None:
    """What is passed on to a command that is no test."""
    command = [sys.executable, "-m", "tests.servers.otherwise", *options, "-c", _PROGRAM]
    done = subprocess.run(command, env=_as_usual(), capture_output=True, text=True, check=True)
    assert told == done.stdout.strip()


@pytest.mark.parametrize(("path", "loop"), [("", "uvloop"), (without_uvloop.__path__[0], "asyncio")])
def test_a_process_serves_on_the_other_loop(path: str, loop: str) -> None:
    """Where nobody asked for it, on uvloop."""
    environ = _as_usual() | {"PYTHONPATH": path}
    done = subprocess.run([sys.executable, "-c", _LOOP], env=environ, capture_output=True, text=True, check=True)
    assert loop == done.stdout.strip()
