"""S3 credentials of a link before the whole data plane: how they end, with what runs by them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from gateway.core.grant import Grant
from gateway.core.password import SALT_BYTES, hash_password
from gateway.core.revocation_target import FeedKind
from gateway.core.token import hash_secret
from gateway.data.steps import renew
from tests.data.harness import APP, Rig, deny, policy, request, rule, running
from tests.data.links.held_credentials import BODY, WRITING, Held, hold
from tests.data.scripted_store import Scripted
from tests.waiting import until

Change = Callable[[Rig, Grant, Held], Any]


async def _rotate(rig: Rig, grant: Grant, held: Held) -> None:
    await rig.edit(grant, hash=hash_secret("another"))


async def _revoke_key(rig: Rig, grant: Grant, held: Held) -> None:
    await rig.revoke(FeedKind.KEY, (await held.key()).id)


async def _expire(rig: Rig, grant: Grant, held: Held) -> None:
    rig.clock.now += 12 * 3600
    rig.plane.transfers.cut_expired(rig.clock.now)


ENDING: dict[str, Change] = {
    "revoked": lambda rig, grant, held: rig.revoke(FeedKind.LINK, grant.id),
    "the owner is": lambda rig, grant, held: rig.revoke(FeedKind.OWNER, str(APP)),
    "the folder is": lambda rig, grant, held: rig.revoke(FeedKind.PREFIX, "reports", "2026/"),
    "the backend is": lambda rig, grant, held: rig.revoke(FeedKind.BACKEND, "lab"),
    "the key is": _revoke_key,
    "suspended": lambda rig, grant, held: rig.edit(grant, suspended_at=1.0),
    "rotated": _rotate,
    "given a password": lambda rig, grant, held: rig.edit(grant, password="scrypt"),
    "another folder": lambda rig, grant, held: rig.edit(grant, scope=replace(grant.scope, prefix="2027/")),
    "an end": lambda rig, grant, held: rig.edit(grant, expires_at=1.0),
    "other networks": lambda rig, grant, held: rig.edit(grant, cidrs=(ip_network("192.0.2.0/24"),)),
    "no credentials": lambda rig, grant, held: rig.edit(grant, credentials=False),
    "once": lambda rig, grant, held: rig.edit(grant, once=True, uses=1),
    "its rule gone": lambda rig, grant, held: rig.reload(policy(rule("other", who="app:other"))),
    "a rule against it": lambda rig, grant, held: rig.reload(policy(rule("all"), deny("not", "reports/2026/**"))),
    "its time over": _expire,
}
HARMLESS: dict[str, Change] = {
    "a label": lambda rig, grant, held: rig.edit(grant, label="x"),
    "a wider folder": lambda rig, grant, held: rig.edit(grant, scope=replace(grant.scope, prefix="")),
    "a later end": lambda rig, grant, held: rig.edit(grant, expires_at=rig.clock.now + 10**6),
    "uses": lambda rig, grant, held: rig.edit(grant, uses=5),
    "another link's end": lambda rig, grant, held: rig.revoke(FeedKind.LINK, "l_other"),
}
_SIZE = 100_000


@pytest.mark.parametrize(("change", "ends"), [*((e, True) for e in ENDING), *((e, False) for e in HARMLESS)])
@pytest.mark.parametrize("writing", [False, True], ids=["get", "put"])
async def test_they_end_with_the_link_and_what_runs_is_cut(change: str, ends: bool, writing: bool) -> None:
    """A download and an upload alike, in the turn in which it is known; the next request is refused. What changes
    nothing for them cuts nothing."""
    async with running(policy(rule("all"))) as rig:
        token, grant = await rig.granted(prefix="2026/", actions=WRITING, overwrite=True)
        held, wait, half = await hold(rig, token), asyncio.Event(), b"x" * (_SIZE // 2)
        async with rig.client() as client:
            target, signed = held.signed("PUT" if writing else "GET", "reports/2026/a")
            if writing:
                await client.send(request("PUT", target, {**signed, "Content-Length": str(_SIZE)}) + half)
                await until(lambda: any(permit.moved for permit in rig.plane.transfers))
            else:
                rig.store.script(Scripted(200, {"etag": '"v"'}, [half, wait, half], length=_SIZE))
                await client.send(request("GET", target, signed))
                assert 200 == (await client.head()).status
                await client.rest_of(_SIZE // 2)
            await (ENDING | HARMLESS)[change](rig, grant, held)
            cut = [permit.exchange.cut_reason for permit in rig.plane.transfers]
            assert ends == (not cut or cut[0] is not None)
            wait.set()
            if not ends and writing:
                await client.send(half)
                assert 200 == (await client.answer("PUT")).status
            elif not ends:
                assert _SIZE // 2 == len(await client.rest_of(_SIZE // 2))
        await rig.settled()
        rig.store.hold("inside/2026/a", BODY)
        assert ends == ((await held.status("GET", "reports/2026/a")) >= 400)


async def test_the_same_password_kept_or_taken_away_ends_nothing(rig: Rig) -> None:
    """Only another password does: an edit that leaves it, or asks for none, goes on."""
    word = hash_password("open sesame", b"s" * SALT_BYTES)
    rig.store.hold("inside/a.txt", BODY)
    token, grant = await rig.granted(password=word)
    held = await hold(
        rig, token, headers={"Content-Type": "application/x-www-form-urlencoded"}, body=b"password=open+sesame"
    )
    assert 200 == await held.status("GET", "reports/a.txt")
    grant = await rig.edit(grant, label="x")
    assert 200 == await held.status("GET", "reports/a.txt")
    await rig.edit(grant, password=None)
    assert 200 == await held.status("GET", "reports/a.txt")


async def test_control_an_edit_read_again_without_the_key_would_let_it_live(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key's own end is kept when its link is read again for what runs."""
    for broken in (False, True):
        async with running(policy(rule("all"))) as rig:
            token, grant = await rig.granted()
            held, wait, half = await hold(rig, token), asyncio.Event(), b"x" * 50_000
            if broken:
                monkeypatch.setattr(renew, "standing", lambda key, link: link)
            async with rig.client() as client:
                rig.store.script(Scripted(200, {"etag": '"v"'}, [half, wait, half], length=_SIZE))
                target, signed = held.signed("GET", "reports/a.txt")
                await client.send(request("GET", target, signed))
                assert 200 == (await client.head()).status
                await client.rest_of(50_000)
                await rig.edit(grant, label="x")
                await rig.revoke(FeedKind.KEY, (await held.key()).id)
                [permit] = rig.plane.transfers
                assert broken == (permit.exchange.cut_reason is None)
                wait.set()
