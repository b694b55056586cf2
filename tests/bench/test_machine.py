"""Figures are told with the interpreter that they are of."""

from __future__ import annotations

import pytest

from tests.bench.machine import build


@pytest.mark.parametrize(
    ("variables", "prefix", "expected"),
    [
        (
            {"CONFIG_ARGS": "'--enable-shared'", "PGO_PROF_USE_FLAG": "-fprofile-use"},
            "/opt",
            "plain build (no PGO, no LTO)",
        ),
        ({"CONFIG_ARGS": "'--enable-optimizations' '--with-lto'"}, "/usr/local", "build with PGO and LTO"),
        ({"CONFIG_ARGS": "", "PY_CORE_CFLAGS": "-O3 -fprofile-use"}, "/opt", "build with PGO"),
        ({"CONFIG_ARGS": "'--enable-shared'"}, "/usr", "the distribution's build"),
    ],
)
def test_a_build_is_named_by_what_it_was_made_with(variables: dict[str, str], prefix: str, expected: str) -> None:
    """An optimised interpreter is told from a plain one; one that could be optimised is not called so."""
    assert expected == build(variables, prefix)
