"""The way back from a form: where a cookie came it leads on and shows nothing of it, where none came it says so."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from gateway.core.password import hash_password
from gateway.core.request import RawRequest
from gateway.data.links.cookies import mark_way_back, way_on
from tests.data.harness import Rig

PROGRAM = {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"}
BROWSER = PROGRAM | {"Sec-Fetch-Dest": "document"}
FORM = {"Content-Type": "application/x-www-form-urlencoded"}
FORMS = {
    "password": ({"password": hash_password("sesame", b"s" * 16)}, b"password=sesame"),
    "terms": ({"terms": "Be good."}, b"accept_terms=1"),
    "uses": ({"uses": 2}, b""),
    "shown": ({"confirm": True}, b"show=1"),
}


def raw(query: str, cookie: str = "", method: str = "GET") -> RawRequest:
    headers = (("cookie", cookie),) if cookie else ()
    return RawRequest(method, "/s/t/a b", query, headers)


@pytest.mark.parametrize("form", FORMS)
async def test_a_browser_without_cookies_is_told_and_asked_no_more(rig: Rig, form: str) -> None:
    """In its language, with the way back to the link; nothing is asked of it, and no use is taken."""
    fields, sent = FORMS[form]
    rig.store.hold("inside/a.txt", b"hello", content_type="text/plain")
    token, grant = await rig.granted("a.txt", **fields)
    back = await rig.ask("POST", f"/s/{token}", BROWSER | FORM, sent)
    place = str(back.header("location"))
    told = await rig.ask("GET", place, BROWSER | {"Accept-Language": "de"})
    assert (303, 400) == (back.status, told.status)
    assert "Erlauben Sie in Ihrem Browser Cookies" in told.text
    assert 'href="?"' in told.text
    assert "<form" not in told.text
    assert 0 == await rig.used(grant)


@pytest.mark.parametrize("form", FORMS)
async def test_a_browser_with_cookies_goes_on_to_the_clean_address(rig: Rig, form: str) -> None:
    """What marked the way is gone from the address, and the rest of it is there."""
    fields, sent = FORMS[form]
    rig.store.hold("inside/a.txt", b"hello", content_type="text/plain")
    token, _ = await rig.granted("a.txt", **fields)
    back = await rig.ask("POST", f"/s/{token}", BROWSER | FORM, sent)
    cookie = {"Cookie": str(back.header("set-cookie")).partition(";")[0]}
    on = await rig.ask("GET", str(back.header("location")), BROWSER | cookie)
    clean = f"/s/{token}?download=1" if form == "uses" else f"/s/{token}"
    assert (303, clean) == (on.status, on.header("location"))
    assert b"hello" == (await rig.ask("GET", clean, BROWSER | cookie)).body


async def test_a_program_gets_the_address_as_it_is(rig: Rig) -> None:
    """It says nothing of the documents that browsers open."""
    rig.store.hold("inside/a.txt", b"hello")
    token = await rig.link(uses=2)
    back = await rig.ask("POST", f"/s/{token}", PROGRAM | FORM)
    assert f"/s/{token}?download=1" == back.header("location")


async def test_a_link_that_only_asks_first_needs_no_cookie(rig: Rig) -> None:
    """Its download is in the address: who keeps no cookies has it."""
    rig.store.hold("inside/a.txt", b"hello")
    token = await rig.link(confirm=True)
    back = await rig.ask("POST", f"/s/{token}", BROWSER | FORM)
    assert f"/s/{token}?download=1" == back.header("location")
    assert b"hello" == (await rig.ask("GET", str(back.header("location")), BROWSER)).body


def test_a_mark_is_good_for_a_minute() -> None:
    """An address that somebody kept, or passed on, is a link's like any other; so is one that somebody made up."""
    query = urlsplit(
        mark_way_back("/s/t", RawRequest("GET", "/s/t", "", (("sec-fetch-dest", "document"),)), 1000.5)
    ).query
    assert "" == way_on(raw(query), 1060.0)
    assert "" == way_on(raw(query), 940.0), "another gateway's clock"
    assert [None, None] == [way_on(raw(query), now) for now in (1061.0, 939.0)]
    odd = ("", "page=1", "entered=", "entered=-5", "entered=1e3", "entered=²", "entered=" + "9" * 5000, "xentered=1000")
    assert [None] * len(odd) == [way_on(raw(one), 1000.0) for one in odd]
    assert way_on(raw(query, method="POST"), 1000.0) is None


@pytest.mark.parametrize("cookie", ["gateway_password=x", "a=b; gateway_asked=x", "__Host-gateway_sign_in=x"])
def test_any_cookie_of_ours_shows_that_they_are_kept(cookie: str) -> None:
    """A cookie of somebody else's shows nothing; the rest of the address stays as it was."""
    assert "/s/t/a b?page=1&find=%20" == way_on(raw("page=1&entered=1000&find=%20", cookie), 5000.0)
    assert "" == way_on(raw("entered=1000", "other=1"), 1000.0)
