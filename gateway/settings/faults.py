"""Owns the sentences: how a validation error becomes `file:line:column: path: what is wrong (what is allowed)`.

Refuses to own the rules themselves. Law: a sentence never holds the value of a key that could be secret; only
values compared with a closed list are shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cache
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from gateway.settings.source import Document, NodePath, format_path

INSIDE_TEXT: Final = "inside_text"
"""The type of a validation error whose context says where inside the text (`line`, `column`) it is."""

_SHORT_LIST: Final = 16
_LONG_LIST: Final = 40
_PLACED: Final = re.compile(r"(.*?):(\d+):(\d+): ")
_TYPES: Final = {
    "string_type": "must be a text",
    "int_type": "must be a whole number",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "dict_type": "must be a mapping of keys and values",
    "model_type": "must be a mapping of keys and values",
    "model_attributes_type": "must be a mapping of keys and values",
}
_BOUNDS: Final[Mapping[str, Callable[[dict[str, Any]], str]]] = {
    "greater_than_equal": lambda ctx: f"must be at least {ctx['ge']}",
    "less_than_equal": lambda ctx: f"must be at most {ctx['le']}",
    "too_short": lambda ctx: f"must have at least {ctx['min_length']} entry",
    "string_too_short": lambda _: "must not be empty",
    "string_too_long": lambda ctx: f"must have at most {ctx['max_length']} characters",
}


def did_you_mean(wrong: str, known: Iterable[str]) -> str:
    """` (did you mean 'region'? allowed: …)`, or as much of it as there is to say."""
    from difflib import get_close_matches  # noqa: PLC0415 (only who made a slip needs it)

    names = sorted(set(known))
    close = get_close_matches(wrong, names, 1, 0.6)
    parts = [f"did you mean {close[0]!r}?"] if close else []
    if names and len(names) <= (_SHORT_LIST if close else _LONG_LIST):
        parts.append(f"allowed: {', '.join(names)}")
    return f" ({' '.join(parts)})" if parts else ""


def sort_faults(faults: Iterable[str]) -> list[str]:
    """Each fault once, those with a place in the order of their files, lines and columns, the others first."""
    return sorted(dict.fromkeys(faults), key=_read_place)


def _read_place(fault: str) -> tuple[str, int, int]:
    match = _PLACED.match(fault)
    return ("", 0, 0) if match is None else (match[1], int(match[2]), int(match[3]))


def describe_errors(
    error: ValidationError, model: type[BaseModel], document: Document, base: NodePath = ()
) -> Iterator[str]:
    """One sentence for every error in a validation of the document's value at `base` against the model."""
    for detail in error.errors(include_url=False):
        location = tuple(detail["loc"])
        path = document.written(base + location)
        context = detail.get("ctx", {})
        match detail["type"]:
            case "default_factory_not_called":
                continue
            case "extra_forbidden":
                allowed = _list_keys(model, location[:-1])
                text = f"unknown key{did_you_mean(str(location[-1]), allowed)}"
                yield document.fault(path, text, key=True)
            case "missing":
                found = document.known(path[:-1])
                yield document.fault(found, f"the key {str(location[-1])!r} is missing")
            case "literal_error" | "enum":
                expected = [part.strip("' ") for part in context["expected"].replace(" or ", ", ").split(",")]
                shown = detail["input"] if isinstance(detail["input"], str | int | float) else "this"
                yield document.fault(
                    document.known(path), f"{shown!r} is not allowed{did_you_mean(str(shown), expected)}"
                )
            case kind if kind in _TYPES:
                yield document.fault(document.known(path), _TYPES[kind])
            case kind if kind in _BOUNDS:
                yield document.fault(document.known(path), _BOUNDS[kind](context))
            case "inside_text":
                where = document.where_inside(path, context["line"], context["column"])
                yield f"{where}: {format_path(path)}: {context['text']}"
            case "value_error":
                yield document.fault(document.known(path), str(context["error"]))
            case _:
                yield document.fault(document.known(path), detail["msg"][:1].lower() + detail["msg"][1:])


@cache
def _load_schema(model: type[BaseModel]) -> dict[str, Any]:
    return model.model_json_schema()


def _list_keys(model: type[BaseModel], location: tuple[str | int, ...]) -> set[str]:
    """The keys that the model knows at a location, read from its JSON Schema so that unions need no special case."""
    schema = _load_schema(model)
    level = [schema]
    for part in location:
        below: list[dict[str, Any]] = []
        for node in _list_alternatives(level, schema):
            if part in node.get("properties", {}):
                below.append(node["properties"][part])
            elif isinstance(part, int) and "items" in node:
                below.append(node["items"])
            elif isinstance(node.get("additionalProperties"), dict):
                below.append(node["additionalProperties"])
        level = below
    return {key for node in _list_alternatives(level, schema) for key in node.get("properties", {})}


def _list_alternatives(level: list[dict[str, Any]], schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for node in level:
        if "$ref" in node:
            yield from _list_alternatives([schema["$defs"][node["$ref"].rpartition("/")[2]]], schema)
        else:
            yield node
        yield from _list_alternatives(node.get("anyOf", []) + node.get("allOf", []), schema)
