"""Owns what an entry of a policy file may refer to: profiles, backends and buckets by name, and patterns over buckets
and principals.

Refuses to own which key refers to what (`gateway.settings.grammar`).
Law: a name that is not there is a fault where it stands. References are checked value by value, so that one broken
entry hides no other fault.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import field
from typing import Annotated

from pydantic import AfterValidator, Field, PlainValidator, StrictStr, ValidationInfo, WithJsonSchema

from gateway.core.pattern import PathPattern, key_fault
from gateway.core.profile import Profile
from gateway.core.values import dataclass
from gateway.schema.names import MemberPattern, PrincipalPattern
from gateway.settings.entry import one_or_more
from gateway.settings.faults import did_you_mean
from gateway.settings.secret import SecretReader


@dataclass(slots=True)
class References(SecretReader):
    """What an entry may refer to: secrets and files, and the names that the other entries have.

    The names are None while some file could not be read: they could be in it, so nobody is blamed.
    """

    profiles: Mapping[str, Profile] = field(default_factory=dict)
    backends: Collection[str] | None = None
    buckets: Collection[str] | None = None


def _require_known(kind: str, name: str, names: Collection[str] | None) -> str:
    if names is not None and name not in names:
        raise ValueError(f"no {kind} is named {name!r}{did_you_mean(name, names)}")
    return name


def _check_profile(value: str, info: ValidationInfo) -> str:
    return _require_known("profile", value, References.of(info).profiles)


def _check_backend(value: str, info: ValidationInfo) -> str:
    return _require_known("backend", value, References.of(info).backends)


def _check_place(value: str, info: ValidationInfo) -> str:
    _require_known("bucket", value.partition("/")[0], References.of(info).buckets)
    return value


def _parse_pattern(value: object, info: ValidationInfo) -> PathPattern:
    if not isinstance(value, str):
        raise ValueError("must be a pattern: BUCKET/**, BUCKET/folder/**, BUCKET/folder/*.pdf or **")
    pattern = PathPattern.parse(value)
    if (fault := key_fault(value.partition("/")[2])) is not None:
        raise ValueError(f"{fault}, so no key can match it")
    buckets = References.of(info).buckets
    if buckets is not None and pattern.bucket is not None and not any(map(pattern.names_bucket, buckets)):
        raise ValueError(f"{value!r} names no bucket there is{did_you_mean(value.partition('/')[0], buckets)}")
    return pattern


Pattern = Annotated[PathPattern, PlainValidator(_parse_pattern), WithJsonSchema({"type": "string"})]
Patterns = Annotated[tuple[Pattern, ...], one_or_more(Pattern), Field(min_length=1)]
PrincipalPatterns = Annotated[tuple[PrincipalPattern, ...], one_or_more(PrincipalPattern), Field(min_length=1)]
MemberPatterns = Annotated[tuple[MemberPattern, ...], one_or_more(MemberPattern), Field(min_length=1)]
ProfileRef = Annotated[StrictStr, AfterValidator(_check_profile)]
BackendRef = Annotated[StrictStr, AfterValidator(_check_backend)]
ExamplePlace = Annotated[StrictStr, AfterValidator(_check_place)]
