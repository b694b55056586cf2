"""The same clients over TLS, where SDKs frame their uploads in another way: chunks with a trailer and no length."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.clients.run import CLIENTS, Client, drive, stock
from tests.e2e.conftest import require
from tests.e2e.place import Place
from tests.servers.gateway import gateway_before
from tests.servers.store import RunningStore

pytestmark = [pytest.mark.e2e, pytest.mark.slow, pytest.mark.timeout(600)]
_TRUSTS_A_FILE = ("boto3", "aws cli", "rclone", "s3fs", "AWS SDK for JavaScript")
"""Clients that are told of an authority by a variable."""


def _certificate(directory: Path) -> dict[str, str]:
    """A key and a certificate for 127.0.0.1, which is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "a gateway")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (directory / "tls.key").write_bytes(text)
    (directory / "tls.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return {"cert": str(directory / "tls.crt"), "key": str(directory / "tls.key")}


@pytest.fixture(scope="module")
def place(seaweedfs: RunningStore, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A bucket of a gateway whose data listener speaks TLS."""
    home = tmp_path_factory.mktemp("tls")
    tls = _certificate(home)
    with gateway_before([seaweedfs], home / "gateway", environ={"GATEWAY_DATA__TLS": json.dumps(tls)}) as gateway:
        secure = replace(gateway, data=gateway.data.replace("http:", "https:"))
        place = Place(secure, seaweedfs, seaweedfs.profile, gateway.real_buckets[seaweedfs.profile])
        stock(place)
        yield place


@pytest.mark.parametrize(
    "client", [client for client in CLIENTS if client.name in _TRUSTS_A_FILE], ids=lambda client: client.name
)
def test_a_client_does_everything_over_tls(place: Place, tmp_path: Path, client: Client) -> None:
    """Every step works, with unsigned chunks and checksums in trailers where the SDK chooses them."""
    require("npm")
    authority = str(place.gateway.directory.parent / "tls.crt")
    environ = dict.fromkeys(("AWS_CA_BUNDLE", "NODE_EXTRA_CA_CERTS", "RCLONE_CA_CERT"), authority)
    assert {} == drive(client, place, tmp_path, 24 * 1024 * 1024, **environ).faults
