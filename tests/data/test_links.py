"""Where a link's path leads, and who gets a page."""

from __future__ import annotations

import pytest

from gateway.core.request import Action
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


@pytest.mark.parametrize("behind", ["/", ".", ")", "%29.", "%20", ",", "%E2%80%9D", "%3E%20", "%0A", "*"])
async def test_a_link_works_with_what_was_pasted_behind_it(rig: Rig, behind: str) -> None:
    """A sentence's own marks are no part of a token, whatever the program that made a link of it thought."""
    rig.store.hold("inside/a.txt", b"hello")
    rig.store.hold("inside/in/b.txt", b"mine")
    whole, folder, inbox = await rig.link(), await rig.link(prefix="in/"), await rig.link(actions=[Action.WRITE])
    assert b"hello" == (await rig.fetch(whole, behind)).body
    assert 200 == (await rig.ask("HEAD", f"/s/{whole}{behind}")).status
    assert b"b.txt" in (await rig.fetch(folder, behind)).body
    assert 409 == (await rig.ask("PUT", f"/s/{inbox}{behind}", body=b"x")).status, "the object is there"


@pytest.mark.parametrize("behind", ["x", "1", "_", "-a", "%C3%A9", ".........", ".a"])
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
    for path in ("/../secret", "/%2e%2e/secret", "/x/../../secret", "/..%2fsecret", "/./b.txt"):
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
        ({"Accept": "text/html", "Sec-Fetch-Mode": "no-cors"}, False),  # a picture on a page
        ({"Accept": "*/*", "User-Agent": "Mozilla/5.0"}, False),  # agents are never guessed at
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
