"""A sidecar without a store of its own, that follows a central gateway over HTTP."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.replicas.fleet import Fleet, fleet
from tests.replicas.probes import Clients, Watch
from tests.servers.gateway import Link, RunningGateway
from tests.servers.store import RunningStore

pytestmark = pytest.mark.e2e
_own_authorities = pytest.mark.skipif(
    "config.getoption('--over-tls')", reason="where botocore fetches keys, it trusts its own authorities only"
)

TOKEN = "a-sidecars-token-of-many-letters"
APPS = {
    "web": "a-web-apps-token-of-many-letters",
    "late": "a-late-apps-token-of-many-letters",
    "other": "another-apps-token-of-it",
}
LOOKER = "the-token-of-an-app-that-looks-at-links"
_ANN = '  - {name: ann shares, who: "user:ann", may: [read, share], on: "**"}'
_ENVIRON = {
    "SIDECAR_TOKEN": TOKEN,
    "LOOKER_TOKEN": LOOKER,
    **{f"{app.upper()}_TOKEN": token for app, token in APPS.items()},
}


@pytest.fixture(scope="module")
def pair(rclone: RunningStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Gateway 0 is the central one, gateways 1 and 2 are sidecars of it."""
    directory = tmp_path_factory.mktemp("sidecars")
    sidecars = 'sidecars: [{name: first, secret: "env:SIDECAR_TOKEN", apps: [app:web, app:late]}]'
    credentials = ", ".join(f'{{app: "app:{app}", token: "env:{app.upper()}_TOKEN"}}' for app in APPS)
    looker = 'credentials: [{app: "app:looker", token: "env:LOOKER_TOKEN"}]'
    with fleet(
        directory,
        rclone,
        ['"sqlite:///central.db"'],
        control=f"{sidecars}, {looker}",
        environ=_ENVIRON,
        policy=_ANN.replace("}", ', approval: {by: "app:looker"}}'),
    ) as central:
        state = f'{{grants: "central+{central.gateways[0].control}", token: "env:SIDECAR_TOKEN"}}'
        with fleet(
            directory / "sidecars",
            rclone,
            [state, state],
            control=f"credentials: [{credentials}]",
            environ=_ENVIRON,
            bucket=central.real_bucket,
            policy=_ANN,
        ) as followers:
            central.put("small", b"small")
            yield Fleet([*central.gateways, *followers.gateways], rclone, central.real_bucket)


async def test_links_and_revocations_of_the_central_gateway_hold(pair: Fleet) -> None:
    """A new link works at once, an edit and a revocation hold within a second."""
    async with Clients(pair) as clients:
        for _ in range(5):
            link = await clients.link(0)
            assert [(await clients.get(replica, link.token)).status for replica in (1, 2)] == [200, 200]
            began = time.monotonic()
            assert await clients.revoke(0, link)
            refused = await asyncio.gather(*(clients.until_refused(replica, link) for replica in (1, 2)))
            assert max(refused) - began < 1
        edited = await clients.link(0)
        assert (await clients.get(1, edited.token)).status == 200
        assert (await clients.control(0, "PATCH", f"/v1/links/{edited.id}", {"cidrs": ["192.0.2.0/24"]}))[0] == 200
        deadline = time.monotonic() + 1
        while (await clients.get(1, edited.token)).status == 200:
            assert time.monotonic() < deadline


async def test_what_waits_or_is_suspended_at_the_central_gateway_does_so_on_the_sidecars(pair: Fleet) -> None:
    """Although their own policy asks for no approval; each change holds within a second, the first one at once."""
    async with Clients(pair) as clients:

        async def all_say(*expected: object) -> None:
            deadline = time.monotonic() + 1
            while True:
                seen = [await clients.get(replica, link.token) for replica in range(3)]
                if {(each.status, each.reason) for each in seen} == {expected}:
                    return
                assert time.monotonic() < deadline, seen

        async def approve() -> None:
            address = f"{pair.gateways[0].control}{path}/approve"
            async with clients.session.post(address, headers={"Authorization": f"Bearer {LOOKER}"}) as answer:
                assert 200 == answer.status, await answer.text()

        link = await clients.link(0, owner="user:ann")
        path = f"/v1/links/{link.id}"
        seen = await asyncio.gather(*(clients.get(replica, link.token) for replica in range(3)))
        assert {(403, "awaiting_approval")} == {(each.status, each.reason) for each in seen}
        await approve()
        await all_say(200, "")
        for edit, expected in (({"label": "x"}, (200, "")), ({"expires_in": 9000}, (403, "awaiting_approval"))):
            assert 200 == (await clients.control(0, "PATCH", path, edit))[0]
            await all_say(*expected)
        await approve()
        await all_say(200, "")
        for act, expected in (("suspend", (403, "suspended")), ("resume", (200, ""))):
            assert 200 == (await clients.control(0, "POST", f"{path}/{act}"))[0]
            await all_say(*expected)


