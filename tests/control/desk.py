"""A control plane on memory state, with a clock that tests turn, behind a real server on a free port."""

from __future__ import annotations

import hashlib
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

import aiohttp

from gateway.control.api import Api
from gateway.control.deps import Callers, ConsoleRules, ControlDeps, Live, Process, Stores, Transfer
from gateway.control.serve import ControlPlane
from gateway.core.backend import Credentials
from gateway.core.duty import AdminTerms
from gateway.core.finding import Finding
from gateway.core.holders import ProvedBy
from gateway.core.issued import IssuedKey
from gateway.core.pattern import NamePattern, PathPattern
from gateway.core.policy import Policy
from gateway.core.reasons import DependencyDown
from gateway.core.record import AuditEvent
from gateway.core.request import Action
from gateway.core.revocation import RevocationView
from gateway.core.route import Answer, Backend, Bucket, UpstreamCall
from gateway.core.rule import Effect, LinkLimits, Rule
from gateway.core.token import hash_secret
from gateway.core.trail import entry_fields
from gateway.pages.branding import Branding
from gateway.pages.languages import languages
from gateway.server.listener import HttpServer
from gateway.stores.engine import Engine
from gateway.stores.memory import open_memory
from gateway.stores.seal import Sealer
from gateway.wire.sig.sigv4 import SigningKeys, sign_headers

ADMIN = "an-admin-token-of-many-letters"
APP = "an-app-token-of-many-letters"
START = 1_800_000_000.0


def rule(name: str, who: str, may: str, on: str, **more: Any) -> Rule:
    return Rule(
        name=name,
        who=(NamePattern.parse_with_groups(who),),
        may=frozenset(Action(word) for word in may.split()),
        on=(PathPattern.parse(on),),
        source=f"policies/test.yaml:{len(name)}",
        **more,
    )


POLICY = Policy(
    backends={"archive": Backend("archive"), "lab": Backend("lab", drained=True)},
    buckets={
        "reports": Bucket("reports", "archive", "acme-secret-name", "prod/"),
        "drafts": Bucket("drafts", "lab", "acme-drafts"),
    },
    rules=(
        rule("admins share reports", "admin:*", "read list write share", "reports/**",
             links=LinkLimits(actions=frozenset({Action.READ, Action.LIST, Action.WRITE}))),
        rule("billing shares invoices", "app:billing", "read share", "reports/invoices/**",
             links=LinkLimits(max_expires=86400.0, max_uses=5)),
        rule("signer signs", "app:signer", "read write sign", "reports/signed/**"),
        rule("nobody touches payroll", "*", "read list write share", "reports/payroll/**", effect=Effect.DENY),
        rule("admins see drafts", "admin:*", "read share", "drafts/**"),
    ),
)  # fmt: skip


class StillClock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> float:
        return self.now


class CountedEntropy:
    """Bytes that never repeat and are the same in every run."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self, length: int) -> bytes:
        self.count += 1
        return hashlib.shake_128(self.count.to_bytes(8)).digest(length)


class PresignOnly:
    """An upstream that signs and never opens."""

    def __init__(self) -> None:
        self.calls: list[tuple[UpstreamCall, int]] = []
        self.capped: int | None = None

    def presign(self, call: UpstreamCall, expires_in: int) -> str:
        self.calls.append((call, expires_in))
        life = min(expires_in, self.capped or expires_in)
        return f"https://store.example/{call.bucket}/{call.key}?X-Amz-Expires={life}&X-Amz-Signature=abc"

    def open(self, call: UpstreamCall, body: object = None) -> AbstractAsyncContextManager[Answer]:
        raise AssertionError("the control plane opens nothing")


class FailingLedger:
    """A ledger that is down until `down` says otherwise, and knows the acts that it was told since."""

    def __init__(self) -> None:
        self.down = True
        self.acts: list[str] = []

    async def audit(self, *events: AuditEvent) -> None:
        if self.down:
            raise DependencyDown("audit", "down")
        self.acts += [event.act for event in events]


@dataclass
class Desk:
    """What a test holds: the server's address, an HTTP session, and everything behind the API."""

    url: str
    session: aiohttp.ClientSession
    state: Engine
    clock: StillClock
    upstream: PresignOnly
    view: RevocationView
    deps: ControlDeps
    stop: Callable[[], Awaitable[None]]
    api: Api
    plane: ControlPlane
    faults: dict[str, str] = field(default_factory=dict)
    token: str | None = ADMIN

    async def ask(self, method: str, path: str, body: Any = None, **more: Any) -> Reply:
        headers = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        headers |= more.pop("headers", {})
        async with self.session.request(method, self.url + path, json=body, headers=headers, **more) as answer:
            text = await answer.text()
            return Reply(answer.status, answer.headers, text)

    async def sign(self, key: IssuedKey, method: str, path: str, text: bytes = b"", **more: Any) -> Reply:
        """Ask as the holder of a key, who signs: path and query are those of `path`, the body is `text`."""
        headers = sign_control(key, method, self.url + path, text, self.clock.now, **more)
        async with self.session.request(method, self.url + path, data=text or None, headers=headers) as answer:
            return Reply(answer.status, answer.headers, await answer.text())

    async def link(self, **members: Any) -> dict[str, Any]:
        """A new link; the body needs no more than what the test is about."""
        answer = await self.ask("POST", "/v1/links", {"bucket": "reports", "key": "a.pdf"} | members)
        assert answer.status == 201, answer.text
        return answer.json

    def audited(self) -> list[str]:
        return [entry_fields(entry)["act"] for entry in self.state.ledger._trail]


