"""Owns how a YAML text becomes plain data that remembers where each value stands.

Refuses to own what the values mean (`gateway.settings.model`, `gateway.settings.grammar`).
Law: what is read is what is written. A key stands once, nothing is shared by alias or typed by tag, and only
`true`, `false`, `null`, `~` and plain decimal numbers are anything but text: `no`, `on`, `010`, `12:30:45` and dates
stay the texts they are (YAML 1.2 core schema, minus octal, hexadecimal, infinity and leading zeros).
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import field
from pathlib import Path
from typing import Final

import yaml
from yaml.parser import Parser
from yaml.reader import Reader, ReaderError
from yaml.scanner import Scanner

from gateway.core.reasons import SettingsError
from gateway.core.values import dataclass
from gateway.regular_file import open_regular

Plain = None | bool | int | float | str | list["Plain"] | dict[str, "Plain"]
NodePath = tuple[str | int, ...]

MAX_BYTES: Final = 1024 * 1024
"""No file that people review is larger, and a parser in front of one that is could be kept busy."""

_MAX_DEPTH: Final = 32
_INT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]{0,17})", re.ASCII)
_FLOAT: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]+(?:[eE][-+]?[0-9]{1,3})?|[eE][-+]?[0-9]{1,3})", re.ASCII)
_WORDS: Final[dict[str, bool | None]] = {
    "true": True, "True": True, "TRUE": True,
    "false": False, "False": False, "FALSE": False,
    "null": None, "Null": None, "NULL": None, "~": None, "": None,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Place:
    """Where a value stands: lines and columns from 1. `key` is where its key stands, if it has one.

    `style` is the YAML quoting of a scalar (`'`, `"`, `|`, `>`, None for plain). `variable` is set when the value came
    from the environment instead of the file.
    """

    value: tuple[int, int]
    key: tuple[int, int] | None = None
    style: str | None = None
    variable: str | None = None


@dataclass(slots=True)
class Document:
    """One parsed file: plain `data`, and the place of every value in it by path."""

    name: str
    text: str = field(repr=False)
    data: Plain = field(repr=False)
    places: dict[NodePath, Place] = field(repr=False)

    def known(self, path: NodePath) -> NodePath:
        """The longest leading part of a path that the file really has."""
        while path and path not in self.places:
            path = path[:-1]
        return path

    def written(self, path: NodePath) -> NodePath:
        """The path without the numbers of entries where the file has one entry in place of a list."""
        found: NodePath = ()
        for part in path:
            if not isinstance(part, int) or (*found, part) in self.places or found not in self.places:
                found = (*found, part)
        return found

    def where(self, path: NodePath, *, key: bool = False) -> str:
        """`file:line:column` of the value (or of its key), or of the nearest thing around it; or a variable's name."""
        place = self.places.get(self.known(path))
        if place is None:
            return f"{self.name}:1:1"
        if place.variable is not None:
            return place.variable
        line, column = place.key if key and place.key is not None else place.value
        return f"{self.name}:{line}:{column}"

    def fault(self, path: NodePath, text: str, *, key: bool = False) -> str:
        """A complete sentence: place, path, what is wrong."""
        shown = format_path(path)
        return f"{self.where(path, key=key)}: {shown}: {text}" if shown else f"{self.where(path, key=key)}: {text}"

    def where_inside(self, path: NodePath, line: int, column: int) -> str:
        """The place of a character inside a text value; `line` and `column` count from 1 within the text.

        Exact where the file holds the text as it is (plain and quoted on one line, `|` blocks), else the text's start.
        """
        place = self.places.get(path)
        if place is None or place.variable is not None:
            return self.where(path)
        lines = self.text.splitlines()
        first, start = place.value
        if place.style == "|":
            row = first + line
            content = lines[first:row] if row <= len(lines) else []
            indent = min((len(text) - len(text.lstrip(" ")) for text in content if text.strip()), default=0)
            return f"{self.name}:{row}:{indent + column}" if content else self.where(path)
        if line == 1 and place.style != ">":
            offset = start - 1 + (place.style is not None)
            value = self._text_at(path)
            if lines[first - 1][offset : offset + column - 1] == value[: column - 1] and "\n" not in value:
                return f"{self.name}:{first}:{offset + column}"
        return self.where(path)

    def override(self, path: NodePath, value: Plain, variable: str) -> None:
        """Note that everything at and below a path now comes from the environment."""
        for stale in [known for known in self.places if known[: len(path)] == path]:
            del self.places[stale]
        for below, _ in _paths(value):
            self.places[path + below] = Place((1, 1), variable=variable)

    def _text_at(self, path: NodePath) -> str:
        node = self.data
        for part in path:
            node = child(node, part)
        return node if isinstance(node, str) else ""


def child(node: Plain, part: str | int) -> Plain:
    """One step down; None where there is nothing."""
    if isinstance(node, dict) and isinstance(part, str):
        return node.get(part)
    return node[part] if isinstance(node, list) and isinstance(part, int) and part < len(node) else None


def format_path(path: NodePath) -> str:
    """`rules[2].on`, for people."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def resolve_plain(text: str) -> bool | int | float | str | None:
    """What an unquoted scalar is."""
    if text in _WORDS:
        return _WORDS[text]
    if _INT.fullmatch(text):
        return int(text)
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return text


def read_document(path: Path) -> Document:
    """Read and parse one file.

    Raises:
        SettingsError: unreadable, not UTF-8, too large, not YAML, or YAML with what this module's law refuses;
            with every such fault up to the first syntax error.
    """
    try:
        with open_regular(path) as file:
            raw = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a path"
        raise SettingsError(f"{path}: cannot be read: {reason}") from None
    if len(raw) > MAX_BYTES:
        raise SettingsError(f"{path}: is larger than {MAX_BYTES} bytes")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = raw.count(b"\n", 0, error.start) + 1
        column = error.start - (raw.rfind(b"\n", 0, error.start) + 1) + 1
        raise SettingsError(f"{path}:{line}:{column}: is not UTF-8 text") from None
    return parse_document(text, str(path))


def _explain(error: yaml.MarkedYAMLError) -> str:
    """What the parser says; where it took a pattern's star for the beginning of an alias, what to write instead."""
    if error.context == "while scanning an alias":
        return 'a text that begins with a star has to be quoted, like "**"'
    return error.problem or error.context or "syntax error"


