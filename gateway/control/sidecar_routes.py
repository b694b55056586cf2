"""Owns what the endpoints of sidecars without a store do: grants by the hash of their secret, uses, apps' keys.

Refuses to own the revocation list that they follow (`key_routes`) and what a sidecar does with all this
(`gateway.stores.central`).

Laws: nothing here changes a grant. A stored grant is handed on as it is, a key's secret sealed under the key's id, so
that only who holds the id can open it; to a sidecar only if its owner is among those whom the settings let it serve.
A grant is named by the hash of its secret: who never saw that can neither count for it nor look at its counters. Limits
are the stored grant's, never the sidecar's word; it gives back and settles what its own requests took, and no more.
This gateway's clock decides when a use ends. A sidecar gets keys of those apps alone that the settings name for it, and
only short-lived ones; it may end those that it had issued, and no others.
"""

from __future__ import annotations

from base64 import b64encode
from typing import Annotated, Self, TypeVar

from pydantic import Field

from gateway.control.answers import View, view_reply
from gateway.control.api import Api
from gateway.control.body import Body
from gateway.control.endpoint import Call
from gateway.core.attempt import Principal
from gateway.core.grant import Grant
from gateway.core.grant_codec import row_of
from gateway.core.holder_pass import LONGEST_TEXT, open_pass
from gateway.core.issued import LONGEST_SESSION, SHORTEST_SESSION, IssuedKey, LivingSession
from gateway.core.lease import UNUSED, Reservation, Room, Settlement
from gateway.core.reasons import Reason, Refused
from gateway.core.source import from_sidecar, source_behind
from gateway.core.token import SecretHash
from gateway.schema.names import ActorName
from gateway.schema.texts import Text
from gateway.wire.replies import Reply

Name = Annotated[str, Field(min_length=1, max_length=64, pattern=r"^[\x21-\x7e]+$")]
Request = Annotated[str, Field(max_length=64, pattern=r"^[\x21-\x7e]*$")]
Size = Annotated[int, Field(ge=0, le=2**60, strict=True)]
SourceWord = Annotated[str, Field(max_length=2048)]


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
    """A short-lived key that a sidecar hands to its app; `expires_in` in seconds.

    `source` is what the sidecar has it issued for, in words that the sidecar itself judges later.
    """

    app: ActorName
    label: Text
    expires_in: Annotated[float, Field(ge=SHORTEST_SESSION, le=LONGEST_SESSION, allow_inf_nan=False, strict=True)]
    source: Annotated[list[SourceWord], Field(max_length=8)] = []


class SessionQuery(Body):
    """`address` is by what the sidecar was known when it had the keys issued."""

    address: Annotated[str, Field(max_length=512)]


class LivingView(View):
    """The living keys that the sidecar had issued: each with its app, and what it was issued for."""

    sessions: list[LivingSession]


class EndSessions(Body):
    """Keys by their ids."""

    ids: Annotated[list[Annotated[str, Field(min_length=1, max_length=64)]], Field(min_length=1, max_length=500)]


class EndedView(View):
    """How many of them were this sidecar's, and are revoked now."""

    ended: int


class NamedGrant(Body):
    """A grant by its secret's hash, in hex: who names it was shown the secret."""

    hash: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Used(NamedGrant):
    """What is counted of a grant: its uses and all bytes, or the `files` that a link received, and their bytes."""

    files: Annotated[bool, Field(strict=True)] = False


class NewLinkSession(NamedGrant):
    """Credentials of a link; `use` is by what the use is known that they are, `holder` the pass of who asks for them,
    where the link has holders."""

    use: Name
    holder: Annotated[str, Field(max_length=LONGEST_TEXT)] = ""


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


AnyUse = TypeVar("AnyUse", bound=NamedGrant)
AnyCount = TypeVar("AnyCount", bound=Used)


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
    """What has moved, and is reserved no longer; see `gateway.core.lease.Settlement`."""

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
    """What the grant has used so far."""

    uses: int
    moved: int
    last_used_at: float | None


async def find_grant(api: Api, call: Call[None, None]) -> Reply:
    try:
        digest = bytes.fromhex(call.values["hash"])
    except ValueError:
        digest = b""
    if len(digest) != 32:
        raise Refused(Reason.BAD_ARGUMENT, "a hash is 64 hex digits")
    return view_reply(FoundView.of(await _find_served(api, call.caller, digest)))


async def issue_session(api: Api, call: Call[None, NewSession]) -> Reply:
    """A session key of an app. An admin, too, has to be named for it: `POST /v1/keys` asks for no such word."""
    live, actor, body = api.deps.live, call.caller, call.body
    if body.app not in live.callers().sidecar_apps.get(actor.name, frozenset()):
        detail = (
            f"keys of app:{body.app} are not issued to {actor.name}: its entry in control.sidecars does not name it"
        )
        raise Refused(Reason.NOT_ALLOWED, detail)
    source = from_sidecar(live.public_url(), actor.name, call.proof, tuple(body.source))
    key = await api.keys.issue(
        actor, body.app, label=body.label, expires_in=body.expires_in, session=True, source=source
    )
    return view_reply(IssuedView.of(key), 201)


