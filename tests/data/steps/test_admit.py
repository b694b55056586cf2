"""Step 5: revocation, rates, concurrency, uses and budgets, and what is given back."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace

import pytest

from gateway.core.lease import Room
from gateway.core.limits import Verdict
from gateway.core.pattern import NamePattern
from gateway.core.policy import LimitRule
from gateway.core.posture import FailPosture
from gateway.core.reasons import DependencyDown, Reason, UpstreamFailed
from gateway.core.request import Action
from gateway.core.revocation_target import FeedKind
from gateway.core.units import Rate
from gateway.stores.memory import open_memory
from tests.data.harness import APP, NOW, Rig, policy, request, rule, running
from tests.data.scripted_store import Scripted

BODY = b"0123456789"


@pytest.fixture
async def once(rig: Rig) -> tuple:
    """A link with one use, to an object of ten bytes."""
    rig.store.hold("inside/a.txt", BODY)
    return await rig.granted(uses=1)


async def test_ranges_and_resumes_of_one_client_are_one_use(rig: Rig, once: tuple) -> None:
    """A download manager may ask as often as it likes inside the window."""
    token, grant = once
    assert 200 == (await rig.fetch(token, User_Agent="m")).status
    for _ in range(5):
        got = await rig.fetch(token, User_Agent="m", Range="bytes=2-3")
        assert (206, b"23") == (got.status, got.body)
    assert 1 == await rig.used(grant)


async def test_another_client_needs_another_use(rig: Rig, once: tuple) -> None:
    """Another agent is another person, and gets 410."""
    token, grant = once
    assert 200 == (await rig.fetch(token, User_Agent="one")).status
    assert 410 == (await rig.fetch(token, User_Agent="two")).status
    assert (1, "used_up") == (await rig.used(grant), (await rig.last()).reason)


async def test_a_use_ends_with_its_window(rig: Rig, once: tuple) -> None:
    """An hour later the same client is a new one."""
    token, _ = once
    assert 200 == (await rig.fetch(token)).status
    rig.clock.tick(3599)
    await rig.plane.follower.catch_up()
    assert 200 == (await rig.fetch(token)).status
    rig.clock.tick(2)
    assert 410 == (await rig.fetch(token)).status


async def test_looking_takes_no_use(rig: Rig, once: tuple) -> None:
    """HEAD, 304, pages and preflights move nothing and count nothing."""
    token, grant = once
    etag = rig.store.objects["real", "inside/a.txt"][1]["etag"]
    assert 200 == (await rig.ask("HEAD", f"/s/{token}")).status
    assert 304 == (await rig.fetch(token, If_None_Match=etag)).status
    page = await rig.fetch(token, Accept="text/html", Sec_Fetch_Mode="navigate")
    assert "text/html" in (page.header("content-type") or "")
    await rig.ask("OPTIONS", f"/s/{token}", {"Origin": "https://a", "Access-Control-Request-Method": "GET"})
    assert 0 == await rig.used(grant)
    assert 200 == (await rig.fetch(token)).status


async def test_who_has_no_use_left_sees_nothing_either(rig: Rig, once: tuple) -> None:
    """HEAD and listings of a link that is used up are 410, but for whose own use is still open."""
    token, grant = once
    assert 200 == (await rig.fetch(token, User_Agent="one")).status
    heads = [(await rig.ask("HEAD", f"/s/{token}", {"User-Agent": agent})).status for agent in ("one", "two")]
    assert ([200, 410], 1) == (heads, await rig.used(grant))
    rig.store.hold("inside/in/b.txt", BODY)
    folder = await rig.link(prefix="in/", uses=1)
    assert [200, 200, 410] == [(await rig.fetch(folder, path)).status for path in ("/", "/b.txt", "/")]
    drained = await rig.link(budget=len(BODY))
    for status, method in ((200, "HEAD"), (200, "GET"), (410, "HEAD")):
        assert status == (await rig.ask(method, f"/s/{drained}")).status


@pytest.mark.parametrize(
    "failure",
    [
        Scripted(raises=UpstreamFailed(Reason.UPSTREAM_UNREACHABLE)),
        Scripted(404),
        Scripted(500),
        Scripted(200, {}, [UpstreamFailed(Reason.UPSTREAM_BROKE)], length=10),
    ],
    ids=["unreachable", "missing", "error", "broken"],
)
async def test_a_use_that_brought_nothing_is_given_back(rig: Rig, once: tuple, failure: Scripted) -> None:
    """The store's fault is not the client's use."""
    token, grant = once
    rig.store.script(failure)
    assert (await rig.fetch(token, User_Agent="unlucky")).status >= 400
    assert 0 == await rig.used(grant)
    assert 200 == (await rig.fetch(token, User_Agent="another")).status


async def test_without_giving_back_the_use_would_be_lost(rig: Rig, once: tuple, monkeypatch) -> None:
    """Control: the give-back is what the test above sees."""
    token, grant = once

    async def keep(lease):
        return None

    monkeypatch.setattr(rig.state.leases, "give_back", keep)
    rig.store.script(Scripted(404))
    await rig.fetch(token)
    assert 1 == await rig.used(grant)


async def test_one_use_tried_by_200_clients_at_once_is_one_success(rig: Rig) -> None:
    """Exactly one of them gets the bytes; all others get 410."""
    rig.store.hold("inside/a.txt", b"x" * 100_000)
    token, grant = await rig.granted(uses=1)
    asked = [rig.fetch(token, User_Agent=f"agent {number}") for number in range(200)]
    got = await asyncio.gather(*asked)
    assert {200: 1, 410: 199} == Counter(answer.status for answer in got)
    assert 1 == await rig.used(grant)
    assert 1 == len(rig.store.calls("GET"))


async def test_a_browser_shares_its_use_by_cookie(rig: Rig, once: tuple) -> None:
    """The page's button sets a cookie, and with it the address and agent may change."""
    token, grant = once
    form = {"Content-Type": "application/x-www-form-urlencoded", "User-Agent": "browser"}
    entered = await rig.ask("POST", f"/s/{token}", form, b"download=1")
    assert (303, f"/s/{token}?download=1") == (entered.status, entered.header("location"))
    assert 0 == await rig.used(grant)
    cookie = (entered.header("set-cookie") or "").partition(";")[0]
    for agent in ("browser", "player"):
        assert BODY == (await rig.ask("GET", f"/s/{token}", {"Cookie": cookie, "User-Agent": agent})).body
    assert 410 == (await rig.ask("GET", f"/s/{token}", {"Cookie": "gateway_lease=other"})).status


