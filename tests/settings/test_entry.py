"""How every model of a settings file behaves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import pytest
from pydantic import Strict, ValidationError

from gateway.settings import grammar, model
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


def _below(section: type[Section]) -> Iterator[type[Section]]:
    for one in section.__subclasses__():
        yield one
        yield from _below(one)


def test_every_switch_is_true_or_false() -> None:
    """`yes`, `off` and `1` are words and numbers in YAML 1.2, and no switch of ours reads them, wherever it is."""
    of_files = [one for one in _below(Section) if one.__module__.startswith(model.__name__.rpartition(".")[0])]
    assert {model.Settings, grammar.BackendEntry} <= set(of_files)
    switches = {
        f"{one.__name__}.{name}": field
        for one in of_files
        for name, field in one.model_fields.items()
        if field.annotation is bool
    }
    assert "ConsoleSettings.enabled" in switches
    assert [] == [name for name, field in switches.items() if Strict() not in field.metadata]
