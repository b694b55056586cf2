"""The same model beside whole gateways: replicas with several workers each, changed by the control API.

Time is real and rules stay as they are, so steps that move the one or change the others are left out. A replica that
did not acknowledge a change may answer as before it for `WITHIN` seconds.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import uvloop

from tests.data.harness import Clock
from tests.fuzz.signers import Pair
from tests.model.draws import BUCKETS, FIRST, KEYS, Step, draw
from tests.model.forms import BODY, basic
from tests.model.oracle import Grant, Model, Part, Place, Rule, Rules
from tests.model.steps import take
from tests.model.world import Differs, Gate, Had, World
from tests.replicas.fleet import Fleet, fleet
from tests.replicas.probes import Clients
from tests.replicas.servers import postgres, valkey
from tests.servers.seaweedfs import seaweedfs_store

__all__ = ["compare_served"]

WITHIN = 2.0
_EVERYTHING = "the tests do everything"
_LEFT_OUT = {"tick", "lose", "reload", "drain", "session"}
_WORK = FIRST.rules[0]
_RULES = Rules(
    (
        Rule(_EVERYTHING, ("app:*",), _WORK.may, share_actions=_WORK.share_actions),
        Rule("open", ("*",), frozenset({"read", "list"}), (Place("other"),)),
    ),
    dict.fromkeys(BUCKETS, "lab"),
)
_OPEN = """
  - {name: open, who: "*", may: [read, list], on: other/**}
"""


async def widen(fleet: Fleet) -> None:
    """Give the fleet the buckets of the model, with their objects, and wait until all of it knows them."""
    policies = fleet.gateways[0].directory.parent / "policies" / "fleet.yaml"
    text = policies.read_text()
    line = next(line for line in text.splitlines() if line.startswith("  lab: {backend"))
    more = [line.replace("lab:", f"{name}:", 1).replace("inside/", f"inside/{name}/") for name in BUCKETS]
    policies.write_text(text.replace(line, "\n".join([line, *more])).rstrip() + _OPEN)
    for name in BUCKETS:
        for key in KEYS:
            fleet.put(f"{name}/{key}", BODY)
    async with asyncio.timeout(20):
        for gateway in fleet.gateways:
            while "reloaded" not in gateway.log():  # noqa: ASYNC110 (no event for it)
                await asyncio.sleep(0.2)
    await asyncio.sleep(2)  # by now, their other workers have done so too


class Served(World):
    """The fleet beside its model. A worker of a run is a replica here."""

    def __init__(self, clients: Clients) -> None:
        super().__init__([], [], Model(_RULES, time.time()), Clock(time.time()), Gate())
        self._clients = clients
        self._ports = [urlsplit(gateway.data).port or 0 for gateway in clients.fleet.gateways]
        self._acted = (0, 0.0)

    async def _call(self, replica: int, method: str, path: str, body: object = None) -> dict[str, Any] | None:
        """What the control API answers; None if it refuses. Anything else than that is no answer at all."""
        self._acted = replica, time.monotonic()
        status, answer = await self._clients.control(replica, method, path, body)
        self._acted = replica, time.monotonic()
        if status not in {200, 201} and not 400 <= status < 500:
            raise Differs(f"{method} {path}: {status}")
        return answer if status < 400 else None

    # what is made and changed

    async def make_link(self, worker: int, owner: str, bucket: str, name: str, **fields: Any) -> None:
        folder = name == "" or name.endswith("/")
        grant = self._begin("link", _app(owner), bucket=bucket, **(fields | {"rule": _EVERYTHING}))
        grant.key, grant.prefix = (None, name) if folder else (name, None)
        body = {"bucket": bucket, "prefix" if folder else "key": name, "owner": grant.owner, "overwrite": True}
        made = await self._call(worker, "POST", "/v1/links", body | _body(grant, fields))
        if made is not None:
            self._made(grant, made["id"], [made["token"]])

    async def make_key(self, worker: int, owner: str, parent: Grant | None = None, **fields: Any) -> None:
        grant = self._begin("key", _app(owner), **fields)
        made = await self._call(
            worker, "POST", "/v1/keys", {"app": grant.owner.removeprefix("app:")} | _body(grant, fields)
        )
        if made is not None:
            self._made(grant, made["id"], Pair(made["access_key_id"], made["secret_access_key"]))

    async def make_credentials(self, worker: int, link: Grant) -> None:
        if link.uses is not None or link.budget is not None:
            return
        headers = {} if link.password is None else {"Authorization": basic(link.password)}
        url = f"{self._clients.fleet.url(worker, self.secrets[link.id][link.version])}/credentials"
        self._acted = worker, time.monotonic()
        async with self._clients.session.post(url, headers=headers) as answer:
            given = json.loads(await answer.read())["credentials"] if answer.status == 200 else None
        if given is not None:
            pages = await self._call(worker, "GET", "/v1/keys?limit=1")
            made = self._begin("key", link.owner, link=link, link_version=link.version, password=link.password)
            made.session = given["sessionToken"]
            assert pages is not None
            self._made(made, pages["keys"][0]["id"], Pair(given["accessKeyId"], given["secretAccessKey"], made.session))

    async def edit(self, worker: int, grant: Grant, **fields: Any) -> None:
        path = f"/v1/{grant.kind}s/{grant.id}"
        pause = fields.pop("suspended", grant.suspended)
        if pause is not grant.suspended and await self._call(
            worker, "POST", f"{path}/{'suspend' if pause else 'resume'}"
        ):
            grant.suspended = pause
        if fields and await self._call(worker, "PATCH", path, _body(grant, fields)) is not None:
            for name, value in fields.items():
                setattr(grant, name, value)

    async def rotate(self, worker: int, link: Grant) -> None:
        made = await self._call(worker, "POST", f"/v1/links/{link.id}/rotate")
        if made is not None:
            self.secrets[link.id].append(made["token"])
            link.version += 1

    async def revoke(self, worker: int, kind: str, name: str, prefix: str = "") -> None:
        name = {"owner": _app(name), "policy": _EVERYTHING}.get(kind, name)
        body = {"bucket": name, "prefix": prefix} if kind == "prefix" else {kind: name}
        if await self._call(worker, "POST", "/v1/revocations", body) is not None:
            self.model.revoke(kind, name, prefix)

    # what is asked

    async def ask(self, worker: int, had: Had, *, kept: bool) -> None:
        """As long as a replica need not know of a change, its answer counts only if it differs for longer."""
        if had.trusted:  # there is no such listener here
            return
        self._note(had.asked)
        while True:
            self.model.now = self.clock.now = time.time()
            expected = self._expected(had.asked) or self.model.counted_out(had.asked)
            got = await self._answer(worker, had, kept=kept)
            allowed = 200 <= got.status < 400 and got.whole
            if allowed:
                self.model.charge(had.asked, answered=True)
            if allowed is not bool(expected):
                break
            replica, at = self._acted
            if (replica == worker and allowed) or time.monotonic() > at + WITHIN:
                what = "let in" if allowed else f"refused with {got.status} {got.body[:300]!r}"
                raise Differs(
                    f"{what} by replica {worker}, but the model says {sorted(expected) or 'yes'}, to {had.asked}"
                )
            await asyncio.sleep(0.05)
        self.answers.append((had.asked.by, had.asked.method, "allowed" if allowed else "refused"))

    async def ask_while(self, worker: int, had: Had, point: str, act: Callable[[], Awaitable[None]]) -> None:
        """Nothing stands still here: asked before and after."""
        await self.ask(worker, had, kept=False)
        await act()
        await self.ask(worker, had, kept=False)

    def _port(self, worker: int, *, trusted: bool) -> int:
        return self._ports[worker]

    async def hear(self) -> None:
        """They do so by themselves."""


def _app(owner: str) -> str:
    return owner if owner.startswith("app:") else "app:ann"


def _body(grant: Grant, fields: dict[str, Any]) -> dict[str, Any]:
    """The fields of the model as the control API takes them."""
    names = {"ends": "expires_at", "begins": "not_before", "budget": "bytes", "parts": "scopes"}
    return {names.get(name, name): _value(name, value) for name, value in fields.items() if name != "rule"}


def _value(name: str, value: Any) -> Any:
    if name in {"ends", "begins"} and value is not None:
        return datetime.fromtimestamp(value, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if name == "parts":
        return [_scope(part) for part in value]
    return sorted(value) if isinstance(value, frozenset) else list(value) if isinstance(value, tuple) else value


def _scope(part: Part) -> dict[str, Any]:
    given = {
        "bucket": part.bucket,
        "prefix": part.prefix or None,
        "keys": sorted(part.keys),
        "actions": sorted(part.actions),
    }
    return {name: value for name, value in given.items() if value}


@asynccontextmanager
async def _world(fleet: Fleet) -> AsyncIterator[Served]:
    async with Clients(fleet) as clients:
        here = Served(clients)
        try:
            yield here
        finally:
            await here.close()


async def run_served(fleet: Fleet, steps: list[Step]) -> list[tuple[str, ...]]:
    """The answers of one run.

    Raises:
        Differs: one of them differed.
    """
    began = time.time()
    async with _world(fleet) as here:
        for step in steps:
            if not {step.kind, step.inner.kind if step.inner is not None else ""} & _LEFT_OUT:
                await take(here, step, began)
        return here.answers


async def _compare(fleet: Fleet, seeds: range, steps: int) -> Counter[tuple[str, ...]]:
    await widen(fleet)
    seen: Counter[tuple[str, ...]] = Counter()
    for seed in seeds:
        try:
            seen.update(await run_served(fleet, draw(seed, steps)))
        except Differs as difference:
            raise Differs(f"seed {seed}: {difference}") from None
    return seen


def compare_served(engine: str, seeds: range, steps: int) -> Counter[tuple[str, ...]]:
    """The answers of two replicas with two workers each, on one state of this engine, before SeaweedFS.

    Raises:
        Differs: one of them differed.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="gateway-model-")))
        store = stack.enter_context(seaweedfs_store(folder / "store"))
        state = f'"sqlite:///{folder}/shared.db"'
        if engine == "postgres":
            state = f'"{stack.enter_context(postgres()).url}"'
        elif engine == "valkey":
            url = stack.enter_context(valkey(folder / "valkey")).url
            state = f'{{grants: "{url}", accept_redis_durability: true}}'
        replicas = stack.enter_context(fleet(folder / "fleet", store, [state] * 2, workers=2))
        return uvloop.run(_compare(replicas, seeds, steps))
