"""Owns the types of names: of principals, buckets, regions, folders and objects.

Refuses to own whether anything has the name (`gateway.settings.references`, `gateway.control.usecases`).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Final

from pydantic import AfterValidator, Field, PlainValidator, StrictStr, WithJsonSchema

from gateway.core.attempt import PRINCIPAL_NAME, Principal
from gateway.core.names import BUCKET, REGION, STORED_BUCKET, bucket_name_fault
from gateway.core.pattern import NamePattern, key_fault, prefix_fault
from gateway.core.said import phrase

_LONGEST_KEY: Final = 1024
_LONGEST_PRINCIPAL: Final = 160


def _parse_principal(value: object) -> Principal:
    if not isinstance(value, str) or len(value) > _LONGEST_PRINCIPAL:
        raise ValueError(
            phrase("principal_kind", "must be a principal: app:NAME, user:NAME, link:ID, admin:NAME or anonymous")
        )
    return Principal.parse(value)


def _parse_owner(value: object) -> Principal:
    found = _parse_principal(value)
    if found.kind not in {"app", "user", "admin"}:
        raise ValueError(phrase("owner_kind", "a link is owned by an app, a user or an admin"))
    return found


def _parse_app(value: object) -> Principal:
    if not isinstance(value, str) or not value.startswith("app:"):
        raise ValueError("must name an app: write app:NAME")
    return _parse_principal(value)


def _parse_pattern(value: object) -> NamePattern:
    if not isinstance(value, str):
        raise ValueError("must name somebody: app:NAME, app:*, user:NAME, admin:NAME, anonymous or *")
    return NamePattern.parse(value)


def _parse_member_pattern(value: object) -> NamePattern:
    if not isinstance(value, str):
        raise ValueError("must name somebody: app:NAME, app:*, user:NAME, group:NAME, admin:NAME, anonymous or *")
    return NamePattern.parse_with_groups(value)


def _check_bucket(value: str) -> str:
    if (fault := bucket_name_fault(value)) is not None:
        raise ValueError(fault)
    return value


def _check_key(value: str) -> str:
    if (fault := key_fault(value)) is not None:
        raise ValueError(phrase("of_name", "the name {fault}", fault=fault))
    return value


def _check_prefix(value: str) -> str:
    if (fault := prefix_fault(value)) is not None:
        raise ValueError(phrase("of_prefix", "the prefix {fault}", fault=fault))
    return value


def _complete_prefix(value: str) -> str:
    """A prefix means a folder: without its slash it would reach its siblings."""
    return _check_key(value if not value or value.endswith("/") else value + "/")


def _check_folder(value: str) -> str:
    if value == "":
        return value
    if not value.endswith("/"):
        raise ValueError(f"must end with a slash (did you mean '{value}/'?): without it, it would reach its siblings")
    if value.startswith("/") or "//" in value:
        raise ValueError("must not begin with a slash or have an empty segment")
    if (fault := key_fault(value)) is not None:
        raise ValueError(f"{fault}, which no key may have")
    return value


def _make_check(pattern: str, sentence: str) -> Callable[[str], str]:
    compiled = re.compile(pattern, re.ASCII)

    def check(value: str) -> str:
        if not compiled.fullmatch(value):
            raise ValueError(sentence)
        return value

    return check


def _principal_schema(pattern: str, description: str) -> WithJsonSchema:
    return WithJsonSchema(
        {"description": description, "type": "string", "pattern": f"^{pattern}$", "examples": ["app:billing"]}
    )


Who = Annotated[
    Principal,
    PlainValidator(_parse_principal),
    _principal_schema(f"((app|user|admin|link):{PRINCIPAL_NAME}|anonymous)", "A principal."),
]
Owner = Annotated[
    Principal,
    PlainValidator(_parse_owner),
    _principal_schema(f"(app|user|admin):{PRINCIPAL_NAME}", "An app, a user or an admin."),
]
App = Annotated[Principal, PlainValidator(_parse_app), _principal_schema(f"app:{PRINCIPAL_NAME}", "An app.")]
ActorName = Annotated[
    StrictStr,
    AfterValidator(
        _make_check(
            PRINCIPAL_NAME, phrase("actor_name", "a name is letters, digits and . _ @ + -, at most 128 of them")
        )
    ),
    WithJsonSchema({"type": "string", "pattern": f"^{PRINCIPAL_NAME}$"}),
]
"""What stands behind the colon of a principal."""

PrincipalPattern = Annotated[NamePattern, PlainValidator(_parse_pattern), WithJsonSchema({"type": "string"})]
MemberPattern = Annotated[NamePattern, PlainValidator(_parse_member_pattern), WithJsonSchema({"type": "string"})]
"""The same, or a group of users."""

BucketName = Annotated[
    StrictStr, AfterValidator(_check_bucket), WithJsonSchema({"type": "string", "pattern": f"^{BUCKET}$"})
]
"""A bucket of ours."""

StoredBucket = Annotated[StrictStr, AfterValidator(_make_check(STORED_BUCKET, "must be the name of a bucket"))]
"""A bucket as its store calls it."""

Region = Annotated[StrictStr, AfterValidator(_make_check(REGION, "must be a region like us-east-1"))]
Key = Annotated[StrictStr, Field(min_length=1, max_length=_LONGEST_KEY), AfterValidator(_check_key)]
LinkPrefix = Annotated[StrictStr, Field(max_length=_LONGEST_KEY), AfterValidator(_complete_prefix)]
AnyPrefix = Annotated[StrictStr, Field(max_length=_LONGEST_KEY), AfterValidator(_check_prefix)]
"""The beginning of names, whether a folder or not."""

Folder = Annotated[StrictStr, AfterValidator(_check_folder)]
"""Written by an operator, so a slash that is left out is asked about and not added."""
