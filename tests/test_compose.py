"""Settings into specs, gates, stores and TLS: nothing is lost on the way between rooms."""

from __future__ import annotations

import os
import ssl
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway.backends.profiles import PROFILES
from gateway.compose import (
    Certificates,
    LateSealer,
    backend_specs,
    gate_of,
    open_stores,
    upload_parts_with,
    with_drained,
)
from gateway.core.backend import ChainSource, Credentials
from gateway.core.limits import Demand
from gateway.core.reasons import SettingsError
from gateway.core.route import Capability, UpstreamCall
from gateway.core.units import Rate
from gateway.settings.watch import Loaded, Reloader
from gateway.stores.seal import Sealer
from gateway.telemetry.metrics import Metrics
from tests.data.scripted_store import ScriptedStore, xml

SETTINGS = """
data: {listen: "127.0.0.1:8080", public_url: "https://share.example", domains: [s3.example], max_transfers: 7}
control: {tokens: [{name: ops, secret: "env:TOKEN"}]}
state: "memory://"
policies: policies/
trusted_proxies: [10.0.0.0/8]
fail: {limits: closed, audit: closed}
deadlines: {connect: 3s}
"""

POLICIES = """
backends:
  keys: {profile: generic, endpoint: "http://a:1", region: eu-1, max_connections: 9,
         credentials: {access_key: "env:KEY", secret_key: "env:SECRET", session_token: "env:SESSION"}}
  chained: {profile: generic, endpoint: "https://b", credentials: chain, drained: true, allow_link_local: true}
  shared: {profile: generic, endpoint: "http://c", credentials: {profile: work}}
buckets: {reports: {backend: keys, bucket: real}}
rules: [{name: r, who: ["app:*"], may: [read], on: reports/**}]
"""

ENVIRON = {"TOKEN": "t" * 40, "KEY": "AK", "SECRET": "SK", "SESSION": "ST"}


def loaded(directory: Path, settings: str = SETTINGS, policies: str = POLICIES) -> Loaded:
    (directory / "policies").mkdir(exist_ok=True)
    (directory / "policies" / "p.yaml").write_text(policies)
    (directory / "gateway.yaml").write_text(settings)
    return Reloader(directory / "gateway.yaml", ENVIRON, PROFILES).load()


def test_draining_changes_one_backend_of_a_new_snapshot(tmp_path: Path) -> None:
    """Requests that hold the old snapshot are judged as before."""
    gate = gate_of(loaded(tmp_path))
    drained = with_drained(gate, "keys", drained=True)
    assert [True, True, False] == [drained.policy.backends[name].drained for name in ("keys", "chained", "shared")]
    assert not gate.policy.backends["keys"].drained
    assert gate == with_drained(drained, "keys", drained=False)


def test_a_spec_has_everything_that_was_written(tmp_path: Path) -> None:
    """Endpoint, region, limits, deadlines and the three kinds of credentials."""
    keys, chained, shared = sorted(backend_specs(loaded(tmp_path)), key=lambda spec: "kcs".index(spec.name[0]))
    assert ("http://a:1", "eu-1", 9, 3.0, False) == (
        keys.endpoint,
        keys.region,
        keys.max_connections,
        keys.connect_timeout,
        keys.drained,
    )
    assert (Credentials("AK", "SK", "ST"), ChainSource(), ChainSource("work")) == (
        keys.credentials,
        chained.credentials,
        shared.credentials,
    )
    assert (True, True, False) == (chained.drained, chained.allow_link_local, keys.allow_link_local)
    assert "SK" not in repr(keys)


def test_a_gate_has_everything_that_requests_are_judged_by(tmp_path: Path) -> None:
    """The policy, the posture and the listener's own settings."""
    gate = gate_of(loaded(tmp_path))
    assert {"keys", "chained", "shared"} == set(gate.policy.backends)
    assert ("closed", "closed") == (gate.posture.limits, gate.posture.audit)
    assert ("https://share.example", ("s3.example",), 7) == (gate.public_url, gate.domains, gate.max_transfers)
    assert (ip_network("10.0.0.0/8"),) == gate.trusted_proxies


async def test_stores_are_opened_and_timed(tmp_path: Path) -> None:
    """Every call is measured, whichever engine answers."""
    metrics = Metrics()
    state = await open_stores(loaded(tmp_path).settings, metrics)
    await state.limits.take([Demand("k", Rate(1, 1.0, 1))], 0.0)
    name = "gateway_store_operation_duration_seconds_count"
    assert 1 == metrics.registry.get_sample_value(name, {"operation": "take"})
    await state.close()


async def test_memory_is_not_shared_between_processes(tmp_path: Path) -> None:
    """A revocation that only one of two workers knew would be none."""
    with pytest.raises(SettingsError, match="not shared"):
        await open_stores(loaded(tmp_path).settings, Metrics(), processes=2)


# parts


async def chunks(*pieces: bytes) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


