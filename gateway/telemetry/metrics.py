"""Owns every metric of the gateway: its name, its labels and the closed sets those take values from.

Refuses to own arithmetic (`gateway.telemetry.series`), the text format (prometheus_client), and when something is
counted: callers say what happened in one call each.

Law: a label never holds a token, key, path, address or anything else a caller chose. Names that come from settings
(backends) and from code (operations of the control API) are announced first (`announce_names`); others are `other`.
"""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Final, Literal, cast

from gateway import __version__
from gateway.core.grant import GrantAdmin, GrantStore
from gateway.core.issued import SessionIssuer
from gateway.core.lease import LeaseStore
from gateway.core.limits import LimitStore
from gateway.core.reasons import Reason
from gateway.core.record import Ledger, Outcome
from gateway.core.request import Operation
from gateway.core.revocation import RevocationFeed
from gateway.telemetry.series import Counter, Gauge, Histogram, Switch, Tally, Vocabulary

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry
    from prometheus_client.registry import Collector

_TRANSFER_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10, 30, 60, 300)
"""OpenTelemetry's advice for HTTP durations, and three more for large bodies."""

_FAST_BOUNDS: Final = (0.000005, 0.00001, 0.000025, 0.00005, 0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.01)
"""Presigning is arithmetic: microseconds."""

_STORE_BOUNDS: Final = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.5, 1, 5)
_LAG_BOUNDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10)
"""1 and 5 s are the bounds of the promise on revocation."""

_STATUS_CODES: Final = (
    *(200, 201, 204, 206, 304, 307, 400, 401, 403, 404, 405, 409, 411, 412, 413, 416, 429),
    *(500, 501, 502, 503, 504),
)
_STATUSES: Final = (*map(str, _STATUS_CODES), "none", "1xx", "2xx", "3xx", "4xx", "5xx")
_STATUS_TEXT: Final = {code: str(code) for code in _STATUS_CODES}
_STORE_PROTOCOLS: Final = {
    GrantStore: "grants",
    GrantAdmin: "grants",
    SessionIssuer: "grants",
    LeaseStore: "grants",
    LimitStore: "limits",
    Ledger: "audit",
    RevocationFeed: "revocations",
}
_STORE_OF: Final = {name: (store,) for kind, store in _STORE_PROTOCOLS.items() for name in vars(kind) if name[0] != "_"}
"""Each method of a store protocol: which dependency it asks, by the names of the fail postures."""

_WAITING: Final = RevocationFeed.changed.__name__

Plane = Literal["data", "control"]
Direction = Literal["in", "out"]
CacheResult = Literal["hit", "miss", "negative", "stale"]
LimiterDecision = Literal["allowed", "refused", "skipped"]
ReloadResult = Literal["ok", "failed"]
MailResult = Literal["sent", "failed", "dropped"]
UnsignedType = Literal["accepted", "refused"]


