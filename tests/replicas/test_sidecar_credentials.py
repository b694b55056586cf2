"""Narrowed keys, sessions with a policy, and credentials of links on a sidecar that follows a central gateway."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import boto3
import pytest
from botocore.config import Config
from botocore.exceptions import ClientError, ConnectionClosedError

from tests.replicas.fleet import Fleet, fleet
from tests.servers import over_tls
from tests.servers.gateway import RunningGateway
from tests.servers.store import RunningStore

pytestmark = pytest.mark.e2e

_ENVIRON = {"SIDECAR_TOKEN": "a-sidecars-token-of-many-letters"}
_LARGE = 64 * 1024 * 1024


@pytest.fixture(scope="module")
def pair(rclone: RunningStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Gateway 0 is the central one, gateway 1 a sidecar of it that serves two owners and no others."""
    directory = tmp_path_factory.mktemp("sidecars")
    sidecars = 'sidecars: [{name: edge, secret: "env:SIDECAR_TOKEN", serves: ["app:web", "admin:tests"]}]'
    with fleet(directory, rclone, ['"sqlite:///central.db"'], control=sidecars, environ=_ENVIRON) as central:
        state = f'{{grants: "central+{central.gateways[0].control}", token: "env:SIDECAR_TOKEN"}}'
        with fleet(
            directory / "edge", rclone, [state], environ=_ENVIRON, bucket=central.real_bucket
        ) as edge:  # its public_url is its own
            for key in ("in/a", "in/b", "out/a"):
                central.put(key, key.encode())
            central.put("in/large", bytes(_LARGE))
            yield Fleet([*central.gateways, *edge.gateways], rclone, central.real_bucket)


def _client(gateway: RunningGateway, key: str, secret: str, token: str | None = None, service: str = "s3") -> Any:
    return boto3.client(
        service,
        endpoint_url=gateway.data if service == "s3" else f"{gateway.control}/sts",
        aws_access_key_id=key,
        aws_secret_access_key=secret,
        aws_session_token=token,
        region_name="us-east-1",
        config=Config(retries={"total_max_attempts": 1}),
    )


def _code(call: Callable[..., Any], **arguments: Any) -> str:
    """Of the refusal; "" where there is none."""
    try:
        call(**arguments)
    except ClientError as failure:
        return str(failure.response["Error"]["Code"])
    return ""


def _get(client: Any, key: str) -> str:
    return _code(client.get_object, Bucket="lab", Key=key)


def _until_refused(client: Any, within: float = 1.0, key: str = "in/a") -> str:
    """The code of the first refusal. A request that runs at that very moment is cut, which is none yet."""
    deadline = time.monotonic() + within
    while True:
        with suppress(ConnectionClosedError):
            if code := _get(client, key):
                return code
        assert time.monotonic() < deadline, "it still works"


def _make_key(pair: Fleet, app: str = "web", **more: Any) -> dict[str, Any]:
    made: dict[str, Any] = pair.gateways[0].api("POST", "/v1/keys", {"app": app, "expires_in": 3600, **more})
    return made


def _ask_credentials(gateway: RunningGateway, token: str) -> tuple[int, dict[str, Any]]:
    with closing(over_tls.dial(gateway.data, timeout=30)) as connection:
        connection.request("POST", f"/s/{token}/credentials")
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read())


def _by_credentials(gateway: RunningGateway, found: dict[str, Any]) -> Any:
    given = found["credentials"]
    return _client(gateway, given["accessKeyId"], given["secretAccessKey"], given["sessionToken"])


def test_a_narrowed_key_is_narrow_on_the_sidecar(pair: Fleet) -> None:
    """Inside its folder it works, beside it AccessDenied; an edit and a revocation hold within a second."""
    made = _make_key(pair, bucket="lab", prefix="in/", actions=["read", "list"])
    client = _client(pair.gateways[1], made["access_key_id"], made["secret_access_key"])
    assert ["", "", "AccessDenied"] == [_get(client, key) for key in ("in/a", "in/b", "out/a")]
    assert "AccessDenied" == _code(client.put_object, Bucket="lab", Key="in/c", Body=b"x")
    assert {"in/a", "in/b", "in/large"} == {
        one["Key"] for one in client.list_objects_v2(Bucket="lab", Prefix="in/")["Contents"]
    }
    assert "AccessDenied" == _code(client.list_objects_v2, Bucket="lab")
    pair.gateways[0].api("PATCH", f"/v1/keys/{made['id']}", {"bucket": "lab", "prefix": "out/"})
    assert "AccessDenied" == _until_refused(client)
    assert "" == _get(client, "out/a")
    pair.gateways[0].api("DELETE", f"/v1/keys/{made['id']}")
    assert "InvalidAccessKeyId" == _until_refused(client, key="out/a")


def test_a_narrowed_keys_uses_are_counted_at_the_central_gateway(pair: Fleet) -> None:
    """Three, wherever they are taken."""
    made = _make_key(pair, uses=3)
    clients = [_client(gateway, made["access_key_id"], made["secret_access_key"]) for gateway in pair.gateways[:2]]
    codes = [_get(clients[number % 2], "in/a") for number in range(5)]
    assert ["", "", "", "AccessDenied", "AccessDenied"] == codes
    assert ["AccessDenied"] * 2 == [_code(client.list_objects_v2, Bucket="lab") for client in clients]


