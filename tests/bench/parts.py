"""Owns the table of what `make profile` measures: the steps of a request and their parts, by the functions they are.

A function that is renamed is renamed here; `tests/bench/test_parts.py` finds those that are not there any more.
"""

from __future__ import annotations

__all__ = ["PARTS"]

PARTS: dict[str, tuple[str, ...]] = {
    "client's connection: bytes in": ("gateway.server.connection:Connection.buffer_updated",),
    "client's connection: answer": ("gateway.server.connection:Connection._answer",),
    "read head": ("gateway.server.head:HeadReader.read_head",),
    "serve: exchange, account, the frame of the steps": ("gateway.data.serve:serve",),
    "1 parse": ("gateway.wire.parse:parse",),
    "cross-origin headers": ("gateway.wire.http.cors:actual_headers",),
    "2 identify": ("gateway.data.steps.identify:identify",),
    "read credentials": ("gateway.wire.sig.credentials:read_credentials",),
    "3 resolve": ("gateway.data.steps.authenticate:resolve",),
    "verify signature": ("gateway.data.steps.verify:verify_signature",),
    "attempt": ("gateway.data.steps.attempt:read_call",),
    "4 authorise": ("gateway.data.steps.authorise:authorise",),
    "decide": ("gateway.core.policy:decide",),
    "5 admit": ("gateway.data.steps.admit:Admission.__aenter__",),
    "5 leave": ("gateway.data.steps.admit:Admission.__aexit__",),
    "6 open": (
        "gateway.data.steps.open:_relay",
        "gateway.data.s3.put:put",
    ),
    "upstream call": ("gateway.wire.s3.calls:upstream_call",),
    "presign and head": ("gateway.backends.presign:Presigner.request",),
    "exchange with the store": ("gateway.backends.http_call:StoreCall.exchange",),
    "exchange with the store: end": ("gateway.backends.http_call:StoreCall.end",),
    "store's connection: bytes in": ("gateway.backends.connection:Connection.buffer_updated",),
    "store's connection: bytes out": ("gateway.backends.connection:Connection.write",),
    "store's answer: read": ("gateway.backends.response:Response.feed",),
    "body: read from the store": (
        "gateway.backends.http_call:StreamedBody.__anext__",
        "gateway.backends.http_call:StreamedBody.read",
    ),
    "body: read from the client": ("gateway.server.request:IncomingBody.read",),
    "body: checks": (
        "gateway.wire.sig.checksums:BodyChecks.update",
        "gateway.wire.sig.checksums:BodyChecks.finish",
    ),
    "body: confirmed before its last byte": ("gateway.data.steps.renew:Renewals.confirm",),
    "body: aws-chunked": ("gateway.wire.sig.aws_chunked:ChunkedDecoder.feed",),
    "7 relay": ("gateway.data.steps.relay:relay",),
    "answer's headers": ("gateway.wire.s3.response_headers:response_headers",),
    "answer's head": ("gateway.wire.http.answer_head:answer_head",),
    "client's connection: bytes out": ("gateway.server.connection:Connection.write",),
    "8 account": ("gateway.data.state.records:Accounts.close",),
    "record": ("gateway.data.state.records:Account.record",),
    "log line": ("gateway.telemetry.logs:Logs.access_log",),
    "metrics": (
        "gateway.telemetry.metrics:Metrics.count_request",
        "gateway.telemetry.metrics:Metrics.count_bytes",
        "gateway.telemetry.metrics:Metrics.observe_answer",
        "gateway.telemetry.metrics:Metrics.observe_presign",
    ),
    "behind: records written": ("gateway.data.state.records:Accounts._write_batch",),
    "behind: log written": ("gateway.telemetry.logs:Logs.flush",),
}
"""Each part, and the functions that are it."""
