"""Owns which engine a state URL means, and the value that holds the opened stores.

Refuses to own what an engine does. An engine is imported only when it is named.

Law: one engine holds grants, leases and feed together, because their serials come from one counter and their
changes from one transaction. Only limits and the ledger may live elsewhere.
"""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import field
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from gateway.core.grant import GrantAdmin
from gateway.core.issued import RemoteIssuer
from gateway.core.lease import LeaseStore
from gateway.core.limits import LimitStore
from gateway.core.reasons import DependencyDown, SettingsError
from gateway.core.record import Ledger
from gateway.core.revocation import RevocationFeed
from gateway.core.values import dataclass
from gateway.stores.engine import Engine
from gateway.stores.limits_breaker import LimitsBreaker
from gateway.stores.sealed import SealedGrants, check_seals

Clock = Callable[[], float]

_SQLITE: Final = "sqlite:///"
_REDIS: Final = frozenset({"redis", "rediss"})
_POSTGRES: Final = frozenset({"postgresql", "postgres"})
_CENTRAL: Final = frozenset({"central+https", "central+http"})
_SCHEME: Final = re.compile(r"[a-z][a-z0-9+.-]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class State:
    """The opened stores, one field an interface; several may be of one engine.

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
    issuer: RemoteIssuer | None = None
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
    ca_file: str | None = None,
    sealing_keys: Sequence[tuple[int, str]] = (),
) -> State:
    """Open what the URLs name: `memory:`, `sqlite:///FILE`, `postgresql://…`, `redis://…`.

    `grants` also holds leases and the feed. `limits` and `records` (the ledger) go there too unless they name another
    store. `sqlite:///gateway.db` is relative to the working directory, `sqlite:////var/lib/gateway.db` is absolute.
    `processes` is how many gateways on this host share the store: a single one counts SQLite's limits in memory,
    several share a file beside it. `accept_redis_durability` admits Redis for grants and revocations, although it may
    lose acknowledged writes. `central+https://HOST` is another gateway's control API, where `token` is a sidecar's and
    `ca_file` says whom to believe.
    `sealing_keys` are numbers with keys: the first one seals what is secret in a grant, each of them opens it.

    Raises:
        SettingsError: a URL is wrong, its library is not installed, the engine cannot be opened, what it holds is
            sealed under a key that is not given, or Redis would hold the grants without `accept_redis_durability`.
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
                counts_only = url not in {grants, records or grants}
                engines[url] = await open_engine(url, clock, token, processes, counts_only=counts_only, ca_file=ca_file)
        main, counters, ledger = engines[grants], engines[limits or grants], engines[records or grants]
        sealed = await _seal(main, sealing_keys)
    except BaseException:
        await _close(engines.values())
        raise
    networked = _scheme(limits or grants) in _POSTGRES | _REDIS
    roles = {"records": ledger, "limits": counters, "grants": main}
    roles = {name: engine for name, engine in roles.items() if name == "grants" or engine is not main}
    if counters is ledger and counters is not main:
        del roles["records"]
    return State(
        grants=sealed or main.grants,
        leases=main.leases,
        limits=LimitsBreaker(counters.limits) if networked else counters.limits,
        feed=main.feed,
        ledger=ledger.ledger,
        engines=tuple(engines.values()),
        issuer=main.issuer,
        sealed=sealed,
        roles=roles,
    )


async def _seal(main: Engine, keys: Sequence[tuple[int, str]]) -> SealedGrants | None:
    """The wrapper around the grants where there are sealing keys."""
    ring = None
    if keys:
        from gateway.stores.keyring import KeyRing

        ring = KeyRing(keys)
    try:
        await check_seals(main.grants, main.seals, ring)
    except DependencyDown as failure:
        raise SettingsError(f"state: {failure.detail}.") from None
    return (
        None if ring is None or main.seals is None else SealedGrants(main.grants, main.seals, ring, secrets.token_bytes)
    )


async def _close(engines: Iterable[Engine]) -> None:
    for engine in reversed(tuple(engines)):
        await engine.close()


def _scheme(url: str) -> str:
    scheme = url.partition(":")[0]
    return scheme if _SCHEME.fullmatch(scheme) else ""


async def open_engine(
    url: str, clock: Clock, token: str, processes: int, *, counts_only: bool, ca_file: str | None = None
) -> Engine:
    """The engine of a URL. Each is imported when it is named, and no other: they are a good part of the start.

    Raises:
        SettingsError: the URL is wrong, its library is not installed, or the engine cannot be opened.
    """
    scheme = _scheme(url)
    if url in {"memory:", "memory://"}:
        from gateway.stores.memory import open_memory

        return open_memory(clock=clock)
    if scheme == "sqlite":
        from gateway.stores.sqlite.engine import open_sqlite

        return await open_sqlite(sqlite_path(url), clock=clock, processes=processes)
    if scheme in _POSTGRES:
        try:
            from gateway.stores.postgres.engine import open_postgres
        except ModuleNotFoundError as error:
            raise SettingsError("state: PostgreSQL needs asyncpg: install gateway[postgres].") from error
        return await open_postgres(url, clock=clock)
    if scheme in _REDIS:
        try:
            from gateway.stores.redis.engine import open_redis
        except ModuleNotFoundError as error:
            raise SettingsError("state: Redis needs redis-py: install gateway[redis].") from error
        return await open_redis(url, clock=clock, counts_only=counts_only)
    if scheme in _CENTRAL:
        from gateway.stores.central import open_central

        return await open_central(url, token, ca_file=ca_file, clock=clock)
    # The URL itself stays out of the message: it may hold a password.
    raise SettingsError(
        f"state: {scheme or 'this'} is no known kind of store: write memory:, sqlite:///FILE, postgresql://… or redis://…"
    )


async def read_form(url: str) -> tuple[int, int]:
    """The form of the tables in a place, 0 where it has none, and the one that a start brings them to. None is changed.
    Both are the same where there are no forms.

    Raises:
        SettingsError: it cannot be read.
    """
    scheme = _scheme(url)
    if scheme == "sqlite":
        from gateway.stores.sqlite.schema import read_form

        return read_form(sqlite_path(url))
    if scheme in _POSTGRES:
        with suppress(ModuleNotFoundError):  # whoever opens it is told
            from gateway.stores.postgres.engine import read_form as read_form_there

            return await read_form_there(url)
    return 1, 1


def sqlite_path(url: str) -> Path:
    """The file of such a URL. Raises SettingsError for a URL of another form."""
    path = unquote(url.removeprefix(_SQLITE))
    if not url.startswith(_SQLITE) or not path or urlsplit(url).query:
        raise SettingsError(
            "state: a SQLite URL is sqlite:///FILE (relative) or sqlite:////DIR/FILE, with nothing after."
        )
    return Path(path)
