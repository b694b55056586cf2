"""Links, revocations, and stores of every engine that hold so many of them, filled in bulk."""

from __future__ import annotations

import asyncio
import hashlib
import zlib
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import asyncpg
from redis.asyncio import Redis

from gateway.core.approval import Waiting
from gateway.core.attempt import Principal
from gateway.core.grant import Grant, GrantKind, Scope
from gateway.core.narrowing import Narrowing
from gateway.core.request import Action
from gateway.core.revocation import FeedEntry
from gateway.core.revocation_target import FeedKind
from gateway.core.token import ENTROPY_BYTES, LinkToken, hash_secret
from gateway.stores.codec import edited_columns
from gateway.stores.engine import Engine
from gateway.stores.memory import open_memory
from gateway.stores.redis.grants import CREATE, edited_fields
from gateway.stores.redis.server import PREFIX
from gateway.stores.sqlite.grants import insert_grant
from gateway.stores.sqlite.schema import SqliteFile
from gateway.stores.state import open_state
from tests.replicas.servers import postgres, valkey

__all__ = ["ENGINES", "filled", "grant", "revocations", "sqlite_file", "token", "varied"]

ENGINES = ("SQLite", "PostgreSQL", "Valkey", "memory")
ISSUED = 1.8e9
_KINDS = (FeedKind.LINK, FeedKind.LINK, FeedKind.LINK, FeedKind.OWNER, FeedKind.PREFIX)
RARE = 60
"""A page of 50, and a few that show that the list goes on."""

_PAGE = 5_000
Make = Callable[[int], Grant]


def token(number: int) -> LinkToken:
    """The token of this link, the same every time."""
    return LinkToken.mint(hashlib.sha256(b"%d" % number).digest()[:ENTROPY_BYTES])


def grant(number: int, key: str | None = None) -> Grant:
    """A link for one object; its folder and name are its own unless they are given."""
    secret = hash_secret(token(number).text)
    return Grant(
        id=f"l_{secret.hex()[:17]}",
        kind=GrantKind.LINK,
        hash=secret,
        owner=Principal("app", f"app{number % 5000}"),
        issued_at=ISSUED,
        scope=Scope("lab", key=key or f"folder{number % 1000}/file{number}.pdf"),
        actions=frozenset({Action.READ}),
        expires_at=ISSUED + 1e8,
        label=f"link number {number}",
    )


def revocations(count: int, first: int = 1) -> Iterator[FeedEntry]:
    """Of links, owners and prefixes, none of which means any of the links above."""
    for number in range(first, first + count):
        kind = _KINDS[number % len(_KINDS)]
        if kind is FeedKind.PREFIX:
            yield FeedEntry(number, kind, "lab", f"gone/{number:010d}/", ISSUED, "ended", "admin:ops")
        else:
            name = f"app:gone{number}" if kind is FeedKind.OWNER else f"l_{number:017x}"
            yield FeedEntry(number, kind, name, "", ISSUED, "ended", "admin:ops")


