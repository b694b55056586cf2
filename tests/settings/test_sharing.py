"""Laws of `gateway.settings.sharing`."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.core.reasons import SettingsError
from gateway.pages.branding import Branding, contrast
from gateway.settings.load import load_settings


def made(directory: Path, branding: str) -> Branding:
    (directory / "policies").mkdir(exist_ok=True)
    path = directory / "gateway.yaml"
    path.write_text(f"state: memory://\nsharing:\n  branding: {branding}\n")
    return load_settings(path, {}).sharing.branding.made()


def test_branding_is_taken_as_it_is_written(tmp_path: Path) -> None:
    """Each key arrives at the pages; a logo is read where it is named."""
    (tmp_path / "my logo.SVG").write_bytes(b"<svg/>")
    branding = made(
        tmp_path,
        '{name: Acme, logo: my logo.SVG, accent: "#7a1fa2", footer: A line, '
        "imprint: https://a.example/i, language: de}",
    )
    assert branding.logo is not None
    assert ("logo.svg", b"<svg/>", "image/svg+xml") == (
        branding.logo.name,
        branding.logo.body,
        branding.logo.content_type,
    )
    assert ("Acme", "#7a1fa2", "A line", "https://a.example/i", "de") == (
        branding.name,
        branding.accent,
        branding.footer,
        branding.imprint,
        branding.language,
    )
    assert contrast(branding.accent_dark, "#1e2128") >= 4.5


def test_nothing_has_to_be_written(tmp_path: Path) -> None:
    """The defaults are those of the pages."""
    assert Branding() == made(tmp_path, "{}")


@pytest.mark.parametrize(
    ("branding", "told"),
    [
        ('{accent: "#ffee00"}', "contrast"),
        ("{accent: blue}", "accent is a colour like #1d5fbf"),
        ("{language: xx}", "there are pages in de, en"),
        ("{logo: absent.svg}", "there is no file"),
        ("{logo: gateway.yaml}", "a logo is a file that ends with"),
        ("{logo: large.png}", "a logo may have 256 KiB"),
        ("{logo: empty.png}", "a logo may have 256 KiB"),
        ("{imprint: 'javascript:alert(1)'}", "imprint is an address"),
        ("{colour: x}", "colour"),
    ],
)
def test_what_could_not_be_shown_is_a_fault(tmp_path: Path, branding: str, told: str) -> None:
    """It is told when the file is read, with its place."""
    (tmp_path / "large.png").write_bytes(bytes(256 * 1024 + 1))
    (tmp_path / "empty.png").write_bytes(b"")
    with pytest.raises(SettingsError) as caught:
        made(tmp_path, branding)
    assert told in str(caught.value)
    assert "gateway.yaml:3" in str(caught.value)
