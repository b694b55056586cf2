"""Owns a small server that shows the samples to a browser, as `/LOOK/SAMPLE`, with their own headers and assets."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Final

from gateway.pages.assets import find_asset
from gateway.pages.render import ASSETS_AT
from tests.pages.samples import LOOKS, SAMPLES

__all__ = ["PIXEL", "showing_samples"]

PIXEL: Final = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010806000000"
    "1f15c4890000000d49444154789c6360606060000000050001a5f645400000000049454e44ae426082"
)


class _Samples(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        path, _, query = self.path.partition("?")
        look, _, sample = path[1:].partition("/")
        if look in LOOKS and sample in SAMPLES and query != "page=0":
            page = SAMPLES[sample](LOOKS[look])
            self._answer(page.headers, page.body)
            return
        logos = {logo.served_as: logo for one in LOOKS.values() if (logo := one.branding.logo) is not None}
        name = path.removeprefix(ASSETS_AT)
        asset = find_asset(name) or logos.get(name)
        if asset is not None:
            self._answer((("Content-Type", asset.content_type),), asset.body)
        else:  # whatever else a page asks for is a picture in it
            self._answer((("Content-Type", "image/png"),), PIXEL)

    def _answer(self, headers: tuple[tuple[str, str], ...], body: bytes) -> None:
        self.send_response(200)
        for name, value in (*headers, ("Content-Length", str(len(body)))):
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def showing_samples() -> Iterator[str]:
    """The server's address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Samples) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()
