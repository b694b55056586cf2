"""Redirect delivery, where policy opted for it."""

from __future__ import annotations

import pytest

from gateway.core.request import Action
from gateway.core.route import Delivery
from tests.data.harness import APP, Rig, policy, running

REDIRECTING = policy(delivery=Delivery.REDIRECT)


async def test_the_target_lives_fifteen_seconds_and_says_what_is_lost() -> None:
    """307, the store's own address, and nothing of the object through us."""
    async with running(REDIRECTING, trusted=APP) as app:
        app.store.hold("inside/a.txt", b"hello")
        got = await app.ask("GET", "/reports/a.txt")
        assert (307, b"") == (got.status, got.body)
        assert (got.header("location") or "").startswith("https://store.example/real/inside/a.txt?expires=15")
        assert "revocation, counting, bandwidth" == got.header("gateway-lost")
        assert [] == app.store.seen


async def test_a_links_target_is_saved_under_the_links_name() -> None:
    """The store is told to send it as an attachment: its origin is not ours to protect."""
    async with running(REDIRECTING) as rig:
        got = await rig.fetch(await rig.link(filename="Invoice.pdf"))
        assert 307 == got.status
        assert "response-content-disposition=attachment" in (got.header("location") or "")
        assert "Invoice.pdf" in (got.header("location") or "")
        assert "no-store" in (got.header("cache-control") or "")


async def test_taking_a_redirect_is_a_use() -> None:
    """Nobody sees whether it is followed."""
    async with running(REDIRECTING) as rig:
        token, grant = await rig.granted(uses=1)
        assert 307 == (await rig.fetch(token, User_Agent="a")).status
        assert 1 == await rig.used(grant)
        assert 410 == (await rig.fetch(token, User_Agent="b")).status


@pytest.mark.parametrize("method", ["HEAD", "PUT"])
async def test_only_reading_an_object_is_redirected(method: str) -> None:
    """Looks and writes stay here, where they are counted and checked."""
    async with running(REDIRECTING) as rig:
        rig.store.hold("inside/a.txt", b"hello")
        token = await rig.link(actions=[Action.READ, Action.WRITE], overwrite=True)
        assert (await rig.ask(method, f"/s/{token}", body=b"x" if method == "PUT" else b"")).status in {200, 201}


async def test_streaming_is_what_happens_without_a_choice(app: Rig) -> None:
    """Control: redirecting is opt-in."""
    app.store.hold("inside/a.txt", b"hello")
    assert b"hello" == (await app.ask("GET", "/reports/a.txt")).body
