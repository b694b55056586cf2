"""Owns the way of a request of the control API, in one function: find the row, ask who calls, read, act, count.

Refuses to own the rows (`gateway.control.rows`) and the reading of HTTP (`gateway.server`).

Laws: no query or body is read before the caller is authenticated. A handler that has begun runs to its end, audit
entry included, although its caller disconnects; an answer that its caller does not take in time is given up. Rows that
need models of bodies and answers are loaded by the first request that is no probe, in a thread: memory and start time
that a gateway without operators never needs.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit

from gateway.control.api import Api
from gateway.control.console.sessions import Sessions
from gateway.control.deps import ControlDeps
from gateway.control.endpoint import Call, Endpoint, Router
from gateway.control.probes import PROBES
from gateway.control.problems import describe_failure, problem
from gateway.core.reasons import Reason, Refused
from gateway.core.request import RawRequest
from gateway.server.connection import Connection
from gateway.server.exchange import ClientExchange
from gateway.server.listener import Handle
from gateway.server.request import IncomingRequest
from gateway.wire.replies import Reply

if TYPE_CHECKING:
    from gateway.control.console.plane import Console

Answered = TypeVar("Answered")

_RECHECK_SECONDS: Final = 0.5
_END_SECONDS: Final = 10.0
_SLOW_SECONDS: Final = 10.0
_SLOWEST: Final = 1024
"""Bytes in a second that a client has to take of an answer at least, with `_SLOW_SECONDS` besides."""
_STS: Final = frozenset({"/sts", "/sts/"})
_REQUEST_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{0,127}", re.ASCII)
_SAFE: Final = (
    ("Cache-Control", "no-store"),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
)

ReadInput = Callable[[Endpoint[Any, Any], RawRequest, ClientExchange, str | None], Awaitable[tuple[Any, Any] | Reply]]


class ControlPlane:
    """Handles the requests of a listener, which is not its own."""

    def __init__(self, deps: ControlDeps) -> None:
        self.api = Api(deps)
        self._process = deps.process
        self._entropy = deps.live.entropy
        self._router: Router[Endpoint[Any, Any]] = Router(PROBES)
        self._read: ReadInput = _read_nothing
        self._acts: set[asyncio.Task[Any]] = set()
        live = deps.live
        self._sessions = Sessions(live.console, live.clock, live.entropy, self._share)
        self._console: Console | None = None
        self._process.know(frozenset(row.name for row in PROBES))

    def hear(self, said: str) -> None:
        """What another process of this gateway says of a session of the console, or of a code that begins one.

        Raises:
            LookupError: the code is taken.
        """
        if not self.api.entry_codes.hear(said):
            self._sessions.hear(said)

    def _share(self, said: str) -> None:
        if self._process.processes > 1:
            self._start(_said(self._process.share(said)))

    def sts_before(self, handler: Handle) -> Handle:
        """The handler of another listener, whose requests to `/sts`, and no others of ours, are answered here."""

        async def handle(connection: Connection, arrival: IncomingRequest) -> None:
            if arrival.method == "POST" and arrival.target in _STS:
                await self.handle(connection, arrival)
            else:
                await handler(connection, arrival)

        return handle

    async def handle(self, connection: Connection, arrival: IncomingRequest) -> None:
        """Answer one request."""
        began = time.perf_counter()
        sent = arrival.headers.get("x-request-id", "")
        request_id = sent if _REQUEST_ID.fullmatch(sent) else self._entropy(12).hex()
        exchange = ClientExchange(connection, arrival, request_id, connection.peer)
        name, reply = await self._answer(exchange)
        if reply is None:  # the console has sent it, piece by piece
            return
        self._process.count(name, reply.status, time.perf_counter() - began)
        with suppress(Refused):  # the client has gone
            said = {field.lower() for field, _ in reply.headers}
            safe = (pair for pair in _SAFE if pair[0].lower() not in said)
            await _send(
                exchange, Reply(reply.status, (*reply.headers, ("X-Request-Id", request_id), *safe), reply.body)
            )

    async def _answer(self, exchange: ClientExchange) -> tuple[str, Reply | None]:
        """The name of the operation, "" for what is none, and the answer; None where it has been given."""
        request_id, name = exchange.request_id, ""
        try:
            raw = exchange.read_head()
            found = self._router.find(raw.path)
            if found is None and self._read is _read_nothing:
                await self._load()
                found = self._router.find(raw.path)
            if found is None and (place := self._console_place(raw)) is not None:
                console = self._console or await self._open_console()
                answer = await self._shield(console.answer(exchange, raw, place))
                if isinstance(answer, Reply):
                    return "console", answer
                await answer.run(exchange, console.streams)
                return "console", None
            if found is None:
                return name, problem(request_id, 404, Reason.UNSUPPORTED_OPERATION, "no endpoint has this path")
            rows = _with_heads(found.methods)
            row = rows.get(raw.method)
            if row is None:
                allow = (("Allow", ", ".join(sorted(rows))),)
                return name, problem(
                    request_id, 405, Reason.METHOD_NOT_ALLOWED, "this endpoint has no such method", headers=allow
                )
            name = row.name
            admitted = await self.api.guard.admit(
                row.access, raw, exchange.peer, found.values, private=exchange.private
            )
            read = await self._read(row, raw, exchange, admitted.digest)
            if isinstance(read, Reply):
                return name, read
            call = Call(request_id, raw, exchange.peer, admitted, found.values, *read)
            if row.waits:
                return name, await self._wait_while_admitted(row, call)
            return name, await self._shield(_act(row, self.api, call))
        except Exception as failure:  # noqa: BLE001 (the last line of defence: nothing inner may reach a caller)
            return name, describe_failure(request_id, failure)

    def _console_place(self, raw: RawRequest) -> str | None:
        """What follows `/ui` in a path of the console's; a proxy may leave the public URL's own path before it."""
        rules = self.api.deps.live.console()
        prefix = "" if rules.public_url is None else urlsplit(rules.public_url).path
        path = raw.path.removeprefix(prefix) if raw.path.startswith(f"{prefix}/ui") else raw.path
        inside = rules.enabled and (path == "/ui" or path.startswith("/ui/"))
        return path.removeprefix("/ui") if inside else None

    async def _open_console(self) -> Console:
        """The pages, with their library, loaded in a thread as the rows are."""
        module = await asyncio.to_thread(import_module, "gateway.control.console.plane")
        self._process.know(frozenset({"console"}))
        console: Console = module.Console(self.api, self._sessions)
        self._console = console
        return console

    async def _load(self) -> None:
        rows = (await asyncio.to_thread(import_module, "gateway.control.rows")).ROWS
        reading = import_module("gateway.control.reading")
        self._process.know(frozenset(row.name for row in rows))
        self._router, self._read = Router(rows), reading.read_input

    async def _shield(self, act: Coroutine[Any, Any, Answered]) -> Answered:
        """The answer of a handler that runs on when this is cancelled."""
        return await asyncio.shield(self._start(act))

    def _start(self, act: Coroutine[Any, Any, Answered]) -> asyncio.Task[Answered]:
        task = asyncio.get_running_loop().create_task(act)
        self._acts.add(task)
        task.add_done_callback(self._acts.discard)
        return task

    async def _wait_while_admitted(self, row: Endpoint[Any, Any], call: Call[Any, Any]) -> Reply:
        """The answer of a long poll, if its caller would still be admitted; checked twice a second while it waits."""
        task = asyncio.get_running_loop().create_task(_act(row, self.api, call))
        guard = self.api.guard
        try:
            while not (await asyncio.wait({task}, timeout=_RECHECK_SECONDS))[0]:
                if not guard.still_admits(row.access, call.admitted):
                    break
            if not guard.still_admits(row.access, call.admitted):
                raise Refused(Reason.CREDENTIALS_MISSING, "a valid token is needed")
            return task.result()
        finally:
            task.cancel()

    def end_waits(self) -> None:
        """End the long polls and the console's streams, those to come included, with what they have."""
        self.api.waits.end()

    async def finish(self) -> None:
        """Return when the handlers that have begun are done."""
        if self._acts:
            await asyncio.wait(self._acts, timeout=_END_SECONDS)


