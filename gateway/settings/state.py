"""Owns where state is kept: one URL for everything, or one for each kind of state.

Refuses to own the engines (`gateway.stores`). Law: a URL that carries a password is a secret and comes by reference;
Redis keeps grants only where the operator has said in writing that losing the last writes is acceptable.
"""

from __future__ import annotations

from dataclasses import field
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import Field, PlainValidator, StrictBool, ValidationInfo, WithJsonSchema, model_validator

from gateway.core.values import dataclass
from gateway.schema.quantities import Duration, DurationOrNone
from gateway.settings.entry import Section, written_as
from gateway.settings.files import Authorities, LaterFile
from gateway.settings.secret import SecretReader, SecretRef, is_reference

_ENGINES: Final = {
    "memory": "memory",
    "sqlite": "sqlite",
    "redis": "redis",
    "rediss": "redis",
    "postgres": "postgres",
    "postgresql": "postgres",
    "central+https": "central",
    "central+http": "central",
}
_FORMS: Final = (
    "sqlite:///FILE, postgresql://…, redis://…, central+https://HOST, memory://, "
    "or env:NAME or file:PATH that holds one"
)


_SHORTEST_AGE: Final = 5.0
_SHORTEST_KEY: Final = 32


@dataclass(frozen=True, slots=True)
class StateUrl:
    """The URL of a store. `engine` is memory, sqlite, redis, postgres or central; the repr shows nothing else."""

    engine: str
    url: str = field(repr=False)

    @classmethod
    def parse(cls, value: object, info: ValidationInfo) -> StateUrl:
        """Raises ValueError with a sentence that never repeats the URL."""
        if not isinstance(value, str):
            raise ValueError(f"must be a URL: {_FORMS}")
        by_reference = is_reference(value)
        if by_reference:
            value = SecretReader.of(info).read(value)
        scheme = value.partition("://")[0]
        if "://" not in value or scheme not in _ENGINES:
            raise ValueError(f"is not the URL of a store: write {_FORMS}")
        try:
            parts = urlsplit(value)
            holds_password = parts.password is not None or "password=" in parts.query.lower()
            hosts = parts.netloc.rpartition("@")[2]
            for host in hosts.split(",") if _ENGINES[scheme] == "postgres" else [hosts]:
                urlsplit(f"//{host}").port  # noqa: B018 (reading it checks it)
        except ValueError:
            raise ValueError(f"is not the URL of a store: write {_FORMS}") from None
        if holds_password and not by_reference:
            raise ValueError("holds a password: put the whole URL where env:NAME or file:PATH can name it")
        if scheme == "sqlite" and (parts.netloc or parts.query or not parts.path.strip("/")):
            raise ValueError("names no file: write sqlite:///FILE, or sqlite:////ABSOLUTE/FILE, with nothing after")
        if _ENGINES[scheme] in {"redis", "postgres", "central"} and not (parts.hostname or "host=" in parts.query):
            raise ValueError("names no host")
        return cls(_ENGINES[scheme], value)


_Url = Annotated[
    StateUrl, PlainValidator(StateUrl.parse), WithJsonSchema({"type": "string", "examples": ["sqlite:///gateway.db"]})
]


def _same_as_grants(validated: dict[str, Any]) -> StateUrl:
    found: StateUrl = validated["grants"]
    return found


class ListSettings(Section):
    """A file in which another gateway's revocations are listed, in the form of `GET /v1/revocations`."""

    file: LaterFile
    """Watched, and read again when it changes. Relative paths start at the settings file."""
    max_age: Duration
    """How old the list may be, by its `as_of` or else the file's time of writing, before everything is refused."""

    @model_validator(mode="after")
    def _require_bound(self) -> ListSettings:
        if self.max_age < _SHORTEST_AGE:
            raise ValueError(f"has a max_age below {_SHORTEST_AGE:g}s, which no file can keep up with")
        return self


class SealingKey(Section):
    """A key under which secrets are stored, known by its number for good."""

    id: Annotated[int, Field(strict=True, ge=1, le=65535)]
    """Another key has another number, also after this one is gone."""
    key: SecretRef
    """At least 32 characters; `openssl rand -base64 32` makes one."""

    @model_validator(mode="after")
    def _require_length(self) -> SealingKey:
        if len(self.key.resolve()) < _SHORTEST_KEY:
            raise ValueError(
                f"names a sealing key of fewer than {_SHORTEST_KEY} characters: make one with `openssl rand -base64 32`"
            )
        return self


class StateSettings(Section):
    """Where state is kept. `limits` and `records` go where the grants are unless they say otherwise."""

    grants: _Url
    """Grants, uses, keys and revocations: what must never be lost."""
    limits: _Url = Field(default_factory=_same_as_grants)
    """Counters of rate and concurrency limits. Redis suits them."""
    records: _Url = Field(default_factory=_same_as_grants)
    """Accounting records and audit events."""
    token: SecretRef | None = None
    """For `central+https://HOST`: the token that the central gateway has under `control: {sidecars: …}`."""
    ca_file: Authorities | None = None
    """The authorities that vouch for the central gateway, PEM; left out, the system's."""
    sealing_keys: tuple[SealingKey, ...] = ()
    """Keys that what is secret in a grant is stored under: the first one seals, all of them open.

    Without one, a copy of the store and a key's access key id open that key's secret, and passwords can be guessed.
    """
    keep_expired: DurationOrNone = 30 * 86400.0
    """How long links and keys stay listed, and can be revived, after they have expired; `none` is for good."""
    revocations: ListSettings | None = None
    """A list in a file that is followed beside the grants' own revocations."""
    accept_redis_durability: StrictBool = False
    """Keep grants and revocations in Redis although a crash or failover may lose acknowledged writes."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"grants": value}
        return value

    @model_validator(mode="after")
    def _require_consistent(self) -> StateSettings:
        if (self.grants.engine == "central") != (self.token is not None):
            raise ValueError("needs a token exactly when grants are a central gateway's: write token: env:NAME")
        if self.ca_file is not None and self.grants.engine != "central":
            raise ValueError(
                "names a ca_file, and grants are no central gateway's: for Redis write ssl_ca_certs in the URL, for "
                "PostgreSQL sslmode=verify-full and sslrootcert"
            )
        if self.grants.engine == "central" and self.sealing_keys:
            raise ValueError("names sealing_keys, and grants are a central gateway's: it has the keys")
        keys = self.sealing_keys
        if len({one.id for one in keys}) != len(keys) or len({one.key.resolve() for one in keys}) != len(keys):
            raise ValueError("has two sealing_keys with one id, or of one value: each has an id and a value of its own")
        if "central" in {self.limits.engine, self.records.engine} and self.grants.engine != "central":
            raise ValueError("keeps limits or records at a central gateway: it keeps grants and uses, nothing else")
        if self.grants.engine == "redis" and not self.accept_redis_durability:
            raise ValueError(
                "keeps grants in Redis, which may lose acknowledged revocations in a crash or failover: "
                "keep grants in sqlite or postgresql and limits in Redis, or write "
                "state: {grants: redis://…, accept_redis_durability: true}"
            )
        return self


StateField = Annotated[StateSettings, written_as(str | StateSettings)]
