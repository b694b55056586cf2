"""The parts that are measured are there, and what stands around one is called by whoever took its name."""

from __future__ import annotations

import sys

import pytest

import gateway.data.serve
import gateway.wire.parse
from tests.bench import patching
from tests.bench.parts import PARTS


@pytest.mark.parametrize("name", [name for names in PARTS.values() for name in names])
def test_every_part_is_there(name: str) -> None:
    """A function in the table of parts exists under that name."""
    assert callable(patching.find(name)[2])


def test_what_is_not_there_is_told() -> None:
    """A name that leads nowhere is an error, not a part without cost."""
    with pytest.raises(AttributeError):
        patching.find("gateway.wire.parse:nothing_like_it")


def test_every_module_that_took_the_name_calls_what_stands_around() -> None:
    """A function that was imported by name is replaced there, too."""
    original = gateway.wire.parse.parse
    patching.replace("gateway.wire.parse:parse", lambda _: "around")
    try:
        assert ["around", "around"] == [gateway.wire.parse.parse, gateway.data.serve.parse]
    finally:
        for module in [found for name, found in sys.modules.items() if name.startswith("gateway.")]:
            if getattr(module, "parse", None) == "around":
                module.parse = original
