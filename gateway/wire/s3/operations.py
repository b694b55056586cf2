"""Owns the table from (method, level, sub-resource) to operation, and what each operation's query may hold.

Refuses to own paths, headers and values' meaning beyond their form.

Law: the table is the whole offer. A parameter that no row names refuses the request, because stores take a
sub-resource they do not know for an object write (`PUT /b/k?legal-hold` replaces the object).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from gateway.core.reasons import Reason, Refused
from gateway.core.request import Operation
from gateway.core.values import dataclass


class Level(StrEnum):
    SERVICE = "service"
    BUCKET = "bucket"
    OBJECT = "object"


@dataclass(frozen=True, slots=True)
class Shape:
    """One row: the operation, the parameters that must be there, and those that may."""

    operation: Operation
    needs: frozenset[str] = frozenset()
    may: frozenset[str] = frozenset()


RESPONSE_OVERRIDES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "response-cache-control": "cache-control",
        "response-content-disposition": "content-disposition",
        "response-content-encoding": "content-encoding",
        "response-content-language": "content-language",
        "response-content-type": "content-type",
        "response-expires": "expires",
    }
)
"""GetObject's override parameters and the answer header each of them sets."""

IGNORED_PARAMS: Final = frozenset(
    {
        "x-id",
        "Cache-Control",
        "Content-Disposition",
        "Content-Encoding",
        "Content-Language",
        "Content-MD5",
        "Content-Type",
        "content-md5",
        "content-type",
        "Version",
    }
)
"""Without effect on S3 itself: the SDKs' operation label, and headers that two SDKs copy to the query (JavaScript 2 in
capitals, botocore's SigV2 presigner in small letters). What was signed is the header, which has to come as well. Then
the API's version, which Libcloud says with every request."""

_PAGE: Final = frozenset({"prefix", "delimiter", "encoding-type"})
_OVERRIDES: Final = frozenset(RESPONSE_OVERRIDES)
_READ: Final = frozenset({"versionId", "partNumber"}) | _OVERRIDES
_VERSION: Final = frozenset({"versionId"})
_PART: Final = frozenset({"uploadId", "partNumber"})
_UPLOAD: Final = frozenset({"uploadId"})


def _just(*names: str) -> frozenset[str]:
    return frozenset(names)


_O = Operation
_TABLE: Final[Mapping[tuple[str, Level, frozenset[str]], Shape]] = MappingProxyType(
    {
        ("GET", Level.SERVICE, _just()): Shape(
            _O.LIST_BUCKETS, may=_just("prefix", "max-buckets", "continuation-token", "bucket-region")
        ),
        ("HEAD", Level.BUCKET, _just()): Shape(_O.HEAD_BUCKET),
        ("PUT", Level.BUCKET, _just()): Shape(_O.CREATE_BUCKET),
        ("POST", Level.BUCKET, _just()): Shape(_O.POST_OBJECT),
        ("POST", Level.BUCKET, _just("delete")): Shape(_O.DELETE_OBJECTS, _just("delete")),
        ("GET", Level.BUCKET, _just()): Shape(_O.LIST_OBJECTS, may=_PAGE | _just("marker", "max-keys")),
        ("GET", Level.BUCKET, _just("list-type")): Shape(
            _O.LIST_OBJECTS_V2,
            _just("list-type"),
            _PAGE | _just("max-keys", "continuation-token", "start-after", "fetch-owner"),
        ),
        ("GET", Level.BUCKET, _just("versions")): Shape(
            _O.LIST_OBJECT_VERSIONS, _just("versions"), _PAGE | _just("max-keys", "key-marker", "version-id-marker")
        ),
        ("GET", Level.BUCKET, _just("uploads")): Shape(
            _O.LIST_MULTIPART_UPLOADS, _just("uploads"), _PAGE | _just("max-uploads", "key-marker", "upload-id-marker")
        ),
        ("GET", Level.BUCKET, _just("location")): Shape(_O.GET_BUCKET_LOCATION, _just("location")),
        ("GET", Level.BUCKET, _just("versioning")): Shape(_O.GET_BUCKET_VERSIONING, _just("versioning")),
        ("GET", Level.OBJECT, _just()): Shape(_O.GET_OBJECT, may=_READ),
        ("HEAD", Level.OBJECT, _just()): Shape(_O.HEAD_OBJECT, may=_READ),
        # Bun puts a type that it presigns into the parameter that is for reading; S3 has no use for it here.
        ("PUT", Level.OBJECT, _just()): Shape(_O.PUT_OBJECT, may=_OVERRIDES),
        ("DELETE", Level.OBJECT, _just()): Shape(_O.DELETE_OBJECT, may=_VERSION),
        ("POST", Level.OBJECT, _just("uploads")): Shape(_O.CREATE_MULTIPART_UPLOAD, _just("uploads")),
        ("PUT", Level.OBJECT, _just("uploadId")): Shape(_O.UPLOAD_PART, _PART),
        ("POST", Level.OBJECT, _just("uploadId")): Shape(_O.COMPLETE_MULTIPART_UPLOAD, _UPLOAD),
        ("DELETE", Level.OBJECT, _just("uploadId")): Shape(_O.ABORT_MULTIPART_UPLOAD, _UPLOAD),
        ("GET", Level.OBJECT, _just("uploadId")): Shape(
            _O.LIST_PARTS, _UPLOAD, _just("max-parts", "part-number-marker", "encoding-type")
        ),
        ("GET", Level.OBJECT, _just("tagging")): Shape(_O.GET_OBJECT_TAGGING, _just("tagging"), _VERSION),
        ("PUT", Level.OBJECT, _just("tagging")): Shape(_O.PUT_OBJECT_TAGGING, _just("tagging"), _VERSION),
        ("DELETE", Level.OBJECT, _just("tagging")): Shape(_O.DELETE_OBJECT_TAGGING, _just("tagging"), _VERSION),
        ("GET", Level.OBJECT, _just("attributes")): Shape(_O.GET_OBJECT_ATTRIBUTES, _just("attributes"), _VERSION),
    }
)
_SELECTORS: Final = frozenset().union(*(marks for _, _, marks in _TABLE))
_METHODS: Final = frozenset(method for method, _, _ in _TABLE)