def parse_document(text: str, name: str) -> Document:
    """The same for a text in hand. Raises SettingsError as `read_document` does."""
    reading = _Reading(name)
    try:
        data = reading.document(text)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{name}:{mark.line + 1}:{mark.column + 1}" if mark else f"{name}:1:1"
        reading.faults.append(f"{where}: is not YAML: {_explain(error)}")
    except ReaderError as error:
        before = text[: error.position]
        line, column = before.count("\n") + 1, len(before) - (before.rfind("\n") + 1) + 1
        reading.faults.append(f"{name}:{line}:{column}: holds a character that YAML does not allow")
    except (ValueError, OverflowError):
        reading.faults.append(f"{name}:{reading.line}:1: holds an escape that is not a character")
    else:
        if not reading.faults:
            return Document(name, text, data, reading.places)
    raise SettingsError(*reading.faults)


class _Events(Reader, Scanner, Parser):
    """PyYAML's scanner and parser, without its composer, resolver and constructor."""

    def __init__(self, text: str) -> None:
        Reader.__init__(self, text)
        Scanner.__init__(self)
        Parser.__init__(self)

    def ahead(self) -> yaml.Event:
        event: yaml.Event = self.peek_event()  # type: ignore[no-untyped-call]
        return event

    def take(self) -> yaml.Event:
        event: yaml.Event = self.get_event()  # type: ignore[no-untyped-call]
        return event


class _Reading:
    """One pass over the events of one text; collects data, places and faults."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.places: dict[NodePath, Place] = {}
        self.faults: list[str] = []
        self.line = 1

    def document(self, text: str) -> Plain:
        self._events = _Events(text)
        self._next()
        if isinstance(self._events.ahead(), yaml.StreamEndEvent):
            self.places[()] = Place((1, 1))
            return None
        self._next()
        data = self._node(())
        self._next()
        if not isinstance(after := self._next(), yaml.StreamEndEvent):
            self._fault(after, "a second document starts here; one file holds one document")
        return data

    def _next(self) -> yaml.Event:
        event = self._events.take()
        self.line = _mark(event)[0]
        return event

    def _fault(self, event: yaml.Event, text: str) -> None:
        line, column = _mark(event)
        self.faults.append(f"{self.name}:{line}:{column}: {text}")

    def _node(self, path: NodePath, key: tuple[int, int] | None = None) -> Plain:
        event = self._next()
        if len(path) > _MAX_DEPTH:
            self._fault(event, f"is nested deeper than {_MAX_DEPTH} levels")
            raise SettingsError(*self.faults)
        self.places[path] = Place(_mark(event), key, getattr(event, "style", None))
        if isinstance(event, yaml.AliasEvent):
            self._fault(event, "aliases are not allowed: write the value out, or quote a text that begins with a star")
            return None
        if getattr(event, "anchor", None) is not None:
            self._fault(event, "anchors are not allowed: write the value out where it is needed")
        if getattr(event, "tag", None) is not None:
            self._fault(event, "tags are not allowed: values are texts, numbers, true, false, lists and mappings")
        if isinstance(event, yaml.SequenceStartEvent):
            return self._sequence(path)
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(path)
        return self._scalar(event) if isinstance(event, yaml.ScalarEvent) else None

    def _scalar(self, event: yaml.ScalarEvent) -> bool | int | float | str | None:
        text = event.value
        if any(character < " " and character not in "\n\t" for character in text) or not _encodable(text):
            self._fault(event, "holds a control character or half a surrogate pair")
            return ""
        return resolve_plain(text) if event.style is None else text

    def _sequence(self, path: NodePath) -> Plain:
        found: list[Plain] = []
        while not isinstance(self._events.ahead(), yaml.SequenceEndEvent):
            found.append(self._node((*path, len(found))))
        self._next()
        return found

    def _mapping(self, path: NodePath) -> Plain:
        found: dict[str, Plain] = {}
        while not isinstance(event := self._events.ahead(), yaml.MappingEndEvent):
            where = _mark(event)
            if not isinstance(event, yaml.ScalarEvent) or (event.style is None and event.value == ""):
                self._fault(event, "a key must be a text")
                self._node((*path, "?"))
                self._node((*path, "?"), where)
                continue
            self._node((*path, "?"))
            key = event.value
            if key in found:
                first = self.places[(*path, key)].key or where
                self._fault(event, f"the key {key!r} stands twice (first on line {first[0]})")
                self._node((*path, "?"), where)
                continue
            found[key] = None
            found[key] = self._node((*path, key), where)
        self._next()
        self.places.pop((*path, "?"), None)
        return found


def _mark(event: yaml.Event) -> tuple[int, int]:
    mark = event.start_mark
    return (1, 1) if mark is None else (mark.line + 1, mark.column + 1)


def _encodable(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _paths(value: Plain, path: NodePath = ()) -> Iterator[tuple[NodePath, Plain]]:
    yield path, value
    if isinstance(value, dict):
        for key, below in value.items():
            yield from _paths(below, (*path, key))
    elif isinstance(value, list):
        for index, below in enumerate(value):
            yield from _paths(below, (*path, index))
