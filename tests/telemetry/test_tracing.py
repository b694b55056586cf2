"""Spans, as an exporter gets them."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from gateway.core.reasons import Reason, SettingsError, UpstreamFailed
from gateway.core.record import Outcome, Record
from gateway.core.route import Answer, EmptyBody, UpstreamCall
from gateway.telemetry.tracing import Tracing, open_tracing

_TOKEN = "gl_8fWpQ2vTn4xR7kZs9bMcYdLh3jGe6aUo"
_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
_PARENT = f"00-{_TRACE}-00f067aa0ba902b7-01"


_CALL = UpstreamCall(backend="store", method="GET", bucket="real", key=f"x/{_TOKEN}")


@dataclass
class _Request:
    headers: dict[str, str] = field(default_factory=dict)


class _Store:
    """An upstream that answers with a status, or fails."""

    def __init__(self, status: int = 200, failure: Exception | None = None) -> None:
        self.status = status
        self.failure = failure

    @asynccontextmanager
    async def open(self, call: UpstreamCall, body: Any = None) -> AsyncIterator[Answer]:
        if self.failure is not None:
            raise self.failure
        yield Answer(self.status, {}, 0, EmptyBody())

    def presign(self, call: UpstreamCall, expires_in: int) -> str:
        return f"https://store.example/{call.key}?X-Amz-Signature=abc&expires={expires_in}"


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter: InMemorySpanExporter) -> Tracing:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return Tracing(provider)


def _record(**changes: Any) -> Record:
    known: dict[str, Any] = {
        "request_id": "0A1B",
        "at": 1.0,
        "duration": 0.5,
        "principal": "link:l_1",
        "grant_id": "l_1",
        "operation": "GetObject",
        "bucket": "files",
        "key": f"secret/{_TOKEN}.pdf",
        "backend": "store",
        "peer": "192.0.2.7",
        "status": 200,
        "outcome": Outcome.OK,
        "reason": "",
        "bytes_in": 0,
        "bytes_out": 7,
        "fresh_use": True,
    }
    return Record(**{**known, **changes})


async def _serve(tracing: Tracing, record: Record, store: _Store, headers: dict[str, str] | None = None) -> None:
    """One request that asks a store and ends with this record."""
    upstream = tracing.trace_upstream(store)

    async def handle(via: str, request: _Request) -> str:
        try:
            async with upstream.open(_CALL):
                pass
        except UpstreamFailed:
            pass
        tracing.describe(record)
        return "reply"

    assert "reply" == await tracing.trace_handler(handle)("a connection", _Request(headers or {}))


async def test_a_request_is_two_spans(tracing: Tracing, exporter: InMemorySpanExporter) -> None:
    """The store's lies inside ours, and both say what happened in our own words."""
    await _serve(tracing, _record(), _Store())
    inner, outer = exporter.get_finished_spans()
    assert (SpanKind.CLIENT, "GET store", 200) == (
        inner.kind,
        inner.name,
        (inner.attributes or {})["http.response.status_code"],
    )
    assert (SpanKind.SERVER, "GetObject", "ok") == (outer.kind, outer.name, (outer.attributes or {})["gateway.outcome"])
    assert inner.parent is not None
    assert inner.parent.span_id == outer.context.span_id
    assert (StatusCode.UNSET, StatusCode.UNSET) == (inner.status.status_code, outer.status.status_code)


async def test_a_callers_trace_is_joined(tracing: Tracing, exporter: InMemorySpanExporter) -> None:
    """A traceparent makes our span a child; a malformed one, or none, begins a trace."""
    await _serve(tracing, _record(), _Store(), {"traceparent": _PARENT})
    await _serve(tracing, _record(), _Store(), {"traceparent": "00-nonsense"})
    joined, begun = [span for span in exporter.get_finished_spans() if span.kind is SpanKind.SERVER]
    assert (_TRACE, True) == (f"{joined.context.trace_id:032x}", begun.parent is None)


