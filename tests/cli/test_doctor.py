"""Trying backends for real, before users do."""

from __future__ import annotations

import json
from dataclasses import replace
from email.utils import formatdate

import pytest

from gateway.backends.profiles import PROFILES
from gateway.backends.upstream import StoreUpstream
from gateway.cli.doctor import examine
from gateway.cli.finding import Finding
from gateway.core.backend import BackendSpec, Credentials
from gateway.core.route import Bucket, Capability
from tests.cli.conftest import POLICIES, SETTINGS, reply


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
    assert list(found)[:6] == [
        *("address", "connection", "clock", "credentials", "bucket reports", "bucket reports: put_get_head_delete"),
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


@pytest.mark.parametrize(("skew", "ok"), [(0, True), (-3600, False)])
async def test_a_clock_that_is_off_is_told_before_signatures_fail(listener, monkeypatch, skew, ok):
    """By the store's Date header."""
    now = 1_800_000_000
    monkeypatch.setattr("gateway.cli.doctor.time.time", lambda: float(now))
    listener.answers = [lambda handler: _dated(handler, now + skew)]
    assert (await findings(spec_of(Told(listener.url))))["clock"].ok is ok


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


def test_the_command_shows_a_table_or_json_and_exits_by_the_worst(terminal, listener, write):
    """1 if anything is bad, 0 if nothing is, 4 for a backend nobody named."""
    listener.answers = [reply(200)]
    config = str(write(SETTINGS, POLICIES.replace("http://127.0.0.1:7480", listener.url)))
    good = terminal.run("doctor", "lab", "--config", config)
    assert good.exit_code == 0, good.output
    assert "credentials" in good.stdout
    listener.answers = [reply(403, b"<Error><Code>SignatureDoesNotMatch</Code></Error>")]
    bad = terminal.run("doctor", "--config", config, "--json")
    assert bad.exit_code == 1
    assert {one["check"]: one["ok"] for one in json.loads(bad.stdout)["findings"]}["credentials"] is False
    assert terminal.run("doctor", "other", "--config", config).exit_code == 4


def test_the_known_profiles_are_listed(terminal):
    """All of them, with what they can do."""
    assert {row["profile"] for row in terminal.json("doctor", "--profiles")["profiles"]} == set(PROFILES)
    assert "generic" in terminal.run("doctor", "--profiles").stdout
