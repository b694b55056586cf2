"""Owns what a policy file may say: the shape of every entry, before entries are held against each other.

Refuses to own what entries mean together (`gateway.settings.compile`).
Law: an entry that exists is right by itself, and unknown keys are errors: a misspelt `max_size` must not be no limit.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Final, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    Field,
    PlainValidator,
    StrictBool,
    WithJsonSchema,
    model_validator,
)

from gateway.core.attempt import SignatureVersion
from gateway.core.profile import Addressing
from gateway.core.request import Action, Operation
from gateway.core.route import Capability
from gateway.core.rule import Effect
from gateway.schema.addresses import BaseUrl, Network, Origin, Peer
from gateway.schema.names import Folder, MemberPattern, Region, StoredBucket, Who
from gateway.schema.quantities import ByteRate, ByteSize, Count, Duration, Instant, RequestRate, Uses
from gateway.schema.texts import Group, HeaderName, MediaType, Note, Text
from gateway.settings.conditions import Condition
from gateway.settings.entry import Section, one_or_more
from gateway.settings.faults import did_you_mean
from gateway.settings.files import Authorities
from gateway.settings.references import BackendRef, ExamplePlace, MemberPatterns, Patterns, ProfileRef
from gateway.settings.secret import SecretRef


def _expand_credentials(value: object) -> object:
    if isinstance(value, str) and value != "chain":
        raise ValueError("must be chain, or a mapping of references")
    if isinstance(value, dict) and "role_arn" in value:
        raise ValueError("a role to assume belongs in a shared profile: write {profile: NAME}")
    return {"chain": True} if value == "chain" else value


def _require_link_action(action: Action) -> Action:
    if action not in {Action.READ, Action.LIST, Action.WRITE}:
        raise ValueError(f"'{action}' is nothing a link can do (allowed: list, read, write)")
    return action


LinkAction = Annotated[Action, AfterValidator(_require_link_action)]


class CredentialsEntry(Section):
    """How a backend is signed for. Exactly one way."""

    chain: StrictBool = False
    """Look in the environment, the shared files, web identity, and the container and instance endpoints."""
    access_key: SecretRef | None = None
    secret_key: SecretRef | None = None
    session_token: SecretRef | None = None
    profile: Text | None = None
    """A profile of the shared configuration files; it may assume a role."""

    @model_validator(mode="after")
    def _require_one_way(self) -> CredentialsEntry:
        static = self.access_key is not None or self.secret_key is not None
        if self.chain + static + (self.profile is not None) != 1:
            raise ValueError("must be exactly one of: chain, {access_key, secret_key[, session_token]}, {profile}")
        if static and (self.access_key is None or self.secret_key is None):
            raise ValueError("needs both access_key and secret_key")
        if self.session_token is not None and not static:
            raise ValueError("session_token belongs to access_key and secret_key")
        return self


class CapabilitiesEntry(Section):
    """Corrections to what the profile says the store can do."""

    add: tuple[Capability, ...] = ()
    remove: tuple[Capability, ...] = ()

    @model_validator(mode="after")
    def _require_disjoint(self) -> CapabilitiesEntry:
        if both := set(self.add) & set(self.remove):
            raise ValueError(f"adds and removes {', '.join(sorted(both))}")
        return self


class BackendEntry(Section):
    """One upstream store."""

    profile: ProfileRef
    """The kind of store; `gateway doctor` lists them."""
    credentials: Annotated[
        CredentialsEntry, BeforeValidator(_expand_credentials, json_schema_input_type=str | CredentialsEntry)
    ]
    endpoint: BaseUrl | None = None
    """Needed where the profile does not know it."""
    region: Region | None = None
    addressing: Addressing | None = None
    signature: SignatureVersion | None = None
    ca_file: Authorities | None = None
    """Certificate authorities to trust for this store instead of the system's, PEM."""
    max_connections: Count = 256
    capabilities: CapabilitiesEntry = CapabilitiesEntry()
    single_put_limit: Annotated[ByteSize, AfterValidator(lambda size: _require_least(size, 5 * 1024**2))] | None = None
    """Larger objects go up in parts."""
    allow_link_local: StrictBool = False
    """Let the endpoint resolve to a link-local address, where clouds serve instance credentials."""
    drained: StrictBool = False
    """Refuse everything for this backend, with a reason, until it is taken back."""


