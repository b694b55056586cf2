"""Owns the JSON Schemas of settings and policy files, for editors: what models say, and the texts below their fields.

Refuses to own the models (`gateway.settings.model`, `gateway.settings.grammar`).

What stands below a field is read from the source when a schema is asked for. Reading it whenever the models are made
would take a tenth of every start.
"""

from __future__ import annotations

import ast
import inspect
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from gateway.settings import grammar, identity, model, state


def build_settings_schema() -> dict[str, Any]:
    """The JSON Schema of gateway.yaml."""
    schema = model.Settings.model_json_schema()
    _describe(schema, model, identity, state)
    schema["required"] = ["state"]
    return _add_head(schema, "gateway.yaml")


def build_policy_schema() -> dict[str, Any]:
    """The JSON Schema of a policy file."""
    schema = grammar.PolicyFile.model_json_schema()
    _describe(schema, grammar)
    return _add_head(schema, "gateway policy file")


def _add_head(schema: dict[str, Any], title: str) -> dict[str, Any]:
    return schema | {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": title}


def _describe(schema: dict[str, Any], *modules: ModuleType) -> None:
    """Add to each property the text that stands below its field."""
    parts = {schema["title"]: schema, **schema.get("$defs", {})}
    for module in modules:
        for owner, field, text in _read_texts(module):
            if owner in parts:
                parts[owner]["properties"][field]["description"] = text


def _read_texts(module: ModuleType) -> Iterator[tuple[str, str, str]]:
    """The class, the field and the text below it, for every such text of a module."""
    for node in ast.parse(inspect.getsource(module)).body:
        if isinstance(node, ast.ClassDef):
            for field, below in zip(node.body, node.body[1:], strict=False):
                if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
                    yield node.name, ast.unparse(field.target), inspect.cleandoc(ast.literal_eval(below.value))
