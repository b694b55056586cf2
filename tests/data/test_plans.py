"""What the steps found is kept for the same head, and is never believed when the steps would say something else."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from hashlib import sha256
from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.core.backend import Credentials
from gateway.core.grant import Grant
from gateway.core.narrowing import Narrowing
from gateway.core.password import hash_password
from gateway.core.pattern import NamePattern
from gateway.core.reasons import Reason
from gateway.core.request import Action
from gateway.core.revocation_target import FeedKind
from gateway.core.route import Cors
from gateway.core.rule import LimitRule
from gateway.core.session_policy import SessionPolicy
from gateway.core.session_policy_text import read_session_policy
from gateway.core.token import hash_secret
from gateway.core.units import Rate
from gateway.data import plans, serve
from gateway.data.plane import Terms
from gateway.data.routes import data_handler
from gateway.data.steps import authorise
from gateway.server.head import KnownHeads
from gateway.server.listener import HttpServer
from gateway.wire.likeness import AlikeHeads
from gateway.wire.sig.sigv4 import SKEW
from tests.data.harness import APP, Rig, deny, policy, request, rule, running
from tests.data.raw_client import RawClient
from tests.servers import over_tls

pytestmark = pytest.mark.skipif("config.getoption('--without-plans')", reason="there are none")

OPEN = rule("everybody reads", who="*", may=[Action.READ, Action.LIST])
POLICY = policy(rule("everything"), OPEN)
HEADS = ["link", "key", "anew", "passing", "nobody", "nobody, marked"]
KEPT_AT_ONCE = {"link"}
UNTIL_KEPT = 5
"""Requests after which each head of `HEADS` has a plan of its own, too."""
FAST = Rate(1000, 1.0, 1000)
CHANGED = [
    policy(rule("everything"), OPEN, deny("not this", "reports/a.txt")),
    policy(rule("writes only", may=[Action.WRITE])),
    policy(rule("everything"), OPEN, drained=True),
    policy(rule("everything"), OPEN, cors=(Cors(("https://app.example",)),)),
    policy(rule("everything"), replace(OPEN, networks=(ip_network("10.0.0.0/8"),))),
    policy(rule("from elsewhere", networks=(ip_network("10.0.0.0/8"),)), OPEN),
    policy(rule("everything"), OPEN, limits=(LimitRule(who=NamePattern.parse("*"), per="address", requests=FAST),)),
]


@dataclass
class Twin:
    """One plane behind two listeners: one that keeps plans, one that always asks the steps."""

    rig: Rig
    plain: int
    heads: dict[str, Callable[[], bytes]]
    link: Grant
    key: Grant

    async def ask(self, name: str) -> None:
        """Both answer alike, for the same reason."""
        head = self.heads[name]()
        kept = await self._asked(self.rig.port, head)
        plane = self.rig.plane
        alike, plane.snapshot = plane.snapshot, replace(plane.snapshot)  # for which nothing is kept
        plain = await self._asked(self.plain, head)
        plane.snapshot = alike
        assert plain == kept

    async def ask_all(self) -> None:
        for name in self.heads:
            await self.ask(name)

    async def _asked(self, port: int, head: bytes) -> tuple[object, ...]:
        before = len(self.rig.records)
        async with RawClient(port) as client:
            await client.send(head)
            got = await client.answer()
        [record] = (await self.rig.recorded(before + 1))[before:]
        shown = [pair for pair in got.headers if "id" not in pair[0] and pair[0] != "date"]
        said = replace(record, request_id="", duration=0.0)
        return got.status, shown, got.body if got.status == 200 else b"", said


@asynccontextmanager
async def twins() -> AsyncIterator[Twin]:
    async with running(POLICY) as rig:
        other = HttpServer(data_handler(rig.plane, Terms()), head_seconds=10.0)
        other.known_heads = KnownHeads(0)
        for name in ("a", "b", "c"):
            rig.store.hold(f"inside/{name}.txt", b"hello", **{"content-type": "text/plain"})
        token, link = await rig.granted(expires_at=rig.clock.now + 1000)
        pair, key = await rig.key()
        signed = rig.signed(pair, "GET", "reports/a.txt")
        passing, _ = await rig.key(session_policy=_until(rig.clock.now + 500))
        page = {"Origin": "https://app.example"}
        heads = {
            "link": lambda: request("GET", f"/s/{token}", page),
            "key": lambda: request("GET", *signed),
            "anew": lambda: _marked(rig, *rig.signed(pair, "GET", "reports/b.txt")),
            "passing": lambda: _marked(rig, *rig.signed(passing, "GET", "reports/c.txt")),
            "nobody": lambda: request("GET", "/reports/a.txt"),
            "nobody, marked": lambda: _marked(rig, "/reports/b.txt", {}),
        }
        plain = await other.listen("127.0.0.1", 0, over_tls.listener())
        try:
            yield Twin(rig, plain, heads, link, key)
        finally:
            await other.close(0.2)


def _until(instant: float) -> SessionPolicy:
    """Allows everything, before then."""
    before = {"DateLessThan": {"aws:CurrentTime": datetime.fromtimestamp(instant, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")}}
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": before}
    return read_session_policy(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))


def _marked(rig: Rig, target: str, fields: dict[str, str]) -> bytes:
    """As SDKs send it: no head is like an earlier one."""
    return request("GET", target, fields | {"amz-sdk-invocation-id": str(len(rig.records))})


async def revoke_link(twin: Twin) -> None:
    await twin.rig.revoke(FeedKind.LINK, twin.link.id)


async def revoke_key(twin: Twin) -> None:
    await twin.rig.revoke(FeedKind.KEY, twin.key.id)


async def revoke_owner(twin: Twin) -> None:
    await twin.rig.revoke(FeedKind.OWNER, str(APP))


async def revoke_backend(twin: Twin) -> None:
    await twin.rig.revoke(FeedKind.BACKEND, "lab")


async def revoke_prefix(twin: Twin) -> None:
    await twin.rig.revoke(FeedKind.PREFIX, "reports", "a")


async def edit(twin: Twin, **fields: Any) -> None:
    current = await twin.rig.state.grants.find(twin.link.hash)
    assert current is not None
    await twin.rig.edit(current, **fields)


async def grow_old(twin: Twin) -> None:
    twin.rig.clock.tick(SKEW + 1.0)
    await twin.rig.plane.follower.catch_up()


async def expire(twin: Twin) -> None:
    twin.rig.clock.tick(1001.0)
    await twin.rig.plane.follower.catch_up()


async def lose_the_feed(twin: Twin) -> None:
    twin.rig.clock.tick(6.0)


async def nothing(twin: Twin) -> None:
    """So that what was kept is followed, too."""


def reload(number: int) -> Callable[[Twin], Awaitable[None]]:
    async def reloading(twin: Twin) -> None:
        await twin.rig.reload(CHANGED[number])

    return reloading


def editing(**fields: Any) -> Callable[[Twin], Awaitable[None]]:
    return lambda twin: edit(twin, **fields)


EVENTS: list[Callable[[Twin], Awaitable[None]]] = [
    nothing,
    revoke_link,
    revoke_key,
    revoke_owner,
    revoke_backend,
    revoke_prefix,
    grow_old,
    expire,
    lose_the_feed,
    *(reload(number) for number in range(len(CHANGED))),
    editing(expires_at=1.0),
    editing(actions=frozenset({Action.WRITE})),
    editing(cidrs=(ip_network("10.0.0.0/8"),)),
    editing(password=hash_password("secret", b"0" * 16)),
    editing(filename="other.txt"),
    editing(expires_at=None),
    editing(not_before=2_000_000_000.0),
]


@pytest.mark.parametrize("event", EVENTS)
async def test_no_plan_outlives_what_it_rests_on(event: Callable[[Twin], Awaitable[None]]) -> None:
    """After a revocation, an edit, a reload, an expiry: what is answered is what the steps answer."""
    async with twins() as twin:
        for _ in range(UNTIL_KEPT):
            await twin.ask_all()
        await event(twin)
        for _ in range(2):
            await twin.ask_all()


@settings(max_examples=15)
@given(
    st.lists(
        st.tuples(st.sampled_from(HEADS), st.sampled_from(EVENTS)),
        max_size=8,
    )
)
async def test_plans_and_steps_answer_alike(events: list[tuple[str, Callable[[Twin], Awaitable[None]]]]) -> None:
    """Whatever happens in between, in whatever order."""
    async with twins() as twin:
        for _ in range(UNTIL_KEPT):
            await twin.ask_all()
        for name, event in events:
            await twin.ask(name)
            await event(twin)
            await twin.ask(name)


def _as_before(plane: Any, grant: Any, attempt: Any) -> Any:
    return authorise.authorise(plane, grant, attempt.again(attempt.peer, attempt.now - 1001.0))


ASKED = {
    "what time decides": (plans, "authorise", _as_before, expire),
    "revocations": (
        authorise,
        "authorise_same",
        lambda plane, grant, attempt, route, now: None if grant and grant.lapsed(now) else route,
        revoke_prefix,
    ),
    "the grant's time": (authorise, "authorise_same", None, expire),
    "the signature's time": (plans, "_fresh", lambda signed, now: True, grow_old),
}


@pytest.mark.parametrize("question", ASKED)
async def test_a_plan_that_did_not_ask_would_be_seen(question: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: without one of its questions, plans and steps answer differently."""
    _, name, instead, event = ASKED[question]

    def standing(plane: Any, grant: Any, attempt: Any, route: Any, now: float) -> Any:
        plane.follower.require_standing(grant, attempt.bucket, attempt.key, route.backend.name)
        return route

    monkeypatch.setattr(plans, name, instead or standing)
    monkeypatch.setattr("gateway.data.state.grants._CACHE_SECONDS", 1e6)  # or the steps would be asked for that alone
    async with twins() as twin:
        for _ in range(UNTIL_KEPT):
            await twin.ask_all()
        await event(twin)
        with pytest.raises(AssertionError):
            await twin.ask_all()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The paths for which the steps were asked."""
    found: list[str] = []
    parse = serve.parse

    def noting(raw: Any, domains: Any, **more: Any) -> Any:
        found.append(raw.path)
        return parse(raw, domains, **more)

    monkeypatch.setattr(serve, "parse", noting)
    return found


@pytest.mark.parametrize("name", HEADS)
async def test_the_steps_are_asked_once_for_the_same_head(name: str, asked: list[str]) -> None:
    """On any connection, and signed anew each time; a head that says one thing more is another. Where others may be
    alike, a second time: most of those come but once, and are not worth keeping."""
    async with twins() as twin:
        port, times = twin.rig.port, 1 if name in KEPT_AT_ONCE else 2
        for _ in range(3):
            async with RawClient(port) as client:
                for _ in range(2):
                    await client.send(twin.heads[name]())
                    assert 200 == (await client.answer()).status
        assert times == len(asked)
        async with RawClient(port) as client:
            await client.send(twin.heads[name]().replace(b"\r\n\r\n", b"\r\nX-Other: 1\r\n\r\n"))
            assert 200 == (await client.answer()).status
        assert times + 1 == len(asked)


async def test_a_password_is_no_plan(asked: list[str], rig: Rig) -> None:
    """It is the steps' to prove, every time."""
    rig.store.hold("inside/a.txt", b"hello")
    token = await rig.link(password=hash_password("secret", b"0" * 16))
    for _ in range(3):
        assert 200 == (await rig.fetch(token, authorization="Basic OnNlY3JldA==")).status
    assert 3 == len(asked)


