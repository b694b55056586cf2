"""Whatever ends or narrows a link acts on what runs by it: where it is made, on another replica, and on a sidecar."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from tests.replicas.fleet import Fleet, fleet
from tests.replicas.narrowing import ENDING, HARMLESS, READING, SIZE, SIZED, Begun, begin, begin_reading, change
from tests.replicas.probes import Clients
from tests.servers.gateway import Link, RunningGateway
from tests.servers.store import RunningStore

pytestmark = pytest.mark.e2e

WITHIN = {0: 0.5, 1: 1.5, 2: 1.5}
"""Seconds after the first replica acknowledged the change: there it is in force before, elsewhere promise 2 holds; with
half a second for a busy machine."""

GROUPS = {"get and archive": READING, "put and parts": ("put", "parts"), "form and tus": ("form", "tus")}
"""As many at once as are changed before the first of them stands still for too long."""


@pytest.fixture(scope="module")
def trio(seaweedfs: RunningStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Gateways 0 and 1 share a state, gateway 2 is a sidecar that follows the first."""
    directory = tmp_path_factory.mktemp("narrowing")
    environ = {"SIDECAR_TOKEN": "a-sidecars-token-of-many-letters"}
    database = f'"sqlite:///{directory}/shared.db"'
    sidecars = 'sidecars: [{name: edge, secret: "env:SIDECAR_TOKEN"}]'
    with fleet(directory, seaweedfs, [database, database], control=sidecars, environ=environ) as replicas:
        state = f'{{grants: "central+{replicas.gateways[0].control}", token: "env:SIDECAR_TOKEN"}}'
        with fleet(directory / "edge", seaweedfs, [state], environ=environ, bucket=replicas.real_bucket) as edge:
            replicas.put("shelf/big.bin", bytes(SIZE))
            replicas.put("small", b"small")
            yield Fleet([*replicas.gateways, *edge.gateways], seaweedfs, replicas.real_bucket)


async def link_of(clients: Clients, kind: str) -> Link:
    """A link with some of everything; one of its five uses is taken by somebody else."""
    prefix = "shelf/" if kind in READING else "inbox/"
    status, made = await clients.control(
        0,
        "POST",
        "/v1/links",
        {
            "bucket": "lab",
            "prefix": prefix,
            "actions": ["read", "list", "write"],
            "expires_in": 3600,
            "uses": 5,
            "bytes": 10**10,
            "max_size": 10**9,
            "overwrite": True,
            "cidrs": ["127.0.0.0/8"],
        },
    )
    assert 201 == status, made
    link = Link(str(made["id"]), str(made["url"]), str(made["token"]))
    body = {"headers": {"User-Agent": "somebody else"}}
    url = clients.fleet.url(0, f"{link.token}/first-{link.id}")
    async with clients.session.put(url, data=b"1", **body) as answer:
        assert 201 == answer.status, await answer.text()
    return link


@asynccontextmanager
async def begun(
    clients: Clients, replica: int, cases: list[tuple[str, str]]
) -> AsyncIterator[list[tuple[str, str, Link, Begun]]]:
    """All of these in work at once."""
    found: list[tuple[str, str, Link, Begun]] = []

    async def one(number: int, kind: str, name: str) -> None:
        link = await link_of(clients, kind)
        running = await begin(clients, replica, kind, link, f"{kind}-{replica}-{number}.bin")
        found.append((kind, name, link, running))

    try:
        await asyncio.gather(*(one(number, *case) for number, case in enumerate(cases)))
        gateway = clients.fleet.gateways[replica]
        deadline = time.monotonic() + 20
        while (count := await asyncio.to_thread(gateway.metric, "gateway_transfers_in_progress")) < len(cases):
            assert time.monotonic() < deadline, (count, gateway.log()[-3000:])
            await asyncio.sleep(0.05)
        await asyncio.sleep(0.3)  # what was sent of the last one has arrived
        yield found
    finally:
        for *_, one in found:
            one.client.sock.close()


