"""Trying backends for real, before users do."""

from __future__ import annotations

import threading
from dataclasses import replace
from email.utils import formatdate

import pytest

from gateway.backends.examination import examine, examine_in_use
from gateway.backends.profiles import PROFILES
from gateway.backends.upstream import StoreUpstream
from gateway.core.backend import BackendSpec, ChainSource, Credentials
from gateway.core.finding import Finding
from gateway.core.route import Bucket, Capability
from tests.cli.conftest import listener, reply

__all__ = ["listener"]


def spec_of(store, **changes) -> BackendSpec:
    return BackendSpec.resolve(
        "lab",
        PROFILES[changes.pop("profile", "generic")],
        Credentials(changes.pop("access_key", store.access_key), store.secret_key),
        endpoint=changes.pop("endpoint", store.endpoint),
        region="us-east-1",
    )


async def findings(spec: BackendSpec, *buckets: Bucket, write: bool = False) -> dict[str, Finding]:
    upstream = StoreUpstream([spec])
    try:
        return {finding.check: finding async for finding in examine(upstream, spec, list(buckets), write=write)}
    finally:
        await upstream.close()


@pytest.mark.e2e
async def test_a_healthy_store_is_all_in_order_and_left_as_it_was(seaweedfs):
    """Every trial succeeds on a real store, what its profile says is what is seen, and nothing is left behind."""
    spec = spec_of(seaweedfs, profile="seaweedfs")
    real = seaweedfs.make_bucket()
    found = await findings(spec, Bucket("reports", "lab", real, "prod/"), write=True)
    assert {check: one.detail for check, one in found.items() if one.ok is False} == {}
    assert list(found)[:7] == [
        *("address", "connection", "clock", "credentials", "bucket reports", "bucket reports: reads"),
        "bucket reports: put_get_head_delete",
    ]
    assert found["bucket reports: folds_slashes"].ok is True
    assert seaweedfs.client().list_objects_v2(Bucket=real)["KeyCount"] == 0


@pytest.mark.e2e
async def test_a_profile_that_promises_what_the_store_does_not_do_is_told(seaweedfs):
    """A capability that the profile has and the store has not is a fault by its name."""
    spec = spec_of(seaweedfs, profile="seaweedfs")
    boastful = replace(spec.profile, capabilities=spec.profile.capabilities | {Capability.FOLDS_UNICODE})
    real = seaweedfs.make_bucket()
    found = await findings(replace(spec, profile=boastful), Bucket("reports", "lab", real, "prod/"), write=True)
    assert {"bucket reports: folds_unicode"} == {check for check, one in found.items() if one.ok is False}


@pytest.mark.e2e
async def test_wrong_credentials_and_a_missing_bucket_are_two_findings(seaweedfs):
    """A person sees which of them to mend."""
    wrong = await findings(spec_of(seaweedfs, access_key="NOBODY"))
    assert wrong["credentials"].ok is False
    missing = await findings(spec_of(seaweedfs), Bucket("reports", "lab", "no-such-bucket"))
    assert (missing["credentials"].ok, missing["bucket reports"].ok) == (True, False)
    assert "NoSuchBucket" in missing["bucket reports"].detail


class Told:
    """What a stub store's spec needs."""

    access_key = secret_key = "x"

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint


@pytest.mark.parametrize(
    ("skew", "ok", "told"),
    [
        (0, True, "the store's is +0 s from ours"),
        (-59, True, "the store's is -59 s from ours"),
        (61, False, "+61 s from ours: from 900 s (15 minutes) on, SigV4 signatures are refused"),
        (-3600, False, "-3600 s from ours: it refuses every signature, as SigV4 bears 900 s"),
    ],
)
async def test_a_clock_that_is_off_is_told_before_signatures_fail(listener, monkeypatch, skew, ok, told):
    """By the store's Date header, with the seconds and with what becomes of signatures."""
    now = 1_800_000_000
    monkeypatch.setattr("gateway.backends.examination.time.time", lambda: float(now))
    listener.answers = [lambda handler: _dated(handler, now + skew)]
    clock = (await findings(spec_of(Told(listener.url))))["clock"]
    assert (ok, True) == (clock.ok, told in clock.detail)


PAGE = b"<ListBucketResult><Contents><Key>prod/a</Key><Size>1</Size></Contents></ListBucketResult>"


@pytest.mark.parametrize(
    ("head", "get", "ok"),
    [(200, 200, True), (404, 404, True), (403, 403, None), (200, 403, False), (403, 200, False), (200, 404, False)],
)
async def test_a_store_that_answers_head_but_not_get_is_told(listener, head, get, ok):
    """Of the first object of a bucket, or of one that is not there; where neither may be read it is no fault."""

    def answer(handler):
        is_object = handler.path.startswith("/real/")
        status = 200 if not is_object else head if handler.command == "HEAD" else get
        reply(status, b"x" if is_object else PAGE)(handler)

    listener.answers = [answer]
    found = await findings(spec_of(Told(listener.url)), Bucket("reports", "lab", "real", "prod/"))
    reads = found["bucket reports: reads"]
    assert (ok, True) == (reads.ok, str(get) in reads.detail)
    paths = [path for _, path, *_ in listener.seen if path.startswith("/real/")]
    assert {"/real/prod/a"} == {path.partition("?")[0] for path in paths}
    assert ok is not False or f"HEAD has the answer {head}, GET {get}" in reads.detail


