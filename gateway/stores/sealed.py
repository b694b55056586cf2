"""Owns the wrapper around a store of grants that keeps keys' secrets and links' own under a sealing key.

Refuses to own ciphers (`gateway.stores.keyring`) and what the rest of the gateway makes of a grant.

Law: above here every grant looks as if there were no sealing keys, below here no secret is without one. What does not
open can be listed, edited and revoked, and is never used. A store that was sealed under a key that the settings do
not hold, or hold with another value, is not opened.
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import structlog

from gateway.core.grant import Grant, GrantAdmin, GrantFilter, GrantPage
from gateway.core.holders import Holders
from gateway.core.reasons import DependencyDown, SettingsError
from gateway.core.revocation_target import RevocationTarget
from gateway.core.sealing import NONCE_BYTES, UNSEALED, Resealed, SealBook, number_of
from gateway.core.token import SecretHash
from gateway.stores.codec import read_place, write_cursor

if TYPE_CHECKING:
    from gateway.stores.keyring import KeyRing

_log = structlog.get_logger("gateway")

_MARK: Final = "sealed$"
"""What a wrapped password begins with; one that is not begins with the name of its own form."""
_SURVEYED_AT_ONCE: Final = 1000
_TRIES: Final = 3


class SealedGrants:
    """A `GrantAdmin` before another one, whose sealing keys are in `book`. `entropy` makes nonces."""

    def __init__(self, store: GrantAdmin, book: SealBook, ring: KeyRing, entropy: Callable[[int], bytes]) -> None:
        self._store = store
        self._book = book
        self._ring = ring
        self._entropy = entropy

    async def find(self, secret_hash: SecretHash) -> Grant | None:
        grant = await self._store.find(secret_hash)
        return None if grant is None else self._open(grant)

    async def get(self, grant_id: str) -> Grant | None:
        grant = await self._store.get(grant_id)
        return None if grant is None else self._show(grant)

    async def create(self, grant: Grant, idempotency: str | None = None) -> Grant:
        return self._show(await self._store.create(self._seal(grant), idempotency))

    async def save(self, grant: Grant) -> Grant | None:
        saved = await self._store.save(self._seal(grant))
        return None if saved is None else self._show(saved)

    async def save_all(self, grants: Sequence[Grant]) -> Sequence[Grant | None]:
        saved = await self._store.save_all([self._seal(grant) for grant in grants])
        return [None if grant is None else self._show(grant) for grant in saved]

    async def page(self, wanted: GrantFilter, cursor: str | None, limit: int) -> GrantPage:
        page = await self._store.page(wanted, cursor, limit)
        return GrantPage([self._show(grant) for grant in page.grants], page.cursor)

    async def count(self, target: RevocationTarget) -> int:
        return await self._store.count(target)

    async def count_waiting(self, now: float) -> int:
        return await self._store.count_waiting(now)

    async def prune_ended(self, before: float) -> int:
        return await self._store.prune_ended(before)

    async def reseal(self, cursor: str | None, limit: int) -> Resealed:
        """See `gateway.core.sealing.Resealer`. A batch that is done twice finds nothing left to do."""
        place = None if cursor is None else read_place("s", cursor)[0]
        page = await self._store.page(GrantFilter(now=0), place, limit)
        done = unreadable = 0
        for grant in page.grants:
            if not _numbers(grant) - {self._ring.newest}:
                continue
            try:
                opened = self._open(grant)
            except DependencyDown as fault:
                unreadable += 1
                _log.error("a grant's secret cannot be sealed anew", grant=grant.id, detail=fault.detail)
                continue
            done += await self._save_again(opened)
        more = None if page.cursor is None else write_cursor("s", page.cursor, "")
        return Resealed(len(page.grants), done, unreadable, more)

    async def log_old_seals(self) -> None:
        """Log how many grants a reseal would still change, where the book says that there may be any."""
        if set(await self._book.seals()) <= {self._ring.newest}:
            return
        found = await count_seals(self._store)
        if not found[UNSEALED]:
            await self._book.forget_seal(UNSEALED)
        old = sum(found.values()) - found[self._ring.newest]
        if old:
            _log.warning(
                "grants are not sealed under the first of state.sealing_keys: run `gateway key reseal`",
                unsealed=found[UNSEALED],
                older=old - found[UNSEALED],
            )

    async def _save_again(self, grant: Grant) -> bool:
        """Store the grant under the key in force; False if another process did, or it is gone."""
        for _ in range(_TRIES):
            if await self._store.save(self._seal(grant)) is not None:
                return True
            again = await self._store.get(grant.id)
            if again is None or not _numbers(again) - {self._ring.newest}:
                return False
            grant = self._open(again)
        raise DependencyDown("grants", "it was changed again and again meanwhile")

    def _seal(self, grant: Grant) -> Grant:
        """The grant as it is stored. What is still wrapped, since it could not be opened, stays as it is."""
        sealed, password = grant.sealed, grant.password
        if sealed is not None and number_of(sealed) == UNSEALED:
            sealed = self._ring.wrap(sealed, f"key {grant.id}", self._entropy(NONCE_BYTES))
        if password is not None and not password.startswith(_MARK):
            wrapped = self._ring.wrap(password.encode(), f"password {grant.id}", self._entropy(NONCE_BYTES))
            password = _MARK + b64encode(wrapped).decode()
        return replace(grant, sealed=sealed, password=password, holders=self._seal_holders(grant))

    def _seal_holders(self, grant: Grant) -> Holders | None:
        holders = grant.holders
        if holders is None or number_of(holders.key) != UNSEALED:
            return holders
        return replace(holders, key=self._ring.wrap(holders.key, f"holders {grant.id}", self._entropy(NONCE_BYTES)))

    def _open(self, grant: Grant) -> Grant:
        """The grant as it is used. Raises DependencyDown for what does not open."""
        sealed, password = grant.sealed, _wrapped(grant.password)
        if sealed is not None and number_of(sealed) != UNSEALED:
            grant = replace(grant, sealed=self._ring.unwrap(sealed, f"key {grant.id}"))
        if password is not None:
            grant = replace(grant, password=self._ring.unwrap(password, f"password {grant.id}").decode())
        holders = grant.holders
        if holders is not None and number_of(holders.key) != UNSEALED:
            key = self._ring.unwrap(holders.key, f"holders {grant.id}")
            grant = replace(grant, holders=replace(holders, key=key))
        return grant

    def _show(self, grant: Grant) -> Grant:
        """The grant as it is listed and edited."""
        with suppress(DependencyDown):
            return self._open(grant)
        return grant


async def check_seals(store: GrantAdmin, book: SealBook | None, ring: KeyRing | None) -> None:
    """Note the keys of the settings, and see that none is missing or another one.

    Raises:
        SettingsError: what is stored needs a key that the settings do not hold.
        DependencyDown: the store cannot answer.
    """
    if book is None:
        if ring is not None:
            raise SettingsError("state.sealing_keys: grants are at a central gateway: it has the keys, and needs them.")
        return
    known = await book.seals()
    if ring is None and UNSEALED not in known:
        await book.note_seal(UNSEALED, "")
    marks = {} if ring is None else ring.marks
    for number, mark in marks.items():
        if await book.note_seal(number, mark) != mark:
            raise SettingsError(
                f"state.sealing_keys: key {number} is not the one that this number stood for: what is stored is "
                "sealed under another. Bring that one back, or give the new one a number of its own."
            )
    missing = set(known) - set(marks) - {UNSEALED}
    if missing:
        await _forget_unused(store, book, missing)


async def _forget_unused(store: GrantAdmin, book: SealBook, missing: set[int]) -> None:
    """Raises SettingsError if anything is still sealed under a number that is missing."""
    found = await count_seals(store)
    lost = {number: found[number] for number in sorted(missing) if found[number]}
    if lost:
        named = ", ".join(f"key {number} ({count} of the stored grants)" for number, count in lost.items())
        raise SettingsError(
            f"state.sealing_keys: what is stored is sealed under {named}, which the settings do not hold. Name it "
            "again behind the first key, start, and run `gateway key reseal` before it is taken out."
        )
    for number in missing:
        await book.forget_seal(number)


async def count_seals(store: GrantAdmin) -> Counter[int]:
    """How many grants hold a secret under each number. One grant that holds two counts for both."""
    found: Counter[int] = Counter()
    cursor = None
    while True:
        page = await store.page(GrantFilter(now=0), cursor, _SURVEYED_AT_ONCE)
        for grant in page.grants:
            found.update(_numbers(grant))
        cursor = page.cursor
        if cursor is None:
            return found


def _numbers(grant: Grant) -> set[int]:
    """The keys under which what is secret in a stored grant is; empty where nothing is."""
    secrets: Sequence[bytes | None] = (
        grant.sealed,
        None if grant.password is None else _wrapped(grant.password) or b"",
        None if grant.holders is None else grant.holders.key,
    )
    return {number_of(secret) for secret in secrets if secret is not None}


def _wrapped(password: str | None) -> bytes | None:
    """The wrapped bytes of a stored password, None for one that is not wrapped. A damaged one is empty bytes."""
    if password is None or not password.startswith(_MARK):
        return None
    try:
        return b64decode(password.removeprefix(_MARK), validate=True)
    except ValueError:
        return b""
