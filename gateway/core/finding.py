"""Owns what one trial of `gateway doctor` showed. Refuses to own the trials."""

from __future__ import annotations

from gateway.core.values import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """What one trial showed. `ok` is None where it could not be tried or does not matter."""

    backend: str
    check: str
    ok: bool | None
    detail: str
