"""A gateway that is told to trace, in front of a real store and a collector."""

from __future__ import annotations

import gzip
import threading
from collections.abc import Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.servers import over_tls
from tests.servers.gateway import gateway_before
from tests.servers.rclone import rclone_store

pytestmark = pytest.mark.e2e


@pytest.fixture
def collected(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[bytes]]:
    """What a collector got, as bytes; the environment leads there."""
    bodies: list[bytes] = []

    class Collector(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            bodies.append(gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (its name there)
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Collector) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        monkeypatch.setenv("OTEL_TRACES_EXPORTER", "otlp")
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
        try:
            yield bodies
        finally:
            server.shutdown()
            thread.join()


def test_a_traced_request_shows_no_secret(collected: list[bytes], tmp_path: Path) -> None:
    """Both spans of a download arrive, in the caller's trace, before the process has ended; the token in none."""
    trace = "4bf92f3577b34da6a3ce929d0e0e4736"
    tmp_path.joinpath("store").mkdir()
    with rclone_store(tmp_path / "store") as store:
        with gateway_before([store], tmp_path / "gateway") as gateway:
            store.client().put_object(Bucket=gateway.real_buckets["rclone"], Key="inside/a-name.txt", Body=b"x" * 50)
            link = gateway.link("rclone", key="a-name.txt")
            place = urlsplit(link.url)
            with closing(over_tls.dial(link.url, timeout=10)) as connection:
                connection.request("GET", place.path, headers={"traceparent": f"00-{trace}-00f067aa0ba902b7-01"})
                assert b"x" * 50 == connection.getresponse().read()
        whole = b"".join(collected)
        for expected in (b"GetObject", b"GET rclone", bytes.fromhex(trace), link.id.encode()):
            assert expected in whole
        for secret in (link.token, "a-name", "Signature", store.access_key, gateway.admin_token):
            assert secret.encode() not in whole