async def test_uses_are_counted_at_the_central_gateway(pair: Fleet) -> None:
    """Sixty clients at once on three gateways, one use: exactly one success."""
    async with Clients(pair) as clients:
        for number in range(3):
            link = await clients.link(0, uses=1)
            seen = await asyncio.gather(
                *(clients.get(one % 3, link.token, f"client {number}.{one}") for one in range(60))
            )
            assert sorted(each.status for each in seen) == [200] + [410] * 59


async def test_a_sidecar_changes_nothing(pair: Fleet) -> None:
    """Its own control API says where to ask; the sidecar's token opens nothing else at the central one."""
    async with Clients(pair) as clients:
        status, answer = await clients.control(1, "POST", "/v1/links", {"bucket": "lab", "key": "small"})
        assert (status, answer["reason"]) == (501, "unsupported_operation")
        headers = {"Authorization": f"Bearer {TOKEN}"}
        for path, expected in (("/v1/links", 401), ("/v1/audit", 401), ("/v1/revocations", 200)):
            async with clients.session.get(pair.gateways[0].control + path, headers=headers) as reply:
                assert reply.status == expected


async def test_cut_off_from_the_central_gateway_nothing_is_honoured_for_long(pair: Fleet) -> None:
    """A central gateway that hangs: five seconds, then 503 with the reason; it comes back by itself."""
    central: RunningGateway = pair.gateways[0]
    async with Clients(pair) as clients:
        link = await clients.link(0)
        await _until_kept(clients, pair.gateways[1], link)
        async with Watch(clients, 1, link) as watch:
            stopped = time.monotonic()
            os.kill(central.pid, signal.SIGSTOP)
            try:
                await asyncio.sleep(6.5)
            finally:
                os.kill(central.pid, signal.SIGCONT)
            healed = time.monotonic()
            while watch.first(200, after=healed) is None:
                assert time.monotonic() - healed < 5
                await asyncio.sleep(0.05)
        last = watch.last(200, before=healed)
        assert last is not None
        assert last - stopped <= 5
        reasons = {seen.reason for seen in watch.seen if seen.status == 503}
        assert reasons == {"view_too_old"}


@_own_authorities
async def test_an_sdk_beside_a_sidecar_needs_environment_variables_only(
    pair: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """boto3 fetches a key from the sidecar, the central gateway made it and says so, and it works on all three."""
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{pair.gateways[1].control}/v1/credentials/web")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", APPS["web"])
    bodies, key_id = await asyncio.to_thread(_read_with_boto3, pair, range(3))
    assert [b"small"] * 3 == bodies
    assert await _session(pair, 1, "web") == (200, key_id)
    async with Clients(pair) as clients:
        _, trail = await clients.control(0, "GET", "/v1/audit?limit=1000")
        made = [entry for entry in trail["entries"] if entry["act"] == "key.create"]  # type: ignore[attr-defined]
        assert "admin:first" == made[-1]["actor"]
        assert "app:web" in str(made[-1])
    assert not any(key_id in gateway.log() for gateway in pair.gateways)


