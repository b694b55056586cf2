"""Owns references to secrets: `env:NAME` and `file:PATH`, read once when the settings are read.

Refuses to own where a secret goes. Law: a secret is never written in a settings file, and no repr, sentence or
exception made here holds one. A rotated secret arrives with the next reload, as a new reference.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import field
from pathlib import Path
from typing import Any, Final, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationInfo
from pydantic_core import core_schema

from gateway.core.values import dataclass
from gateway.regular_file import open_regular

_MAX_SECRET: Final = 64 * 1024
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)
_FORMS: Final = "write env:NAME or file:PATH"


def is_reference(text: str) -> bool:
    return text.startswith(("env:", "file:"))


def reason_of(error: OSError | ValueError) -> str:
    """Why a path could not be opened, in the system's words."""
    return error.strerror if isinstance(error, OSError) and error.strerror else "not a path"


@dataclass(slots=True)
class SecretReader:
    """Reads references against an environment and the directory that relative paths start from.

    `files` collects every file that was named, readable or not, so that a watcher can wait for it.
    """

    environ: Mapping[str, str] = field(repr=False)
    directory: Path
    files: set[Path] = field(default_factory=set)

    @classmethod
    def of(cls, info: ValidationInfo) -> Self:
        """The reader that a validation runs with."""
        if not isinstance(info.context, cls):
            raise TypeError("files and references are read through a SecretReader, given as the validation context")
        return info.context

    def read(self, reference: str) -> str:
        """The secret, without a file's last line end.

        Raises:
            ValueError: not a reference, or nothing there; the text never holds a value.
        """
        scheme, _, name = reference.partition(":")
        if scheme == "env" and _VARIABLE.fullmatch(name):
            value = self.environ.get(name)
            if value is None:
                raise ValueError(f"the variable {name} is not set")
            if not value:
                raise ValueError(f"the variable {name} is empty")
            return value
        if scheme == "file" and name:
            return self._read_file(self.directory / name)
        if scheme in {"env", "file"}:
            raise ValueError(f"is not a whole reference: {_FORMS}")
        raise ValueError(f"holds a value where a reference belongs: secrets are never written here; {_FORMS}")

    def _read_file(self, path: Path) -> str:
        self.files.add(path)
        try:
            with open_regular(path) as file:
                raw = file.read(_MAX_SECRET + 1)
        except (OSError, ValueError) as error:
            raise ValueError(f"the file {path} cannot be read: {reason_of(error)}") from None
        if len(raw) > _MAX_SECRET:
            raise ValueError(f"the file {path} is too large for a secret")
        try:
            text = raw.decode().removesuffix("\n").removesuffix("\r")
        except UnicodeDecodeError:
            raise ValueError(f"the file {path} is not UTF-8 text") from None
        if not text:
            raise ValueError(f"the file {path} is empty")
        if "\n" in text or "\r" in text:
            raise ValueError(f"the file {path} has more than one line")
        return text


@dataclass(frozen=True, slots=True)
class SecretRef:
    """A reference that was read. Its repr shows the reference, never the secret."""

    reference: str
    _value: str = field(repr=False)

    def resolve(self) -> str:
        """The secret as it was when the settings were read."""
        return self._value

    @classmethod
    def _parse(cls, value: object, info: ValidationInfo) -> SecretRef:
        if isinstance(value, SecretRef):
            return value
        if not isinstance(value, str):
            raise ValueError(f"is a reference to a secret: {_FORMS}")
        return cls(value, SecretReader.of(info).read(value))

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.with_info_plain_validator_function(cls._parse)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {
            "type": "string",
            "pattern": "^(env:[A-Za-z_][A-Za-z0-9_]*|file:.+)$",
            "description": "A reference to a secret: env:NAME or file:PATH. Never the secret itself.",
        }
