"""One backend from its entry and its profile: what is taken over, what is corrected, what is missing."""

from __future__ import annotations

from gateway.core.backend import BackendSpec, ChainSource, Credentials
from gateway.core.profile import Addressing
from gateway.core.route import Backend, Capability
from tests.ops.mounted import certificate
from tests.settings.conftest import PROFILES, Folder


def loaded(folder: Folder, entry: str, **environ: str) -> BackendSpec:
    [backend] = folder.policy(f"backends: {{near: {entry}}}", **environ).backends
    return backend


def test_a_profile_brings_everything_but_the_credentials(folder: Folder) -> None:
    """Two keys are enough for a known kind of store."""
    backend = loaded(folder, "{profile: regional, credentials: chain}")
    assert (
        BackendSpec(
            name="near",
            profile=PROFILES["regional"],
            endpoint="https://s3.north.example.com",
            region="north",
            credentials=ChainSource(),
        )
        == backend
    )
    assert Backend("near", frozenset({Capability.RANGES, Capability.LIST_V2})) == backend.backend


def test_a_region_has_its_host(folder: Folder) -> None:
    """By the pattern, or by the profile's list of exceptions."""
    assert (
        "https://s3.east.example.com"
        == loaded(folder, "{profile: regional, region: east, credentials: chain}").endpoint
    )
    assert (
        "https://south.example.com" == loaded(folder, "{profile: regional, region: south, credentials: chain}").endpoint
    )


def test_an_entry_corrects_its_profile(folder: Folder) -> None:
    """Everything that a profile says can be set right for one store."""
    (folder.policies / "ca.pem").write_text(certificate()[0])
    backend = loaded(
        folder,
        "{profile: regional, endpoint: 'http://10.0.0.9:9000/', region: r, addressing: virtual, signature: v2, "
        "credentials: {profile: acme}, ca_file: ca.pem, max_connections: 9, allow_link_local: true, drained: true, "
        "single_put_limit: 64MiB, capabilities: {add: [post_forms], remove: [ranges]}}",
    )
    assert ("http://10.0.0.9:9000", "r") == (backend.endpoint, backend.region)
    assert (Addressing.VIRTUAL, "v2") == (backend.profile.addressing, backend.profile.signature)
    assert ChainSource("acme") == backend.credentials
    assert (str(folder.policies / "ca.pem"), 9, True) == (
        backend.ca_file,
        backend.max_connections,
        backend.allow_link_local,
    )
    can = frozenset({Capability.POST_FORMS, Capability.LIST_V2})
    assert Backend("near", can, 64 * 1024**2, drained=True, max_connections=9) == backend.backend
    assert frozenset({Capability.RANGES, Capability.LIST_V2}) == PROFILES["regional"].capabilities


def test_static_keys_are_read_and_not_shown(folder: Folder) -> None:
    """They are values only where a signature is made."""
    entry = "{profile: regional, credentials: {access_key: env:A, secret_key: file:s, session_token: env:T}}"
    (folder.policies / "s").write_text("geheim\n")
    backend = loaded(folder, entry, A="schluessel", T="marke")
    assert Credentials("schluessel", "geheim", "marke") == backend.credentials
    assert "Credentials(…)" == repr(backend.credentials)


def test_a_profile_without_an_endpoint_needs_one(folder: Folder) -> None:
    """Otherwise nobody would know where to connect to."""
    assert ["a.yaml:1:18: backends.near: the profile own knows no endpoint: write `endpoint:`"] == folder.policy_faults(
        "backends: {near: {profile: own, credentials: chain}}"
    )
