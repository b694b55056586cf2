"""Owns how the values that every request makes are declared: `dataclass`, here without a guard at run time.

Refuses to own which values those are: a module that imports this `dataclass` has decided.

Law: a frozen value does not change. To the type checker this is `dataclasses.dataclass`, and it refuses every
assignment; Python's own guard costs a call for each field of each new value, which is several times the field itself.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool = False, **options: Any) -> Any:
        """`dataclasses.dataclass`; what is frozen is hashed by its fields, and nobody assigns to them."""
        return dataclasses.dataclass(unsafe_hash=frozen, **options)


__all__ = ["dataclass"]
