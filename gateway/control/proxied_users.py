"""Owns what a front proxy says of who its caller is: a header with a user's name, and one with their groups.

Refuses to own what the user may do then (`gateway.control.guard`).

Laws: the header counts from the networks of our own proxies alone. From anywhere else it is as if it had not come, and
that is logged once for a peer; likewise what comes over loopback for a host that is not ours, since a browser on this
machine may have sent it for a page that had its own name lead here. A name that came twice, or beside another
credential, names nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from urllib.parse import urlsplit

import structlog

from gateway.core.attempt import Address, Principal
from gateway.core.identity import ProxyRules, User, groups_of
from gateway.core.reasons import Reason, Refused
from gateway.core.request import RawRequest
from gateway.server.client_address import is_trusted
from gateway.wire.http.target import host_name, is_local_name

_log = structlog.get_logger("gateway.control")
_MOST_TOLD: Final = 1000


class ProxiedUsers:
    """Reads the headers. `rules`, and the URL by which browsers reach us, are asked for at every request; `shown` gives
    an address as the log shows it."""

    def __init__(
        self, rules: Callable[[], ProxyRules | None], public_url: Callable[[], str | None], shown: Callable[[str], str]
    ) -> None:
        self._rules = rules
        self._public_url = public_url
        self._shown = shown
        self._told: set[Address | None] = set()

    def read(self, raw: RawRequest, peer: Address | None) -> User | None:
        """The user whom a trusted proxy names.

        Raises:
            Refused: CREDENTIALS_AMBIGUOUS, CREDENTIALS_MALFORMED: what the proxy says names nobody.
        """
        rules = self._rules()
        names = [] if rules is None else raw.header_values(rules.header)
        if rules is None or not names:
            return None
        if not is_trusted(peer, rules.networks, trusted_socket=rules.socket):
            self._tell(rules.header, peer, "name the proxy's network in control.proxy_user.from if it is one of ours")
            return None
        if peer is not None and peer.is_loopback and not self._is_ours(host_name(raw)):
            self._tell(
                rules.header, peer, "the Host is another's: if a proxy passes it on, name it in control.public_url"
            )
            return None
        said = [] if rules.groups_header is None else raw.header_values(rules.groups_header)
        if len(names) > 1 or len(said) > 1 or raw.header("authorization") is not None:
            raise Refused(Reason.CREDENTIALS_AMBIGUOUS, f"{rules.header} came twice, or beside another credential")
        groups = groups_of([part.strip() for part in said[0].split(",") if part.strip()] if said else [])
        try:
            principal = Principal.parse(f"user:{names[0]}")
        except ValueError:
            principal = None
        if principal is None or groups is None:
            raise Refused(Reason.CREDENTIALS_MALFORMED, f"what {rules.header} says is no user's name, or no groups")
        return User(principal, groups, None)

    def _is_ours(self, host: str) -> bool:
        public_url = self._public_url()
        return is_local_name(host) or (public_url is not None and host == urlsplit(public_url).hostname)

    def _tell(self, header: str, peer: Address | None, advice: str) -> None:
        if peer not in self._told and len(self._told) < _MOST_TOLD:
            self._told.add(peer)
            place = "unix" if peer is None else self._shown(str(peer))
            _log.warning(
                "a user's header is ignored: no proxy of ours sent it", header=header, peer=place, advice=advice
            )