def _require_least(size: int, least: int) -> int:
    if size < least:
        raise ValueError(f"must be at least {least} bytes, the smallest part a store accepts")
    return size


Method = Literal["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE"]


class CorsEntry(Section):
    """Which web pages may talk to a bucket. Credentials are never allowed."""

    origins: Annotated[tuple[Origin, ...], one_or_more(Origin), Field(min_length=1)]
    methods: Annotated[tuple[Method, ...], one_or_more(Method), Field(min_length=1)] = (
        "GET",
        "HEAD",
    )
    headers: Annotated[tuple[HeaderName, ...], one_or_more(HeaderName)] = ()
    expose: Annotated[tuple[HeaderName, ...], one_or_more(HeaderName)] = ("ETag",)
    max_age: Duration = 600.0


class BucketEntry(Section):
    """The gateway's own name for a place."""

    backend: BackendRef
    bucket: StoredBucket | None = None
    """The real bucket; the same name if left out."""
    prefix: Folder = ""
    """Where in the real bucket it begins; ends with a slash."""
    cors: tuple[CorsEntry, ...] = ()
    delivery: Literal["stream", "redirect"] = "stream"


class LinksEntry(Section):
    """What links made under a share rule may be."""

    actions: Annotated[tuple[LinkAction, ...], one_or_more(LinkAction), Field(min_length=1)] = (Action.READ,)
    max_expires: Duration | None = None
    max_uses: Uses | None = None
    max_size: ByteSize | None = None
    """For upload links, as the next three."""
    max_files: Uses | None = None
    total_bytes: ByteSize | None = None
    types: Annotated[tuple[MediaType, ...], one_or_more(MediaType), Field(min_length=1)] | None = None
    password: Literal["required"] | None = None
    holders: Literal["required"] | None = None
    """They say whom they are for."""
    credentials: StrictBool = True
    """Whether they give S3 credentials to whoever may use them."""


class KeysEntry(Section):
    """What a key has to be for the rule to count for it."""

    max_expires: Duration | None = None
    max_uses: Uses | None = None
    max_bytes: ByteSize | None = None
    narrowed: Literal["required"] | None = None
    """It names the buckets that it is for."""


class ApprovalEntry(Section):
    """Somebody else has to release a link or a key before the rule counts for it."""

    by: MemberPatterns
    """Who may, beside the admins; never who owns it, made it or asked for more."""
    within: Duration = 86400.0
    """After that it is too late, and its owner has to ask anew."""

    @model_validator(mode="after")
    def _require_somebody(self) -> ApprovalEntry:
        if all(pattern.text == "anonymous" or pattern.text.startswith("link:") for pattern in self.by):
            raise ValueError("nobody could ever approve: name apps, users, groups or admins")
        return self


_Versions = Annotated[tuple[SignatureVersion, ...], one_or_more(SignatureVersion), Field(min_length=1)]


