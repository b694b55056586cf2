"""Owns what is kept of the peers of one data listener: how many connections each has open, and those that begin with
the PROXY protocol.

Refuses to own connections (`gateway.server`) and requests, whose share is `gateway.data.state.transfers`'.

Laws: one address, or one customer's network of IPv6, leaves room for others, however many connections it opens; a proxy
that is declared stands for many and may open any number, as may whoever comes through a Unix socket. All together leave
some descriptors to the rest of the process. What is refused here is counted each time, and logged once for each peer.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

import structlog

from gateway.core.attempt import Address, address_class
from gateway.core.limits import share_of
from gateway.splice.descriptors import MOST, is_kept
from gateway.telemetry.metrics import Metrics

_REMEMBERED: Final = 256

_log = structlog.get_logger("gateway.data")


class Peers:
    """`most` is what the settings let one address open; of the files that this process may have open it never gets
    more than a share. `trusted` says who is a declared proxy, `shown` how an address may stand in the log."""

    def __init__(
        self,
        most: Callable[[], int],
        trusted: Callable[[Address | None], bool],
        metrics: Metrics,
        shown: Callable[[str], str] = str,
    ) -> None:
        self._most = most
        self._files = share_of(MOST)
        self._trusted = trusted
        self._metrics = metrics
        self._shown = shown
        self._open: dict[str, int] = {}
        self._logged: set[tuple[str, str]] = set()

    def enter(self, peer: Address | None, descriptor: int) -> bool:
        """Count one more connection of this peer, if it may have it."""
        if is_kept(descriptor):
            self._metrics.count_refused_connection("no_descriptors")
            advice = f"all but the last of {MOST} are in use: more connections are closed until some end; see ulimit -n"
            self._warn("file descriptors run out", None, advice, "any")
            return False
        if peer is None:
            return True
        client = address_class(peer)
        held = self._open.get(client, 0)
        most = min(self._most(), self._files)
        if held >= most and not self._trusted(peer):
            self._metrics.count_refused_connection("too_many")
            advice = "its further connections are closed: see data.connections_per_address, or trusted_proxies"
            self._warn("too many connections of one address", peer, advice)
            return False
        self._open[client] = held + 1
        return True

    def leave(self, peer: Address | None) -> None:
        """One of those that entered has ended."""
        if peer is None:
            return
        client = address_class(peer)
        left = self._open.get(client, 0) - 1
        if left > 0:
            self._open[client] = left
        else:
            self._open.pop(client, None)

    def note_proxy_protocol(self, peer: Address | None, *, encrypted: bool = False) -> None:
        """A connection began with it, where no listener understands it: one with TLS does not learn whose it is."""
        self._metrics.count_refused_connection("proxy_protocol")
        advice = "this listener does not speak it: switch it off at the proxy, and have that send X-Forwarded-For"
        self._warn(
            "a connection began with the PROXY protocol", peer, advice, "unknown, before TLS" if encrypted else "unix"
        )

    def _warn(self, event: str, peer: Address | None, advice: str, unnamed: str = "unix") -> None:
        named = unnamed if peer is None else str(peer)
        if (event, named) in self._logged or len(self._logged) >= _REMEMBERED:
            return
        self._logged.add((event, named))
        _log.warning(event, peer=named if peer is None else self._shown(named), advice=advice)
