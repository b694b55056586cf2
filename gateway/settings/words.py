"""Owns the small types of policy files: names, prefixes, patterns, and references to what other entries say.

Refuses to own which key has which type (`gateway.settings.grammar`).
Law: a name that is not there is a fault where it stands. References are checked value by value, so that one broken
entry hides no other fault.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Annotated, Final

from pydantic import AfterValidator, Field, PlainValidator, ValidationInfo, WithJsonSchema
from pydantic_core import PydanticCustomError

from gateway.core import units
from gateway.core.pattern import NamePattern, PathPattern, key_fault
from gateway.core.profile import Profile
from gateway.core.request import Action, Operation
from gateway.settings.conditions import CelCondition, compile_condition
from gateway.settings.faults import INSIDE_TEXT, did_you_mean
from gateway.settings.fields import one_or_more
from gateway.settings.secret import SecretReader

__all__ = [
    "BackendRef",
    "Condition",
    "Doing",
    "ExamplePlace",
    "HeaderName",
    "Instant",
    "Name",
    "Names",
    "Origin",
    "Patterns",
    "Peer",
    "Prefix",
    "ProfileRef",
    "RateText",
    "RealBucket",
    "References",
    "Region",
    "backend_name_fault",
    "bucket_name_fault",
]

_BUCKET: Final = re.compile(r"[a-z0-9](?:[a-z0-9.-]{1,61})[a-z0-9]", re.ASCII)
_REAL_BUCKET: Final = re.compile(r"[A-Za-z0-9._-]{1,255}", re.ASCII)
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
_REGION: Final = re.compile(r"[A-Za-z0-9_-]{1,64}", re.ASCII)
_ORIGIN: Final = re.compile(r"\*|(?:https?|[a-z][a-z0-9+.-]*)://(?:\*\.)?[A-Za-z0-9.\[\]:_-]+", re.ASCII)
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", re.ASCII)


@dataclass(slots=True)
class References(SecretReader):
    """What an entry may refer to: secrets and files, and the names that the other entries have.

    The names are None while some file could not be read: they could be in it, so nobody is blamed.
    """

    profiles: Mapping[str, Profile] = field(default_factory=dict)
    backends: Collection[str] | None = None
    buckets: Collection[str] | None = None


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


def _known(kind: str, name: str, names: Collection[str] | None) -> str:
    if names is not None and name not in names:
        raise ValueError(f"no {kind} is named {name!r}{did_you_mean(name, names)}")
    return name


def _profile(value: str, info: ValidationInfo) -> str:
    return _known("profile", value, References.of(info).profiles)


def _backend(value: str, info: ValidationInfo) -> str:
    return _known("backend", value, References.of(info).backends)


def _place(value: str, info: ValidationInfo) -> str:
    _known("bucket", value.partition("/")[0], References.of(info).buckets)
    return value


def _path_pattern(value: object, info: ValidationInfo) -> PathPattern:
    if not isinstance(value, str):
        raise ValueError("must be a pattern: BUCKET/**, BUCKET/folder/**, BUCKET/folder/*.pdf or **")
    pattern = PathPattern.parse(value)
    if (fault := key_fault(value.partition("/")[2])) is not None:
        raise ValueError(f"{fault}, so no key can match it")
    buckets = References.of(info).buckets
    if buckets is not None and pattern.bucket is not None and not any(map(pattern.names_bucket, buckets)):
        raise ValueError(f"{value!r} names no bucket there is{did_you_mean(value.partition('/')[0], buckets)}")
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
    if not isinstance(value, str):
        raise ValueError("must be a time in RFC 3339, like 2027-01-31T12:00:00Z")
    return units.instant(value)


def _condition(value: object) -> CelCondition:
    if isinstance(value, bool):  # YAML reads a bare `true` as a truth value; an expression is always a text
        value = "true" if value else "false"
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a CEL expression, like size < 1000000")
    compiled = compile_condition(value)
    if isinstance(compiled, CelCondition):
        return compiled
    raise PydanticCustomError(
        INSIDE_TEXT, "{text}", {"text": compiled.text, "line": compiled.line, "column": compiled.column}
    )


def _doing(value: object) -> Operation | Action:
    known = [*(operation.value for operation in Operation), "share", "sign"]
    if value not in known:
        raise ValueError(f"must be an S3 operation, share or sign{did_you_mean(str(value), known)}")
    return Action(value) if value in {"share", "sign"} else Operation(value)


Prefix = Annotated[str, AfterValidator(_prefix)]
Region = Annotated[str, _matching(_REGION, "must be a region like us-east-1")]
Pattern = Annotated[PathPattern, PlainValidator(_path_pattern), WithJsonSchema({"type": "string"})]
Patterns = Annotated[tuple[Pattern, ...], one_or_more(Pattern), Field(min_length=1)]
Name = Annotated[NamePattern, PlainValidator(_name_pattern), WithJsonSchema({"type": "string"})]
Names = Annotated[tuple[Name, ...], one_or_more(Name), Field(min_length=1)]
RateText = Annotated[str, PlainValidator(_rate), WithJsonSchema({"type": "string", "examples": ["200/s"]})]
Peer = Annotated[IPv4Address | IPv6Address, PlainValidator(_peer), WithJsonSchema({"type": "string"})]
Instant = Annotated[float, PlainValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})]
Doing = Annotated[
    Operation | Action,
    PlainValidator(_doing),
    WithJsonSchema({"enum": [*(operation.value for operation in Operation), "share", "sign"]}),
]
Condition = Annotated[
    CelCondition, PlainValidator(_condition), WithJsonSchema({"type": "string", "examples": ["size < 1000000"]})
]
ProfileRef = Annotated[str, AfterValidator(_profile)]
BackendRef = Annotated[str, AfterValidator(_backend)]
ExamplePlace = Annotated[str, AfterValidator(_place)]
Origin = Annotated[str, _matching(_ORIGIN, "must be an origin like https://app.example.com, or *")]
HeaderName = Annotated[str, _matching(_TOKEN, "must be the name of a header")]
RealBucket = Annotated[str, _matching(_REAL_BUCKET, "must be the name of a bucket")]
