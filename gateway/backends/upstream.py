"""Owns the way to every configured store: `StoreUpstream`, the one implementation of `core.route.Upstream`.

Refuses to own decisions, header lists and what an answer means to a caller.

Law: each request is presigned when it is used, or was so within ten seconds, and nothing of the presigned URL leaves
this room except through `presign`.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Protocol

from gateway.backends.connection import Timeouts
from gateway.backends.credential_chain import ChainCredentials, CredentialSource, StaticCredentials, load_chain
from gateway.backends.http_call import Source, StoreCall
from gateway.backends.pool import Authority, Pool, PoolLimits
from gateway.backends.presign import Presigner
from gateway.backends.verdict import SILENT, is_silent, part_fault, read_verdict, restore_partial, status_fault
from gateway.core.backend import BackendSpec, ChainSource
from gateway.core.reasons import Reason, SettingsError, UpstreamFailed
from gateway.core.route import Answer, UpstreamCall
from gateway.wire.sig.credentials import MAX_EXPIRES

_PATIENCE: Final = 5.0
"""Seconds after which a read that its client gave up counts as one that the store did not answer. A store that hangs
would be seen by nobody otherwise, where all clients wait for less than the time-out."""


class UpstreamObserver(Protocol):
    """Counts what happens here. Called on the hot path: must not block or raise. Durations are in seconds."""

    def observe_presign(self, seconds: float) -> None:
        """So long it took to make a request; the same call within some seconds is made once."""
        ...

    def observe_answer(self, backend: str, status: int, seconds: float) -> None:
        """A head arrived this long after the call was opened. Called once the call is closed."""
        ...

    def count_failure(self, backend: str, reason: Reason) -> None: ...


class _NoObserver:
    def observe_presign(self, seconds: float) -> None:
        return None

    def observe_answer(self, backend: str, status: int, seconds: float) -> None:
        return None

    def count_failure(self, backend: str, reason: Reason) -> None:
        return None


def _read_authorities(spec: BackendSpec) -> bytes | None:
    if spec.ca_file is None:
        return None
    try:
        return Path(spec.ca_file).read_bytes()
    except OSError as failure:
        raise SettingsError(f"{spec.ca_file}: cannot be used: {failure.strerror}") from None


class _Store:
    """One backend at work: its presigner, its credentials and its pools, one a host."""

    __slots__ = ("_last", "_limits", "_pools", "_timeouts", "_tls", "_trusted", "credentials", "presigner", "spec")

    def __init__(
        self, spec: BackendSpec, credentials: CredentialSource, observe_presign: Callable[[float], None]
    ) -> None:
        self.spec = spec
        self._trusted = _read_authorities(spec)
        self.credentials = credentials
        self.presigner = Presigner(spec, observe_presign)
        self._pools: dict[Authority, Pool] = {}
        self._last: tuple[Authority, Pool] | None = None  # the very object that was asked for last, and its pool
        self._limits = PoolLimits(
            max_connections=spec.max_connections,
            connect_timeout=spec.connect_timeout,
            queue_timeout=spec.headers_timeout,
            allow_link_local=spec.allow_link_local,
        )
        self._timeouts = Timeouts(head=spec.headers_timeout, body=spec.read_timeout)
        self._tls: ssl.SSLContext | None = None
        if spec.endpoint.startswith("https:"):
            try:
                self._tls = ssl.create_default_context(cafile=spec.ca_file)
            except OSError as failure:
                raise SettingsError(f"{spec.ca_file}: cannot be used: {failure.strerror}") from None
            self._tls.set_alpn_protocols(["http/1.1"])

    def is_still(self, spec: BackendSpec) -> bool:
        """Whether this is what the spec means now: the same words, and the same authorities in the file that they name.

        Raises:
            SettingsError: that file cannot be read.
        """
        return self.spec == spec and self._trusted == _read_authorities(spec)

    def pool(self, authority: Authority) -> Pool:
        if self._last is not None and self._last[0] is authority:
            return self._last[1]
        pool = self._pools.get(authority)
        if pool is None:
            pool = self._pools[authority] = Pool(authority, self._limits, self._timeouts, self._tls)
        self._last = authority, pool
        return pool

    @property
    def busy(self) -> bool:
        """Whether connections are still in use or being made."""
        return any(pool.size > pool.idle for pool in self._pools.values())

    def retire(self) -> None:
        for pool in self._pools.values():
            pool.retire()

    def close(self) -> None:
        for pool in self._pools.values():
            pool.close()


async def _close_credentials(stores: Iterable[_Store]) -> None:
    for store in stores:
        await store.credentials.close()


class _OpenCall(StoreCall):
    """`async with` around one call: credentials, presigning, the exchange, and the observer's calls.

    The observer hears of the answer at the end: until then somebody may wait for what else is done with it.
    """

    __slots__ = ("_answered", "upstream")

    _answered: tuple[int, float] | None  # the status, and the seconds that the store took
    upstream: StoreUpstream

    async def __aenter__(self) -> Answer:
        call, upstream = self._call, self.upstream
        self._answered = None
        started = time.perf_counter()
        try:
            store = upstream.store(call.backend)
            credentials = store.credentials.current() or await store.credentials.fetch()
            authority, head = store.presigner.request(call, credentials, upstream.clock())
            answer = await self.exchange(store.pool(authority), head)
        except UpstreamFailed as failure:
            upstream.observer.count_failure(call.backend, failure.reason)
            raise
        except asyncio.CancelledError:
            if self._body is None and not call.slow_head and time.perf_counter() - started >= _PATIENCE:
                upstream.observer.count_failure(call.backend, Reason.UPSTREAM_TIMED_OUT)
            raise
        self._answered = answer.status, time.perf_counter() - started
        bare = answer.length == 0 or call.method not in SILENT
        if answer.status == 200 and bare and "content-range" not in answer.headers:
            return answer
        try:
            return await self._judge(answer)
        except BaseException as broke:
            await self.__aexit__(type(broke), broke, None)
            raise

    async def _judge(self, answer: Answer) -> Answer:
        call = self._call
        if answer.status != 200 and (fault := status_fault(call, answer.status)) is not None:
            raise UpstreamFailed(Reason.UPSTREAM_BROKE, fault)
        if answer.status == 206 and (fault := part_fault(call, answer)) is not None:
            raise UpstreamFailed(Reason.UPSTREAM_BROKE, fault)
        if answer.length != 0 and answer.status < 300 and is_silent(call):
            return await read_verdict(call, answer)
        return restore_partial(call, answer) if answer.status == 200 and "content-range" in answer.headers else answer

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        observer, backend = self.upstream.observer, self._call.backend
        if self._answered is not None:
            observer.observe_answer(backend, *self._answered)
        if isinstance(error, UpstreamFailed):
            observer.count_failure(backend, error.reason)
        if not self.is_over():
            await self.end()


class StoreUpstream:
    """All configured backends. `clock` gives seconds since the epoch.

    Raises:
        ValueError: two specs share a name.
        SettingsError: a store's certificate authorities cannot be read.
    """

    def __init__(
        self,
        specs: Iterable[BackendSpec],
        *,
        clock: Callable[[], float] = time.time,
        on_event: UpstreamObserver | None = None,
    ) -> None:
        self.clock = clock
        self.observer: UpstreamObserver = on_event or _NoObserver()
        self._retired: list[_Store] = []
        self._stores: dict[str, _Store] = {}
        self._stores = self._make(specs)

    async def start(self) -> None:
        """Load what takes a while ahead of the first request. Credentials that cannot be had are told then."""
        for store in self._stores.values():
            try:
                await store.credentials.fetch()
            except UpstreamFailed as failure:
                self.observer.count_failure(store.spec.name, failure.reason)

    async def close(self) -> None:
        """End everything, transfers included; the caller has let them finish before."""
        for store in (*self._stores.values(), *self._retired):
            store.close()
            await store.credentials.close()

    def prepare(self, specs: Iterable[BackendSpec]) -> Callable[[], Coroutine[Any, Any, None]]:
        """Make ready to take a new set of specs; nothing has changed yet. What is answered takes it, when called in the
        same turn, and cannot fail: unchanged ones keep their connections, unless their files hold other authorities
        now; the others' transfers may finish. What that answers has to be awaited: it ends the renewal of credentials
        that are not needed any more.

        Raises:
            SettingsError: a store's certificate authorities cannot be read.
        """
        made = self._make(specs)

        def take() -> Coroutine[Any, Any, None]:
            gone = [store for name, store in self._stores.items() if made.get(name) is not store]
            self._stores = made
            for store in gone:
                store.retire()
            self._retired = [store for store in self._retired if store.busy] + gone
            return _close_credentials(gone)

        return take

    def open(self, call: UpstreamCall, body: Source = None) -> _OpenCall:
        """See `core.route.Upstream.open`."""
        opened = _OpenCall(call, body)
        opened.upstream = self
        return opened

    def presign(self, call: UpstreamCall, expires_in: int) -> str:
        """See `core.route.Upstream.presign`. At least one second, at most what profile and signature version allow."""
        store = self.store(call.backend)
        credentials = store.credentials.current()
        if credentials is None:
            raise UpstreamFailed(Reason.UPSTREAM_UNREACHABLE, "no credentials for the store at hand")
        longest = store.spec.profile.max_expires
        if store.spec.profile.signature == "v4":
            longest = min(longest or MAX_EXPIRES, MAX_EXPIRES)
        lifetime = expires_in if longest is None else min(expires_in, longest)
        return store.presigner.url(call, credentials, self.clock(), max(1, lifetime))

    def store(self, name: str) -> _Store:
        """Raises UpstreamFailed(UPSTREAM_UNREACHABLE) for a name that is not configured."""
        store = self._stores.get(name)
        if store is None:
            raise UpstreamFailed(Reason.UPSTREAM_UNREACHABLE, f"no backend is called {name}")
        return store

    def _make(self, specs: Iterable[BackendSpec]) -> dict[str, _Store]:
        stores: dict[str, _Store] = {}
        for spec in specs:
            if spec.name in stores:
                raise ValueError(f"two backends are called {spec.name}")
            kept = self._stores.get(spec.name)
            stores[spec.name] = (
                kept
                if kept is not None and kept.is_still(spec)
                else _Store(spec, self._source(spec), self._observe_presign)
            )
        return stores

    def _observe_presign(self, seconds: float) -> None:
        self.observer.observe_presign(seconds)

    def _source(self, spec: BackendSpec) -> CredentialSource:
        if isinstance(spec.credentials, ChainSource):
            return ChainCredentials(load_chain(spec.credentials), self.clock)
        return StaticCredentials(spec.credentials)
