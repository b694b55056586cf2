"""Owns `when:`: a CEL expression over one attempt, type-checked when it is loaded.

Refuses to own what a condition decides (`gateway.core.policy`) and where its text stands (`gateway.settings.source`).
Law: only a truth value counts. The engine returns an evaluation error as a value that Python takes for true, so
the type is asked first: an error, or anything that is not a truth value, is None, which never allows and always denies.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from dataclasses import field
from datetime import UTC, datetime
from functools import cache
from typing import Annotated, Any, Final

from pydantic import PlainValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from gateway.core.attempt import Attempt
from gateway.core.grant import Grant
from gateway.core.request import Action
from gateway.core.values import dataclass
from gateway.settings.faults import INSIDE_TEXT

VARIABLES: Final[Mapping[str, str]] = {
    "principal": "STRING",
    "owner": "STRING",
    "action": "STRING",
    "operation": "STRING",
    "bucket": "STRING",
    "key": "STRING",
    "peer": "STRING",
    "size": "INT",
    "now": "TIMESTAMP",
    "groups": "STRINGS",
}
"""What an expression may name. `peer` is "" on a Unix socket; `size` of a write without a declared length is unknown,
and a condition that needs it cannot be evaluated; `owner` is the principal itself where there is no link. `groups` are
those of a user, or of the user who owns a link."""

_MAX_LENGTH: Final = 4096
_POSITION: Final = re.compile(r"ERROR: <input>:(\d+):(\d+): (.*)")
_NEVER_MEANT: Final = {
    "regular expression": "has an invalid regular expression",
    "timezone": "names a time zone that this host does not know: write one like Europe/Berlin",
}
"""Of the errors of an evaluation, those that no values can mend, by a word in them."""

_PROBE: Final[Mapping[str, Any]] = dict.fromkeys(VARIABLES, "x") | {
    "size": 1,
    "now": datetime(2030, 1, 1, tzinfo=UTC),
    "groups": ["x"],
}


@dataclass(frozen=True, slots=True)
class ConditionFault:
    """What is wrong with an expression, and where inside its text (both from 1)."""

    text: str
    line: int = 1
    column: int = 1


@dataclass(slots=True, eq=False)
class CelCondition:
    """A checked expression. Implements `gateway.core.rule.Condition`."""

    text: str
    _expression: Any = field(repr=False)

    def holds(self, attempt: Attempt, grant: Grant | None) -> bool | None:
        """True or False as the expression says; None when it cannot be evaluated."""
        return _read_truth(self._expression.eval(data=_collect_values(attempt, grant)))


def compile_condition(text: str) -> CelCondition | ConditionFault:
    """Check an expression against the declared variables."""
    environment = _load_engine()
    if environment is None:
        return ConditionFault("needs the CEL engine, which is not installed: install gateway[cel]")
    if len(text) > _MAX_LENGTH:
        return ConditionFault(f"is longer than {_MAX_LENGTH} characters")
    try:
        expression = environment.compile(text)
    except RuntimeError as error:
        return _read_fault(str(error))
    kind = expression.return_type().name()
    if kind != "BOOL":
        return ConditionFault(f"must be true or false, but it is of type {kind.lower()}")
    probed = expression.eval(data=_PROBE)
    said = str(probed.value()) if probed.type().name() == "ERROR" else ""
    for word, fault in _NEVER_MEANT.items():
        if word in said:
            return ConditionFault(fault)
    return CelCondition(text, expression)


@cache
def _load_engine() -> Any:
    """The engine with our variables, or None without the extra; imported on first use, for it is 50 MB."""
    try:
        cel = importlib.import_module("cel_expr_python.cel")
    except ImportError:
        return None
    strings = cel.Type.List(cel.Type.STRING)
    kinds = {name: strings if kind == "STRINGS" else getattr(cel.Type, kind) for name, kind in VARIABLES.items()}
    return cel.NewEnv(variables=kinds)


def _read_truth(value: Any) -> bool | None:
    if value.type().name() != "BOOL":
        return None
    return value.value() is True


def _collect_values(attempt: Attempt, grant: Grant | None) -> dict[str, Any]:
    values: dict[str, Any] = {
        "principal": str(attempt.principal),
        "owner": str(attempt.principal if grant is None else grant.owner),
        "action": attempt.action.value if attempt.action is not None else "",
        "operation": attempt.operation.value,
        "bucket": attempt.bucket,
        "key": attempt.key,
        "peer": "" if attempt.peer is None else str(attempt.peer),
        "now": datetime.fromtimestamp(attempt.now, UTC),
        "groups": list(attempt.groups if grant is None else grant.groups),
    }
    if attempt.size is not None:
        values["size"] = attempt.size
    elif attempt.action is not Action.WRITE:
        values["size"] = 0
    return values


def _read_fault(message: str) -> ConditionFault:
    match = _POSITION.search(message)
    if match is None:
        return ConditionFault("is not a valid expression")
    text = match[3].replace(" (in container '')", "")
    if text.startswith("undeclared reference"):
        text += f"; the variables are {', '.join(sorted(VARIABLES))}"
    return ConditionFault(text, int(match[1]), int(match[2]))


def _parse_condition(value: object) -> CelCondition:
    if isinstance(value, bool):  # YAML reads a bare `true` as a truth value; an expression is always a text
        value = "true" if value else "false"
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a CEL expression, like size < 1000000")
    compiled = compile_condition(value)
    if isinstance(compiled, CelCondition):
        return compiled
    raise PydanticCustomError(
        INSIDE_TEXT, "{text}", {"text": compiled.text, "line": compiled.line, "column": compiled.column}
    )


Condition = Annotated[
    CelCondition, PlainValidator(_parse_condition), WithJsonSchema({"type": "string", "examples": ["size < 1000000"]})
]