VAIN_WHEN_EMPTY: Final = frozenset(
    {
        "encoding-type",
        "fetch-owner",
        "max-buckets",
        "max-keys",
        "max-parts",
        "max-uploads",
        "part-number-marker",
    }
)
"""Parameters that say nothing when they have no value."""

_FORMS: Final[Mapping[str, re.Pattern[str]]] = MappingProxyType(
    {
        "list-type": re.compile("2"),
        "encoding-type": re.compile("url"),
        "fetch-owner": re.compile("true|false"),
        "partNumber": re.compile(r"(?:[1-9]\d{0,3}|10000)", re.ASCII),
        **dict.fromkeys(
            ("part-number-marker", "max-keys", "max-uploads", "max-parts", "max-buckets"),
            re.compile(r"\d{1,10}", re.ASCII),
        ),
        "uploadId": re.compile(r"[\x21-\x7e]{1,1024}", re.ASCII),
        "versionId": re.compile(r"[\x21-\x7e]{1,1024}", re.ASCII),
    }
)


def find_shape(method: str, level: Level, params: Mapping[str, str]) -> Shape:
    """The row for a request whose `params` hold nothing that belongs to authentication.

    Raises:
        Refused: METHOD_NOT_ALLOWED when no row of this level has the method; UNSUPPORTED_OPERATION for everything
            else that the table does not name.
    """
    shape = _TABLE.get((method, level, _SELECTORS.intersection(params)))
    if shape is None:
        if not params and method in _METHODS | {"PATCH"}:
            raise Refused(Reason.METHOD_NOT_ALLOWED, f"{method} is not offered for a {level}")
        raise Refused(Reason.UNSUPPORTED_OPERATION, f"no operation is {method} on a {level} with these sub-resources")
    unknown = params.keys() - shape.needs - shape.may
    if unknown:
        raise Refused(Reason.UNSUPPORTED_OPERATION, f"{shape.operation} has no parameter {min(unknown)!r}")
    missing = shape.needs - params.keys()
    if missing:
        raise Refused(Reason.UNSUPPORTED_OPERATION, f"{shape.operation} needs the parameter {min(missing)!r}")
    check_values(params)
    return shape


def check_values(params: Mapping[str, str]) -> None:
    """Raises Refused(BAD_ARGUMENT) for a value that does not have its parameter's form."""
    for name, value in params.items():
        form = _FORMS.get(name)
        if form is not None and not form.fullmatch(value):
            raise Refused(Reason.BAD_ARGUMENT, f"the parameter {name} has an invalid value")


def methods_of(level: Level) -> tuple[str, ...]:
    """The methods that some row of this level has, for `Allow`."""
    return tuple(sorted({method for method, candidate, _ in _TABLE if candidate is level} | {"OPTIONS"}))
