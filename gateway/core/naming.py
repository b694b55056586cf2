"""Owns what an upload is called: a template for names, and the next name when one is taken.

Refuses to own whether a name is taken (`gateway.data.uploads.free_names`) and which names are keys at all
(`gateway.core.pattern`).

Law: what a template makes stays below where it is put. Placeholders are known ones only, what comes from outside fills
one step and never makes one, and a step that would be empty or a dot segment cannot be made.
"""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from itertools import count
from typing import Final, Self

from gateway.core.pattern import RESERVED
from gateway.core.said import phrase
from gateway.core.units import format_instant
from gateway.core.values import dataclass

PLACEHOLDERS: Final = ("date", "ext", "folder", "name", "stem", "time", "uuid")
"""`folder` is where a file lay in a folder that was sent whole, and stands at the beginning of a step alone."""

_LONGEST: Final = 200
_EXTENSION: Final = re.compile(r"(?:\.tar)?\.[A-Za-z0-9]{1,10}", re.ASCII)
_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f\\]")


def split_extension(name: str) -> tuple[str, str]:
    """`a.tar.gz` as `a` and `.tar.gz`; a name that is all extension, as `.profile`, has none."""
    dot = len(name) - len(name.lstrip("."))
    for start in (name.rfind(".tar.", dot), name.rfind(".")):
        if start > dot and _EXTENSION.fullmatch(name[start:]):
            return name[:start], name[start:]
    return name, ""


def numbered_stem(name: str) -> str:
    """With what every numbered form of the name begins."""
    return f"{split_extension(name)[0]} ("


def next_names(name: str) -> Iterator[str]:
    """`name.ext`, then `name (1).ext`, and so on without end."""
    stem, extension = split_extension(name)
    yield name
    for number in count(1):
        yield f"{stem} ({number}){extension}"


@dataclass(frozen=True, slots=True)
class NameTemplate:
    """Such as `{date}/{uuid}-{name}`."""

    text: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Raises ValueError with a sentence for a template that would not always make a name."""
        if not 1 <= len(text) <= _LONGEST:
            raise ValueError(
                phrase("names_long", "a template for names has 1 to {longest} characters", longest=_LONGEST)
            )
        try:
            parts = list(string.Formatter().parse(text))
        except ValueError:
            raise ValueError(phrase("names_brace", "a brace of the template is not closed, or not opened")) from None
        fields = [field for _, field, _, _ in parts if field is not None]
        if unknown := sorted({field for field in fields if field not in PLACEHOLDERS}):
            raise ValueError(
                phrase(
                    "names_unknown",
                    "the template knows no {{{unknown}}}: there are {names}",
                    unknown=unknown[0],
                    names=", ".join(PLACEHOLDERS),
                )
            )
        if any(form or conversion for _, _, form, conversion in parts):
            raise ValueError(phrase("names_alone", "a placeholder stands alone in its braces"))
        if not {"name", "stem", "uuid"} & set(fields):
            raise ValueError(
                phrase(
                    "names_same",
                    "a template has {{name}}, {{stem}} or {{uuid}} in it: else all uploads would have one name",
                )
            )
        literal = "".join(part for part, _, _, _ in parts)
        if _UNSAFE.search(literal) or not literal.isprintable():
            raise ValueError(phrase("names_characters", "the template has characters that names here do not have"))
        _check_steps(text)
        return cls(text)

    def render(self, path: str, now: float, uuid: str) -> str:
        """The name for a file that was sent as `path`, at `now` (seconds since the epoch)."""
        folder, slash, name = path.rpartition("/")
        stem, extension = split_extension(name)
        date, _, time = format_instant(now).removesuffix("Z").partition("T")
        return self.text.format(
            date=date,
            ext=extension,
            folder=folder + slash,
            name=name,
            stem=stem,
            time=time.replace(":", ""),
            uuid=uuid,
        )


def _check_steps(text: str) -> None:
    for step in text.split("/"):
        rest = step.removeprefix("{folder}")
        if "{folder}" in rest:
            raise ValueError(
                phrase("names_folder", "{{folder}} stands at the beginning of a step, as it ends with a slash")
            )
        if not rest.replace("{ext}", "").strip(".") or rest == RESERVED:
            raise ValueError(
                phrase("names_step", "each step of the template is a name, whatever fills it, and no dot segment")
            )