class RuleEntry(Section):
    """One rule. Nothing is allowed unless a rule says so; a deny rule wins over every allow rule."""

    name: Text
    who: MemberPatterns
    may: Annotated[tuple[Action, ...], one_or_more(Action), Field(min_length=1)]
    on: Patterns
    effect: Effect = Effect.ALLOW
    networks: Annotated[tuple[Network, ...], one_or_more(Network), Field(min_length=1)] | None = Field(
        default=None, alias="from"
    )
    max_size: ByteSize | None = None
    links: LinksEntry | None = None
    keys: KeysEntry | None = None
    approval: ApprovalEntry | None = None
    delivery: Literal["stream", "redirect"] | None = None
    when: Condition | None = None
    signatures: _Versions | None = None
    """Of signed requests, those with these versions alone. Links and trusted listeners sign nothing."""

    @model_validator(mode="after")
    def _require_sense(self) -> RuleEntry:
        faults = list(self._find_misfits())
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _find_misfits(self) -> Iterator[str]:
        if self.links is not None and Action.SHARE not in self.may:
            yield "`links` says what shared links may be, but the rule does not allow share"
        if self.effect is Effect.DENY:
            if self.max_size is not None:
                yield "`max_size` on a deny rule would deny the small bodies: write an allow rule with max_size"
            if self.links is not None or self.keys is not None or self.delivery is not None:
                yield "`links`, `keys` and `delivery` belong to allow rules"
            if self.approval is not None:
                yield "`approval` belongs to allow rules"
        elif self.approval is not None:
            yield from self._find_unapproved()
        if all(pattern.text.startswith("link:") for pattern in self.who):
            yield "no attempt ever matches: a link acts for its owner, so name the owner"

    def _find_unapproved(self) -> Iterator[str]:
        """What the rule would allow without anybody's approval, although it asks for one."""
        if Action.SIGN in self.may:
            yield "`approval` is asked for links and keys, and `sign` needs neither: write a rule of its own for it"
        keyed = any(pattern.text == "*" or pattern.text.startswith("app:") for pattern in self.who)
        if Action.SHARE not in self.may and not keyed:
            yield "`approval` is asked for links and keys: keys are apps', and without share it lets nobody make links"


class LimitEntry(Section):
    """A limit for everybody whom `who` matches; `per` says who shares one count."""

    who: MemberPattern
    per: Literal["principal", "address", "link"] = "principal"
    requests: RequestRate | None = None
    burst: Count | None = None
    bandwidth: ByteRate | None = None
    concurrent: Count | None = None

    @model_validator(mode="after")
    def _require_limit(self) -> LimitEntry:
        if self.requests is None and self.bandwidth is None and self.concurrent is None:
            raise ValueError("limits nothing: write requests, bandwidth or concurrent")
        if self.burst is not None and self.requests is None:
            raise ValueError("`burst` belongs to `requests`")
        return self


_DOINGS: Final[dict[str, Operation | Action]] = {
    **{operation.value: operation for operation in Operation},
    "share": Action.SHARE,
    "sign": Action.SIGN,
}


def _parse_operation(value: object) -> Operation | Action:
    if not isinstance(value, str) or value not in _DOINGS:
        raise ValueError(f"must be an S3 operation, share or sign{did_you_mean(str(value), _DOINGS)}")
    return _DOINGS[value]


Doing = Annotated[Operation | Action, PlainValidator(_parse_operation), WithJsonSchema({"enum": list(_DOINGS)})]


class ExampleEntry(Section):
    """An attempt and the decision it must get."""

    who: Who
    do: Doing
    on: ExamplePlace
    expect: Literal["allow", "deny"]
    peer: Peer | None = Field(default=None, alias="from")
    size: ByteSize | None = None
    signature: SignatureVersion | None = None
    """The version that it is signed with; left out, nothing is signed, as by a link."""
    at: Instant | None = None
    """When; matters to conditions that read the time."""
    groups: Annotated[tuple[Group, ...], one_or_more(Group), Field(min_length=1, max_length=100)] | None = None
    """Those of a user."""
    reason: Note | None = None
    """For people; shown when the example fails."""

    @model_validator(mode="after")
    def _require_user(self) -> ExampleEntry:
        if self.groups is not None and self.who.kind != "user":
            raise ValueError("`groups` are a user's: write who: user:NAME")
        return self


class PolicyFile(Section):
    """One file of the policies directory; all files together are one policy."""

    backends: dict[str, BackendEntry] = {}
    buckets: dict[str, BucketEntry] = {}
    rules: tuple[RuleEntry, ...] = ()
    limits: tuple[LimitEntry, ...] = ()
    examples: tuple[ExampleEntry, ...] = ()


SECTIONS: Final[dict[str, type[BaseModel]]] = {
    "backends": BackendEntry,
    "buckets": BucketEntry,
    "rules": RuleEntry,
    "limits": LimitEntry,
    "examples": ExampleEntry,
}
"""The sections of a policy file; the first two are mappings by name, the others are lists."""
