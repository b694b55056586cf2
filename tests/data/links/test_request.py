"""Where a link's path leads, and who gets a page."""

from __future__ import annotations

import json
import re

import pytest

from gateway.core.approval import Waiting
from gateway.core.grant import Shown
from gateway.core.password import hash_password
from gateway.core.request import Action
from gateway.core.token import ENTROPY_BYTES, LinkToken
from tests.data.harness import Rig

BROWSER = {"Accept": "text/html,*/*;q=0.8", "Sec-Fetch-Mode": "navigate"}
BOTH = frozenset({Action.READ, Action.LIST})


async def test_a_path_below_one_object_is_nothing(rig: Rig) -> None:
    """A link to a file is no folder."""
    rig.store.hold("inside/a.txt", b"hello")
    rig.store.hold("inside/a.txt/b", b"hidden")
    token = await rig.link()
    assert 404 == (await rig.fetch(token, "/b")).status
    assert [] == rig.store.seen


@pytest.mark.parametrize("behind", ["/", ".", ")", "%29.", "%20", ",", "%E2%80%9D", "%3E%20", "%0A", "*", "_", "**_"])
async def test_a_link_works_with_what_was_pasted_behind_it(rig: Rig, behind: str) -> None:
    """A sentence's own marks are no part of a token, whatever the program that made a link of it thought."""
    rig.store.hold("inside/a.txt", b"hello")
    rig.store.hold("inside/in/b.txt", b"mine")
    whole, folder, inbox = await rig.link(), await rig.link(prefix="in/"), await rig.link(actions=[Action.WRITE])
    assert b"hello" == (await rig.fetch(whole, behind)).body
    assert 200 == (await rig.ask("HEAD", f"/s/{whole}{behind}")).status
    assert b"b.txt" in (await rig.fetch(folder, behind)).body
    assert 409 == (await rig.ask("PUT", f"/s/{inbox}{behind}", body=b"x")).status, "the object is there"


@pytest.mark.parametrize("behind", ["x", "1", "_a", "-a", "%C3%A9", ".........", ".a"])
async def test_what_a_token_could_hold_makes_it_another_one(rig: Rig, behind: str) -> None:
    """Only marks are taken off, and only a few: the checksum tells the rest."""
    rig.store.hold("inside/a.txt", b"hello")
    assert 404 == (await rig.fetch(await rig.link(), behind)).status


async def test_cookies_go_to_the_link_and_to_nothing_that_was_pasted(rig: Rig) -> None:
    """The page's answer leads to the token's own address, and no mark gets into a header."""
    token = await rig.link(uses=3)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    got = await rig.ask("POST", f"/s/{token}%3B%0D%0A:", form, b"download=1")
    assert (303, f"/s/{token}?download=1") == (got.status, got.header("location"))
    assert f"; Path=/s/{token};" in (got.header("set-cookie") or "")


async def test_a_path_below_a_folder_is_below_it(rig: Rig) -> None:
    """And never beside or above it, however it is written."""
    rig.store.hold("inside/in/b.txt", b"mine")
    rig.store.hold("inside/secret", b"not mine")
    token = await rig.link(prefix="in/")
    assert b"mine" == (await rig.fetch(token, "/b.txt")).body
    assert b"mine" == (await rig.fetch(token, "/./b.txt")).body
    for path in ("/../secret", "/%2e%2e/secret", "/x/../../secret", "/..%2fsecret", "/./../secret", "/.%2fb.txt"):
        assert (await rig.fetch(token, path)).status in {400, 404}
    assert {"inside/in/b.txt"} == {seen.call.key for seen in rig.store.seen}


async def test_a_folder_without_its_slash_is_listed_too(rig: Rig) -> None:
    """`/s/TOKEN` of a folder means the folder."""
    rig.store.hold("inside/in/b.txt", b"mine")
    token = await rig.link(prefix="in/")
    for path in ("", "/"):
        assert b"b.txt" in (await rig.fetch(token, path)).body


