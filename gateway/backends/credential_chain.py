"""Owns where a backend's credentials come from, and keeps them fresh ahead of their expiry.

Refuses to own signing with them. Static ones never change; a chain's are loaded by the cloud library, in a thread with
an event loop of its own, because it reads files and parses service models while the data plane must not wait.

Law: while current credentials are valid, no request waits for new ones. There is never more than one load at a time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, Protocol

from gateway.core.backend import ChainSource, Credentials
from gateway.core.reasons import Reason, UpstreamFailed
from gateway.core.units import format_instant
from gateway.core.values import dataclass

REFRESH_AHEAD: Final = 900.0
"""Seconds before expiry at which new ones are fetched; the lead that AWS's own libraries take."""

RELOAD_EVERY: Final = 300.0
"""Seconds after which credentials without an expiry (environment, files) are read again: files are rotated in place."""

RETRY_AFTER: Final = 10.0
"""Seconds between a failed load and the next."""


class CredentialSource(Protocol):
    """Credentials of one backend."""

    def current(self) -> Credentials | None:
        """Valid ones, at once; None when there are none at hand."""
        ...

    async def fetch(self) -> Credentials:
        """Valid ones, waiting for a load if need be.

        Raises:
            UpstreamFailed: UPSTREAM_UNREACHABLE when none can be had.
        """
        ...

    async def close(self) -> None:
        """Stop loading."""
        ...


class StaticCredentials:
    """Credentials that were written down."""

    __slots__ = ("_credentials",)

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    def current(self) -> Credentials | None:
        return self._credentials

    async def fetch(self) -> Credentials:
        return self._credentials

    async def close(self) -> None:
        return None


@dataclass(frozen=True, slots=True, repr=False)
class LoadedCredentials:
    """What a load brought. `expires_at` is in seconds since the epoch, None for credentials that do not expire;
    `method` is the cloud library's name for the provider that had them."""

    credentials: Credentials
    expires_at: float | None
    method: str = "chain"

    def tell_expiry(self) -> str:
        """Which ones have expired, and when."""
        return f"those of {self.method} expired at {format_instant(self.expires_at or 0.0)}"


Load = Callable[[], Awaitable[LoadedCredentials]]


class ChainCredentials:
    """Credentials from the machine, refreshed ahead of expiry. `clock` gives seconds since the epoch."""

    def __init__(self, load: Load, clock: Callable[[], float]) -> None:
        self._load = load
        self._clock = clock
        self._loaded: LoadedCredentials | None = None
        self._due = 0.0
        self._task: asyncio.Task[None] | None = None
        self._fault = ""

    def current(self) -> Credentials | None:
        loaded, now = self._loaded, self._clock()
        if loaded is None or (loaded.expires_at is not None and now >= loaded.expires_at):
            return None
        if now >= self._due:
            self._begin()
        return loaded.credentials

    async def fetch(self) -> Credentials:
        credentials = self.current()
        if credentials is None:
            if self._task is not None or self._clock() >= self._due:
                await asyncio.shield(self._begin())
            credentials = self.current()
        if credentials is None:
            raise UpstreamFailed(Reason.UPSTREAM_UNREACHABLE, f"no credentials for the store: {self._fault}")
        return credentials

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    def _begin(self) -> asyncio.Task[None]:
        if self._task is None:
            self._task = asyncio.get_running_loop().create_task(self._refresh())
        return self._task

    async def _refresh(self) -> None:
        """One load. A failure leaves what is there, and is raised only when nothing is left."""
        try:
            loaded = await self._load()
        except Exception as error:  # noqa: BLE001 (a dozen providers with their own exceptions; all mean "none")
            expired = self._loaded is not None and self._loaded.expires_at is not None
            since = f"; {self._loaded.tell_expiry()}" if expired and self._loaded is not None else ""
            self._fault = f"{type(error).__name__} while loading them{since}"
            self._due = self._clock() + RETRY_AFTER
        else:
            now = self._clock()
            self._loaded, self._fault = loaded, loaded.tell_expiry()
            if loaded.expires_at is None:
                self._due = now + RELOAD_EVERY
            else:
                # Short-lived ones are renewed at half of their life, and never in a tight loop.
                self._due = max(now + 1.0, loaded.expires_at - min(REFRESH_AHEAD, (loaded.expires_at - now) / 2))
        finally:
            self._task = None


def load_chain(source: ChainSource) -> Load:
    """A loader that asks the cloud library's resolver: environment, shared files, web identity, container, instance."""

    async def load() -> LoadedCredentials:
        return await asyncio.to_thread(_resolve_in_thread, source)

    return load


def _resolve_in_thread(source: ChainSource) -> LoadedCredentials:
    return asyncio.run(_resolve(source))


async def _resolve(source: ChainSource) -> LoadedCredentials:
    """A fresh session every time, so that changed files and variables are seen."""
    from aiobotocore.session import AioSession  # noqa: PLC0415 (costs a second: only a chain pays it)

    session = AioSession(profile=source.profile_name)
    found = await session.get_credentials()
    if found is None:
        raise LookupError("no provider of the chain has credentials")
    expiry = getattr(found, "_expiry_time", None)
    try:
        keys = await found.get_frozen_credentials()
    except Exception:
        if expiry is None or expiry.timestamp() > time.time():
            raise
        # What the library found is over and it got nothing newer: that is worth more than the exception it has for it.
        return LoadedCredentials(Credentials("", ""), expiry.timestamp(), found.method)
    expiry = getattr(found, "_expiry_time", None)
    return LoadedCredentials(
        Credentials(keys.access_key, keys.secret_key, keys.token or None),
        None if expiry is None else expiry.timestamp(),
        found.method,
    )
