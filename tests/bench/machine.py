"""Owns the names of what everything ran on: the interpreter and how it was built, the machine, the libraries."""

from __future__ import annotations

import os
import platform
import sys
import sysconfig
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from gateway.cli.interpreter import describe_build
from tests.bench.network import congestion_control

__all__ = ["interpreter", "libraries", "machine"]

_LIBRARIES = ("uvloop", "httptools", "awscrt", "aiohttp", "cryptography", "orjson")


def interpreter() -> str:
    """Version, kind of build and machine: counts of instructions can be compared where these are the same."""
    variables = {name: str(value) for name, value in sysconfig.get_config_vars().items()}
    return f"Python {platform.python_version()}, {describe_build(variables, sys.base_prefix)}, {platform.machine()}"


def libraries() -> dict[str, str]:
    """Versions of what does part of the work of a request."""
    found = {}
    for name in _LIBRARIES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def machine() -> str:
    """Processors, kernel, how TCP sends and load, in one line."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    model = next((line.partition(":")[2].strip() for line in lines if "model name" in line), platform.machine())
    return (
        f"{len(os.sched_getaffinity(0))} CPUs ({model}), Linux {platform.release()}, TCP {congestion_control()}, "
        f"load average {os.getloadavg()[0]:.1f}"
    )
