"""The doctor's findings agree with what is known of real stores, and leave nothing behind."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from gateway.backends.probe import probe
from gateway.backends.profiles import PROFILES
from gateway.core.reasons import UpstreamFailed
from tests.backends.fault_server import Peer, fault_server, reply, upstream_to
from tests.backends.test_upstream import spec_of
from tests.servers.store import RunningStore


@pytest.mark.e2e
@pytest.mark.parametrize("name", ["seaweedfs", "swift", "rclone"])
async def test_the_profile_of_a_real_store_holds(name: str, request: pytest.FixtureRequest) -> None:
    """Every capability that a profile states or denies is what its store shows."""
    store: RunningStore = request.getfixturevalue(name)
    bucket = store.make_bucket()
    findings = await probe(spec_of(store), bucket, "probe-1/", time.time)
    assert [] == [finding for finding in findings if not finding.agrees and finding.name != "awkward_keys"]
    assert [] == store.client().list_objects_v2(Bucket=bucket).get("Contents", [])


@pytest.mark.e2e
async def test_a_wrong_profile_is_found_out(seaweedfs: RunningStore) -> None:
    """The control: with another store's profile the differences show."""
    spec = replace(spec_of(seaweedfs), profile=PROFILES["rclone"])
    findings = {found.name: found for found in await probe(spec, seaweedfs.make_bucket(), "probe-2/", time.time)}
    wrong = {name for name, finding in findings.items() if not finding.agrees}
    assert {"conditional_reads", "conditional_writes", "folds_slashes", "folds_unicode"} <= wrong


@pytest.mark.e2e
async def test_a_wrong_clock_is_found_out(seaweedfs: RunningStore) -> None:
    """Two minutes off is told in seconds."""
    findings = await probe(spec_of(seaweedfs), seaweedfs.make_bucket(), "probe-3/", lambda: time.time() - 120)
    clock = next(finding for finding in findings if finding.name == "clock")
    assert not clock.agrees
    assert "+120 s" in clock.detail or "+119 s" in clock.detail


async def test_a_store_that_is_not_there_ends_the_questions() -> None:
    """Nothing can be asked of a store that does not answer."""

    async def script(peer: Peer) -> None:
        await peer.request()

    async with fault_server(script) as seen:
        async with upstream_to(seen.port) as upstream:
            spec = upstream.store("b").spec
        with pytest.raises(UpstreamFailed):
            await probe(spec, "bkt", "p/", time.time)


async def test_a_store_that_answers_nonsense_agrees_with_nothing() -> None:
    """A server that says 200 to everything is told apart from a store."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(reply(b""))

    async with fault_server(script) as seen:
        async with upstream_to(seen.port) as upstream:
            spec = upstream.store("b").spec
        findings = {found.name: found for found in await probe(spec, "bkt", "p/", time.time)}
    assert not findings["put_get_head_delete"].seen
    assert not findings["expiry_honoured"].seen
    assert not findings["awkward_keys"].seen
