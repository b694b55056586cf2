"""Owns which engine a state URL means, and the value that holds the opened stores.

Refuses to own what an engine does. The engines that need a further library are imported only when they are named.

Law: one engine holds grants, leases and feed together, because their serials come from one counter and their
changes from one transaction. Only limits and the ledger may live elsewhere.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import unquote, urlsplit

from gateway.core.grant import GrantAdmin
from gateway.core.issued import SessionIssuer
from gateway.core.lease import LeaseStore
from gateway.core.limits import LimitStore
from gateway.core.reasons import DependencyDown, SettingsError
from gateway.core.record import Ledger
from gateway.core.revocation import RevocationFeed
from gateway.stores.limits import MemoryLimits
from gateway.stores.memory import MemoryState
from gateway.stores.patience import PatientLimits
from gateway.stores.sealed import SealedGrants, check_seals
from gateway.stores.sqlite import SqliteState

__all__ = ["Engine", "State", "open_state"]

Clock = Callable[[], float]

_SQLITE: Final = "sqlite:///"
_REDIS: Final = frozenset({"redis", "rediss"})
_POSTGRES: Final = frozenset({"postgresql", "postgres"})
_CENTRAL: Final = frozenset({"central+https", "central+http"})
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*", re.ASCII)


class Engine(GrantAdmin, LeaseStore, LimitStore, RevocationFeed, Ledger, Protocol):
    """What every engine is: all five stores, opened and closed as one."""

    async def open(self) -> None: ...

    async def probe(self) -> float | None:
        """See `gateway.stores.pulse.Probed`."""
        ...

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class State:
    """The opened stores, one field an interface; several fields may be one engine.

    `issuer` is the central gateway where one keeps the grants, and None where keys are made here. `sealed` is `grants`
    itself where secrets are kept under a sealing key. `roles` names each engine once, by the first of grants, limits
    and records that it keeps.
    """

    grants: GrantAdmin
    leases: LeaseStore
    limits: LimitStore
    feed: RevocationFeed
    ledger: Ledger
    engines: tuple[Engine, ...] = ()
    issuer: SessionIssuer | None = None
    sealed: SealedGrants | None = None
    roles: Mapping[str, Engine] = field(default_factory=dict)

    async def close(self) -> None:
        """Close every engine, the last one opened first."""
        await _close(self.engines)


async def open_state(
    grants: str,
    *,
    limits: str | None = None,
    records: str | None = None,
    clock: Clock = time.time,
    processes: int = 1,
    accept_redis_durability: bool = False,
    token: str = "",
    sealing_keys: Sequence[tuple[int, str]] = (),
) -> State:
    """Open what the URLs name: `memory:`, `sqlite:///FILE`, `postgresql://…`, `redis://…`.

    `grants` also holds leases and the feed. `limits` and `records` (the ledger) go there too unless they name another
    store. `sqlite:///gateway.db` is relative to the working directory, `sqlite:////var/lib/gateway.db` is absolute.
    `processes` is how many gateways on this host share the store: a single one counts SQLite's limits in memory,
    several share a file beside it. `accept_redis_durability` admits Redis for grants and revocations, although it may
    lose acknowledged writes. `central+https://HOST` is another gateway's control API, where `token` is a sidecar's.
    `sealing_keys` are numbers with keys: the first one seals what is secret in a grant, each of them opens it.

    Raises:
        SettingsError: a URL is wrong, its library is not installed, the engine cannot be opened, what it holds is
            sealed under a key that is not given, or Redis would hold the grants without the operator's word for it.
    """
    if _scheme(grants) in _REDIS and not accept_redis_durability:
        raise SettingsError(
            "state: Redis may lose acknowledged revocations when it fails over: keep grants in sqlite:///FILE or "
            "postgresql://… and limits in Redis, or write accept_redis_durability: true."
        )
    if processes > 1 and "memory" in {_scheme(url) for url in (grants, limits or grants, records or grants)}:
        raise SettingsError("state: memory: is not shared between processes: use sqlite:///FILE with several workers.")
    if processes > 1 and {_scheme(limits or grants), _scheme(records or grants)} & _CENTRAL:
        raise SettingsError(
            "state: a central gateway keeps no limits and records of its sidecars: with several workers, name a place "
            "for both, like sqlite:///FILE."
        )
    engines: dict[str, Engine] = {}
    try:
        for url in (grants, limits or grants, records or grants):
            if url not in engines:
                engine = _engine(url, clock, token, counts_only=url not in {grants, records or grants})
                await engine.open()
                engines[url] = engine
        sealed = await _sealed(engines[grants], sealing_keys)
    except BaseException:
        await _close(engines.values())
        raise
    main, counters, ledger = engines[grants], engines[limits or grants], engines[records or grants]
    counting: LimitStore = counters
    if processes == 1 and isinstance(counters, SqliteState):
        counting = MemoryLimits()
    elif _scheme(limits or grants) in _POSTGRES | _REDIS:
        counting = PatientLimits(counters)
    issuer = main if isinstance(main, SessionIssuer) else None
    roles = {"records": ledger, "limits": counters, "grants": main}
    roles = {name: engine for name, engine in roles.items() if name == "grants" or engine is not main}
    if counters is ledger and counters is not main:
        del roles["records"]
    return State(sealed or main, main, counting, main, ledger, tuple(engines.values()), issuer, sealed, roles)


async def _sealed(main: Engine, keys: Sequence[tuple[int, str]]) -> SealedGrants | None:
    """What stands before the grants where there are sealing keys."""
    ring = None
    if keys:
        from gateway.stores.keyring import KeyRing  # noqa: PLC0415 (seven megabytes: only who has keys needs it)

        ring = KeyRing(keys)
    try:
        await check_seals(main, ring)
    except DependencyDown as failure:
        raise SettingsError(f"state: {failure.detail}.") from None
    return None if ring is None else SealedGrants(main, ring, secrets.token_bytes)


async def _close(engines: Iterable[Engine]) -> None:
    for engine in reversed(tuple(engines)):
        await engine.close()


def _scheme(url: str) -> str:
    scheme = url.partition(":")[0]
    return scheme if _SCHEME.fullmatch(scheme) else ""


def _engine(url: str, clock: Clock, token: str, *, counts_only: bool) -> Engine:
    scheme = _scheme(url)
    if url in {"memory:", "memory://"}:
        return MemoryState(clock=clock)
    if scheme == "sqlite":
        return SqliteState(_sqlite_path(url), clock=clock)
    if scheme in _POSTGRES:
        return _postgres(url, clock)
    if scheme in _REDIS:
        return _redis(url, clock, counts_only=counts_only)
    if scheme in _CENTRAL:
        return _central(url, clock, token)
    # The URL itself stays out of the message: it may hold a password.
    raise SettingsError(
        f"state: {scheme or 'this'} is no known kind of store: write memory:, sqlite:///FILE, postgresql://… or redis://…"
    )


def _postgres(url: str, clock: Clock) -> Engine:
    try:
        from gateway.stores.postgres import PostgresState  # noqa: PLC0415 (an extra: only who names it needs it)
    except ModuleNotFoundError as error:
        raise SettingsError("state: PostgreSQL needs asyncpg: install gateway[postgres].") from error
    return PostgresState(url, clock=clock)


def _redis(url: str, clock: Clock, *, counts_only: bool) -> Engine:
    try:
        from gateway.stores.redis import RedisState  # noqa: PLC0415 (as above)
    except ModuleNotFoundError as error:
        raise SettingsError("state: Redis needs redis-py: install gateway[redis].") from error
    return RedisState(url, clock=clock, counts_only=counts_only)


def _central(url: str, clock: Clock, token: str) -> Engine:
    from gateway.stores.central import CentralState  # noqa: PLC0415 (an HTTP client: only who names it needs it)

    return CentralState(url, token, clock=clock)


def _sqlite_path(url: str) -> str:
    path = unquote(url.removeprefix(_SQLITE))
    if not url.startswith(_SQLITE) or not path or urlsplit(url).query:
        raise SettingsError(
            "state: a SQLite URL is sqlite:///FILE (relative) or sqlite:////DIR/FILE, with nothing after."
        )
    return path
