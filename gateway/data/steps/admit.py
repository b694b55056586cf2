"""Owns step 5: revocation, rate, concurrency and uses, and the permit that comes of them.

Refuses to own the permission itself (step 4) and the bytes (step 7).

Laws: what was taken is given back when the body ends, whatever ended it; a use whose request brought nothing is given
back; a part that is down refuses or lets pass as its declared posture says, never by accident.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from hashlib import blake2b
from types import TracebackType
from typing import Final

from gateway.core.attempt import Attempt
from gateway.core.grant import Grant, GrantKind
from gateway.core.lease import LEASE_WINDOW, Lease, Reservation
from gateway.core.limits import Demand, Verdict
from gateway.core.link_credentials import end_of, lease_of
from gateway.core.reasons import DependencyDown, Reason, Refused
from gateway.core.request import TRANSFERS, Action, ObjectRequest, Operation, UploadStep, UploadVerb
from gateway.core.route import Route
from gateway.data.call import Call
from gateway.data.plane import DataPlane, Snapshot
from gateway.data.state.transfers import Permit
from gateway.data.steps.reserve import open_lease, settle
from gateway.data.steps.reserve_intake import count_left, take_file
from gateway.server.exchange import ClientExchange
from gateway.shielded import shield
from gateway.wire.links.tus_state import UPLOAD_SECONDS, keyed_upload, lease_key, new_upload

_UNCOUNTED: Final = frozenset({Operation.HEAD_OBJECT, Operation.LIST_OBJECTS_V2, Operation.PREFLIGHT})
_KEY: Final = GrantKind.KEY
_CREDENTIALS: Final = Operation.CREATE_SESSION
_WRITE: Final = Action.WRITE
_FINISHING: Final = frozenset(
    {
        Operation.HEAD_OBJECT,
        Operation.LIST_PARTS,
        Operation.COMPLETE_MULTIPART_UPLOAD,
        Operation.ABORT_MULTIPART_UPLOAD,
    }
)
"""What a key may still do when its uses or bytes are spent: clients end what they began with these."""


class Admission:
    """`async with Admission(…) as permit:` is the right to run, for as long as the block runs.

    A page takes no use, and neither do HEAD and listings, which are refused all the same once no use is left. (A class,
    as a generator would cost ten times as much.)

    Raises:
        Refused: REVOKED, VIEW_TOO_OLD, TOO_MANY_REQUESTS, TOO_MANY_TRANSFERS, OVERLOADED, USED_UP.
        DependencyDown: a part whose posture is closed cannot answer.
    """

    __slots__ = ("_call", "_exchange", "_part", "_permit", "_plane", "_route", "_snapshot")

    def __init__(  # noqa: PLR0917 (what the four steps before have found)
        self,
        plane: DataPlane,
        snapshot: Snapshot,
        exchange: ClientExchange,
        call: Call,
        route: Route,
        part: int = 0,
    ) -> None:
        """`part` tells the files of one form apart."""
        self._part = part
        self._plane = plane
        self._snapshot = snapshot
        self._exchange = exchange
        self._call = call
        self._route = route

    async def __aenter__(self) -> Permit:
        plane, call, route = self._plane, self._call, self._route
        grant, attempt = call.grant, call.attempt
        if self._snapshot.posture.audit == "closed" and plane.accounts.ledger_down:
            raise DependencyDown("audit", "records cannot be written")
        permit = self._permit = Permit(  # in the order of its fields: each request does this
            self._exchange,
            grant,
            attempt,
            route,
            (plane.snapshot.policy, grant),  # in the same turn
            call.as_of,
            call.credentials,
            self._part,
            call.request,
        )
        if route.limits:
            permit.verdict = await _take_rate(plane, self._snapshot, route, attempt.now)
        if route.limits or (grant is not None and not plane.grants.is_current(grant.id, call.as_of)):
            await plane.renewals.admit_again(permit)  # what came meanwhile had nothing to cut yet
        # In the same turn in which it was decided on: whatever ends later finds it among the running.
        if plane.draining:
            raise Refused(Reason.SHUTTING_DOWN, "draining", retry_after=1.0)
        plane.transfers.enter(permit, self._snapshot.max_transfers)
        try:
            if plane.shares.are_counted(route.backend, len(plane.transfers)):
                await self._take_places(permit)
            grant = permit.grant
            if grant is not None and call.takes_use and (taking := self._take_use(permit, grant)) is not None:
                await taking
        except BaseException:
            if (left := self._leave()) is not None:
                await left
            raise
        return permit

    async def _take_places(self, permit: Permit) -> None:
        """Wait for them, where all others of the same have their share of the store. A form's further files are sent
        one by one, in the place of the first."""
        holders = () if self._part else permit.holders()
        places = self._plane.shares.take(permit.route.backend, holders)
        permit.places = await self._plane.shares.wait(permit.route.backend, holders) if places is None else places

    def _take_use(self, permit: Permit, grant: Grant) -> Awaitable[None] | None:
        """What is to be awaited for the use: most links count none, and need only know whose it is."""
        step, operation = self._call.request.step, permit.attempt.operation
        if step is not None:
            return self._take_upload(permit, grant, step)
        if permit.credentials is not None:
            return self._join_use(permit, grant, permit.credentials)
        if grant.kind is _KEY:
            return self._take_transfer(permit, grant)
        if operation is _CREDENTIALS:
            return self._take_credentials(permit, grant)
        key = use_key(self._call, permit)
        if operation in _UNCOUNTED:
            limited = grant.uses is not None or grant.budget is not None
            return _require_rest(self._plane, grant, key, permit.attempt) if limited else None
        permit.lease_key = key
        if grant.uses is None and not (permit.attempt.action is _WRITE and grant.intake.counted):
            return None
        return self._take_counted(permit, grant, key)

    async def _take_counted(self, permit: Permit, grant: Grant, key: str) -> None:
        """A link's use, or the place of a file that it takes."""
        writes = permit.attempt.action is _WRITE
        if grant.uses is not None:
            await shield(open_lease(self._plane.leases, permit, grant, key, 0.0 if writes else LEASE_WINDOW))
        if writes:
            await take_file(self._plane.leases, permit, key, 0.0)

    async def _take_transfer(self, permit: Permit, grant: Grant) -> None:
        """A key's use is one object sent or taken. What finishes that needs none; all else needs that one is left."""
        operation = permit.attempt.operation
        if operation in TRANSFERS:
            permit.lease_key, window = _transfer_key(self._call.request, permit, self._exchange)
            if grant.uses is not None:
                await shield(open_lease(self._plane.leases, permit, grant, permit.lease_key, window))
        elif operation not in _FINISHING:
            await _require_rest(self._plane, grant, None, permit.attempt)

    async def _take_credentials(self, permit: Permit, grant: Grant) -> None:
        """A link's credentials are one use, for as long as they last."""
        await _require_rest(self._plane, grant, None, permit.attempt)
        permit.lease_key, now = _key_of_its_own(permit), permit.attempt.now
        if grant.uses is not None:
            await shield(open_lease(self._plane.leases, permit, grant, permit.lease_key, end_of(grant, now) - now))

    async def _join_use(self, permit: Permit, grant: Grant, credentials: Grant) -> None:
        """What a link's credentials do belongs to the use that they are. That has ended if the link counts uses since
        they were given: then it is another one."""
        operation, now, key = permit.attempt.operation, permit.attempt.now, lease_of(credentials)
        if operation in TRANSFERS:
            permit.lease_key = key
            if grant.uses is not None:
                await shield(open_lease(self._plane.leases, permit, grant, key, (grant.expires_at or now) - now))
        elif operation not in _FINISHING:
            await _require_rest(self._plane, grant, key, permit.attempt)

    async def _take_upload(self, permit: Permit, grant: Grant, step: UploadStep) -> None:
        """A resumable upload takes its use when it is created. All later steps share it: only the client that
        created an upload knows its address, and an invented address finds no upload."""
        attempt = permit.attempt
        match step.verb:
            case UploadVerb.CREATE if step.partial:
                # What joins the partial uploads takes the one use; they only need that there is one.
                permit.upload = self._name_upload(grant, step)
                await _require_rest(self._plane, grant, None, attempt)
            case UploadVerb.CREATE:
                permit.upload = self._name_upload(grant, step)
                permit.lease_key = lease_key(permit.upload)
                if grant.uses is not None:
                    await shield(open_lease(self._plane.leases, permit, grant, permit.lease_key, UPLOAD_SECONDS))
                await take_file(self._plane.leases, permit, permit.lease_key, UPLOAD_SECONDS)
            case UploadVerb.DISCOVER:
                await _require_rest(self._plane, grant, None, attempt)
            case _:
                permit.lease = Lease(grant.id, lease_key(step.upload or ""), fresh=False)
                if grant.intake.counted:
                    permit.intake = Reservation(grant.intake_id, None, permit.name)

    def _name_upload(self, grant: Grant, step: UploadStep) -> str:
        now = self._call.attempt.now
        if step.key is not None:
            return keyed_upload(step.key, grant.id, now)
        return new_upload(now, self._plane.entropy(18))

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        permit = self._permit
        held, permit.held = permit.held, None
        try:
            if held is not None:
                await held.__aexit__(kind, error, trace)
        finally:
            if (left := self._leave()) is not None:
                await left

    def _leave(self) -> Awaitable[None] | None:
        """Count it out; what is to be awaited if its counters have to be settled."""
        permit = self._permit
        self._plane.transfers.leave(permit)
        if permit.places:
            self._plane.shares.give_back(permit.places)
        if permit.lease is None and permit.reservation is None and permit.intake is None:
            return None
        return asyncio.shield(_settle(self._plane, permit))