async def test_an_upload_to_a_folder_needs_a_name(rig: Rig) -> None:
    """400 and a hint, and no object with a folder's name."""
    token = await rig.link(prefix="in/", actions=[Action.WRITE])
    assert 400 == (await rig.ask("PUT", f"/s/{token}", body=b"x")).status
    assert 201 == (await rig.ask("PUT", f"/s/{token}/sub/name.txt", body=b"x")).status
    assert b"x" == rig.store.stored("inside/in/sub/name.txt")


@pytest.mark.parametrize(
    ("method", "actions", "status"),
    [("GET", [Action.WRITE], 405), ("PUT", [Action.READ], 405), ("DELETE", [Action.READ], 405), ("PATCH", BOTH, 405)],
)
async def test_a_link_does_what_it_was_made_for(rig: Rig, method: str, actions, status: int) -> None:
    """Another method is 405 with what is offered."""
    got = await rig.ask(method, f"/s/{await rig.link(actions=actions)}")
    assert status == got.status
    assert got.header("allow")


@pytest.mark.parametrize(
    ("headers", "page"),
    [
        (BROWSER, True),
        ({"Accept": "text/html"}, True),  # an old browser, without Fetch Metadata
        ({"Accept": "*/*", "User-Agent": "Mozilla/5.0"}, False),  # no browser is guessed at
        ({}, False),
    ],
)
async def test_only_a_navigation_gets_a_page(rig: Rig, headers: dict[str, str], page: bool) -> None:
    """What a browser says of itself counts, and nothing else."""
    rig.store.hold("inside/a.txt", b"hello")
    got = await rig.ask("GET", f"/s/{await rig.link(uses=3)}", headers)
    assert page == ("text/html" in (got.header("content-type") or ""))
    assert page == (b"hello" != got.body)


async def test_an_unlimited_link_sends_a_browser_the_bytes(rig: Rig) -> None:
    """There is no use to take, so there is no page in between."""
    rig.store.hold("inside/a.txt", b"hello")
    assert b"hello" == (await rig.ask("GET", f"/s/{await rig.link()}", BROWSER)).body


async def test_a_page_does_not_hide_that_a_link_is_over(rig: Rig) -> None:
    """An expired link answers 410 to a browser, too."""
    token = await rig.link(uses=3, expires_at=rig.clock.now + 10, actions=[Action.READ])
    rig.clock.tick(10)
    await rig.plane.follower.catch_up()
    assert 410 == (await rig.ask("GET", f"/s/{token}", BROWSER)).status
    assert "expired" == (await rig.last()).reason


@pytest.mark.parametrize(
    ("fields", "status", "reason"),
    [({"not_before": 10.0}, 403, "not_yet_valid"), ({"expires_at": -1.0}, 410, "expired")],
)
async def test_a_link_lives_when_it_lives(rig: Rig, fields: dict[str, float], status: int, reason: str) -> None:
    """Before and after, there is an answer that says which."""
    times = {name: rig.clock.now + offset for name, offset in fields.items()}
    assert status == (await rig.fetch(await rig.link(**times))).status
    assert reason == (await rig.last()).reason


TRIES: list[tuple[str, str, dict[str, str], bytes]] = [
    ("GET", "", BROWSER, b""),
    ("GET", "?download=1", {}, b""),
    ("GET", "", {"User-Agent": "Slackbot-LinkExpanding 1.0"}, b""),
    ("GET", "", {"Authorization": "Basic OndvcmQ="}, b""),
    ("POST", "", {"Content-Type": "application/x-www-form-urlencoded"}, b"password=word"),
    ("HEAD", "", {}, b""),
    ("PUT", "", {}, b"new"),
    ("POST", "", {"Tus-Resumable": "1.0.0", "Upload-Length": "3"}, b""),
    ("POST", "/credentials", {}, b""),
]


