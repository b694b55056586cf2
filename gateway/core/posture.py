"""Owns the declared answer to "what if this part is down?", one field a dependency.

Refuses to own noticing that a part is down, and what is done then (each asks its own field).

Law: a posture is always declared, never the consequence of something being unset. Grants and revocations cannot be
opened: without them nobody would know what is allowed.
"""

from __future__ import annotations

from typing import Literal

from gateway.core.values import dataclass


@dataclass(frozen=True, slots=True)
class FailPosture:
    """While the dependency is down, `closed` refuses with 503, `open` goes on and says so in log and metric."""

    grants: Literal["closed"] = "closed"
    revocations: Literal["closed"] = "closed"
    limits: Literal["open", "closed"] = "open"
    audit: Literal["open", "closed"] = "open"
