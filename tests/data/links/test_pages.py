"""What a person sees: no use taken, no byte of the object moved, no name above the link's own."""

from __future__ import annotations

import json

import pytest

from gateway.core.password import hash_password
from gateway.core.request import Action
from tests.data.harness import Rig

BROWSER = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
WRITE = frozenset({Action.WRITE})


async def test_the_landing_page_tells_what_is_behind_it(rig: Rig) -> None:
    """Name, uses left, and a button; the store was only looked at."""
    rig.store.hold("inside/deep/secret-folder/a.txt", b"x" * 2048)
    token, grant = await rig.granted("deep/secret-folder/a.txt", uses=2)
    got = await rig.ask("GET", f"/s/{token}", BROWSER)
    assert 200 == got.status
    assert "a.txt" in got.text
    assert "secret-folder" not in got.text
    assert "inside" not in got.text
    assert token not in got.text
    assert ["HEAD"] == [seen.call.method for seen in rig.store.seen]
    assert 0 == await rig.used(grant)
    assert "no-store" in (got.header("cache-control") or "")


async def test_the_landing_page_of_nothing_is_404(rig: Rig) -> None:
    """A button that leads nowhere is not shown."""
    assert 404 == (await rig.ask("GET", f"/s/{await rig.link(uses=2)}", BROWSER)).status


async def test_the_landing_page_of_a_used_up_link_is_410(rig: Rig) -> None:
    """Nor one that would be refused."""
    rig.store.hold("inside/a.txt", b"x")
    token = await rig.link(uses=1)
    await rig.fetch(token)
    assert 410 == (await rig.ask("GET", f"/s/{token}", BROWSER)).status


async def test_what_was_begun_goes_on_from_the_page_of_a_link_that_takes_no_more(rig: Rig) -> None:
    """By its script alone, which knows what this browser has begun; a link to read from has nothing to go on with."""
    rig.store.hold("inside/a.txt", b"x")
    into, out = await rig.link(prefix="inside/", actions=WRITE, uses=1), await rig.link(uses=1)
    await rig.ask("PUT", f"/s/{into}/b.txt", body=b"x")
    await rig.fetch(out)
    pages = [await rig.ask("GET", f"/s/{token}", BROWSER) for token in (into, out)]
    assert [(410, True), (410, False)] == [(page.status, "upload." in page.text) for page in pages]
    assert "<form" not in pages[0].text
    assert 410 == (await rig.ask("PUT", f"/s/{into}/c.txt", body=b"x")).status


@pytest.mark.parametrize("fields", [{"uses": 1}, {"confirm": True}])
async def test_past_password_and_terms_comes_the_page(rig: Rig, fields: dict[str, object]) -> None:
    """To enter a password or to accept terms is no download: a use is taken by the button that says so."""
    rig.store.hold("inside/a.txt", b"hello")
    word = hash_password("word", bytes(16))
    token, grant = await rig.granted(password=word, terms="Be good.", **fields)
    cookies = dict[str, str]()
    for body in (b"password=word", b"accept_terms=1"):
        back = await rig.ask("POST", f"/s/{token}?page=1", FORM | BROWSER | said(cookies), body)
        assert (303, f"/s/{token}?page=1") == (back.status, back.header("location"))
        cookies |= dict(value.partition(";")[0].split("=", 1) for value in back.headers_named("set-cookie"))
    page = await rig.ask("GET", f"/s/{token}?page=1", BROWSER | said(cookies))
    assert (200, True, 0) == (page.status, "<form" in page.text and "a.txt" in page.text, await rig.used(grant))
    pressed = await rig.ask("POST", f"/s/{token}?page=1", FORM | BROWSER | said(cookies), b"")
    assert (303, f"/s/{token}?download=1") == (pressed.status, pressed.header("location"))


def said(cookies: dict[str, str]) -> dict[str, str]:
    return {"Cookie": "; ".join(f"{name}={value}" for name, value in cookies.items())}


