"""Owns the types of texts for people and for headers: labels, messages, file names, media types, tags, header names.

Refuses to own texts with a grammar of the gateway's own (`gateway.schema.names`, `gateway.schema.quantities`).

Law: a text shows as what it is. No control character ends a line in it and no mark turns its direction around; blanks
and joiners, which file names and emoji of real people have, stay.
"""

from __future__ import annotations

import re
from typing import Annotated, Final

from pydantic import AfterValidator, Field, StrictStr

from gateway.core.names import is_shown
from gateway.core.naming import NameTemplate
from gateway.core.said import phrase

_ENTITY_TAG: Final = re.compile(r'"[\x21\x23-\x7e]{1,128}"|[\x21\x23-\x7e]{1,128}')
_MEDIA_TYPE: Final = re.compile(r"[A-Za-z0-9!#$&^_.+-]+/[A-Za-z0-9!#$&^_.+-]+(?:;[ ]?[\x20-\x7e]+)?", re.ASCII)
_MEDIA_KIND: Final = re.compile(r"[a-z0-9][a-z0-9!#$&^_.+-]*/(?:\*|[a-z0-9][a-z0-9!#$&^_.+-]*)", re.ASCII)
_TOKEN: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", re.ASCII)


def _require_printable(value: str) -> str:
    if not value.isprintable() and not all(map(is_shown, value)):
        raise ValueError(phrase("text_printable", "has characters that cannot be printed"))
    return value


def _check_filename(value: str) -> str:
    if not _require_printable(value).strip(". ") or "/" in value or "\\" in value:
        raise ValueError(phrase("file_name", "a file name has no slashes and is more than dots"))
    return value


def _check_media_type(value: str) -> str:
    if not _MEDIA_TYPE.fullmatch(value):
        raise ValueError(phrase("media_type", "not a media type: write one like application/pdf"))
    return value


def _check_media_kind(value: str) -> str:
    if not _MEDIA_KIND.fullmatch(value):
        raise ValueError(
            phrase("media_kind", "not a media type without parameters: write one like application/pdf, or image/*")
        )
    return value


def _check_message(value: str) -> str:
    for line in value.splitlines():
        _require_printable(line)
    return value


def _check_names(value: str) -> str | None:
    return None if value == "keep" else NameTemplate.parse(value).text


def _quote_entity_tag(value: str) -> str:
    if not _ENTITY_TAG.fullmatch(value):
        raise ValueError(
            phrase(
                "etag_form",
                'not the ETag of an object: write it as the store gives it, like "9a0364b9e99bb480dd25e1f0284c8555"',
            )
        )
    return value if value.startswith('"') else f'"{value}"'


def _check_header_name(value: str) -> str:
    if not _TOKEN.fullmatch(value):
        raise ValueError("must be the name of a header")
    return value


Text = Annotated[StrictStr, Field(min_length=1, max_length=200), AfterValidator(_require_printable)]
Group = Annotated[StrictStr, Field(min_length=1, max_length=256), AfterValidator(_require_printable)]
"""Of users, as their issuer says it."""

Note = Annotated[StrictStr, Field(min_length=1, max_length=200)]
"""For people alone, in as many lines as they like."""

Filename = Annotated[StrictStr, Field(min_length=1, max_length=255), AfterValidator(_check_filename)]
ContentType = Annotated[StrictStr, Field(max_length=255), AfterValidator(_check_media_type)]
EntityTag = Annotated[StrictStr, Field(max_length=130), AfterValidator(_quote_entity_tag)]
MediaType = Annotated[StrictStr, Field(max_length=100), AfterValidator(_check_media_kind)]
"""What files may be: a type, or all of a kind."""

Message = Annotated[StrictStr, Field(min_length=1, max_length=1000), AfterValidator(_check_message)]
"""For the people at the other end, in as many lines as it needs."""

TermsText = Annotated[StrictStr, Field(min_length=1, max_length=10_000), AfterValidator(_check_message)]
"""What somebody has to accept, in as many lines as it needs."""

NamesText = Annotated[StrictStr, Field(max_length=200), AfterValidator(_check_names)]
"""A template for names of files; `keep` is none."""

HeaderName = Annotated[StrictStr, AfterValidator(_check_header_name)]
Cursor = Annotated[StrictStr, Field(min_length=1, max_length=512), AfterValidator(_require_printable)]
