"""How every model of a settings file behaves."""

from __future__ import annotations

from typing import Annotated

import pytest
from pydantic import ValidationError

from gateway.settings.entry import Section, one_or_more, written_as


class _Entry(Section):
    names: Annotated[tuple[str, ...], one_or_more(str)] = ()
    short: Annotated[int, written_as(int | str)] = 0


def test_unknown_keys_are_errors_and_nothing_changes() -> None:
    """A misspelt limit must not be no limit."""
    with pytest.raises(ValidationError):
        _Entry.model_validate({"nmaes": "a"})
    with pytest.raises(ValidationError):
        _Entry().short = 1


def test_a_text_is_a_list_of_one() -> None:
    """`methods: GET` means what `methods: [GET]` means, and the schema says that both may be written."""
    assert ("a",) == _Entry.model_validate({"names": "a"}).names
    assert ("a", "b") == _Entry.model_validate({"names": ["a", "b"]}).names
    schema = _Entry.model_json_schema()["properties"]
    assert [{"type": "string"}, {"items": {"type": "string"}, "type": "array"}] == schema["names"]["anyOf"]
    assert [{"type": "integer"}, {"type": "string"}] == schema["short"]["anyOf"]