async def _settle(plane: DataPlane, permit: Permit) -> None:
    try:
        await settle(plane.leases, permit, plane.clock())
    except DependencyDown:
        plane.metrics.count_dropped_records(1)


async def _take_rate(plane: DataPlane, snapshot: Snapshot, route: Route, now: float) -> Verdict | None:
    demands = [Demand(limit.key, limit.requests) for limit in route.limits if limit.requests is not None]
    if not demands:
        return None
    verdict = await plane.take_limits(snapshot, demands, now)
    if verdict is None:
        return None
    plane.metrics.count_limiter_decision("allowed" if verdict.allowed else "refused")
    if not verdict.allowed:
        raise Refused(Reason.TOO_MANY_REQUESTS, "rate limit", retry_after=verdict.retry_after, verdict=verdict)
    return verdict


async def _require_rest(plane: DataPlane, grant: Grant, key: str | None, attempt: Attempt) -> None:
    """Refuse HEAD, listings and pages of a link that is used up, although they take no use themselves.

    A client whose own use is still open is let pass, by its `key`.
    """
    if attempt.action is Action.WRITE:
        await count_left(plane.leases, grant)
    usage = (await plane.leases.usage([grant.id])).get(grant.id)
    if usage is None:
        return
    if grant.budget is not None and usage.moved >= grant.budget:
        raise Refused(Reason.USED_UP, "the grant's byte budget is spent")
    if grant.uses is None or usage.uses < grant.uses:
        return
    if key is None or await plane.leases.open_lease(Reservation(grant.id, key), 0, attempt.now, LEASE_WINDOW) is None:
        raise Refused(Reason.USED_UP, f"all {grant.uses} uses are taken")