async def test_every_write_is_a_use_of_its_own(rig: Rig) -> None:
    """Two uploads by one client are two uses; a refused one is none."""
    token, grant = await rig.granted(prefix="in/", actions=[Action.WRITE], uses=2)
    assert 201 == (await rig.ask("PUT", f"/s/{token}/a", body=b"1")).status
    assert 409 == (await rig.ask("PUT", f"/s/{token}/a", body=b"1")).status
    assert 1 == await rig.used(grant)
    assert 201 == (await rig.ask("PUT", f"/s/{token}/b", body=b"1")).status
    assert 410 == (await rig.ask("PUT", f"/s/{token}/c", body=b"1")).status


async def test_a_lease_is_no_free_pass(rig: Rig, once: tuple) -> None:
    """One use moves at most three times the object."""
    token, _ = once
    statuses = [(await rig.fetch(token)).status for _ in range(4)]
    assert [200, 200, 200, 410] == statuses


@pytest.mark.parametrize("size", [5, 200_000])
async def test_many_requests_at_once_are_no_free_pass_either(rig: Rig, size: int) -> None:
    """What the others of the same use move meanwhile counts, before the first byte and after it."""
    rig.store.hold("inside/a.txt", bytes(size))
    token, grant = await rig.granted(uses=1)
    asked = [rig.fetch(token, User_Agent="one") for _ in range(12)]
    got = await asyncio.gather(*asked)
    assert 3 * size >= sum(len(one.body) for one in got if one.whole and one.status == 200) > 0
    assert sum(len(one.body) for one in got if one.status == 200) <= 3 * size
    assert 1 == await rig.used(grant)


async def test_a_client_that_leaves_before_the_first_byte_has_used_nothing(rig: Rig, once: tuple) -> None:
    """Whoever waits in vain may come again, and so may another."""
    token, grant = once
    hold = asyncio.Event()
    rig.store.script(Scripted(200, {}, [hold], length=70_000))
    async with rig.client() as client:
        await client.send(request("GET", f"/s/{token}", {"User-Agent": "impatient"}))
        await client.head()
    await rig.recorded(1)
    assert 0 == await rig.used(grant)
    assert 200 == (await rig.fetch(token, User_Agent="another")).status


