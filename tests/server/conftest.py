"""The server is tried with the data plane behind it: real sockets, real requests."""

from __future__ import annotations

from tests.data.conftest import app, plain_tracebacks, pytest_asyncio_loop_factories, rig, small_parts, uploads

__all__ = ["app", "plain_tracebacks", "pytest_asyncio_loop_factories", "rig", "small_parts", "uploads"]
