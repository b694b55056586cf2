"""Signing in and out, one's sessions, and the end of a session whose holder lost their right."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest

from gateway.core.attempt import Principal
from gateway.core.duty import AdminTerms, Duty
from gateway.core.token import hash_secret
from tests.control.console.seat import Page, Seat
from tests.control.desk import ADMIN, APP, CALLERS, CONSOLE, Desk, serving

OPS = Principal("admin", "ops")


async def test_nobody_sees_a_page_before_they_sign_in(seat: Seat) -> None:
    """Every page leads to the sign-in and from there back to itself; a form that comes without one does nothing."""
    page = await seat.ask("GET", "links/new")
    assert (303, "../sign-in?next=links%2Fnew") == (page.status, page.headers["Location"])
    page = await seat.get("links/new")
    assert ("links/new", 200) == (page.value("next"), page.status)
    assert 403 == (await seat.post("links/new", {"place": "reports/a.pdf"})).status
    page = await seat.post("sign-in", {"token": ADMIN, "next": page.value("next")})
    assert "New link" in (await seat.follow(page)).text
    assert [] == seat.desk.audited()


async def until_kept(seat: Seat, place: str, form: list[tuple[str, str]]) -> Page:
    """A form that is sent after its session has ended, and what comes after signing in again."""
    seat.desk.clock.now += 1801
    asked = await seat.post(place, form)
    assert (403, True) == (asked.status, "session has ended" in asked.text)
    return await seat.post("sign-in", {"token": ADMIN, "next": asked.value("next"), "kept": asked.value("kept")})


async def test_what_was_typed_outlives_the_session(seat: Seat) -> None:
    """It is shown again in its form, all of it but the password, which is asked for; nothing is done by signing in."""
    await seat.sign_in()
    form = (await seat.get("links/new")).filled(place="reports/a.pdf", label="with <care>", password="sesame")
    kept = await until_kept(seat, "links/new", [*form, ("actions", "list")])
    assert "sesame" not in kept.text
    again = await seat.post("links/new", kept.filled())
    assert (200, "with <care>", "reports/a.pdf") == (again.status, again.value("label"), again.value("place"))
    assert "type it again" in again.text
    assert 2 == again.text.count(" checked>") - again.text.count('name="credentials" value="yes" checked>')
    assert [] == (await seat.desk.ask("GET", "/v1/links")).json["links"]


async def test_an_edit_outlives_the_session(seat: Seat) -> None:
    """With the version that it was made from."""
    await seat.sign_in()
    link = await seat.desk.link()
    form = (await seat.get(f"links/{link['id']}/edit")).filled(label="new")
    kept = await until_kept(seat, f"links/{link['id']}/edit", form)
    again = await seat.post(f"links/{link['id']}/edit", kept.filled())
    assert (200, "new") == (again.status, again.value("label"))
    assert 303 == (await seat.post(f"links/{link['id']}/edit", again.filled())).status
    assert "new" == (await seat.desk.ask("GET", f"/v1/links/{link['id']}")).json["label"]


async def test_what_was_typed_outlives_the_cookie(seat: Seat) -> None:
    """Which ends with the longest session, and with a sign-out in another window: nothing of it was the form's."""
    await seat.sign_in()
    form = (await seat.get("links/new")).filled(place="reports/a.pdf", label="with <care>")
    seat.cookies.clear()
    kept = await until_kept(seat, "links/new", form)
    again = await seat.post("links/new", kept.filled())
    assert (200, "with <care>") == (again.status, again.value("label"))
    assert [] == (await seat.desk.ask("GET", "/v1/links")).json["links"]


async def test_what_was_typed_outlives_another_sign_in(seat: Seat) -> None:
    """In another window of the browser: it is shown again, and nothing is done by the form of before."""
    await seat.sign_in()
    form = (await seat.get("links/new")).filled(place="reports/a.pdf", label="with <care>")
    before = ("form_token", seat.token)
    await seat.sign_in()
    kept = await seat.post("links/new", [*form, before])
    assert 403 == kept.status
    again = await seat.post("links/new", kept.filled())
    assert (200, "with <care>") == (again.status, again.value("label"))
    assert [] == (await seat.desk.ask("GET", "/v1/links")).json["links"]
    assert "too old" in (await seat.post("sign-out", [before])).text, "a button alone is not kept"


