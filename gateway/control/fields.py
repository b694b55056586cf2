"""Owns the field types of bodies and queries, and the body that reports every fault at once.

Refuses to own which fields a body has (`gateway.control.bodies`).

Law: a fault names its place with a JSON pointer (RFC 6901) and never repeats what was sent, which may be a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    StrictInt,
    StrictStr,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import InitErrorDetails, PydanticCustomError

from gateway.core.attempt import Address, Principal
from gateway.core.pattern import key_fault
from gateway.core.units import Rate, duration, end_instant, instant, size

__all__ = [
    "AnyPrefix",
    "AppName",
    "Body",
    "BucketName",
    "ContentType",
    "Count",
    "Cursor",
    "Duration",
    "End",
    "EntityTag",
    "Fault",
    "Filename",
    "Instant",
    "Key",
    "Network",
    "Owner",
    "Peer",
    "Prefix",
    "PresignedLife",
    "RateText",
    "Size",
    "Text",
    "Who",
    "faults_of",
]

_LONGEST_TEXT: Final = 32
"""No duration, size, rate or instant needs more; it keeps numbers from growing out of their types."""

_LATEST: Final = 253402300799.0
"""9999-12-31T23:59:59Z, the last instant that RFC 3339 can write."""

_ENTITY_TAG: Final = re.compile(r'"[\x21\x23-\x7e]{1,128}"|[\x21\x23-\x7e]{1,128}')
_MEDIA_TYPE: Final = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(?:;[ ]?[\x20-\x7e]+)?", re.ASCII)


def _short(value: object, what: str) -> str:
    if not isinstance(value, str) or len(value) > _LONGEST_TEXT:
        raise ValueError(f"write {what}")
    return value


def _duration(value: object) -> float:
    if isinstance(value, int | float):
        return duration(value)
    return duration(_short(value, "seconds or a text like 30d"))


def _presigned_life(value: object) -> float:
    """SigV4 takes whole seconds, at most seven days."""
    seconds = _duration(value)
    if not 1 <= seconds <= 604800:
        raise ValueError("a presigned URL lives from one second to seven days")
    return seconds


def _instant(value: object) -> float:
    return _within_range(instant(_short(value, "an RFC 3339 time like 2027-01-31T12:00:00Z")))


def _within_range(seconds: float) -> float:
    if not 0 <= seconds <= _LATEST:
        raise ValueError("the time is out of range")
    return seconds


def _end(value: object) -> float:
    """A date alone is that day's last second: who writes an end means the whole day."""
    return _within_range(end_instant(_short(value, "an RFC 3339 time like 2027-01-31T12:00:00Z, or a date")))


def _size(value: object) -> int:
    found = size(value if isinstance(value, int) else _short(value, "bytes or a text like 5GiB"))
    if not 1 <= found < 2**63:
        raise ValueError("a size is from 1 byte to 8 EiB")
    return found


def _rate(value: object) -> Rate:
    rate = Rate.parse(_short(value, "a rate like 10/s or 100/min"))
    if rate.count > 1_000_000_000:
        raise ValueError("a rate has at most 1000000000 requests a period")
    return rate


def _network(value: object) -> IPv4Network | IPv6Network:
    if not isinstance(value, str):
        raise ValueError("write a network like 192.0.2.0/24 or 2001:db8::/32")
    try:
        return ip_network(value)
    except ValueError:
        raise ValueError("not a network: write one like 192.0.2.0/24, with no bits set after its prefix") from None


def _peer(value: object) -> Address:
    try:
        return ip_address(value if isinstance(value, str) else "")
    except ValueError:
        raise ValueError("not an address") from None


def _who(value: object) -> Principal:
    return Principal.parse(value if isinstance(value, str) else "")


def _owner(value: object) -> Principal:
    found = _who(value)
    if found.kind not in {"app", "admin"}:
        raise ValueError("a link is owned by an app or an admin")
    return found


def _key(value: str) -> str:
    if (fault := key_fault(value)) is not None:
        raise ValueError(f"the name {fault}")
    return value


def _prefix(value: str) -> str:
    """A prefix means a folder: without its slash it would reach its siblings."""
    return _key(value if not value or value.endswith("/") else value + "/")


def _printable(value: str) -> str:
    if not value.isprintable():
        raise ValueError("has characters that cannot be printed")
    return value


def _filename(value: str) -> str:
    if not _printable(value).strip(". ") or "/" in value or "\\" in value:
        raise ValueError("a file name has no slashes and is more than dots")
    return value


def _media_type(value: str) -> str:
    if not _MEDIA_TYPE.fullmatch(value):
        raise ValueError("not a media type: write one like application/pdf")
    return value


def _entity_tag(value: str) -> str:
    if not _ENTITY_TAG.fullmatch(value):
        raise ValueError(
            'not the ETag of an object: write it as the store gives it, like "9a0364b9e99bb480dd25e1f0284c8555"'
        )
    return value if value.startswith('"') else f'"{value}"'


_SENTENCES: Final = {
    "extra_forbidden": "is not known here",
    "missing": "is needed",
    "model_type": "send an object",
    "model_attributes_type": "send an object",
}
"""Where pydantic would speak of its own types."""

