"""Owns listeners of raw sockets, plain and TLS, that keep each request to the byte and answer from a minimal store."""

from __future__ import annotations

import re
import socketserver
import ssl
import sys
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import BinaryIO

from tests.vectors.framing import header
from tests.vectors.record.store import Reply, Store
from tests.vectors.stack import Request

__all__ = ["Heard", "listening"]


@dataclass
class Heard:
    """Where to send requests, and those that came, in their order."""

    port: int
    requests: list[Request]


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 64
    over = "http"
    context: ssl.SSLContext | None = None

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.store, self.requests, self.lock = Store(), list[Request](), threading.Lock()

    def handle_error(self, *_: object) -> None:
        """A client that went away is its own affair; the rest is shown."""
        if not isinstance(sys.exception(), OSError):
            traceback.print_exc()


class _Handler(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        if self.server.context is not None:
            self.request = self.server.context.wrap_socket(self.request, server_side=True)
        with self.request, self.request.makefile("rwb", buffering=1 << 16) as stream:
            while self._one(stream):
                pass

    def _one(self, stream: BinaryIO) -> bool:
        """Take and answer one request; whether another may follow."""
        lines = list(_lines(stream))
        if not lines:
            return False
        bare = Request(self.server.over, int(time.time()), tuple(lines))
        if (header(bare, "expect") or "").lower() == "100-continue":
            stream.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            stream.flush()
        request = Request(bare.over, bare.at, bare.head, _body(stream, bare))
        with self.server.lock:
            reply = self.server.store.answer(request)
            self.server.requests.append(request)
        stream.write(_encoded(reply, head_only=lines[0].startswith("HEAD ")))
        stream.flush()
        return (header(request, "connection") or "").lower() != "close"


def _lines(stream: BinaryIO) -> Iterator[str]:
    while line := stream.readline(1 << 16):
        if not line.strip(b"\r\n"):
            return
        yield line.removesuffix(b"\n").removesuffix(b"\r").decode("latin-1")


def _body(stream: BinaryIO, request: Request) -> bytes:
    if (header(request, "transfer-encoding") or "").lower() != "chunked":
        return stream.read(int(header(request, "content-length") or 0))
    taken = b""
    while True:
        line = stream.readline()
        taken += line
        size = int(line.partition(b";")[0], 16)
        if not size:
            break
        taken += stream.read(size + 2)
    while (line := stream.readline()).strip():
        taken += line
    return taken + line


def _encoded(reply: Reply, *, head_only: bool) -> bytes:
    headers = {"x-amz-request-id": "R", "Server": "recorder"} | reply.headers | {"Content-Length": str(len(reply.body))}
    if reply.status == 204:
        del headers["Content-Length"]
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {reply.status} {HTTPStatus(reply.status).phrase}\r\n{lines}\r\n"
    return re.sub(r"[^\x00-\xff]", "?", head).encode("latin-1") + (b"" if head_only else reply.body)


@contextmanager
def listening(certificate: tuple[Path, Path] | None = None) -> Iterator[Heard]:
    """A listener on a free port of 127.0.0.1; with a certificate and its key it speaks TLS."""
    with _Server() as server:
        if certificate is not None:
            server.over, server.context = "https", ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            server.context.load_cert_chain(*certificate)
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield Heard(server.server_address[1], server.requests)
        finally:
            server.shutdown()