def varied(count: int) -> Make:
    """As `grant`, but of what lists ask for there is the same among any number, and enough to fill a page.

    `RARE` of each kind, spread evenly over so many, or else the same share: a fourth, or half of all.
    """
    apart = max(1, count // RARE)

    def make(number: int) -> Grant:
        one, draw = grant(number), zlib.crc32(b"%d" % number)
        changed: dict[str, Any] = {
            "owner": Principal("app", "many") if draw % 2 else one.owner,
            "label": "common" if draw // 2 % 2 else one.label,
            "scope": Scope("lab", key=f"team{draw // 4 % 4}/folder{draw // 16 % 100}/file{number}.pdf"),
            "expires_at": ISSUED + 600 + draw // 2 % 172_000 if draw // 4096 % 2 else None,
            "uses": (0, 5, None, None)[draw // 8192 % 4],
            "rule": "team",
        }
        return replace(one, **changed | _rare(number % apart, number))

    return make


def _rare(which: int, number: int) -> dict[str, Any]:
    """What is different about a grant that stands in this place of its turn; most of them are like others."""
    match which:
        case 0:
            return {"expires_at": ISSUED - 1e3}
        case 1:
            return {"suspended_at": ISSUED, "label": "common"}
        case 2:
            return {"waiting": Waiting(ISSUED, ISSUED + 1e8, ())}
        case 3:
            return {"not_before": ISSUED + 1e8}
        case 4:
            return {"revoked_at": ISSUED, "revoked_reason": "ended", "owner": Principal("app", "many")}
        case 5:
            places = (Narrowing(bucket="lab", prefix="team1/"),)
            return {"kind": GrantKind.KEY, "scope": None, "actions": frozenset(), "narrowed": places, "sealed": b"seal"}
        case 6:
            return {"label": "rare"}
        case 7:
            return {"owner": Principal("app", "rare")}
        case 8:
            return {"scope": Scope("lab", key=f"rare/file{number}.pdf")}
        case 9:
            return {"expires_at": ISSUED + 30}
        case _:
            return {}


def sqlite_file(path: Path, count: int, *, key: str | None = None, revoked: int = 0, make: Make | None = None) -> None:
    """A file with so many links, and after them so many revocations."""
    with closing(SqliteFile.prepare(path).connect()) as connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("PRAGMA cache_size = -400000")
        connection.execute("BEGIN")
        for number in range(count):
            one = make(number) if make else grant(number, key)
            insert_grant(connection, one, None, ISSUED)
            if one.revoked_at is not None:
                connection.execute(
                    "UPDATE grants SET revoked_at = ?, revoked_reason = ? WHERE id = ?", (ISSUED, "", one.id)
                )
        connection.executemany(
            "INSERT INTO feed VALUES (?, ?, ?, ?, ?, ?, ?, 1)",
            (
                (entry.serial, str(entry.kind), entry.name, entry.prefix, entry.at, entry.reason, entry.by)
                for entry in revocations(revoked, count + 1)
            ),
        )
        connection.execute("COMMIT")
    for _time in range(2):  # as a file in use is in the system's memory, which moves a page when it is read again
        with path.open("rb") as file:
            while file.read(1 << 24):
                pass


@asynccontextmanager
async def filled(engine: str, count: int, folder: Path, make: Make = grant) -> AsyncIterator[Engine]:
    """An opened store of its own, on a server of its own where it needs one."""
    if engine == "memory":
        state = open_memory()
        for number in range(count):
            await state.grants.create(make(number))
        yield state
    elif engine == "SQLite":
        path = folder / f"{count}.db"
        sqlite_file(path, count, make=make)
        async with _opened(f"sqlite:///{path}") as opened:
            yield opened
    elif engine == "PostgreSQL":
        with postgres() as server:
            async with _opened(server.url) as opened:
                await fill_postgres(server.url, count, make)
                yield opened
    else:
        with valkey(folder / f"valkey-{count}") as server:
            (folder / "url").write_text(server.url)
            await fill_valkey(server.url, count, make)
            async with _opened(server.url) as opened:
                yield opened


@asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Engine]:
    state = await open_state(url, accept_redis_durability=True)
    try:
        yield state.engines[0]
    finally:
        await state.close()


async def fill_postgres(url: str, count: int, make: Make) -> None:
    connection = await asyncpg.connect(url)
    try:
        await connection.copy_records_to_table(
            "gateway_grants",
            columns=("serial", "id", "kind", "version", "issued_at", "revoked_at", *edited_columns(make(0))),
            records=(
                (
                    *(number + 1, one.id, str(one.kind), 1, one.issued_at, one.revoked_at),
                    *edited_columns(one).values(),
                )
                for number, one in ((number, make(number)) for number in range(count))
            ),
        )
        await connection.execute("UPDATE gateway_serial SET last = $1", count)
        await connection.execute("VACUUM ANALYZE gateway_grants")
    finally:
        await connection.close()


async def fill_valkey(url: str, count: int, make: Make) -> None:
    async with Redis.from_url(url) as client:
        script = await client.script_load(CREATE)
        numbers = iter(range(count))
        while page := list(islice(numbers, _PAGE)):
            pipe = client.pipeline(transaction=False)
            for one in map(make, page):
                fixed = (PREFIX, one.id, one.hash.hex(), "", 0, repr(one.issued_at), "")
                pipe.evalsha(script, 0, *fixed, "kind", str(one.kind), *edited_fields(one))
                if one.revoked_at is not None:
                    pipe.hset(f"{PREFIX}grant:{one.id}", mapping={"revoked_at": one.revoked_at, "revoked_reason": ""})
            await pipe.execute()
        await client.config_set("appendfsync", "always")  # as a server that keeps grants should: `redis.probe`
        # What was written behind the scripts is found when the shelves are made anew.
        await client.delete(f"{PREFIX}shelved")
        while (await client.info("persistence"))["aof_rewrite_in_progress"]:  # noqa: ASYNC110 (the server tells nobody)
            await asyncio.sleep(0.1)
