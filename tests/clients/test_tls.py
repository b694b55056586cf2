"""The same clients over TLS, where SDKs frame their uploads in another way: chunks with a trailer and no length."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.clients.run import CLIENTS, Client, drive, stock
from tests.e2e.conftest import require
from tests.e2e.place import Place
from tests.servers.certificate import certificate
from tests.servers.gateway import gateway_before
from tests.servers.store import RunningStore

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]
_TRUSTS_A_FILE = (
    "boto3",
    "aws cli",
    "rclone",
    "s3fs",
    "minio-py",
    "AWS SDK for JavaScript",
    "AWS SDK for JavaScript 2",
    "minio-js",
    "Bun",
    "minio-go",
)
"""Clients that are told of an authority by a variable."""


@pytest.fixture(scope="module")
def place(seaweedfs: RunningStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A bucket of a gateway whose data listener speaks TLS."""
    home = tmp_path_factory.mktemp("tls")
    cert, key = certificate(home)
    tls = {"cert": str(cert), "key": str(key)}
    with gateway_before([seaweedfs], home / "gateway", environ={"GATEWAY_DATA__TLS": json.dumps(tls)}) as gateway:
        secure = replace(gateway, data=gateway.data.replace("http:", "https:"))
        place = Place.before(secure, seaweedfs)
        stock(place)
        yield place


@pytest.mark.parametrize(
    "client", [client for client in CLIENTS if client.name in _TRUSTS_A_FILE], ids=lambda client: client.name
)
def test_a_client_does_everything_over_tls(place: Place, tmp_path: Path, client: Client) -> None:
    """Every step works, with unsigned chunks and checksums in trailers where the SDK chooses them."""
    require("npm")
    authority = str(place.gateway.directory.parent / "tls.crt")
    environ = dict.fromkeys(("AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "RCLONE_CA_CERT", "SSL_CERT_FILE"), authority)
    assert {} == drive(client, place, tmp_path, 24 * 1024 * 1024, **environ).faults
