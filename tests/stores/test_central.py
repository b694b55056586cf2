"""The engine of a sidecar, before a real control API, and before one that answers badly."""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import pytest
from aiohttp import web

from gateway.control.sidecar_routes import IssuedView
from gateway.core.attempt import Principal
from gateway.core.grant import Grant
from gateway.core.holder_pass import prove
from gateway.core.holders import Holders, ProvedBy
from gateway.core.intake import Intake
from gateway.core.issued import LivingSession
from gateway.core.lease import Reservation, Room, Settlement, Usage
from gateway.core.pattern import NamePattern
from gateway.core.reasons import DependencyDown, Reason, Refused, SettingsError
from gateway.core.request import Action
from gateway.core.revocation import FeedEntry, RevocationView
from gateway.core.revocation_target import EVERY, FeedKind, RevocationTarget
from gateway.core.token import hash_secret
from gateway.data.state.revocation_follower import RevocationFollower
from gateway.stores import central as module
from gateway.stores.central import open_central
from gateway.stores.engine import Engine
from gateway.stores.keyring import KeyRing
from gateway.stores.memory import open_memory
from gateway.stores.seal import Sealer
from gateway.stores.sealed import SealedGrants, count_seals
from gateway.telemetry.metrics import Metrics
from tests.contract.sample import NOW, full_key, full_link, key, link
from tests.control.desk import Desk, serving
from tests.servers.certificate import certificate
from tests.stores.cutting import wire_to

TOKEN = "a-sidecars-token-of-many-letters"
Placed = TypeVar("Placed", Grant, FeedEntry)


@asynccontextmanager
async def following(app: web.Application) -> AsyncIterator[Engine]:
    """An engine that follows what this application pretends to be."""
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        state = await open_central(f"central+http://127.0.0.1:{runner.addresses[0][1]}", TOKEN)
        yield state
        await state.close()
    finally:
        await runner.cleanup()


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    apps = {"first": frozenset({"billing"})}
    async with serving(sidecars=lambda: {hash_secret(TOKEN): "first"}, sidecar_apps=lambda: apps) as opened:
        yield opened


@pytest.fixture
async def sidecar(desk: Desk) -> AsyncIterator[Engine]:
    state = await open_central(f"central+{desk.url}", TOKEN)
    yield state
    await state.close()


ANN = "ann@acme.example"


def here(there: Placed) -> Placed:
    """The same as a sidecar knows it: between two serials of the central gateway it has room for its own news."""
    return replace(there, serial=there.serial * module._ROOM)


@pytest.mark.parametrize("grant", [link(), key(), full_link(), full_key()], ids=["link", "key", "full", "full key"])
async def test_a_grant_is_resolved_whole(desk: Desk, sidecar: Engine, grant: Any) -> None:
    """Every field, a key's sealed secret included; what does not exist is None."""
    stored = await desk.state.grants.create(
        replace(grant, id=grant.id + "x", hash=hash_secret(f"{grant.id} once more"))
    )
    assert await sidecar.grants.find(stored.hash) == here(stored)
    assert await sidecar.grants.find(hash_secret("nobody's")) is None


async def test_a_central_gateway_is_believed_by_the_authorities_of_a_file(desk: Desk, tmp_path: Path) -> None:
    """As they are there at the next connection; a file that is away, or holds none, leaves what was read before."""
    context, (cert, authority) = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), (tmp_path / "tls.crt", tmp_path / "ca.crt")

    def renew() -> None:
        context.load_cert_chain(*certificate(tmp_path))
        authority.write_bytes(cert.read_bytes())

    renew()
    os.utime(authority, ns=(1, 1))  # two writes of a test may have one time
    stored = await desk.state.grants.create(link())
    async with wire_to(desk.url, context) as wire:
        url = wire.url.replace("http:", "central+https:")
        with pytest.raises(SettingsError, match="its certificate is not believed"):
            await open_central(url, TOKEN)
        with pytest.raises(SettingsError, match="FileNotFoundError"):  # and nobody else vouches for it in its place
            await open_central(url, TOKEN, ca_file=str(tmp_path / "absent.crt"))
        sidecar = await open_central(url, TOKEN, ca_file=str(authority))
        for change in (renew, authority.unlink, partial(authority.write_text, "nothing")):
            change()
            wire.cut()
            wire.heal()
            with suppress(DependencyDown):  # that a connection broke may be found out by its use
                await sidecar.grants.find(stored.hash)
            assert here(stored) == await sidecar.grants.find(stored.hash)
        await sidecar.close()


