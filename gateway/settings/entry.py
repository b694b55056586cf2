"""Owns how every model of a file behaves, and the shorter forms in which a file may write a list or a section.

Refuses to own which keys there are (`gateway.settings.model`, `gateway.settings.grammar`).
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, BeforeValidator, ConfigDict


class Section(BaseModel):
    """A section of a file, or an entry of one. Unknown keys are errors, and nothing changes afterwards."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True, defer_build=True)


def one_or_more(kind: Any) -> BeforeValidator:
    """Lets a list of texts be written as one text. `kind` is what an entry is, for the schema."""
    return BeforeValidator(_listify, json_schema_input_type=kind | list[kind])


def written_as(kind: Any) -> BeforeValidator:
    """Changes nothing: tells the schema what may be written where a model's own validator reads a shorter form."""
    return BeforeValidator(lambda value: value, json_schema_input_type=kind)


def one_or_more_sections(kind: Any) -> BeforeValidator:
    """Lets a list of sections be written as one section. `kind` is what an entry is, for the schema."""
    return BeforeValidator(
        lambda value: [value] if isinstance(value, dict) else value, json_schema_input_type=kind | list[kind]
    )


def _listify(value: object) -> object:
    return [value] if isinstance(value, str) else value
