"""The real data listener, before a scripted store, on state in memory, with clocks that a test moves."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from types import SimpleNamespace
from typing import Any, cast

from gateway.control.deps import Live, Stores
from gateway.control.usecases.journal import Journal
from gateway.control.usecases.keys import Keys
from gateway.core.attempt import Principal, SignatureVersion
from gateway.core.backend import Credentials
from gateway.core.grant import Grant, GrantKind, Scope
from gateway.core.pattern import NamePattern, PathPattern
from gateway.core.policy import Policy
from gateway.core.posture import FailPosture
from gateway.core.record import Record
from gateway.core.request import Action
from gateway.core.revocation import FeedEntry
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.route import Backend, Bucket, Capability, Cors, Delivery
from gateway.core.rule import Effect, LimitRule, LinkLimits, Rule
from gateway.core.token import ENTROPY_BYTES, LinkToken, access_key_id, grant_id, hash_secret, secret_access_key
from gateway.data.plane import DataPlane, Snapshot, Terms
from gateway.data.routes import data_handler
from gateway.data.state.bandwidth import BandwidthShaper
from gateway.data.state.grants import Grants
from gateway.data.state.guess_limiter import GuessLimiter
from gateway.data.state.names import Names
from gateway.data.state.records import Accounts
from gateway.data.state.revocation_follower import Neighbours, RevocationFollower
from gateway.data.state.shared_hold import shared_hold
from gateway.data.state.transfers import Transfers
from gateway.data.steps.refuse import refuse_ended
from gateway.data.steps.renew import Renewals
from gateway.server.connection import Connection
from gateway.server.listener import HttpServer
from gateway.server.request import IncomingRequest
from gateway.stores.engine import Engine
from gateway.stores.memory import open_memory
from gateway.stores.seal import NONCE_BYTES, Sealer
from gateway.telemetry.metrics import Metrics
from gateway.wire.sig.sigv4 import UNSIGNED_PAYLOAD, SigningKeys, encode_key, encode_query, sign_headers
from tests.data.raw_client import Got, RawClient
from tests.data.scripted_store import ScriptedStore
from tests.servers import over_tls

__all__ = ["APP", "EVERY", "NOW", "Clock", "Rig", "deny", "policy", "request", "rule", "running"]

NOW = 1_790_000_000.0
APP = Principal("app", "billing")
EVERY = frozenset(name for name in Capability if not name.startswith("folds_"))
_SIGNING = SigningKeys()
Handler = Callable[[Connection, IncomingRequest], Awaitable[None]]
_ANYTHING = LinkLimits(actions=frozenset(Action))


@dataclass
class Clock:
    """Both clocks of a plane; they stand still until a test moves them."""

    now: float = NOW
    passed: float = 1000.0

    def wall(self) -> float:
        return self.now

    def monotonic(self) -> float:
        return self.passed

    def tick(self, seconds: float) -> None:
        self.now += seconds
        self.passed += seconds


def rule(name: str, *on: str, who: str = "app:*", may: Sequence[Action] = tuple(Action), **more: Any) -> Rule:
    patterns = tuple(PathPattern.parse(text) for text in on or ("**",))
    settings: dict[str, Any] = {"links": _ANYTHING} | more
    return Rule(name=name, who=(NamePattern.parse(who),), may=frozenset(may), on=patterns, **settings)


def policy(
    *rules: Rule,
    capabilities: frozenset[Capability] = EVERY,
    cors: tuple[Cors, ...] = (),
    limits: tuple[LimitRule, ...] = (),
    delivery: Delivery = Delivery.STREAM,
    **backend: Any,
) -> Policy:
    """Two buckets on one backend, `reports` below `inside/` and `other`, and one bucket `far` on a second one."""
    lab = Backend("lab", capabilities, **backend)
    return Policy(
        backends={"lab": lab, "away": Backend("away", capabilities)},
        buckets={
            "reports": Bucket("reports", "lab", "real", "inside/", cors, delivery),
            "other": Bucket("other", "lab", "real-other"),
            "far": Bucket("far", "away", "real-far"),
        },
        rules=rules or (rule("everything"),),
        limits=limits,
    )


def deny(name: str, *on: str, **more: Any) -> Rule:
    return rule(name, *on, effect=Effect.DENY, **more)


@dataclass
class Rig:
    """A running data listener and everything a test may look at or break."""

    plane: DataPlane
    store: ScriptedStore
    state: Engine
    clock: Clock
    metrics: Metrics
    records: list[Record]
    details: list[str]
    renewals: Renewals
    port: int = 0
    server: HttpServer | None = None
    idle: asyncio.Event = field(default_factory=asyncio.Event)
    news: asyncio.Event = field(default_factory=asyncio.Event)
    in_work: int = 0

    # what is issued

    async def link(self, key: str | None = "a.txt", *, bucket: str = "reports", **fields: Any) -> str:
        """A new link's token; by default it may read one object."""
        return (await self.granted(key, bucket=bucket, **fields))[0]

    async def granted(self, key: str | None = "a.txt", *, bucket: str = "reports", **fields: Any) -> tuple[str, Grant]:
        prefix = fields.pop("prefix", None)
        scope = Scope(bucket, prefix=prefix) if prefix is not None else Scope(bucket, key=key)
        reading = {Action.READ, Action.LIST} if prefix is not None else {Action.READ}
        token = LinkToken.mint(os.urandom(ENTROPY_BYTES))
        settings: dict[str, Any] = {"actions": frozenset(reading), "owner": APP} | fields
        settings["actions"] = frozenset(settings["actions"])
        grant = Grant(
            id=grant_id("l", os.urandom(12)),
            kind=GrantKind.LINK,
            hash=token.hash,
            issued_at=self.clock.now,
            scope=scope,
            **settings,
        )
        stored = await self.state.grants.create(grant)
        await self.plane.follower.catch_up()
        return token.text, stored

    async def key(
        self, app: Principal = APP, pair: Credentials | None = None, **fields: Any
    ) -> tuple[Credentials, Grant]:
        """A new key of an app; by default with an id and a secret that nobody had before."""
        key_id, secret = access_key_id(os.urandom(21)), secret_access_key(os.urandom(31))
        if pair is not None:
            key_id, secret = pair.access_key, pair.secret_key
        sealed = Sealer().seal(key_id, secret, os.urandom(NONCE_BYTES))
        grant = Grant(
            id=grant_id("k", os.urandom(12)),
            kind=GrantKind.KEY,
            hash=hash_secret(key_id),
            owner=app,
            issued_at=self.clock.now,
            sealed=sealed,
            **fields,
        )
        stored = await self.state.grants.create(grant)
        await self.plane.follower.catch_up()
        return Credentials(key_id, secret), stored

    async def revoke(self, kind: FeedKind, name: str, prefix: str = "") -> None:
        """As the control plane does it: recorded, then known here, before it returns."""
        await self.state.feed.revoke([RevocationTarget(kind, name, prefix)], self.clock.now, "test", "admin:test")
        await self.plane.follower.catch_up()

    async def edit(self, grant: Grant, **fields: Any) -> Grant:
        """As the control plane does it: stored, then in force here, for what runs too, before it returns."""
        saved = await self.state.grants.save(replace(grant, **fields))
        await self.plane.follower.catch_up()
        await self.renewals.settle()
        assert saved is not None
        return saved

    def use(self, changed: Policy) -> None:
        self.plane.snapshot = replace(self.plane.snapshot, policy=changed)

    async def reload(self, changed: Policy) -> None:
        """Other rules, acted on for what runs too."""
        self.use(changed)
        self.renewals.rules_changed()
        await self.renewals.settle()

    # what is asked

    def client(self, window: int | None = None) -> RawClient:
        return RawClient(self.port, window)

    async def ask(self, method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Got:
        """One request on a connection of its own. A body gets its Content-Length unless a header frames it."""
        async with self.client() as client:
            await client.send(request(method, target, headers, body))
            return await client.answer(method)

    async def fetch(self, token: str, path: str = "", **headers: str) -> Got:
        return await self.ask("GET", f"/s/{token}{path}", {n.replace("_", "-"): v for n, v in headers.items()})

    def signed(
        self,
        credentials: Credentials,
        method: str,
        key: str,
        *,
        query: Sequence[tuple[str, str]] = (),
        headers: dict[str, str] | None = None,
        payload_hash: str = UNSIGNED_PAYLOAD,
    ) -> tuple[str, dict[str, str]]:
        """Target and headers of a request signed in its headers."""
        path = encode_key(f"/{key}")
        given = headers or {}
        added = sign_headers(
            credentials,
            _SIGNING,
            method=method,
            host="gw",
            path=path,
            query=query,
            headers=tuple(given.items()),
            region="us-east-1",
            now=self.clock.now,
            payload_hash=payload_hash,
        )
        return path + (f"?{encode_query(query)}" if query else ""), given | dict(added)

    # what is left behind

    async def settled(self) -> None:
        """Wait until no request is in work."""
        async with asyncio.timeout(15):
            await self.idle.wait()
        self.plane.accounts.tell()

    async def recorded(self, number: int) -> list[Record]:
        """Wait until that many attempts have left their record."""
        async with asyncio.timeout(15):
            while len(self.records) < number:
                self.news.clear()
                await self.news.wait()
        return self.records

    def counted(self, handler: Handler) -> Handler:
        """The handler, with `idle` set while it has nothing to do."""

        async def handle(connection: Connection, arrival: IncomingRequest) -> None:
            self.in_work += 1
            self.idle.clear()
            try:
                await handler(connection, arrival)
            finally:
                self.in_work -= 1
                if not self.in_work:
                    self.idle.set()

        return handle

    async def last(self) -> Record:
        await self.settled()
        return self.records[-1]

    async def used(self, grant: Grant) -> int:
        await self.settled()
        found = await self.state.leases.usage([grant.id])
        return found[grant.id].uses if grant.id in found else 0

    async def moved(self, grant: Grant) -> int:
        await self.settled()
        found = await self.state.leases.usage([grant.id])
        return found[grant.id].moved if grant.id in found else 0

    def metric(self, name: str, **labels: str) -> float:
        return self.metrics.registry.get_sample_value(name, labels) or 0.0


def request(method: str, target: str, headers: dict[str, str] | None = None, body: bytes = b"") -> bytes:
    """A request's bytes."""
    fields = {"Host": "gw"} | (headers or {})
    framed = {name.lower() for name in fields} & {"content-length", "transfer-encoding"}
    if not framed and (body or method in {"PUT", "POST"}):
        fields["Content-Length"] = str(len(body))
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items())
    return f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body