@pytest.mark.parametrize(
    ("body", "ok"),
    [(PAGE, True), (b"<ListBucketResult/>", True), (b"<html>Please sign in</html>", False), (b"", False)],
)
async def test_what_gives_no_listing_is_no_store(listener, body, ok):
    """A page with status 200, as a proxy's sign-in or a console is, would pass for a store until somebody uses it."""
    listener.answers = [reply(200, body)]
    found = (await findings(spec_of(Told(listener.url)), Bucket("reports", "lab", "real", "prod/")))["bucket reports"]
    assert (ok, not ok) == (found.ok, "no listing" in found.detail)


async def test_a_store_that_breaks_off_at_head_is_told(listener):
    """An answer that never comes is one, too; nothing after it is left out."""

    def answer(handler):
        if handler.command == "HEAD":
            handler.close_connection = True
            return
        reply(200, PAGE)(handler)

    listener.answers = [answer]
    found = await findings(spec_of(Told(listener.url)), Bucket("reports", "lab", "real", "prod/"))
    assert (True, False) == (found["bucket reports"].ok, found["bucket reports: reads"].ok)


CHAIN = {"AWS_ACCESS_KEY_ID": "A", "AWS_SECRET_ACCESS_KEY": "B", "AWS_SESSION_TOKEN": "C"}


@pytest.mark.parametrize(
    ("more", "ok", "told"),
    [
        ({}, True, "from env, which says nothing of an end"),
        ({"AWS_CREDENTIAL_EXPIRATION": "2125-01-01T00:00:00Z"}, True, "from env, until 2125-01-01T00:00:00Z"),
        ({"AWS_CREDENTIAL_EXPIRATION": "2025-01-01T00:00:00Z"}, False, "those of env expired at 2025-01-01T00:00:00Z"),
        ({"AWS_ACCESS_KEY_ID": ""}, False, "no credentials were found (LookupError)"),
    ],
)
async def test_credentials_of_the_machine_are_told_with_their_end(listener, tmp_path, monkeypatch, more, ok, told):
    """Which source has them and since when they are over; then nothing else is tried with them."""
    away = {"AWS_EC2_METADATA_DISABLED": "true", "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none")}
    for name, value in (CHAIN | away | {"AWS_CONFIG_FILE": str(tmp_path / "none")} | more).items():
        monkeypatch.setenv(name, value)
    listener.answers = [reply(200)]
    spec = replace(spec_of(Told(listener.url)), credentials=ChainSource())
    found = await findings(spec)
    assert (ok, True) == (found["credentials chain"].ok, told in found["credentials chain"].detail)
    assert ok is ("connection" in found)


def _dated(handler, at):
    handler.send_response_only(200)
    handler.send_header("Date", formatdate(at, usegmt=True))
    handler.send_header("Content-Length", "0")
    handler.end_headers()


async def test_a_store_that_is_not_there_is_one_finding():
    """After the address, nothing more can be tried."""
    found = await findings(spec_of(Told("http://127.0.0.1:1")))
    assert found["connection"].ok is False
    assert list(found) == ["address", "connection"]


async def test_a_name_that_does_not_resolve_is_told(monkeypatch):
    """With the name."""

    def unknown(*_, **__):
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr("socket.getaddrinfo", unknown)
    found = await findings(spec_of(Told("http://store.invalid")))
    assert found["address"].ok is False
    assert "store.invalid" in found["address"].detail


async def test_a_store_that_may_not_list_buckets_is_no_fault(listener):
    """The gateway does not need it."""
    listener.answers = [reply(403, b"<Error><Code>AccessDenied</Code></Error>")]
    assert (await findings(spec_of(Told(listener.url))))["credentials"].ok is None


async def test_a_store_that_does_not_answer_in_time_is_one_finding(listener):
    """What was seen before counts; the last finding says that there was no time for more."""
    ended = threading.Event()
    listener.answers = [lambda handler: ended.wait(10)]
    spec = spec_of(Told(listener.url))
    upstream = StoreUpstream([spec])
    try:
        found = await examine_in_use(upstream, "lab", [], 0.2)
    finally:
        ended.set()
        await upstream.close()
    assert [("address", True), ("time", False)] == [(one.check, one.ok) for one in found]


async def test_a_store_that_answers_is_examined_whole(listener):
    """As long as there is time; a bucket of another backend is not asked for."""
    listener.answers = [reply(200)]
    spec = spec_of(Told(listener.url))
    upstream = StoreUpstream([spec])
    try:
        found = await examine_in_use(upstream, "lab", [Bucket("other", "another", "x")])
    finally:
        await upstream.close()
    assert ["address", "connection", "clock", "credentials"] == [one.check for one in found]
