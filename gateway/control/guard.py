"""Owns who may call what: bearer tokens compared as hashes, and the throttle on wrong ones.

Refuses to own what they may do then: the holder of an admin token may do everything here.

Laws: access that no case grants is refused. Every known token is compared on every try, in constant time; a right token
always passes, so that a flood of wrong ones from a shared address cannot keep an operator from revoking.
"""

from __future__ import annotations

import hmac
from collections import OrderedDict
from collections.abc import Callable, Mapping
from enum import Enum
from typing import Final

from gateway.control.deps import Callers
from gateway.core.attempt import ANONYMOUS, Address, Principal, address_class
from gateway.core.limits import gcra
from gateway.core.reasons import Reason, Refused
from gateway.core.token import SecretHash, hash_secret
from gateway.core.units import Rate

__all__ = ["Access", "Guard", "bearer", "name_of"]

_GUESSES: Final = Rate(10, 60.0, 10)
"""Wrong tokens an address may try: ten at once, then one in six seconds. People mistype; tokens have 160 bits."""

_ADDRESSES: Final = 10_000
_NO_TOKEN: Final = SecretHash(b"")


class Access(Enum):
    """Who may call an endpoint. A new kind of caller is a member here and a case below."""

    ADMIN = "an admin's token"
    SIDECAR = "a sidecar's token, or an admin's"
    APP = "the container-credentials token of the app that the path names"
    PUBLIC = "no token"


def name_of(token: str, known: Mapping[SecretHash, str]) -> str | None:
    """Whose token this is. All are compared, whatever matches, so that the time taken shows nothing."""
    digest = hash_secret(token)
    found = None
    for expected, name in known.items():
        if hmac.compare_digest(digest, expected):
            found = name
    return found if token else None


def bearer(authorization: str | None) -> str:
    """The token of `Bearer TOKEN`, "" for anything else."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


class Guard:
    """Authenticates callers. Remembers the wrong tokens of at most 10,000 addresses, the oldest forgotten first."""

    def __init__(self, callers: Callable[[], Callers], clock: Callable[[], float]) -> None:
        self._callers = callers
        self._clock = clock
        self._wrong: OrderedDict[str, float] = OrderedDict()

    def admit(
        self, access: Access, authorization: str | None, peer: Address | None, values: Mapping[str, str]
    ) -> tuple[Principal, SecretHash]:
        """Who calls, if this access is theirs, and the hash of their token. `values` are the path's.

        Raises:
            Refused: CREDENTIALS_MISSING for no or a wrong token, TOO_MANY_GUESSES once too many were wrong.
        """
        if access is Access.PUBLIC:
            return ANONYMOUS, _NO_TOKEN
        by_app = access is Access.APP
        token = (authorization or "").removeprefix("Bearer ").strip() if by_app else bearer(authorization)
        name = name_of(token, self._tokens_for(access, values))
        if name is not None:
            return Principal("app" if by_app else "admin", name), hash_secret(token)
        if token:
            self.charge(peer)
        raise Refused(Reason.CREDENTIALS_MISSING, "a valid token is needed")

    def still_admits(self, access: Access, caller: Principal, proof: SecretHash) -> bool:
        """Whether the caller who was admitted by this token would be admitted again."""
        return self._tokens_for(access, {}).get(proof) == caller.name

    def charge(self, peer: Address | None) -> None:
        """Count a wrong token. Raises Refused(TOO_MANY_GUESSES) once the address has tried too many."""
        key = "local" if peer is None else address_class(peer)
        verdict, arrival = gcra(self._wrong.get(key), self._clock(), _GUESSES)
        self._wrong[key] = arrival
        self._wrong.move_to_end(key)
        while len(self._wrong) > _ADDRESSES:
            self._wrong.popitem(last=False)
        if not verdict.allowed:
            raise Refused(Reason.TOO_MANY_GUESSES, "too many wrong tokens", retry_after=verdict.retry_after)

    def _tokens_for(self, access: Access, values: Mapping[str, str]) -> Mapping[SecretHash, str]:
        """The tokens that grant this access, and whose they are."""
        callers = self._callers()
        match access:
            case Access.ADMIN:
                return callers.admins
            case Access.SIDECAR:
                return {**callers.sidecars, **callers.admins}
            case Access.APP:
                return {digest: name for digest, name in callers.apps.items() if name == values.get("app")}
            case _:
                return {}
