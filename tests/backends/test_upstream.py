"""The way to a store, against real ones: what was asked for is what happened, as a client that is not ours sees it."""

from __future__ import annotations

import asyncio
import hashlib
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from gateway.backends.profiles import PROFILES
from gateway.backends.upstream import StoreUpstream
from gateway.core.attempt import SignatureVersion
from gateway.core.backend import BackendSpec, ChainSource, Credentials
from gateway.core.profile import Addressing
from gateway.core.reasons import Reason, SettingsError, UpstreamFailed
from gateway.core.route import UpstreamCall
from tests.backends.fault_server import CREDENTIALS, Peer, call, fault_server, reply, upstream_to
from tests.servers.store import RunningStore

NOW = 1_800_000_000.0
KEYS = (
    "plain.txt",
    "sp ace",
    "plus+",
    "100%",
    "per%2Fcent",
    "umlaut-ü",
    "日本",
    "a?b",
    "a#b",
    "a=b&c;d",
    "q'u\"o(t)e*!~",
    "d/e",
)


def spec_of(store: RunningStore, **changes: Any) -> BackendSpec:
    credentials = Credentials(store.access_key, store.secret_key)
    options = {"endpoint": store.endpoint, "region": store.region} | changes
    return BackendSpec.resolve("b", PROFILES[store.profile], credentials, **options)


@asynccontextmanager
async def opened(*specs: BackendSpec, **more: Any) -> AsyncIterator[StoreUpstream]:
    upstream = StoreUpstream(specs, **more)
    try:
        yield upstream
    finally:
        await upstream.close()


def fetch(what: urllib.request.Request | str) -> tuple[int, bytes]:
    try:
        with urllib.request.urlopen(what, timeout=5) as got:
            return got.status, got.read()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.read()


@pytest.fixture(params=["seaweedfs", "swift"])
def store(request: pytest.FixtureRequest) -> Iterator[RunningStore]:
    return request.getfixturevalue(request.param)


async def pieces(body: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(body), size):
        yield body[start : start + size]


@pytest.mark.e2e
@pytest.mark.parametrize("signature", get_args(SignatureVersion))
async def test_awkward_keys_name_the_very_object(store: RunningStore, signature: SignatureVersion) -> None:
    """What we write under a name, another client reads under that name, and the other way round; both signatures."""
    bucket, client = store.make_bucket(), store.client()
    async with opened(spec_of(store, signature=signature)) as upstream:
        for key in KEYS:
            body = f"body of {key}".encode()
            place = replace(call("PUT", key=key, length=len(body)), bucket=bucket)
            async with upstream.open(place, body) as answer:
                assert 200 == answer.status, key
            assert body == client.get_object(Bucket=bucket, Key=key)["Body"].read()
            client.put_object(Bucket=bucket, Key=key, Body=b"theirs")
            async with upstream.open(replace(call(key=key), bucket=bucket)) as answer:
                assert b"theirs" == await answer.body.read(100)
            async with upstream.open(replace(call("DELETE", key=key), bucket=bucket)) as answer:
                assert 204 == answer.status
        assert 0 == client.list_objects_v2(Bucket=bucket)["KeyCount"]


@pytest.mark.e2e
async def test_a_large_object_streams_both_ways(store: RunningStore) -> None:
    """Twenty megabytes in odd pieces, over one connection each way, come back with the same digest."""
    bucket = store.make_bucket()
    body = bytes(range(256)) * 80_000
    async with opened(spec_of(store)) as upstream:
        put = replace(call("PUT", key="large", length=len(body)), bucket=bucket)
        async with upstream.open(put, pieces(body, 99_991)) as answer:
            assert 200 == answer.status
        digest = hashlib.sha256()
        async with upstream.open(replace(call(key="large"), bucket=bucket)) as answer:
            assert len(body) == answer.length
            async for chunk in answer.body:
                assert len(chunk) <= 262144
                digest.update(chunk)
    assert hashlib.sha256(body).digest() == digest.digest()


