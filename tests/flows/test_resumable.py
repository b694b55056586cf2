"""A page of another origin sends a file through a link as uploaders in browsers do: tus-js-client in Chromium."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.clients.install import UPLOADS, install
from tests.e2e.place import Place
from tests.flows.pages import Pages

_MIB = 1024 * 1024
_UPLOAD = """async ([endpoint, size, chunk]) => {
  const bytes = new Uint8Array(size)
  for (let at = 0; at < size; at += 65536) crypto.getRandomValues(bytes.subarray(at, Math.min(size, at + 65536)))
  const digest = new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))
  const hex = Array.from(digest, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return new Promise((resolve) => {
    let stopped = false
    const upload = new tus.Upload(new Blob([bytes]), {
      endpoint, chunkSize: chunk, retryDelays: null, metadata: { filename: 'film.bin', filetype: 'video/mp4' },
      onChunkComplete: async (_, accepted) => {
        if (stopped || accepted < size / 2) return
        stopped = true
        await upload.abort()
        upload.start()
      },
      onSuccess: () => resolve([hex, stopped]),
      onError: (error) => resolve([String(error), stopped]),
    })
    upload.start()
  })
}"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    install("uploads")
    page = browser.new_context().new_page()
    yield page
    page.close()


def _send(page: Page, origin: str, endpoint: str) -> list[object]:
    page.goto(origin)
    page.add_script_tag(path=UPLOADS / "node_modules" / "tus-js-client" / "dist" / "tus.min.js")
    return list(page.evaluate(_UPLOAD, [endpoint, 9 * _MIB + 5, 2 * _MIB]))


def test_a_page_of_a_known_origin_uploads_with_a_pause(place: Place, pages: Pages, page: Page) -> None:
    """Preflights, offsets and addresses cross the origins; the object is what the page had."""
    link = place.link(prefix="browser/", actions=["write"])
    digest, stopped = _send(page, pages.known, link.url)
    assert (hashlib.sha256(place.stored("browser/film.bin") or b"").hexdigest(), True) == (digest, stopped)


def test_a_page_of_a_foreign_origin_uploads_nothing(place: Place, pages: Pages, page: Page) -> None:
    """Control: it is the bucket's rule that lets a page in."""
    link = place.link(prefix="foreign/", actions=["write"])
    said, _ = _send(page, pages.foreign, link.url)
    assert "tus: failed to create upload" in str(said)
    assert None is place.stored("foreign/film.bin")
