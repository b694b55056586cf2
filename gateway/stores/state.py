"""Owns which engine a state URL means, and the value that holds the opened stores.

Refuses to own what an engine does. The engines that need a further library are imported only when they are named.

Law: one engine holds grants, leases, feed and ledger together, because their serials come from one counter. A second
URL may only take the limits over.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

from gateway.core.grant import GrantAdmin
from gateway.core.lease import LeaseStore
from gateway.core.limits import LimitStore
from gateway.core.reasons import SettingsError
from gateway.core.record import Ledger
from gateway.core.revocation import RevocationFeed
from gateway.stores.limits import MemoryLimits
from gateway.stores.memory import MemoryState
from gateway.stores.sqlite import SqliteState

__all__ = ["State", "open_state"]

Clock = Callable[[], float]

_SQLITE: Final = "sqlite:///"
_REDIS_SCHEMES: Final = frozenset({"redis", "rediss", "valkey", "valkeys", "unix"})
_POSTGRES_SCHEMES: Final = frozenset({"postgresql", "postgres"})
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*", re.ASCII)


class Engine(GrantAdmin, LeaseStore, LimitStore, RevocationFeed, Ledger, Protocol):
    """What every engine is: all five stores, opened and closed as one."""

    async def open(self) -> None: ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class State:
    """The opened stores, one field an interface; several fields may be one engine."""

    grants: GrantAdmin
    leases: LeaseStore
    limits: LimitStore
    feed: RevocationFeed
    ledger: Ledger
    engines: tuple[Engine, ...] = ()

    async def close(self) -> None:
        """Close every engine, the last one opened first."""
        for engine in reversed(self.engines):
            await engine.close()


async def open_state(
    urls: str | Sequence[str],
    *,
    clock: Clock = time.time,
    processes: int = 1,
    accept_redis_durability: bool = False,
) -> State:
    """Open what the URLs name: `memory:`, `sqlite:///FILE`, `postgresql://…`, `redis://…`.

    `sqlite:///gateway.db` is relative to the working directory, `sqlite:////var/lib/gateway.db` is absolute. A second
    URL takes the limits over (`["postgresql://…", "redis://…"]`). `processes` is how many gateways share the store on
    this host: a single one counts SQLite's limits in memory, several share a file beside it.
    `accept_redis_durability` admits Redis for grants and revocations, although it may lose acknowledged writes.

    Raises:
        SettingsError: a URL is wrong, its library is not installed, the engine cannot be opened, or Redis alone
            would hold the grants without the operator's word for it.
    """
    names = [urls] if isinstance(urls, str) else list(urls)
    if not 1 <= len(names) <= 2:
        raise SettingsError("state: name one URL for everything, and at most a second one for the limits.")
    if _scheme(names[0]) in _REDIS_SCHEMES and not accept_redis_durability:
        raise SettingsError(
            "state: Redis alone may lose acknowledged revocations when it fails over. Name a sqlite:/// or "
            "postgresql:// URL first and Redis second, or accept its durability in the settings."
        )
    if _scheme(names[0]) == "memory" and processes > 1:
        raise SettingsError("state: memory: is not shared between processes; use sqlite:///FILE with several workers.")
    engines: list[Engine] = []
    try:
        for name in names:
            engine = _engine(name, clock)
            await engine.open()
            engines.append(engine)
    except BaseException:
        for engine in reversed(engines):
            await engine.close()
        raise
    main = engines[0]
    limits: LimitStore = engines[-1]
    if limits is main and _scheme(names[0]) == "sqlite" and processes == 1:
        limits = MemoryLimits()
    return State(main, main, limits, main, main, tuple(engines))


def _scheme(url: str) -> str:
    scheme = url.partition(":")[0]
    return scheme if _SCHEME.fullmatch(scheme) else ""


def _engine(url: str, clock: Clock) -> Engine:
    scheme = _scheme(url)
    if url == "memory:":
        return MemoryState(clock=clock)
    if scheme == "sqlite":
        return SqliteState(_sqlite_path(url), clock=clock)
    # The URL itself stays out of the message: it may hold a password.
    raise SettingsError(
        f"state: {scheme or 'this'} is no known kind of store: write memory:, sqlite:///FILE, postgresql://… or redis://…"
    )


def _sqlite_path(url: str) -> str:
    path = unquote(url.removeprefix(_SQLITE))
    if not url.startswith(_SQLITE) or not path or urlsplit(url).query:
        raise SettingsError(
            "state: a SQLite URL is sqlite:///FILE (relative) or sqlite:////DIR/FILE, with nothing after."
        )
    return path
