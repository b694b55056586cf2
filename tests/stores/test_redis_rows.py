"""Grants and entries as Redis holds them; errors by code."""

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

from gateway.core.revocation import FeedEntry
from gateway.core.revocation_target import FeedKind
from gateway.stores.codec import GrantRow
from gateway.stores.redis_rows import edited_fields, entry_from, explain, grant_from
from tests.contract.sample import NOW, full_link


def test_a_missing_grant_is_none() -> None:
    """A hash that is not there has no field."""
    assert grant_from([None] * len(GrantRow._fields)) is None


def test_only_short_lived_keys_carry_their_end() -> None:
    """A grant without a session or without an end is never forgotten by age."""
    words = edited_fields(full_link())
    fields = dict(zip(words[::2], words[1::2], strict=True))
    assert fields["session"] == repr(full_link().expires_at)
    assert fields["bucket"] == "reports"


def test_an_entry_is_read_from_its_stream() -> None:
    """The serial is the entry's place in the stream."""
    words = {b"kind": b"prefix", b"name": b"b", b"prefix": "ü/".encode(), b"at": b"1800000000.0"}
    entry = entry_from(b"17-0", {**words, b"reason": b"why", b"by": b"admin:ops"})
    assert entry == FeedEntry(17, FeedKind.PREFIX, "b", "ü/", NOW, "why", "admin:ops")


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
