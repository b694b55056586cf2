"""How the types of `gateway.schema` are asked."""

from __future__ import annotations

from contextlib import suppress
from types import ModuleType
from typing import Annotated, Any, get_origin

import pytest
from pydantic import TypeAdapter, ValidationError


def parsed(kind: Any, value: object) -> Any:
    return TypeAdapter(kind).validate_python(value)


def sentence(kind: Any, value: object) -> str:
    """What a type says against a value."""
    with pytest.raises(ValidationError) as raised:
        parsed(kind, value)
    return raised.value.errors()[0]["msg"].removeprefix("Value error, ")


def no_surprise(module: ModuleType, value: object) -> None:
    """Every type of a module reads a value or raises a validation error, and nothing else."""
    for name, kind in vars(module).items():
        if not name.startswith("_") and get_origin(kind) is Annotated:
            with suppress(ValidationError):
                parsed(kind, value)