def sign_control(
    key: IssuedKey, method: str, url: str, text: bytes, now: float, service: str = "gateway", **changed: Any
) -> dict[str, str]:
    """The headers of a request that the holder of a key signs; `changed` are members of the credentials."""
    parts = urlsplit(url)
    members = {"access_key": key.access_key_id, "secret_key": key.secret_access_key, "session_token": key.session_token}
    added = sign_headers(
        Credentials(**members | changed),
        SigningKeys(),
        method=method,
        host=parts.netloc,
        path=parts.path,
        query=parse_qsl(parts.query, keep_blank_values=True),
        region="us-east-1",
        service=service,
        now=now,
        payload_hash=hashlib.sha256(text).hexdigest(),
    )
    return dict(added) | ({"Content-Type": "application/json"} if text else {})


def basic(key: IssuedKey) -> dict[str, str]:
    """The headers of a holder of a key who shows it."""
    shown = b64encode(f"{key.access_key_id}:{key.secret_access_key}".encode()).decode()
    session = {} if key.session_token is None else {"x-amz-security-token": key.session_token}
    return {"Authorization": f"Basic {shown}"} | session


@dataclass(frozen=True)
class Reply:
    status: int
    headers: Any
    text: str

    @property
    def json(self) -> dict[str, Any]:
        import orjson  # noqa: PLC0415

        found: dict[str, Any] = orjson.loads(self.text)
        return found


async def _page(accept: str) -> tuple[str, bytes] | None:
    return "text/plain; version=0.0.4; charset=utf-8", b"gateway_up 1\n"


async def _examined(name: str) -> list[Finding]:
    return [Finding(name, "connection", True, "answered 200"), Finding(name, "clock", False, "<61> s off")]


def _require_words(event: AuditEvent) -> None:
    """Whatever an entry of the trail names in its detail has a text on the console's page."""
    unknown = {name for name in event.detail if f"trail_detail.{name}" not in languages()["en"].texts}
    assert set() == unknown


async def _changed(*_: object) -> int:
    return 0


async def _nothing() -> list[Transfer]:
    return []


async def _not_there(*_: object) -> bool:
    return False


CONSOLE: Final = ConsoleRules(
    enabled=True,
    branding=Branding(),
    public_url=None,
    idle=1800.0,
    longest=43200.0,
    sign_ins=(),
    proxies=(),
    proxy_socket=False,
)
CALLERS: Final[dict[str, Any]] = {
    "admins": {hash_secret(ADMIN): AdminTerms("ops"), hash_secret(ADMIN + "2"): AdminTerms("night")},
    "apps": {hash_secret(APP): "billing", hash_secret(APP + "2"): "other"},
    "sidecars": {},
    "roles": {},
    "proxy": None,
    "sidecar_apps": {},
    "sidecar_serves": {},
    "sts_roles": {},
    "clients": (),
}
HEAD_SECONDS: Final = 5.0


@asynccontextmanager
async def serving(**changes: Any) -> AsyncIterator[Desk]:
    """A desk with other dependencies where the test says so; what is said of callers is asked at every request."""
    clock, upstream, view, faults = StillClock(), PresignOnly(), RevocationView(), {}
    state = open_memory(clock=clock)

    async def apply_now() -> None:
        view.apply(await state.feed.since(view.serial, 10_000))

    parts: dict[type, dict[str, Any]] = {
        Stores: {
            "grants": state.grants,
            "leases": state.leases,
            "feed": state.feed,
            "ledger": state.ledger,
            "sealer": Sealer(),
            "issuer": None,
            "resealer": None,
        },
        Live: {
            "policy": lambda: POLICY,
            "apply_now": apply_now,
            "clock": clock,
            "entropy": CountedEntropy(),
            "public_url": lambda: "https://files.example",
            "address": lambda: "https://files.example",
            "upstream": upstream,
            "profile_of": lambda name: "ceph",
            "examine": _examined,
            "ended": lambda grant: False,
            "identity": None,
            "proofs": lambda: frozenset(ProvedBy),
            "audit_required": lambda: False,
            "console": lambda: CONSOLE,
        },
        Process: {
            "ready": lambda: faults,
            "metrics": _page,
            "know": lambda names: None,
            "count": lambda operation, status, seconds: None,
            "tell": _require_words,
            "shown": str,
            "drain": _changed,
            "log_at": _changed,
            "share": _changed,
            "transfers": _nothing,
            "cut": _not_there,
            "processes": 1,
            "version": "0",
        },
    }
    asked = {name: changes.pop(name) for name in CALLERS.keys() & changes}
    parts[Live]["callers"] = lambda: Callers(**CALLERS | {name: value() for name, value in asked.items()})
    for members in parts.values():
        members |= {name: changes.pop(name) for name in members.keys() & changes}
    assert {} == changes, "nothing of this name is needed"
    deps = ControlDeps(**{kind.__name__.lower(): kind(**members) for kind, members in parts.items()})
    plane = ControlPlane(deps)
    server = HttpServer(plane.handle, head_seconds=HEAD_SECONDS)

    async def stop() -> None:
        plane.end_waits()
        await server.close()
        await plane.finish()

    port = await server.listen("127.0.0.1", 0)
    try:
        async with aiohttp.ClientSession(cookie_jar=aiohttp.DummyCookieJar()) as session:
            yield Desk(
                f"http://127.0.0.1:{port}", session, state, clock, upstream, view, deps, stop, plane.api, plane, faults
            )
    finally:
        await stop()


__all__ = ["ADMIN", "APP", "CONSOLE", "POLICY", "START", "Desk", "FailingLedger", "basic", "serving", "sign_control"]