def stored(trio: Fleet, name: str) -> bool:
    try:
        trio.store.client().head_object(Bucket=trio.real_bucket, Key=f"inside/inbox/{name}")
    except ClientError:
        return False
    return True


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("replica", WITHIN, ids=["where it is made", "on another replica", "on a sidecar"])
async def test_a_narrowed_link_ends_what_runs_by_it(trio: Fleet, replica: int, group: str) -> None:
    """Every kind of transfer, every kind of change, within a second of its acknowledgement; and nothing is stored."""
    cases = [(kind, name) for kind in GROUPS[group] for name in (ENDING if kind in READING else ENDING | SIZED)]
    async with Clients(trio) as clients, begun(clients, replica, cases) as running:
        late: list[tuple[str, str, float | None]] = []

        async def ended(kind: str, name: str, link: Link, one: Begun) -> None:
            at = await change(clients, link, name, kind)
            if name == "expires by itself":
                at += 2.0
                await asyncio.sleep(2.0 + WITHIN[replica])  # a reader that went on would have all of it by then
            cut = await one.until_cut(10.0)
            if cut is None or cut - at > WITHIN[replica] + 0.5:
                late.append((kind, name, cut and cut - at))

        for at in range(0, len(running), 8):
            await asyncio.gather(*(ended(*case) for case in running[at : at + 8]))
        assert [] == late
        names = [one.name for kind, _, _, one in running if kind not in READING]
        assert [] == [name for name in names if await asyncio.to_thread(stored, trio, name)]


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("replica", WITHIN, ids=["where it is made", "on another replica", "on a sidecar"])
async def test_what_narrows_nothing_ends_nothing(trio: Fleet, replica: int, group: str) -> None:
    """The other side: each transfer goes on, comes to its end, and what was sent is stored."""
    cases = [(kind, name) for kind in GROUPS[group] for name in HARMLESS]
    async with Clients(trio) as clients, begun(clients, replica, cases) as running:
        await asyncio.gather(*(change(clients, link, name, kind) for kind, name, link, _ in running))
        await asyncio.sleep(1.5)
        ends = await asyncio.gather(*(one.finish() for *_, one in running))
        assert [] == [(kind, name) for (kind, name, *_), good in zip(running, ends, strict=True) if not good]
        names = [one.name for kind, _, _, one in running if kind not in READING]
        assert [] == [name for name in names if not await asyncio.to_thread(stored, trio, name)]


def app_with(key: Mapping[str, str], gateway: RunningGateway) -> Any:
    """An S3 client with a key that an SDK was handed."""
    return boto3.client(
        "s3",
        endpoint_url=gateway.data,
        region_name="us-east-1",
        aws_access_key_id=key["AccessKeyId"],
        aws_secret_access_key=key["SecretAccessKey"],
        aws_session_token=key["Token"],
    )


def presigned(app: Any) -> str:
    return str(app.generate_presigned_url("get_object", {"Bucket": "lab", "Key": "shelf/big.bin"}))


def rewrite(gateway: RunningGateway, before: str, after: str) -> None:
    """Change a gateway's settings while it runs."""
    settings = gateway.directory / "gateway.yaml"
    text = settings.read_text()
    assert before in text
    settings.write_text(text.replace(before, after))


async def test_a_short_lived_key_ends_with_its_apps_entry(seaweedfs: RunningStore, tmp_path: Path) -> None:
    """The entry is taken out of the settings of the gateways that issued it: refused on each of them soon after."""
    database, entry = f'"sqlite:///{tmp_path}/shared.db"', '[{app: "app:web", token: "env:WEB_TOKEN"}]'
    environ = {"WEB_TOKEN": "a-web-apps-token-of-many-letters"}
    public = {"GATEWAY_DATA__PUBLIC_URL": "http://gw.example"}
    with fleet(
        tmp_path, seaweedfs, [database, database], control=f"credentials: {entry}", environ=environ | public
    ) as replicas:
        replicas.put("small", b"small")
        async with Clients(replicas) as clients:
            url = f"{replicas.gateways[0].control}/v1/credentials/web"
            async with clients.session.get(url, headers={"Authorization": environ["WEB_TOKEN"]}) as answer:
                key = await answer.json()
        apps = [app_with(key, gateway) for gateway in replicas.gateways]
        for app in apps:
            assert b"small" == app.get_object(Bucket="lab", Key="small")["Body"].read()
        for gateway in replicas.gateways:
            rewrite(gateway, entry, "[]")
        deadline = time.monotonic() + 5
        left = list(apps)
        while left:
            assert time.monotonic() < deadline, replicas.gateways[0].log()[-2000:]
            try:
                left[0].get_object(Bucket="lab", Key="small")
            except ClientError as refused:
                if refused.response["Error"]["Code"] == "InvalidAccessKeyId":
                    left.pop(0)
            await asyncio.sleep(0.05)


