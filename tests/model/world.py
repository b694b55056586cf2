"""The gateway beside its model: two workers on one state, asked and changed as the steps of a run say.

Every answer is compared with what the model says; the first that differs ends the run. Clocks are the run's own.
"""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from ipaddress import ip_network
from typing import Any

from gateway.core.lease import UNUSED
from gateway.core.revocation_target import FeedKind
from gateway.core.route import UpstreamCall
from gateway.core.source import from_key
from gateway.core.token import ENTROPY_BYTES, LinkToken, hash_secret
from gateway.data.plane import Terms
from gateway.data.routes import data_handler
from gateway.server.listener import HttpServer
from gateway.stores.memory import open_memory
from tests.data.harness import NOW, Clock, Rig, running
from tests.data.raw_client import Got, RawClient
from tests.data.scripted_store import ScriptedStore
from tests.fuzz.signers import Pair
from tests.model.draws import APP, KEYS
from tests.model.forms import BODY, basic, write
from tests.model.oracle import Asked, Grant, Model, Rules
from tests.model.words import REAL, principal, real_policy, stored_fields
from tests.servers import over_tls

__all__ = ["Differs", "Gate", "Had", "World", "world"]

_FOR_EVER = 1e12
_AGE = 5.0
_SESSION = 43200.0


class Differs(AssertionError):
    """The gateway answered what the model does not say."""


class _Board:
    """What the workers tell each other of the feed."""

    def __init__(self) -> None:
        self.serial = 0

    def tell(self, serial: int) -> None:
        self.serial = max(self.serial, serial)

    def newest(self) -> int:
        return self.serial

    async def wait_for_news(self) -> None:
        await asyncio.Event().wait()


class Gate:
    """Where a request stands still until it is let on: at the first call of that name, before or after it."""

    def __init__(self) -> None:
        self.point = ""
        self.reached = asyncio.Event()
        self.open = asyncio.Event()
        self.taken: list[str] = []
        """The limits of which it took."""

    def arm(self, point: str) -> None:
        self.point = point
        self.reached, self.open, self.taken = asyncio.Event(), asyncio.Event(), []

    async def passing(self, point: str) -> None:
        if self.point == point:
            self.point = ""
            self.reached.set()
            await self.open.wait()


class _Gated:
    """A store whose calls pass the gate."""

    def __init__(self, store: Any, gate: Gate, *names: str) -> None:
        self._store, self._gate, self._names = store, gate, names

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._store, name)
        if name not in self._names:
            return call

        async def passing(*given: Any, **more: Any) -> Any:
            await self._gate.passing(f"before {name}")
            answer = await call(*given, **more)
            if name == "take" and answer.allowed:
                self._gate.taken += [demand.key for demand in given[0]]
            await self._gate.passing(f"after {name}")
            return answer

        return passing


@dataclass
class Had:
    """One request that was made: what it asked, its bytes, and where it went."""

    asked: Asked
    sent: bytes
    trusted: bool = False


