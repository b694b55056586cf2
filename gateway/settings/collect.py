"""Owns the way from policy files to entries: reading every file, checking every entry by itself, refusing twins.

Refuses to own what entries mean together (`gateway.settings.compile`).
Law: one broken entry hides no other fault. It stays known by its name, so that what refers to it is not blamed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from gateway.core.reasons import SettingsError
from gateway.settings.faults import did_you_mean, validation_faults
from gateway.settings.grammar import (
    SECTIONS,
    BackendEntry,
    BucketEntry,
    ExampleEntry,
    LimitEntry,
    RuleEntry,
    backend_name_fault,
    bucket_name_fault,
)
from gateway.settings.secret import SecretReader
from gateway.settings.source import Document, NodePath, Plain, read_document

__all__ = ["Draft", "Entry", "collect"]

Model = TypeVar("Model", bound=BaseModel)
_ATTEMPTS: Final = 5
_NAME_FAULT: Final = {"backends": backend_name_fault, "buckets": bucket_name_fault}


@dataclass(frozen=True, slots=True)
class Entry(Generic[Model]):
    """One valid entry and where it stands."""

    document: Document
    path: NodePath
    name: str
    value: Model

    @property
    def where(self) -> str:
        return self.document.where(self.path)

    def fault(self, text: str, *below: str | int) -> str:
        return self.document.fault(self.document.known((*self.path, *below)), text)


@dataclass(slots=True)
class Draft:
    """Everything that the files say, and every fault so far.

    `names` holds every backend and bucket that is mentioned, valid or not, with its place; `readable` is false when
    some file could not be read at all, so that names in it may be missing.
    """

    backends: list[Entry[BackendEntry]] = field(default_factory=list)
    buckets: list[Entry[BucketEntry]] = field(default_factory=list)
    rules: list[Entry[RuleEntry]] = field(default_factory=list)
    limits: list[Entry[LimitEntry]] = field(default_factory=list)
    examples: list[Entry[ExampleEntry]] = field(default_factory=list)
    names: dict[str, dict[str, str]] = field(default_factory=lambda: {"backends": {}, "buckets": {}, "rules": {}})
    faults: list[str] = field(default_factory=list)
    readable: bool = True
    sources: tuple[Path, ...] = ()


def collect(directory: Path, reader: SecretReader) -> Draft:
    """Read every `*.yaml` and `*.yml` of a directory, in the order of their names; hidden files are not read.

    Symbolic links are followed. When the directory changes while it is read (a mounted ConfigMap is swapped as a
    whole), it is read again.

    Raises:
        SettingsError: there is no such directory, it holds no policy file, or it does not stop changing.
    """
    for _ in range(_ATTEMPTS):
        before = _listing(directory)
        if not before:
            raise SettingsError(f"{directory}: holds no policy file (*.yaml); without rules nothing would be allowed")
        draft = Draft(sources=tuple(path for path, *_ in before))
        for path in draft.sources:
            _read(path, draft, reader)
        if _listing(directory) == before:
            return draft
    raise SettingsError(f"{directory}: kept changing while it was read")


def _listing(directory: Path) -> list[tuple[Path, Path, int, int]]:
    """The policy files with what tells one version of them from another."""
    found = []
    try:
        for path in sorted(directory.iterdir()):
            if path.suffix in {".yaml", ".yml"} and not path.name.startswith(".") and path.is_file():
                facts = path.stat()
                found.append((path, path.resolve(), facts.st_mtime_ns, facts.st_size))
    except OSError as error:
        raise SettingsError(f"{directory}: cannot be read as a directory of policy files: {error.strerror}") from None
    return found


def _read(path: Path, draft: Draft, reader: SecretReader) -> None:
    try:
        document = read_document(path)
    except SettingsError as error:
        draft.faults.extend(error.faults)
        draft.readable = False
        return
    if document.data is None:
        return
    if not isinstance(document.data, dict):
        draft.faults.append(document.fault((), f"must be a mapping with the keys {', '.join(SECTIONS)}"))
        draft.readable = False
        return
    for section, below in document.data.items():
        if section not in SECTIONS:
            text = f"unknown key{did_you_mean(section, SECTIONS)}"
            draft.faults.append(document.fault((section,), text, key=True))
            draft.readable = False
            continue
        for where, name, data in _entries(document, section, below, draft):
            entry = _entry(document, where, name, data, SECTIONS[section], draft, reader)
            if entry is not None:
                getattr(draft, section).append(entry)


def _entries(document: Document, section: str, below: Plain, draft: Draft) -> Iterator[tuple[NodePath, str, Plain]]:
    if below is None:
        return
    if section in _NAME_FAULT:
        if not isinstance(below, dict):
            draft.faults.append(document.fault((section,), "must be a mapping of names and what they are"))
            draft.readable = False
            return
        for name, data in below.items():
            if (fault := _NAME_FAULT[section](name)) is not None:
                draft.faults.append(document.fault((section, name), fault, key=True))
            if _is_new(document, (section, name), name, draft):
                yield (section, name), name, data
    elif isinstance(below, list):
        for index, data in enumerate(below):
            name = data.get("name") if section == "rules" and isinstance(data, dict) else None
            if not isinstance(name, str) or _is_new(document, (section, index), name, draft):
                yield (section, index), name if isinstance(name, str) else "", data
    else:
        draft.faults.append(document.fault((section,), "must be a list"))


def _is_new(document: Document, path: NodePath, name: str, draft: Draft) -> bool:
    section = str(path[0])
    first = draft.names[section].get(name)
    if first is not None:
        text = f"the name {name!r} stands twice in {section} (first at {first})"
        draft.faults.append(document.fault(path, text, key=True))
        return False
    draft.names[section][name] = document.where(path, key=True)
    return True


def _entry(
    document: Document,
    path: NodePath,
    name: str,
    data: Plain,
    model: type[BaseModel],
    draft: Draft,
    reader: SecretReader,
) -> Entry[Any] | None:
    try:
        value = model.model_validate(data, context=reader)
    except ValidationError as error:
        draft.faults.extend(validation_faults(error, model, document, path))
        return None
    return Entry(document, path, name, value)
