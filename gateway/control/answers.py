"""Owns what is answered: the models of the control API's answers, and how a noun becomes one.

Refuses to own status codes and headers (`gateway.control.api`).

Law: no secret in any answer but the ones that create it: a new link, a rotated link, a new key, a session.
Times are RFC 3339 in UTC, sizes are bytes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final, Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from gateway.control.usecases.grants import CountedGrant, CountedPage
from gateway.control.usecases.links import IssuedLink
from gateway.control.usecases.policies import Signature
from gateway.control.usecases.revocations import Revoked
from gateway.core.grant import Grant, GrantState, Scope
from gateway.core.holders import ProvedBy
from gateway.core.issued import IssuedKey
from gateway.core.lease import Usage
from gateway.core.link_credentials import link_of
from gateway.core.narrowing import Narrowing
from gateway.core.policy import Policy, rules_counting
from gateway.core.revocation import FeedEntry
from gateway.core.source import session_of
from gateway.core.units import Rate, format_instant
from gateway.wire.replies import Reply

LOST_BY_SIGNING: Final = (
    "revocation: the URL works until it expires, whatever is revoked here",
    "counting: uses and bytes are not seen by the gateway",
    "limits: neither rates, sizes nor networks are enforced",
    "concealment: the URL shows the store's host, its bucket and an access key id",
)


def format_rate(rate: Rate) -> str:
    """The text that `Rate.parse` reads back; its burst is one period's count."""
    return f"{rate.count}/{rate.per:g}s" if rate.per >= 1 else f"{rate.count}/{rate.per * 1000:g}ms"


def _format_when(value: object) -> object:
    return format_instant(value) if isinstance(value, float | int) else value


When = Annotated[str, BeforeValidator(_format_when), Field(json_schema_extra={"format": "date-time"})]
"""An instant, made of seconds since the epoch."""

RateText = Annotated[str, BeforeValidator(lambda value: format_rate(value) if isinstance(value, Rate) else value)]


class View(BaseModel):
    """An answer, or a part of one; what has its members as attributes can be validated as it."""

    model_config = ConfigDict(
        frozen=True, populate_by_name=True, hide_input_in_errors=True, defer_build=True, from_attributes=True
    )


def view_reply(view: View, status: int = 200, headers: tuple[tuple[str, str], ...] = ()) -> Reply:
    """A view as JSON, fields under their public names."""
    text = view.model_dump_json(by_alias=True)
    return Reply(status, (("Content-Type", "application/json"), *headers), text.encode())


class FaultView(View):
    """One fault; `pointer` is a JSON pointer into the body, `parameter` a query parameter."""

    detail: str
    pointer: str | None = None
    parameter: str | None = None


class ObjectionView(View):
    reason: str
    detail: str
    rule: str | None = None


class ProblemView(View):
    """RFC 9457, with our reason and the id of the request; written by `gateway.control.problems`."""

    type: str = "about:blank"
    title: str
    status: int
    detail: str
    reason: str
    request_id: str
    errors: list[FaultView] | None = None
    objections: list[ObjectionView] | None = None


class GivenView(View):
    """An approval that was given, under the rule that asked for it."""

    rule: str
    by: str
    at: When


class ApprovalView(View):
    """What somebody else has to say, or has said, about a grant that a rule wants to be approved.

    While it waits, `rule` is the one under which, since `asked_at` and till `until`: then it is too late. `asked_by`
    made it, or asked for more of it, and cannot approve. Once it is released, those are null and empty.
    """

    rule: str | None
    asked_by: list[str]
    asked_at: When | None
    until: When | None
    given: list[GivenView]


class _GrantView(View):
    id: str
    owner: str
    label: str | None
    state: GrantState
    issued_at: When
    issued_by: str
    expires_at: When | None
    last_used_at: When | None
    suspended_at: When | None
    suspended_by: str | None
    approval: ApprovalView | None
    revoked_at: When | None
    revoked_reason: str | None
    version: int


