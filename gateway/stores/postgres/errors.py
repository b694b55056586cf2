"""Owns what the PostgreSQL driver's errors mean, and the wall at which they end.

Refuses to own what is done about them (the fail posture).

Law: a message is made from the SQLSTATE and never from the server's text, which may quote values.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import asyncpg

from gateway.certificate_fault import certificate_fault
from gateway.core.reasons import Dependency, DependencyDown
from gateway.stores.url_fault import url_fault

FAILURES: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
"""What the driver raises when the server refuses, or cannot be had."""

SESSION_LOST: Final = "GW001"
"""Raised by `probe`, in a class that the standard leaves to applications."""

STANDBY_READS: Final = "GW002"
"""Raised here, in the same class."""

_OF_POOLERS: Final = "08P01"
"""What PgBouncer says of whatever it refuses by itself, and then closes the connection."""

_MIXED_SESSIONS: Final = frozenset({SESSION_LOST, "26000", "42P05", _OF_POOLERS})
"""What a connection ends in whose session at the server is another one's: a statement that was prepared is not there,
or one that was not is, and whoever is between breaks the protocol over it."""

_POOLED: Final = (
    "a pooler before it gives each transaction another connection, which prepared statements, SET and LISTEN do not "
    "outlive: use session pooling for this database (PgBouncer: pool_mode = session), or name the server itself"
)
_NOT_LET_IN: Final = (
    "a pooler before it lets nobody in, and says why in its own log: the server may be away, too many may be there, or "
    "it does not know the database or an option of the URL"
)
_BALANCED: Final = (
    "a pooler before it has a standby answer what is read, and what a standby has may be old: have it ask the primary "
    "(Pgpool-II: load_balance_mode = off), or name the primary itself"
)
_OPTION: Final = (
    "it does not know an option of the URL; those of libpq, or of other drivers, alone are not taken (channel_binding, "
    "connect_timeout, keepalives, ssl)"
)
_READ_ONLY: Final = (
    "it takes no writes, as a standby does: name the primary, or several hosts with the primary among them; where it "
    "is the primary, default_transaction_read_only is on for this user or database"
)
_MEANINGS: Final = {
    SESSION_LOST: _POOLED,
    STANDBY_READS: _BALANCED,
    "26000": _POOLED,
    "42P05": _POOLED,
    _OF_POOLERS: _POOLED,
    "25006": _READ_ONLY,
    "28000": "it does not let this user in",
    "28P01": "the password is wrong",
    "3D000": "there is no such database",
    "3F000": "the user of the URL may use no schema: GRANT USAGE and CREATE ON SCHEMA public",
    "42501": "the user of the URL lacks a right on the gateway's tables: GRANT it, or name the tables' owner; where "
    "there are none yet, GRANT CREATE ON SCHEMA public",
    "42704": _OPTION,
    "55P02": _OPTION,
    "42P01": "a table of the gateway's is gone",
    "53100": "its disk is full",
    "55P03": "somebody holds a lock for longer than this user's lock_timeout",
    "57014": "a statement was broken off: by an administrator, or by this user's statement_timeout",
    "08003": "it broke the connection off",
    "57P03": "it is starting up, or shutting down: start again when it takes connections",
    "53300": "it has no connection left: each gateway process takes up to 11, and 2 at its start",
}
"""What codes of the standard, or of the server, mean here and what is to be done."""


def standby_reads() -> Any:
    """What is read comes from a server that takes no writes, although what is written does not go there."""
    error = asyncpg.PostgresError("what is read comes from a standby")
    error.sqlstate = STANDBY_READS
    return error


def are_sessions_mixed(error: asyncpg.PostgresError) -> bool:
    """Whether a pooler has given a connection the session of another one."""
    return error.sqlstate in _MIXED_SESSIONS and not _is_fatal(error)


def _is_fatal(error: Exception) -> bool:
    """Whether whoever said so has closed the connection; a pooler says it in one language, and so in one field."""
    return "FATAL" in {getattr(error, "severity", None), getattr(error, "severity_en", None)}


def explain(error: Exception) -> str:
    """What went wrong and what is to be done."""
    if isinstance(error, asyncpg.TargetServerAttributeNotMatched):
        return f"PostgreSQL cannot be used: {_READ_ONLY}"
    if (fault := certificate_fault(error) or url_fault(error, asyncpg.ClientConfigurationError)) is not None:
        return f"PostgreSQL cannot be used: {fault}"
    if type(error) is ConnectionError and "SSL" in str(error):  # the driver's own words
        return "PostgreSQL cannot be used: it offers no TLS, which its URL asks for"
    state = getattr(error, "sqlstate", None)
    if state == _OF_POOLERS and _is_fatal(error):
        return f"PostgreSQL failed ({state}): {_NOT_LET_IN}"
    if state in _MEANINGS:
        return f"PostgreSQL failed ({state}): {_MEANINGS[state]}"
    if isinstance(error, TimeoutError):
        return "PostgreSQL does not answer in time: it is away or busy, or waits for a lock or a synchronous standby"
    return f"PostgreSQL failed ({state})" if state else f"PostgreSQL cannot be reached ({type(error).__name__})"


@contextmanager
def map_errors(dependency: Dependency) -> Iterator[None]:
    """The driver's errors go no further: they become `DependencyDown`, a broken uniqueness a ValueError."""
    try:
        yield
    except asyncpg.UniqueViolationError as error:
        raise ValueError("a grant with this id or secret exists") from error
    except FAILURES as error:
        raise DependencyDown(dependency, explain(error)) from error
