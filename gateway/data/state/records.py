"""Owns step 8: everything known about an attempt, written once: record, metrics, log line. It never refuses.

Refuses to own what is written where (`gateway.stores`, `gateway.telemetry`).

Law: one record an attempt, on bytes that actually moved. Records are written in batches behind the answer; when the
ledger is down they wait, up to a bound, then dropped and counted, or the gateway refuses, as the posture says.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable
from typing import Final

from gateway.core.attempt import Attempt
from gateway.core.grant import Grant
from gateway.core.lease import LEASE_WINDOW, LeaseStore, Reservation
from gateway.core.reasons import DependencyDown, Reason, Refused, UpstreamFailed
from gateway.core.record import Ledger, Outcome, Record
from gateway.core.request import ObjectRequest
from gateway.core.route import Route
from gateway.core.values import dataclass
from gateway.data.state.transfers import Permit
from gateway.server.exchange import ClientExchange
from gateway.telemetry.metrics import Metrics
from gateway.telemetry.redaction import without_tokens

__all__ = ["Account", "Accounts", "outcome_of"]

_KEPT: Final = 10_000
_BATCH: Final = 1000
_PAUSE: Final = 0.1
_CLIENT_REASONS: Final = frozenset({Reason.CLIENT_GONE, Reason.INCOMPLETE_BODY})


def outcome_of(failure: BaseException | None, exchange: ClientExchange) -> tuple[Outcome, str]:
    """How an attempt ended, and the reason in words of the table."""
    if exchange.cut_reason is not None:
        return Outcome.CUT, exchange.cut_reason
    match failure:
        case None:
            return Outcome.OK, ""
        case Refused(reason=reason):
            if reason in _CLIENT_REASONS:
                return Outcome.CLIENT_GONE, reason
            return Outcome.REFUSED, reason
        case UpstreamFailed(reason=reason):
            return Outcome.UPSTREAM_FAILED, reason
        case DependencyDown():
            return Outcome.ERROR, Reason.DEPENDENCY_DOWN
        case asyncio.CancelledError() if exchange.whole:
            return Outcome.OK, ""
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
        outcome, reason = outcome_of(self.failure, self.exchange)
        if outcome is Outcome.OK and self.permit is not None and self.permit.store_error is not None:
            outcome, reason = Outcome.REFUSED, self.permit.store_error
        attempt, exchange = self.attempt, self.exchange
        return Record(
            request_id=exchange.request_id,
            at=self.now,
            duration=ended - self.started,
            principal=str(attempt.principal) if attempt is not None else "",
            grant_id=self.grant.id if self.grant is not None else None,
            operation=self.request.operation if self.request is not None else "",
            bucket=attempt.bucket if attempt is not None else "",
            key=without_tokens(attempt.key) if attempt is not None else "",
            backend=self.route.backend.name if self.route is not None else "",
            peer=str(exchange.peer or ""),
            status=exchange.status,
            outcome=outcome,
            reason=reason,
            bytes_in=exchange.bytes_in + (self.permit.copied if self.permit is not None else 0),
            bytes_out=exchange.bytes_out,
            fresh_use=self._took_use,
        )

    @property
    def _took_use(self) -> bool:
        """Whether the caller got something that no earlier request of the same use had paid for."""
        permit = self.permit
        return permit is not None and permit.consumed and (permit.lease is None or permit.lease.fresh)


@dataclass(frozen=True, slots=True)
class _Closed:
    """What is told of an attempt. `first` is the time to its answer's first byte, in seconds."""

    record: Record
    first: float | None
    detail: str
    uncounted_use: str | None
    copied_from: str
    copied: int


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
        self.ledger_down = False

    def close(self, account: Account) -> None:
        """The last step of every attempt."""
        exchange, permit = account.exchange, account.permit
        uncounted = permit is not None and permit.consumed and permit.lease is None and not permit.reserved
        record = account.record(self._monotonic())
        if self._describe is not None:
            self._describe(record)
        self._closed.append(
            _Closed(
                record,
                None if exchange.first_byte_at is None else exchange.first_byte_at - account.started,
                _detail(account.failure),
                permit.lease_key if permit is not None and uncounted else None,
                permit.source.route.backend.name if permit is not None and permit.source is not None else "",
                permit.copied if permit is not None else 0,
            )
        )
        if len(self._closed) == 1:
            asyncio.get_running_loop().call_soon(self.tell)

    def tell(self) -> None:
        """Tell of all that have closed."""
        closed, self._closed = self._closed, []
        for one in closed:
            self._tell(one)

    def _tell(self, closed: _Closed) -> None:
        record = closed.record
        backend = record.backend or "none"
        self._metrics.count_request("data", record.operation, backend, record.outcome, record.duration, closed.first)
        if record.bytes_out:
            self._metrics.count_bytes("out", backend, record.bytes_out)
        if record.bytes_in:
            self._metrics.count_bytes("in", backend, record.bytes_in)
        if closed.copied and closed.copied_from:
            self._metrics.count_bytes("out", closed.copied_from, closed.copied)
        if record.reason and record.outcome is Outcome.REFUSED:
            self._metrics.count_refusal(record.reason)
        self._log(record, closed.detail)
        if len(self._waiting) >= _KEPT:
            if record.grant_id is None and record.principal in {"", "anonymous"}:
                self._metrics.count_dropped_records(1)  # a flood of anonymous requests displaces no record of a grant
                return
            self._waiting.popleft()
            self._metrics.count_dropped_records(1)
        self._waiting.append((record, closed.uncounted_use))
        self._wake.set()

    async def run(self) -> None:
        """Write batches until cancelled, then write what is left once more."""
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                await self.flush()
                await asyncio.sleep(_PAUSE)
        finally:
            await asyncio.shield(self.flush())

    async def flush(self) -> None:
        """Write all that waits, or leave it waiting while the ledger is down."""
        self.tell()
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(_BATCH, len(self._waiting)))]
            try:
                await self._ledger.append([record for record, _ in batch])
            except DependencyDown:
                self.ledger_down = True
                self._waiting.extendleft(reversed(batch))
                self._wake.set()
                return
            self.ledger_down = False
            await self._count_uses(batch)

    async def _count_uses(self, batch: list[tuple[Record, str | None]]) -> None:
        """Uses of links without a limit are counted here, behind the answer: no request waits for statistics."""
        moved: Counter[tuple[str, str]] = Counter()
        last: dict[tuple[str, str], float] = {}
        for record, lease_key in batch:
            if lease_key is not None and record.grant_id is not None:
                use = (record.grant_id, lease_key)
                moved[use] += record.bytes_in + record.bytes_out
                last[use] = record.at
        try:
            for (grant_id, lease_key), at in last.items():
                uncounted = Reservation(grant_id, lease_key)
                await self._leases.open_lease(uncounted, None, at, LEASE_WINDOW)
                await self._leases.settle_bytes(uncounted, moved[grant_id, lease_key], at)
        except DependencyDown:
            self._metrics.count_dropped_records(len(batch))


def _detail(failure: BaseException | None) -> str:
    if isinstance(failure, Refused | UpstreamFailed | DependencyDown):
        return failure.detail
    return "" if failure is None or isinstance(failure, asyncio.CancelledError) else type(failure).__name__
