"""Owns the types of paths: files that have to be there, certificate authorities, directories.

Refuses to own what stands in a file. Laws: relative paths start at the settings file, and every file that is named,
there or not, is noted for the watcher.
"""

from __future__ import annotations

import ssl
from pathlib import Path
from typing import Annotated

from pydantic import PlainValidator, ValidationInfo, WithJsonSchema

from gateway.regular_file import open_regular
from gateway.settings.secret import SecretReader, reason_of


def _resolve(value: object, info: ValidationInfo, kind: str) -> Path:
    if not isinstance(value, str) or not value:
        raise ValueError(f"must be the path of a {kind}")
    return SecretReader.of(info).directory / value


def require_file(value: object, info: ValidationInfo) -> Path:
    """The path of a file that is there. Raises ValueError for anything else."""
    path = _resolve(value, info, "file")
    SecretReader.of(info).files.add(path)
    try:
        if not path.is_file():
            raise FileNotFoundError
        open_regular(path).close()
    except FileNotFoundError:
        raise ValueError(f"there is no file {path}") from None
    except (OSError, ValueError) as error:
        raise ValueError(f"the file {path} cannot be read: {reason_of(error)}") from None
    return path


def _check_authorities(value: object, info: ValidationInfo) -> Path:
    """Read here, so that a file which no connection could be made with is a fault where it is named."""
    path = require_file(value, info)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(path)
    except OSError:
        raise ValueError(f"the file {path} holds no certificate authorities in PEM") from None
    return path


def _resolve_later(value: object, info: ValidationInfo) -> Path:
    return _resolve(value, info, "file").absolute()


def _resolve_directory(value: object, info: ValidationInfo) -> Path:
    return _resolve(value, info, "directory")


def _text_schema(example: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "examples": [example]})


FilePath = Annotated[Path, PlainValidator(require_file), _text_schema("tls/server.crt")]
Authorities = Annotated[Path, PlainValidator(_check_authorities), _text_schema("tls/ca.crt")]
LaterFile = Annotated[Path, PlainValidator(_resolve_later), _text_schema("revoked.json")]
"""A file that whoever opens it asks for."""

Directory = Annotated[Path, PlainValidator(_resolve_directory), _text_schema("policies/")]
