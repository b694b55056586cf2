"""The listeners' certificates: loaded, renewed while they serve, and their end told."""

from __future__ import annotations

import os
import ssl
import time
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import NameOID
from structlog.testing import capture_logs

from gateway.core.reasons import SettingsError
from gateway.server.tls import Certificates, ListenerContext, check_certificates, list_untimely


@dataclass(frozen=True)
class Files:
    cert: Path
    key: Path


def certificate(
    directory: Path,
    name: str = "a",
    days: int = 30,
    password: bytes | None = None,
    begins: int = -1,
    kind: str = "EC",
) -> Files:
    key = ec.generate_private_key(ec.SECP256R1()) if kind == "EC" else rsa.generate_private_key(65537, 2048)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(os.urandom(8)))
        .not_valid_before(now + timedelta(days=begins))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    cert, private = directory / "tls.crt", directory / "tls.key"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    sealed = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption_algorithm=sealed)
    )
    return Files(cert, private)


def _shown_by(context: ssl.SSLContext) -> str:
    """The name in the certificate that a new handshake gets, without a socket."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname, client.verify_mode = False, ssl.CERT_NONE
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = client.wrap_bio(to_client, to_server)
    theirs = context.wrap_bio(to_server, to_client, server_side=True)
    for _ in range(4):
        for side in (ours, theirs):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    shown = x509.load_der_x509_certificate(ours.getpeercert(binary_form=True) or b"")
    return str(shown.subject.get_attributes_for_oid(NameOID.COMMON_NAME)[0].value)


def test_without_files_there_is_no_context() -> None:
    """And nothing is told about ends."""
    ends: list[float] = []
    assert {} == Certificates(ends.append).load({})
    assert [] == ends


def test_a_certificate_is_loaded_and_its_end_is_told(tmp_path: Path) -> None:
    """In seconds since the epoch, for an alert in time: the first end of all."""
    near, far = tmp_path / "near", tmp_path / "far"
    near.mkdir()
    far.mkdir()
    ends: list[float] = []
    contexts = Certificates(ends.append).load(
        {"data": certificate(near, days=30), "control": certificate(far, days=60)}
    )
    assert "a" == _shown_by(contexts["data"])
    assert 29 < (ends[0] - datetime.now(UTC).timestamp()) / 86400 < 31


def test_a_renewed_certificate_is_for_new_handshakes(tmp_path: Path) -> None:
    """The listener's own context changes; nobody has to start again, and no listener gets TLS by a reload."""
    certificates = Certificates(lambda _: None)
    context = certificates.load({"data": certificate(tmp_path, "old")})["data"]
    certificates.renew({"data": certificate(tmp_path, "new"), "control": Files(tmp_path / "x", tmp_path / "y")})
    assert "new" == _shown_by(context)


@pytest.mark.parametrize(("old", "new"), [("EC", "EC"), ("EC", "RSA"), ("RSA", "EC"), ("RSA", "RSA")])
def test_the_old_certificate_is_gone_whatever_kinds_the_keys_are(tmp_path: Path, old: str, new: str) -> None:
    """A context that both were loaded into would show the old one for good where its kind is the one preferred."""
    certificates = Certificates(lambda _: None)
    context = certificates.load({"data": certificate(tmp_path, "old", kind=old)})["data"]
    certificates.renew({"data": certificate(tmp_path, "new", kind=new)})
    assert "new" == _shown_by(context)
    certificates.renew({"data": certificate(tmp_path, "newest", kind=old)})
    assert "newest" == _shown_by(context)


def test_files_that_go_while_they_are_read_are_a_fault_and_change_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A SettingsError as any other: what reloads has to go on."""
    ends: list[float] = []
    certificates, files = Certificates(ends.append), certificate(tmp_path, "old")
    context = certificates.load({"data": files})["data"]
    certificate(tmp_path, "new")

    def load(self: ssl.SSLContext, cert: Path, *arguments: Any, **options: Any) -> None:
        ssl.SSLContext.load_cert_chain(self, cert, *arguments, **options)
        cert.unlink()

    monkeypatch.setattr(ListenerContext, "load_cert_chain", load, raising=False)
    with pytest.raises(SettingsError, match=r"tls\.crt: cannot be read"):
        certificates.renew({"data": files})
    assert ("old", 1) == (_shown_by(context), len(ends))


@pytest.mark.parametrize(
    ("days", "begins", "told"),
    [(-1, -3, "ended at "), (9, 2, "begins at "), (30, -1, None)],
    ids=["ended", "not begun", "in its time"],
)
def test_a_certificate_that_clients_refuse_is_told_of(tmp_path: Path, days: int, begins: int, told: str | None) -> None:
    """At the start, when it is renewed, and when the settings are checked; it is served all the same."""
    made, renewed = certificate(tmp_path, days=days, begins=begins), Certificates(lambda _: None)
    with capture_logs() as lines:
        context = renewed.load({"data": made, "control": made})["data"]
        renewed.renew({"data": made, "control": made})
    details = [line["detail"] for line in lines]
    assert list_untimely([made, made], time.time()) * 2 == details
    assert (0 if told is None else 2) == len(details)
    assert all(detail.startswith(f"{made.cert}: the certificate {told}") for detail in details)
    assert "a" == _shown_by(context)


def test_an_ended_certificate_replaces_no_good_one(tmp_path: Path) -> None:
    """Clients would be refused from then on; one that begins later, or ends sooner, is taken as it is meant."""
    certificates = Certificates(lambda _: None)
    context = certificates.load({"data": certificate(tmp_path, "good", days=30)})["data"]
    with pytest.raises(SettingsError, match=r"tls\.crt: the certificate ended at .* and the one in use has not$"):
        certificates.renew({"data": certificate(tmp_path, "ended", days=-1, begins=-3)})
    assert "good" == _shown_by(context)
    certificates.renew({"data": certificate(tmp_path, "shorter", days=9, begins=-1)})
    assert "shorter" == _shown_by(context)


@pytest.mark.parametrize("fault", ["not a certificate", "another key", "a passphrase"])
def test_a_bad_renewal_changes_nothing(tmp_path: Path, fault: str) -> None:
    """A SettingsError, and the old certificate is still shown."""
    files = certificate(tmp_path, "old")
    certificates = Certificates(lambda _: None)
    context = certificates.load({"data": files})["data"]
    match fault:
        case "not a certificate":
            files.cert.write_text("nonsense")
        case "another key":
            old = files.cert.read_bytes()
            certificate(tmp_path, "new")
            files.cert.write_bytes(old)
        case _:
            certificate(tmp_path, "new", password=b"open sesame")
    with pytest.raises(SettingsError, match="tls"):
        certificates.renew({"data": files})
    assert "old" == _shown_by(context)


def test_a_bad_certificate_is_an_error_at_the_start(tmp_path: Path) -> None:
    """Before any port is opened, and when the settings are checked."""
    files = certificate(tmp_path)
    check_certificates([files])
    files.key.write_text("nonsense")
    with pytest.raises(SettingsError, match="tls"):
        Certificates(lambda _: None).load({"data": files})
    with pytest.raises(SettingsError, match="tls"):
        check_certificates([files])
