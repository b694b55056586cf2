"""Owns what a policy file may say: the shape of every entry, before entries are held against each other.

Refuses to own what entries mean together (`gateway.settings.compile`).
Law: an entry that exists is right by itself, and unknown keys are errors: a misspelt `max_size` must not be no limit.
"""

from __future__ import annotations

import re
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated, Any, Final, Literal

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

from gateway.core import units
from gateway.core.pattern import NamePattern, PathPattern, key_fault
from gateway.core.policy import Effect
from gateway.core.profile import Addressing, SignatureVersion
from gateway.core.request import Action, Operation
from gateway.core.route import Capability
from gateway.settings.faults import did_you_mean
from gateway.settings.fields import (
    ENTRY,
    BaseUrl,
    ByteRate,
    ByteSize,
    Count,
    Duration,
    FilePath,
    Network,
    OneOrMore,
    PrincipalName,
    Text,
)
from gateway.settings.secret import SecretRef

__all__ = [
    "SECTIONS",
    "BackendEntry",
    "BucketEntry",
    "CorsEntry",
    "CredentialsEntry",
    "ExampleEntry",
    "LimitEntry",
    "LinksEntry",
    "PolicyFile",
    "RuleEntry",
]

_BUCKET: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{1,61})[a-z0-9]", re.ASCII)
_REAL_BUCKET: Final = re.compile(r"[A-Za-z0-9._-]{1,255}", re.ASCII)
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
_REGION: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_ORIGIN: Final = re.compile(r"\*|(?:https?|[a-z][a-z0-9+.-]*)://(?:\*\.)?[A-Za-z0-9.\[\]:_-]+", re.ASCII)
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", re.ASCII)


def bucket_name_fault(name: str) -> str | None:
    """Why a name cannot be a bucket of ours (S3's own rules for general purpose buckets), or None."""
    if not _BUCKET.fullmatch(name):
        return "a bucket name has 3 to 63 lower-case letters, digits, dots and hyphens, a letter or digit at both ends"
    if ".." in name or ".-" in name or "-." in name:
        return "a bucket name has no two dots in a row and no hyphen beside a dot"
    if re.fullmatch(r"[0-9]+(?:\.[0-9]+){3}", name):
        return "a bucket name is not shaped like an address"
    return None


def backend_name_fault(name: str) -> str | None:
    """Why a name cannot be a backend's, or None. It is a metric label, so it is short and plain."""
    if _NAME.fullmatch(name):
        return None
    return "a backend name has up to 63 lower-case letters, digits, _ and -"


def _matching(pattern: re.Pattern[str], sentence: str) -> AfterValidator:
    def check(value: str) -> str:
        if not pattern.fullmatch(value):
            raise ValueError(sentence)
        return value

    return AfterValidator(check)


def _prefix(value: str) -> str:
    if value == "":
        return value
    if not value.endswith("/"):
        raise ValueError(f"must end with a slash (did you mean '{value}/'?): without it, it would reach its siblings")
    if value.startswith("/") or "//" in value:
        raise ValueError("must not begin with a slash or have an empty segment")
    if (fault := key_fault(value)) is not None:
        raise ValueError(f"{fault}, which no key may have")
    return value


def _path_pattern(value: object) -> PathPattern:
    if not isinstance(value, str):
        raise ValueError("must be a pattern: BUCKET/**, BUCKET/folder/**, BUCKET/folder/*.pdf or **")
    pattern = PathPattern.parse(value)
    if (fault := key_fault(value.partition("/")[2])) is not None:
        raise ValueError(f"{fault}, so no key can match it")
    return pattern


def _name_pattern(value: object) -> NamePattern:
    if not isinstance(value, str):
        raise ValueError("must name somebody: app:NAME, app:*, admin:NAME, anonymous or *")
    return NamePattern.parse(value)


