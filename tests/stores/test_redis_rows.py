"""Grants and entries as Redis holds them; errors by code."""

from __future__ import annotations

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import ResponseError

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


def test_errors_are_told_by_code() -> None:
    """The server's text stays out, since it may quote values."""
    assert explain(ResponseError("READONLY You can't write hunter2")) == "Redis refuses (READONLY)"
    assert explain(RedisConnectionError("hunter2")) == "Redis does not answer (ConnectionError)"
    assert explain(ResponseError("hunter2 is wrong")) == "Redis does not answer (ResponseError)"
