"""Owns the notice of proxies that hide their clients: fields about a client's address which are not believed.

Refuses to own whose address counts (`gateway.server.client_address`).

Law: clients behind a proxy that is not in `trusted_proxies`, or that names them in another field, share one address:
one budget of guesses, one limit by address, one line in the log. Each such peer is logged once, and each request
counted; nothing else changes, as anybody may send such fields.
"""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Final

import structlog

from gateway.core.attempt import Address
from gateway.server.client_address import BELIEVED, FORWARDING
from gateway.telemetry.metrics import Metrics

_REMEMBERED: Final = 256

_log = structlog.get_logger("gateway.data")


class Undeclared:
    """Remembers 256 peers; after those no further peer is logged. `shown` is how an address may stand in the log."""

    def __init__(self, metrics: Metrics, shown: Callable[[str], str] = str) -> None:
        self._metrics = metrics
        self._shown = shown
        self._told: set[Address | None] = set()

    def notice(self, peer: Address | None, names: AbstractSet[str], *, believed: bool) -> None:
        """`names` are of the fields that came, some of them `FORWARDING`. `believed` says that this peer is a trusted
        proxy; a client that a believed field names is not asked for."""
        found = FORWARDING & names
        if believed and BELIEVED in found:
            return
        self._metrics.count_ignored_forwarding()
        if peer in self._told or len(self._told) >= _REMEMBERED:
            return
        self._told.add(peer)
        advice = (
            f"have it send {BELIEVED}"
            if believed
            else "all its clients are one address here: name it in trusted_proxies if it is a proxy of yours"
        )
        peer_text = "unix" if peer is None else self._shown(str(peer))
        _log.warning("client address not believed", peer=peer_text, fields=sorted(found), advice=advice)
