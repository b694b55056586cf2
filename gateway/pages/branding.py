"""Owns what an operator may change about the look of pages: name, logo, colours, footer, imprint, first language.

Refuses to own where that is written (`gateway.settings`) and the style sheet itself.

Law: a `Branding` that exists can be read: each of its two accents keeps the contrast that WCAG asks of text (4.5 to 1)
with the surface that it stands on. It is a plain value, and no text of it is ever markup.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from gateway.core.values import dataclass
from gateway.pages.assets import Asset

ACCENT: Final = "#1d5fbf"
_ACCENT_DARK: Final = "#8ab4f8"
_LIGHT_SURFACE: Final = "#f4f5f7"
"""The paler of the two light surfaces is white; this one asks for more. Both are in the style sheet."""
_DARK_SURFACE: Final = "#1e2128"
_LIGHT_INK, _DARK_INK = "#ffffff", "#10131a"
_LEAST: Final = 4.5
_COLOUR: Final = re.compile(r"#[0-9a-fA-F]{6}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Branding:
    """How pages look here. `logo` is a picture, served as an asset; `imprint` and `privacy` are addresses elsewhere.

    `accent` is the colour of links and buttons on light surfaces, `accent_dark` on dark ones, both like `#1d5fbf`.
    `language` is for visitors who ask for none that there is.

    Raises:
        ValueError: a colour is not written so, or could not be read; an address is not one of the web.
    """

    name: str = ""
    logo: Asset | None = None
    accent: str = ACCENT
    accent_dark: str = _ACCENT_DARK
    footer: str = ""
    imprint: str = ""
    privacy: str = ""
    language: str = "en"

    def __post_init__(self) -> None:
        _require_readable("accent", self.accent, _LIGHT_SURFACE)
        _require_readable("accent_dark", self.accent_dark, _DARK_SURFACE)
        for name, address in (("imprint", self.imprint), ("privacy", self.privacy)):
            if address and not address.startswith(("https://", "http://")):
                raise ValueError(f"{name} is an address that begins with https://")


def _require_readable(name: str, colour: str, surface: str) -> None:
    if _COLOUR.fullmatch(colour) is None:
        raise ValueError(f"{name} is a colour like {ACCENT}")
    found = contrast(colour, surface)
    if found < _LEAST:
        raise ValueError(f"{name} {colour} has a contrast of {found:.1f} to {surface}, and text needs {_LEAST}")


def contrast(first: str, second: str) -> float:
    """How well one colour is read on the other, from 1 to 21 (WCAG 2.2, "contrast ratio")."""
    lighter, darker = sorted((_luminance(first), _luminance(second)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def lighten_for_dark(colour: str) -> str:
    """The same hue, mixed with as little white as makes it readable on dark surfaces."""
    parts = _parts(colour)
    for share in range(0, 101, 5):
        mixed = "#" + "".join(f"{part + (255 - part) * share // 100:02x}" for part in parts)
        if contrast(mixed, _DARK_SURFACE) >= _LEAST:
            return mixed
    return _LIGHT_INK


@lru_cache(maxsize=8)
def brand_style(branding: Branding) -> str:
    """The colours as custom properties, to stand behind the style sheet."""
    light = f"--accent:{branding.accent};--on:{_ink_on(branding.accent)}"
    dark = f"--accent:{branding.accent_dark};--on:{_ink_on(branding.accent_dark)}"
    return f":root{{{light}}}@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}"


def _ink_on(colour: str) -> str:
    return max(_LIGHT_INK, _DARK_INK, key=lambda ink: contrast(ink, colour))


def _parts(colour: str) -> list[int]:
    return [int(colour[at : at + 2], 16) for at in (1, 3, 5)]


def _luminance(colour: str) -> float:
    red, green, blue = (_linear(part / 255) for part in _parts(colour))
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _linear(share: float) -> float:
    return share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