def _peer(value: object) -> IPv4Address | IPv6Address:
    try:
        return ip_address(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("must be an IP address like 10.1.2.3") from None


def _rate(value: object) -> str:
    if not isinstance(value, str):
        raise ValueError("must be a rate: a text like 200/s, 10/min, 1000/15m")
    units.Rate.parse(value)
    return value


def _instant(value: object) -> float:
    return units.instant(value if isinstance(value, str) else "this")


def _credentials(value: object) -> object:
    return {"chain": True} if value == "chain" else value


def _condition(value: object) -> str:
    """YAML reads a bare `true` as a truth value; an expression is always a text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a CEL expression, like size < 1000000")
    return value


def _doing(value: object) -> Operation | Action:
    known = [*(operation.value for operation in Operation), "share", "sign"]
    if value not in known:
        raise ValueError(f"must be an S3 operation, share or sign{did_you_mean(str(value), known)}")
    return Action(value) if value in {"share", "sign"} else Operation(value)


Prefix = Annotated[str, AfterValidator(_prefix)]
Region = Annotated[str, _matching(_REGION, "must be a region like us-east-1")]
Patterns = Annotated[
    tuple[Annotated[PathPattern, PlainValidator(_path_pattern), WithJsonSchema({"type": "string"})], ...],
    OneOrMore,
    Field(min_length=1),
]
Name = Annotated[NamePattern, PlainValidator(_name_pattern), WithJsonSchema({"type": "string"})]
Names = Annotated[tuple[Name, ...], OneOrMore, Field(min_length=1)]
RateText = Annotated[str, PlainValidator(_rate), WithJsonSchema({"type": "string", "examples": ["200/s"]})]
Peer = Annotated[IPv4Address | IPv6Address, PlainValidator(_peer), WithJsonSchema({"type": "string"})]
Instant = Annotated[float, PlainValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})]
Doing = Annotated[
    Operation | Action,
    PlainValidator(_doing),
    WithJsonSchema({"enum": [*(operation.value for operation in Operation), "share", "sign"]}),
]
Expression = Annotated[str, PlainValidator(_condition), WithJsonSchema({"type": "string"})]


class CredentialsEntry(BaseModel):
    """How a backend is signed for. Exactly one way."""

    model_config = ENTRY

    chain: StrictBool = False
    """Look in the environment, the shared files, web identity, and the container and instance endpoints."""
    access_key: SecretRef | None = None
    secret_key: SecretRef | None = None
    session_token: SecretRef | None = None
    profile: Text | None = None
    """A profile of the shared credentials files."""
    role_arn: Text | None = None
    """A role to assume, with credentials from the chain."""
    external_id: SecretRef | None = None
    session_name: Text | None = None

    @model_validator(mode="after")
    def _one_way(self) -> CredentialsEntry:
        static = self.access_key is not None or self.secret_key is not None
        ways = [self.chain, static, self.profile is not None, self.role_arn is not None]
        if sum(ways) != 1:
            raise ValueError(
                "must be exactly one of: chain, {access_key, secret_key[, session_token]}, {profile}, {role_arn}"
            )
        if static and (self.access_key is None or self.secret_key is None):
            raise ValueError("needs both access_key and secret_key")
        if self.session_token is not None and not static:
            raise ValueError("session_token belongs to access_key and secret_key")
        if (self.external_id is not None or self.session_name is not None) and self.role_arn is None:
            raise ValueError("external_id and session_name belong to role_arn")
        return self


class CapabilitiesEntry(BaseModel):
    """Corrections to what the profile says the store can do."""

    model_config = ENTRY

    add: tuple[Capability, ...] = ()
    remove: tuple[Capability, ...] = ()

    @model_validator(mode="after")
    def _disjoint(self) -> CapabilitiesEntry:
        if both := set(self.add) & set(self.remove):
            raise ValueError(f"adds and removes {', '.join(sorted(both))}")
        return self


class BackendEntry(BaseModel):
    """One upstream store."""

    model_config = ENTRY

    profile: Text
    """The kind of store; `gateway doctor` lists them."""
    credentials: Annotated[
        CredentialsEntry, BeforeValidator(_credentials, json_schema_input_type=str | CredentialsEntry)
    ]
    endpoint: BaseUrl | None = None
    """Needed where the profile does not know it."""
    region: Region | None = None
    addressing: Addressing | None = None
    signature: SignatureVersion | None = None
    ca_file: FilePath | None = None
    """Certificate authorities to trust for this store instead of the system's, PEM."""
    max_connections: Count = 256
    capabilities: CapabilitiesEntry = CapabilitiesEntry()
    single_put_limit: Annotated[ByteSize, AfterValidator(lambda size: _at_least(size, 5 * 1024**2))] | None = None
    """Larger objects go up in parts."""
    allow_private: StrictBool | None = None
    """Whether the endpoint may resolve to a private address; left out, yes if `endpoint` is written here."""
    drained: StrictBool = False
    """Refuse everything for this backend, with a reason, until it is taken back."""


def _at_least(size: int, least: int) -> int:
    if size < least:
        raise ValueError(f"must be at least {least} bytes, the smallest part a store accepts")
    return size


class CorsEntry(BaseModel):
    """Which web pages may talk to a bucket. Credentials are never allowed."""

    model_config = ENTRY

    origins: Annotated[
        tuple[Annotated[str, _matching(_ORIGIN, "must be an origin like https://app.example.com, or *")], ...],
        OneOrMore,
        Field(min_length=1),
    ]
    methods: Annotated[tuple[Literal["GET", "HEAD", "PUT", "POST", "DELETE"], ...], OneOrMore, Field(min_length=1)] = (
        "GET",
        "HEAD",
    )
    headers: Annotated[tuple[Annotated[str, _matching(_TOKEN, "must be a header name, or *")], ...], OneOrMore] = ()
    expose: Annotated[tuple[Annotated[str, _matching(_TOKEN, "must be a header name")], ...], OneOrMore] = ("ETag",)
    max_age: Annotated[Duration, AfterValidator(int)] = 600


class BucketEntry(BaseModel):
    """The gateway's own name for a place."""

    model_config = ENTRY

    backend: Text
    bucket: Annotated[str, _matching(_REAL_BUCKET, "must be the name of a bucket")] | None = None
    """The real bucket; the same name if left out."""
    prefix: Prefix = ""
    """Where in the real bucket it begins; ends with a slash."""
    cors: tuple[CorsEntry, ...] = ()
    delivery: Literal["stream", "redirect"] = "stream"


class LinksEntry(BaseModel):
    """What links made under a share rule may be."""

    model_config = ENTRY

    actions: Annotated[tuple[Literal["read", "list", "write"], ...], OneOrMore, Field(min_length=1)] = ("read",)
    max_expires: Duration | None = None
    max_uses: Count | None = None
    max_size: ByteSize | None = None
    """For upload links."""
    password: Literal["required"] | None = None


class RuleEntry(BaseModel):
    """One rule. Nothing is allowed unless a rule says so; a deny rule wins over every allow rule."""

    model_config = ENTRY

    name: Text
    who: Names
    may: Annotated[tuple[Action, ...], OneOrMore, Field(min_length=1)]
    on: Patterns
    effect: Effect = Effect.ALLOW
    networks: Annotated[tuple[Network, ...], OneOrMore, Field(min_length=1)] | None = Field(default=None, alias="from")
    max_size: ByteSize | None = None
    links: LinksEntry | None = None
    delivery: Literal["stream", "redirect"] | None = None
    when: Expression | None = None

    @model_validator(mode="after")
    def _sensible(self) -> RuleEntry:
        faults = list(self._misfits())
        if faults:
            raise ValueError("; ".join(faults))
        return self

    def _misfits(self) -> Any:
        if self.links is not None and Action.SHARE not in self.may:
            yield "`links` says what shared links may be, but the rule does not allow share"
        if self.effect is Effect.DENY:
            if self.max_size is not None:
                yield "`max_size` on a deny rule would deny the small bodies: write an allow rule with max_size"
            if self.links is not None or self.delivery is not None:
                yield "`links` and `delivery` belong to allow rules"
        if all(pattern.text.startswith("link:") for pattern in self.who):
            yield "no attempt ever matches: a link acts for its owner, so name the owner"


class LimitEntry(BaseModel):
    """A limit for everybody whom `who` matches; `per` says who shares one count."""

    model_config = ENTRY

    who: Name
    per: Literal["principal", "address", "link"] = "principal"
    requests: RateText | None = None
    burst: Count | None = None
    bandwidth: ByteRate | None = None
    concurrent: Count | None = None

    @model_validator(mode="after")
    def _limits_something(self) -> LimitEntry:
        if self.requests is None and self.bandwidth is None and self.concurrent is None:
            raise ValueError("limits nothing: write requests, bandwidth or concurrent")
        if self.burst is not None and self.requests is None:
            raise ValueError("`burst` belongs to `requests`")
        return self


class ExampleEntry(BaseModel):
    """An attempt and the decision it must get."""

    model_config = ENTRY

    who: PrincipalName
    do: Doing
    on: Text
    expect: Literal["allow", "deny"]
    peer: Peer | None = Field(default=None, alias="from")
    size: ByteSize | None = None
    at: Instant | None = None
    """When; matters to conditions that read the time."""
    reason: Text | None = None
    """For people; shown when the example fails."""


class PolicyFile(BaseModel):
    """One file of the policies directory; all files together are one policy."""

    model_config = ENTRY

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