class HoldersView(View):
    """Who alone may use a link, and how they prove who they are."""

    emails: list[str]
    domains: list[str]
    groups: list[str]
    excluded: list[str]
    by: ProvedBy


class LinkView(_GrantView):
    """A link without its secret. `bytes` is all it may ever move, `password` whether there is one, `groups`
    those of its owner on which it stands.

    What was received is counted where `max_files` or `total_bytes` limit it. `undo` is in seconds.
    """

    bucket: str
    key: str | None
    prefix: str | None
    actions: list[str]
    not_before: When | None
    uses: int | None
    uses_used: int
    budget: int | None = Field(alias="bytes")
    bytes_used: int
    password: bool
    cidrs: list[str]
    filename: str | None
    content_type: str | None
    etag: str | None
    max_size: int | None
    overwrite: bool
    on_conflict: str
    max_files: int | None
    files_received: int
    total_bytes: int | None
    bytes_received: int
    types: list[str] | None
    names: str
    blind: bool
    undo: float | None
    message: str | None
    terms: str | None
    holders: HoldersView | None
    confirm: bool
    once: bool
    credentials: bool
    shows: list[str]
    rate: RateText | None
    rule: str | None
    groups: list[str]

    @classmethod
    def of(cls, held: CountedGrant, now: float) -> Self:
        return cls.model_validate(_link_members(held, now))


class MadeLinkView(LinkView):
    """A link with its secret, which is never shown again; both are null when an earlier call made the link."""

    url: str | None
    token: str | None
    note: str | None

    @classmethod
    def made(cls, issued: IssuedLink, now: float, public_url: str) -> Self:
        text = None if issued.token is None else issued.token.text
        scope = issued.held.grant.scope
        tail = "/" if scope is not None and scope.key is None else ""
        note = "made by an earlier call: its token cannot be shown again, rotate it for a new one"
        return cls.model_validate(
            _link_members(issued.held, now)
            | {
                "url": None if text is None else f"{public_url.rstrip('/')}/s/{text}{tail}",
                "token": text,
                "note": note if text is None else None,
            }
        )


class LinkPageView(View):
    links: list[LinkView]
    cursor: str | None

    @classmethod
    def of(cls, page: CountedPage, now: float) -> Self:
        return cls(links=[LinkView.of(held, now) for held in page.held], cursor=page.cursor)


class ScopeView(View):
    """One place of a key. Without a `bucket` it is wherever the app may, without `keys` all below the prefix."""

    bucket: str | None
    prefix: str | None
    keys: list[str] | None
    actions: list[str] | None

    @classmethod
    def of(cls, part: Narrowing) -> Self:
        return cls(
            bucket=part.bucket,
            prefix=None if part.keys or part.bucket is None else part.prefix,
            keys=sorted(part.keys) or None,
            actions=[str(action) for action in sorted(part.actions)] or None,
        )


class KeyView(_GrantView):
    """A key without its secret. `scopes` are the places that it is held to, null for all that its app may do.

    `bucket`, `prefix`, `keys` and `actions` are those of the only place, and null where there are several. `bytes` is
    all it may ever move; what it used is counted, and not null, where it is limited. `session` says that uses must come
    with a session token. `rules` are those that count for it now, where it reaches. A session has the `role` that was
    taken, the `session_name` and the `session_policy` by which it was asked for; `link` is the link for
    which a key stands: it does what that one does.
    """

    app: str
    session: bool
    link: str | None
    bucket: str | None
    prefix: str | None
    keys: list[str] | None
    actions: list[str] | None
    scopes: list[ScopeView] | None
    not_before: When | None
    uses: int | None
    uses_used: int | None
    budget: int | None = Field(alias="bytes")
    bytes_used: int | None
    cidrs: list[str]
    rate: RateText | None
    rules: list[str]
    role: str | None
    session_name: str | None
    session_policy: str | None

    @classmethod
    def of(cls, held: CountedGrant, now: float, policy: Policy) -> Self:
        return cls.model_validate(_key_members(held, now, policy))


