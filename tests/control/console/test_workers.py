"""Sessions in several processes of one gateway."""

from __future__ import annotations

import http.client
import re
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import urlencode

import pytest

from tests.servers.process import await_port, free_ports, running

ADMIN = "an-admin-token-for-tests-0123456789"
SETTINGS = """
data: {{listen: "127.0.0.1:{data}", public_url: "http://127.0.0.1:{data}"}}
control: {{listen: "127.0.0.1:{control}", tokens: [{{name: ops, secret: "env:ADMIN"}}]}}
state: "sqlite:///gateway.db"
"""
POLICY = """
backends: {lab: {profile: generic, endpoint: "http://127.0.0.1:1", region: us-east-1,
                 credentials: {access_key: "env:ADMIN", secret_key: "env:ADMIN"}}}
buckets: {reports: {backend: lab}}
rules: [{name: all, who: ["admin:ops"], may: [read, share], on: "reports/**"}]
"""


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """The control listener of three processes."""
    data, control = free_ports(2)
    (tmp_path / "policies").mkdir()
    (tmp_path / "policies" / "p.yaml").write_text(POLICY)
    (tmp_path / "gateway.yaml").write_text(SETTINGS.format(data=data, control=control))
    command = [sys.executable, "-m", "gateway", "serve", "--workers", "3"]
    log = tmp_path / "gateway.log"
    with running(command, log, {"ADMIN": ADMIN}, tmp_path) as child:
        await_port(control, child, log)
        yield control


def ask(port: int, path: str, cookie: str = "", form: dict[str, str] | None = None) -> tuple[int, str, str]:
    """One request on a connection of its own, which the system gives to any process: status, page and cookie."""
    own = {"Origin": f"http://127.0.0.1:{port}", "Content-Type": "application/x-www-form-urlencoded"}
    headers = {"Cookie": f"gateway={cookie}"} | ({} if form is None else own)
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=30)) as connection:
        connection.request("GET" if form is None else "POST", f"/ui/{path}", form and urlencode(form), headers)
        answer = connection.getresponse()
        page = answer.read().decode()
        set_cookie = re.search(r"gateway=([^;]*)", answer.getheader("Set-Cookie") or "")
        return answer.status, page, cookie if set_cookie is None else set_cookie[1]


def form_token(page: str) -> str:
    found = re.search(r'name="form_token" value="([^"]*)"', page)
    assert found is not None
    return found[1]


def settled(port: int, cookie: str, status: int) -> bool:
    """Whether thirty connections in a row are answered so, before long."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        if {status} == {ask(port, "links", cookie)[0] for _ in range(30)}:
            return True
    return False


def test_who_is_signed_in_at_one_process_is_at_all(port: int) -> None:
    """And who signs out at one has signed out at all."""
    _, page, cookie = ask(port, "sign-in")
    status, _, cookie = ask(port, "sign-in", cookie, {"token": ADMIN, "form_token": form_token(page)})
    assert 303 == status
    assert settled(port, cookie, 200)
    _, page, _ = ask(port, "sessions", cookie)
    assert 303 == ask(port, "sign-out", cookie, {"form_token": form_token(page)})[0]
    assert settled(port, cookie, 303)
