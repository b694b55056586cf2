"""Owns who may call an endpoint, and what is known of whoever was let in: who, by what, and whose grants there are.

Refuses to own how somebody is recognised (`gateway.control.guard`).

Law: a caller has a reach, and there is no default for it. What is outside it does not exist for the caller: no use case
says of such a grant more than it says of an id that never was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from types import MappingProxyType
from typing import Final

from gateway.core.attempt import ANONYMOUS, Principal
from gateway.core.duty import Duty
from gateway.core.grant import Grant, GrantFilter
from gateway.core.source import Source
from gateway.core.token import SecretHash
from gateway.core.values import dataclass


class Access(Enum):
    """Who may call an endpoint. Each but four asks for one duty; a few are open to whoever asks for theirs."""

    PUBLIC = "no token"
    APP = "the container-credentials token of the app that the path names"
    ADMIN = "an admin who may operate"
    KNOWN = "whoever is known, whatever they may"
    SIGN_IN = "whoever is known and no sidecar, whatever they may"
    SIDECAR = "a sidecar's token, or an admin's who may serve"
    FEED = "a sidecar's token, or whoever reads everything"
    AUDIT = "whoever reads everything"
    READ = "everybody, what is theirs"
    SHARE = "everybody who shares what is theirs"
    ISSUE = "everybody, keys of their own"
    APPROVE = "everybody, what waits for them and is another's"
    REVOKE = "everybody, what is theirs to end"
    SIGN = "everybody, what they may sign"


DUTY_OF: Final[Mapping[Access, Duty]] = MappingProxyType(
    {
        Access.ADMIN: Duty.OPERATE,
        Access.SIDECAR: Duty.SERVE,
        Access.FEED: Duty.READ,
        Access.AUDIT: Duty.READ,
        Access.READ: Duty.READ,
        Access.SHARE: Duty.SHARE,
        Access.ISSUE: Duty.ISSUE,
        Access.APPROVE: Duty.APPROVE,
        Access.REVOKE: Duty.REVOKE,
        Access.SIGN: Duty.SIGN,
    }
)
"""What has to be among a caller's duties; an access that is not named here is granted by a case of its own or never."""

OWN: Final = frozenset({Access.READ, Access.SHARE, Access.ISSUE, Access.APPROVE, Access.REVOKE, Access.SIGN})
"""Open to those whose reach is only what they own, and what waits for their approval."""


@dataclass(frozen=True, slots=True)
class Reach:
    """Whose grants are there for a caller: those of one owner, or (None) everybody's."""

    owner: Principal | None

    def over(self, grant: Grant) -> bool:
        return self.owner is None or self.owner == grant.owner

    def within(self, wanted: GrantFilter) -> GrantFilter | None:
        """The filter for what of it is there for the caller; None if that is nothing."""
        if self.owner is None:
            return wanted
        return replace(wanted, owner=self.owner) if wanted.owner in {None, self.owner} else None

    def names(self, principal: Principal) -> bool:
        """Whether the caller may act for this owner."""
        return self.owner is None or self.owner == principal


EVERYTHING: Final = Reach(None)
_NO_TOKEN: Final = SecretHash(b"")


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """Somebody who was let in.

    `proof` is the hash of the token that let them in, and `key` that of the access key id; each is empty without one.
    `until` is when what they showed ends, and `source` what it came from: what is made with it lasts no longer.
    `digest` is the SHA-256, in hex, that their signature says the body has. `groups` are what was said of a user's.
    """

    principal: Principal
    reach: Reach
    may: frozenset[Duty] = frozenset()
    proof: SecretHash = _NO_TOKEN
    until: float | None = None
    source: Source = ()
    digest: str | None = None
    groups: tuple[str, ...] = ()
    key: SecretHash = _NO_TOKEN


NOBODY: Final = Admitted(principal=ANONYMOUS, reach=Reach(ANONYMOUS))