async def issue_link_session(api: Api, call: Call[None, NewLinkSession]) -> Reply:
    """A link's credentials. The sidecar has asked its rules and counted the use; the link itself is asked here."""
    grant = await _find_counted(api, call)
    ended = grant.lapsed(api.deps.live.clock())
    if grant.scope is None or not grant.gives_credentials or ended is not None or api.deps.live.ended(grant):
        raise Refused(Reason.NOT_ALLOWED, "the link gives no credentials")
    holder = None if grant.holders is None else open_pass(grant, call.body.holder, api.deps.live.clock())
    if grant.holders is not None and not grant.holders.admit(holder):
        raise Refused(Reason.NOT_ALLOWED, "the link is for others")
    return view_reply(IssuedView.of(await api.keys.issue_for_link(grant, call.body.use, holder)), 201)


async def list_sessions(api: Api, call: Call[SessionQuery, None]) -> Reply:
    apps = api.deps.live.callers().sidecar_apps.get(call.caller.name, frozenset())
    living = await api.keys.living_through(call.caller.name, sorted(apps), call.query.address)
    return view_reply(LivingView(sessions=living))


async def end_sessions(api: Api, call: Call[None, EndSessions]) -> Reply:
    """What is no key, or not one of the caller's, is passed over: it is not said which."""
    ended = 0
    for key_id in call.body.ids:
        grant = await api.deps.stores.grants.get(key_id)
        if grant is not None and source_behind(grant.source, call.caller.name):
            await api.revocations.end(call.caller, grant, "what the key came from has ended")
            ended += 1
    return view_reply(EndedView(ended=ended))


async def open_use(api: Api, call: Call[None, OpenUse]) -> Reply:
    grant = await _find_counted(api, call)
    mine = _reservation_of(call, grant, call.body.key, call.body.request)
    most = grant.intake.max_files if call.body.files else grant.uses
    lease = await api.deps.stores.leases.open_lease(mine, most, api.deps.live.clock(), call.body.window)
    return view_reply(UseView(granted=lease is not None, fresh=lease is not None and lease.fresh))


async def join_use(api: Api, call: Call[None, GiveBack]) -> Reply:
    """Whether a use of this key is open: nothing is opened."""
    mine = _reservation_of(call, await _find_counted(api, call), call.body.key)
    lease = await api.deps.stores.leases.open_lease(mine, 0, api.deps.live.clock(), 0.0)
    return view_reply(UseView(granted=lease is not None))


async def give_use_back(api: Api, call: Call[None, GiveBack]) -> Reply:
    grant = await _find_counted(api, call)
    await api.deps.stores.leases.give_back(_reservation_of(call, grant, call.body.key, call.body.request))
    return view_reply(UseView(granted=True))


async def reserve_bytes(api: Api, call: Call[None, ReserveBytes]) -> Reply:
    grant, body = await _find_counted(api, call), call.body
    mine = _reservation_of(call, grant, body.key, body.request)
    budget = grant.intake.total_bytes if body.files else grant.budget
    room = await api.deps.stores.leases.reserve_bytes(mine, body.wanted, budget=budget, cap=body.cap)
    return view_reply(RoomView(room=room))


async def settle_bytes(api: Api, call: Call[None, SettleBytes]) -> Reply:
    grant, body = await _find_counted(api, call), call.body
    mine = _reservation_of(call, grant, body.key, body.request)
    # Uploads without a budget reserve nothing: what they say is for the records, and counts against nothing. What a
    # link received is said once it is stored, after its reservation: more of it only fills the link.
    bounded = not body.files and (grant.budget is not None or (grant.uses is not None and not grant.may_write))
    done = Settlement(body.moved, ends=body.ends, keeps=body.keeps, bounded=bounded)
    await api.deps.stores.leases.settle_bytes(mine, done, api.deps.live.clock())
    return view_reply(UseView(granted=True))


async def read_usage(api: Api, call: Call[None, Used]) -> Reply:
    grant = await _find_counted(api, call)
    counter = grant.intake_id if call.body.files else grant.id
    found = (await api.deps.stores.leases.usage([counter])).get(counter, UNUSED)
    return view_reply(UsageView.model_validate(found))


async def _find_counted(api: Api, call: Call[None, AnyUse]) -> Grant:
    """The stored grant, with its own limits. One answer for what there is not and for what is not this sidecar's.

    Raises:
        Refused: UNKNOWN_TOKEN.
    """
    grant = await _find_served(api, call.caller, bytes.fromhex(call.body.hash))
    if grant is None:
        raise Refused(Reason.UNKNOWN_TOKEN, "no grant that this sidecar serves has this hash")
    return grant


async def _find_served(api: Api, actor: Principal, digest: bytes) -> Grant | None:
    """The grant of this hash, if its owner is one whom this caller serves."""
    grant = await api.deps.stores.grants.find(SecretHash(digest))
    served = api.deps.live.callers().sidecar_serves.get(actor.name)
    if grant is None or served is None:
        return grant
    return grant if any(pattern.matches(str(grant.owner)) for pattern in served) else None


def _reservation_of(call: Call[None, AnyCount], grant: Grant, key: str | None, request: str = "") -> Reservation:
    """By what a sidecar's request is known here: no sidecar can speak for the requests of another."""
    counter = grant.intake_id if call.body.files else grant.id
    return Reservation(counter, key, f"{call.caller.name}/{request}" if request else "")
