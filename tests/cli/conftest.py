"""A real control API in a thread, a data listener that does as told, and the command line run against both."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from gateway.cli.group import cli
from gateway.core.policy import Policy
from tests.control.desk import ADMIN, POLICY, serving

SETTINGS = """\
control: {tokens: [{name: ops, secret: "env:SOME_TOKEN"}]}
state: "sqlite:///gateway.db"
policies: policies/
"""

POLICIES = """\
backends:
  lab:
    {profile: ceph, endpoint: "http://127.0.0.1:7480", credentials: {access_key: "env:A_KEY", secret_key: "env:A_KEY"}}
buckets:
  reports: {backend: lab}
rules:
  - {name: all may read, who: ["app:*"], may: [read], on: reports/**}
examples:
  - {who: "app:a", do: GetObject, on: reports/a, expect: allow}
  - {who: "app:a", do: PutObject, on: reports/a, expect: deny}
"""


@dataclass
class Listener:
    """A data listener. `answers` are taken one a request, the last one again and again."""

    url: str
    answers: list[Callable[[BaseHTTPRequestHandler], None]] = field(default_factory=list)
    seen: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def headers(self, index: int) -> dict[str, str]:
        """Of the request with this index."""
        return self.seen[index][2]


class _Handler(BaseHTTPRequestHandler):
    listener: Listener
    protocol_version = "HTTP/1.1"

    def _answer(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        self.listener.seen.append((self.command, self.path, dict(self.headers), body))
        answers = self.listener.answers
        (answers.pop(0) if len(answers) > 1 else answers[0])(self)

    do_GET = do_HEAD = do_PUT = do_POST = _answer  # noqa: N815 (names the library asks for)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Tests are silent."""


def reply(status: int, body: bytes = b"", *, cut: int | None = None, **headers: str) -> Callable[[Any], None]:
    """An answer; `cut` closes the connection after so many bytes of its body."""

    def write(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body if cut is None else body[:cut])
        handler.close_connection = True

    return write


@pytest.fixture
def listener() -> Iterator[Listener]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    told = Listener(f"http://127.0.0.1:{server.server_port}")
    server.RequestHandlerClass = type("Handler", (_Handler,), {"listener": told})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield told
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass
class Terminal:
    """Runs `gateway …` against one control API."""

    url: str
    token: str = ADMIN

    def run(self, *arguments: str, typed: str | None = None, **environ: str) -> Result:
        env = {"GATEWAY_URL": self.url, "GATEWAY_ADMIN_TOKEN": self.token, **environ}
        return CliRunner().invoke(cli, arguments, input=typed, env=env, prog_name="gateway")

    def json(self, *arguments: str, typed: str | None = None) -> dict[str, Any]:
        """What a command that succeeds prints with --json."""
        done = self.run(*arguments, "--json", typed=typed)
        assert done.exit_code == 0, done.output
        found: dict[str, Any] = json.loads(done.stdout)
        return found


@pytest.fixture
def in_force() -> Policy:
    """The policy of the control API; a file of tests may have its own."""
    return POLICY


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command line keeps what it keeps; nothing of whoever runs the tests is read."""
    folder = tmp_path / "kept"
    monkeypatch.setenv("GATEWAY_CONFIG_DIR", str(folder))
    for name in ("GATEWAY_CONTEXT", "GATEWAY_URL", "GATEWAY_ADMIN_TOKEN", "AWS_ACCESS_KEY_ID"):
        monkeypatch.delenv(name, raising=False)
    return folder


@contextmanager
def control_api(**changes: Any) -> Iterator[str]:
    """The address of a real control API on memory state, in a thread of its own; `changes` are those of `serving`."""
    opened: list[str] = []
    ready = threading.Event()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        async with serving(**changes) as desk:
            opened.append(desk.url)
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=loop.run_until_complete, args=(serve(),))
    thread.start()
    assert ready.wait(10)
    try:
        yield opened[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join()
        loop.close()


@pytest.fixture
def terminal(listener: Listener, in_force: Policy) -> Iterator[Terminal]:
    """The command line before a real control API on memory state, whose links point at `listener`."""
    with control_api(public_url=lambda: listener.url, policy=lambda: in_force) as url:
        yield Terminal(url)


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str], Path]:
    """Writes settings and a policy file, whose secrets are in the environment; answers where the settings are."""
    for name in ("SOME_TOKEN", "A_KEY"):
        monkeypatch.setenv(name, "a-secret-of-many-letters-and-more")

    def write_both(settings: str, policies: str) -> Path:
        (tmp_path / "policies").mkdir()
        (tmp_path / "policies" / "a.yaml").write_text(policies)
        (tmp_path / "gateway.yaml").write_text(settings)
        return tmp_path / "gateway.yaml"

    return write_both
