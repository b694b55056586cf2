"""Owns the languages of pages: one file each in `texts/` (and in each folder there), and which one a visitor gets.

Refuses to own where the texts stand (templates), and the English words of refusals (`gateway.core.reasons`), which it
reads from there.

Law: English is the source. Any other language is one file that has each of its texts and no other, with the same
places to fill; what a file lacks all the same is shown in English and is never an error for a visitor. Sentences that
others say (`gateway.core.said`) are in English where they are said; other languages have them below `said`.
`Accept-Language` is read up to a fixed length, in one pass (RFC 9110, 12.5.4).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Any, Final

from gateway.core.reasons import TABLE
from gateway.core.said import Said
from gateway.core.values import dataclass

SOURCE: Final = "en"
_TEXTS: Final = Path(__file__).parent / "texts"
_MOST_RANGES: Final = 32
_LONGEST: Final = 1024
_RANGE: Final = re.compile(
    r"[ \t]*([A-Za-z]{1,8}(?:-[A-Za-z0-9]{1,8}){0,4}|\*)[ \t]*(?:;[ \t]*[qQ]=(0(?:\.\d{0,3})?|1(?:\.0{0,3})?))?[ \t]*"
)
_UNITS: Final = ("KiB", "MiB", "GiB", "TiB", "PiB")


@dataclass(frozen=True, slots=True, eq=False)
class Language:
    """A language that pages are written in. `code` and `direction` are what HTML's `lang` and `dir` say."""

    code: str
    direction: str
    texts: Mapping[str, str]

    def text(self, key: str, /, **values: object) -> str:
        """One text, its places filled. Raises KeyError for a key that the source does not have."""
        found = self.texts.get(key)
        if found is None:
            found = languages()[SOURCE].texts[key]
        return found.format(**values) if values else found

    def tell(self, sentence: str) -> str:
        """A sentence that has a key in this language; any other text as it is."""
        if not isinstance(sentence, Said) or (found := self.texts.get(f"said.{sentence.key}")) is None:
            return sentence
        return found.format(**{name: self._fill(value) for name, value in sentence.values.items()})

    def _fill(self, value: object) -> object:
        if isinstance(value, tuple):
            return "; ".join(str(self._fill(one)) for one in value)
        if isinstance(value, StrEnum):
            return self.texts.get(f"said.word.{value}", value)
        return self.tell(value) if isinstance(value, str) else value

    def has(self, key: str) -> bool:
        """Whether there is such a text in the source."""
        return key in languages()[SOURCE].texts

    def size(self, size: int) -> str:
        """Bytes for people, in powers of 1024: `0 bytes`, `1.5 KiB`, `12 GiB`."""
        if size < 1024:
            return self._isolate(self.text("units.byte" if size == 1 else "units.bytes", count=size))
        power = min((size.bit_length() - 1) // 10, len(_UNITS))
        amount = size / 1024**power
        shown = f"{amount:.1f}".replace(".", self.text("units.decimal")) if amount < 10 else f"{amount:.0f}"
        return self._isolate(f"{shown} {_UNITS[power - 1]}")

    def _isolate(self, amount: str) -> str:
        """Where one reads from the right, the unit stood before its number else."""
        return f"\u2068{amount}\u2069" if self.direction == "rtl" else amount


@cache
def languages() -> Mapping[str, Language]:
    """All there are, by their codes, read from their files once."""
    return {path.stem: _read(path) for path in sorted(_TEXTS.glob("*.toml"))}


def _read(path: Path) -> Language:
    import tomllib  # noqa: PLC0415 (for the first page)

    document = tomllib.loads(path.read_text(encoding="utf-8"))
    direction = document.pop("direction")
    texts = dict(_flat(document))
    for more in sorted(_TEXTS.glob(f"*/{path.name}")):
        texts |= _flat(tomllib.loads(more.read_text(encoding="utf-8")))
    if path.stem == SOURCE:
        texts |= {f"reasons.{reason.value}": answer.text for reason, answer in TABLE.items()}
    return Language(path.stem, direction, texts)


def _flat(table: Mapping[str, Any], above: str = "") -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    for key, value in table.items():
        found += _flat(value, f"{above}{key}.") if isinstance(value, dict) else [(above + key, value)]
    return found


def choose_language(accept_language: str | None, otherwise: str = SOURCE) -> Language:
    """The language that a visitor likes best of those there are, else `otherwise`, else the source."""
    offered = languages()
    for wanted in _wanted(accept_language or ""):
        if wanted == "*":
            break
        found = _match(wanted, offered)
        if found is not None:
            return found
    return offered.get(otherwise) or offered[SOURCE]


def _wanted(header: str) -> list[str]:
    """The language ranges, best first. What does not read, or weighs nothing, is left out."""
    weighed = []
    for part in header[:_LONGEST].split(",", _MOST_RANGES)[:_MOST_RANGES]:
        found = _RANGE.fullmatch(part)
        if found is not None and float(found[2] or 1) > 0:
            weighed.append((float(found[2] or 1), found[1].lower()))
    return [name for _, name in sorted(weighed, key=lambda one: -one[0])]


def _match(wanted: str, offered: Mapping[str, Language]) -> Language | None:
    """`de-AT` is served by `de` (RFC 4647, lookup), and `zh` by `zh-Hant` if that is all there is."""
    names = {code.lower(): language for code, language in offered.items()}
    shorter = wanted
    while shorter:
        if shorter in names:
            return names[shorter]
        shorter = shorter.rpartition("-")[0]
    return next((language for name, language in names.items() if name.startswith(wanted + "-")), None)
