"""Uppy as it is published, in each way that it sends files, with a link's address and nothing in between."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser

from tests.clients.install import UPPY, install
from tests.e2e.conftest import require
from tests.e2e.place import Place

pytestmark = pytest.mark.browser

_FILES = [("small.txt", 1000, 1), ("größe 2.txt", 70_000, 2), ("large.bin", 12 * 1024 * 1024, 3)]
_PAGE = '<!doctype html><meta charset="utf-8"><script src="/uppy.js"></script>'


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Uppy, its plugins and our page in one script, as a bundler makes it for any page."""
    require("npm")
    install("uppy")
    made = tmp_path_factory.mktemp("uppy") / "uppy.js"
    command = [UPPY / "node_modules/.bin/esbuild", Path(__file__).with_name("uppy_page.mjs"), "--bundle"]
    environ = os.environ | {"NODE_PATH": str(UPPY / "node_modules")}
    subprocess.run([*command, "--format=iife", f"--outfile={made}", "--log-level=error"], env=environ, check=True)
    return made.read_text()


@pytest.mark.parametrize("mode", ["tus", "parallelUploads", "signRequest", "getCredentials"])
def test_uppy_sends_files_through_a_link(weed: Place, browser: Browser, script: str, mode: str) -> None:
    """Small and large, each stored byte for byte; from a page of the gateway's own origin, which needs no rule."""
    link = weed.link(prefix=f"uppy-{mode}/", actions=["write"])
    page = browser.new_page()
    page.route("**/uppy.html", lambda route: route.fulfill(body=_PAGE, content_type="text/html"))
    page.route("**/uppy.js", lambda route: route.fulfill(body=script, content_type="text/javascript"))
    origin = "{0.scheme}://{0.netloc}".format(urlsplit(link.url))
    page.goto(f"{origin}/uppy.html")
    address = link.url.rstrip("/") + "/"
    done, failed = page.evaluate("([mode, link, files]) => send(mode, link, files)", [mode, address, _FILES])
    assert [] == failed
    assert sorted(name for name, _, _ in _FILES) == sorted(done)
    for name, size, seed in _FILES:
        body = bytes((at * 31 + seed) % 251 for at in range(251)) * (size // 251 + 1)
        assert body[:size] == weed.stored(f"uppy-{mode}/{name}"), name
    page.close()
