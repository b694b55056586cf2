"""Owns the body that reports every fault at once, and the form of a fault.

Refuses to own which fields a body has (`gateway.control.bodies`) and their types (`gateway.schema`).

Law: a fault names its place with a JSON pointer (RFC 6901). It repeats no text of a kind that secrets have, and of what
else was sent only what is short.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, cast

from pydantic import BaseModel, ConfigDict, ModelWrapValidatorHandler, ValidationError, model_validator
from pydantic_core import InitErrorDetails, PydanticCustomError

from gateway.core.said import Said

SENTENCES: Final = {
    "bool_type": "write true or false",
    "enum": "must be one of these: {expected}",
    "extra_forbidden": "is not known here",
    "float_type": "write a number",
    "greater_than_equal": "must be at least {ge}",
    "int_type": "write a whole number",
    "less_than_equal": "must be at most {le}",
    "list_type": "write a list",
    "missing": "is needed",
    "model_type": "send an object",
    "other": "cannot be read here",
    "string_pattern_mismatch": "must match {pattern}",
    "string_too_long": "has too many characters: at most {max_length}",
    "string_too_short": "has too few characters: at least {min_length}",
    "string_type": "write a text",
    "too_long": "are too many: at most {max_length}",
    "too_short": "are too few: at least {min_length}",
}
"""What is said of a value that is not of its type, by pydantic's name for the fault: its own words speak of Python."""

_SAME: Final = {
    "bool_parsing": "bool_type",
    "dict_type": "model_type",
    "finite_number": "float_type",
    "float_parsing": "float_type",
    "int_from_float": "int_type",
    "int_parsing": "int_type",
    "int_parsing_size": "int_type",
    "literal_error": "enum",
    "model_attributes_type": "model_type",
    "string_unicode": "string_type",
}
"""Faults that people mend in the same way."""

_MEMBER: Final = re.compile(r"<[\w.]+: ('[^']*')>")
"""How pydantic writes a member of an enumeration among what is allowed; people are told its value."""

Fault = tuple[str, str]
"""A JSON pointer and a sentence."""


class Body(BaseModel):
    """A body or a query of which every field is known. All faults of one input are raised together."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, hide_input_in_errors=True, validate_default=False, defer_build=True
    )

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
    """What a type says of a fault is a sentence, too: by the name that pydantic has for it."""
    kind, said = fault["type"], fault.get("ctx", {})
    if kind == "fault":
        return cast("str", said["text"])
    if kind == "value_error":
        return said["error"].args[0] if said["error"].args else ""
    kind = _SAME.get(kind, kind)
    kind = kind if kind in SENTENCES else "other"
    values = {name: _MEMBER.sub(r"\1", str(value)).replace("' or '", "', '") for name, value in said.items()}
    return Said(SENTENCES[kind].format(**values), f"type_{kind}", values)


def faults_of(error: ValidationError) -> tuple[Fault, ...]:
    """Every fault as a JSON pointer into the input, and a sentence."""
    return tuple(
        (
            "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in fault["loc"]),
            _sentence(fault),
        )
        for fault in error.errors(include_url=False, include_input=False)
    )
