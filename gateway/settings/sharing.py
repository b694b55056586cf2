"""Owns what `sharing` may say: how the pages look that people see at links.

Refuses to own the pages (`gateway.pages`) and what they hold.
Law: what could not be shown (a logo that is no picture, a colour without contrast, a language that there is none of) is
a fault where it is written.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import Field, PlainValidator, ValidationInfo, WithJsonSchema, model_validator

from gateway.pages.assets import PICTURES, Asset
from gateway.pages.branding import ACCENT, Branding, lighten_for_dark
from gateway.pages.languages import SOURCE, languages
from gateway.settings.entry import Section
from gateway.settings.files import require_file

_LARGEST_LOGO: Final = 256 * 1024
"""Each page loads it."""


def _read_logo(value: object, info: ValidationInfo) -> Asset:
    path = require_file(value, info)
    if path.suffix.lower() not in PICTURES:
        raise ValueError(f"a logo is a file that ends with {', '.join(sorted(PICTURES))}")
    body = path.read_bytes()
    if not 0 < len(body) <= _LARGEST_LOGO:
        raise ValueError(f"the file {path} has {len(body)} bytes, and a logo may have {_LARGEST_LOGO // 1024} KiB")
    return Asset(f"logo{path.suffix.lower()}", body)


def _check_language(value: object) -> str:
    if not isinstance(value, str) or value not in languages():
        raise ValueError(f"there are pages in {', '.join(sorted(languages()))}")
    return value


Logo = Annotated[Asset, PlainValidator(_read_logo), WithJsonSchema({"type": "string", "examples": ["logo.svg"]})]
LanguageCode = Annotated[
    str, PlainValidator(_check_language), WithJsonSchema({"type": "string", "examples": [SOURCE, "de"]})
]


class BrandingSettings(Section):
    """Whose pages these are, and how they look."""

    name: Annotated[str, Field(max_length=100)] = ""
    """Stands on each page, and in its title."""
    logo: Logo | None = None
    """A picture of at most 256 KiB, in place of the name."""
    accent: str = ACCENT
    """The colour of links and buttons, like `#1d5fbf`. Text of this colour has to be readable on white."""
    accent_dark: str | None = None
    """The same on dark pages; left out, it is made from `accent`."""
    footer: Annotated[str, Field(max_length=500)] = ""
    """A line below each page."""
    imprint: str = ""
    """The address of a page that says who is responsible."""
    privacy: str = ""
    """The address of a page about what is kept of visitors."""
    language: LanguageCode = SOURCE
    """For visitors whose browser asks for none that there is."""

    @model_validator(mode="after")
    def _require_readable(self) -> BrandingSettings:
        self.made()
        return self

    def made(self) -> Branding:
        """The same as pages take it. Raises ValueError for what could not be read."""
        return Branding(
            name=self.name,
            logo=self.logo,
            accent=self.accent,
            accent_dark=self.accent_dark or _dark_twin(self.accent),
            footer=self.footer,
            imprint=self.imprint,
            privacy=self.privacy,
            language=self.language,
        )


def _dark_twin(accent: str) -> str:
    """What no colour can be made from is told of `accent` itself."""
    if accent == ACCENT:
        return Branding().accent_dark
    try:
        return lighten_for_dark(accent)
    except ValueError:
        return Branding().accent_dark


class SharingSettings(Section):
    """How links look to those who get them."""

    branding: BrandingSettings = BrandingSettings()