async def test_who_keeps_no_cookies_is_told(seat: Seat) -> None:
    """Not that the form is too old, for ever."""
    await seat.get("sign-in")
    seat.cookies.clear()
    page = await seat.post("sign-in", {"token": ADMIN})
    assert (403, True) == (page.status, "allow cookies for this site" in page.text)


async def test_nothing_of_strangers_is_kept(seat: Seat) -> None:
    """What another site sends, or nobody of ours, is forgotten; what is a button alone is not done by signing in."""
    await seat.sign_in()
    link = await seat.desk.link()
    form = (await seat.get("links/new")).filled(place="reports/evil.pdf")
    seat.cookies.clear()
    for headers in ({"Sec-Fetch-Site": "cross-site"}, {"Origin": "https://evil.example"}):
        asked = await seat.post("links/new", form, headers=headers)
        assert (403, False) == (asked.status, "evil.pdf" in asked.text)
    asked = await seat.post(f"links/{link['id']}/revoke", {"reason": "leaked"})
    assert (403, f"links/{link['id']}", False) == (asked.status, asked.value("next"), "leaked" in asked.text)


@pytest.mark.parametrize(
    "wanted", ["//evil.example", "https://evil.example", "..", "callback", "a?b=c", "a b", "/links"]
)
async def test_a_sign_in_leads_to_no_other_site(wanted: str, seat: Seat) -> None:
    """What stands in the address is a page here, or nothing."""
    await seat.get("sign-in")
    page = await seat.post("sign-in", {"token": ADMIN, "next": wanted})
    assert (303, "./") == (page.status, page.headers["Location"])


async def test_an_admins_token_signs_in_and_out(seat: Seat) -> None:
    """It is in no answer, address or cookie; the cookie is new, not for scripts, and worth nothing afterwards."""
    await seat.get("sign-in")
    before = dict(seat.cookies)
    page = await seat.post("sign-in", {"token": ADMIN})
    assert 303 == page.status
    [cookie] = page.headers.getall("Set-Cookie")
    assert all(flag in cookie for flag in ("HttpOnly", "SameSite=Lax", "Path=/", "Max-Age=43200"))
    assert ADMIN not in page.text + str(page.headers)
    assert before != seat.cookies
    shown = await seat.follow(page)
    assert "admin:ops" in shown.text
    held = dict(seat.cookies)
    assert 303 == (await seat.post("sign-out")).status
    assert {} == seat.cookies
    seat.cookies = held
    assert "sign-in" in (await seat.ask("GET", "links")).headers["Location"]


async def test_a_key_signs_in(seat: Seat) -> None:
    """A key's id and secret, with its session token where it has one; a narrowed key acts for nobody here."""
    key = await seat.desk.api.keys.issue(OPS, "billing")
    session = await seat.desk.api.keys.issue(OPS, "billing", session=True, expires_in=3600.0)
    page = await seat.sign_in(key_id=key.access_key_id, secret=key.secret_access_key)
    assert "app:billing" in (await seat.follow(page)).text
    for shown, status in ((session.session_token or "", 303), ("", 403)):
        other = Seat(seat.desk)
        form = {"key_id": session.access_key_id, "secret": session.secret_access_key, "session_token": shown}
        assert status == (await other.sign_in(**form)).status
    made = (await seat.desk.ask("POST", "/v1/keys", {"app": "billing", "bucket": "reports"})).json
    narrow = await Seat(seat.desk).sign_in(key_id=made["access_key_id"], secret=made["secret_access_key"])
    assert 403 == narrow.status
    assert "narrowed" in narrow.text


async def test_an_apps_token_signs_in(seat: Seat) -> None:
    """As at the API."""
    assert "app:billing" in (await seat.follow(await seat.sign_in(APP))).text


