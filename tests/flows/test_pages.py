"""Flow F13: a page of another origin talks to stores on which no cross-origin rule was ever set."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.flows.actor import Actor
from tests.flows.pages import Pages

_FETCH = """async ([url, method, text]) => {
  try {
    const answer = await fetch(url, { method, body: text, headers: text ? { 'Content-Type': 'text/plain' } : {} })
    return [answer.status, await answer.text(), answer.headers.get('etag'), answer.headers.get('x-amz-request-id'),
      answer.headers.get('x-amz-id-2')]
  } catch (error) {
    return [0, error.name, null, null, null]
  }
}"""


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    page = browser.new_context().new_page()
    yield page
    page.close()


def _fetch(page: Page, url: str, method: str = "GET", text: str | None = None) -> list[str | int | None]:
    return page.evaluate(_FETCH, [url, method, text])


def test_f13_a_page_of_a_known_origin_puts_and_gets(actor: Actor, pages: Pages, page: Page) -> None:
    """`fetch()` with PUT, preflight included, and GET work; exposed headers are readable, others are not."""
    client = actor.client()
    parameters = {"Bucket": actor.place.bucket, "Key": "f13.txt"}
    put = client.generate_presigned_url("put_object", parameters | {"ContentType": "text/plain"})
    get = client.generate_presigned_url("get_object", parameters)
    page.goto(pages.known)
    status, _, etag, request_id, hidden = _fetch(page, put, "PUT", "from a page")
    assert 200 == status
    assert etag
    assert request_id
    assert hidden is None
    assert b"from a page" == actor.place.stored("f13.txt")
    assert [200, "from a page"] == _fetch(page, get)[:2]
    actor.revoke()
    for url, method, text in ((put, "PUT", "again"), (get, "GET", None)):
        status, body, *_ = _fetch(page, url, method, text)
        assert 403 == status
        assert "InvalidAccessKeyId" in str(body)
    assert b"from a page" == actor.place.stored("f13.txt")


def test_f13_a_page_of_a_foreign_origin_is_kept_out(actor: Actor, pages: Pages, page: Page) -> None:
    """A page that no rule names can neither write nor read, although its URLs are good."""
    actor.place.put("f13-secret.txt", b"not for pages")
    client = actor.client()
    parameters = {"Bucket": actor.place.bucket, "Key": "f13-secret.txt"}
    put = client.generate_presigned_url("put_object", parameters | {"ContentType": "text/plain"})
    get = client.generate_presigned_url("get_object", parameters)
    page.goto(pages.foreign)
    assert [0, "TypeError"] == _fetch(page, put, "PUT", "foreign")[:2]
    assert [0, "TypeError"] == _fetch(page, get)[:2]
    assert b"not for pages" == actor.place.stored("f13-secret.txt")
    page.goto(pages.known)
    assert [200, "not for pages"] == _fetch(page, get)[:2]
