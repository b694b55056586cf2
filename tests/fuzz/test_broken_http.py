"""Broken HTTP gets a refusal or a closed connection, and whoever comes next gets the answer to their own request."""

from __future__ import annotations

import asyncio
import re
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.data.harness import Rig, running
from tests.e2e.conftest import require
from tests.fuzz.broken_http import vectors
from tests.servers import over_tls
from tests.servers.process import await_port, free_ports
from tests.servers.process import running as process

pytestmark = pytest.mark.timeout(240)

_QUIET = 0.12
_PATIENCE = 10.0
_STATUS = re.compile(rb"HTTP/1\.[01] (\d{3}) ")
_CONTENT = {"own": b"what-was-asked-for", "hidden": b"what-nobody-asked-for", "victim": b"what-the-next-one-wants"}
_NGINX = """
daemon off; pid nginx.pid; error_log error.log; worker_processes 1;
events {{}}
http {{
  access_log off;
  client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path f; uwsgi_temp_path u; scgi_temp_path s;
  upstream gateway {{ server 127.0.0.1:{behind}; keepalive 2; }}
  server {{
    listen 127.0.0.1:{front}; underscores_in_headers on; client_max_body_size 0;
    location / {{
      proxy_pass {scheme}://gateway; proxy_http_version 1.1; proxy_request_buffering off;
      proxy_set_header Connection ""; proxy_set_header Host $http_host;
    }}
  }}
}}
"""
_HAPROXY = """
defaults
  mode http
  timeout connect 2s
  timeout client 5s
  timeout server 5s
  http-reuse always
listen front
  bind 127.0.0.1:{front}
  server gateway 127.0.0.1:{behind}{encrypted}
"""


class Place:
    """A gateway with three links: one to ask for, one that nobody asks for, one that the next client wants."""

    def __init__(self, rig: Rig) -> None:
        self.rig = rig
        self.paths: dict[str, bytes] = {}
        self.hidden = ""

    @classmethod
    async def before(cls, rig: Rig) -> Place:
        place = cls(rig)
        for name, content in _CONTENT.items():
            rig.store.hold(f"inside/{name}", content)
            token, grant = await rig.granted(name)
            place.paths[name] = f"/s/{token}".encode()
            if name == "hidden":
                place.hidden = f"link:{grant.id}"
        return place

    def fill(self, vector: bytes) -> bytes:
        return vector.replace(b"{own}", self.paths["own"]).replace(b"{hidden}", self.paths["hidden"])

    @property
    def victim(self) -> bytes:
        return b"GET %s HTTP/1.1\r\nHost: gw\r\n\r\n" % self.paths["victim"]

    def fooled(self) -> bool:
        """Whether a request was acted upon that only stood in another one's body."""
        return any(record.principal == self.hidden for record in self.rig.records)


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with running() as rig:
        yield await Place.before(rig)


async def _exchange(port: int, data: bytes, quiet: float = _QUIET, *, tls: ssl.SSLContext | None = None) -> bytes:
    """Send everything at once; all that comes until the connection ends or falls quiet for so many seconds."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls)
    got = b""
    try:
        writer.write(data)
        while True:
            async with asyncio.timeout(quiet):
                piece = await reader.read(65536)
            if not piece:
                break
            got += piece
    except (TimeoutError, ConnectionError):
        pass
    finally:
        writer.transport.abort()
    return got


def _statuses(got: bytes) -> list[int]:
    return [int(status) for status in _STATUS.findall(got) if status != b"100"]


_WELL_FORMED = {
    "content-length b'00'",
    "content-length b'\\t0'",
    "length named in connection",
    "coding b'CHUNKED'",
    "chunked get",
    "chunk size b'00'",
    "chunk size b'00000000000000000000'",
    "chunk size b'0;a=b'",
}
"""Bodies of no byte, in a form that RFC 9112 allows: what follows them is a request of its own, for every reader."""


async def test_a_broken_request_never_gets_two_answers(place: Place) -> None:
    """Straight at the listener: a refusal and the end, or one answer and then the next request's own."""
    wrong = []
    for name, vector in vectors():
        got = await _exchange(place.rig.port, place.fill(vector) + place.victim, tls=over_tls.client())
        statuses, victims = _statuses(got), got.count(_CONTENT["victim"])
        followed = name in _WELL_FORMED
        fooled = place.fooled() or _CONTENT["hidden"] in got
        # Every answer beyond the first is another request's; the last one is the victim's.
        own = len(statuses) < 2 or (victims == 1 and got.rfind(_CONTENT["victim"]) > got.rfind(b"HTTP/1."))
        broke = any(status >= 500 and status != 501 for status in statuses)
        if fooled != followed or len(statuses) > 2 + followed or victims > 1 or not own or broke:
            wrong.append((name, statuses, victims, fooled))
        place.rig.records.clear()
    assert not wrong