@pytest.mark.parametrize(
    "form",
    [{}, {"token": ADMIN, "key_id": "GWK1", "secret": "x"}, {"token": "wrong"}, {"key_id": "GWK1", "secret": "x"}],
)
async def test_what_is_wrong_signs_nobody_in(form: dict[str, str], seat: Seat) -> None:
    """Nothing, both at once, a wrong token, an unknown key: a page that says so, and no session."""
    await seat.get("sign-in")
    page = await seat.post("sign-in", form)
    assert page.status in {403, 422}
    assert 'role="alert"' in page.text
    assert 303 == (await seat.ask("GET", "links")).status


async def test_guesses_are_throttled_as_at_the_api(seat: Seat) -> None:
    """After ten wrong tokens the eleventh is told to wait, wherever they were tried; the right one still passes."""
    await seat.get("sign-in")
    statuses = [(await seat.post("sign-in", {"token": f"wrong{number}"})).status for number in range(12)]
    assert [403] * 10 + [429] * 2 == statuses
    seat.desk.token = "wrong as well"
    assert 429 == (await seat.desk.ask("GET", "/v1/links")).status
    assert 303 == (await seat.post("sign-in", {"token": ADMIN})).status


async def test_a_sidecars_token_opens_no_page() -> None:
    """It asks its own rows of the API and reads nothing else; the control is the same token among the admins'."""
    secret = "a-sidecars-token"
    kinds: dict[str, Any] = {"sidecars": {hash_secret(secret): "edge"}}
    async with serving(sidecars=lambda: kinds["sidecars"]) as desk:
        assert 403 == (await Seat(desk).sign_in(secret)).status
    async with serving(admins=lambda: {hash_secret(secret): AdminTerms("edge")}) as desk:
        assert 303 == (await Seat(desk).sign_in(secret)).status


async def test_a_token_that_was_taken_away_ends_its_sessions() -> None:
    """At the next request; and what it may do is what it may now, not what it could at the sign-in."""
    admins = dict(CALLERS["admins"])
    async with serving(admins=lambda: admins) as desk:
        seat = Seat(desk)
        await seat.follow(await seat.sign_in())
        assert 200 == (await seat.ask("GET", "audit")).status
        admins[hash_secret(ADMIN)] = AdminTerms("ops", may=frozenset({Duty.REVOKE}))
        assert 403 == (await seat.ask("GET", "audit")).status
        held = admins.pop(hash_secret(ADMIN))
        assert 303 == (await seat.ask("GET", "audit")).status
        admins[hash_secret(ADMIN)] = held
        assert 303 == (await seat.ask("GET", "sessions")).status, "the session is over, not asleep"


async def test_a_key_that_was_revoked_ends_its_sessions(seat: Seat) -> None:
    """At the next request, too."""
    key = await seat.desk.api.keys.issue(OPS, "billing")
    await seat.follow(await seat.sign_in(key_id=key.access_key_id, secret=key.secret_access_key))
    assert 200 == (await seat.ask("GET", "links")).status
    await seat.desk.ask("DELETE", f"/v1/keys/{key.grant.id}")
    assert 303 == (await seat.ask("GET", "links")).status


async def test_a_session_ends_by_itself(seat: Seat) -> None:
    """After half an hour without a request, and after twelve hours with as many as one likes."""
    await seat.sign_in()
    for _ in range(3):
        seat.desk.clock.now += 1799
        assert 200 == (await seat.ask("GET", "links")).status
    seat.desk.clock.now += 1800
    assert 303 == (await seat.ask("GET", "links")).status
    await seat.sign_in()
    for _ in range(28):
        seat.desk.clock.now += 1500
        assert 200 == (await seat.ask("GET", "links")).status
    seat.desk.clock.now += 1500
    assert 303 == (await seat.ask("GET", "links")).status


