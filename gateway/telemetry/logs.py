"""Owns the log: one line an event to standard output, in three forms, with its level changeable while running.

Refuses to own what a secret looks like (`gateway.telemetry.redaction`) and the accounting record
(`gateway.core.record`); the access log is that record's copy for people who read logs.

Law: no line leaves unscrubbed, and neither a failure to write one nor the time it takes ever reaches the request it is
about.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import itertools
import logging
import re
import secrets
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, MutableMapping
from datetime import UTC, datetime
from ipaddress import IPv4Network, IPv6Network, ip_address
from typing import Any, BinaryIO, Final, Literal

import orjson
import structlog

from gateway.core.mail import shown_address
from gateway.core.names import is_shown
from gateway.core.reasons import TABLE
from gateway.core.record import AuditEvent, Outcome, Record
from gateway.telemetry.outlet import open_outlet
from gateway.telemetry.redaction import redact_names, scrub

LogForm = Literal["json", "console", "ecs"]
Addresses = Literal["full", "short", "none"]
Event = MutableMapping[str, Any]
Renderer = Callable[[Event], str]

LEVELS: Final = {"debug": 10, "info": 20, "warning": 30, "error": 40}
_ECS_VERSION: Final = "8.11"
_ECS_NAMES: Final = {
    "timestamp": "@timestamp",
    "level": "log.level",
    "event": "message",
    "logger": "log.logger",
    "request_id": "http.request.id",
    "operation": "event.action",
    "peer": "client.address",
    "status": "http.response.status_code",
    "bytes_in": "http.request.body.bytes",
    "bytes_out": "http.response.body.bytes",
    "reason": "error.type",
    "exception": "error.stack_trace",
}
"""Our names to those of the Elastic Common Schema; all others move under `gateway.`."""

_UNSEEN: Final = re.compile("[\x80-\x9f\xad\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]")
"""What JSON may hold as it is, and a terminal does not take as text."""

_REASON_LEVELS: Final = {str(reason): answer.level for reason, answer in TABLE.items()}
_FAILURES: Final = frozenset({Outcome.ERROR, Outcome.UPSTREAM_FAILED})
_FIRST_HALF: Final = secrets.token_hex(6).upper()
_COUNTER: Final = itertools.count(secrets.randbits(24))


def new_request_id() -> str:
    """An id for one request: 20 hex digits, unique in this process and all but surely everywhere; no secret."""
    return "%s%08X" % (_FIRST_HALF, next(_COUNTER) & 0xFFFFFFFF)  # noqa: UP031 (half of what an f-string's format costs)


@functools.lru_cache(maxsize=8)
def _second(at: int) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def _stamp(at: float) -> str:
    second = int(at)
    return f"{_second(second)}.{str(1000 + int((at - second) * 1000))[1:]}Z"  # a format would cost twice as much


@functools.lru_cache(maxsize=4096)
def _network_of(address: str) -> str:
    try:
        peer = ip_address(address)
    except ValueError:
        return ""
    if peer.version == 4:
        return str(IPv4Network((int(peer), 24), strict=False).network_address)
    if peer.ipv4_mapped is not None:
        return _network_of(str(peer.ipv4_mapped))
    return str(IPv6Network((int(peer), 48), strict=False).network_address)


_ADDRESSES: Final[dict[Addresses, Callable[[str], str]]] = {
    "full": str,
    "short": _network_of,
    "none": lambda _: "",
}


@functools.lru_cache(maxsize=4096)
def _quoted(text: str) -> str:
    """As JSON, scrubbed. Names come again with every request for them."""
    return _plain(orjson.dumps(scrub(text)).decode())


def _plain(text: str) -> str:
    """The same JSON, in which no character is left that a terminal would obey, or that turns others around."""
    return text if text.isascii() else _UNSEEN.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


@functools.lru_cache(maxsize=4096)
def _name_text(name: str | None) -> str:
    """Who asked, by which grant, and from where, as JSON: no secret can stand in these."""
    return _plain(orjson.dumps(name).decode())


def _json(event: Event) -> str:
    return _plain(orjson.dumps(event, default=str, option=orjson.OPT_NON_STR_KEYS).decode())


def _ecs(event: Event) -> str:
    fields = {_ECS_NAMES.get(name, f"gateway.{name}"): value for name, value in event.items()}
    return _json({**fields, "ecs.version": _ECS_VERSION, "service.name": "gateway"})


def _console(colours: bool) -> Renderer:  # noqa: FBT001 (private, one caller)
    renderer = structlog.dev.ConsoleRenderer(colors=colours)

    def render(event: Event) -> str:
        return str(renderer(None, "", {name: _visible(name, value) for name, value in event.items()}))

    return render


def _visible(name: str, value: Any) -> Any:
    """A value as a terminal may be given it. Only a traceback has lines of its own."""
    if not isinstance(value, str) or value.isprintable():
        return value
    lines = value.split("\n") if name == "exception" else [value]
    return "\n".join("".join(one if is_shown(one) else ascii(one)[1:-1] for one in line) for line in lines)


_HOLD_SECONDS: Final = 0.1
_PARTING_SECONDS: Final = 1.0


class Logs:
    """The log of one process. `structlog.get_logger()` anywhere, and the standard library's loggers, end here.

    `configure` sets the level, and `override` another one for a while. `stream` is standard output unless given.
    `addresses` is how much of a caller's address stands in the log: all, its network (an IPv4 /24, an IPv6 /48), or
    nothing; `address` makes that of one, and `mailbox` of a person's address for mail, of which `short` leaves the
    domain.
    """

    def __init__(
        self,
        level: str = "info",
        form: LogForm = "json",
        stream: BinaryIO | None = None,
        *,
        addresses: Addresses = "full",
    ) -> None:
        self._stream = stream or sys.stdout.buffer
        self._outlet = open_outlet(self._stream, self._tell_lost)
        self._lock = threading.Lock()
        self._held: deque[str] = deque()
        self._flushing: asyncio.TimerHandle | None = None
        forms: dict[LogForm, Renderer] = {"json": _json, "ecs": _ecs, "console": _console(self._stream.isatty())}
        self._render = forms[form]
        self.address = _ADDRESSES[addresses]
        self.mailbox: Callable[[str], str] = functools.partial(shown_address, level=addresses)
        self._peer_text = functools.lru_cache(maxsize=4096)(lambda peer: _name_text(self.address(peer)))
        self._shared_part = functools.lru_cache(maxsize=1024)(self._write_shared_part)
        self._override_end: asyncio.TimerHandle | None = None
        self.configure(level)

    @property
    def level(self) -> str:
        """The level in force: `debug`, `info`, `warning` or `error`."""
        return next(name for name, number in LEVELS.items() if number == self._minimum)

    def configure(self, level: str) -> None:
        """Set the level, and end what `override` began. Raises ValueError for what is none."""
        self._minimum = _number(level)
        self._configured = level
        self._forget_override_end()

    def override(self, level: str, seconds: float | None = None) -> None:
        """Another level until `configure` is called, or for so many seconds. Raises ValueError as `configure`."""
        self._minimum = _number(level)
        self._forget_override_end()
        if seconds is not None:
            loop = asyncio.get_running_loop()
            self._override_end = loop.call_later(seconds, self.configure, self._configured)

    def _forget_override_end(self) -> None:
        if self._override_end is not None:
            self._override_end.cancel()
            self._override_end = None

    def install(self) -> None:
        """Make structlog and the standard library's root logger write here, in place of whatever they did before."""
        structlog.configure(
            processors=[
                structlog.contextvars.merge_contextvars,
                structlog.processors.format_exc_info,
                self._finish,
            ],
            wrapper_class=structlog.make_filtering_bound_logger(LEVELS["debug"]),
            logger_factory=lambda *_: self,
            cache_logger_on_first_use=False,
        )
        root = logging.getLogger()
        root.handlers[:] = [_Bridge(self)]
        root.setLevel(logging.INFO)
        logging.getLogger("aiohttp.access").propagate = False
        logging.captureWarnings(capture=True)

    def access_log(self, record: Record, detail: str = "") -> None:
        """The line of one request. Holds ids, never a token or a query string; the key is scrubbed.

        `detail` says in our own words why it was refused or failed.
        """
        level = _REASON_LEVELS.get(record.reason) or ("error" if record.outcome in _FAILURES else "info")
        if LEVELS[level] < self._minimum:
            return
        micros = str(int(record.duration * 1e6 + 0.5)).zfill(7)
        # What a request has of its own, then what it has in common with all others of its kind, whoever asks for what.
        line = (
            f'{{"timestamp":"{_stamp(record.at)}","request_id":"{record.request_id}",'
            f'"principal":{_name_text(record.principal)},"grant":{_name_text(record.grant_id)},'
            f'"peer":{self._peer_text(record.peer)},"key":{_quoted(record.key)},"detail":{_quoted(detail)},'
            f'"bytes_in":{record.bytes_in},"bytes_out":{record.bytes_out},'
            f'"duration":{micros[:-6]}.{micros[-6:]},"fresh_use":{"true" if record.fresh_use else "false"},'
        ) + self._shared_part(
            level,
            record.operation,
            record.bucket,
            record.backend,
            record.status,
            record.outcome,
            record.reason,
            record.holder,
        )
        self._write_soon(line if self._render is _json else self._render(orjson.loads(line)))

    def _write_shared_part(self, level: str, operation: str, bucket: str, backend: str, *others: Any) -> str:
        """The end of the line of every request of one kind, in the order of the record's fields."""
        status, outcome, reason, holder = others
        shared = {
            "level": level,
            "event": "request",
            "operation": operation,
            "bucket": scrub(bucket),
            "backend": backend,
            "status": status,
            "outcome": outcome,
            "reason": reason,
        }
        if holder:
            shared["holder"] = self.mailbox(holder)
        return _json(shared)[1:]

    def audit_log(self, event: AuditEvent) -> None:
        """The line of one administrative act, at level info; the trail itself is the ledger's."""
        if LEVELS["info"] < self._minimum:
            return
        fields = {"actor": event.actor, "act": event.act, "target": event.target, **redact_names(event.detail)}
        line = {"timestamp": _stamp(event.at), "level": "info", "event": "audit", **fields}
        self._write(scrub(self._render(line)))

    def msg(self, line: str) -> None:
        """What structlog calls at the end of its chain."""
        self._write(line)

    debug = info = warning = error = critical = exception = log = msg

    def event(self, level: int, fields: Mapping[str, Any]) -> None:
        """One line from elsewhere than structlog. `fields` has an `event`; `level` is a standard library number."""
        if level >= self._minimum:
            self._write(self._render_event(_name(level), dict(fields)))

    def _finish(self, _: Any, method: str, event: Event) -> str:
        name = "error" if method in {"exception", "critical"} else method
        if LEVELS.get(name, LEVELS["info"]) < self._minimum:
            raise structlog.DropEvent
        return self._render_event(name, event)

    def _render_event(self, level: str, event: Event) -> str:
        ordered = {"timestamp": _stamp(time.time()), "level": level, "event": event.pop("event", "")}
        return scrub(self._render({**ordered, **redact_names(event)}))

    def _write(self, line: str) -> None:
        self._held.append(line)
        self.flush()

    def _write_soon(self, line: str) -> None:
        """Write within a tenth of a second: one system call for many requests. At once where no loop runs."""
        self._held.append(line)
        if self._flushing is not None:
            return
        try:
            self._flushing = asyncio.get_running_loop().call_later(_HOLD_SECONDS, self.flush)
        except RuntimeError:
            self.flush()

    def flush(self) -> None:
        """Write what is held back. A reader that went away must cost the log, not the request."""
        self._flushing = None
        with contextlib.suppress(OSError, ValueError), self._lock:
            lines = [f"{self._held.popleft()}\n" for _ in range(len(self._held))]  # another thread may add to them
            text = "".join(lines).encode("utf-8", "backslashreplace")
            if self._outlet is not None:
                self._outlet.put(text, len(lines))
                return
            self._stream.write(text)
            self._stream.flush()

    def close(self) -> None:
        """Write what is held back, and wait a moment until it is written."""
        self._forget_override_end()
        self.flush()
        if self._outlet is not None:
            self._outlet.drain(_PARTING_SECONDS)

    @property
    def lost(self) -> int:
        """How many lines nobody took, since the start."""
        return 0 if self._outlet is None else self._outlet.lost

    def _tell_lost(self, count: int) -> bytes:
        event: Event = {
            "event": "lines are missing here: the log's reader stood still, or its disk was full",
            "lines": count,
        }
        return f"{self._render_event('error', event)}\n".encode()


def _number(level: str) -> int:
    if level not in LEVELS:
        raise ValueError(f"{level!r} is not a log level: write {', '.join(LEVELS)}")
    return LEVELS[level]


def _name(level: int) -> str:
    return next((name for name, number in reversed(LEVELS.items()) if level >= number), "debug")


class _Bridge(logging.Handler):
    """Takes what libraries log through the standard library."""

    def __init__(self, logs: Logs) -> None:
        super().__init__()
        self._logs = logs
        self._texts = logging.Formatter()

    def emit(self, record: logging.LogRecord) -> None:
        fields: dict[str, Any] = {"event": record.getMessage(), "logger": record.name}
        if record.exc_info:
            fields["exception"] = self._texts.formatException(record.exc_info)
        self._logs.event(record.levelno, fields)