@pytest.mark.parametrize("ended", ["itself", "the key that asked"])
def test_a_session_with_a_policy_is_narrow_on_the_sidecar(pair: Fleet, ended: str) -> None:
    """It is asked for at the central gateway: the sidecar makes none. It ends within a second with its source."""
    made = _make_key(pair)
    policy = {"Statement": [{"Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::lab/in/*"}]}
    arguments = {"Name": "etl", "Policy": json.dumps(policy)}
    sts = [
        _client(gateway, made["access_key_id"], made["secret_access_key"], service="sts") for gateway in pair.gateways
    ]
    assert "AccessDenied" == _code(sts[1].get_federation_token, **arguments)
    given = sts[0].get_federation_token(**arguments)["Credentials"]
    client = _client(pair.gateways[1], given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"])
    assert ["", "AccessDenied"] == [_get(client, key) for key in ("in/a", "out/a")]
    assert "AccessDenied" == _code(client.list_objects_v2, Bucket="lab", Prefix="in/")
    target = given["AccessKeyId"] if ended == "itself" else made["id"]
    pair.gateways[0].api("POST", "/v1/revocations", {"key": target})
    assert "InvalidAccessKeyId" == _until_refused(client)


@pytest.mark.parametrize("asked", [0, 1], ids=["at the central one", "at the sidecar"])
def test_a_links_credentials_work_on_both(pair: Fleet, asked: int) -> None:
    """Wherever they were asked for. They end within a second with the link, at both."""
    link = pair.gateways[0].link("lab", prefix="in/")
    status, found = _ask_credentials(pair.gateways[asked], link.token)
    assert (200, "lab", "in/") == (status, found["bucket"], found["prefix"])
    assert pair.gateways[asked].data == found["endpoint"]
    clients = [_by_credentials(gateway, found) for gateway in pair.gateways]
    for client in clients:
        assert ["", "", "AccessDenied"] == [_get(client, key) for key in ("in/a", "in/b", "out/a")]
        assert ["lab"] == [one["Name"] for one in client.list_buckets()["Buckets"]]
    pair.gateways[0].revoke(link)
    assert ["InvalidAccessKeyId"] * 2 == [_until_refused(client) for client in clients]


def test_a_links_last_use_gives_credentials_once(pair: Fleet) -> None:
    """At the central gateway or at the sidecar, and not at both; what they move counts on the link's bytes."""
    link = pair.gateways[0].link("lab", prefix="in/", uses=1, bytes=9)
    status, found = _ask_credentials(pair.gateways[1], link.token)
    assert 200 == status
    for gateway in pair.gateways:
        status, refused = _ask_credentials(gateway, link.token)
        assert (410, "used_up") == (status, refused["reason"])
    clients = [_by_credentials(gateway, found) for gateway in pair.gateways]
    assert ["", "", "AccessDenied"] == [_get(clients[number % 2], "in/a") for number in range(3)]
    deadline = time.monotonic() + 5
    while pair.gateways[0].api("GET", f"/v1/links/{link.id}")["bytes_used"] != 8:
        assert time.monotonic() < deadline


def test_a_download_with_a_links_credentials_is_cut_on_the_sidecar(pair: Fleet) -> None:
    """Within two seconds of the revocation at the central gateway, before its end."""
    link = pair.gateways[0].link("lab", prefix="in/")
    _, found = _ask_credentials(pair.gateways[1], link.token)
    sidecar = pair.gateways[1]
    cuts = sidecar.metric("gateway_streams_cut_total", reason="revoked")
    body = _by_credentials(sidecar, found).get_object(Bucket="lab", Key="in/large")["Body"]
    assert 65536 == len(body.read(65536))
    pair.gateways[0].revoke(link)
    deadline = time.monotonic() + 2
    while sidecar.metric("gateway_streams_cut_total", reason="revoked") == cuts:
        assert time.monotonic() < deadline


def test_files_that_come_in_at_a_sidecar_are_counted(pair: Fleet) -> None:
    """With those of the central gateway: exactly as many, and no more bytes than the link says."""
    link = pair.gateways[0].link("lab", prefix="box/", actions=["write"], max_files=3, total_bytes=10)
    sent = [(1, b"1234"), (0, b"1234"), (1, b"1234"), (1, b"12"), (1, b""), (0, b"")]
    statuses = [_put(pair.gateways[at], link.token, f"f{number}", body) for number, (at, body) in enumerate(sent)]
    assert [201, 201, 413, 201, 410, 410] == statuses
    shown = pair.gateways[0].api("GET", f"/v1/links/{link.id}")
    assert (3, 10) == (shown["files_received"], shown["bytes_received"])


def _put(gateway: RunningGateway, token: str, name: str, body: bytes) -> int:
    with closing(over_tls.dial(gateway.data, timeout=10)) as connection:
        connection.request("PUT", f"/s/{token}/{name}", body)
        return connection.getresponse().status


def test_what_a_sidecar_does_not_serve_gives_it_nothing(pair: Fleet) -> None:
    """Neither keys of another app, nor credentials that a link of another owner gave elsewhere."""
    made = _make_key(pair, app="other", bucket="lab", prefix="in/")
    arguments = made["access_key_id"], made["secret_access_key"]
    assert ["", "InvalidAccessKeyId"] == [_get(_client(gateway, *arguments), "in/a") for gateway in pair.gateways]
    link = pair.gateways[0].link("lab", prefix="in/", owner="app:other")
    statuses = [_ask_credentials(gateway, link.token) for gateway in pair.gateways]
    assert [200, 404] == [status for status, _ in statuses]
    clients = [_by_credentials(gateway, statuses[0][1]) for gateway in pair.gateways]
    assert ["", "InvalidAccessKeyId"] == [_get(client, "in/a") for client in clients]
