"""Owns the endpoints that sidecars without a store live on: grants by the hash of their secret, uses, apps' keys.

Refuses to own the revocation list that they follow (`key_routes`) and what a sidecar does with all this
(`gateway.stores.central`).

Laws: nothing here changes a grant. A stored grant is handed on as it is, a key's secret sealed under the key's id, so
that only who holds the id can open it; to a sidecar only if its owner is among those whom the settings let it serve.
A grant is named by the hash of its secret: who never saw that can neither count for it nor look at its counters. Limits
are the stored grant's, never the sidecar's word; it gives back and settles what its own requests took, and no more.
This gateway's clock decides when a use ends. A sidecar gets keys of those apps alone that the settings name for it, and
only short-lived ones.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Self

from aiohttp import web
from pydantic import Field

from gateway.control.admin_auth import bearer
from gateway.control.answers import View
from gateway.control.bodies import NoQuery
from gateway.control.body import Body
from gateway.control.deps import ControlDeps
from gateway.control.routes import Endpoint, read_body, read_query, reply
from gateway.control.usecases.keys import Keys
from gateway.core.attempt import Principal
from gateway.core.grant import Grant, GrantKind, GrantStore
from gateway.core.grant_codec import row_of
from gateway.core.issued import LONGEST_SESSION, SHORTEST_SESSION, IssuedKey
from gateway.core.lease import LeaseStore, Reservation, Room, Usage
from gateway.core.pattern import NamePattern
from gateway.core.reasons import Reason, Refused
from gateway.core.request import Action
from gateway.core.source import from_sidecar
from gateway.core.token import SecretHash, hash_secret
from gateway.schema.names import ActorName
from gateway.schema.texts import Text

__all__ = [
    "FoundView",
    "GiveBack",
    "IssuedView",
    "NewSession",
    "OpenUse",
    "ReserveBytes",
    "RoomView",
    "SettleBytes",
    "UsageView",
    "UseView",
    "Used",
    "sidecar_endpoints",
]

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$")]
Request = Annotated[str, Field(max_length=64, pattern=r"^[\x21-\x7e]*$")]
Size = Annotated[int, Field(ge=0, le=2**60, strict=True)]


class FoundView(View):
    """A stored grant: its columns and its document, or nothing. `hash` and `document` are base64."""

    grant: list[str | int | float | None] | None

    @classmethod
    def of(cls, grant: Grant | None) -> Self:
        return cls(grant=None if grant is None else _columns(grant))


def _columns(grant: Grant) -> list[str | int | float | None]:
    row = row_of(grant)
    hidden = row._replace(hash=b"", document="")
    return [*hidden[:2], b64encode(row.hash).decode(), *hidden[3:-1], b64encode(row.document.encode()).decode()]


class NewSession(Body):
    """A short-lived key that a sidecar hands to its app; `expires_in` in seconds."""

    app: ActorName
    label: Text
    expires_in: Annotated[float, Field(ge=SHORTEST_SESSION, le=LONGEST_SESSION, allow_inf_nan=False, strict=True)]


class IssuedView(View):
    """A key as it is stored, in the form of `FoundView`, and its secrets, which are never shown again."""

    grant: list[str | int | float | None]
    access_key_id: str
    secret_access_key: str
    session_token: str | None

    @classmethod
    def of(cls, key: IssuedKey) -> Self:
        return cls(
            grant=_columns(key.grant),
            access_key_id=key.access_key_id,
            secret_access_key=key.secret_access_key,
            session_token=key.session_token,
        )


class Used(Body):
    """A link by its secret's hash, in hex: who names it was shown the secret."""

    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class OpenUse(Used):
    """A use to be opened or joined by a request of the sidecar's; `window` in seconds."""

    key: Name
    request: Request = ""
    window: Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False, strict=True)]


class GiveBack(Used):
    """A request that brought nothing."""

    key: Name | None = None
    request: Request = ""


class ReserveBytes(Used):
    """Bytes that a request is about to move; `cap` is the most that the use of this key may move, where it has one."""

    key: Name | None = None
    request: Name
    wanted: Size
    cap: Size | None = None


class SettleBytes(Used):
    """What has moved, and is reserved no longer; see `LeaseStore.settle_bytes`."""

    key: Name | None = None
    request: Request = ""
    moved: Size
    ends: Annotated[bool, Field(strict=True)] = True
    keeps: Annotated[bool, Field(strict=True)] = True


class UseView(View):
    """`granted` says whether there was a use left; `fresh` that this request opened it."""

    granted: bool
    fresh: bool = False


class RoomView(View):
    """Whether the bytes were reserved (`taken`), would be there if others gave back theirs (`held`), or are `spent`."""

    room: Room


class UsageView(View):
    """What the link has used so far."""

    uses: int
    moved: int
    last_used_at: float | None


def sidecar_endpoints(keys: Keys, deps: ControlDeps) -> tuple[Endpoint, ...]:
    """The rows for sidecars; a sidecar's token is enough for them."""
    desk = _SidecarDesk(
        deps.grants, deps.leases, keys, deps.sidecar_apps, deps.sidecar_serves, deps.public_url, deps.clock
    )
    return (
        Endpoint("GET", "/v1/grants/by-hash/{hash}", desk.find, sidecars=True),
        Endpoint("POST", "/v1/sessions", desk.issue, sidecars=True),
        Endpoint("POST", "/v1/uses/open", desk.open, sidecars=True),
        Endpoint("POST", "/v1/uses/join", desk.join, sidecars=True),
        Endpoint("POST", "/v1/uses/usage", desk.usage, sidecars=True),
        Endpoint("POST", "/v1/uses/give-back", desk.give_back, sidecars=True),
        Endpoint("POST", "/v1/uses/reserve", desk.reserve, sidecars=True),
        Endpoint("POST", "/v1/uses/settle", desk.settle, sidecars=True),
    )