async def test_parts_heed_conditions_where_the_object_appears() -> None:
    """Not at the beginning, where they would say nothing about the end; other headers describe the object."""
    store = ScriptedStore()
    store.script(
        xml("<InitiateMultipartUploadResult><UploadId>u</UploadId></InitiateMultipartUploadResult>"),
    )

    def answered(call: UpstreamCall):
        query = dict(call.query)
        if "partNumber" in query:
            answer = xml("")
            answer.headers["etag"] = '"p"'
            return answer
        if "uploadId" in query:
            return xml("<CompleteMultipartUploadResult><ETag>&quot;e-2&quot;</ETag></CompleteMultipartUploadResult>")
        return None

    store.always = answered
    headers = (("content-type", "text/plain"), ("if-none-match", "*"))
    call = UpstreamCall(backend="b", method="PUT", bucket="r", key="k", headers=headers)
    body = chunks(*(b"x" * 1024**2 for _ in range(9)))
    asked: list[int] = []

    async def confirm() -> None:
        asked.append(len(store.seen))

    answer = await upload_parts_with(store)(call, body, None, frozenset(Capability), confirm)
    assert [1, 2, 4] == asked, "before each part, and when the store listens for the completion"
    assert (200, '"e-2"') == (answer.status, answer.headers["etag"])
    begun, *parts, completed = store.seen
    assert (("text/plain", None), (None, "*")) == (
        (begun.header("content-type"), begun.header("if-none-match")),
        (parts[0].header("content-type"), completed.header("if-none-match")),
    )
    assert 9 * 1024**2 == sum(len(part.body) for part in parts)


# certificates


def certificate(directory: Path, name: str = "a", days: int = 30, password: bytes | None = None) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(int.from_bytes(os.urandom(8)))
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days))
        .sign(key, hashes.SHA256())
    )
    cert, private = directory / "tls.crt", directory / "tls.key"
    cert.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    sealed = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption_algorithm=sealed)
    )
    return cert, private


def with_tls(directory: Path) -> Loaded:
    tls = f'tls: {{cert: "{directory}/tls.crt", key: "{directory}/tls.key"}}, '
    return loaded(directory, SETTINGS.replace("data: {", "data: {" + tls))


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


def test_a_listener_without_tls_has_no_context(tmp_path: Path) -> None:
    """And nothing is told about ends."""
    ends: list[float] = []
    assert {"data": None, "control": None} == Certificates(ends.append).of(loaded(tmp_path).settings)
    assert [] == ends


def test_a_certificate_is_loaded_and_its_end_is_told(tmp_path: Path) -> None:
    """In seconds since the epoch, for an alert in time."""
    certificate(tmp_path, days=30)
    ends: list[float] = []
    contexts = Certificates(ends.append).of(with_tls(tmp_path).settings)
    assert "a" == _shown_by(contexts["data"])
    assert None is contexts["control"]
    assert 29 < (ends[0] - datetime.now(UTC).timestamp()) / 86400 < 31


def test_a_renewed_certificate_is_for_new_handshakes(tmp_path: Path) -> None:
    """The listener's own context changes; nobody has to start again."""
    certificate(tmp_path, "old")
    certificates = Certificates(lambda _: None)
    context = certificates.of(with_tls(tmp_path).settings)["data"]
    certificate(tmp_path, "new")
    certificates.renew(with_tls(tmp_path).settings)
    assert "new" == _shown_by(context)


@pytest.mark.parametrize("fault", ["not a certificate", "another key", "a passphrase"])
def test_a_bad_renewal_changes_nothing(tmp_path: Path, fault: str) -> None:
    """A SettingsError, and the old certificate is still shown."""
    certificate(tmp_path, "old")
    certificates = Certificates(lambda _: None)
    settings = with_tls(tmp_path).settings
    context = certificates.of(settings)["data"]
    match fault:
        case "not a certificate":
            (tmp_path / "tls.crt").write_text("nonsense")
        case "another key":
            old = (tmp_path / "tls.crt").read_bytes()
            certificate(tmp_path, "new")
            (tmp_path / "tls.crt").write_bytes(old)
        case _:
            certificate(tmp_path, "new", password=b"open sesame")
    with pytest.raises(SettingsError, match="tls"):
        certificates.renew(settings)
    assert "old" == _shown_by(context)


def test_a_bad_certificate_is_an_error_at_the_start(tmp_path: Path) -> None:
    """Before any port is opened."""
    certificate(tmp_path)
    (tmp_path / "tls.key").write_text("nonsense")
    with pytest.raises(SettingsError, match="tls"):
        Certificates(lambda _: None).of(with_tls(tmp_path).settings)


def test_a_late_sealer_opens_what_it_sealed() -> None:
    """As the sealer itself does, whichever of the two comes first."""
    sealed = LateSealer().seal("GWKID", "secret", b"n" * 12)
    assert "secret" == LateSealer().open("GWKID", sealed) == Sealer().open("GWKID", sealed)


def test_what_few_gateways_need_is_not_imported_at_the_start() -> None:
    """The start stays short and the idle process small: a second and 64 MiB is the aim."""
    late = ("awscrt", "cryptography", "joserfc", "aiobotocore", "asyncpg", "redis", "opentelemetry")
    code = f"import sys, gateway.app; print([name for name in {late!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert "[]" == done.stdout.strip()
