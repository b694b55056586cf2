"""What a kubelet changes under a running gateway is in force within two seconds, or changes nothing and says so."""

from __future__ import annotations

import secrets
import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.ops.corruption import corrupt
from tests.ops.mounted import Mounted, certificate, mounted_gateway, within

_PROMISED = 2.0
"""Seconds."""

_DENY = "\n  - {name: nobody reads, effect: deny, who: '*', may: [read], on: files/secret/**}\n"


@pytest.fixture(scope="module")
def mounted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mounted]:
    with mounted_gateway(tmp_path_factory.mktemp("mounted")) as running:
        yield running


@pytest.fixture
def link(mounted: Mounted) -> str:
    """The path of a link that works."""
    path = urlsplit(mounted.gateway.link("files", key="secret/a.txt").url).path
    assert 200 == mounted.get(path)
    return path


def test_a_swapped_policy_is_in_force(mounted: Mounted, link: str) -> None:
    """A rule that denies ends what it denies, and taking it back lets it through again."""
    before = mounted.policies.files["ops.yaml"]
    mounted.policies.swap({"ops.yaml": before.rstrip() + _DENY})
    within(_PROMISED, lambda: mounted.get(link) != 200)
    mounted.policies.swap({"ops.yaml": before})
    within(_PROMISED, lambda: mounted.get(link) == 200)


def test_a_new_policy_file_is_in_force(mounted: Mounted, link: str) -> None:
    """A file that appears on the volume counts, and so does its disappearance."""
    before = dict(mounted.policies.files)
    mounted.policies.swap({**before, "deny.yaml": f"rules:{_DENY}"})
    within(_PROMISED, lambda: mounted.get(link) != 200)
    mounted.policies.swap(before)
    within(_PROMISED, lambda: mounted.get(link) == 200)


def test_swapped_settings_are_in_force(mounted: Mounted, link: str) -> None:
    """At the level debug the log says more, at once."""
    before = mounted.settings.files["gateway.yaml"]
    taken = mounted.reloads("ok")
    mounted.settings.swap({"gateway.yaml": f"{before}\nlog: {{level: error}}\n"})
    within(_PROMISED, lambda: mounted.reloads("ok") == taken + 1)
    lines = mounted.gateway.log().count('"event":"request"')
    assert 200 == mounted.get(link)
    assert lines == mounted.gateway.log().count('"event":"request"')
    mounted.settings.swap({"gateway.yaml": before})
    within(_PROMISED, lambda: mounted.reloads("ok") == taken + 2)


def test_a_rotated_credential_is_used(mounted: Mounted, link: str) -> None:
    """The store is asked with the new key."""

    def asked_with_the_new_key() -> bool:
        return mounted.get(link) == 200 and mounted.keys_seen[-1] == "SECONDKEY"

    mounted.store.swap({"access_key": "SECONDKEY", "secret_key": "the second secret of the store"})
    within(_PROMISED, asked_with_the_new_key)


def test_a_renewed_certificate_is_served(mounted: Mounted) -> None:
    """New handshakes get the new certificate, and its end is on the page of metrics."""
    cert, key = certificate(days=90)
    mounted.tls.swap({"tls.crt": cert, "tls.key": key})
    within(_PROMISED, lambda: mounted.served_certificate() == ssl.PEM_cert_to_DER_cert(cert))
    expiry = "gateway_tls_certificate_expiry_timestamp_seconds"
    until = mounted.gateway.metric(expiry) - mounted.gateway.metric(
        "gateway_config_last_reload_success_timestamp_seconds"
    )
    assert 90 == pytest.approx(until / 86400, abs=0.01)


def test_a_rotated_admin_token_is_the_one(mounted: Mounted) -> None:
    """The new token opens the control API, the old one no longer does."""
    old, new = mounted.gateway, replace(mounted.gateway, admin_token=secrets.token_urlsafe(24))
    taken = mounted.reloads("ok")
    mounted.admin.swap({"token": new.admin_token})
    within(_PROMISED, lambda: mounted.reloads("ok") == taken + 1)
    new.api("GET", "/v1/backends", expect=200)
    old.api("GET", "/v1/backends", expect=401)
    mounted.gateway = new


@pytest.mark.parametrize(
    "harm",
    [
        lambda mounted: mounted.settings.swap({"gateway.yaml": "data: [1"}),
        lambda mounted: mounted.policies.swap({"ops.yaml": mounted.policies.files["ops.yaml"] + "\nrule: []\n"}),
        lambda mounted: mounted.policies.swap({}),
        lambda mounted: mounted.store.swap({"access_key": "", "secret_key": "x"}),
        lambda mounted: mounted.admin.swap({}),
        lambda mounted: mounted.tls.swap({"tls.crt": mounted.tls.files["tls.crt"], "tls.key": certificate()[1]}),
        lambda mounted: mounted.tls.swap({"tls.crt": "not a certificate", "tls.key": "not a key"}),
    ],
    ids=["settings", "policy", "no policy", "credential", "no token", "another key", "no certificate"],
)
def test_what_is_wrong_changes_nothing(mounted: Mounted, link: str, harm: Callable[[Mounted], None]) -> None:
    """Every request is answered as before; the metric says that a reload was refused, the log says why."""
    volumes = (mounted.settings, mounted.policies, mounted.store, mounted.admin, mounted.tls)
    before = [dict(volume.files) for volume in volumes]
    refused, served = mounted.reloads("failed"), mounted.served_certificate()
    harm(mounted)
    within(_PROMISED, lambda: mounted.reloads("failed") > refused)
    assert 0 == mounted.gateway.metric("gateway_config_last_reload_successful")
    assert (200, served) == (mounted.get(link), mounted.served_certificate())
    assert "reload refused" in mounted.gateway.log()
    for volume, files in zip(volumes, before, strict=True):
        if volume.files != files:
            volume.swap(files)
    within(_PROMISED, lambda: mounted.gateway.metric("gateway_config_last_reload_successful") == 1)


def test_corrupted_files_change_nothing(mounted: Mounted, tmp_path: Path) -> None:
    """A small run of `python -m tests.ops.corruption`: no answer differs."""
    report = corrupt(mounted, 25)
    assert (25, []) == (report.refused, report.differences)