@dataclass
class World:
    """`grants` are those that were made, `secrets` by what each is shown: a link's tokens, or a key's pair."""

    rigs: list[Rig]
    sidecars: list[int]
    model: Model
    clock: Clock
    gate: Gate
    grants: list[Grant] = field(default_factory=list)
    secrets: dict[str, Any] = field(default_factory=dict)
    history: list[Had] = field(default_factory=list)
    connections: dict[tuple[int, str], RawClient] = field(default_factory=dict)
    stale: bool = False
    last: Grant | None = None
    """What was asked by last; the link, where that was by its credentials."""
    answers: list[tuple[str, ...]] = field(default_factory=list)
    """Of each request, what was compared: for the figures of a run."""
    marks: int = 0

    # what is made

    def of_kind(self, kind: str, number: int) -> Grant | None:
        if number < 0 and self.last is not None and self.last.kind == kind:
            return self.last
        found = [grant for grant in self.grants if grant.kind == kind and grant.link is None][-6:]
        living = [grant for grant in found if "revoked" not in self.model._lapsed(grant)]
        found = living if living and number % 7 != 6 else found
        return found[number % len(found)] if found else None

    async def make_link(self, worker: int, owner: str, bucket: str, name: str, **fields: Any) -> None:
        """`name` is a key, or a folder with its slash or ""."""
        folder = name == "" or name.endswith("/")
        grant = self._begin("link", owner, bucket=bucket, **fields)
        grant.key, grant.prefix = (None, name) if folder else (name, None)
        place = {"prefix": name} if folder else {}
        token, stored = await self.rigs[worker].granted(
            None if folder else name,
            bucket=bucket,
            owner=principal(owner),
            overwrite=True,
            rule=grant.rule,
            **place,
            **stored_fields(grant, self.clock.now),
        )
        self._made(grant, stored.id, [token])

    async def make_key(self, worker: int, owner: str, parent: Grant | None = None, **fields: Any) -> None:
        grant = self._begin("key", owner, **fields)
        more = {}
        if parent is not None:
            stored = await self.rigs[worker].state.grants.get(parent.id)
            assert stored is not None
            grant.issuers = (parent, *parent.issuers)
            grant.session = "held"
            more = {"source": from_key("http://gw", stored, "", "s"), "session_hash": hash_secret("held")}
        given = stored_fields(grant, self.clock.now)
        pair, made = await self.rigs[worker].key(principal(owner), **given, **more)
        self._made(grant, made.id, Pair(pair.access_key, pair.secret_key, grant.session))

    async def make_credentials(self, worker: int, link: Grant) -> None:
        """Ask for a link's credentials, if it may give them; who gets none is told by no rule of the model."""
        if link.uses is not None or link.budget is not None:
            return
        headers = {} if link.password is None else {"Authorization": basic(link.password)}
        rig = self.rigs[worker]
        token = self.secrets[link.id][link.version]
        got = await rig.ask("POST", f"/s/{token}/credentials", headers)
        await rig.settled()
        if got.status != 200:
            return
        probe = Asked("link", "get", link.bucket, link.root, link, version=link.version, password=link.password)
        for key, _ in self.model._limits(probe):
            self.model.spent[key] += 1
        given = json.loads(got.body)["credentials"]
        stored = await rig.state.grants.find(hash_secret(given["accessKeyId"]))
        assert stored is not None
        made = Grant("key", link.owner, self._next(), self.clock.now, link=link, link_version=link.version)
        made.session, made.password, made.issuers = given["sessionToken"], link.password, ()
        made.ends = min(self.clock.now + _SESSION, link.ends or _FOR_EVER)
        self._made(made, stored.id, Pair(given["accessKeyId"], given["secretAccessKey"], given["sessionToken"]))

    def _begin(self, kind: str, owner: str, **fields: Any) -> Grant:
        return Grant(kind, owner, self._next(), self.clock.now, **fields)

    def _next(self) -> int:
        self.model.serial += 1
        return self.model.serial

    def _made(self, grant: Grant, name: str, secret: Any) -> None:
        grant.id, self.secrets[name] = name, secret
        self.grants.append(grant)

    # what is changed

    async def edit(self, worker: int, grant: Grant, **fields: Any) -> None:
        for name, value in fields.items():
            setattr(grant, name, value)
        rig = self.rigs[worker]
        stored = await rig.state.grants.get(grant.id)
        assert stored is not None
        await rig.edit(stored, **stored_fields(grant, self.clock.now))

    async def rotate(self, worker: int, link: Grant) -> None:
        token = LinkToken.mint(os.urandom(ENTROPY_BYTES))
        rig = self.rigs[worker]
        stored = await rig.state.grants.get(link.id)
        assert stored is not None
        self.secrets[link.id].append(token.text)
        link.version += 1
        await rig.edit(stored, hash=token.hash)

    async def revoke(self, worker: int, kind: str, name: str, prefix: str = "") -> None:
        self.model.revoke(kind, name, prefix)
        rig = self.rigs[worker]
        await rig.revoke(FeedKind(kind), name, prefix)

    async def reload(self, rules: Rules) -> None:
        self.model.rules = rules
        for rig in self.rigs:
            snapshot = replace(rig.plane.snapshot, trusted_proxies=tuple(map(ip_network, rules.trusted)))
            rig.plane.snapshot = replace(snapshot, policy=real_policy(rules))
            rig.renewals.rules_changed()
            await rig.renewals.settle()

    async def drain(self, backend: str, *, drained: bool) -> None:
        """As the control plane does it, without a reload."""
        rules = self.model.rules
        others = rules.drained - {backend}
        self.model.rules = replace(rules, drained=others | {backend} if drained else others)
        for rig in self.rigs:
            rig.plane.snapshot = rig.plane.snapshot.with_drained(backend, drained=drained)

    async def tick(self, seconds: float, *, heard: bool = True) -> None:
        """Time passes; who has not `heard` of the feed meanwhile does not know what is revoked."""
        await self.hear()
        self.clock.tick(seconds)
        self.model.now = self.clock.now
        if seconds > 60:
            self.model.wrong.clear()
        self.stale = not heard and seconds > _AGE
        if heard:
            await self.hear()

    async def hear(self) -> None:
        """All workers hear of all that was done."""
        self.stale = False
        for rig in self.rigs:
            await rig.plane.follower.catch_up()

    # what is asked

    def sent(self, asked: Asked, form: str, mark: str) -> bytes:
        """The bytes of a request that asks this."""
        self.marks += 1
        secret = None if asked.grant is None else self.secrets[asked.grant.id]
        return write(asked, secret, form, mark, self.marks)

    async def ask(self, worker: int, had: Had, *, kept: bool) -> None:
        """One request, compared with the model."""
        self._note(had.asked)
        objections = self._expected(had.asked)
        late = had.asked.method == "post" and "too_large" in objections  # how much a form brings is known when it comes
        expected = objections | (self.model.counted_out(had.asked) if late or not objections else set())
        rig = self.rigs[worker]
        before = len(rig.records)
        got = await self._answer(worker, had, kept=kept)
        await rig.settled()
        reason = await self._reason(rig, before)
        self._compare(had, got, reason, expected)
        if reason != "too_many_requests" and (not objections or (late and reason in {"too_large", "used_up"})):
            self.model.charge(had.asked, answered=not expected)

    def _note(self, asked: Asked) -> None:
        if asked.grant is not None:
            self.last = asked.grant.link or asked.grant

    def _expected(self, asked: Asked) -> set[str]:
        found = self.model.objections(asked)
        if asked.grant is not None and "password_wrong" in found:
            self.model.wrong[asked.grant.id] += 1
        return found | ({"view_too_old"} if self.stale else set())

    def _compare(self, had: Had, got: Got, reason: str, expected: set[str]) -> None:
        allowed = 200 <= got.status < 400 and got.whole
        self.answers.append((had.asked.by, had.asked.method, "allowed" if allowed else reason))
        if allowed is not (not expected) or (not allowed and reason not in expected):
            heard = "it was let in" if allowed else f"it was refused: {got.status} {reason}"
            raise Differs(f"{heard}, but the model says {sorted(expected) or 'yes'}, to {had.asked}")

    async def _reason(self, rig: Rig, before: int) -> str:
        records = await rig.recorded(before + 1)
        return str(records[-1].reason or "")

    async def _answer(self, worker: int, had: Had, *, kept: bool) -> Got:
        port = self._port(worker, trusted=had.trusted)
        place = port, had.asked.peer
        client = self.connections.pop(place, None) if kept else None
        if client is None:
            client = RawClient(port)
            client.sock.bind((had.asked.peer, 0))
            await client.__aenter__()
        method = "HEAD" if had.asked.method == "head" else "GET"
        await client.send(had.sent)
        got = await client.answer(method)
        if kept and got.whole and got.header("connection") != "close" and place not in self.connections:
            self.connections[place] = client
        else:
            await client.__aexit__()
        return got

    def _port(self, worker: int, *, trusted: bool) -> int:
        return self.sidecars[worker] if trusted else self.rigs[worker].port

    async def ask_while(self, worker: int, had: Had, point: str, act: Callable[[], Awaitable[None]]) -> None:
        """A request that stands still at this point while something is done, and goes on once that is acknowledged.

        What ends a right holds for what has no answer yet; a drain does not, and a home that moved may. With fewer uses
        than were taken, none of them goes on.
        """
        self._note(had.asked)
        rig, rules, grant = self.rigs[worker], self.model.rules, had.asked.grant
        uses = None if grant is None else grant.uses
        records, before = len(rig.records), self._against(had.asked)
        after, other = before, False
        self.gate.arm(point)
        async with asyncio.TaskGroup() as group:
            asking = group.create_task(self._answer(worker, had, kept=False))
            reaching = group.create_task(self.gate.reached.wait())
            await asyncio.wait([asking, reaching], return_when=asyncio.FIRST_COMPLETED)
            reached, self.gate.point = self.gate.reached.is_set(), ""
            reaching.cancel()
            if reached:
                await act()
                await rig.plane.follower.keep_up()
                await rig.renewals.settle()
                after = self._against(had.asked) - {"backend_drained", "too_many_requests"}
                found = self.model.rules
                other = (found.homes, found.limits, found.drained) != (rules.homes, rules.limits, rules.drained)
            self.gate.open.set()
        got = asking.result()
        await rig.settled()
        reason, allowed = await self._reason(rig, records), 200 <= got.status < 400 and got.whole
        fewer = reason == "used_up" and grant is not None and grant.uses != uses
        self.answers.append((had.asked.by, had.asked.method, "allowed" if allowed else reason))
        if allowed and after and not other:
            raise Differs(f"let in, {point}: {sorted(before)} and then {sorted(after)}, to {had.asked}")
        if not allowed and not (before | after or other or fewer):
            raise Differs(f"refused, {point}: {got.status} {reason}, to {had.asked}")
        self.model.spent.update(self.gate.taken)
        self.model.charge(had.asked, answered=allowed, limits=False)
        if grant is not None and grant.link is None and not allowed and not before:  # what it moved until then counts
            used = (await rig.state.leases.usage([grant.id])).get(grant.id, UNUSED)
            grant.moved, grant.taken = used.moved, used.uses
        if not reached:
            await act()

    def _against(self, asked: Asked) -> set[str]:
        return self._expected(asked) or self.model.counted_out(asked)

    async def close(self) -> None:
        for client in self.connections.values():
            await client.__aexit__()