@pytest.mark.parametrize(("method", "tail", "headers", "body"), TRIES)
async def test_a_link_that_is_not_released_says_that_and_nothing_else(
    rig: Rig, method: str, tail: str, headers: dict[str, str], body: bytes
) -> None:
    """Whatever is tried, whatever kind of link it is: no name, no size, no question for its password, no store asked.

    Once it is released, the same link is as any other.
    """
    rig.store.hold("inside/a.txt", b"hello")
    waiting = Waiting(rig.clock.now, rig.clock.now + 60, ("app:billing",))
    fields = {
        "actions": frozenset({Action.READ, Action.WRITE}),
        "uses": 3,
        "password": hash_password("word", bytes(16)),
    }
    token, grant = await rig.granted(waiting=waiting, **fields)
    got = await rig.ask(method, f"/s/{token}{tail}", headers, body)
    assert (403, []) == (got.status, rig.store.seen)
    assert "awaiting_approval" == (await rig.last()).reason
    if method != "HEAD":
        assert "not released yet" in got.text
    for betrayed in ("a.txt", "hello", "password", "assword", "billing", grant.id):
        assert betrayed not in got.text
    assert got.header("www-authenticate") is None
    await rig.edit(grant, waiting=None)
    assert 401 == (await rig.ask("GET", f"/s/{token}", {})).status


async def test_a_link_that_nobody_released_in_time_has_expired(rig: Rig) -> None:
    """As any other that has."""
    token = await rig.link(waiting=Waiting(rig.clock.now - 60, rig.clock.now, ()))
    assert 410 == (await rig.fetch(token)).status
    assert "expired" == (await rig.last()).reason


LOOKS = [
    ({"User-Agent": "Slackbot-LinkExpanding 1.0", "Accept": "*/*"}, 200),
    ({"User-Agent": "facebookexternalhit/1.1 Facebot Twitterbot/1.0", "Range": "bytes=0-524287"}, 200),
    ({"User-Agent": "WhatsApp/2.23.20.0 A", **BROWSER}, 200),
    ({**BROWSER, "Sec-Purpose": "prefetch;prerender"}, 403),
    ({"Purpose": "prefetch"}, 403),
    ({"X-Moz": "prefetch", "Accept": "*/*"}, 403),
    *(
        ({"Sec-Fetch-Mode": mode, "Sec-Fetch-Dest": dest, "Sec-Fetch-Site": "cross-site", "Accept": "*/*"}, 403)
        for mode, dest in (
            *(("no-cors", "image"), ("no-cors", "script"), ("no-cors", "style"), ("no-cors", "video")),
            *(("cors", "video"), ("cors", "font"), ("cors", "empty"), ("same-origin", "empty")),
        )
    ),
]


@pytest.mark.parametrize("fields", [{"uses": 1}, {"confirm": True}, {"once": True, "uses": 1}])
@pytest.mark.parametrize(("headers", "status"), LOOKS)
async def test_who_only_looks_takes_nothing(
    rig: Rig, headers: dict[str, str], status: int, fields: dict[str, bool | int]
) -> None:
    """A preview, a look ahead and a part of a page get a card that tells nothing of the file, and take no use."""
    rig.store.hold("inside/secret-name.txt", b"hello")
    token, grant = await rig.granted("secret-name.txt", **fields)
    got = await rig.ask("GET", f"/s/{token}", headers)
    assert status == got.status
    assert "no-store" in (got.header("cache-control") or "")
    assert "hello" not in got.text
    assert "secret-name" not in got.text + str(got.header("content-disposition"))
    assert [] == rig.store.seen
    assert (0, 0) == (await rig.used(grant), await rig.moved(grant))
    assert b"hello" == (await rig.fetch(token, "?download=1", **{"User-Agent": "curl/8.5.0"})).body


async def test_a_card_is_no_way_round_what_ends_a_link(rig: Rig) -> None:
    """A preview learns that a link has ended, as everybody does, and a HEAD of it is the card's."""
    token, grant = await rig.granted(uses=1)
    preview = {"User-Agent": "Twitterbot/1.0"}
    assert "text/html; charset=utf-8" == (await rig.ask("HEAD", f"/s/{token}", preview)).header("content-type")
    await rig.edit(grant, expires_at=rig.clock.now - 1)
    assert 410 == (await rig.ask("GET", f"/s/{token}", preview)).status


