"""The JSON Schemas for editors."""

from __future__ import annotations

import ast
import inspect
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from gateway.settings import grammar, identity, model, state
from gateway.settings.schemas import build_policy_schema, build_settings_schema


@pytest.mark.parametrize("schema", [build_settings_schema(), build_policy_schema()], ids=["settings", "policy"])
def test_they_are_schemas(schema: dict[str, Any]) -> None:
    """Of the dialect that they name, with a title that tells one from the other."""
    Draft202012Validator.check_schema(schema)
    assert "https://json-schema.org/draft/2020-12/schema" == schema["$schema"]


def test_what_stands_below_a_field_is_shown_where_the_field_is_written() -> None:
    """An editor tells the same as the source does, for each such text of each model."""
    parts = {"Settings": build_settings_schema(), "PolicyFile": build_policy_schema()}
    parts |= build_settings_schema()["$defs"] | build_policy_schema()["$defs"]
    wanted, found = [], []
    trees = [ast.parse(inspect.getsource(module)) for module in (grammar, identity, model, state)]
    for node in (node for tree in trees for node in tree.body):
        if isinstance(node, ast.ClassDef) and node.name in parts:
            for field, below in zip(node.body, node.body[1:], strict=False):
                if isinstance(field, ast.AnnAssign) and isinstance(below, ast.Expr):
                    wanted.append(inspect.cleandoc(ast.literal_eval(below.value)))
                    found.append(parts[node.name]["properties"][ast.unparse(field.target)].get("description"))
    assert wanted == found
    assert len(wanted) > 30
    assert "Refuse everything for this backend, with a reason, until it is taken back." in wanted
