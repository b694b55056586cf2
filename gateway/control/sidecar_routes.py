"""Owns the endpoints that sidecars without a store live on: grants by the hash of their secret, uses, apps' keys.

Refuses to own the revocation list that they follow (`key_routes`) and what a sidecar does with all this
(`gateway.stores.central`).

Law: nothing here changes a grant. A stored grant is handed on as it is, a key's secret sealed under the key's id, so
that only who holds the id can open it. This gateway's clock decides when a use ends. A sidecar gets keys of those apps
alone that the settings name for it, and only short-lived ones.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Self

from aiohttp import web
from pydantic import Field

from gateway.control.answers import View
from gateway.control.bodies import NoQuery
from gateway.control.deps import ControlDeps
from gateway.control.door import bearer
from gateway.control.fields import AppName, Body, Text
from gateway.control.routes import Endpoint, read_body, read_query, reply
from gateway.control.usecases.keys import Keys
from gateway.core.attempt import Principal
from gateway.core.grant import Grant, GrantStore
from gateway.core.issued import LONGEST_SESSION, SHORTEST_SESSION, IssuedKey
from gateway.core.lease import Lease, LeaseStore
from gateway.core.reasons import Reason, Refused
from gateway.core.source import from_sidecar
from gateway.core.stored import row_of
from gateway.core.token import SecretHash, hash_secret

__all__ = [
    "FoundView",
    "GiveBack",
    "IssuedView",
    "NewSession",
    "OpenUse",
    "ReserveBytes",
    "SettleBytes",
    "UseView",
    "sidecar_endpoints",
]

Id = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[A-Za-z0-9_-]+$")]
LeaseKey = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$")]
Size = Annotated[int, Field(ge=0, le=2**63 - 1, strict=True)]


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

    app: AppName
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


class OpenUse(Body):
    """A use to be opened or joined; `uses` is how many the grant has, `window` in seconds."""

    grant: Id
    key: LeaseKey
    uses: Size | None = None
    window: Annotated[float, Field(ge=0, le=86400, allow_inf_nan=False, strict=True)]


class GiveBack(Body):
    grant: Id
    key: LeaseKey


class ReserveBytes(Body):
    grant: Id
    wanted: Size
    budget: Size


class SettleBytes(Body):
    """What was reserved is replaced by what moved."""

    grant: Id
    key: LeaseKey | None = None
    reserved: Size
    moved: Size


class UseView(View):
    """`granted` says whether there was a use, or budget, left; the rest is about the lease."""

    granted: bool
    fresh: bool = False
    moved: int = 0


def sidecar_endpoints(keys: Keys, deps: ControlDeps) -> tuple[Endpoint, ...]:
    """The rows for sidecars; a sidecar's token is enough for them."""
    desk = _SidecarDesk(deps.grants, deps.leases, keys, deps.sidecar_apps, deps.public_url, deps.clock)
    return (
        Endpoint("GET", "/v1/grants/by-hash/{hash}", desk.find, sidecars=True),
        Endpoint("POST", "/v1/sessions", desk.issue, sidecars=True),
        Endpoint("POST", "/v1/uses/open", desk.open, sidecars=True),
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
        return reply(FoundView.of(await self.grants.find(SecretHash(digest))))

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
        lease = await self.leases.open_lease(body.grant, body.key, body.uses, self.clock(), body.window)
        if lease is None:
            return reply(UseView(granted=False))
        return reply(UseView(granted=True, fresh=lease.fresh, moved=lease.moved))

    async def give_back(self, request: web.Request, actor: Principal) -> web.Response:
        body = await read_body(request, GiveBack)
        await self.leases.give_back(Lease(body.grant, body.key, fresh=True))
        return reply(UseView(granted=True))

    async def reserve(self, request: web.Request, actor: Principal) -> web.Response:
        body = await read_body(request, ReserveBytes)
        return reply(UseView(granted=await self.leases.reserve_bytes(body.grant, body.wanted, body.budget)))

    async def settle(self, request: web.Request, actor: Principal) -> web.Response:
        body = await read_body(request, SettleBytes)
        await self.leases.settle_bytes(body.grant, body.key, body.reserved, body.moved, self.clock())
        return reply(UseView(granted=True))