def use_key(call: Call, permit: Permit) -> str:
    """Who shares one use: a browser by its cookie, anything else by link, object, address and agent;
    never two people who proved to be somebody.

    Every write is a use of its own.
    """
    if permit.attempt.action is _WRITE:
        return _key_of_its_own(permit)
    return call.at_store.use_key(call.lease, permit, _key_of_caller)


def _key_of_caller(cookie: str | None, permit: Permit) -> str:
    who = _caller(permit.exchange) if cookie is None else ("cookie", cookie)
    holder = permit.attempt.holder
    return _shared_key(permit.attempt, *who, *(() if holder is None else ("holder", holder.address)))


def _transfer_key(request: ObjectRequest, permit: Permit, exchange: ClientExchange) -> tuple[str, float]:
    """Which requests of a key share one use, and for how many seconds.

    Ranges of one object, by one client, do, and so do the parts of one multipart upload: that is how clients send and
    take what is large. Anything else is a use of its own.
    """
    upload, attempt = request.params.get("uploadId"), permit.attempt
    if upload is not None:
        return _shared_key(attempt, "upload", upload), UPLOAD_SECONDS
    ranged = "range" in request.headers or "partNumber" in request.params
    if attempt.operation is Operation.GET_OBJECT and ranged:
        return _shared_key(attempt, *_caller(exchange)), LEASE_WINDOW
    return _key_of_its_own(permit), 0.0


def _key_of_its_own(permit: Permit) -> str:
    return f"w:{permit.name}"


def _shared_key(attempt: Attempt, *who: str) -> str:
    shared = f"{attempt.bucket}/{attempt.key} {' '.join(who)}"
    return blake2b(shared.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def _caller(exchange: ClientExchange) -> tuple[str, str, str]:
    agent = exchange.raw.header("user-agent") if exchange.raw is not None else None
    return "agent", exchange.address_class, agent or ""
