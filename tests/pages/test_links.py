"""Laws of `gateway.pages.links`, and of every page."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.reasons import Reason
from gateway.pages.branding import Branding
from gateway.pages.languages import languages
from gateway.pages.links import card_page, front_page, landing_page, listing_page, receipt_page, upload_page
from gateway.pages.refusals import refusal_page
from gateway.pages.render import Look, Page, look_for
from gateway.wire.s3.listing import Entry

EVIL = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'&amp;"
LOOK = look_for(Branding(), None)
BRANDED = Look(Branding(name=EVIL, footer=EVIL, imprint="https://a.example/" + EVIL), languages()["de"])
PAGES: list[Callable[[str], Page]] = [
    lambda text: landing_page(LOOK, name=text, size=5, content_type=text, expires_at=0.0, uses_left=2),
    lambda text: listing_page(
        LOOK,
        title=text,
        folders=[text, text],
        entries=[Entry(text, 3, text), Entry(text + "/")],
        cursor=text,
        expires_at=1.0,
    ),
    lambda text: upload_page(LOOK, title=text, max_size=5, expires_at=1.0, uses_left=1),
    lambda text: receipt_page(LOOK, name=text, size=1, request_id=text),
    lambda text: refusal_page(LOOK, Reason.EXPIRED, text),
    lambda text: refusal_page(LOOK, Reason.PASSWORD_WRONG, text),
    lambda text: landing_page(BRANDED, name=text, expires_at=0.0),
    lambda text: card_page(LOOK),
    lambda text: front_page(BRANDED),
]


class Reader(HTMLParser):
    """Collects what a browser would see: tags with attributes, texts, and whether tags are balanced."""

    def __init__(self, page: Page) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text = ""
        self.feed(page.body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "input", "img"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def csp(page: Page) -> str:
    return dict(page.headers)["Content-Security-Policy"]


@pytest.mark.parametrize("make", PAGES)
@given(text=st.one_of(st.just(EVIL), st.text(min_size=1, max_size=30)))
def test_no_text_from_outside_becomes_markup(make: Callable[[str], Page], text: str) -> None:
    """Names and titles stay text: no tag, attribute or script comes from them."""
    reader = Reader(make(text))
    plain = Reader(make("x"))
    assert [(name, sorted(attributes)) for name, attributes in reader.tags if name != "time"] == [
        (name, sorted(attributes)) for name, attributes in plain.tags if name != "time"
    ]
    assert reader.open == []


@pytest.mark.parametrize("make", PAGES)
def test_pages_obey_their_own_policy(make: Callable[[str], Page]) -> None:
    """Style sheet and scripts are allowed by hash; there is no inline style, event or foreign address."""
    page = make("x")
    body = page.body.decode()
    style = re.search(r"<style>(.*?)</style>", body, re.DOTALL)
    assert style is not None
    assert f"'sha256-{b64encode(sha256(style[1].encode()).digest()).decode()}'" in csp(page)
    assert csp(page).startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in csp(page)
    reader = Reader(page)
    for script in reader.all("script"):
        assert f"script-src '{script['integrity']}'" in csp(page)
        assert "module" == script["type"]
    for _, attributes in reader.tags:
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
        assert not [value for value in attributes.values() if value and re.match(r"//|javascript:", value)]
        foreign = [value for value in attributes.values() if value and re.match(r"https?:", value)]
        assert foreign in ([], [BRANDED.branding.imprint])


@pytest.mark.parametrize("make", PAGES)
def test_pages_are_readable_by_everyone(make: Callable[[str], Page]) -> None:
    """Every page has a language, a title, one heading, a viewport, and a label for each field."""
    page = make("x")
    reader = Reader(page)
    assert reader.all("html")[0]["lang"] in {"en", "de"}
    assert reader.all("html")[0]["dir"] == "ltr"
    assert len(reader.all("h1")) == len(reader.all("title")) == len(reader.all("main")) == 1
    names = {attributes.get("name") for attributes in reader.all("meta")}
    assert {"viewport", "robots", "referrer"} <= names
    labels = {attributes["for"] for attributes in reader.all("label")}
    assert {attributes["id"] for attributes in reader.all("input")} == labels
    assert ("Content-Language", reader.all("html")[0]["lang"]) in page.headers


@pytest.mark.parametrize("make", PAGES)
def test_forms_post_to_where_the_browser_is(make: Callable[[str], Page]) -> None:
    """A form has no address of its own, and nothing happens by looking at a page."""
    for form in Reader(make("x")).all("form"):
        assert form["method"] == "post"
        assert "action" not in form


def test_landing_page_says_what_there_is() -> None:
    """Name, size, until when, and what is left; what has no limit is not mentioned."""
    text = Reader(landing_page(LOOK, name="a.pdf", size=1536, expires_at=86400.0, uses_left=3)).text
    for shown in ("a.pdf", "1.5 KiB", "1970-01-02 00:00:00 UTC", "3", "Download"):
        assert shown in text
    bare = Reader(landing_page(LOOK, name="a.pdf")).text
    assert "Available until" not in bare
    assert "Downloads left" not in bare


def test_listing_links_are_relative() -> None:
    """Folders come first, names are encoded, colons are no schemes, and crumbs lead no higher than the root."""
    entries = [Entry("b a.txt", 5), Entry("javascript:x"), Entry("d\u00e9/"), Entry("q?#%.txt", 0)]
    reader = Reader(listing_page(LOOK, title="Files", folders=["one", "two"], entries=entries, cursor="a+/="))
    assert [attributes["href"] for attributes in reader.all("a")] == [
        "../../",
        "../",
        "./d%C3%A9/",
        "./b%20a.txt",
        "./javascript%3Ax",
        "./q%3F%23%25.txt",
        "?cursor=a%2B%2F%3D",
        "?archive=zip",
        "?archive=tar",
    ]


def test_empty_listing() -> None:
    """An empty folder says so and offers no archive."""
    reader = Reader(listing_page(LOOK, title="Files", folders=[], entries=[]))
    assert "This folder is empty." in reader.text
    assert not reader.all("a")
    assert not reader.all("nav")


def test_upload_page_tells_the_limits_first() -> None:
    """Limits and the rule for existing names are told before anything is sent."""
    reader = Reader(upload_page(LOOK, max_size=5 * 1024**3, uses_left=2))
    assert "5.0 GiB" in reader.text
    assert "never replaced" in reader.text
    assert reader.all("form")[0]["enctype"] == "multipart/form-data"
    assert "is replaced" in Reader(upload_page(LOOK, overwrite=True)).text
