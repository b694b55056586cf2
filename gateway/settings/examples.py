"""Owns worked examples: attempts written beside the rules, with the decision each must get.

Refuses to own the decision: `gateway.core.policy.explain` makes it, as for a real request.
Law: an example that proves nothing is a fault. One about a bucket that does not exist would pass every "deny".
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, Literal

from gateway.core.attempt import Address, Attempt, Principal, SignatureVersion
from gateway.core.policy import Policy, explain
from gateway.core.reasons import Reason
from gateway.core.request import ACTION_OF, Action, Operation
from gateway.core.values import dataclass
from gateway.settings.collect import Entry
from gateway.settings.grammar import ExampleEntry

DEFAULT_AT: Final = 1893499200.0
"""Noon of 2030-01-01 UTC: the time of an example that names none, fixed so that it decides the same every day."""

_PLACELESS: Final = frozenset(
    {
        Operation.HEAD_BUCKET,
        Operation.CREATE_BUCKET,
        Operation.GET_BUCKET_LOCATION,
        Operation.GET_BUCKET_VERSIONING,
        Operation.PREFLIGHT,
        Operation.LIST_OBJECTS,
        Operation.LIST_OBJECTS_V2,
        Operation.LIST_OBJECT_VERSIONS,
        Operation.LIST_MULTIPART_UPLOADS,
        Operation.DELETE_OBJECTS,
    }
)
"""Operations that are about a bucket, so that an example of them may name no key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Example:
    """One attempt and the decision it must get. `source` is file:line:column; `reason` is for people."""

    who: Principal
    operation: Operation
    action: Action | None
    bucket: str
    key: str
    peer: Address | None = None
    size: int | None = None
    signature: SignatureVersion | None = None
    groups: tuple[str, ...] = ()
    at: float = DEFAULT_AT
    expect: Literal["allow", "deny"]
    reason: str | None = None
    source: str = ""

    @property
    def attempt(self) -> Attempt:
        return Attempt(
            principal=self.who,
            operation=self.operation,
            action=self.action,
            bucket=self.bucket,
            key=self.key,
            peer=self.peer,
            now=self.at,
            size=self.size,
            signature=self.signature,
            groups=self.groups,
        )

    def __str__(self) -> str:
        done = self.action if self.action in {Action.SHARE, Action.SIGN} else self.operation
        who = f"{self.who} of {', '.join(self.groups)}" if self.groups else f"{self.who}"
        return f"{who} {done} {self.bucket}/{self.key}"


def compile_example(entry: Entry[ExampleEntry], faults: list[str]) -> Example | None:
    """The example of an entry; None with a fault added when it could prove nothing."""
    value = entry.value
    bucket, _, key = value.on.partition("/")
    if value.who.kind == "link":
        faults.append(entry.fault("a link acts for its owner: name the owner", "who"))
        return None
    operation = value.do if isinstance(value.do, Operation) else Operation.GET_OBJECT
    if not key and operation not in _PLACELESS and isinstance(value.do, Operation):
        faults.append(entry.fault(f"{operation} needs a key: write BUCKET/KEY", "on"))
        return None
    return Example(
        who=value.who,
        operation=operation,
        action=ACTION_OF[operation] if isinstance(value.do, Operation) else value.do,
        bucket=bucket,
        key=key,
        peer=value.peer,
        size=value.size,
        signature=value.signature,
        groups=tuple(sorted(set(value.groups or ()))),
        at=DEFAULT_AT if value.at is None else value.at,
        expect=value.expect,
        reason=value.reason,
        source=entry.where,
    )


def check(policy: Policy, examples: Iterable[Example]) -> list[str]:
    """A sentence for every example that gets another decision than it must. A drained backend is not a decision."""
    faults = []
    for example in examples:
        said = explain(policy, None, example.attempt)
        against = [objection for objection in said.objections if objection.reason is not Reason.BACKEND_DRAINED]
        because = f" ({example.reason})" if example.reason else ""
        if example.expect == "allow" and against:
            details = "; ".join(objection.detail for objection in against)
            faults.append(f"{example.source}: {example}: expected allow{because}, but: {details}")
        if example.expect == "deny" and not against:
            rule = f"the rule {said.route.rule!r} allows it" if said.route is not None else "it is allowed"
            faults.append(f"{example.source}: {example}: expected deny{because}, but {rule}")
    return faults
