"""Owns what may be sent: the bodies and queries of the control API, and what they ask of a grant.

Refuses to own the answers (`gateway.control.answers`) and what is allowed (`gateway.control.usecases`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BeforeValidator, Field, StrictBool, StrictStr, WithJsonSchema

from gateway.control.body import Body
from gateway.control.usecases.policies import Question
from gateway.core.grant import Grant, GrantFilter, GrantKind, GrantState, Scope, Shown
from gateway.core.holders import MOST_EXCLUDED, MOST_HOLDERS, Holders, ProvedBy
from gateway.core.intake import Intake
from gateway.core.request import Action, Operation
from gateway.core.revocation_target import FeedKind, RevocationTarget
from gateway.core.said import phrase
from gateway.core.source import Session
from gateway.schema.addresses import MailAddress, MailDomain, Network, Peer
from gateway.schema.names import AnyPrefix, BucketName, Key, LinkPrefix, Owner, Who
from gateway.schema.quantities import (
    ByteLimit,
    ByteSize,
    Duration,
    End,
    Instant,
    PresignedLife,
    RequestRate,
    UndoTime,
    Uses,
)
from gateway.schema.texts import (
    ContentType,
    Cursor,
    EntityTag,
    Filename,
    Group,
    MediaType,
    Message,
    NamesText,
    TermsText,
    Text,
)

Password = Annotated[StrictStr, Field(min_length=1, max_length=256)]
LinkAction = Literal[Action.READ, Action.LIST, Action.WRITE]
_OF_ANY_GRANT: Final = ("not_before", "uses", "budget", "rate", "label")
_OF_A_LINK: Final = (
    "max_size",
    "overwrite",
    "confirm",
    "once",
    "credentials",
    "terms",
    "owner",
    "filename",
    "content_type",
    "etag",
)
_OF_FILES: Final = ("max_files", "total_bytes", "names", "undo", "message")
_NEVER_NULL: Final = (
    *("bucket", "owner", "actions", "overwrite", "on_conflict", "blind", "confirm", "once", "credentials", "shows"),
)


class GrantFields(Body):
    """What is chosen for a link and for a key alike. None clears."""

    expires_in: Duration | None = None
    expires_at: End | None = None
    not_before: Instant | None = None
    uses: Uses | None = None
    budget: ByteLimit | None = Field(default=None, alias="bytes")
    cidrs: Annotated[list[Network], Field(max_length=64)] | None = None
    label: Text | None = None
    rate: RequestRate | None = None

    @classmethod
    def conflicts(cls, sent: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        if sent.get("expires_in") is not None and sent.get("expires_at") is not None:
            yield "expires_at", phrase("ends_twice", "give expires_in or expires_at, not both")

    def changed(self, now: float) -> dict[str, Any]:
        """The grant's fields that these replace."""
        sent = self.model_fields_set
        changed: dict[str, Any] = {name: getattr(self, name) for name in _OF_ANY_GRANT if name in sent}
        if "cidrs" in sent:
            changed["cidrs"] = tuple(dict.fromkeys(self.cidrs or ()))
        if self.expires_in is not None:
            changed["expires_at"] = now + self.expires_in
        elif not sent.isdisjoint({"expires_in", "expires_at"}):
            changed["expires_at"] = self.expires_at
        return changed