def _keys(plane: DataPlane, state: Engine) -> Keys:
    """What makes the credentials of links, with as much of its room as that needs."""

    async def note(*_: object, **__: object) -> None: ...

    stores = SimpleNamespace(grants=state.grants, sealer=Sealer())
    live = SimpleNamespace(
        clock=plane.clock, entropy=os.urandom, address=lambda: "http://gw", apply_now=plane.follower.catch_up
    )
    return Keys(cast("Stores", stores), cast("Live", live), cast("Journal", SimpleNamespace(note=note)))


@asynccontextmanager
async def running(
    given: Policy | None = None,
    *,
    trusted: Principal | None = None,
    unsigned_content_type: bool = True,
    signatures: frozenset[SignatureVersion] = frozenset({"v2", "v4"}),
    state: Any = None,
    posture: FailPosture | None = None,
    head_seconds: float = 10.0,
    load: bool = True,
    store: ScriptedStore | None = None,
    clock: Clock | None = None,
    neighbours: Neighbours | None = None,
    **settings_of: Any,
) -> AsyncIterator[Rig]:
    """A listener on a free port. Nothing runs in the background: a test says when the feed is read, who is slow."""
    clock, metrics, store = clock or Clock(), Metrics(), store or ScriptedStore()
    metrics.announce_names(backends=("lab", "away"))
    state = state or open_memory(clock=clock.wall)
    records: list[Record] = []
    details: list[str] = []

    def log(record: Record, detail: str) -> None:
        records.append(record)
        details.append(detail)
        rig.news.set()

    def take(entries: Sequence[FeedEntry]) -> None:
        plane.grants.take(entries)
        rig.renewals.note(entries)
        if any(entry.revokes for entry in entries):
            plane.transfers.cut_revoked(plane.follower.view)

    follower = RevocationFollower(
        state.feed, take, monotonic=clock.monotonic, clock=clock.wall, metrics=metrics, neighbours=neighbours
    )
    plane = DataPlane(
        snapshot=Snapshot(
            policy=given or policy(), posture=posture or FailPosture(), public_url="http://gw", **settings_of
        ),
        upstream=store,
        grants=Grants(
            state.grants,
            lambda: follower.view,
            Sealer(),
            monotonic=clock.monotonic,
            metrics=metrics,
            keep_up=None if neighbours is None else follower.keep_up,
            is_behind=None if neighbours is None else follower.is_behind,
        ),
        follower=follower,
        leases=state.leases,
        limits=state.limits,
        transfers=Transfers(
            monotonic=clock.monotonic,
            on_cut=metrics.count_cut,
            refuse=lambda permit, reason: refuse_ended(plane, permit, reason),
        ),
        shaper=BandwidthShaper(clock.monotonic),
        guesses=GuessLimiter(),
        names=Names(
            lambda name, busy: shared_hold(
                plane.limits, plane.clock, name, busy, closed=plane.snapshot.posture.limits == "closed"
            )
        ),
        upload_parts=store.upload_parts,
        accounts=Accounts(state.ledger, state.leases, metrics, monotonic=time.monotonic, log=log),
        metrics=metrics,
        clock=clock.wall,
        entropy=os.urandom,
    )
    plane.renewals = renewals = Renewals(plane, monotonic=clock.monotonic)
    plane.link_issuer = _keys(plane, state)
    rig = Rig(plane, store, state, clock, metrics, records, details, renewals)
    if load:
        await follower.load()
    handler = data_handler(plane, Terms(trusted, unsigned_content_type, signatures))
    server = HttpServer(rig.counted(handler), head_seconds=head_seconds)
    rig.server = server
    rig.port = await server.listen("127.0.0.1", 0, over_tls.listener())
    try:
        yield rig
    finally:
        await server.close(0.2)


def tick(rig: Rig, seconds: int) -> int:
    """What the watch of slow clients does each second; returns how many were cut."""
    cut = 0
    for _ in range(seconds):
        rig.clock.tick(1)
        cut += rig.plane.transfers.cut_slow(rig.clock.passed)
    return cut
