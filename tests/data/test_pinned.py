"""A link for one version of an object gives that version and no other."""

from __future__ import annotations

import pytest

from gateway.core.route import Delivery
from tests.data.harness import Rig, policy, running
from tests.data.scripted_store import Scripted

PINNED = '"v1"'
ASKED = [{}, {"Range": "bytes=0-1"}, {"If-None-Match": '"v2"'}]


@pytest.mark.parametrize("headers", ASKED, ids=["whole", "range", "known"])
async def test_a_link_for_one_version_gives_no_other(rig: Rig, headers: dict[str, str]) -> None:
    """410 once the object is another, by whatever request; nothing of the new bytes leaves."""
    token = await rig.link(etag=PINNED)
    rig.store.hold("inside/a.txt", b"hello", etag=PINNED)
    assert (await rig.ask("GET", f"/s/{token}", headers)).status in {200, 206}
    rig.store.hold("inside/a.txt", b"other", etag='"v2"')
    for method in ("GET", "HEAD"):
        got = await rig.ask(method, f"/s/{token}", headers)
        assert (410, False) == (got.status, b"ot" in got.body)
    assert "object_changed" == (await rig.last()).reason
    assert 0 == rig.store.open_now


async def test_a_store_that_does_not_say_gives_nothing(rig: Rig) -> None:
    """Without an ETag nobody knows which version this is."""
    rig.store.script(Scripted(200, {}, [b"hello"]))
    assert 410 == (await rig.fetch(await rig.link(etag=PINNED))).status


async def test_without_a_pin_any_version_is_given(rig: Rig) -> None:
    """Control: the same change does not end an ordinary link."""
    token = await rig.link()
    for etag in (PINNED, '"v2"'):
        rig.store.hold("inside/a.txt", b"hello", etag=etag)
        assert 200 == (await rig.fetch(token)).status


async def test_a_pinned_link_is_never_redirected() -> None:
    """What the store then answers would be seen by nobody."""
    async with running(policy(delivery=Delivery.REDIRECT)) as rig:
        rig.store.hold("inside/a.txt", b"hello", etag=PINNED)
        assert 307 == (await rig.fetch(await rig.link())).status
        assert 200 == (await rig.fetch(await rig.link(etag=PINNED))).status


async def test_the_page_of_a_pinned_link_says_that_it_is_over(rig: Rig) -> None:
    """Before its button takes a use."""
    rig.store.hold("inside/a.txt", b"other", etag='"v2"')
    token = await rig.link(etag=PINNED, uses=1)
    got = await rig.ask("GET", f"/s/{token}", {"Accept": "text/html", "Sec-Fetch-Mode": "navigate"})
    assert 410 == got.status