@pytest.mark.parametrize(("headers", "_status"), LOOKS)
async def test_a_link_that_nobody_can_use_up_shows_itself(rig: Rig, headers: dict[str, str], _status: int) -> None:
    """There is nothing to take, so previews, pictures on pages and players get the file."""
    rig.store.hold("inside/a.txt", b"hello")
    assert b"hello" == (await rig.ask("GET", f"/s/{await rig.link()}", headers)).body


@pytest.mark.parametrize("shows", [frozenset(), frozenset({Shown.PAGE})])
@pytest.mark.parametrize(
    "said",
    [
        {"User-Agent": "wget2/1.99.1"},
        {"User-Agent": "Java/17.0.9", "Accept": "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2"},
        {"User-Agent": "Mozilla/5.0", "Range": "bytes=0-"},
    ],
)
async def test_programs_that_accept_pages_get_the_file(rig: Rig, said: dict[str, str], shows: frozenset[Shown]) -> None:
    """A download manager with a browser's Accept is no browser: it would keep the page as the file, or ask for ever."""
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted(uses=1, shows=shows)
    assert b"hello" == (await rig.fetch(token, **({"Accept": "text/html,*/*;q=0.8"} | said))).body
    assert 1 == await rig.used(grant)


@pytest.mark.parametrize("agent", ["curl/8.5.0", "Wget/1.21", "aria2/1.36.0", "VLC/3.0.20", "Lavf/59", "Mozilla/5.0"])
async def test_programs_download_by_the_plain_address(rig: Rig, agent: str) -> None:
    """Who says nothing of itself is taken for somebody's tool: the bytes, at once, and one use."""
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted(uses=1)
    assert b"hello" == (await rig.fetch(token, **{"User-Agent": agent, "Accept": "*/*"})).body
    assert 1 == await rig.used(grant)


async def test_the_button_makes_a_browser_a_deliberate_one(rig: Rig) -> None:
    """Who pressed it has the lease's cookie, with which pages' parts and players of this use go on."""
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted(uses=1)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    pressed = await rig.ask("POST", f"/s/{token}", form, b"download=1")
    cookie = {"Cookie": (pressed.header("set-cookie") or "").partition(";")[0]}
    assert b"hello" == (await rig.ask("GET", f"/s/{token}?download=1", BROWSER | cookie)).body
    player = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "video", "Sec-Fetch-Site": "same-origin"}
    assert b"hello" == (await rig.ask("GET", f"/s/{token}", player | cookie)).body
    assert 1 == await rig.used(grant)


async def press(rig: Rig, token: str, cookie: dict[str, str]) -> dict[str, str]:
    """The button of a page that is still open; answers with the cookie that the browser has by then."""
    form = BROWSER | {"Content-Type": "application/x-www-form-urlencoded"}
    pressed = await rig.ask("POST", f"/s/{token}", form | cookie)
    assert (303, f"/s/{token}?download=1") == (pressed.status, pressed.header("location"))
    given = pressed.header("set-cookie")
    return cookie if given is None else {"Cookie": given.partition(";")[0]}


async def press_and_save(rig: Rig, token: str, cookie: dict[str, str]) -> dict[str, str]:
    """The button, and the whole file after it; answers as `press`."""
    cookie = await press(rig, token, cookie)
    assert b"hello" == (await rig.ask("GET", f"/s/{token}?download=1", BROWSER | cookie)).body
    return cookie


async def test_who_presses_again_goes_on_with_their_use(rig: Rig) -> None:
    """After a download that broke, the page is still there, and its button is what people try."""
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted(uses=1)
    cookie = dict[str, str]()
    for _ in range(3):
        cookie = await press_and_save(rig, token, cookie)
    assert 1 == await rig.used(grant)
    stranger = await press(rig, token, {})
    assert 410 == (await rig.ask("GET", f"/s/{token}?download=1", BROWSER | stranger)).status