@pytest.mark.parametrize("taking", ["open_lease", "reserve_bytes"])
async def test_a_client_that_leaves_while_its_share_is_taken_has_used_nothing(rig: Rig, monkeypatch, taking) -> None:
    """The store has counted already, but nobody has heard of it yet: it is given back all the same."""
    rig.store.hold("inside/a.txt", BODY)
    token, grant = await rig.granted(uses=1, budget=10 * len(BODY))
    take, taken, told = getattr(rig.state.leases, taking), asyncio.Event(), asyncio.Event()

    async def slow(*given, **limits):
        found = await take(*given, **limits)
        taken.set()
        await told.wait()
        return found

    monkeypatch.setattr(rig.state.leases, taking, slow)
    assert rig.server is not None
    gone, left = asyncio.Event(), rig.server.remove_connection
    monkeypatch.setattr(rig.server, "remove_connection", lambda connection: (left(connection), gone.set()))
    async with rig.client() as client:
        await client.send(request("GET", f"/s/{token}", {"User-Agent": "impatient"}))
        await taken.wait()
    await gone.wait()
    told.set()
    assert (0, 0) == (await rig.used(grant), await rig.moved(grant))


@pytest.mark.parametrize("end", ["revoked", "shutting_down", "owner_not_allowed"])
async def test_what_ends_while_the_limiter_is_asked_is_not_missed(monkeypatch, end: str) -> None:
    """A request that waits for its rate is not among those a revocation cuts: it is judged again when it is counted."""
    async with running(policy(limits=(limited(requests=Rate(100, 1.0, 100)),))) as rig:
        rig.store.hold("inside/a.txt", BODY)
        token, grant = await rig.granted()
        take = rig.state.limits.take

        async def meanwhile(demands, now):
            if end == "revoked":
                await rig.revoke(FeedKind.LINK, grant.id)
            elif end == "owner_not_allowed":
                rig.use(policy(rule("elsewhere", "other/**")))
            else:
                rig.plane.draining = True
            return await take(demands, now)

        monkeypatch.setattr(rig.state.limits, "take", meanwhile)
        assert (await rig.fetch(token)).status in {410, 503}
        assert end == (await rig.last()).reason
        assert [] == rig.store.seen


# budgets


async def test_a_budget_is_exact_under_200_parallel_requests(rig: Rig) -> None:
    """Never a byte above it, and everything that fits is given."""
    rig.store.hold("inside/a.txt", BODY)
    token, grant = await rig.granted(budget=500)
    got = await asyncio.gather(*(rig.fetch(token) for _ in range(200)))
    assert {200: 50, 410: 150} == Counter(answer.status for answer in got)
    assert 500 == await rig.moved(grant)


async def test_without_the_reservation_the_budget_would_not_hold(rig: Rig, monkeypatch) -> None:
    """Control: a budget that is only read lets more through."""

    async def only_read(mine, wanted, **limits):
        return Room.TAKEN

    monkeypatch.setattr(rig.state.leases, "reserve_bytes", only_read)
    rig.store.hold("inside/a.txt", BODY)
    token = await rig.link(budget=500)
    got = await asyncio.gather(*(rig.fetch(token) for _ in range(60)))
    assert {200} == {answer.status for answer in got}


async def test_a_reservation_that_was_not_used_is_given_back(rig: Rig) -> None:
    """A broken transfer pays for what it moved."""
    token, grant = await rig.granted(budget=100_000)
    broke = UpstreamFailed(Reason.UPSTREAM_BROKE)
    rig.store.script(Scripted(200, {}, [b"x" * 40_000, broke], length=100_000))
    await rig.fetch(token)
    assert 40_000 == await rig.moved(grant)
    rig.store.hold("inside/a.txt", b"y" * 60_000)
    assert 200 == (await rig.fetch(token)).status
    assert 410 == (await rig.fetch(token)).status


async def test_uploads_spend_the_same_budget(rig: Rig) -> None:
    """In both directions, and a body that would pass it is refused."""
    token, grant = await rig.granted(actions=[Action.WRITE], budget=15, overwrite=True)
    assert 201 == (await rig.ask("PUT", f"/s/{token}", body=BODY)).status
    assert 410 == (await rig.ask("PUT", f"/s/{token}", body=BODY)).status
    assert 10 == await rig.moved(grant)


