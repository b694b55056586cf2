"""Owns the counting of many uses: together in SQL, or one by one in stores that have no way of their own.

Refuses to own connections and transactions (the engines' `LeaseStore`s).

Law: what is counted together is what opening and settling each of them would come to, in nobody's name and without a
limit.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from gateway.core.lease import LeaseStore, Reservation, Settlement, Use
from gateway.core.values import dataclass

_AT_ONCE: Final = 32


def together(uses: Sequence[Use]) -> list[Use]:
    """Those of one lease as one of them, which is the last."""
    found: dict[tuple[str, str], Use] = {}
    for use in uses:
        name = use.grant_id, use.key
        known = found.get(name)
        found[name] = use if known is None else replace(use, moved=known.moved + use.moved)
    return list(found.values())


@dataclass(frozen=True, slots=True)
class CountingSql:
    """What counts the rows of `used (grant_id, key, moved, at)`, each of another lease, in this order. The engine puts
    a `WITH` before each; `opened` has one more value, the window in seconds."""

    used: str
    opened: str
    kept: str

    @classmethod
    def of(cls, tables: str, window: str) -> CountingSql:
        """`tables` is what their names begin with, `window` the placeholder."""
        is_open = "l.grant_id = u.grant_id AND l.key = u.key AND l.expires_at > u.at"
        used = f"""
INSERT INTO {tables}usage AS known (grant_id, uses, moved, last_used_at)
SELECT u.grant_id, count(*) - count(l.key), sum(u.moved), max(u.at)
FROM used AS u LEFT JOIN {tables}leases AS l ON {is_open} GROUP BY u.grant_id
ON CONFLICT (grant_id) DO UPDATE SET uses = known.uses + excluded.uses, moved = known.moved + excluded.moved,
last_used_at = excluded.last_used_at
"""  # noqa: S608 (names of tables, and placeholders)
        opened = f"""
INSERT INTO {tables}leases (grant_id, key, expires_at, moved, kept) SELECT u.grant_id, u.key, u.at + {window}, 0, FALSE
FROM used AS u WHERE NOT EXISTS (SELECT 1 FROM {tables}leases AS l WHERE {is_open})
ON CONFLICT (grant_id, key) DO UPDATE SET expires_at = excluded.expires_at, moved = 0, kept = FALSE
"""  # noqa: S608 (as above)
        kept = f"""
UPDATE {tables}leases AS l SET moved = l.moved + u.moved, kept = TRUE FROM used AS u
WHERE l.grant_id = u.grant_id AND l.key = u.key
"""  # noqa: S608 (as above)
        return cls(used, opened, kept)


async def count_each(leases: LeaseStore, uses: Sequence[Use], window: float) -> None:
    """See `LeaseStore.count_uses`. Some at once, as one round trip is as good as many.

    Raises:
        DependencyDown: as the store does.
    """
    for start in range(0, len(uses), _AT_ONCE):
        await asyncio.gather(*[_count(leases, use, window) for use in uses[start : start + _AT_ONCE]])


async def _count(leases: LeaseStore, use: Use, window: float) -> None:
    mine = Reservation(use.grant_id, use.key)
    await leases.open_lease(mine, None, use.at, window)
    await leases.settle_bytes(mine, Settlement(use.moved), use.at)
