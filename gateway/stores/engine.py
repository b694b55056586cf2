"""Owns what an opened engine is: one value for each interface of `gateway.core`, and its probe and its end.

Refuses to own what any of them does (`memory`, `central`, `sqlite`, `postgres`, `redis`) and which engine a URL means
(`state`).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from gateway.core.grant import GrantAdmin
from gateway.core.issued import RemoteIssuer
from gateway.core.lease import LeaseStore
from gateway.core.limits import LimitStore
from gateway.core.record import Ledger
from gateway.core.revocation import RevocationFeed
from gateway.core.sealing import SealBook
from gateway.core.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Engine:
    """The stores of one place.

    `seals` is None where another gateway keeps the grants and their sealing keys; `issuer` is that gateway, and None
    where keys are made here. `probe` is described by `gateway.stores.monitor.Probe`. After `close`, calls raise
    DependencyDown.
    """

    grants: GrantAdmin
    leases: LeaseStore
    limits: LimitStore
    feed: RevocationFeed
    ledger: Ledger
    probe: Callable[[], Awaitable[float | None]]
    close: Callable[[], Awaitable[None]]
    seals: SealBook | None = None
    issuer: RemoteIssuer | None = None
