"""Owns what can be asked of the control API at all, in eight words, and what an admin's token may be narrowed to.

Refuses to own which endpoint needs which word (`gateway.control.rows`) and whose token it is
(`gateway.control.guard`).

Law: the list is closed. A token that names some of the words has no other, and one outside its time has none.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

from gateway.core.values import dataclass


class Duty(StrEnum):
    """What is asked."""

    READ = "read"
    """See links, keys, records, the audit trail, the rules and what they decide."""
    SHARE = "share"
    """Make, edit and rotate links."""
    ISSUE = "issue"
    """Make keys."""
    APPROVE = "approve"
    """Release, or reject, what a rule wants somebody else to look at first."""
    REVOKE = "revoke"
    """Revoke links and keys, one or many."""
    SIGN = "sign"
    """Have a presigned URL of the real store made."""
    OPERATE = "operate"
    """Change a running process: its log, its backends, its sealing keys."""
    SERVE = "serve"
    """What sidecars do: ask for grants by their hash, and count for them."""


EVERY_DUTY: Final = frozenset(Duty)
OWNERS_DUTIES: Final = EVERY_DUTY - {Duty.OPERATE, Duty.SERVE}
"""What everybody may ask about what is theirs."""


@dataclass(frozen=True, slots=True)
class AdminTerms:
    """An admin's token, without its secret: whose it is, what it may, and from when till when (seconds)."""

    name: str
    may: frozenset[Duty] = EVERY_DUTY
    not_before: float | None = None
    expires: float | None = None

    def holds(self, now: float) -> bool:
        """Whether it opens anything at this instant."""
        return (self.not_before is None or self.not_before <= now) and (self.expires is None or now < self.expires)
