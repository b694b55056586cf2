"""How the interpreter was built, as the doctor and the bench tell it."""

from __future__ import annotations

import sysconfig

import pytest

from gateway.cli.interpreter import describe_build, examine_interpreter
from tests.bench.machine import interpreter


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
    assert expected == describe_build(variables, prefix)


@pytest.mark.parametrize(("arguments", "ok"), [("'--enable-optimizations' '--with-lto'", True), ("", None)])
def test_a_plain_build_is_no_fault_and_is_told(
    monkeypatch: pytest.MonkeyPatch, arguments: str, ok: bool | None
) -> None:
    """It serves as well; what an optimised one is worth stands beside it."""
    variables = {"CONFIG_ARGS": arguments}
    monkeypatch.setattr(sysconfig, "get_config_vars", lambda: variables)
    monkeypatch.setattr("sys.base_prefix", "/opt")
    found = examine_interpreter()
    assert ("gateway", "interpreter", ok) == (found.backend, found.check, found.ok)
    assert (ok is None) == ("less CPU time" in found.detail)
    assert ("plain" in found.detail) == ("plain" in interpreter())