HERE = (ip_network("127.0.0.1/32"),)


async def statuses_from(rig: Rig, head: bytes, *numbers: int) -> list[int]:
    """What the same head is answered when it comes from these addresses of loopback, one after the other."""
    found = []
    for number in numbers:
        client = RawClient(rig.port)
        client.sock.bind((f"127.0.0.{number}", 0))
        async with client:
            await client.send(head)
            found.append((await client.answer()).status)
    return found


@pytest.mark.parametrize("by", ["a link", "a key", "a session", "a rule"])
async def test_where_a_request_comes_from_is_asked_of_each(by: str, asked: list[str]) -> None:
    """A head that says the same, from elsewhere: refused, though its plan is known; and let in again from here."""
    from_here = {"IpAddress": {"aws:SourceIp": "127.0.0.1/32"}}
    statement = {"Effect": "Allow", "Action": "s3:*", "Resource": "*", "Condition": from_here}
    session = read_session_policy(json.dumps({"Version": "2012-10-17", "Statement": [statement]}))
    given = {"a key": {"cidrs": HERE}, "a session": {"session_policy": session}}.get(by, {})
    rules = policy(rule("everything", networks=HERE)) if by == "a rule" else policy(rule("everything"))
    async with running(rules) as rig:
        rig.store.hold("inside/a.txt", b"hello")
        if by == "a link":
            head = request("GET", f"/s/{await rig.link(cidrs=HERE)}")
        else:
            pair, _ = await rig.key(**given)
            head = request("GET", *rig.signed(pair, "GET", "reports/a.txt"))
        found = await statuses_from(rig, head, 1, 1, 1, 2, 1)
        assert [200, 200, 200, 403, 200] == found
    assert len(asked) <= 2  # a head that comes again is kept at its second time