@dataclass(frozen=True, slots=True)
class _SidecarDesk:
    grants: GrantStore
    leases: LeaseStore
    keys: Keys
    apps: Callable[[], Mapping[str, frozenset[str]]]
    serves: Callable[[], Mapping[str, tuple[NamePattern, ...]]]
    address: Callable[[], str]
    clock: Callable[[], float]

    async def find(self, request: web.Request, actor: Principal) -> web.Response:
        read_query(request, NoQuery)
        try:
            digest = bytes.fromhex(request.match_info["hash"])
        except ValueError:
            digest = b""
        if len(digest) != 32:
            raise Refused(Reason.BAD_ARGUMENT, "a hash is 64 hex digits")
        return reply(FoundView.of(self._allowed(await self.grants.find(SecretHash(digest)), actor)))

    async def issue(self, request: web.Request, actor: Principal) -> web.Response:
        """A session key of an app. An admin, too, has to be named for it: `POST /v1/keys` asks for no such word."""
        body = await read_body(request, NewSession)
        if body.app not in self.apps().get(actor.name, frozenset()):
            told = (
                f"keys of app:{body.app} are not issued to {actor.name}: its entry in control.sidecars does not name it"
            )
            raise Refused(Reason.NOT_ALLOWED, told)
        source = from_sidecar(self.address(), actor.name, hash_secret(bearer(request.headers.get("Authorization"))))
        key = await self.keys.issue(
            actor, body.app, label=body.label, expires_in=body.expires_in, session=True, source=source
        )
        return reply(IssuedView.of(key), status=201)

    async def open(self, request: web.Request, actor: Principal) -> web.Response:
        body = await read_body(request, OpenUse)
        grant = await self._link(body, actor)
        mine = _named(actor, grant, body.key, body.request)
        lease = await self.leases.open_lease(mine, grant.uses, self.clock(), body.window)
        return reply(UseView(granted=lease is not None, fresh=lease is not None and lease.fresh))

    async def join(self, request: web.Request, actor: Principal) -> web.Response:
        """Whether a use of this key is open: nothing is opened."""
        body = await read_body(request, GiveBack)
        grant = await self._link(body, actor)
        lease = await self.leases.open_lease(Reservation(grant.id, body.key), 0, self.clock(), 0.0)
        return reply(UseView(granted=lease is not None))

    async def give_back(self, request: web.Request, actor: Principal) -> web.Response:
        body = await read_body(request, GiveBack)
        grant = await self._link(body, actor)
        await self.leases.give_back(_named(actor, grant, body.key, body.request))
        return reply(UseView(granted=True))

    async def reserve(self, request: web.Request, actor: Principal) -> web.Response:
        body = await read_body(request, ReserveBytes)
        grant = await self._link(body, actor)
        mine = _named(actor, grant, body.key, body.request)
        return reply(
            RoomView(room=await self.leases.reserve_bytes(mine, body.wanted, budget=grant.budget, cap=body.cap))
        )

    async def settle(self, request: web.Request, actor: Principal) -> web.Response:
        body = await read_body(request, SettleBytes)
        grant = await self._link(body, actor)
        mine = _named(actor, grant, body.key, body.request)
        # Uploads without a budget reserve nothing: what they say is for the records, and counts against nothing.
        bounded = grant.budget is not None or (grant.uses is not None and Action.WRITE not in grant.actions)
        moved, keeps = body.moved, body.keeps
        await self.leases.settle_bytes(mine, moved, self.clock(), ends=body.ends, keeps=keeps, bounded=bounded)
        return reply(UseView(granted=True))

    async def usage(self, request: web.Request, actor: Principal) -> web.Response:
        body = await read_body(request, Used)
        grant = await self._link(body, actor)
        found = (await self.leases.usage([grant.id])).get(grant.id, Usage())
        return reply(UsageView(uses=found.uses, moved=found.moved, last_used_at=found.last_used_at))

    async def _link(self, body: Used, actor: Principal) -> Grant:
        """The stored link, with its own limits. One answer for what there is not and for what is not this sidecar's.

        Raises:
            Refused: UNKNOWN_TOKEN.
        """
        grant = self._allowed(await self.grants.find(SecretHash(bytes.fromhex(body.hash))), actor)
        if grant is None or grant.kind is not GrantKind.LINK:
            raise Refused(Reason.UNKNOWN_TOKEN, "no link that this sidecar serves has this hash")
        return grant

    def _allowed(self, grant: Grant | None, actor: Principal) -> Grant | None:
        served = self.serves().get(actor.name)
        if grant is None or served is None:
            return grant
        return grant if any(pattern.matches(str(grant.owner)) for pattern in served) else None


def _named(actor: Principal, grant: Grant, key: str | None, request: str) -> Reservation:
    """By what a sidecar's request is known here: no sidecar can speak for the requests of another."""
    return Reservation(grant.id, key, f"{actor.name}/{request}" if request else "")
