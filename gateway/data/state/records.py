"""Owns step 8: everything known about an attempt, written once: record, metrics, log line. It never refuses.

Refuses to own what is written where (`gateway.stores`, `gateway.telemetry`).

Law: one record an attempt, on bytes that actually moved. Records are written in batches behind the answer; when the
ledger is down they wait, up to a bound, then dropped and counted, or the gateway refuses, as the posture says.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Final

from gateway.core.attempt import Attempt
from gateway.core.grant import Grant
from gateway.core.lease import LEASE_WINDOW, LeaseStore, Use
from gateway.core.reasons import DependencyDown, Reason, Refused, UpstreamFailed
from gateway.core.record import Ledger, Outcome, Record
from gateway.core.request import ObjectRequest
from gateway.core.route import Route
from gateway.data.state.transfers import Permit
from gateway.server.exchange import ClientExchange
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.redaction import without_tokens

_KEPT: Final = 10_000
_BATCH: Final = 2000
"""Records that are written in one go, with their uses, so that no other write waits for more."""
_PAUSE: Final = 0.25
"""Seconds for which what a crash would lose is gathered: where many links are used, a larger batch costs each of them
less."""

_CLIENT_REASONS: Final = frozenset({Reason.CLIENT_GONE, Reason.INCOMPLETE_BODY})


_OK: Final = Outcome.OK
_REFUSED: Final = Outcome.REFUSED


def outcome_of(failure: BaseException | None, exchange: ClientExchange) -> tuple[Outcome, str]:
    """How an attempt ended, and the reason in words of the table."""
    if exchange.cut_reason is not None:
        return _REFUSED if exchange.refused else Outcome.CUT, exchange.cut_reason
    if failure is None:
        return _OK, ""
    match failure:
        case Refused(reason=reason):
            if reason in _CLIENT_REASONS:
                return Outcome.CLIENT_GONE, reason
            return _REFUSED, reason
        case UpstreamFailed(reason=reason):
            return Outcome.UPSTREAM_FAILED, reason
        case DependencyDown():
            return Outcome.ERROR, Reason.DEPENDENCY_DOWN
        case asyncio.CancelledError() if exchange.whole:
            return _OK, ""
        case asyncio.CancelledError():
            return Outcome.CLIENT_GONE, Reason.CLIENT_GONE
        case _:
            return Outcome.ERROR, Reason.INTERNAL


class Account:
    """What is known so far about one attempt; the steps fill it in as they learn."""

    __slots__ = ("attempt", "exchange", "failure", "grant", "now", "permit", "request", "route", "started")

    def __init__(self, exchange: ClientExchange, now: float, started: float) -> None:
        self.exchange = exchange
        self.now = now
        self.started = started
        self.request: ObjectRequest | None = None
        self.grant: Grant | None = None
        self.attempt: Attempt | None = None
        self.route: Route | None = None
        self.permit: Permit | None = None
        self.failure: BaseException | None = None

    def record(self, ended: float) -> Record:
        exchange, attempt, permit = self.exchange, self.attempt, self.permit
        outcome, reason = outcome_of(self.failure, exchange)
        bytes_in, fresh_use = exchange.bytes_in, False
        if permit is not None:
            attempt = permit.attempt  # a file may have got another name
            bytes_in += permit.copied
            # Whether the caller got something that no earlier request of the same use had paid for.
            fresh_use = permit.consumed and (permit.lease is None or permit.lease.fresh)
            if permit.store_error is not None and outcome is _OK:
                outcome, reason = _REFUSED, permit.store_error
        principal = bucket = key = ""
        if attempt is not None:
            principal, bucket, key = attempt.principal.text, attempt.bucket, without_tokens(attempt.key)
        return Record(  # in the order of its fields: each request does this, and names would cost as much as the rest
            exchange.request_id,
            self.now,
            ended - self.started,
            principal,
            self.grant.id if self.grant is not None else None,
            self.request.operation if self.request is not None else "",
            bucket,
            key,
            self.route.backend.name if self.route is not None else "",
            exchange.address,
            exchange.status,
            outcome,
            reason,
            bytes_in,
            exchange.bytes_out,
            fresh_use,
            exchange.accepted_terms,
            "" if attempt is None or attempt.holder is None else attempt.holder.address,
        )


_Closed = tuple[Record, float | None, str, str | None, str, int]
"""What is told of an attempt: its record, the seconds to its answer's first byte, why it failed in our own words, the
use that was not counted, and how much came from which other backend."""


class Accounts:
    """Settles every account as it closes; tells log and metrics right after, when its answer has left, with all that
    have closed in the same turn; and the ledger in batches.
    """

    def __init__(
        self,
        ledger: Ledger,
        leases: LeaseStore,
        metrics: Metrics,
        *,
        monotonic: Callable[[], float],
        log: Callable[[Record, str], None],
        describe: Callable[[Record], None] | None = None,
    ) -> None:
        """`describe` hears of each record within its request; `log` and metrics when its answer has left."""
        self._ledger = ledger
        self._leases = leases
        self._metrics = metrics
        self._monotonic = monotonic
        self._log = log
        self._describe = describe
        self._closed: list[_Closed] = []
        self._waiting: deque[tuple[Record, str | None]] = deque()
        self._wake = asyncio.Event()
        self._writing = asyncio.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self.ledger_down = False

    def close(self, account: Account) -> None:
        """The last step of every attempt."""
        exchange, permit = account.exchange, account.permit
        record = account.record(self._monotonic())
        if self._describe is not None:
            self._describe(record)
        first, use, copied_from, copied = exchange.first_byte_at, None, "", 0
        detail = "" if account.failure is None else _detail(account.failure)
        if permit is not None:
            detail = detail or permit.store_said
            if permit.consumed and permit.lease is None and not permit.reserved:
                use = permit.lease_key
            if permit.source is not None:
                copied_from, copied = permit.source.route.backend.name, permit.copied
        self._closed.append(
            (
                record,
                None if first is None else first - account.started,
                detail,
                use,
                copied_from,
                copied,
            )
        )
        if len(self._closed) == 1:
            if self._loop is None:
                self._loop = asyncio.get_running_loop()  # once: to ask is a system call
            self._loop.call_soon(self.tell)

    def tell(self) -> None:
        """Tell of all that have closed."""
        closed, self._closed = self._closed, []
        for one in closed:
            self._tell(*one)

    def _tell(  # noqa: PLR0917 (as `_Closed`)
        self, record: Record, first: float | None, detail: str, use: str | None, copied_from: str, copied: int
    ) -> None:
        backend, metrics = record.backend or "none", self._metrics
        metrics.count_request("data", record.operation, backend, record.outcome, record.duration, first)
        if record.bytes_out:
            metrics.count_bytes("out", backend, record.bytes_out)
        if record.bytes_in:
            metrics.count_bytes("in", backend, record.bytes_in)
        if copied and copied_from:
            metrics.count_bytes("out", copied_from, copied)
        if record.reason and record.outcome is _REFUSED:
            metrics.count_refusal(record.reason)
        self._log(record, detail)
        if len(self._waiting) >= _KEPT:
            if record.grant_id is None and record.principal in {"", "anonymous"}:
                metrics.count_dropped_records(1)  # a flood of anonymous requests displaces no record of a grant
                return
            self._waiting.popleft()
            metrics.count_dropped_records(1)
        self._waiting.append((record, use))
        self._wake.set()

    async def run(self) -> None:
        """Write batches until cancelled, then write what is left once more."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await asyncio.shield(self._write_waiting())  # a batch that is being written is not given up
                if self.ledger_down or len(self._waiting) < _BATCH:  # a whole batch need not wait to become one
                    await asyncio.sleep(_PAUSE)
        finally:
            await asyncio.shield(self.flush())

    async def flush(self) -> None:
        """Write all that waits, and what comes meanwhile, or leave it waiting while the ledger is down."""
        while await self._write_waiting() and self._waiting:
            pass

    async def _write_waiting(self) -> bool:
        """Whether the ledger took all that waits now.

        What comes meanwhile waits for the next time: written at once, it would be a batch of one or two again and
        again, each as dear as one of many.
        """
        async with self._writing:
            self.tell()
            for _ in range(0, len(self._waiting), _BATCH):
                if not await self._write_batch():
                    return False
        return True

    async def _write_batch(self) -> bool:
        """Whether the ledger took what has waited longest."""
        batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
        try:
            await self._ledger.append([record for record, _ in batch])
        except DependencyDown:
            self.ledger_down = True
            self._waiting.extendleft(reversed(batch))
            self._wake.set()
            return False
        self.ledger_down = False
        await self._count_uses(batch)
        return True

    async def _count_uses(self, batch: list[tuple[Record, str | None]]) -> None:
        """Uses of links without a limit are counted here, behind the answer: no request waits for statistics."""
        moved: dict[tuple[str, str], int] = {}
        last: dict[tuple[str, str], float] = {}
        for record, key in batch:
            if key is not None and record.grant_id is not None:
                use = (record.grant_id, key)
                moved[use] = moved.get(use, 0) + record.bytes_in + record.bytes_out
                last[use] = record.at
        uses = [Use(*use, moved[use], at) for use, at in last.items()]
        try:
            if uses:
                await self._leases.count_uses(uses, LEASE_WINDOW)
        except DependencyDown:
            self._metrics.count_dropped_records(len(batch))


def _detail(failure: BaseException) -> str:
    if isinstance(failure, Refused | UpstreamFailed | DependencyDown):
        return failure.detail
    return "" if isinstance(failure, asyncio.CancelledError) else type(failure).__name__