async def test_a_limit_of_each_address_is_counted_of_each(rig: Rig) -> None:
    """The plan of one caller takes nothing of another's."""
    once = Rate(1, 1000.0, 1)
    everybody = LimitRule(who=NamePattern.parse("*"), per="address", requests=once)
    rig.store.hold("inside/a.txt", b"hello")
    pair, _ = await rig.key()
    head = request("GET", *rig.signed(pair, "GET", "reports/a.txt"))
    await rig.reload(policy(rule("everything"), limits=(everybody,)))
    found = await statuses_from(rig, head, 1, 2, 3, 1, 4)
    assert [200, 200, 200, 503, 200] == found


async def test_a_body_is_checked_against_what_was_signed_of_it(rig: Rig) -> None:
    """Each time: the same head with another body is refused."""
    pair, _ = await rig.key()
    target, fields = rig.signed(pair, "PUT", "reports/a.txt", payload_hash=sha256(b"hello").hexdigest())
    answers = [(await rig.ask("PUT", target, fields, body)).status for body in (b"hello", b"hello", b"hullo", b"hello")]
    assert [200, 200, 400, 200] == answers


async def test_a_refusal_is_no_plan(asked: list[str], rig: Rig) -> None:
    """What was refused is asked again: it may be allowed by now, and strangers push out nobody's plans."""
    for _ in range(2):
        assert 403 == (await rig.ask("GET", "/reports/a.txt")).status
    assert rig.server is not None
    assert (2, None) == (len(asked), rig.server.known_heads.find(request("GET", "/reports/a.txt")))


