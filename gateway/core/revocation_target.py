"""Owns what a revocation can name, and the kinds of a feed's entries.

Refuses to own the feed and what an entry ends (`gateway.core.revocation`).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from gateway.core.values import dataclass


class FeedKind(StrEnum):
    """What a feed entry says. The first two invalidate a cached grant, the others end grants."""

    ISSUED = "issued"
    CHANGED = "changed"
    LINK = "link"
    KEY = "key"
    OWNER = "owner"
    PREFIX = "prefix"
    BACKEND = "backend"
    POLICY = "policy"


REVOKING: Final = frozenset(FeedKind) - {FeedKind.ISSUED, FeedKind.CHANGED}
"""The kinds that end something; the others only say that a grant is another one now."""

EVERY: Final = "*"
"""The name of a CHANGED entry that speaks of every grant: no id is like it."""


@dataclass(frozen=True, slots=True)
class RevocationTarget:
    """What a revocation ends. `name` is a link or key grant id, a principal, a backend or a rule name.

    For `PREFIX`, `name` is the bucket and `prefix` the start of the keys ("" is the whole bucket).
    """

    kind: FeedKind
    name: str
    prefix: str = ""

    def __post_init__(self) -> None:
        if self.kind not in REVOKING:
            raise ValueError(f"{self.kind} is no revocation")
        if self.prefix and self.kind is not FeedKind.PREFIX:
            raise ValueError("only a prefix revocation has a prefix")
