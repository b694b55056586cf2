"""Owns to which part of its app's rights a key is held: one place, and what may be done there.

Refuses to own what the app itself may do (`gateway.core.policy`), and a key's networks, times and counts
(`gateway.core.grant`).

Law: a narrowing only takes away. Name and action are judged together, and a listing is covered only where all that it
could show lies inside: a beginning of the prefix shows its siblings too.
"""

from __future__ import annotations

from gateway.core.request import Action
from gateway.core.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Narrowing:
    """One place of a key. None as the bucket is wherever the app may, and no actions are all that it may there.

    `keys` are exact names, and nothing else of the bucket; without them it is everything below `prefix`, which is ""
    or ends with a slash.
    """

    bucket: str | None = None
    prefix: str = ""
    keys: frozenset[str] = frozenset()
    actions: frozenset[Action] = frozenset()

    def __post_init__(self) -> None:
        if self.bucket is None and (self.prefix or self.keys):
            raise ValueError("a prefix and keys are names in a bucket")
        if self.prefix and self.keys:
            raise ValueError("a narrowing has a prefix or keys")
        if self.prefix and not self.prefix.endswith("/"):
            raise ValueError("a prefix ends with a slash: without it, it would reach its siblings")
        if "" in self.keys:
            raise ValueError("a key is not empty")

    def shows(self, bucket: str) -> bool:
        """Whether anything in the bucket is inside."""
        return self.bucket is None or bucket == self.bucket

    def covers(self, action: Action | None, bucket: str, key: str) -> bool:
        """Whether this may be done there. For `LIST`, `key` is the prefix that would be listed; None only looks."""
        if not self.shows(bucket):
            return False
        if action is None:
            return True
        if self.actions and action not in self.actions:
            return False
        if self.keys:
            return action is not Action.LIST and key in self.keys
        return key.startswith(self.prefix)