@_own_authorities
async def test_keys_that_are_revoked_centrally_end_on_the_sidecars(
    pair: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of an app's, within a second and everywhere; the app is then handed another one, which works."""
    monkeypatch.setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", f"{pair.gateways[1].control}/v1/credentials/web")
    monkeypatch.setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", APPS["web"])
    _, first = await asyncio.to_thread(_read_with_boto3, pair, [1])
    client = await asyncio.to_thread(_client, pair.gateways[1])
    async with Clients(pair) as clients:
        await clients.control(0, "POST", "/v1/revocations", {"owner": "app:web", "reason": "leaked"})
        deadline = time.monotonic() + 1
        while (status := await asyncio.to_thread(_status, client)) == 200:
            assert time.monotonic() < deadline
        assert 403 == status
    bodies, second = await asyncio.to_thread(_read_with_boto3, pair, range(3))
    assert [b"small"] * 3 == bodies
    assert first != second


async def test_an_app_that_is_not_named_for_the_sidecar_gets_no_key(pair: Fleet) -> None:
    """403, with the central gateway's own words."""
    status, told = await _session(pair, 1, "other")
    assert (403, True) == (status, "does not name it" in told), told


async def test_keys_go_on_while_the_central_gateway_is_away(pair: Fleet) -> None:
    """The key at hand is handed out in time for an SDK, and none that would be new: 503 with the reason."""
    central: RunningGateway = pair.gateways[0]
    known = await _session(pair, 1, "web")
    assert 200 == known[0]
    os.kill(central.pid, signal.SIGSTOP)
    try:
        began = time.monotonic()
        assert known == await _session(pair, 1, "web")
        assert time.monotonic() - began < 2
        status, told = await _session(pair, 1, "late")
        assert (503, True) == (status, "central gateway" in told), told
    finally:
        os.kill(central.pid, signal.SIGCONT)
    deadline = time.monotonic() + 5
    while (await _session(pair, 1, "late"))[0] != 200:
        assert time.monotonic() < deadline
    while pair.gateways[1].metric("gateway_revocation_view_age_seconds") > 1:
        assert time.monotonic() < deadline


async def _until_kept(clients: Clients, sidecar: RunningGateway, link: Link) -> None:
    """Return once the sidecar need not ask for this link: news of its making may have come after its first use."""
    hits = sidecar.metric("gateway_grant_cache_total", result="hit")
    while sidecar.metric("gateway_grant_cache_total", result="hit") == hits:
        assert (await clients.get(1, link.token)).status == 200


async def _session(pair: Fleet, replica: int, app: str) -> tuple[int, str]:
    """What an SDK is answered: a status, and the key's id or what went wrong."""
    where = f"{pair.gateways[replica].control}/v1/credentials/{app}"
    async with Clients(pair) as clients, clients.session.get(where, headers={"Authorization": APPS[app]}) as answer:
        found = await answer.json(content_type=None)
        return answer.status, found["AccessKeyId"] if answer.status == 200 else found["detail"]


def _client(gateway: RunningGateway, key: Any = None) -> Any:
    """An S3 client; without `key` the SDK looks for credentials by itself."""
    session = boto3.Session() if key is None else boto3.Session(key.access_key, key.secret_key, key.token)
    return session.client("s3", endpoint_url=gateway.data, region_name="us-east-1")


def _status(client: Any) -> int:
    try:
        client.get_object(Bucket="lab", Key="small")
    except ClientError as refused:
        return int(refused.response["ResponseMetadata"]["HTTPStatusCode"])
    return 200


def _read_with_boto3(pair: Fleet, replicas: Iterable[int]) -> tuple[list[bytes], str]:
    """The object through each of these with the one key that the SDK found, and that key's id."""
    found = boto3.Session().get_credentials()
    assert found is not None
    assert "container-role" == found.method
    key = found.get_frozen_credentials()
    bodies = [
        _client(pair.gateways[replica], key).get_object(Bucket="lab", Key="small")["Body"].read()
        for replica in replicas
    ]
    return bodies, str(key.access_key)


def test_a_wrong_token_is_told_at_the_start(pair: Fleet, rclone: RunningStore, tmp_path: Path) -> None:
    """Exit code 5 and a sentence, never a gateway that refuses everything."""
    state = f'{{grants: "central+{pair.gateways[0].control}", token: "env:SIDECAR_TOKEN"}}'
    wrong = fleet(tmp_path, rclone, [state], environ={"SIDECAR_TOKEN": "another-token-of-many-letters"})
    with pytest.raises(AssertionError, match="answers 401"), wrong:
        pass