@pytest.mark.parametrize(
    ("asked", "told", "expected"),
    [
        ("bytes=4-7", "bytes 4-7/10", 206),
        ("bytes=0-", "bytes 0-3/4", 206),
        ("bytes=4-8", "bytes 4-8/10", 200),
        ("bytes=4-7", "bytes 4-7/*", 200),
        ("bytes=4-7", "4-7", 200),
        (None, "bytes 4-7/10", 200),
    ],
    ids=["a part", "all of it", "not so many", "of how many", "no range", "not asked"],
)
async def test_a_range_that_comes_with_200_is_the_part_it_says(asked: str | None, told: str, expected: int) -> None:
    """Some stores answer so. What does not say exactly which bytes it holds, or was not asked for, is what it is."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Range: " + told.encode() + b"\r\n\r\nbody")

    wanted = replace(call(), headers=() if asked is None else (("range", asked),))
    async with fault_server(serve) as seen, upstream_to(seen.port) as upstream, upstream.open(wanted) as answer:
        assert (expected, b"body") == (answer.status, await answer.body.read(10))


@pytest.mark.parametrize(
    ("headers", "query", "told"),
    [((), (), None), ((("range", "bytes=0-3"),), (), 206), ((), (("partNumber", "1"),), 206)],
    ids=["nobody asked", "a range", "a part by its number"],
)
async def test_a_part_that_nobody_asked_for_is_no_answer(
    headers: tuple[tuple[str, str], ...], query: tuple[tuple[str, str], ...], told: int | None
) -> None:
    """Whoever asked for the whole would keep it as that."""

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 206 Part\r\nContent-Length: 4\r\nContent-Range: bytes 0-3/10\r\n\r\nbody")

    wanted = replace(call(), headers=headers, query=query)
    async with fault_server(serve) as seen, upstream_to(seen.port) as upstream:
        if told is None:
            with pytest.raises(UpstreamFailed) as failed:
                await upstream.open(wanted).__aenter__()
            assert Reason.UPSTREAM_BROKE is failed.value.reason
            assert not upstream.store(wanted.backend).busy
        else:
            async with upstream.open(wanted) as answer:
                assert (told, b"body") == (answer.status, await answer.body.read(10))


@pytest.mark.e2e
async def test_ranges_conditions_overrides_and_metadata(store: RunningStore) -> None:
    """Headers and query parameters of a call reach the store signed as it wants them."""
    bucket = store.make_bucket()
    put = UpstreamCall(
        backend="b",
        method="PUT",
        bucket=bucket,
        key="k",
        headers=(("content-type", "text/x-a"), ("x-amz-meta-who", "me"), ("cache-control", "no-store")),
        body_length=10,
    )
    get = UpstreamCall(backend="b", method="GET", bucket=bucket, key="k")
    async with opened(spec_of(store)) as upstream:
        async with upstream.open(put, b"0123456789") as answer:
            etag = answer.headers["etag"]
        async with upstream.open(replace(get, headers=(("range", "bytes=2-4"),))) as answer:
            assert (206, b"234") == (answer.status, await answer.body.read(10))
            assert "bytes 2-4/10" == answer.headers["content-range"]
        async with upstream.open(replace(get, headers=(("if-none-match", etag),))) as answer:
            assert (304, b"") == (answer.status, await answer.body.read(10))
        async with upstream.open(replace(get, query=(("response-content-type", "a/b c"),))) as answer:
            assert "a/b c" == answer.headers["content-type"]
        async with upstream.open(replace(get, method="HEAD")) as answer:
            assert ("10", "text/x-a", "me") == tuple(
                answer.headers[name] for name in ("content-length", "content-type", "x-amz-meta-who")
            )
            assert (0, b"") == (answer.length, await answer.body.read(10))
        async with upstream.open(replace(get, key="none")) as answer:
            assert 404 == answer.status
            assert b"NoSuchKey" in await answer.body.read(10_000)


@pytest.mark.e2e
async def test_a_wrong_secret_is_refused_by_the_store(store: RunningStore) -> None:
    """The control: these stores check signatures, so that the tests above prove something."""
    bucket = store.make_bucket()
    spec = replace(spec_of(store), credentials=Credentials(store.access_key, "wrong" * 8))
    async with opened(spec) as upstream, upstream.open(replace(call(), bucket=bucket)) as answer:
        assert 403 == answer.status


@pytest.mark.e2e
async def test_virtual_host_addressing(seaweedfs: RunningStore) -> None:
    """With the bucket in the host name the same object is reached."""
    bucket = seaweedfs.make_bucket()
    seaweedfs.client().put_object(Bucket=bucket, Key="k", Body=b"body")
    endpoint = seaweedfs.endpoint.replace("127.0.0.1", "localhost")
    async with opened(spec_of(seaweedfs, endpoint=endpoint, addressing=Addressing.VIRTUAL)) as upstream:
        target = upstream.store("b").presigner.target(bucket)
        assert target.host.startswith(f"{bucket}.localhost:")
        url = upstream.presign(replace(call(), bucket=bucket), 60)
        request = urllib.request.Request(url.replace(f"{bucket}.localhost", "127.0.0.1"), headers={"Host": target.host})
        assert (200, b"body") == await asyncio.to_thread(fetch, request)


@pytest.mark.e2e
async def test_presigned_urls_work_until_they_expire(store: RunningStore) -> None:
    """A URL for `redirect` delivery is good for its seconds and refused after them."""
    bucket = store.make_bucket()
    store.client().put_object(Bucket=bucket, Key="k", Body=b"body")
    get = replace(call(), bucket=bucket)
    async with opened(spec_of(store)) as upstream:
        assert (200, b"body") == await asyncio.to_thread(fetch, upstream.presign(get, 15))
        upstream.clock = lambda real=upstream.clock: real() - 16  # type: ignore[misc]
        assert 403 == (await asyncio.to_thread(fetch, upstream.presign(get, 15)))[0]


def at(now: float, **changes: Any) -> tuple[StoreUpstream, BackendSpec]:
    spec = BackendSpec.resolve("b", PROFILES["generic"], CREDENTIALS, endpoint="http://store.test", **changes)
    return StoreUpstream([spec], clock=lambda: now), spec


@pytest.mark.parametrize(("asked", "got"), [(15, 15), (0, 1), (604800, 604800), (604801, 604800), (10**9, 604800)])
def test_presigned_lifetimes_are_capped(asked: int, got: int) -> None:
    """Never above what the profile states, never below a second."""
    assert f"X-Amz-Expires={got}&" in at(NOW)[0].presign(call(), asked)


def test_a_store_without_a_cap_has_one_under_version_4() -> None:
    """No stated limit counts for SigV2 alone: version 4 ends at seven days by itself."""
    for signature, expected in (
        ("v4", "X-Amz-Expires=604800"),
        ("v2", "Expires=2800000000"),
    ):
        spec = BackendSpec.resolve("b", PROFILES["abci"], CREDENTIALS, signature=signature)
        assert expected in StoreUpstream([spec], clock=lambda: NOW).presign(call(), 10**9)


def test_two_backends_of_one_name_are_refused() -> None:
    """A second one would silently shadow the first."""
    spec = at(NOW)[1]
    with pytest.raises(ValueError):
        StoreUpstream([spec, spec])


async def test_an_unknown_backend_is_unreachable() -> None:
    """A call for a backend that a reload took away fails like a store that is gone."""
    async with opened() as upstream:
        with pytest.raises(UpstreamFailed) as failed:
            async with upstream.open(call()):
                pytest.fail("there is no answer")
    assert Reason.UPSTREAM_UNREACHABLE is failed.value.reason


async def test_a_chain_that_finds_nothing_fails_the_call(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    """No credentials is a failure with a reason, never an unsigned request."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE", "AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    async with fault_server(lambda peer: peer.send(reply())) as seen:  # type: ignore[arg-type]
        async with upstream_to(seen.port) as plain:
            spec = replace(plain.store("b").spec, credentials=ChainSource())
        async with opened(spec) as upstream:
            await upstream.start()
            with pytest.raises(UpstreamFailed, match="credentials"):
                async with upstream.open(call()):
                    pytest.fail("there is no answer")
            with pytest.raises(UpstreamFailed, match="credentials"):
                upstream.presign(call(), 60)
    assert 0 == seen.connections