async def test_the_feed_is_the_central_one(desk: Desk, sidecar: Engine) -> None:
    """All entries in order for the cache, the revoking ones for the first load; an end is an empty answer."""
    stored = await desk.state.grants.create(link())
    (revoked,) = await desk.state.feed.revoke([RevocationTarget(FeedKind.LINK, stored.id)], NOW, "leaked", "admin:ops")
    entries = await sidecar.feed.since(0, 10)
    assert [(entry.serial, entry.kind) for entry in entries] == [
        (here(stored).serial, FeedKind.ISSUED),
        (here(revoked).serial, FeedKind.LINK),
    ]
    assert list(await sidecar.feed.revocations(0, 10)) == [here(revoked)]
    assert list(await sidecar.feed.since(here(revoked).serial, 10)) == []
    assert len(await sidecar.feed.since(0, 1)) == 1


async def test_long_lists_come_in_pages(desk: Desk, sidecar: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each entry once, in order, however many the answer may hold."""
    monkeypatch.setattr(module, "_PAGE", 3)
    targets = [RevocationTarget(FeedKind.OWNER, f"app:a{number}") for number in range(10)]
    written = await desk.state.feed.revoke(targets, NOW, "", "admin:ops")
    assert list(await sidecar.feed.since(0, 100)) == [here(entry) for entry in written]
    assert list(await sidecar.feed.since(0, 7)) == [here(entry) for entry in written][:7]


async def test_a_change_ends_the_wait(desk: Desk, sidecar: Engine) -> None:
    """At once, not at the end of the wait; without one the wait ends by itself."""
    async with asyncio.timeout(5):
        waiting = asyncio.gather(sidecar.feed.changed(0, 10.0), desk.state.grants.create(link()))
        await waiting
        await sidecar.feed.changed(await _last(sidecar), 0.05)


async def test_another_word_of_whom_it_serves_makes_every_grant_an_edited_one() -> None:
    """Once, at a place of its own in the feed, whoever asked first; all other entries are as they were."""
    served = {"edge": (NamePattern.parse("app:*"),)}
    callers = {"sidecars": lambda: {hash_secret(TOKEN): "edge"}, "sidecar_serves": lambda: served}
    async with serving(**callers) as desk:
        sidecar = await open_central(f"central+{desk.url}", TOKEN)
        since, create = sidecar.feed.since, desk.state.grants.create
        first = here(await create(link()))
        assert [first.serial] == [entry.serial for entry in await since(0, 10)]
        served["edge"] = (NamePattern.parse("app:billing"),)
        await sidecar.probe()
        news = FeedEntry(first.serial + 1, FeedKind.CHANGED, EVERY)
        assert [news] == await since(first.serial, 10)
        assert [] == await since(news.serial, 10)
        second = here(await create(replace(link(), id="l_next", hash=hash_secret("next"))))
        places = [entry.serial for entry in await since(0, 10)]
        assert [first.serial, news.serial, second.serial] == places
        assert places[1:2] == [entry.serial for entry in await since(first.serial, 1)]
        served["edge"] = (NamePattern.parse("app:*"),)
        assert [second.serial + 1] == [entry.serial for entry in await since(second.serial, 10)]
        await sidecar.close()


async def test_a_central_state_that_has_gone_back_is_followed_from_its_beginning() -> None:
    """The sidecar reads all of it again, once, and then what comes; what it serves is news of its own as before."""
    served = {"edge": (NamePattern.parse("app:*"),)}
    callers = {"sidecars": lambda: {hash_secret(TOKEN): "edge"}, "sidecar_serves": lambda: served}
    async with serving(**callers) as desk:
        sidecar = await open_central(f"central+{desk.url}", TOKEN)
        heard: list[FeedEntry] = []
        follower = RevocationFollower(
            sidecar.feed, heard.extend, monotonic=lambda: 0.0, clock=lambda: NOW, metrics=Metrics()
        )
        for name in ("a", "b", "c"):
            await desk.state.grants.create(replace(link(), id=f"l_{name}", hash=hash_secret(name)))
        await follower.catch_up()
        served["edge"] = (NamePattern.parse("app:billing"),)
        await sidecar.probe()
        await follower.catch_up()
        tables = desk.state.feed._tables
        del tables.feed[1:]
        tables.last_serial = 1
        heard.clear()
        for _ in range(2):
            await follower.catch_up()
        assert [(0, EVERY), (module._ROOM, "l_a")] == [(entry.serial, entry.name) for entry in heard]
        await desk.state.feed.revoke([RevocationTarget(FeedKind.LINK, "l_b")], NOW, "", "admin:ops")
        await follower.catch_up()
        assert (2 * module._ROOM, "l_b") == (heard[-1].serial, heard[-1].name)
        await sidecar.close()


async def test_what_was_issued_after_a_revocation_stands_here_too(desk: Desk, sidecar: Engine) -> None:
    """Serials of grants and of revocations are of one measure: an owner's revocation ends the grant before it alone."""
    before = await desk.state.grants.create(link())
    await desk.state.feed.revoke([RevocationTarget(FeedKind.OWNER, str(before.owner))], NOW, "", "admin:ops")
    after = await desk.state.grants.create(replace(link(), id="l_after", hash=hash_secret("after")))
    view = RevocationView()
    view.apply(await sidecar.feed.since(0, 100))
    found = [await sidecar.grants.find(one.hash) for one in (before, after)]
    assert [FeedKind.OWNER, None] == [one and view.revoked(one, "reports", "k", "") for one in found]


async def test_keys_that_a_sidecar_had_issued_are_known_and_ended_there(desk: Desk, sidecar: Engine) -> None:
    """By the address at which it had them issued; their revocations are in the feed when the call returns."""
    issuer = sidecar.issuer
    assert issuer is not None
    sources = [("entry", "https://edge one", "0" * 16), ("entry", "https://edge two", "0" * 16)]
    keys = [await issuer.issue_session("billing", 900.0, "x", source) for source in sources]
    for one, source in zip(keys, sources, strict=True):
        assert [LivingSession(one.grant.id, "billing", source)] == await issuer.sessions_through(source[1])
    await issuer.end_sessions([keys[0].grant.id])
    assert [] == await issuer.sessions_through("https://edge one")
    assert 1 == len(await issuer.sessions_through("https://edge two"))
    ended = [(entry.kind, entry.name) for entry in await sidecar.feed.since(0, 10) if entry.revokes]
    assert [(FeedKind.KEY, keys[0].grant.id)] == ended


async def _last(sidecar: Engine) -> int:
    return (await sidecar.feed.since(0, 100))[-1].serial


async def test_uses_and_bytes_are_counted_there(desk: Desk, sidecar: Engine) -> None:
    """The same counters as the central gateway's own, within the stored link's limits."""
    stored = await desk.state.grants.create(link(uses=2, budget=100))
    await sidecar.grants.find(stored.hash)

    def mine(request: str, lease: str | None) -> Reservation:
        return Reservation(stored.id, lease, request)

    opened = [await sidecar.leases.open_lease(mine(*names), 99, NOW, 3600.0) for names in ("1a", "2a", "3b", "4c")]
    assert [None if lease is None else lease.fresh for lease in opened] == [True, False, True, None]
    assert await sidecar.leases.open_lease(Reservation(stored.id, "a"), 0, NOW, 3600.0) is not None
    assert await sidecar.leases.open_lease(Reservation(stored.id, "c"), 0, NOW, 3600.0) is None
    await sidecar.leases.give_back(mine("3", "b"))
    assert (await sidecar.leases.usage([stored.id])).get(stored.id) == Usage(1, 0, desk.clock.now)
    assert await sidecar.leases.reserve_bytes(mine("1", "a"), 100, budget=10**9, cap=100) is Room.TAKEN
    assert await sidecar.leases.reserve_bytes(mine("2", "a"), 1, budget=10**9, cap=1000) is Room.HELD
    await sidecar.leases.settle_bytes(mine("1", "a"), Settlement(30, ends=False), NOW)
    await sidecar.leases.settle_bytes(mine("1", "a"), Settlement(10), NOW)
    assert (await desk.state.leases.usage([stored.id]))[stored.id].moved == 40
    assert await sidecar.leases.reserve_bytes(mine("2", "a"), 61, budget=10**9) is Room.SPENT
    assert await sidecar.leases.release_lapsed() == 0


async def test_files_that_came_in_are_counted_there_too(desk: Desk, sidecar: Engine) -> None:
    """Beside the uses, within the stored link's limits; what was counted is not taken back from here."""
    wanted = Intake(max_files=1, total_bytes=100)
    stored = await desk.state.grants.create(link(actions=frozenset({Action.WRITE}), intake=wanted))
    await sidecar.grants.find(stored.hash)
    mine = Reservation(stored.intake_id, "a", "1")
    assert await sidecar.leases.open_lease(mine, 99, NOW, 0.0) is not None
    assert await sidecar.leases.open_lease(replace(mine, key="b"), 99, NOW, 0.0) is None
    assert await sidecar.leases.reserve_bytes(mine, 101, budget=10**9) is Room.SPENT
    assert await sidecar.leases.reserve_bytes(mine, 60, budget=10**9) is Room.TAKEN
    await sidecar.leases.settle_bytes(mine, Settlement(0), NOW)
    await sidecar.leases.settle_bytes(Reservation(stored.intake_id), Settlement(60), NOW)
    await sidecar.leases.settle_bytes(Reservation(stored.intake_id), Settlement(-60), NOW)
    assert (await sidecar.leases.usage([stored.intake_id]))[stored.intake_id] == Usage(1, 60, desk.clock.now)
    assert await sidecar.leases.usage([stored.id]) == {}


async def test_a_link_that_was_not_asked_for_is_counted_nowhere(desk: Desk, sidecar: Engine) -> None:
    """By its id alone the central gateway is not even asked; one without a use yet has no counters."""
    stored = await desk.state.grants.create(link(uses=2))
    with pytest.raises(DependencyDown):
        await sidecar.leases.open_lease(Reservation(stored.id, "a", "1"), 2, NOW, 3600.0)
    await sidecar.grants.find(stored.hash)
    assert await sidecar.leases.usage([stored.id]) == {}
    assert await sidecar.leases.open_lease(Reservation(stored.id, "a", "1"), 2, NOW, 3600.0) is not None


async def test_what_changes_grants_is_refused(sidecar: Engine) -> None:
    """With the reason that callers are told: not here."""
    target = RevocationTarget(FeedKind.LINK, "l_1")
    for call in (
        sidecar.grants.get("l_1"),
        sidecar.grants.create(link()),
        sidecar.grants.save(link()),
        sidecar.grants.count(target),
        sidecar.feed.revoke([target], NOW, "", "admin:ops"),
    ):
        with pytest.raises(Refused) as caught:
            await call
        assert caught.value.reason is Reason.UNSUPPORTED_OPERATION


async def test_keys_of_an_app_are_issued_there(desk: Desk, sidecar: Engine) -> None:
    """Stored at the central gateway, handed on whole; another app's are refused with the central gateway's words."""
    issued = await sidecar.issuer.issue_session("billing", 900.0, "container credentials", ())
    stored = await desk.state.grants.find(hash_secret(issued.access_key_id))
    assert stored is not None
    assert here(stored) == issued.grant
    assert issued.grant.expires_at == desk.clock.now + 900
    assert desk.deps.stores.sealer.open(issued.access_key_id, issued.grant.sealed or b"") == issued.secret_access_key
    assert issued.grant.session_hash == hash_secret(issued.session_token or "")
    with pytest.raises(Refused) as caught:
        await sidecar.issuer.issue_session("payroll", 900.0, "container credentials", ())
    assert caught.value.reason is Reason.NOT_ALLOWED
    assert "app:payroll" in caught.value.detail


async def test_credentials_of_a_link_are_issued_there(desk: Desk, sidecar: Engine) -> None:
    """Handed on whole; for another hash than the link's the answer is refused, and so is a link that gives none."""
    stored = await desk.state.grants.create(link())
    issued = await sidecar.issuer.issue_for_link(here(stored), "w:R1", None)
    kept = await desk.state.grants.find(hash_secret(issued.access_key_id))
    assert kept is not None
    assert (here(kept), stored.hash) == (issued.grant, issued.grant.link)
    silent = await desk.state.grants.create(link(credentials=False))
    with pytest.raises(Refused) as refused:
        await sidecar.issuer.issue_for_link(silent, "w:R2", None)
    assert refused.value.reason is Reason.NOT_ALLOWED


async def test_credentials_of_a_link_for_somebody_are_issued_there_to_them_alone(desk: Desk, sidecar: Engine) -> None:
    """The sidecar shows the pass of who asks for them, which is read there; they end with it."""
    holders = Holders((ANN,), key=bytes(32))
    stored = await desk.state.grants.create(link(holders=holders))
    ann, eve = (prove(stored, name, ProvedBy.CODE, desk.clock.now) for name in (ANN, "eve@acme.example"))
    issued = await sidecar.issuer.issue_for_link(here(stored), "w:R1", ann)
    assert (ann, float(ann.until)) == (issued.grant.holder, issued.grant.expires_at)
    for nobody in (None, eve, replace(ann, until=int(desk.clock.now))):
        with pytest.raises(Refused) as refused:
            await sidecar.issuer.issue_for_link(here(stored), "w:R2", nobody)
        assert refused.value.reason is Reason.NOT_ALLOWED
    strange = replace(stored, holders=replace(holders, key=bytes(range(33))))
    with pytest.raises(Refused):
        await sidecar.issuer.issue_for_link(here(strange), "w:R3", ann)


@pytest.mark.parametrize(
    "wrong",
    ["another app", "another key", "no token", "another token", "no secret", "no end", "no grant", "a proxy's 403"],
)
async def test_what_is_no_session_is_the_stores_fault(desk: Desk, wrong: str) -> None:
    """A key that is not what was asked for is not handed out, and only the gateway itself can refuse."""
    good = await desk.api.keys.issue(Principal("admin", "first"), "billing", expires_in=900.0, session=True)
    whole = IssuedView.of(good).model_dump()
    tokenless, endless = replace(good.grant, session_hash=None), replace(good.grant, expires_at=None)
    answers = {
        "another app": (201, whole),
        "another key": (201, whole | {"access_key_id": "GWKOTHER"}),
        "no token": (201, whole | {"grant": IssuedView.of(replace(good, grant=tokenless)).grant}),
        "another token": (201, whole | {"session_token": "gs_other"}),
        "no secret": (201, whole | {"secret_access_key": ""}),
        "no end": (201, whole | {"grant": IssuedView.of(replace(good, grant=endless)).grant}),
        "no grant": (201, whole | {"grant": None}),
        "a proxy's 403": (403, {"detail": "blocked"}),
    }

    async def issue(request: web.Request) -> web.Response:
        status, body = answers[wrong]
        return web.json_response(body, status=status)

    async def feed(request: web.Request) -> web.Response:
        return web.json_response({"revocations": []})

    app = web.Application()
    app.router.add_post("/v1/sessions", issue)
    app.router.add_get("/v1/revocations", feed)
    async with following(app) as state:
        with pytest.raises(DependencyDown):
            await state.issuer.issue_session(
                "payroll" if wrong == "another app" else "billing", 900.0, "container credentials", ()
            )


async def test_wrong_beginnings_are_told(desk: Desk) -> None:
    """A wrong token, none, clear text over a network, nobody there: each stops the start."""
    for url, token in (
        (f"central+{desk.url}", "wrong"),
        (f"central+{desk.url}", ""),
        ("central+http://gateway.example:8081", TOKEN),
        ("central+http://127.0.0.1:1", TOKEN),
    ):
        with pytest.raises(SettingsError):
            await open_central(url, token)


async def test_a_closed_engine_is_down(desk: Desk) -> None:
    """And never an empty answer, which would be a proof."""
    state = await open_central(f"central+{desk.url}", TOKEN)
    await state.close()
    with pytest.raises(DependencyDown):
        await state.feed.since(0, 10)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, "not JSON"),
        (200, '{"revocations": [{"serial": 1}]}'),
        (200, '{"revocations": [1]}'),
        (200, "{}"),
        (200, "[]"),
        (302, "{}"),
        (404, "{}"),
        (503, '{"revocations": []}'),
    ],
)
async def test_a_bad_answer_is_no_proof(status: int, body: str) -> None:
    """Anything but a whole list lets the view age: an error page, a redirect, a list that cannot be read."""
    good = True

    async def answer(request: web.Request) -> web.Response:
        if good:
            return web.json_response({"revocations": []})
        return web.Response(status=status, text=body, content_type="application/json", headers={"Location": "/else"})

    async def elsewhere(request: web.Request) -> web.Response:
        return web.json_response({"revocations": []})

    app = web.Application()
    app.router.add_get("/v1/revocations", answer)
    app.router.add_get("/else", elsewhere)
    async with following(app) as state:
        good = False
        with pytest.raises(DependencyDown):
            await state.feed.since(0, 10)


