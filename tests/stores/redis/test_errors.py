"""Errors are told by code."""

from __future__ import annotations

import pytest
from redis.exceptions import (
    AuthenticationError,
    MovedError,
    NoPermissionError,
    OutOfMemoryError,
    ReadOnlyError,
    ResponseError,
)
from redis.exceptions import ConnectionError as RedisConnectionError

from gateway.stores.redis.errors import explain


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ReadOnlyError("You can't write hunter2"), "Redis refuses (READONLY): it is a replica"),
        (MovedError("12182 127.0.0.1:7001"), "Redis refuses (MOVED): it is one node of a cluster"),
        (OutOfMemoryError("command not allowed"), "Redis refuses (OOM): its memory is full"),
        (NoPermissionError("hunter2"), "Redis refuses (NOPERM): the user of the URL lacks"),
        (AuthenticationError("hunter2"), "Redis refuses (AUTH): user or password"),
        (ResponseError("MISCONF hunter2"), "Redis refuses (MISCONF): it cannot save"),
        (ResponseError("unknown command 'EVALSHA'"), "Redis refuses (unknown): it has to be"),
        (ResponseError("NEWCODE hunter2"), "Redis refuses (NEWCODE)"),
        (ResponseError("hunter2 is wrong"), "Redis refuses (ERR)"),
        (RedisConnectionError("hunter2"), "Redis does not answer (ConnectionError)"),
    ],
)
def test_errors_are_told_by_code(error: Exception, told: str) -> None:
    """With what they mean here; the server's text stays out, since it may quote values."""
    assert explain(error).startswith(told)
    assert "hunter2" not in explain(error)