class Recorder:
    """An observer that keeps what it was told."""

    def __init__(self) -> None:
        self.told: list[tuple[object, ...]] = []

    def observe_presign(self, seconds: float) -> None:
        assert 0 <= seconds < 1
        self.told.append(("presigned",))

    def observe_answer(self, backend: str, status: int, seconds: float) -> None:
        assert 0 <= seconds < 5
        self.told.append(("answered", backend, status))

    def count_failure(self, backend: str, reason: Reason) -> None:
        self.told.append(("failed", backend, reason))


async def test_the_observer_is_told_of_answers_and_failures() -> None:
    """One line an answer, one a failure, also for a failure in the middle of the body. Of an answer it hears when all
    is done, so that nobody waits for that."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort")

    recorder = Recorder()
    async with fault_server(script) as seen, upstream_to(seen.port) as upstream:
        upstream.observer = recorder
        async with upstream.open(call()) as answer:
            assert [("presigned",)] == recorder.told
        with pytest.raises(UpstreamFailed):
            async with upstream.open(call()) as answer:
                await answer.body.read(100)
    answered = ("answered", "b", 200)
    assert [("presigned",), answered, ("presigned",), answered, ("failed", "b", Reason.UPSTREAM_BROKE)] == recorder.told


@pytest.mark.parametrize(
    ("seconds", "asked", "failures"),
    [
        (0.0, call(), 1),
        (60.0, call(), 0),
        (0.0, replace(call(), slow_head=True), 0),
    ],
    ids=["waited in vain", "left at once", "may take its time"],
)
async def test_a_store_that_hangs_is_counted_though_its_clients_leave_first(
    monkeypatch: pytest.MonkeyPatch, seconds: float, asked: UpstreamCall, failures: int
) -> None:
    """Who waited for a while says that the store did not answer; who left at once says nothing of it."""
    monkeypatch.setattr("gateway.backends.upstream._PATIENCE", seconds)
    leaving = asyncio.timeout(None)

    async def script(peer: Peer) -> None:
        await peer.request()
        leaving.reschedule(0)
        await peer.until_closed()

    recorder = Recorder()
    async with fault_server(script) as seen, upstream_to(seen.port) as upstream:
        upstream.observer = recorder
        with pytest.raises(TimeoutError):
            async with leaving, upstream.open(asked):
                pytest.fail("there is no answer")
    assert [("presigned",), *[("failed", "b", Reason.UPSTREAM_TIMED_OUT)] * failures] == recorder.told


async def test_new_stores_are_there_before_anything_is_awaited() -> None:
    """No request comes between a policy that names a store and the store."""
    async with upstream_to(9) as upstream:
        known = upstream.store("b").spec
        forgetting = upstream.prepare([known, replace(known, name="c")])()
        assert "c" == upstream.store("c").spec.name
        await forgetting


async def test_authorities_that_cannot_be_read_change_nothing(tmp_path: Path) -> None:
    """The stores in use stay when a new one cannot be made."""
    (tmp_path / "ca.pem").write_text("no certificate")
    async with upstream_to(9) as upstream:
        known = upstream.store("b").spec
        wrong = replace(known, endpoint="https://store.example", ca_file=str(tmp_path / "ca.pem"))
        with pytest.raises(SettingsError, match=r"ca\.pem"):
            await upstream.prepare([wrong])()
        assert known is upstream.store("b").spec


async def test_a_reload_keeps_what_did_not_change() -> None:
    """Unchanged backends keep their connections; a changed one's running transfer ends well on its old connection."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nfirst")
            await peer.send(b"-last")

    async with fault_server(script) as seen, upstream_to(seen.port) as upstream:
        spec = upstream.store("b").spec
        async with upstream.open(call()) as answer:
            await answer.body.read(10)
        await upstream.prepare([replace(spec)])()
        async with upstream.open(call()) as answer:
            await answer.body.read(10)
        assert 1 == seen.connections
        async with upstream.open(call()) as answer:
            await upstream.prepare([replace(spec, read_timeout=9.0)])()
            assert b"first-last" == await answer.body.read(10)
        async with upstream.open(call()) as answer:
            await answer.body.read(10)
        assert 2 == seen.connections