async def test_no_span_holds_a_secret_or_a_key(tracing: Tracing, exporter: InMemorySpanExporter) -> None:
    """Neither the token, nor the object's name, nor an address, nor the store's URL, however the request ends."""
    failure = UpstreamFailed(Reason.UPSTREAM_BROKE, f"while reading /s/{_TOKEN}")
    for store in (_Store(), _Store(503), _Store(failure=failure)):
        headers = {"traceparent": _PARENT, "Authorization": f"Bearer {_TOKEN}"}
        await _serve(tracing, _record(), store, headers)
    with pytest.raises(RuntimeError):
        await tracing.trace_handler(_broken)("a connection", _Request())
    texts = [span.to_json() for span in exporter.get_finished_spans()]
    assert 7 == len(texts)
    for secret in (_TOKEN, "secret/", "192.0.2.7", "Signature", "real", "Bearer"):
        assert [] == [text for text in texts if secret in text]


async def _broken(via: str, request: _Request) -> str:
    raise RuntimeError(f"broke at /s/{_TOKEN}")


@pytest.mark.parametrize(
    ("outcome", "reason", "status"),
    [
        (Outcome.ERROR, "internal", StatusCode.ERROR),
        (Outcome.UPSTREAM_FAILED, "upstream_broke", StatusCode.ERROR),
        (Outcome.REFUSED, "revoked", StatusCode.UNSET),
        (Outcome.CLIENT_GONE, "client_gone", StatusCode.UNSET),
    ],
)
async def test_only_our_failures_are_errors(
    tracing: Tracing, exporter: InMemorySpanExporter, outcome: Outcome, reason: str, status: StatusCode
) -> None:
    """A refusal on purpose and a client that left are no errors of the service."""
    await _serve(tracing, _record(outcome=outcome, reason=reason), _Store())
    outer = exporter.get_finished_spans()[-1]
    assert (status, reason) == (outer.status.status_code, (outer.attributes or {})["error.type"])


@pytest.mark.parametrize("store", [_Store(503), _Store(failure=UpstreamFailed(Reason.UPSTREAM_TIMED_OUT))])
async def test_a_stores_failure_is_an_error_of_its_span(
    tracing: Tracing, exporter: InMemorySpanExporter, store: _Store
) -> None:
    """A 5xx and no answer at all both mark the request to the store."""
    await _serve(tracing, _record(), store)
    assert StatusCode.ERROR is exporter.get_finished_spans()[0].status.status_code


def test_the_rest_of_the_upstream_is_reached_through(tracing: Tracing) -> None:
    """Presigning is not a request, and makes no span."""
    upstream = tracing.trace_upstream(_Store())
    assert upstream.presign(_CALL, 15).endswith("expires=15")


@pytest.mark.parametrize(
    "environ", [{}, {"OTEL_TRACES_EXPORTER": "none"}, {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SDK_DISABLED": "true"}]
)
def test_off_is_nothing(environ: dict[str, str]) -> None:
    """Unless it is asked for there is no tracing at all."""
    assert open_tracing(environ) is None


def test_an_unknown_exporter_is_a_fault() -> None:
    """The sentence says what to write."""
    with pytest.raises(SettingsError, match="otlp"):
        open_tracing({"OTEL_TRACES_EXPORTER": "jaeger"})


async def test_spans_reach_a_collector(monkeypatch: pytest.MonkeyPatch) -> None:
    """As opened from the environment, under the service's name; what is left is sent at the end."""
    bodies: list[bytes] = []

    async def collect(request: web.Request) -> web.Response:
        bodies.append(gzip.decompress(body) if (body := await request.read())[:2] == b"\x1f\x8b" else body)
        return web.Response()

    app = web.Application()
    app.router.add_post("/v1/traces", collect)
    async with TestServer(app) as collector:
        monkeypatch.setenv("OTEL_EXPORTER_OTLP_ENDPOINT", f"http://127.0.0.1:{collector.port}")
        tracing = open_tracing({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_SERVICE_NAME": "edge"})
        assert tracing is not None
        await _serve(tracing, _record(), _Store())
        await asyncio.to_thread(tracing.close)
    [sent] = bodies
    assert b"edge" in sent
    assert b"GetObject" in sent
    assert _TOKEN.encode() not in sent