@pytest.mark.parametrize("found", [[1, 2], "x", [None] * 10])
async def test_what_is_no_grant_is_the_stores_fault(found: object) -> None:
    """Never a grant with guessed parts, never "there is none"."""

    async def grant(request: web.Request) -> web.Response:
        return web.json_response({"grant": found})

    async def feed(request: web.Request) -> web.Response:
        return web.json_response({"revocations": []})

    app = web.Application()
    app.router.add_get("/v1/grants/by-hash/{hash}", grant)
    app.router.add_get("/v1/revocations", feed)
    async with following(app) as state:
        with pytest.raises(DependencyDown):
            await state.grants.find(hash_secret("x"))


@pytest.mark.parametrize("keeps", [False, True])
async def test_an_answer_that_something_kept_proves_nothing(desk: Desk, keeps: bool) -> None:
    """Grants are resolved and the feed stands still: the view is not renewed. Passed on as it comes, it is."""
    kept: dict[str, tuple[int, bytes, dict[str, str]]] = {}

    async def relay(request: web.Request) -> web.Response:
        path = str(request.rel_url)
        if not keeps or path not in kept or "by-hash" in path:
            async with desk.session.get(desk.url + path, headers={"Authorization": f"Bearer {TOKEN}"}) as answer:
                named = {name: answer.headers[name] for name in ("Content-Type", "X-Request-Id")}
                kept[path] = answer.status, await answer.read(), named
        status, body, named = kept[path]
        return web.Response(status=status, body=body, headers=named)

    app = web.Application()
    app.router.add_get("/{path:.*}", relay)
    stored = await desk.state.grants.create(link())
    async with following(app) as sidecar:
        assert here(stored) == await sidecar.grants.find(stored.hash)
        assert 1 == len(await sidecar.feed.since(0, 10))
        if not keeps:
            assert 1 == len(await sidecar.feed.since(0, 10))
            assert await sidecar.probe() is None
            return
        with pytest.raises(DependencyDown, match="something before it keeps answers"):
            await sidecar.feed.since(0, 10)
        with pytest.raises(DependencyDown, match="came twice"):
            await sidecar.probe()


async def test_a_central_gateway_opens_what_it_hands_on() -> None:
    """Its store holds nothing without the sealing key, which no sidecar has, and a sidecar's grants are whole."""
    store = open_memory()
    grants = SealedGrants(store.grants, store.seals, KeyRing([(1, "a sealing key of enough characters")]), os.urandom)
    tokens = {hash_secret(TOKEN): "first"}
    stores = {"leases": store.leases, "feed": store.feed, "ledger": store.ledger}
    async with serving(grants=grants, **stores, sidecars=lambda: tokens) as desk:
        made = await grants.create(key(sealed=Sealer().seal("GWKID", "the secret", bytes(12))))
        worded = await grants.create(link(password="scrypt$a$b"))
        sidecar = await open_central(f"central+{desk.url}", TOKEN)
        found = await sidecar.grants.find(made.hash)
        assert found is not None
        assert found.sealed is not None
        assert "the secret" == Sealer().open("GWKID", found.sealed)
        assert here(worded) == await sidecar.grants.find(worded.hash)
        await sidecar.close()
    assert {1: 2} == await count_seals(store.grants)