# rates and parts that are down


def limited(**limit) -> LimitRule:
    return LimitRule(who=NamePattern.parse("app:*"), **limit)


async def test_a_rate_answers_slow_down_with_fields() -> None:
    """503 SlowDown on the S3 face, with Retry-After and RateLimit fields."""
    given = policy(limits=(limited(requests=Rate(2, 60.0, 2)),))
    async with running(given, trusted=APP) as app:
        app.store.hold("inside/a", BODY)
        got = [await app.ask("GET", "/reports/a") for _ in range(3)]
        assert [200, 200, 503] == [answer.status for answer in got]
        assert b"<Code>SlowDown</Code>" in got[2].body
        assert "30" == got[2].header("retry-after")
        assert '"requests";q=2' == got[2].header("ratelimit-policy")
        app.clock.tick(30)
        await app.plane.follower.catch_up()
        assert 200 == (await app.ask("GET", "/reports/a")).status


async def test_a_link_shares_its_owners_rate_and_has_its_own(rig: Rig) -> None:
    """429 on a link path."""
    rig.store.hold("inside/a.txt", BODY)
    token = await rig.link(rate=Rate(1, 60.0, 1))
    assert [200, 429] == [(await rig.fetch(token)).status for _ in range(2)]
    rig.use(policy(limits=(limited(requests=Rate(1, 60.0, 1)),)))
    assert [200, 429] == [(await rig.fetch(await rig.link())).status for _ in range(2)]


class DownLimits:
    """Limits that cannot answer."""

    async def take(self, demands, now) -> Verdict:
        raise DependencyDown("limits", "gone")


@pytest.mark.parametrize(("posture", "status"), [("open", 200), ("closed", 503)])
async def test_limits_down_does_what_the_posture_says(posture: str, status: int) -> None:
    """Open lets pass and says so in a metric; closed refuses."""
    given = policy(limits=(limited(requests=Rate(1, 1.0, 1)),))
    state = replace(open_memory(clock=lambda: NOW), limits=DownLimits())
    async with running(given, trusted=APP, state=state, posture=FailPosture(limits=posture)) as app:
        app.store.hold("inside/a", BODY)
        assert status == (await app.ask("GET", "/reports/a")).status
        assert (posture == "open") == app.metric("gateway_limiter_decisions_total", decision="skipped")


@pytest.mark.parametrize(("posture", "status"), [("open", 200), ("closed", 503)])
async def test_the_ledger_down_does_what_the_posture_says(posture: str, status: int) -> None:
    """Closed: nothing happens that nobody could account for; it works again when the ledger does."""
    async with running(trusted=APP, posture=FailPosture(audit=posture)) as app:
        app.store.hold("inside/a", BODY)
        assert 200 == (await app.ask("GET", "/reports/a")).status
        app.plane.accounts.ledger_down = True
        assert status == (await app.ask("GET", "/reports/a")).status
        await app.settled()
        await app.plane.accounts.flush()
        assert 200 == (await app.ask("GET", "/reports/a")).status


async def test_leases_down_is_503_for_who_needs_one(rig: Rig, once: tuple, monkeypatch) -> None:
    """A use that cannot be counted is not given."""

    async def down(*_):
        raise DependencyDown("grants", "gone")

    monkeypatch.setattr(rig.state.leases, "open_lease", down)
    assert 503 == (await rig.fetch(once[0])).status
    assert 200 == (await rig.fetch(await rig.link())).status


async def test_a_counter_that_cannot_be_settled_stays_too_high(rig: Rig, once: tuple, monkeypatch) -> None:
    """The request is answered; the use is not given back, and the drop is counted."""

    async def down(*_):
        raise DependencyDown("grants", "gone")

    monkeypatch.setattr(rig.state.leases, "give_back", down)
    rig.store.script(Scripted(404))
    assert 404 == (await rig.fetch(once[0])).status
    assert 1 == await rig.used(once[1])
    assert 1 == rig.metric("gateway_dropped_records_total")


async def test_draining_takes_nothing_new(rig: Rig, once: tuple) -> None:
    """503, and no use."""
    rig.plane.draining = True
    assert 503 == (await rig.fetch(once[0])).status
    assert (0, "shutting_down") == (await rig.used(once[1]), (await rig.last()).reason)
