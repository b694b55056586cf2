"""Owns how values are declared: `dataclass`, cheap to import and cheap to make.

Refuses to own which values those are, and those that are guarded at run time (they use `dataclasses.dataclass`).

Law: a frozen value does not change. To the type checker this is `dataclasses.dataclass`, and it refuses every
assignment; Python's own guard costs a call for each field of each new value, which is several times the field itself.
Equality, hash and text are those of `dataclasses`, without code of their own in every class: to compile that for some
two hundred classes was a quarter of a start.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from operator import attrgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool = False, eq: bool = True, repr: bool = True, **options: Any) -> Any:  # noqa: A002
        """`dataclasses.dataclass`; what is frozen is hashed by its fields, and nobody assigns to them."""

        def declare(cls: type) -> type:
            made = dataclasses.dataclass(repr=False, eq=False, **options)(cls)
            if eq:
                _compare_by_fields(made, hashed=frozen)
            if repr and "__repr__" not in cls.__dict__:
                made.__repr__ = _text
            return made

        return declare


__all__ = ["dataclass"]


def _compare_by_fields(cls: Any, *, hashed: bool) -> None:
    """What the class says itself about equality or its hash stays."""
    compared = [field.name for field in dataclasses.fields(cls) if field.compare]
    values: Callable[[Any], Any] = attrgetter(*compared) if compared else lambda _: ()

    def equal(value: Any, other: object) -> Any:
        return values(value) == values(other) if other.__class__ is value.__class__ else NotImplemented

    def hash_of(value: Any) -> int:
        return hash(values(value))

    own = cls.__dict__
    if "__eq__" not in own:
        cls.__eq__ = equal
    if "__hash__" not in own:
        cls.__hash__ = hash_of if hashed else None


def _text(value: Any) -> str:
    shown = (f"{field.name}={getattr(value, field.name)!r}" for field in dataclasses.fields(value) if field.repr)
    return f"{type(value).__qualname__}({', '.join(shown)})"
