"""Owns the nouns of four eyes: who may release what a rule covers, an approval that was given, and one that is awaited.

Refuses to own which rules a grant needs an approval for (`gateway.core.policy`), which edits ask for one anew
(`gateway.core.widening`) and how one is given (`gateway.control.usecases.approvals`).

Law: an approval is for one rule, by its name. Whoever owns, made or widened what waits is nobody's second pair of eyes.
"""

from __future__ import annotations

from typing import NamedTuple

from gateway.core.attempt import Principal
from gateway.core.pattern import NamePattern, names_any
from gateway.core.values import dataclass


class Approval(NamedTuple):
    """That somebody released a grant under a rule; `at` is in seconds since the epoch."""

    rule: str
    by: str
    at: float


class Waiting(NamedTuple):
    """That a grant is not released, since when, and till when it can be; `asked_by` are those who made it so wide."""

    since: float
    until: float
    asked_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ApprovalTerms:
    """What a rule asks for: approval by one of these, principals or groups, within so many seconds."""

    by: tuple[NamePattern, ...]
    within: float

    def names(self, principal: Principal, groups: tuple[str, ...] = ()) -> bool:
        """Whether somebody who is in these groups may give it."""
        return names_any(self.by, str(principal), groups)