def _with_heads(rows: Mapping[str, Endpoint[Any, Any]]) -> Mapping[str, Endpoint[Any, Any]]:
    """The rows of a path, those that are read under HEAD, too (RFC 9110, 9.3.2): probes of balancers and containers
    ask that way. What a GET makes is for who sees it."""
    read = rows.get("GET")
    return rows if read is None or read.makes else {**rows, "HEAD": read}


async def _said(sharing: Awaitable[int]) -> None:
    with suppress(LookupError):  # a session that one process has not heard of ends there by itself
        await sharing


async def _read_nothing(
    row: Endpoint[Any, Any], raw: RawRequest, exchange: ClientExchange, digest: str | None
) -> tuple[None, None]:
    """Probes have neither query nor body."""
    return None, None


async def _act(row: Endpoint[Any, Any], api: Api, call: Call[Any, Any]) -> Reply:
    try:
        return await row.handler(api, call)
    except Exception as failure:  # noqa: BLE001 (its caller may have gone: then only the log has it)
        return describe_failure(call.request_id, failure)


async def _send(exchange: ClientExchange, reply: Reply) -> None:
    """Answer, as long as the client takes it: what it leaves here is memory that others need.

    Raises:
        Refused: the client has gone.
    """
    try:
        async with asyncio.timeout(_SLOW_SECONDS + len(reply.body) / _SLOWEST):
            await exchange.send(reply)
    except TimeoutError:
        exchange.cut(Reason.CLIENT_TOO_SLOW)
