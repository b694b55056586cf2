"""Owns putting something around a function of the gateway, wherever a module has taken its name. For measuring only."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

__all__ = ["find", "replace"]


def find(name: str) -> tuple[Any, str, Any]:
    """The owner, attribute and value of `module:function` or `module:Class.method`. Raises AttributeError."""
    module, _, path = name.partition(":")
    owner: Any = import_module(module)
    *classes, last = path.split(".")
    for inner in classes:
        owner = getattr(owner, inner)
    return owner, last, getattr(owner, last)


def replace(name: str, around: Callable[[Any], Any]) -> None:
    """Put `around(original)` in the original's place: in its module or class, and in whatever imported it by name."""
    owner, last, original = find(name)
    fresh = around(original)
    setattr(owner, last, fresh)
    for module in [found for known, found in sys.modules.items() if known.partition(".")[0] == "gateway"]:
        for attribute, value in list(vars(module).items()):
            if value is original:
                setattr(module, attribute, fresh)
