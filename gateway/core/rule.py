"""Owns one rule: whom it names, what it lets them do, where, and under which conditions.

Refuses to own how rules are weighed against each other (`gateway.core.policy`) and how they are written
(`gateway.settings`).
"""

from __future__ import annotations

from collections.abc import Iterator
from enum import StrEnum
from ipaddress import IPv4Network, IPv6Network
from typing import Final, Literal, Protocol

from gateway.core.approval import ApprovalTerms
from gateway.core.attempt import Attempt, Principal, SignatureVersion
from gateway.core.grant import Grant, GrantKind
from gateway.core.intake import Intake, allows_type
from gateway.core.pattern import NamePattern, PathPattern, names_any
from gateway.core.request import Action
from gateway.core.route import Delivery
from gateway.core.said import phrase
from gateway.core.units import Rate
from gateway.core.values import dataclass

UNRELEASED: Final = phrase("rule_unreleased", "asks for an approval that was not given yet")
_OTHER_NETWORKS: Final = phrase("rule_networks", "is for other networks")
_OTHER_NAMES: Final = phrase("rule_names", "covers other names")
"""What a rule says of a grant that lacks nothing but that."""

_EXPIRY_SLACK: Final = 1.0
"""Seconds by which a link's life may pass the rule's maximum, for the rounding of instants to whole seconds."""


class Effect(StrEnum):
    ALLOW = "allow"
    DENY = "deny"


class Condition(Protocol):
    """A rule's `when:`. One small interface, so that the expression engine can be replaced."""

    text: str

    def holds(self, attempt: Attempt, grant: Grant | None) -> bool | None:
        """True or False as the expression says; None when it could not be evaluated.

        None never allows and always denies: an allow rule needs True, a deny rule is silenced only by False.
        """
        ...