async def test_a_use_that_has_brought_enough_is_followed_by_another(rig: Rig) -> None:
    """Three times the object, or an hour: then the button takes one of those that are left."""
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted(uses=3)
    cookie = dict[str, str]()
    for number in range(5):
        cookie = await press_and_save(rig, token, cookie)
        assert 1 + number // 3 == await rig.used(grant)
    rig.clock.now += 3601
    await press_and_save(rig, token, cookie)
    assert 3 == await rig.used(grant)


async def test_whoever_had_a_whole_download_takes_the_next_use_by_the_button(rig: Rig) -> None:
    """Of a link for whole downloads a use that has brought its own brings no more: the button is no way to a refusal
    while another is left."""
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted(uses=2, once=True)
    cookie = await press_and_save(rig, token, {})
    cookie = await press_and_save(rig, token, cookie)
    assert 2 == await rig.used(grant)
    cookie = await press(rig, token, cookie)
    assert 410 == (await rig.ask("GET", f"/s/{token}?download=1", BROWSER | cookie)).status


@pytest.mark.parametrize("uses", [None, 2])
async def test_a_link_that_asks_first_sends_by_its_button_or_on_demand(rig: Rig, uses: int | None) -> None:
    """`confirm`: the plain address shows a page, or says what to do; `?download=1` and the button send."""
    rig.store.hold("inside/a.txt", b"hello")
    token, grant = await rig.granted(confirm=True, uses=uses)
    refused = await rig.fetch(token)
    assert (403, "not_confirmed") == (refused.status, json.loads(refused.body)["reason"])
    assert "?download=1" in refused.text
    assert "<button" in (await rig.ask("GET", f"/s/{token}", BROWSER)).text
    assert 200 == (await rig.ask("HEAD", f"/s/{token}")).status
    assert 0 == await rig.used(grant)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    pressed = await rig.ask("POST", f"/s/{token}", form, b"download=1")
    cookie = {"Cookie": (pressed.header("set-cookie") or "").partition(";")[0]}
    assert (303, f"/s/{token}?download=1") == (pressed.status, pressed.header("location"))
    assert b"hello" == (await rig.ask("GET", f"/s/{token}?download=1", BROWSER | cookie)).body
    assert b"hello" == (await rig.fetch(token, "?download=1")).body


async def test_a_page_s_own_script_may_ask_by_name(rig: Rig) -> None:
    """A program in a page that adds `?download=1` means it; an element that somebody looks at does not."""
    rig.store.hold("inside/a.txt", b"hello")
    token = await rig.link(uses=1)
    script = {"Sec-Fetch-Mode": "cors", "Sec-Fetch-Dest": "empty", "Sec-Fetch-Site": "cross-site"}
    assert 403 == (await rig.ask("GET", f"/s/{token}?download=1", script | {"Sec-Fetch-Dest": "image"})).status
    assert b"hello" == (await rig.ask("GET", f"/s/{token}?download=1", script)).body


async def test_a_link_that_was_forgotten_is_like_one_that_never_was(rig: Rig) -> None:
    """Long after its end its token is answered as any that nobody ever had; until then as expired."""
    rig.store.hold("inside/a.txt", b"hello")
    never = LinkToken.mint(bytes(ENTROPY_BYTES)).text
    for headers in (BROWSER, {}):
        token = await rig.link(expires_at=rig.clock.now - 100)
        assert 410 == (await rig.ask("GET", f"/s/{token}", headers)).status
        token = await rig.link(expires_at=rig.clock.now - 100)
        await rig.state.grants.prune_ended(rig.clock.now - 50)
        gone, unknown = [await rig.ask("GET", f"/s/{one}", headers) for one in (token, never)]
        assert (404, 404) == (gone.status, unknown.status)
        same = re.compile(r"[0-9A-Fa-f]{16,}")
        assert same.sub("", gone.text) == same.sub("", unknown.text)