async def test_most_of_them_are_refused(place: Place) -> None:
    """Of the vectors, those that HTTP lets pass are few, and are harmless readings."""
    served = []
    for name, vector in vectors():
        got = await _exchange(place.rig.port, place.fill(vector), tls=over_tls.client())
        if _CONTENT["own"] in got:
            served.append(name)
    assert len(served) < 30, served


async def test_whole_requests_in_a_row_each_get_their_answer(place: Place) -> None:
    """Control: three requests sent at once are three answers, in order, so the count above can tell."""
    asked = [place.paths[name] for name in ("own", "victim", "own")]
    sent = b"".join(b"GET %s HTTP/1.1\r\nHost: gw\r\n\r\n" % path for path in asked)
    got = await _exchange(place.rig.port, sent, tls=over_tls.client())
    assert [200, 200, 200] == _statuses(got)
    order = sorted((match.start(), name) for name in ("own", "victim") for match in re.finditer(_CONTENT[name], got))
    assert ["own", "victim", "own"] == [name for _, name in order]


async def test_an_embedded_request_that_is_answered_is_noticed(place: Place) -> None:
    """Control: a request for the hidden link leaves the trace that the tests look for."""
    asked = b"GET %s HTTP/1.1\r\nHost: gw\r\n\r\n" % place.paths["hidden"]
    await _exchange(place.rig.port, asked, tls=over_tls.client())
    await place.rig.settled()
    assert place.fooled()


@contextmanager
def _front(kind: str, behind: int, directory: Path) -> Iterator[int]:
    program = require(kind)
    [front] = free_ports(1)
    settings = directory / "front.conf"
    places = {"front": front, "behind": behind, "scheme": over_tls.scheme()}
    encrypted = "" if over_tls.trust() is None else " ssl verify none"
    settings.write_text((_NGINX if kind == "nginx" else _HAPROXY).format(**places, encrypted=encrypted))
    command = [program, "-p", directory, "-c", settings] if kind == "nginx" else [program, "-db", "-f", settings]
    with process(command, directory / "front.log", cwd=directory) as child:
        await_port(front, child, directory / "front.log")
        yield front


@pytest.mark.parametrize("kind", ["nginx", "haproxy"])
async def test_nobody_is_fooled_behind_a_proxy(place: Place, tmp_path: Path, kind: str) -> None:
    """Through a proxy that shares its connections to us, the next client of the proxy gets the answer of its own."""
    wrong, asked = [], 0
    with _front(kind, place.rig.port, tmp_path) as port:
        for name, vector in vectors():
            await _exchange(port, place.fill(vector))
            for _ in range(2):
                asks = place.victim.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
                got = await _exchange(port, asks, _PATIENCE)
                asked += 1
                if [200] != _statuses(got) or not got.endswith(_CONTENT["victim"]):
                    wrong.append((name, got[:200]))
            place.rig.records.clear()
    assert not wrong
    assert asked > 400