@dataclass(frozen=True, slots=True)
class LinkLimits:
    """What links made under a share rule may be. Seconds and bytes; None is "no limit".

    `credentials` is whether they may be had as S3 credentials, too; without it they stay links.
    """

    actions: frozenset[Action] = frozenset({Action.READ})
    max_expires: float | None = None
    max_uses: int | None = None
    max_size: int | None = None
    max_files: int | None = None
    total_bytes: int | None = None
    types: tuple[str, ...] = ()
    password: bool = False
    holders: bool = False
    credentials: bool = True

    def faults(self, grant: Grant) -> Iterator[str]:
        """Every way in which the link is more than this rule lets it be."""
        excess = grant.actions - self.actions
        if excess:
            yield phrase("link_actions", "links here may not {names}", names=", ".join(sorted(excess)))
        if _outlives(grant, self.max_expires):
            yield phrase("link_long", "the link lives longer than links here may")
        if self.max_uses is not None and (grant.uses is None or grant.uses > self.max_uses):
            yield phrase("link_uses", "links here may have at most {max_uses} uses", max_uses=self.max_uses)
        if (
            self.max_size is not None
            and Action.WRITE in grant.actions
            and (grant.max_size is None or grant.max_size > self.max_size)
        ):
            yield phrase(
                "link_size", "upload links here need a max_size of at most {max_size} bytes", max_size=self.max_size
            )
        if Action.WRITE in grant.actions:
            yield from self._intake_faults(grant.intake)
        if self.password and grant.password is None:
            yield phrase("link_password", "links here need a password")
        if self.holders and grant.holders is None:
            yield phrase("link_holders", "links here need holders: whom they are for")

    def _intake_faults(self, intake: Intake) -> Iterator[str]:
        if self.max_files is not None and (intake.max_files is None or intake.max_files > self.max_files):
            yield phrase(
                "link_files", "upload links here need a max_files of at most {max_files}", max_files=self.max_files
            )
        if self.total_bytes is not None and (intake.total_bytes is None or intake.total_bytes > self.total_bytes):
            yield phrase(
                "link_total",
                "upload links here need a total_bytes of at most {total_bytes}",
                total_bytes=self.total_bytes,
            )
        if self.types and not (intake.types and all(allows_type(self.types, name) for name in intake.types)):
            yield phrase(
                "link_types", "upload links here need types that are among {names}", names=", ".join(self.types)
            )


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What a key has to be for a rule to count for it. Seconds and bytes; None is "no limit"."""

    max_expires: float | None = None
    max_uses: int | None = None
    max_bytes: int | None = None
    narrowed: bool = False

    def faults(self, grant: Grant) -> Iterator[str]:
        """Every way in which the key is more than this rule lets it be."""
        if _outlives(grant, self.max_expires):
            yield phrase("key_lives_long", "the key lives longer than keys here may")
        if self.max_uses is not None and (grant.uses is None or grant.uses > self.max_uses):
            yield phrase("key_uses", "keys here may have at most {max_uses} uses", max_uses=self.max_uses)
        if self.max_bytes is not None and (grant.budget is None or grant.budget > self.max_bytes):
            yield phrase("key_bytes", "keys here may move at most {max_bytes} bytes", max_bytes=self.max_bytes)
        if self.narrowed and not grant.placed:
            yield phrase("key_bucket", "keys here are held to a bucket")


def _outlives(grant: Grant, most: float | None) -> bool:
    ends = grant.expires_at if grant.own_end is None else grant.own_end
    return most is not None and (ends is None or ends - grant.issued_at > most + _EXPIRY_SLACK)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. `signatures` narrows it to these versions, "" none; `source` is file:line, for people.

    With an `approval`, its `share` counts for links that were approved, and all else that it allows for keys that were.
    """

    name: str
    who: tuple[NamePattern, ...]
    may: frozenset[Action]
    on: tuple[PathPattern, ...]
    effect: Effect = Effect.ALLOW
    networks: tuple[IPv4Network | IPv6Network, ...] = ()
    max_size: int | None = None
    links: LinkLimits | None = None
    keys: KeyLimits | None = None
    approval: ApprovalTerms | None = None
    delivery: Delivery | None = None
    condition: Condition | None = None
    signatures: frozenset[SignatureVersion] = frozenset()
    source: str = ""

    def names(self, principal: Principal, groups: tuple[str, ...] = ()) -> bool:
        return names_any(self.who, str(principal), groups)

    def covers(self, attempt: Attempt) -> bool:
        """Whether the attempt's place is meant. For a deny rule, a listing that could show a denied name is meant."""
        if attempt.action is None:
            return any(pattern.names_bucket(attempt.bucket) for pattern in self.on)
        if attempt.action is Action.LIST:
            if self.effect is Effect.DENY:
                return any(pattern.may_touch_below(attempt.bucket, attempt.key) for pattern in self.on)
            return any(pattern.covers_all_below(attempt.bucket, attempt.key) for pattern in self.on)
        for pattern in self.on:  # noqa: SIM110 (each rule is asked for each new name: twice as fast)
            if pattern.covers(attempt.bucket, attempt.key):
                return True
        return False

    def mismatch(self, attempt: Attempt, grant: Grant | None) -> str | None:
        """Why this rule says nothing about the attempt, or None if it applies."""
        return self.beside(attempt) or (None if self.covers(attempt) else _OTHER_NAMES) or self.unmet(attempt, grant)

    def beside(self, attempt: Attempt) -> str | None:
        """Why the rule is not about this action, whatever the place."""
        if attempt.action is None:
            return (
                phrase("rule_sight", "denies actions, not the sight of a bucket")
                if self.effect is Effect.DENY
                else None
            )
        return (
            None
            if attempt.action in self.may
            else phrase("rule_action", "is not about {action}", action=attempt.action)
        )

    def released(self, grant: Grant) -> bool:
        """Whether the grant has the approval that the rule asks for, if it asks for one."""
        return self.approval is None or grant.released_under(self.name)

    @property
    def conditional(self) -> bool:
        """Whether more than name, action and place decides if the rule speaks."""
        return bool(self.networks or self.signatures) or self.max_size is not None or self.condition is not None

    def unmet(self, attempt: Attempt, grant: Grant | None) -> str | None:
        """Which of the rule's conditions the attempt does not meet, its name and action aside."""
        if self.networks and (attempt.peer is None or not any(attempt.peer in network for network in self.networks)):
            return _OTHER_NETWORKS
        if self.max_size is not None and (attempt.size or 0) > self.max_size:
            return phrase("rule_size", "is for bodies of at most {max_size} bytes", max_size=self.max_size)
        if self.keys is not None and grant is not None and grant.kind is GrantKind.KEY:
            for fault in self.keys.faults(grant):
                return phrase("rule_keys", "is for other keys: {fault}", fault=fault)
        # A link and a trusted listener sign nothing: an allow rule lets them be, a deny rule does not mean them.
        signed = attempt.signature is not None or self.effect is Effect.DENY
        if self.signatures and signed and attempt.signature not in self.signatures:
            return phrase(
                "rule_signatures", "is for requests signed with {names}", names=" or ".join(sorted(self.signatures))
            )
        if self.condition is not None:
            held = self.condition.holds(attempt, grant)
            if held is False or (held is None and self.effect is Effect.ALLOW):
                return (
                    phrase("rule_condition", "has a condition that does not hold")
                    if held is False
                    else phrase("rule_condition_failed", "has a condition that failed to evaluate")
                )
        if self.approval is not None and grant is not None and grant.kind is GrantKind.KEY and not self.released(grant):
            return UNRELEASED
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitRule:
    """A limit for everybody whom `who` matches. `per` says who shares one count."""

    who: NamePattern
    per: Literal["principal", "address", "link"] = "principal"
    requests: Rate | None = None
    bandwidth: int | None = None
    concurrent: int | None = None
    source: str = ""
