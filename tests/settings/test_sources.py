"""What short-lived keys may come from, by the settings in force."""

from __future__ import annotations

from gateway.core.attempt import Principal
from gateway.core.grant import Grant, GrantKind
from gateway.core.source import Source, from_entry, from_identity, from_sidecar
from gateway.core.token import hash_secret
from gateway.settings.load import load_settings
from gateway.settings.sources import compile_sources
from tests.settings.conftest import MINIMAL, Folder

HERE = "https://here.example"
ENTRY, SIDECAR = "e" * 40, "s" * 40
CONTROL = f"""
data: {{public_url: "{HERE}"}}
control:
  credentials: [{{app: "app:billing", token: env:ENTRY}}]
  sidecars: [{{name: one, secret: env:SIDECAR, apps: ["app:etl"]}}]
"""
IDENTITY = """  identity:
    {issuer: "https://issuer.example", jwks: "https://issuer.example/jwks", audience: gateway,
     roles: {web: {app: "app:web", subjects: "sa:web"}}}
"""


def _key(app: str, source: Source) -> Grant:
    return Grant(
        id="k_1",
        kind=GrantKind.KEY,
        hash=hash_secret("a key"),
        owner=Principal("app", app),
        issued_at=0.0,
        source=source,
    )


def _outlived(folder: Folder, text: str, app: str, source: Source) -> bool:
    folder.settings_file.write_text(MINIMAL + text)
    settings = load_settings(folder.settings_file, {"ENTRY": ENTRY, "SIDECAR": SIDECAR})
    return compile_sources(settings).outlived(_key(app, source))


def test_a_key_stands_while_what_it_came_from_is_written(folder: Folder) -> None:
    """An app's own entry, a sidecar that names the app, a role of a believed issuer."""
    identity = from_identity(HERE, "https://issuer.example", "gateway", "web", "sa:web")
    assert not _outlived(folder, CONTROL, "billing", from_entry(HERE, hash_secret(ENTRY)))
    assert not _outlived(folder, CONTROL, "etl", from_sidecar(HERE, "one", hash_secret(SIDECAR)))
    assert not _outlived(folder, CONTROL + IDENTITY, "web", identity)


def test_a_key_ends_with_what_it_came_from(folder: Folder) -> None:
    """A rotated token, an app that a sidecar no longer has, an issuer that is not believed any more."""
    identity = from_identity(HERE, "https://issuer.example", "gateway", "web", "sa:web")
    assert _outlived(folder, CONTROL, "billing", from_entry(HERE, hash_secret("another")))
    assert _outlived(folder, CONTROL, "billing", from_sidecar(HERE, "one", hash_secret(SIDECAR)))
    assert _outlived(folder, CONTROL, "web", identity)
