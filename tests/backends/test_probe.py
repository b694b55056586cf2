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


@pytest.mark.parametrize("lacks", ["nothing", "if-match", "copy", "DELETE"])
async def test_conditional_writes_are_those_that_are_refused_and_pass_as_they_should(lacks: str) -> None:
    """A store that refuses whatever has an If-Match, or looks at none of a copy or of a DELETE, is found out."""
    there: set[str] = set()

    def heeds(head: str, method: str, name: str) -> bool:
        if method == lacks or (lacks == "copy" and "x-amz-copy-source:" in head):
            return False
        spoilt = 'if-match: "0"' in head or (lacks == "if-match" and "if-match:" in head)
        return spoilt or ("if-none-match: *" in head and name in there)

    async def script(peer: Peer) -> None:
        while True:
            head, _ = await peer.request()
            method, target, _ = head.split(maxsplit=2)
            name = target.partition("?")[0]
            if heeds(head, method, name):
                await peer.send(reply(status="412 Precondition Failed"))
                continue
            (there.discard if method == "DELETE" else there.add)(name)
            await peer.send(reply(extra='etag: "e"\r\n'))

    async with fault_server(script) as seen:
        async with upstream_to(seen.port) as upstream:
            spec = upstream.store("b").spec
        findings = {found.name: found for found in await probe(spec, "bkt", "p/", time.time)}
    assert findings["conditional_writes"].seen == (lacks == "nothing"), findings["conditional_writes"].detail


async def test_a_store_that_is_not_there_ends_the_questions() -> None:
    """Nothing can be asked of a store that does not answer."""

    async def script(peer: Peer) -> None:
        await peer.request()

    async with fault_server(script) as seen:
        async with upstream_to(seen.port) as upstream:
            spec = upstream.store("b").spec
        with pytest.raises(UpstreamFailed):
            await probe(spec, "bkt", "p/", time.time)


@pytest.mark.parametrize("listed", [True, False])
async def test_a_store_that_does_not_list_parts_is_found_out(listed: bool) -> None:
    """Resumable uploads cannot go on there; and what was begun to find out is given up."""
    initiated = b"<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"
    held = b"<ListPartsResult><Part><PartNumber>1</PartNumber><Size>16</Size><ETag>e</ETag></Part></ListPartsResult>"
    aborted: list[str] = []

    async def script(peer: Peer) -> None:
        while True:
            head, _ = await peer.request()
            method, target, _ = head.split(maxsplit=2)
            if method == "DELETE" and "uploadId" in target:
                aborted.append(target.partition("?")[0])
            lists = method == "GET" and "uploadId" in target
            if lists and not listed:
                await peer.send(reply(status="405 Method Not Allowed"))
                continue
            body = initiated if method == "POST" and "uploads" in target else held if lists else b""
            await peer.send(reply(body, extra='etag: "e"\r\n'))

    async with fault_server(script) as seen:
        async with upstream_to(seen.port) as upstream:
            spec = upstream.store("b").spec
        findings = {found.name: found for found in await probe(spec, "bkt", "p/", time.time)}
    assert listed == findings["lists_parts"].seen == findings["lists_parts"].agrees
    assert "/bkt/p/begun" in aborted


async def test_a_question_that_gets_no_answer_agrees_with_nothing() -> None:
    """A store that breaks off is not taken for one of which nothing was expected."""

    async def script(peer: Peer) -> None:
        while "?uploads" not in (await peer.request())[0]:
            await peer.send(reply(b""))

    async with fault_server(script) as seen:
        async with upstream_to(seen.port) as upstream:
            spec = upstream.store("b").spec
        findings = {found.name: found for found in await probe(spec, "bkt", "p/", time.time)}
    assert (False, False) == (findings["multipart"].answered, findings["multipart"].agrees)
    assert findings["virtual_host"].agrees


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
