"""Owns spans: one for each request of the data plane and one for each request to a store, made by hand.

Refuses to own sampling and export: those are OpenTelemetry's SDK, led by its own OTEL_* variables.

Laws: off unless OTEL_TRACES_EXPORTER says otherwise, and then nothing is wrapped and nothing is imported. An attribute
holds names of ours, numbers and ids, never a path, query, header, object key, token or signature: automatic
instrumentation would copy the URL, and with it the secret of a link. A caller's trace is joined by `traceparent`;
it is not passed on to stores, since one more header would have to be signed.

Attribute names: OpenTelemetry's semantic conventions for HTTP where there is one, `gateway.` otherwise.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol, TypeVar

from gateway import __version__
from gateway.core.reasons import DependencyDown, SettingsError, UpstreamFailed
from gateway.core.record import Outcome, Record
from gateway.core.route import Answer, UploadBody, Upstream, UpstreamCall

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import TracerProvider

_OURS: Final = frozenset({Outcome.ERROR, Outcome.UPSTREAM_FAILED})
"""Outcomes that are failures of the service, as far as a span's status is concerned."""


class _Request(Protocol):
    """What a span needs of a request."""

    @property
    def headers(self) -> Mapping[str, str]: ...


_Via = TypeVar("_Via")
_Reply = TypeVar("_Reply")
_Incoming = TypeVar("_Incoming", bound=_Request)
_Handle = Callable[[_Via, _Incoming], Awaitable[_Reply]]


def open_tracing(environ: Mapping[str, str]) -> Tracing | None:
    """Spans sent by OTLP over HTTP if OTEL_TRACES_EXPORTER is `otlp`; None when it is not set or `none`.

    Raises:
        SettingsError: it names another exporter, or the `tracing` extra is not installed.
    """
    wanted = environ.get("OTEL_TRACES_EXPORTER", "").strip() or "none"
    if wanted == "none" or environ.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return None
    if wanted != "otlp":
        raise SettingsError(f"OTEL_TRACES_EXPORTER: {wanted!r} is not offered: write otlp or none")
    try:
        exporters = importlib.import_module("opentelemetry.exporter.otlp.proto.http.trace_exporter")
        sdk = importlib.import_module("opentelemetry.sdk.trace")
        batches = importlib.import_module("opentelemetry.sdk.trace.export")
        resources = importlib.import_module("opentelemetry.sdk.resources")
    except ImportError:
        raise SettingsError("OTEL_TRACES_EXPORTER is set, but the extra gateway[tracing] is not installed") from None
    described = {"service.name": environ.get("OTEL_SERVICE_NAME") or "gateway", "service.version": __version__}
    provider = sdk.TracerProvider(resource=resources.Resource.create(described))
    provider.add_span_processor(batches.BatchSpanProcessor(exporters.OTLPSpanExporter()))
    return Tracing(provider)


class Tracing:
    """Makes spans at three places: around a handler, from the record of a request, and around the way to the stores."""

    def __init__(self, provider: TracerProvider) -> None:
        self._provider = provider
        self._tracer = provider.get_tracer("gateway", __version__)
        self._trace = importlib.import_module("opentelemetry.trace")
        context = importlib.import_module("opentelemetry.trace.propagation.tracecontext")
        self._propagator = context.TraceContextTextMapPropagator()

    def trace_handler(self, handle: _Handle[_Via, _Incoming, _Reply]) -> _Handle[_Via, _Incoming, _Reply]:
        """The same handler inside a span of kind server, joined to the caller's trace if it named one."""
        kind = self._trace.SpanKind.SERVER

        async def handle_in_span(connection: _Via, request: _Incoming) -> _Reply:
            carrier = {name: request.headers[name] for name in ("traceparent", "tracestate") if name in request.headers}
            context = self._propagator.extract(carrier) if carrier else None
            # An exception's message may hold anything, so it is not recorded: the record says how it ended.
            with self._tracer.start_as_current_span(
                "request", context, kind, record_exception=False, set_status_on_exception=False
            ):
                return await handle(connection, request)

        return handle_in_span

    def describe(self, record: Record) -> None:
        """Make a record the attributes of the span that it ends in: to be called within the request."""
        span = self._trace.get_current_span()
        if span.is_recording():
            span.update_name(record.operation or "request")
            span.set_attributes(_attributes(record))
            if record.outcome in _OURS:
                span.set_status(self._trace.StatusCode.ERROR, record.reason)

    def trace_upstream(self, upstream: Upstream) -> Upstream:
        """The same way to the stores, with a span of kind client around each request and its body."""
        return _TracedUpstream(upstream, self._trace_call)

    @asynccontextmanager
    async def _trace_call(
        self, opened: AbstractAsyncContextManager[Answer], call: UpstreamCall
    ) -> AsyncIterator[Answer]:
        kind = self._trace.SpanKind.CLIENT
        given = {"gateway.backend": call.backend, "http.request.method": call.method}
        with self._tracer.start_as_current_span(
            f"{call.method} {call.backend}",
            kind=kind,
            attributes=given,
            record_exception=False,
            set_status_on_exception=False,
        ) as span:
            try:
                async with opened as answer:
                    span.set_attribute("http.response.status_code", answer.status)
                    if answer.status >= 500:
                        span.set_status(self._trace.StatusCode.ERROR)
                    yield answer
            except (UpstreamFailed, DependencyDown) as failure:
                reason = failure.reason if isinstance(failure, UpstreamFailed) else "dependency_down"
                span.set_attribute("error.type", str(reason))
                span.set_status(self._trace.StatusCode.ERROR, str(reason))
                raise

    def close(self) -> None:
        """Send what is left; blocks for as long as the exporter takes (OTEL_BSP_EXPORT_TIMEOUT)."""
        self._provider.shutdown()


class _TracedUpstream:
    """An `Upstream` whose `open` is inside a span."""

    def __init__(self, upstream: Upstream, asked: Callable[..., AbstractAsyncContextManager[Answer]]) -> None:
        self._upstream = upstream
        self._trace_call = asked

    def open(self, call: UpstreamCall, body: UploadBody | None = None) -> AbstractAsyncContextManager[Answer]:
        return self._trace_call(self._upstream.open(call, body), call)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._upstream, name)


def _attributes(record: Record) -> dict[str, str | int]:
    """What of a record may stand in a span. The grant's id is not its token."""
    found: dict[str, str | int] = {
        "http.response.status_code": record.status,
        "http.request.body.size": record.bytes_in,
        "http.response.body.size": record.bytes_out,
        "gateway.request_id": record.request_id,
        "gateway.operation": record.operation,
        "gateway.principal": record.principal,
        "gateway.grant": record.grant_id or "",
        "gateway.bucket": record.bucket,
        "gateway.backend": record.backend,
        "gateway.outcome": str(record.outcome),
    }
    if record.reason:
        found["error.type"] = record.reason
    return {name: value for name, value in found.items() if value != ""}
