"""Owns sentences that people may be told in their own language: the English, the sentence's key, and what fills it.

Refuses to own other languages (`gateway.pages.languages`), and when anything is said.

Law: a `Said` is the English text, for logs, the API and the command line alike, and a text like any other to them.
Whoever shows it to a person finds it by its key, and never by its words.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Self


class Said(str):
    """A sentence. `key` names it among all that are said, `values` fill its places: with texts, numbers, sentences of
    this kind, or several of those."""

    __slots__ = ("key", "values")

    key: str
    values: Mapping[str, object]

    def __new__(cls, text: str, key: str, values: Mapping[str, object]) -> Self:
        made = super().__new__(cls, text)
        made.key, made.values = key, values
        return made

    def __getnewargs__(self) -> tuple[str, str, Mapping[str, object]]:  # type: ignore[override]
        """What a copy is made of."""
        return str(self), self.key, self.values


def phrase(key: str, english: str, /, **values: object) -> Said:
    """A sentence in English, whose places are filled as `str.format` fills them. Several sentences stand in one row."""
    filled = {name: "; ".join(map(str, value)) if isinstance(value, tuple) else value for name, value in values.items()}
    return Said(english.format(**filled), key, values)