async def test_ones_sessions_are_listed_and_ended(seat: Seat) -> None:
    """One's own, without what opens them; those of others are neither shown nor ended."""
    other, stranger = Seat(seat.desk), Seat(seat.desk)
    await seat.sign_in()
    await other.sign_in()
    await stranger.sign_in(APP)
    page = await seat.get("sessions")
    assert 2 == page.text.count('name="id"')
    assert not any(text in page.text for text in (*seat.cookies.values(), *other.cookies.values()))
    theirs = (await stranger.get("sessions")).value("id")
    await seat.post("sessions", {"id": theirs})
    assert 200 == (await stranger.ask("GET", "links")).status
    held = seat.desk.plane._sessions.find(other.cookies["gateway"])
    assert held is not None
    assert 200 == (await other.ask("GET", "links")).status
    await seat.post("sessions", {"id": held.id})
    assert 303 == (await other.ask("GET", "links")).status
    assert 200 == (await seat.ask("GET", "links")).status


async def test_a_form_is_taken_from_our_own_pages_alone(seat: Seat) -> None:
    """By its text, by where the browser says that it comes from; and an answer to a GET changes nothing."""
    await seat.sign_in()
    await seat.get("links/new")
    form = {"place": "reports/a.pdf", "actions": "read"}
    host = seat.desk.url
    refused: list[dict[str, str]] = [
        {"Origin": "https://evil.example", "Sec-Fetch-Site": "cross-site"},
        {"Origin": host, "Sec-Fetch-Site": "same-site"},
        {"Origin": "null", "Sec-Fetch-Site": "same-origin"},
        {"Origin": host.replace("127.0.0.1", "localhost"), "Sec-Fetch-Site": "same-origin"},
    ]
    for headers in refused:
        assert 403 == (await seat.post("links/new", form, headers=headers)).status, headers
    for token in ("", "x" * 43):
        assert 403 == (await seat.post("links/new", {**form, "form_token": token})).status
    bare = {"form_token": seat.token, **form}
    assert 403 == (await seat.ask("POST", "links/new", data=bare)).status, "neither header"
    assert 400 == (await seat.ask("POST", "links/new", json=bare, headers={"Origin": host})).status
    assert [] == seat.desk.audited()
    assert 201 == (await seat.post("links/new", form)).status
    assert ["link.create"] == seat.desk.audited()


async def test_a_page_is_safe_to_show(seat: Seat) -> None:
    """No inline script or style, no frame, nothing kept by a cache, and no address told to other sites."""
    await seat.sign_in()
    page = await seat.get("links")
    policy = page.headers["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert "no-store" == page.headers["Cache-Control"]
    assert ["same-origin"] == page.headers.getall("Referrer-Policy")
    assert "nosniff" == page.headers["X-Content-Type-Options"]


async def test_without_the_console_there_is_no_page() -> None:
    """`control.console: {enabled: false}` answers as any path that is none."""
    off = replace(CONSOLE, enabled=False)
    async with serving(console=lambda: off) as desk:
        for path in ("/ui", "/ui/", "/ui/sign-in", "/ui/assets/x"):
            async with desk.session.get(desk.url + path) as answer:
                assert 404 == answer.status


@pytest.fixture
async def proxied() -> AsyncIterator[Desk]:
    from ipaddress import ip_network  # noqa: PLC0415

    from gateway.core.identity import ProxyRules  # noqa: PLC0415

    rules = ProxyRules("x-user", "x-groups", (ip_network("127.0.0.0/8"),))
    async with serving(proxy=lambda: rules) as desk:
        yield desk


async def test_who_comes_by_our_proxy_is_signed_in(proxied: Desk) -> None:
    """By the proxy's word with each request: without it nobody is, whatever cookie they have."""
    seat = Seat(proxied, headers={"x-user": "ann@acme.example"})
    page = await seat.get("sign-in")
    assert "user:ann@acme.example" in page.text
    assert "Sign out" not in page.text
    assert "user:ann@acme.example" in (await seat.get("sessions")).text
    assert 303 == (await seat.post("links", {"text": "a label"})).status
    assert 403 == (await seat.post("links", {"text": "a label", "form_token": "x"})).status
    seat.headers = {}
    assert 303 == (await seat.ask("GET", "links")).status