async def test_head_tells_of_the_upload_page(rig: Rig) -> None:
    """To who would be shown it; who would not be is told, as by GET, that there is nothing to read."""
    token = await rig.link(prefix="in/", actions=WRITE)
    page, head = [await rig.ask(method, f"/s/{token}/", BROWSER) for method in ("GET", "HEAD")]
    assert (200, page.header("content-type"), page.header("content-security-policy"), b"") == (
        head.status,
        head.header("content-type"),
        head.header("content-security-policy"),
        head.body,
    )
    for method in ("GET", "HEAD"):
        assert 405 == (await rig.ask(method, f"/s/{token}/", {"Accept": "*/*"})).status


async def test_the_upload_page_offers_a_form(rig: Rig) -> None:
    """For a link that only takes files."""
    got = await rig.ask("GET", f"/s/{await rig.link(actions=WRITE, max_size=1000, uses=3)}", BROWSER)
    assert (200, True) == (got.status, "multipart/form-data" in got.text)
    assert [] == rig.store.seen


async def test_cookies_are_secure_behind_https(rig: Rig) -> None:
    """And bound to the link's own path."""
    token = await rig.link(uses=1)
    rig.store.hold("inside/a.txt", b"x")
    got = await rig.ask("POST", f"/s/{token}", FORM, b"download=1")
    assert "Secure" not in (got.header("set-cookie") or "")
    object.__setattr__(rig.plane.snapshot, "public_url", "https://share.example")
    got = await rig.ask("POST", f"/s/{token}", FORM, b"download=1")
    assert (got.header("set-cookie") or "").endswith(f"; Path=/s/{token}; HttpOnly; SameSite=Lax; Secure")


@pytest.mark.parametrize(
    ("accept", "kind"), [("text/html", "text/html"), ("application/json", "application/json"), ("*/*", "text/plain")]
)
async def test_a_receipt_says_what_arrived(rig: Rig, accept: str, kind: str) -> None:
    """As a page, a document or a line; with the entity tag, without our names for things."""
    token = await rig.link(prefix="deep/in/", actions=WRITE)
    got = await rig.ask("PUT", f"/s/{token}/new.txt", {"Accept": accept}, b"x" * 10)
    assert 201 == got.status
    assert kind in (got.header("content-type") or "")
    assert "new.txt" in got.text
    assert "deep" not in got.text
    assert rig.store.objects["real", "inside/deep/in/new.txt"][1]["etag"] == got.header("etag")
    if kind == "application/json":
        assert {"name": "new.txt", "size": 10} == {name: json.loads(got.body)[name] for name in ("name", "size")}


async def test_a_link_may_have_a_name_of_its_own(rig: Rig) -> None:
    """The file name chosen by its maker is what people see and save."""
    rig.store.hold("inside/a.txt", b"x", content_type="text/plain")
    token = await rig.link(filename="Invoice May.pdf", content_type="application/pdf")
    got = await rig.fetch(token)
    assert "application/pdf" == got.header("content-type")
    assert "Invoice May.pdf" in (got.header("content-disposition") or "")


async def test_a_limited_folder_is_saved_whole_by_its_page(rig: Rig) -> None:
    """The landing page of an archive has a button, too, which leads back to the archive and takes its one use."""
    rig.store.hold("inside/in/a.txt", b"hello")
    token, grant = await rig.granted(prefix="in/", uses=1, actions=frozenset({Action.READ, Action.LIST}))
    got = await rig.ask("GET", f"/s/{token}/?archive=zip", BROWSER)
    assert (200, True) == (got.status, "<button" in got.text)
    pressed = await rig.ask("POST", f"/s/{token}/?archive=zip", FORM, b"download=1")
    assert (303, f"/s/{token}/?download=1&archive=zip") == (pressed.status, pressed.header("location"))
    cookie = {"Cookie": (pressed.header("set-cookie") or "").partition(";")[0]}
    got = await rig.ask("GET", f"/s/{token}/?download=1&archive=zip", BROWSER | cookie)
    assert (200, "application/zip") == (got.status, got.header("content-type"))
    assert 1 == await rig.used(grant)
