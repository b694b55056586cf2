"""What is answered here and never sent to a store."""

from __future__ import annotations

import re

import pytest

from tests.data.harness import APP, Rig, policy, rule, running

ONE = policy(rule("reports only", "reports/**"))


async def test_one_sees_the_buckets_one_may_use() -> None:
    """And not those of others."""
    async with running(ONE, trusted=APP) as app:
        got = await app.ask("GET", "/")
        assert 200 == got.status
        assert "<Name>reports</Name>" in got.text
        assert "other" not in got.text
        assert "real" not in got.text
        assert [] == app.store.seen


async def test_buckets_are_listed_as_they_are_asked_for() -> None:
    """By their beginnings, by their region, and so many at a time; a token that was made up shows no others."""
    async with running(policy(rule("all", "**")), trusted=APP) as app:

        async def names(query: str) -> tuple[list[str], str]:
            got = await app.ask("GET", f"/?{query}")
            assert 200 == got.status
            found = re.search("<ContinuationToken>(.*)</ContinuationToken>", got.text)
            return re.findall("<Name>(.*?)</Name>", got.text), found[1] if found else ""

        every, none_left = await names("")
        assert len(every) > 2
        assert "" == none_left
        page, seen, token = 0, [], ""
        while page == 0 or token:
            some, token = await names(f"max-buckets=2&continuation-token={token}")
            page, seen = page + 1, seen + some
            assert len(some) <= 2
        assert (every, (len(every) + 1) // 2) == (seen, page)
        assert (["reports"], "") == await names("prefix=repo")
        assert ([], "") == await names("prefix=nothing")
        assert (every, "") == await names("bucket-region=us-east-1&max-buckets=10000")
        assert ([], "") == await names("bucket-region=eu-west-2")
        assert ([], "") == await names("continuation-token=zzz")
        assert b"<Prefix>repo</Prefix>" in (await app.ask("GET", "/?prefix=repo")).body
        assert 400 == (await app.ask("GET", "/?max-buckets=0")).status
        assert [] == app.store.seen


@pytest.mark.parametrize("method", ["HEAD", "GET", "PUT"])
@pytest.mark.parametrize("bucket", ["other", "nowhere"])
async def test_a_bucket_one_may_not_see_is_not_told_from_none(method: str, bucket: str) -> None:
    """Both are refused, and in one way."""
    async with running(ONE, trusted=APP) as app:
        target = f"/{bucket}" + ("?location" if method == "GET" else "")
        assert 403 == (await app.ask(method, target)).status


async def test_the_first_questions_of_sdks(app: Rig) -> None:
    """HEAD, location, versioning and creation, without a store."""
    head = await app.ask("HEAD", "/reports")
    assert (200, "us-east-1") == (head.status, head.header("x-amz-bucket-region"))
    location = await app.ask("GET", "/reports?location")
    assert b"<LocationConstraint" in location.body
    assert b"us-east-1" not in location.body  # S3 writes its oldest region as the empty text
    assert b"<VersioningConfiguration" in (await app.ask("GET", "/reports?versioning")).body
    created = await app.ask("PUT", "/reports")
    assert (409, True) == (created.status, b"BucketAlreadyOwnedByYou" in created.body)
    assert [] == app.store.seen


async def test_another_region_is_named() -> None:
    """As the settings say."""
    async with running(trusted=APP, region="eu-west-2") as app:
        assert b">eu-west-2</LocationConstraint>" in (await app.ask("GET", "/reports?location")).body


async def test_nobody_sees_nothing(rig: Rig) -> None:
    """An anonymous caller gets no list."""
    assert 403 == (await rig.ask("GET", "/")).status


async def test_a_key_that_lapsed_sees_nothing(rig: Rig) -> None:
    """Listing buckets has no bucket to decide on, and is decided all the same."""
    credentials, _ = await rig.key(expires_at=rig.clock.now + 10)
    target, headers = rig.signed(credentials, "GET", "")
    assert 200 == (await rig.ask("GET", target, headers)).status
    rig.clock.tick(10)
    await rig.plane.follower.catch_up()
    target, headers = rig.signed(credentials, "GET", "")
    assert 400 == (await rig.ask("GET", target, headers)).status
    assert "expired" == (await rig.last()).reason


@pytest.mark.parametrize("query", ["?acl", "?policy", "?website", "?logging", "?replication", "?nonsense=1"])
async def test_unknown_sub_resources_do_not_pass(app: Rig, query: str) -> None:
    """A table of what is known, not of what is forbidden."""
    assert (await app.ask("PUT", f"/reports{query}", body=b"x")).status in {400, 501}
    assert [] == app.store.seen