class Metrics:
    """All metrics of one process, in a registry of its own.

    Seconds everywhere, bytes everywhere. Every method is synchronous, never raises for a value, and is called on
    the event loop's thread.
    """

    def __init__(self) -> None:
        self._planes = Vocabulary("plane", ("data", "control"))
        self._operations = Vocabulary("operation", Operation)
        self._backends = Vocabulary("backend", ("none",))
        self._reasons = Vocabulary("reason", Reason)
        self._declare_requests()
        self._declare_upstream()
        self._declare_state()

    @cached_property
    def registry(self) -> CollectorRegistry:
        """What the page is written from, made at the first call: its library takes four megabytes."""
        from prometheus_client import CollectorRegistry, GCCollector, Info, ProcessCollector  # noqa: PLC0415

        registry = CollectorRegistry(auto_describe=False)
        for collector in vars(self).copy().values():
            if isinstance(collector, Counter | Histogram | Switch | Gauge):
                registry.register(cast("Collector", collector))
        Info("gateway_build", "What is running.", registry=registry).info(
            {"version": __version__, "python": platform.python_version()}
        )
        ProcessCollector(registry=registry)
        GCCollector(registry=registry)
        return registry

    def _declare_requests(self) -> None:
        place = (self._planes, self._operations)
        outcomes = Vocabulary("outcome", Outcome)
        self._requests = Counter("gateway_requests", "Requests that ended.", (*place, self._backends, outcomes))
        self._durations = Histogram(
            "gateway_request_duration_seconds", "Arrival of a request to its last byte.", _TRANSFER_BOUNDS, place
        )
        self._first_bytes = Histogram(
            "gateway_time_to_first_byte_seconds",
            "Arrival of a request to the first byte of its answer.",
            _TRANSFER_BOUNDS,
            place,
        )
        directions = Vocabulary("direction", ("in", "out"))
        self._bytes = Counter("gateway_bytes", "Body bytes that really moved.", (directions, self._backends))
        self.transfers = Gauge("gateway_transfers_in_progress", "Admitted requests whose body has not ended.")
        self._refusals = Counter("gateway_refusals", "Requests refused, by reason.", (self._reasons,))
        self._refusals.start((reason,) for reason in Reason)
        self._cuts = Counter("gateway_streams_cut", "Transfers cut off after their first byte.", (self._reasons,))
        verdicts = Vocabulary("decision", ("accepted", "refused"))
        self._unsigned_types = Counter(
            "gateway_unsigned_content_types", "Signed requests with a Content-Type that they do not sign.", (verdicts,)
        )
        self._unsigned_types.start((verdict,) for verdict in verdicts)
        self._forwarded = Counter(
            "gateway_forwarded_ignored", "Requests whose fields about the client's address were not believed."
        )
        causes = Vocabulary("why", ("too_many", "no_descriptors", "proxy_protocol"))
        self._refused_connections = Counter(
            "gateway_connections_refused", "Connections that were closed before any request.", (causes,)
        )
        self._refused_connections.start((cause,) for cause in causes)
        self._lost_lines = Counter(
            "gateway_lost_log_lines", "Lines of the log that no reader took in time, or no disk."
        )
        self._dropped = Counter(
            "gateway_dropped_records", "Records that reached the log and not the ledger, or not the counts of uses."
        )

    def _declare_upstream(self) -> None:
        statuses = Vocabulary("status", _STATUSES)
        self._answers = Counter("gateway_upstream_requests", "Requests sent to a store.", (self._backends, statuses))
        self._answer_times = Histogram(
            "gateway_upstream_duration_seconds",
            "Sending a request to the store's status line.",
            _TRANSFER_BOUNDS,
            (self._backends,),
        )
        self._presigns = Histogram("gateway_presign_duration_seconds", "Computing one presigned request.", _FAST_BOUNDS)

    def _declare_state(self) -> None:
        self._view_age = Gauge("gateway_revocation_view_age_seconds", "Age of this process's view of revocations.")
        self._list_age = Gauge(
            "gateway_revocation_list_age_seconds", "Age of the file of listed revocations; 0 without one."
        )
        self._clock_skew = Gauge(
            "gateway_clock_skew_seconds", "The most by which the clocks here and at a store of state differ."
        )
        self._lags = Histogram(
            "gateway_revocation_lag_seconds", "A revocation's record to its effect in this process.", _LAG_BOUNDS
        )
        results = Vocabulary("result", ("hit", "miss", "negative", "stale"))
        self._cache = Counter("gateway_grant_cache", "Look-ups of grants.", (results,))
        self._cache.start((result,) for result in results)
        decisions = Vocabulary("decision", ("allowed", "refused", "skipped"))
        self._decisions = Counter("gateway_limiter_decisions", "Answers of the limiter.", (decisions,))
        self._decisions.start((decision,) for decision in decisions)
        store_operations = Vocabulary("operation", _STORE_OF)
        self._store_times = Histogram(
            "gateway_store_operation_duration_seconds",
            "One call to the state store.",
            _STORE_BOUNDS,
            (store_operations,),
        )
        stores = Vocabulary("store", _STORE_PROTOCOLS.values())
        self._store_up = Switch("gateway_state_store_up", "1 if the store answered the last call to it.", (stores,))
        outcomes = Vocabulary("result", ("ok", "failed"))
        self._reloads = Counter("gateway_policy_reloads", "Reloads of settings and policies.", (outcomes,))
        self._reloads.start((outcome,) for outcome in outcomes)
        self._reload_ok = Gauge("gateway_config_last_reload_successful", "1 if the last reload was taken over.", 1)
        self._reloaded_at = Gauge(
            "gateway_config_last_reload_success_timestamp_seconds", "When the settings in force were taken over."
        )
        self._waiting = Gauge("gateway_grants_awaiting_approval", "Links and keys that somebody else has to release.")
        fates = Vocabulary("result", ("sent", "failed", "dropped"))
        self._mails = Counter("gateway_mails", "Mails, by what became of them.", (fates,))
        self._mails.start((fate,) for fate in fates)
        self._mails_waiting = Gauge("gateway_mails_waiting", "Mails that are queued or on their way.")
        self._certificate_ends = Gauge(
            "gateway_tls_certificate_expiry_timestamp_seconds",
            "When the first of the listeners' certificates ends; 0 without TLS.",
        )

    def announce_names(self, *, backends: Iterable[str] = (), operations: Iterable[str] = ()) -> None:
        """Announce names that may stand in labels: backends of the policy, operations of the control API."""
        names = tuple(backends)
        self._backends.learn(names)
        self._operations.learn(operations)
        self._bytes.start((direction, name) for direction in ("in", "out") for name in names)

    def count_request(  # noqa: PLR0917 (once a request: names of arguments would cost as much as the counting)
        self, plane: Plane, operation: str, backend: str, outcome: str, seconds: float, first_byte: float | None
    ) -> None:
        """One request ended. `first_byte` is the time to the answer's first byte, None if there was none.

        `backend` is `none`, or "" for short, when the request never got as far as a store.
        """
        self._requests.add((plane, operation, backend or "none", outcome))
        place = (plane, operation)
        self._durations.observe(place, seconds)
        if first_byte is not None:
            self._first_bytes.observe(place, first_byte)

    def count_control_request(self, operation: str, status: int, seconds: float) -> None:
        """A request to the control API ended with this HTTP status."""
        outcome = Outcome.OK if status < 400 else Outcome.REFUSED if status < 500 else Outcome.ERROR
        self.count_request("control", operation, "none", outcome, seconds, None)

    def count_bytes(self, direction: Direction, backend: str, count: int) -> None:
        """Body bytes: `in` from the client, `out` to the client."""
        self._bytes.add((direction, backend or "none"), count)

    def count_refusal(self, reason: str) -> None:
        self._refusals.add((reason,))

    def count_unsigned_content_type(self, decision: UnsignedType) -> None:
        """A signed request came with a `Content-Type` that its signature does not cover."""
        self._unsigned_types.add((decision,))

    def count_ignored_forwarding(self) -> None:
        """One request came through a proxy that is not declared, or from a client that pretends to be one."""
        self._forwarded.add()

    def count_refused_connection(self, why: str) -> None:
        """A connection was closed before any request: too many of one address, of all, or one that began otherwise."""
        self._refused_connections.add((why,))

    def count_cut(self, reason: str) -> None:
        self._cuts.add((reason,))

    def count_dropped_records(self, count: int) -> None:
        self._dropped.add((), count)

    def observe_answer(self, backend: str, status: int, seconds: float) -> None:
        """A store answered with this status. Rare codes are counted by their class."""
        self._answers.add((backend, _STATUS_TEXT.get(status) or f"{status // 100}xx"))
        self._answer_times.observe((backend,), seconds)

    def count_failure(self, backend: str, reason: Reason) -> None:
        """A store did not answer; so there is no time that it took to."""
        self._answers.add((backend, "none"))

    def observe_presign(self, seconds: float) -> None:
        self._presigns.observe((), seconds)

    def tally_grant_hits(self) -> Tally:
        """For the look-ups that `count_grant_lookup` would be told were a `hit`: every request makes one."""
        return self._cache.tally(("hit",))

    def count_grant_lookup(self, result: CacheResult) -> None:
        """`negative` is a remembered "there is none", `stale` an entry that the feed had invalidated."""
        self._cache.add((result,))

    def count_limiter_decision(self, decision: LimiterDecision) -> None:
        """`skipped` is a request let through while the limiter was down and its posture open."""
        self._decisions.add((decision,))

    def observe_store_operation(self, name: str, seconds: float, *, answered: bool = True) -> None:
        """`name` is a method of one of the store protocols of the core; not `answered` means that the store is down.

        How long a follower waited for a change does not measure the store and is not recorded.
        """
        if name != _WAITING:
            self._store_times.observe((name,), seconds)
        store = _STORE_OF.get(name)
        if store is not None:
            self._store_up.turn(store, on=answered)

    def observe_revocation_lag(self, seconds: float) -> None:
        self._lags.observe((), seconds)

    def report_view_age(self, age: Callable[[], float]) -> None:
        """The function that is asked for the age of the revocation view at every scrape."""
        self._view_age.ask(age)

    def report_list_age(self, age: Callable[[], float]) -> None:
        """The function that is asked for the age of the list of revocations at every scrape."""
        self._list_age.ask(age)

    def measure_lost_lines(self, lost: Callable[[], float]) -> None:
        """The function that is asked at every scrape how many lines of the log nobody took."""
        self._lost_lines.ask(lost)

    def measure_clocks(self, skew: Callable[[], float]) -> None:
        """The function that is asked at every scrape how far the clocks of the stores of state are from this one."""
        self._clock_skew.ask(skew)

    def count_reload(self, result: ReloadResult) -> None:
        """A reload was tried; the first load counts too."""
        self._reloads.add((result,))
        self._reload_ok.value = float(result == "ok")
        if result == "ok":
            self._reloaded_at.value = time.time()

    def set_waiting(self, count: int) -> None:
        """So many grants wait for an approval, in the whole store."""
        self._waiting.value = count

    def count_mail(self, result: MailResult) -> None:
        """One mail was sent, was refused or tried in vain, or did not fit."""
        self._mails.add((result,))

    def set_mails_waiting(self, count: int) -> None:
        """So many mails are queued or on their way."""
        self._mails_waiting.value = count

    def set_certificate_end(self, at: float) -> None:
        """Certificates were loaded, the first of which ends then (seconds since the epoch)."""
        self._certificate_ends.value = at

    def render(self, accept: str | None = None) -> tuple[str, bytes]:
        """The page: its content type, negotiated by the Accept header, and its bytes."""
        from prometheus_client.exposition import choose_encoder  # noqa: PLC0415 (as above)

        encoder, content_type = choose_encoder(accept or "")
        return content_type, encoder(self.registry)
