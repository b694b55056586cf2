"""Owns a certificate for this machine's own address, for tests that speak TLS."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

__all__ = ["certificate"]


def certificate(
    directory: Path, *hosts: str, begins: timedelta = timedelta(hours=-1), ends: timedelta = timedelta(days=1)
) -> tuple[Path, Path]:
    """The files of a certificate for 127.0.0.1 and these hosts, which is its own authority, and of its key.

    It `begins` and `ends` so far from now.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    serial = x509.random_serial_number()  # in the name, too: authorities are told apart by it
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"gateway {serial:x}")])
    names = [x509.IPAddress(ip_address("127.0.0.1")), *map(x509.DNSName, hosts)]
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(serial)
        .not_valid_before(now + begins)
        .not_valid_after(now + ends)
        .add_extension(x509.SubjectAlternativeName(names), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    text = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    directory.joinpath("tls.key").write_bytes(text)
    directory.joinpath("tls.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    return directory / "tls.crt", directory / "tls.key"