async def test_a_cut_reaches_what_runs_by_a_plan(rig: Rig) -> None:
    """It is admitted as any other, with its own time and its own caller."""
    token, grant = await rig.granted(expires_at=rig.clock.now + 60)
    rig.store.hold("inside/a.txt", b"hello")
    for _ in range(2):
        assert 200 == (await rig.fetch(token)).status
        rig.clock.tick(1.0)
    first, second = rig.records[-2:]
    assert (1.0, grant.id) == (second.at - first.at, second.grant_id)
    await rig.revoke(FeedKind.LINK, grant.id)
    assert 410 == (await rig.fetch(token)).status
    assert Reason.REVOKED == (await rig.last()).reason


async def test_what_is_alike_is_proved_anew(rig: Rig) -> None:
    """A request like one that was let in is let in by its own signature, time and session, or not at all."""
    pair, _ = await rig.key()
    target, fields = rig.signed(pair, "GET", "reports/a.txt")
    rig.store.hold("inside/a.txt", b"hello")
    wrong = fields | {"authorization": fields["authorization"][:-4] + "0000"}
    (same, _), (narrow, _) = await rig.key(), await rig.key(narrowed=(Narrowing(actions=frozenset({Action.WRITE})),))
    theirs, narrower = (rig.signed(other, "GET", "reports/a.txt")[1] for other in (same, narrow))
    late = fields | {"amz-sdk-invocation-id": "1"}
    sent = [fields, fields, wrong, {}, theirs, narrower, fields | {"x-amz-security-token": "a"}]
    answers = [(await rig.ask("GET", target, each)).status for each in sent]
    rig.clock.tick(SKEW + 1.0)
    await rig.plane.follower.catch_up()
    answers.append((await rig.ask("GET", target, late)).status)
    assert [200, 200, 403, 403, 200, 403, 400, 403] == answers


