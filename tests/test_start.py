"""What a ready gateway has imported: the start is short and the process small because most of it is not there."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from tests.backends.fault_server import Peer, fault_server, reply
from tests.servers.process import await_port, free_ports, running

ADMIN = "an-admin-token-for-tests-0123456789"
ENVIRON = {"ADMIN": ADMIN, "KEY": "AKIATEST", "SECRET": "secret"}

SETTINGS = """
data: {{listen: "127.0.0.1:{data}", public_url: "http://127.0.0.1:{data}"}}
control: {{listen: "127.0.0.1:{control}", tokens: [{{name: ops, secret: "env:ADMIN"}}]}}
state: "sqlite:///gateway.db"
"""

POLICY = """
backends:
  lab: {{profile: generic, endpoint: "http://127.0.0.1:{store}", region: us-east-1,
        credentials: {{access_key: "env:KEY", secret_key: "env:SECRET"}}}}
buckets: {{reports: {{backend: lab}}}}
rules: [{{name: all, who: ["admin:ops", "app:billing"], may: [read, share], on: "reports/**"}}]
"""

NOT_FOR_A_LINK = (
    *("aiohttp", "multidict", "yarl"),  # an issuer's keys and a central gateway are asked through it
    *("aiobotocore", "botocore"),  # credentials that are looked for
    *("cryptography", "joserfc"),  # keys, TLS, web identities
    "awscrt",  # checksums that a body carries
    *("prometheus_client", "http.server", "wsgiref.simple_server"),  # the page of metrics
    *("asyncpg", "redis", "opentelemetry", "cel_expr_python", "segno"),  # extras
    *("tarfile", "difflib"),  # archives, slips in settings
    *("rich.pretty", "pygments"),  # what structlog would draw tracebacks with, were it there
    "greenlet._greenlet",  # what it would tell callers apart by
    "email",  # dates that others write
    *("importlib.metadata", "zipfile", "shutil"),  # plugins of pydantic, among all that is installed
    *("gateway.control.rows", "gateway.control.reading", "gateway.control.openapi"),  # what an operator asks
    *("gateway.control.console.plane", "gateway.control.console.visit", "jinja2"),  # pages for people
    *("gateway.settings.schemas", "gateway.cli.demo", "gateway.cli.links", "pydantic.mypy", "unittest"),
)
"""Of libraries their own name, which stands for all below it."""

_MAIN = """
import atexit, json, pathlib, sys
from gateway.cli import main
atexit.register(lambda: pathlib.Path("modules.json").write_text(json.dumps(sorted(sys.modules))))
main()
"""


async def _store(peer: Peer) -> None:
    while True:
        await peer.request()
        await peer.send(reply(b"an object"))


@asynccontextmanager
async def _gateway(directory: Path) -> AsyncIterator[tuple[str, str]]:
    """The addresses of a gateway that leaves a list of what it has imported."""
    data, control = free_ports(2)
    (directory / "gateway.yaml").write_text(SETTINGS.format(data=data, control=control))
    log = directory / "gateway.log"
    environ = {**ENVIRON, "PYTHONPATH": os.pathsep.join(sys.path)}
    with running([sys.executable, "-c", _MAIN, "serve"], log, environ, directory) as child:
        await asyncio.to_thread(await_port, control, child, log)
        yield f"http://127.0.0.1:{data}", f"http://127.0.0.1:{control}"


def _imported(directory: Path, names: tuple[str, ...] = NOT_FOR_A_LINK) -> list[str]:
    modules = set(json.loads((directory / "modules.json").read_text()))
    return [name for name in names if name in modules]


@pytest.fixture
async def token(tmp_path: Path) -> AsyncIterator[str]:
    """A link's token, made by a process that is gone; its state is what the next one starts with."""
    (tmp_path / "policies").mkdir()
    async with fault_server(_store, plain=True) as store:
        (tmp_path / "policies" / "p.yaml").write_text(POLICY.format(store=store.port))
        async with _gateway(tmp_path) as (_, control), aiohttp.ClientSession() as session:
            body = {"bucket": "reports", "key": "a.txt", "owner": "admin:ops"}
            headers = {"Authorization": f"Bearer {ADMIN}"}
            async with session.post(f"{control}/v1/links", json=body, headers=headers) as answer:
                made = await answer.json()
        assert ["gateway.control.rows"] == _imported(tmp_path, ("gateway.control.rows",))
        yield made["token"]


async def _status(url: str, **headers: str) -> int:
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        await answer.read()
        return answer.status


async def test_what_no_link_needs_is_not_imported_by_who_serves_links(token: str, tmp_path: Path) -> None:
    """Started, asked whether it is ready, and served one: what others need is not there."""
    async with _gateway(tmp_path) as (data, control):
        assert 200 == await _status(f"{control}/readyz")
        assert 200 == await _status(f"{data}/s/{token}")
        assert 404 == await _status(f"{data}/s/gl_unknown")
    assert [] == _imported(tmp_path)


async def test_it_is_imported_by_who_needs_it(token: str, tmp_path: Path) -> None:
    """The control of the law above: a scrape brings the library of its page, and a visit that of the console's."""
    async with _gateway(tmp_path) as (data, control):
        assert 200 == await _status(f"{data}/s/{token}")
        assert 200 == await _status(f"{control}/metrics")
        assert 200 == await _status(f"{control}/ui/sign-in")
    assert {"prometheus_client", "gateway.control.console.plane", "jinja2"} <= set(_imported(tmp_path))