@asynccontextmanager
async def world(rules: Rules) -> AsyncIterator[World]:
    """Two workers before one store, each with a listener for everybody and one for a trusted app."""
    clock, board, gate, store = Clock(), _Board(), Gate(), ScriptedStore()
    engine = open_memory(clock=clock.wall)
    state = replace(
        engine,
        grants=_Gated(engine.grants, gate, "find"),
        leases=_Gated(engine.leases, gate, "open_lease", "reserve_bytes", "usage"),
        limits=_Gated(engine.limits, gate, "take"),
    )
    opened = store.open

    @asynccontextmanager
    async def passing(call: UpstreamCall, body: Any = None) -> AsyncIterator[Any]:
        async with opened(call, body) as answer:
            await gate.passing("store")
            yield answer

    store.open = passing  # type: ignore[method-assign]
    for real, prefix in REAL.values():
        for key in KEYS:
            store.hold(prefix + key, BODY, real)
    found = World([], [], Model(rules, NOW), clock, gate)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            rig = running(real_policy(rules), state=state, clock=clock, neighbours=board, store=store)
            found.rigs.append(await stack.enter_async_context(rig))
            server = HttpServer(
                found.rigs[-1].counted(data_handler(found.rigs[-1].plane, Terms(principal(APP)))), head_seconds=10.0
            )
            found.sidecars.append(await server.listen("127.0.0.1", 0, over_tls.listener()))
            stack.push_async_callback(server.close, 0.2)
        stack.push_async_callback(found.close)
        yield found