@pytest.fixture
def followed(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """Of each request, whether a plan of its very head was followed."""
    found: list[bool] = []
    follow = serve.follow

    def noting(*given: Any) -> Any:
        answer = follow(*given)
        found.append(answer is not None)
        return answer

    monkeypatch.setattr(serve, "follow", noting)
    return found


async def _send(rig: Rig, heads: Iterable[bytes]) -> None:
    async with RawClient(rig.port) as client:
        for head in heads:
            await client.send(head)
            assert 200 == (await client.answer()).status


async def _many(rig: Rig, count: int) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """Heads that come again, by signatures and by links, and as many that are signed anew and come once."""
    pair, _ = await rig.key()
    names = [f"{number}.txt" for number in range(count)]
    for name in names:
        rig.store.hold(f"inside/{name}", b"hello")
    signed = [request("GET", *rig.signed(pair, "GET", f"reports/{name}")) for name in names]
    links = [request("GET", f"/s/{await rig.link(name)}") for name in names]
    anew = []
    for name in names:
        rig.clock.tick(1.0)
        target, fields = rig.signed(pair, "GET", f"reports/{name}")
        anew.append(request("GET", target, fields | {"amz-sdk-invocation-id": name}))
    await rig.plane.follower.catch_up()
    return signed, links, anew


async def test_a_plan_that_was_pushed_out_is_made_again(rig: Rig, followed: list[bool]) -> None:
    """Whatever came in between, a head that goes on coming gets a plan: its note for those that are alike stands in
    nobody's way."""
    signed, links, _ = await _many(rig, 3)
    assert rig.server is not None
    rig.server.known_heads._most = 3
    for _ in range(2):
        await _send(rig, signed * 4)
        assert [True] * 3 == followed[-3:]
        await _send(rig, links * 3)
        assert [True] * 3 == followed[-3:]


async def test_a_flood_of_signatures_pushes_out_no_plan(rig: Rig, followed: list[bool]) -> None:
    """What comes once, signed anew by the second, is proved by what is alike, and takes no head's place."""
    signed, links, anew = await _many(rig, 5)
    assert rig.server is not None
    rig.server.known_heads._most = 10
    await _send(rig, (signed + links) * 4)
    await _send(rig, anew * 3)  # twice more than a client would
    followed.clear()
    await _send(rig, signed + links)
    assert [True] * 10 == followed


async def test_what_is_asked_for_once_leaves_nothing(rig: Rig) -> None:
    """Objects that are read once take no plan, and no work for one; one that is read again does."""
    signed, _, anew = await _many(rig, 5)
    assert rig.server is not None
    known = rig.server.known_heads
    await _send(rig, signed + anew)
    assert (0, 0) == (len(known._found), len(known._alike))
    await _send(rig, signed)
    assert (0, 5) == (len(known._found), len(known._alike))


async def test_each_of_a_thousand_keys_and_links_has_a_plan(rig: Rig, followed: list[bool]) -> None:
    """As many heads as that are known at once, and no request of theirs is read a second time."""
    signed, links, _ = await _many(rig, 500)
    await _send(rig, (signed + links) * 4)
    assert [True] * 1000 == followed[-1000:]


async def _statuses(rig: Rig, *fields: dict[str, str]) -> list[int]:
    """Of reads of one object, whose heads have one length; the first one was asked for before, so that it is kept."""
    heads = [request("GET", "/reports/a.txt", each) for each in fields]
    assert 1 == len(set(map(len, heads)))
    found = []
    async with RawClient(rig.port) as client:
        await client.send(heads[0])
        await client.answer()
    for head in heads:
        async with RawClient(rig.port) as client:
            await client.send(head)
            found.append((await client.answer()).status)
    return found


async def test_what_is_signed_anew_follows_the_plan_of_what_is_alike(rig: Rig, followed: list[bool]) -> None:
    """By its own signature; one that is wrong is left to the steps to refuse."""
    pair, _ = await rig.key()
    rig.store.hold("inside/a.txt", b"hello")
    fields = []
    for _ in range(3):
        rig.clock.tick(1.0)
        fields.append(rig.signed(pair, "GET", "reports/a.txt")[1])
    await rig.plane.follower.catch_up()
    wrong = fields[2] | {"x-amz-date": fields[1]["x-amz-date"]}
    assert [200, 200, 403, 200] == await _statuses(rig, *fields[:2], wrong, fields[2])
    assert [False, False, True, False, True] == followed


async def test_what_is_alike_comes_with_the_keys_own_session(rig: Rig) -> None:
    """A token beside the right signature is compared each time."""
    pair, _ = await rig.key(session_hash=hash_secret("held"))
    rig.store.hold("inside/a.txt", b"hello")
    sent = []
    for token in ("held", "held", "hold"):
        rig.clock.tick(1.0)
        credentials = Credentials(pair.access_key, pair.secret_key, token)
        sent.append(rig.signed(credentials, "GET", "reports/a.txt")[1])
    await rig.plane.follower.catch_up()
    assert [200, 200, 400] == await _statuses(rig, *sent)


async def test_what_is_alike_signs_the_same_headers() -> None:
    """Who leaves one out is judged as if nobody had come before: here by a listener that takes no unsigned type."""
    async with running(unsigned_content_type=False) as rig:
        pair, _ = await rig.key()
        rig.store.hold("inside/a.txt", b"hello")
        kind = {"content-type": "text/plain"}
        whole = rig.signed(pair, "GET", "reports/a.txt", headers=kind)[1]
        less = rig.signed(pair, "GET", "reports/a.txt")[1]
        missing = len(whole["authorization"]) - len(less["authorization"])
        less["authorization"] = less["authorization"].replace(", Signature", "," + " " * (missing + 1) + "Signature")
        assert [200, 403] == await _statuses(rig, kind | whole, kind | less)


BECOMES = b'\r\n\0 \t:;,/?%="0fgAz~\x7f\xe9'
"""Ends of lines and of fields, blanks, digits of a hash, letters, and what is no text."""


async def _told(port: int, head: bytes) -> tuple[int, bytes]:
    """The status and, of a refusal, the code."""
    async with RawClient(port) as client:
        await client.send(head)
        got = await client.answer()
    found = re.search(rb"<Code>(.*)</Code>", got.body)
    return got.status, b"" if found is None else found[1]


async def _answered(
    twin: Twin, head: bytes, places: Iterable[int]
) -> list[tuple[tuple[int, bytes], tuple[int, bytes]]]:
    """What is answered, by plans and by the steps, to the head with one byte changed at each of these places."""
    found = []
    for place in places:
        byte = BECOMES[place % len(BECOMES)]
        other = head[:place] + bytes([byte if byte != head[place] else 0x2E]) + head[place + 1 :]
        found.append((await _told(twin.rig.port, other), await _told(twin.plain, other)))
    return found


async def _known_head(twin: Twin) -> bytes:
    """One that comes for the first time, and of whose likes there is a plan."""
    pair, _ = await twin.rig.key()
    target, fields = twin.rig.signed(pair, "GET", "reports/b.txt")
    *others, last = [request("GET", target, fields | {"amz-sdk-invocation-id": str(number)}) for number in range(5)]
    await _send(twin.rig, others)
    return last


async def test_whatever_is_changed_in_a_head_plans_and_steps_answer_alike() -> None:
    """One byte, anywhere: what is refused is refused for the same reason, and what passes passes both."""
    async with twins() as twin:
        head = await _known_head(twin)
        found = await _answered(twin, head, range(len(head) - 4))  # one that does not end is waited for
        assert [] == [pair for pair in found if pair[0] != pair[1]]
        assert {200, 400, 403} <= {one[0] for one, _ in found}


async def test_a_byte_that_is_not_compared_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: were one byte of the host taken to be as it was, the plan would let in what the steps refuse."""
    async with twins() as twin:
        head = await _known_head(twin)
        place, read = head.index(b"Host: ") + len(b"Host: "), AlikeHeads.read
        monkeypatch.setattr(
            AlikeHeads,
            "read",
            lambda heads, wire: read(heads, wire[:place] + head[place : place + 1] + wire[place + 1 :]),
        )
        [(kept, plain)] = await _answered(twin, head, [place])
        assert (200, b"") == kept != plain
