"""Owns where state is kept: one URL for everything, or one for each kind of state.

Refuses to own the engines (`gateway.stores`). Law: a URL that carries a password is a secret and comes by reference;
Redis keeps grants only where the operator has said in writing that losing the last writes is acceptable.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from pydantic import (
    BaseModel,
    Field,
    PlainValidator,
    StrictBool,
    ValidationInfo,
    WithJsonSchema,
    model_validator,
)

from gateway.settings.fields import ENTRY, written_as
from gateway.settings.secret import SecretReader, SecretRef, is_reference

__all__ = ["StateField", "StateSettings", "StateUrl"]

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
            parts.port  # noqa: B018 (reading it checks it)
        except ValueError:
            raise ValueError(f"is not the URL of a store: write {_FORMS}") from None
        if holds_password and not by_reference:
            raise ValueError("holds a password: put the whole URL where env:NAME or file:PATH can name it")
        if scheme == "sqlite" and not value.removeprefix("sqlite:///").strip("/"):
            raise ValueError("names no file: write sqlite:///FILE, or sqlite:////ABSOLUTE/FILE")
        if _ENGINES[scheme] in {"redis", "postgres", "central"} and not (parts.hostname or "host=" in parts.query):
            raise ValueError("names no host")
        return cls(_ENGINES[scheme], value)


_Url = Annotated[
    StateUrl, PlainValidator(StateUrl.parse), WithJsonSchema({"type": "string", "examples": ["sqlite:///gateway.db"]})
]


def _same_as_grants(validated: dict[str, Any]) -> StateUrl:
    found: StateUrl = validated["grants"]
    return found


class StateSettings(BaseModel):
    """Where state is kept. `limits` and `records` go where the grants are unless they say otherwise."""

    model_config = ENTRY

    grants: _Url
    """Grants, uses, keys and revocations: what must never be lost."""
    limits: _Url = Field(default_factory=_same_as_grants)
    """Counters of rate and concurrency limits. Redis suits them."""
    records: _Url = Field(default_factory=_same_as_grants)
    """Accounting records and audit events."""
    token: SecretRef | None = None
    """For `central+https://HOST`: the token that the central gateway has under `control: {sidecars: …}`."""
    accept_redis_durability: StrictBool = False
    """Keep grants and revocations in Redis although a crash or failover may lose acknowledged writes."""

    @model_validator(mode="before")
    @classmethod
    def _from_text(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"grants": value}
        return value

    @model_validator(mode="after")
    def _durable(self) -> StateSettings:
        if (self.grants.engine == "central") != (self.token is not None):
            raise ValueError("needs a token exactly when grants are a central gateway's: write token: env:NAME")
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
