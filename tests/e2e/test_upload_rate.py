"""How fast the upload page sends one large file, beside the same page with one connection (`-s` tells the figures)."""

from __future__ import annotations

import os
import time
from pathlib import Path
from statistics import median

import pytest
from playwright.sync_api import Browser

from tests.e2e.narrow import NarrowProxy
from tests.e2e.place import Place, noise
from tests.e2e.test_upload_page import failed, opened, until_sent

pytestmark = [pytest.mark.browser, pytest.mark.slow]

_MIB = 1024**2
_ONE = """
const get = XMLHttpRequest.prototype.getResponseHeader;
XMLHttpRequest.prototype.getResponseHeader = function (name) {
  return name === "Upload-Part-Size" ? null : get.call(this, name);
};
"""
"""A page that hears nothing of parts sends a file in one stream."""


def send(weed: Place, browser: Browser, file: Path, name: str, way: dict[str, float], *, one: bool) -> float:
    """Seconds until the page says that the file is there."""
    link = weed.link(prefix=f"{name}/", actions=["write"], overwrite=True)
    with NarrowProxy(int(weed.gateway.data.rpartition(":")[2]), **way) as network:
        context = browser.new_context()
        if one:
            context.add_init_script(_ONE)
        page, complaints = opened(context, link.url.replace(weed.gateway.data, f"http://127.0.0.1:{network.port}"))
        began = time.monotonic()
        page.locator("#files").set_input_files(file)
        until_sent(page, 300)
        took = time.monotonic() - began
        assert ([], []) == (failed(page), complaints)
        context.close()
    return took


@pytest.mark.timeout(1200)
@pytest.mark.parametrize(
    ("name", "size", "way", "least"),
    [
        ("each connection 2 MB/s", 256, {"each": 2e6}, 2.0),
        ("all together 4 MB/s", 128, {"together": 4e6}, 0.9),
        ("all together 16 MB/s", 256, {"together": 16e6}, 0.9),
        ("no limit", 512, {}, 0.8),
    ],
)
def test_further_connections_help_or_do_not_hurt(
    weed: Place, browser: Browser, tmp_path: Path, name: str, size: int, way: dict[str, float], least: float
) -> None:
    """Where each connection is slow, several are faster; where they share a line, or none is slow, nothing is lost."""
    file, folder = tmp_path / "large.bin", name.replace(" ", "-").replace("/", "-")
    file.write_bytes(noise(32 * _MIB) * (size // 32))
    took: dict[bool, list[float]] = {True: [], False: []}
    for _ in range(int(os.environ.get("ROUNDS", "1"))):
        for one in (True, False):
            took[one].append(send(weed, browser, file, folder, way, one=one))
    stored = weed.stored(f"{folder}/large.bin")
    assert file.read_bytes() == stored
    alone, several = median(took[True]), median(took[False])
    said = f"{name}: {size} MiB in {several:.1f} s, by one connection in {alone:.1f} s: {alone / several:.2f}"
    print(said)  # noqa: T201 (the figures that the documents have)
    assert least < alone / several