class ResealedView(View):
    """What one batch did: `cursor` continues it and is null at the end."""

    examined: int
    resealed: Annotated[int, Field(description="Now under the first of state.sealing_keys, and were not before")]
    unreadable: Annotated[int, Field(description="Under a key that the settings do not hold; the log names them")]
    cursor: str | None


class MadeKeyView(KeyView):
    """A key with its secrets, which are never shown again."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None

    @classmethod
    def made(cls, key: IssuedKey, now: float, policy: Policy) -> Self:
        return cls.model_validate(
            _key_members(CountedGrant(key.grant, Usage()), now, policy)
            | {
                "access_key_id": key.access_key_id,
                "secret_access_key": key.secret_access_key,
                "session_token": key.session_token,
            }
        )


class SessionView(View):
    """Container credentials, in the shape that the AWS SDKs read."""

    access_key_id: str = Field(alias="AccessKeyId")
    secret_access_key: str = Field(alias="SecretAccessKey")
    token: str = Field(alias="Token")
    expiration: When = Field(alias="Expiration")

    @classmethod
    def of(cls, key: IssuedKey) -> Self:
        return cls(
            AccessKeyId=key.access_key_id,
            SecretAccessKey=key.secret_access_key,
            Token=key.session_token or "",
            Expiration=format_instant(key.grant.expires_at or 0.0),
        )


class KeyPageView(View):
    keys: list[KeyView]
    cursor: str | None

    @classmethod
    def of(cls, page: CountedPage, now: float, policy: Policy) -> Self:
        return cls(keys=[KeyView.of(held, now, policy) for held in page.held], cursor=page.cursor)


class RevokedView(View):
    """`revoked` is the number of living grants that ended, or would end; `serial` is null where nothing
    was written: a dry run, or what had ended before. It is null, too, for whoever sees only what is theirs, and for a
    holder, of whom `revoked` is the number of links that they are excluded from by this.

    `known` is false for a name that neither the policy nor any grant has. It is recorded all the same: another gateway
    that follows this one may know it.
    """

    revoked: int
    serial: int | None
    dry_run: bool
    known: bool

    @classmethod
    def of(cls, revoked: Revoked, *, dry_run: bool) -> Self:
        return cls(revoked=revoked.count, serial=revoked.serial, dry_run=dry_run, known=revoked.known)


class RevocationEntryView(View):
    serial: int
    kind: str
    name: str
    prefix: str
    at: When
    reason: str
    by: str


class FeedView(View):
    """Oldest first; ask again with `?after=` this serial.

    `as_of` is set when this is the whole list, which was complete then: `state.revocations` reads it from a file.
    A sidecar that asks is told, by `serves`, whose grants it is given: when it is another text, whatever the sidecar
    keeps has to be asked for again.
    `last` is told to who asks for notices after a serial that was never given: the state has lost what was read of it,
    up to this serial, and gives the later ones again. Ask again from the beginning.
    """

    revocations: list[RevocationEntryView]
    serial: int
    as_of: When | None
    last: int | None = Field(default=None, exclude_if=lambda last: last is None)
    serves: str | None = Field(default=None, exclude_if=lambda serves: serves is None)

    @classmethod
    def of(
        cls,
        entries: Sequence[FeedEntry],
        after: int,
        whole_at: float | None,
        *,
        last: int | None = None,
        serves: str | None = None,
    ) -> Self:
        serial = max((entry.serial for entry in entries), default=after)
        fields = {"revocations": entries, "serial": serial, "as_of": whole_at, "last": last, "serves": serves}
        return cls.model_validate(fields)


class SignatureView(View):
    """A presigned URL of the real store, the headers to send with it, and what is lost by it."""

    url: str
    method: str
    headers: dict[str, str]
    expires_at: When
    lost: list[str]

    @classmethod
    def of(cls, signature: Signature, method: str, headers: dict[str, str]) -> Self:
        return cls(
            url=signature.url,
            method=method,
            headers=headers,
            expires_at=format_instant(signature.expires_at),
            lost=list(LOST_BY_SIGNING),
        )


def _grant_members(held: CountedGrant, now: float) -> dict[str, object]:
    grant = held.grant
    return {
        "id": grant.id,
        "owner": str(grant.owner),
        "label": grant.label,
        "state": held.state(now),
        "issued_at": grant.issued_at,
        "issued_by": grant.issued_by,
        "expires_at": grant.expires_at,
        "last_used_at": held.usage.last_used_at,
        "suspended_at": grant.suspended_at,
        "suspended_by": grant.suspended_by or None,
        "approval": _approval_members(grant),
        "revoked_at": grant.revoked_at,
        "revoked_reason": grant.revoked_reason,
        "version": grant.version,
    }


def _approval_members(grant: Grant) -> dict[str, object] | None:
    waiting = grant.waiting
    if waiting is None:
        asked: dict[str, object] = {"rule": None, "asked_by": (), "asked_at": None, "until": None}
    else:
        asked = {"rule": grant.rule, "asked_by": waiting.asked_by, "asked_at": waiting.since, "until": waiting.until}
    return asked | {"given": grant.approvals} if waiting is not None or grant.approvals else None


def _link_members(held: CountedGrant, now: float) -> dict[str, object]:
    grant = held.grant
    scope, intake = grant.scope or Scope("", prefix=""), grant.intake
    return _grant_members(held, now) | {
        "bucket": scope.bucket,
        "key": scope.key,
        "prefix": scope.prefix,
        "actions": sorted(grant.actions),
        "not_before": grant.not_before,
        "uses": grant.uses,
        "uses_used": held.usage.uses,
        "bytes": grant.budget,
        "bytes_used": held.usage.moved,
        "password": grant.password is not None,
        "cidrs": [str(network) for network in grant.cidrs],
        "filename": grant.filename,
        "content_type": grant.content_type,
        "etag": grant.etag,
        "max_size": grant.max_size,
        "overwrite": grant.overwrite,
        "on_conflict": grant.on_conflict,
        "max_files": intake.max_files,
        "files_received": held.received.uses,
        "total_bytes": intake.total_bytes,
        "bytes_received": held.received.moved,
        "types": list(intake.types) or None,
        "names": intake.names or "keep",
        "blind": intake.blind,
        "undo": intake.undo,
        "message": intake.message,
        "terms": grant.terms,
        "holders": grant.holders,
        "confirm": grant.confirm,
        "once": grant.once,
        "credentials": grant.credentials,
        "shows": sorted(grant.shows),
        "rate": grant.rate,
        "rule": grant.rule,
        "groups": grant.groups,
    }


def _key_members(held: CountedGrant, now: float, policy: Policy) -> dict[str, object]:
    grant, usage = held.grant, held.usage
    asked = session_of(grant.source)
    scopes = [ScopeView.of(part) for part in grant.narrowed]
    only = scopes[0] if len(scopes) == 1 else ScopeView.of(Narrowing())
    return _grant_members(held, now) | {
        "app": grant.owner.name,
        "session": grant.session_hash is not None,
        "link": None if grant.link is None else link_of(grant),
        "bucket": only.bucket,
        "prefix": only.prefix,
        "keys": only.keys,
        "actions": only.actions,
        "scopes": scopes or None,
        "not_before": grant.not_before,
        "uses": grant.uses,
        "uses_used": None if grant.uses is None else usage.uses,
        "bytes": grant.budget,
        "bytes_used": usage.moved if grant.counted else None,
        "cidrs": [str(network) for network in grant.cidrs],
        "rate": grant.rate,
        "rules": [] if grant.link is not None else [rule.name for rule in rules_counting(policy, grant)],
        "role": None if asked is None else asked.role or None,
        "session_name": None if asked is None else asked.name or None,
        "session_policy": None if grant.session_policy is None else grant.session_policy.text,
    }
