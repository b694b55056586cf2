"""Owns how the interpreter that runs was built, as `gateway doctor` shows it.

Refuses to own measuring what that is worth.
"""

from __future__ import annotations

import platform
import sys
import sysconfig
from collections.abc import Mapping

from gateway.core.finding import Finding


def describe_build(variables: Mapping[str, str], prefix: str) -> str:
    """How an interpreter was optimised when it was built, by what its configuration says of itself."""
    told = " ".join(variables.get(name, "") for name in ("CONFIG_ARGS", "PY_CORE_CFLAGS", "PY_CFLAGS", "PY_LDFLAGS"))
    guided = "--enable-optimizations" in told or "-fprofile-use" in told
    linked = "--with-lto" in told or "-flto" in told
    if prefix == "/usr" and not guided:
        return "the distribution's build"  # Debian optimises, and takes the traces of it out of the configuration
    names = [name for name, found in (("PGO", guided), ("LTO", linked)) if found]
    return f"build with {' and '.join(names)}" if names else "plain build (no PGO, no LTO)"


def examine_interpreter() -> Finding:
    """The build of this interpreter: a plain one works as well, and takes up to a fifth more CPU time."""
    variables = {name: str(value) for name, value in sysconfig.get_config_vars().items()}
    build = describe_build(variables, sys.base_prefix)
    plain = build.startswith("plain")
    detail = f"Python {platform.python_version()}, {build}"
    advice = "; one with PGO and LTO, as in the image, takes up to a fifth less CPU time" if plain else ""
    return Finding("gateway", "interpreter", None if plain else True, detail + advice)
