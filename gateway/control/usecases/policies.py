"""Owns the questions about what is loaded: would this attempt be allowed, and may this call be signed.

Refuses to own the answer itself (`gateway.core.policy`) and the signature (`core.route.Upstream`).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final
from urllib.parse import parse_qs, urlsplit

from gateway.control.caller import Admitted
from gateway.control.deps import Live, Stores
from gateway.control.usecases.grants import find_grant
from gateway.control.usecases.journal import Journal
from gateway.core.attempt import Address, Attempt, Principal, SignatureVersion
from gateway.core.grant import Grant, GrantKind
from gateway.core.holders import Holder
from gateway.core.link_credentials import standing
from gateway.core.policy import Explanation, decide, explain
from gateway.core.reasons import Reason, Refused
from gateway.core.record import Act
from gateway.core.request import ACTION_OF, Action, Operation
from gateway.core.rule import Effect
from gateway.core.said import phrase
from gateway.core.values import dataclass
from gateway.wire.s3.calls import require_kept, require_own_name

SIGNABLE: Final = {
    "GET": Operation.GET_OBJECT,
    "HEAD": Operation.HEAD_OBJECT,
    "PUT": Operation.PUT_OBJECT,
    "DELETE": Operation.DELETE_OBJECT,
}
"""The methods of one whole object that a presigned URL can stand for."""

_TYPICAL: Final = {
    Action.READ: Operation.GET_OBJECT,
    Action.LIST: Operation.LIST_OBJECTS_V2,
    Action.WRITE: Operation.PUT_OBJECT,
    Action.DELETE: Operation.DELETE_OBJECT,
    Action.SHARE: Operation.GET_OBJECT,
    Action.SIGN: Operation.GET_OBJECT,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """A hypothetical attempt. `do` is an operation or an action; `grant` names a link or key to come with.

    `holder` is the address of who proved to have it, as the link asks; then the groups are theirs.
    """

    do: Operation | Action
    bucket: str
    key: str
    who: Principal | None = None
    grant: str | None = None
    kind: GrantKind = GrantKind.LINK
    peer: Address | None = None
    size: int | None = None
    signature: SignatureVersion | None = None
    groups: tuple[str, ...] = ()
    holder: str | None = None


@dataclass(frozen=True, slots=True, repr=False)
class Signature:
    """A presigned URL of the real store. Its repr hides it: until it ends it is a credential."""

    url: str
    expires_at: float

    def __repr__(self) -> str:
        return f"Signature(…, {self.expires_at})"


@dataclass(frozen=True, slots=True)
class Policies:
    """The policy use cases."""

    stores: Stores
    live: Live
    journal: Journal

    def buckets_of(self, caller: Admitted) -> list[str]:
        """The buckets that there are for a caller: all for whoever sees everything, else what their rules name."""
        policy = self.live.policy()
        if caller.reach.owner is None:
            return sorted(policy.buckets)
        named = (rule for rule in policy.rules_for(caller.principal, caller.groups) if rule.effect is Effect.ALLOW)
        patterns = [pattern for rule in named for pattern in rule.on]
        return sorted(name for name in policy.buckets if any(pattern.names_bucket(name) for pattern in patterns))

    async def explain(self, question: Question) -> Explanation:
        """What the data plane would say, all reasons included; revocations by generation and counters are left out.

        Raises:
            Refused: UNKNOWN_TOKEN for an id that no such link or key has, BAD_ARGUMENT when no principal is named.
        """
        grant = None
        if question.grant is not None:
            grant = await find_grant(self.stores.grants, question.kind, question.grant)
            if grant is None:
                raise Refused(Reason.UNKNOWN_TOKEN, phrase("none_has_id", "no {kind} has this id", kind=question.kind))
        signature = question.signature
        holder = None if grant is None else grant.holder or _holder_of(question, grant)
        if grant is not None and grant.link is not None:
            grant, signature = standing(grant, await self.stores.grants.find(grant.link)), signature or "v4"
        who = grant.principal if grant is not None else question.who
        if who is None:
            raise Refused(Reason.BAD_ARGUMENT, phrase("explain_none", "name who, or a link"))
        operation, action = _operation_of(question.do)
        attempt = Attempt(
            principal=who,
            operation=operation,
            action=action,
            bucket=question.bucket,
            key=question.key,
            peer=question.peer,
            now=self.live.clock(),
            size=question.size,
            signature=signature,
            params={"prefix": question.key} if action is Action.LIST else None,
            groups=question.groups if question.holder is None else (),
            holder=holder,
        )
        found = explain(self.live.policy(), grant, attempt)
        return replace(found, missing=tuple(_missing(question, grant, attempt, found)))

    async def presign(
        self,
        actor: Principal,
        who: Principal,
        *,
        groups: tuple[str, ...],
        method: str,
        bucket: str,
        key: str,
        headers: tuple[tuple[str, str], ...],
        expires_in: int,
    ) -> Signature:
        """A presigned URL for one call, if `who`, a user of these groups, may sign there and do what it does. Seconds.

        Raises:
            Refused: with the policy's first objection.
            UpstreamFailed: no credentials for the store at hand.
            DependencyDown: the audit trail is down and its posture closed.
        """
        operation = SIGNABLE[method]
        now = self.live.clock()
        attempt = Attempt(
            principal=who,
            operation=operation,
            action=ACTION_OF[operation],
            bucket=bucket,
            key=key,
            peer=None,
            now=now,
            groups=groups,
        )
        route = decide(self.live.policy(), None, attempt)
        decide(self.live.policy(), None, attempt.touching(Action.SIGN, bucket, key))
        require_own_name(route)
        if operation is Operation.PUT_OBJECT:
            require_kept(route, None)
        url = self.live.upstream.presign(route.call(method, headers), expires_in)
        await self.journal.note(actor, Act.PRESIGN, f"{bucket}/{key}", who=str(who), method=method)
        return Signature(url, now + _lifetime(url, expires_in))


def _lifetime(url: str, asked: int) -> int:
    """Seconds for which the URL works: profiles cap what was asked, and SigV4 writes it into the URL."""
    written = parse_qs(urlsplit(url).query).get("X-Amz-Expires", [str(asked)])[0]
    return min(asked, int(written))


def _holder_of(question: Question, grant: Grant) -> Holder | None:
    """Who comes, proved in the way that the link asks for."""
    if question.holder is None or grant.holders is None:
        return None
    return Holder(question.holder, question.groups, grant.holders.by)


def _missing(
    question: Question, grant: Grant | None, attempt: Attempt, found: Explanation
) -> Iterator[tuple[str, str]]:
    """What was not said and decides, as far as it may decide otherwise."""
    rules = [rule for rule, _ in found.rules if rule.beside(attempt) is None]
    holders = None if grant is None else grant.holders
    if holders is not None and attempt.holder is None:
        yield "holder", phrase("missing_holder", "the link is for certain people: whether this is one of them")
    if holders is not None and not question.groups and holders.hangs_on_groups(attempt.holder):
        yield (
            "groups",
            phrase(
                "missing_groups",
                "the link is for groups: whether they are in one of {names}",
                names=", ".join(holders.groups),
            ),
        )
    if attempt.peer is None and (any(rule.networks for rule in rules) or (grant is not None and grant.cidrs)):
        yield "from", phrase("missing_from", "some networks are let in and others not: from which address")
    limited = any(rule.max_size is not None for rule in rules) or (grant is not None and grant.max_size is not None)
    if attempt.size is None and limited and attempt.action is Action.WRITE:
        yield "size", phrase("missing_size", "files may be so large and not larger: how many bytes")


def _operation_of(do: Operation | Action) -> tuple[Operation, Action | None]:
    if isinstance(do, Action):
        return _TYPICAL[do], do
    return do, ACTION_OF[do]
