"""Owns web sites of other people: empty pages on origins of their own, for scripts that call the gateway."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

__all__ = ["Pages", "serving_pages"]


class _Empty(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>a page</title>")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@dataclass(frozen=True, slots=True)
class Pages:
    """Two origins: `known` is in the gateway's cross-origin rules, `foreign` is not."""

    known: str
    foreign: str


@contextmanager
def serving_pages() -> Iterator[Pages]:
    with ExitStack() as stack:
        origins = []
        for _ in range(2):
            server = stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), _Empty))
            threading.Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
            origins.append(f"http://127.0.0.1:{server.server_address[1]}")
        yield Pages(*origins)