_DURATION_SCHEMA: Final = {
    "description": "Seconds, or a text of numbers with the units s, m, h, d, w.",
    "anyOf": [
        {"type": "number", "exclusiveMinimum": 0, "maximum": 3153600000},
        {"type": "string", "pattern": "^[1-9][0-9]{0,4}[smhdw]$"},
    ],
    "examples": [3600, "30d"],
}
_SIZE_SCHEMA: Final = {
    "description": "Bytes, or a text with a unit.",
    "anyOf": [
        {"type": "integer", "minimum": 1, "maximum": 2**63 - 1},
        {"type": "string", "pattern": "^[1-9][0-9]{0,5}([KMGT]i?B)?$"},
    ],
    "examples": [1048576, "5GiB"],
}
_RATE_SCHEMA: Final = {
    "description": "Requests in a period.",
    "type": "string",
    "pattern": "^[1-9][0-9]{0,5}/(s|m|h|d|min|hour|day)$",
    "examples": ["10/s"],
}
_OWNER_SCHEMA: Final = {
    "description": "An app or an admin.",
    "type": "string",
    "pattern": "^(app|admin):[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$",
    "examples": ["app:billing"],
}
_WHO_SCHEMA: Final = {
    "description": "A principal.",
    "type": "string",
    "pattern": "^((app|admin|link):[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}|anonymous)$",
    "examples": ["app:billing"],
}

_END_SCHEMA: Final[dict[str, Any]] = {
    "type": "string",
    "format": "date-time",
    "description": "RFC 3339; a date alone is that day's last second in UTC.",
}

Duration = Annotated[float, BeforeValidator(_duration), WithJsonSchema(_DURATION_SCHEMA)]
PresignedLife = Annotated[
    float,
    BeforeValidator(_presigned_life),
    WithJsonSchema({"type": "number", "minimum": 1, "maximum": 604800, "description": "Seconds, or a text like 15m."}),
]
Instant = Annotated[float, BeforeValidator(_instant), WithJsonSchema({"type": "string", "format": "date-time"})]
End = Annotated[float, BeforeValidator(_end), WithJsonSchema(_END_SCHEMA)]
Size = Annotated[int, BeforeValidator(_size), WithJsonSchema(_SIZE_SCHEMA)]
Count = Annotated[StrictInt, Field(ge=1, le=2**63 - 1)]
RateText = Annotated[Any, BeforeValidator(_rate), WithJsonSchema(_RATE_SCHEMA)]
Network = Annotated[Any, BeforeValidator(_network), WithJsonSchema({"type": "string", "examples": ["192.0.2.0/24"]})]
Peer = Annotated[Any, BeforeValidator(_peer), WithJsonSchema({"type": "string", "examples": ["192.0.2.7"]})]
Who = Annotated[Any, BeforeValidator(_who), WithJsonSchema(_WHO_SCHEMA)]
Owner = Annotated[Any, BeforeValidator(_owner), WithJsonSchema(_OWNER_SCHEMA)]
Text = Annotated[StrictStr, Field(min_length=1, max_length=200), AfterValidator(_printable)]
BucketName = Annotated[StrictStr, Field(min_length=1, max_length=255), AfterValidator(_printable)]
AnyPrefix = Annotated[StrictStr, Field(max_length=1024), AfterValidator(_printable)]
Cursor = Annotated[StrictStr, Field(min_length=1, max_length=512), AfterValidator(_printable)]
AppName = Annotated[StrictStr, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._@+-]{0,127}$")]
Key = Annotated[StrictStr, Field(min_length=1, max_length=1024), AfterValidator(_key)]
Prefix = Annotated[StrictStr, Field(max_length=1024), AfterValidator(_prefix)]
Filename = Annotated[StrictStr, Field(min_length=1, max_length=255), AfterValidator(_filename)]
EntityTag = Annotated[StrictStr, Field(max_length=130), AfterValidator(_entity_tag)]
ContentType = Annotated[StrictStr, Field(max_length=255), AfterValidator(_media_type)]

Fault = tuple[str, str]
"""A JSON pointer and a sentence."""


class Body(BaseModel):
    """A body or a query of which every field is known. All faults of one input are raised together."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=False)

    @classmethod
    def conflicts(cls, sent: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Faults between fields: the name of the field to blame, and a sentence. Looks at what was sent, untyped."""
        yield from ()

    @model_validator(mode="wrap")
    @classmethod
    def _all_faults(cls, value: Any, handler: ModelWrapValidatorHandler[Any]) -> Any:
        between = []
        if isinstance(value, Mapping):
            between = [_error((name,) if name else (), text) for name, text in cls.conflicts(value)]
        try:
            made = handler(value)
        except ValidationError as error:
            inside = [_error(fault["loc"], _sentence(fault)) for fault in error.errors(include_url=False)]
            raise ValidationError.from_exception_data(cls.__name__, inside + between, hide_input=True) from None
        if between:
            raise ValidationError.from_exception_data(cls.__name__, between, hide_input=True)
        return made


def _error(loc: tuple[int | str, ...], text: str) -> InitErrorDetails:
    return InitErrorDetails(type=PydanticCustomError("fault", "{text}", {"text": text}), loc=loc, input=None)


def _sentence(fault: Any) -> str:
    if fault["type"] in _SENTENCES:
        return _SENTENCES[fault["type"]]
    return str(fault["ctx"]["error"]) if fault["type"] == "value_error" else str(fault["msg"])


def faults_of(error: ValidationError) -> tuple[Fault, ...]:
    """Every fault as a JSON pointer into the input, and a sentence."""
    return tuple(
        (
            "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in fault["loc"]),
            _sentence(fault),
        )
        for fault in error.errors(include_url=False, include_input=False)
    )
