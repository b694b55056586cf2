"""The same listeners as in the tests of the data plane."""

from __future__ import annotations

from tests.data.conftest import app, plain_tracebacks, rig

__all__ = ["app", "plain_tracebacks", "rig"]
