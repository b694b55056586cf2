"""From a request to the attempt that is decided on, as the record shows it."""

from __future__ import annotations

import pytest

from gateway.core.request import Action
from tests.data.harness import Rig

S3 = [
    ("GET", "/reports/a/b", "GetObject", "a/b"),
    ("GET", "/reports/a%2Fb", "GetObject", "a/b"),
    ("GET", "/reports/a%252Fb", "GetObject", "a%2Fb"),  # decoded once
    ("DELETE", "/reports/a", "DeleteObject", "a"),
    ("GET", "/reports?list-type=2&prefix=a/", "ListObjectsV2", "a/"),
    ("GET", "/reports?prefix=b/", "ListObjects", "b/"),
    ("HEAD", "/reports", "HeadBucket", ""),
]


@pytest.mark.parametrize(("method", "target", "operation", "key"), S3)
async def test_an_s3_request_tries_what_it_says(app: Rig, method: str, target: str, operation: str, key: str) -> None:
    """Operation and key; for a listing the key is its prefix."""
    await app.ask(method, target)
    record = await app.last()
    assert (operation, "reports", key) == (record.operation, record.bucket, record.key)


async def test_what_is_decided_on_is_what_is_sent(app: Rig) -> None:
    """The very same key, below the bucket's own place."""
    await app.ask("GET", "/reports/a%252Fb%20c")
    [seen] = app.store.seen
    assert ("real", "inside/a%2Fb c") == (seen.call.bucket, seen.call.key)
    assert "a%2Fb c" == (await app.last()).key


async def test_a_links_key_is_its_scope_and_its_path(rig: Rig) -> None:
    """Below the prefix, or the one object."""
    await rig.fetch(await rig.link(prefix="in/"), "/sub/x.txt")
    assert "in/sub/x.txt" == (await rig.last()).key
    await rig.fetch(await rig.link("one/y.txt"))
    assert "one/y.txt" == (await rig.last()).key


async def test_a_refused_attempt_is_known_too(rig: Rig) -> None:
    """Who tried what is in the record, also of what was not allowed."""
    token, grant = await rig.granted(actions=[Action.WRITE])
    await rig.fetch(token)
    record = await rig.last()
    assert (grant.id, "a.txt", "method_not_allowed") == (record.grant_id, record.key, record.reason)
