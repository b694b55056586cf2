"""Owns the way back from a browser: one listener on this machine, for one answer.

Refuses to own what the answer means (`gateway.cli.oidc`).

Laws: it listens on 127.0.0.1 alone, at a port that nobody could know before, and takes the first answer and no other
(RFC 8252, 7.3 and 8.3). Requests to other hosts or paths are no answers. What it shows holds nothing of the answer.
"""

from __future__ import annotations

import os
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from queue import Empty, SimpleQueue
from select import select
from threading import Thread
from types import TracebackType
from typing import Final, Self
from urllib.parse import urlsplit

from gateway.cli.output import fail, say

_PATH: Final = "/callback"
ELSEWHERE: Final = "A browser on another machine ends at an address that it cannot open: paste that address here.\n"
_LOOK: Final = 0.2
_LONGEST: Final = 16 * 1024
_PAGE: Final = b"The terminal has what it needs. This window can be closed.\n"


class _Handler(BaseHTTPRequestHandler):
    answers: SimpleQueue[str]
    host: str
    timeout = 10.0
    server_version, sys_version = "gateway", ""

    def do_GET(self) -> None:
        target = urlsplit(self.path)
        ours = target.path == _PATH and self.headers.get("Host") == self.host
        if ours:
            self.answers.put(target.query)
        self.send_response(200 if ours else 404)
        page = _PAGE if ours else b""
        for name, value in {
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Length": str(len(page)),
            "Cache-Control": "no-store",
            "Referrer-Policy": "no-referrer",
            "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff",
            "Connection": "close",
        }.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (as above)
        """A code is not written anywhere."""


class Loopback:
    """`with Loopback() as back:` listens; `back.address` is where a browser is sent back to."""

    def __init__(self) -> None:
        self._answers: SimpleQueue[str] = SimpleQueue()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler, bind_and_activate=True)
        self._server.daemon_threads = True
        host = f"127.0.0.1:{self._server.server_port}"
        self.address = f"http://{host}{_PATH}"
        self._server.RequestHandlerClass = type("Handler", (_Handler,), {"answers": self._answers, "host": host})
        self._thread = Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def take_answer(
        self, timeout: float, otherwise: str = "try again, or --device", *, terminal: int | None = None
    ) -> str:
        """The query that the browser came back with; no other is taken after it. Seconds.

        With a `terminal`, what is pasted there is one, too: a browser elsewhere cannot reach this machine, but its
        address bar says where it was sent.

        Raises:
            click.exceptions.Exit: none came in time.
        """
        end = time.monotonic() + timeout
        while True:
            try:
                return self._answers.get(timeout=min(_LOOK, max(0.0, end - time.monotonic())))
            except Empty:
                if terminal is not None and select([terminal], [], [], 0)[0]:
                    line = os.read(terminal, _LONGEST)
                    terminal = terminal if line else None
                    self._take_line(line.decode("utf-8", "replace").strip())
                elif time.monotonic() >= end:
                    return fail(f"Nobody came back from the browser in time: {otherwise}.")

    def _take_line(self, line: str) -> None:
        if line.startswith(f"{self.address}?"):
            self._answers.put(urlsplit(line).query)
        elif line:
            say(f"That is not it: the address begins with {self.address}?")


def own_terminal() -> int | None:
    """Where somebody may paste an answer; None without one."""
    return sys.stdin.fileno() if sys.stdin.isatty() else None
