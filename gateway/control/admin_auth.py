"""Owns who may come in: bearer tokens compared as hashes, and the throttle on failed tries.

Refuses to own what they may do then: whoever holds an admin token may do everything here.

Law: every known token is compared on every try, in constant time; a right token always passes, so that a flood of
wrong ones from a shared address cannot keep an operator from revoking.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from typing import Final

from gateway.core.attempt import address_class
from gateway.core.limits import gcra
from gateway.core.reasons import Reason, Refused
from gateway.core.token import SecretHash, hash_secret
from gateway.core.units import Rate

__all__ = ["Door", "bearer", "named_by"]

_GUESSES: Final = Rate(10, 60.0, 10)
"""Failed tries an address has: ten at once, then one in six seconds. People mistype; tokens have 160 bits."""

_ADDRESSES: Final = 10_000


def named_by(presented: str, known: Mapping[SecretHash, str]) -> str | None:
    """The name whose token this is. All are compared, whatever matches, so that time tells nothing."""
    digest = hash_secret(presented)
    found = None
    for expected, name in known.items():
        if hmac.compare_digest(digest, expected):
            found = name
    return found


def bearer(authorization: str | None) -> str:
    """The token of `Bearer TOKEN`, "" for anything else."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


@dataclass(slots=True)
class Door:
    """Checks `Authorization` values. Keeps the failed tries of at most 10,000 addresses, the oldest forgotten first."""

    clock: Callable[[], float]
    _failed: OrderedDict[str, float] = field(default_factory=OrderedDict)

    def admit(self, authorization: str | None, peer: str | None, known: Mapping[SecretHash, str]) -> str:
        """The name of the token's holder; takes `Bearer TOKEN`.

        Raises:
            Refused: CREDENTIALS_MISSING for no or a wrong token, TOO_MANY_GUESSES once too many were wrong.
        """
        return self.match(bearer(authorization), peer, known)

    def match(self, token: str, peer: str | None, known: Mapping[SecretHash, str]) -> str:
        """Like `admit`, for a bare token."""
        name = named_by(token, known)
        if name is not None and token:
            return name
        if token:
            self.charge(peer)
        raise Refused(Reason.CREDENTIALS_MISSING, "a valid token is needed")

    def charge(self, peer: str | None) -> None:
        """Count a failed try. Raises Refused(TOO_MANY_GUESSES) once the address has had too many."""
        key = _class_of(peer)
        verdict, arrival = gcra(self._failed.get(key), self.clock(), _GUESSES)
        self._failed[key] = arrival
        self._failed.move_to_end(key)
        while len(self._failed) > _ADDRESSES:
            self._failed.popitem(last=False)
        if not verdict.allowed:
            raise Refused(Reason.TOO_MANY_GUESSES, "too many wrong tokens", retry_after=verdict.retry_after)


def _class_of(peer: str | None) -> str:
    try:
        return address_class(ip_address(peer or ""))
    except ValueError:
        return "local"
