"""Laws of `gateway.pages.links`, and of every page."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.reasons import Reason
from gateway.pages.branding import Branding
from gateway.pages.folders import Folder, Rows, folder_page
from gateway.pages.languages import languages
from gateway.pages.links import (
    FileFailed,
    FileReceived,
    Receives,
    Told,
    card_page,
    front_page,
    landing_page,
    program_page,
    receipt_page,
    upload_page,
)
from gateway.pages.previews import Kind, Preview, preview_of
from gateway.pages.refusals import refusal_page
from gateway.pages.render import Look, Page, look_for
from gateway.wire.s3.listing import Entry

EVIL = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'&amp;"
PROGRAM = "http://127.0.0.1:1/callback"


def told(text: str) -> Told:
    return Told(name=text, size=5, content_type=text, expires_at=0.0, uses_left=2, sender=text, sha256=text)


LOOK = look_for(Branding(), None)
BRANDED = Look(Branding(name=EVIL, footer=EVIL, imprint="https://a.example/" + EVIL), languages()["de"])
PAGES: list[Callable[[str], Page]] = [
    lambda text: landing_page(LOOK, told(text), asks=True, may_show=True),
    lambda text: landing_page(LOOK, told(text), asks=False, card=True, preview=Preview(Kind.IMAGE)),
    lambda text: landing_page(LOOK, told(text), asks=False, preview=Preview(Kind.VIDEO)),
    lambda text: landing_page(LOOK, told(text), asks=False, preview=Preview(Kind.DOCUMENT)),
    lambda text: landing_page(LOOK, told(text), asks=False, preview=Preview(Kind.TEXT, text=text)),
    lambda text: landing_page(LOOK, told(text), asks=False, preview=Preview(Kind.TABLE, rows=[[text, text]])),
    lambda text: card_page(LOOK, told(text)),
    lambda text: folder_page(
        LOOK,
        Folder(text, [text, text], expires_at=1.0),
        Rows([Entry(text, 3, text), Entry(text + "/")], {"cursor": text}),
    ),
    lambda text: upload_page(LOOK, Receives(types=(text,), message=text), title=text, expires_at=1.0),
    lambda text: receipt_page(
        LOOK, stored=[FileReceived(text, 1, text, text)], failed=[FileFailed(text, Reason.BAD_KEY)], request_id=text
    ),
    lambda text: refusal_page(LOOK, Reason.EXPIRED, text),
    lambda text: refusal_page(LOOK, Reason.PASSWORD_WRONG, text),
    lambda text: program_page(LOOK, who=text, port=text, address=f"{PROGRAM}?code={text}"),
    lambda text: landing_page(BRANDED, told(text), asks=True),
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
    """Style sheet and scripts are allowed by hash; there is no inline style, event or foreign address.

    But for what the operator's imprint is, and for the program on the visitor's own computer that one signs in for.
    """
    page = make("x")
    body = page.body.decode()
    style = re.search(r"<style>(.*?)</style>", body, re.DOTALL)
    assert style is not None
    assert f"'sha256-{b64encode(sha256(style[1].encode()).digest()).decode()}'" in csp(page)
    assert csp(page).startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in csp(page)
    reader = Reader(page)
    for script in reader.all("script"):
        assert f"'{script['integrity']}'" in re.search("script-src ([^;]*);", csp(page))[1].split()
        assert "module" == script["type"]
    for _, attributes in reader.tags:
        assert not [name for name in attributes if name == "style" or name.startswith("on")]
        assert not [value for value in attributes.values() if value and re.match(r"//|javascript:", value)]
        foreign = [value for value in attributes.values() if value and re.match(r"https?:", value)]
        assert foreign in ([], [BRANDED.branding.imprint], [f"{PROGRAM}?code=x"])


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
    fields = [one for one in reader.all("input") if one.get("type") != "hidden" and "aria-label" not in one]
    assert {attributes["id"] for attributes in fields} == labels
    assert ("Content-Language", reader.all("html")[0]["lang"]) in page.headers


@pytest.mark.parametrize("make", PAGES)
def test_forms_post_to_where_the_browser_is(make: Callable[[str], Page]) -> None:
    """A form has no address of its own, and nothing happens by looking at a page."""
    for form in Reader(make("x")).all("form"):
        assert form["method"] == "post" or form["role"] == "search"
        assert "action" not in form


def test_landing_page_says_what_there_is() -> None:
    """Name, size, until when, from whom, and what is left; what has no limit is not mentioned."""
    whole = Told(name="a.pdf", size=1536, expires_at=86400.0, uses_left=3, sender="Anna", sha256="ab" * 32)
    text = Reader(landing_page(LOOK, whole, asks=True)).text
    for shown in ("a.pdf", "1.5 KiB", "1970-01-02 00:00:00 UTC", "3", "Download", "Anna", "ab" * 32):
        assert shown in text
    bare = Reader(landing_page(LOOK, Told(name="a.pdf"), asks=True)).text
    for label in ("Available until", "Downloads left", "From", "SHA-256", "Type", "Preview"):
        assert label not in bare


def test_what_takes_a_use_is_a_button_that_says_so() -> None:
    """A page of a limited link loads nothing of the file and links to nothing; a free one has addresses."""
    asking = Reader(landing_page(LOOK, Told(name="a.pdf", uses_left=1), asks=True, may_show=True))
    assert [None, "show"] == [button.get("name") for button in asking.all("button")]
    assert "Showing it counts as a download, too." in asking.text
    assert not [one for tag, one in asking.tags if tag in {"a", "img", "video"}]
    free = Reader(landing_page(LOOK, Told(name="a.png"), asks=False, preview=Preview(Kind.IMAGE)))
    assert ["?download=1"] == [link["href"] for link in free.all("a")]
    assert ["?page=0"] == [picture["src"] for picture in free.all("img")]
    assert not free.all("button")


@pytest.mark.parametrize(
    ("kind", "directive"),
    [
        (Kind.IMAGE, "img-src"),
        (Kind.DOCUMENT, "frame-src"),
        (Kind.VIDEO, "media-src"),
        (Kind.AUDIO, "media-src"),
        (Kind.TEXT, "style-src"),
    ],
)
def test_a_preview_is_fetched_under_its_own_directive(kind: Kind, directive: str) -> None:
    """And a page without one fetches nothing."""
    policy = csp(landing_page(LOOK, Told(name="a"), asks=False, preview=Preview(kind)))
    fetching = {"img-src", "media-src", "frame-src", "connect-src", "style-src"} & {
        part.split()[0] for part in policy.split("; ")
    }
    assert {directive, "style-src"} == fetching


def test_markdown_stands_as_it_was_made() -> None:
    """Its elements are ours already."""
    made = preview_of(Kind.MARKDOWN, b"**a** <b>", whole=True)
    assert (
        "<p><strong>a</strong> &lt;b&gt;</p>" in landing_page(LOOK, told("x"), asks=False, preview=made).body.decode()
    )


def test_a_card_says_what_the_owner_chose() -> None:
    """Nothing of the file, or name and size as OpenGraph."""
    assert b"og:" not in card_page(LOOK).body
    shown = Reader(card_page(BRANDED, Told(name="a.pdf", size=1536, content_type="application/pdf")))
    cards = {one.get("property"): one["content"] for one in shown.all("meta") if "property" in one}
    assert {
        "og:type": "website",
        "og:title": "a.pdf",
        "og:description": "1,5 KiB, application/pdf",
        "og:site_name": EVIL,
    } == cards


def test_upload_page_tells_the_limits_first() -> None:
    """Limits and the rule for existing names are told before anything is sent, on a folder's page too."""
    wanted = Receives(
        max_size=5 * 1024**3, files_left=17, bytes_left=7 * 1024**3, types=("image/*",), message="Photos, please"
    )
    listed = folder_page(LOOK, Folder("a", receives=wanted), Rows())
    for reader in (Reader(upload_page(LOOK, wanted)), Reader(listed)):
        for told in ("5.0 GiB", "7.0 GiB", "17", "image/*", "Photos, please", "never replaced"):
            assert told in reader.text
        assert "multipart/form-data" in [form.get("enctype") for form in reader.all("form")]
    assert "is replaced" in Reader(upload_page(LOOK, Receives(on_conflict="overwrite"))).text


@pytest.mark.parametrize("code", ["en", "de"])
def test_upload_page_brings_its_refusals(code: str) -> None:
    """In the page's language: what a person can do something about, and nothing that is for the operator alone."""
    look = replace(LOOK, language=languages()[code])
    [box] = [one for one in Reader(upload_page(look, Receives())).all("div") if "data-texts" in one]
    brought = json.loads(box["data-texts"])
    for reason in (Reason.TYPE_NOT_ALLOWED, Reason.OBJECT_EXISTS, Reason.USED_UP, Reason.REVOKED, Reason.TOO_LARGE):
        assert languages()[code].texts[f"reasons.{reason.value}"] == brought[reason.value]
    for reason in (Reason.PASSWORD_REQUIRED, Reason.HOLDER_REQUIRED, Reason.TERMS_NOT_ACCEPTED):
        assert languages()[code].texts["upload.load_again"] == brought[reason.value], "its own page asks for it"
    assert not {"upstream_refused", "malformed_xml"} & brought.keys()
    assert languages()[code].texts["upload.failed"] == brought["failed"]