class HoldersBody(Body):
    """Who alone may use a link, and how they prove who they are: by a code that is mailed to them, or by signing in.

    `domains` are those of addresses, without the ones below them. `excluded` are addresses that the link is not for
    although a domain or a group has them; an edit that leaves it out keeps those that there are.
    """

    emails: Annotated[list[MailAddress], Field(max_length=MOST_HOLDERS)] = []
    domains: Annotated[list[MailDomain], Field(max_length=MOST_HOLDERS)] = []
    groups: Annotated[list[Group], Field(max_length=MOST_HOLDERS)] = []
    excluded: Annotated[list[MailAddress], Field(max_length=MOST_EXCLUDED)] | None = None
    by: ProvedBy = ProvedBy.CODE

    @classmethod
    def conflicts(cls, sent: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        yield from super().conflicts(sent)
        if not any(sent.get(name) for name in ("emails", "domains", "groups")):
            yield "", phrase("holders_none", "name somebody: by emails, domains or groups")
        if sent.get("groups") and sent.get("by", ProvedBy.CODE) != ProvedBy.OIDC:
            yield "groups", phrase("holders_groups", "groups are known of who signs in: they go with by: oidc")

    def made(self, before: Holders | None) -> Holders:
        """These people, with the secret that the link has, if it has one."""
        kept = () if before is None else before.excluded
        return Holders(
            emails=_once(self.emails),
            excluded=kept if self.excluded is None else _once(self.excluded),
            domains=tuple(dict.fromkeys(self.domains)),
            groups=tuple(dict.fromkeys(self.groups)),
            by=self.by,
            key=b"" if before is None else before.key,
        )


def _once(addresses: Sequence[str]) -> tuple[str, ...]:
    """Each mailbox once, as it is written first."""
    found: dict[str, str] = {}
    for address in addresses:
        found.setdefault(address.lower(), address)
    return tuple(found.values())


class _LinkFields(GrantFields):
    """What a link's maker chooses. None clears where a field may be empty."""

    bucket: BucketName | None = None
    key: Key | None = None
    prefix: LinkPrefix | None = None
    actions: Annotated[list[LinkAction], Field(min_length=1, max_length=8)] | None = None
    password: Password | None = None
    owner: Owner | None = None
    filename: Filename | None = None
    content_type: ContentType | None = None
    etag: EntityTag | None = None
    max_size: ByteLimit | None = None
    overwrite: StrictBool | None = None
    on_conflict: Literal["refuse", "rename", "overwrite"] | None = None
    max_files: Uses | None = None
    total_bytes: ByteLimit | None = None
    types: Annotated[list[MediaType], Field(min_length=1, max_length=32)] | None = None
    names: NamesText | None = None
    blind: StrictBool | None = None
    undo: UndoTime | None = None
    message: Message | None = None
    confirm: StrictBool | None = None
    once: StrictBool | None = None
    credentials: StrictBool | None = None
    shows: Annotated[list[Shown], Field(max_length=8)] | None = None
    terms: TermsText | None = None
    holders: HoldersBody | None = None

    @classmethod
    def conflicts(cls, sent: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        yield from super().conflicts(sent)
        if sent.get("key") is not None and sent.get("prefix") is not None:
            yield "prefix", phrase("place_twice", "give a key or a prefix, not both")
        overwrite, on_conflict = sent.get("overwrite"), sent.get("on_conflict")
        if None not in (overwrite, on_conflict) and overwrite is not (on_conflict == "overwrite"):
            yield "on_conflict", phrase("conflict_twice", "says something else than overwrite; give one of them")
        for name in _NEVER_NULL:
            if name in sent and sent[name] is None:
                yield name, phrase("never_null", "may be left out, but not null")

    def apply_to(self, grant: Grant, now: float) -> Grant:
        """The grant with every field that was sent, and nothing else changed; the password is not its matter."""
        sent = self.model_fields_set
        changed = self.changed(now) | {name: getattr(self, name) for name in _OF_A_LINK if name in sent}
        if self.once and "uses" not in sent:
            changed["uses"] = 1
        if self.on_conflict is not None:
            changed["overwrite"] = self.on_conflict == "overwrite"
        changed["intake"] = self._change_intake(grant.intake, overwrites=changed.get("overwrite", grant.overwrite))
        if "holders" in sent:
            changed["holders"] = None if self.holders is None else self.holders.made(grant.holders)
        if self.actions is not None:
            changed["actions"] = frozenset(Action(action) for action in self.actions)
        if self.shows is not None:
            changed["shows"] = frozenset(self.shows)
        if not sent.isdisjoint({"bucket", "key", "prefix"}):
            changed["scope"] = self._change_scope(grant.scope)
        return replace(grant, **changed)

    def _change_intake(self, now: Intake, *, overwrites: bool) -> Intake:
        """What is wanted of files. A blind link that does not overwrite gives what is sent another name."""
        sent = self.model_fields_set
        changed: dict[str, Any] = {name: getattr(self, name) for name in _OF_FILES if name in sent}
        if "types" in sent:
            changed["types"] = tuple(dict.fromkeys(self.types or ()))
        if self.blind is not None:
            changed["blind"] = self.blind
        if self.on_conflict is not None or overwrites:
            changed["rename"] = self.on_conflict == "rename"
        elif self.blind:
            changed["rename"] = True
        return replace(now, **changed)

    def _change_scope(self, now: Scope | None) -> Scope:
        bucket = self.bucket or (now.bucket if now is not None else "")
        if self.key is not None or self.prefix is not None:
            return Scope(bucket, self.key, self.prefix)
        return replace(now, bucket=bucket) if now is not None else Scope(bucket, prefix="")


class NewLink(_LinkFields):
    """The body of `POST /v1/links`."""

    bucket: BucketName

    @classmethod
    def conflicts(cls, sent: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        yield from super().conflicts(sent)
        if sent.get("key") is None and sent.get("prefix") is None:
            yield "key", phrase("place_none", "give a key or a prefix")

    @property
    def scope(self) -> Scope:
        return Scope(self.bucket, self.key, self.prefix)


class EditLink(_LinkFields):
    """The body of `PATCH /v1/links/{id}`: any fields at once, null clears, what is not sent stays."""


_TARGETS: Final = {
    "link": FeedKind.LINK,
    "key": FeedKind.KEY,
    "owner": FeedKind.OWNER,
    "bucket": FeedKind.PREFIX,
    "backend": FeedKind.BACKEND,
    "policy": FeedKind.POLICY,
}


_SESSIONS: Final = ("role", "session")
"""The targets that are what sessions were asked for as: a role, or the name that was given to a session."""

_BY_TIME: Final = ("link", "key", "owner", "policy", *_SESSIONS)
"""The targets that are grants and nothing more. A prefix or a backend is also reached by keys of any age."""


_OF_HOLDER: Final = ("link", "owner")
"""The targets that narrow whose links a holder is excluded from."""


class NewRevocation(Body):
    """The body of `POST /v1/revocations`: exactly one target.

    A `holder`, by their mail address, is excluded from every link that may be for them, or from those of the `owner`,
    or from the `link`, that is named beside it.

    With `issued_before`, only what the target names and was issued before that time.
    """

    link: Text | None = None
    key: Text | None = None
    owner: Who | None = None
    bucket: BucketName | None = None
    prefix: AnyPrefix | None = None
    backend: Text | None = None
    policy: Text | None = None
    role: Text | None = None
    session: Text | None = None
    holder: MailAddress | None = None
    issued_before: Instant | None = None
    reason: Text | None = None
    dry_run: StrictBool = False

    @classmethod
    def conflicts(cls, sent: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        named = [name for name in (*_TARGETS, *_SESSIONS) if sent.get(name) is not None]
        if sent.get("holder") is not None:
            if len(named) > 1 or not set(named) <= set(_OF_HOLDER):
                others = ", ".join(_OF_HOLDER)
                yield "holder", phrase("target_holder", "goes alone, or with one of {others}", others=others)
        elif len(named) != 1:
            names = ", ".join((*_TARGETS, *_SESSIONS, "holder"))
            yield "", phrase("target_one", "name exactly one target: {names}", names=names)
        if (sent.get("bucket") is None) != (sent.get("prefix") is None):
            yield (
                "prefix",
                phrase("target_prefix", 'a bucket and a prefix go together; the prefix "" is the whole bucket'),
            )
        if sent.get("issued_before") is not None and not set(named) <= set(_BY_TIME):
            yield (
                "issued_before",
                phrase(
                    "target_before", "goes with {names}; a prefix or a backend ends whole", names=", ".join(_BY_TIME)
                ),
            )

    @property
    def sessions(self) -> Session | None:
        """The sessions that are meant, if sessions are: by a role, or by a name."""
        return None if self.role is None and self.session is None else Session(self.role or "", self.session or "")

    @property
    def target(self) -> RevocationTarget:
        """What is meant, if it is no session; `conflicts` made sure that it is one thing."""
        if self.bucket is not None:
            return RevocationTarget(FeedKind.PREFIX, self.bucket, self.prefix or "")
        for field, kind in _TARGETS.items():
            if (value := getattr(self, field)) is not None:
                return RevocationTarget(kind, str(value))
        raise AssertionError("a body without a target does not validate")


_SIGNED_HEADER: Final = (
    r"content-(type|md5|disposition|encoding|language)|cache-control|range"
    r"|x-amz-meta-[a-z0-9-]{1,64}|x-amz-checksum-[a-z0-9-]{1,32}"
)


def _check_headers(value: dict[str, str]) -> dict[str, str]:
    """The names in lower case, as they are signed (RFC 9110, 5.1: a field name has no case)."""
    found = {name.lower(): text for name, text in value.items()}
    if len(found) != len(value):
        raise ValueError("a header is named twice")
    if unknown := [name for name in found if not re.fullmatch(_SIGNED_HEADER, name, re.ASCII)]:
        raise ValueError(
            f"no URL is signed for {', '.join(map(ascii, unknown))}: range, cache-control, content-type, -md5, "
            "-disposition, -encoding and -language, x-amz-meta-… and x-amz-checksum-… can be"
        )
    return found


class PresignBody(Body):
    """The body of `POST /v1/presign`. `as` is the principal whose rules count, the caller unless given."""

    bucket: BucketName
    key: Key
    method: Literal["GET", "HEAD", "PUT", "DELETE"] = "GET"
    expires_in: PresignedLife = 900.0
    headers: Annotated[
        dict[
            Annotated[StrictStr, Field(max_length=128)],
            Annotated[StrictStr, Field(max_length=1024, pattern=r"^[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?$")],
        ],
        AfterValidator(_check_headers),
    ] = Field(default_factory=dict, max_length=32)
    who: Who | None = Field(default=None, alias="as")


_DO: Final[dict[str, Operation | Action]] = {str(known): known for known in (*Operation, *Action)}


def _do(value: object) -> Operation | Action:
    if not isinstance(value, str) or value not in _DO:
        raise ValueError(phrase("operation_form", "write an operation like GetObject or an action like read"))
    return _DO[value]


Do = Annotated[Any, BeforeValidator(_do), WithJsonSchema({"type": "string", "enum": list(_DO)})]


class ExplainBody(Body):
    """The body of `POST /v1/policy/explain`. `do` is an operation like GetObject or an action like read.

    `signature` is the version that the request would be signed with; left out, it is not signed. `holder` is somebody
    who comes to the `link`, by the mail address that they proved to have. `groups` are those of the user whom `who`
    names, or of the holder; a link has those that it stands on.
    """

    do: Do
    on: Annotated[StrictStr, Field(min_length=1, max_length=1280)]
    who: Who | None = None
    peer: Peer | None = Field(default=None, alias="from")
    size: ByteSize | None = None
    link: Text | None = None
    key: Text | None = None
    signature: Literal["v2", "v4"] | None = None
    groups: Annotated[list[Group], Field(max_length=100)] = []
    holder: MailAddress | None = None

    @classmethod
    def conflicts(cls, sent: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        named = [name for name in ("who", "link", "key") if sent.get(name) is not None]
        if not named:
            yield "who", phrase("explain_who", "name who, or the link or key that would be used")
        if "link" in named and "key" in named:
            yield "key", phrase("explain_both", "a request comes with a link or with a key")
        if sent.get("holder") is not None and "link" not in named:
            yield "holder", phrase("explain_holder", "somebody comes to a link: name it")
        elif (
            sent.get("groups")
            and sent.get("holder") is None
            and (named != ["who"] or not str(sent["who"]).startswith("user:"))
        ):
            yield "groups", phrase("explain_groups", "a user has groups: name one as who, or as the holder")

    @property
    def question(self) -> Question:
        bucket, _, key = self.on.partition("/")
        return Question(
            do=self.do,
            bucket=bucket,
            key=key,
            who=self.who,
            grant=self.link or self.key,
            kind=GrantKind.LINK if self.key is None else GrantKind.KEY,
            peer=self.peer,
            size=self.size,
            signature=self.signature,
            groups=tuple(sorted(set(self.groups))),
            holder=self.holder,
        )


Limit = Annotated[int, Field(ge=1, le=1000)]


class NoQuery(Body):
    """No parameter is known here."""


class ReasonQuery(Body):
    """Why, for the audit trail."""

    reason: Text | None = None


class ApprovalQuery(ReasonQuery):
    """Why; and with a `version`, only if that is what is stored: what was looked at."""

    version: Annotated[int, Field(ge=1, le=2**63 - 1)] | None = None


class KeyQuery(Body):
    """Filters of `GET /v1/keys`; every one narrows. A key is in a bucket, or a prefix, if one of its places is.

    A page may hold fewer than `limit`, even none, and still have a cursor: that far was looked for them.
    """

    owner: Who | None = None
    bucket: BucketName | None = None
    prefix: AnyPrefix | None = None
    state: GrantState | None = None
    label: Text | None = None
    cursor: Cursor | None = None
    limit: Limit = 100

    def filter(self, now: float, approves: frozenset[str]) -> GrantFilter:
        """What is asked for, with what waits under these rules."""
        return GrantFilter(
            now=now,
            owner=self.owner,
            bucket=self.bucket,
            prefix=self.prefix,
            label=self.label,
            state=self.state,
            approves=approves,
        )


class LinkQuery(KeyQuery):
    """Filters of `GET /v1/links`; every one narrows. `ends_within` finds what has not ended and will by then.

    A page may hold fewer than `limit`, even none, and still have a cursor: that far was looked for them.
    """

    ends_within: Duration | None = None

    def filter(self, now: float, approves: frozenset[str]) -> GrantFilter:
        wanted = super().filter(now, approves)
        return wanted if self.ends_within is None else replace(wanted, ends_before=now + self.ends_within)


class TrailQuery(Body):
    """`after` is the number of the last entry that the caller has."""

    after: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    limit: Limit = 1000


class ResealBody(Body):
    """The body of `POST /v1/reseal`: where an earlier batch ended, and how many grants to look at."""

    cursor: Cursor | None = None
    limit: Limit = 500


class RecordQuery(Body):
    cursor: Cursor | None = None
    limit: Limit = 100


LONG_POLL: Final = 20.0
"""Seconds that a read of the revocations after a serial waits for the next one, below what proxies cut off at."""


class FeedQuery(Body):
    """`after` is the last serial the caller knows; `wait` is in seconds: 20 with `after`, else 0.

    With `notices`, what was issued and changed is listed too, for those who keep grants in a cache.
    """

    after: Annotated[int, Field(ge=0, le=2**63 - 1)] = 0
    wait: Annotated[float, Field(ge=0, le=60, allow_inf_nan=False)] | None = None
    notices: bool = False
    limit: Limit = 1000

    @property
    def seconds(self) -> float:
        """How long to wait for the first revocation."""
        if self.wait is not None:
            return self.wait
        return LONG_POLL if "after" in self.model_fields_set else 0.0