@pytest.fixture
def edge(seaweedfs: RunningStore, tmp_path: Path) -> Iterator[Fleet]:
    """Gateway 0 is a central one, gateway 1 a sidecar that may have keys of two apps issued there."""
    environ = {"SIDECAR_TOKEN": "a-sidecars-token-of-many-letters"} | {name: f"the-token-of-{name}" for name in _APPS}
    sidecars = 'sidecars: [{name: edge, secret: "env:SIDECAR_TOKEN", serves: ["*"], apps: [app:web, app:etl]}]'
    with fleet(tmp_path, seaweedfs, ['"sqlite:///central.db"'], control=sidecars, environ=environ) as central:
        state = f'{{grants: "central+{central.gateways[0].control}", token: "env:SIDECAR_TOKEN"}}'
        control = f"credentials: [{', '.join(_APPS.values())}]"
        bucket = central.real_bucket
        with fleet(tmp_path / "edge", seaweedfs, [state], control=control, environ=environ, bucket=bucket) as followers:
            central.put("shelf/big.bin", bytes(SIZE))
            yield Fleet([*central.gateways, *followers.gateways], seaweedfs, bucket)


@pytest.fixture
def closed() -> Iterator[ExitStack]:
    """Takes what is to be closed at the end."""
    with ExitStack() as stack:
        yield stack


_APPS = {"WEB": '{app: "app:web", token: "env:WEB"}', "ETL": '{app: "app:etl", token: "env:ETL"}'}


async def test_a_key_ends_with_the_entry_of_the_sidecar_that_had_it_issued(edge: Fleet, closed: ExitStack) -> None:
    """At the sidecar and at the central gateway, in work or not; the key of an entry that stands goes on at both."""
    apps = {}
    async with Clients(edge) as clients:
        for name in _APPS:
            url = f"{edge.gateways[1].control}/v1/credentials/{name.lower()}"
            async with clients.session.get(url, headers={"Authorization": f"the-token-of-{name}"}) as answer:
                key = await answer.json()
            apps[name] = [app_with(key, gateway) for gateway in edge.gateways]
    running = {name: [await begin_reading(presigned(app)) for app in at] for name, at in apps.items()}
    for one in (*running["WEB"], *running["ETL"]):
        closed.callback(one.client.sock.close)
    rewrite(edge.gateways[1], f"{_APPS['WEB']}, ", "")
    for one in running["WEB"]:
        assert await one.until_cut(3.0) is not None, edge.gateways[1].log()[-3000:]
    for app in apps["WEB"]:
        with pytest.raises(ClientError, match="InvalidAccessKeyId"):
            app.get_object(Bucket="lab", Key="shelf/big.bin")
    assert [True, True] == [await one.finish() for one in running["ETL"]]
    for app in apps["ETL"]:
        assert SIZE == app.head_object(Bucket="lab", Key="shelf/big.bin")["ContentLength"]


async def test_a_sidecar_that_serves_fewer_stops_in_the_midst(edge: Fleet, closed: ExitStack) -> None:
    """A link that it may not have any more is cut and unknown there; the central gateway goes on with it, and when the
    sidecar may have it again, it does."""
    async with Clients(edge) as clients:
        link = await link_of(clients, "get")
        running = [await begin(clients, replica, "get", link, "") for replica in (0, 1)]
        for one in running:
            closed.callback(one.client.sock.close)
        rewrite(edge.gateways[0], 'serves: ["*"]', 'serves: ["app:*"]')
        assert await running[1].until_cut(3.0) is not None, edge.gateways[1].log()[-3000:]
        place = f"{link.token}/big.bin"
        assert [200, 404] == [(await clients.get(replica, place)).status for replica in (0, 1)]
        assert await running[0].finish()
        rewrite(edge.gateways[0], 'serves: ["app:*"]', 'serves: ["*"]')
        deadline = time.monotonic() + 5
        while (await clients.get(1, place)).status != 200:
            assert time.monotonic() < deadline
