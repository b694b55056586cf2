"""Owns the way from policy files to entries: reading every file, checking every entry by itself, refusing twins.

Refuses to own what entries mean together (`gateway.settings.compile`).
Laws: one broken entry hides no other fault. It stays known by its name, so that what refers to it is not blamed. What
is named as a policy file and is none that can be read is a fault: left out in silence, its deny rules would be gone.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import field
from pathlib import Path
from typing import Final, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from gateway.core.names import backend_name_fault, bucket_name_fault
from gateway.core.reasons import SettingsError
from gateway.core.values import dataclass
from gateway.settings.faults import describe_errors, did_you_mean
from gateway.settings.grammar import SECTIONS, BackendEntry, BucketEntry, ExampleEntry, LimitEntry, RuleEntry
from gateway.settings.references import References
from gateway.settings.source import Document, NodePath, Plain, read_document

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
    """Every valid entry of all files, and every fault so far."""

    backends: list[Entry[BackendEntry]] = field(default_factory=list)
    buckets: list[Entry[BucketEntry]] = field(default_factory=list)
    rules: list[Entry[RuleEntry]] = field(default_factory=list)
    limits: list[Entry[LimitEntry]] = field(default_factory=list)
    examples: list[Entry[ExampleEntry]] = field(default_factory=list)
    faults: list[str] = field(default_factory=list)
    sources: tuple[Path, ...] = ()


def collect(directory: Path, references: References) -> Draft:
    """Read every `*.yaml` and `*.yml` of a directory, in large letters or small, in the order of their names.

    Hidden files are not read. Symbolic links are followed. When the directory changes while it is read (a mounted
    ConfigMap is swapped as a whole), it is read again. The names found are noted in `references`.

    Raises:
        SettingsError: there is no such directory, it holds no policy file, or it does not stop changing.
    """
    for _ in range(_ATTEMPTS):
        before = list_files(directory)
        if not before:
            raise SettingsError(f"{directory}: holds no policy file (*.yaml); without rules nothing would be allowed")
        draft = Draft(sources=tuple(path for path, *_ in before))
        documents = _read_documents(draft)
        if list_files(directory) == before:
            _check_entries(draft, documents, references, whole=len(documents) == len(draft.sources))
            return draft
    raise SettingsError(f"{directory}: kept changing while it was read")


def list_files(directory: Path) -> list[tuple[Path, Path, int, int]]:
    """What is named as a policy file in a directory, each with what tells one version of it from another.

    Raises:
        SettingsError: not a directory that can be read.
    """
    try:
        return [
            (path, *_version(path))
            for path in sorted(directory.iterdir())
            if path.suffix.lower() in {".yaml", ".yml"} and not path.name.startswith(".")
        ]
    except OSError as error:
        raise SettingsError(f"{directory}: cannot be read as a directory of policy files: {error.strerror}") from None


def _version(path: Path) -> tuple[Path, int, int]:
    try:
        facts = path.stat()
    except OSError:  # a link to nowhere, or gone since it was listed
        return path, 0, 0
    return path.resolve(), facts.st_mtime_ns, facts.st_size


def _read_documents(draft: Draft) -> list[Document]:
    found = []
    for path in draft.sources:
        try:
            if not path.is_file():
                raise SettingsError(f"{path}: is not a file: mend it, or rename it if it is no part of the policy")
            found.append(read_document(path))
        except SettingsError as error:
            draft.faults.extend(error.faults)
        except OSError as error:
            draft.faults.append(f"{path}: cannot be read: {error.strerror}")
    return found


def _check_entries(draft: Draft, documents: list[Document], references: References, *, whole: bool) -> None:
    """Note every name first, so that the order of files and entries does not matter; then check every entry."""
    found = [raw for document in documents for raw in _list_entries(document, draft)]
    names: dict[str, dict[str, str]] = {"backends": {}, "buckets": {}, "rules": {}}
    unique = [raw for raw in found if _is_new(raw, names, draft)]
    if whole:
        references.backends, references.buckets = names["backends"], names["buckets"]
    for raw in unique:
        model = SECTIONS[raw.section]
        try:
            value = model.model_validate(raw.data, context=references)
        except ValidationError as error:
            draft.faults.extend(describe_errors(error, model, raw.document, raw.path))
        else:
            getattr(draft, raw.section).append(Entry(raw.document, raw.path, raw.name, value))


@dataclass(frozen=True, slots=True)
class _RawEntry:
    """One entry as it is written; `name` is empty where entries have none, or not yet a valid one."""

    document: Document
    section: str
    path: NodePath
    name: str
    data: Plain


def _list_entries(document: Document, draft: Draft) -> Iterator[_RawEntry]:
    sections = document.data
    if sections is None:
        return
    if not isinstance(sections, dict):
        draft.faults.append(document.fault((), f"must be a mapping with the keys {', '.join(SECTIONS)}"))
        return
    for section, below in sections.items():
        if section not in SECTIONS:
            text = f"unknown key{did_you_mean(section, SECTIONS)}"
            draft.faults.append(document.fault((section,), text, key=True))
        elif section in _NAME_FAULT and isinstance(below, dict):
            yield from (_RawEntry(document, section, (section, key), key, data) for key, data in below.items())
        elif section not in _NAME_FAULT and isinstance(below, list):
            for index, data in enumerate(below):
                name = data.get("name") if section == "rules" and isinstance(data, dict) else None
                yield _RawEntry(document, section, (section, index), name if isinstance(name, str) else "", data)
        elif below is not None:
            kind = "a mapping of names and what they are" if section in _NAME_FAULT else "a list"
            draft.faults.append(document.fault((section,), f"must be {kind}"))


def _is_new(raw: _RawEntry, names: dict[str, dict[str, str]], draft: Draft) -> bool:
    if not raw.name:
        return True
    if raw.section in _NAME_FAULT and (fault := _NAME_FAULT[raw.section](raw.name)) is not None:
        draft.faults.append(raw.document.fault(raw.path, fault, key=True))
    first = names[raw.section].get(raw.name)
    if first is not None:
        text = f"the name {raw.name!r} stands twice in {raw.section} (first at {first})"
        draft.faults.append(raw.document.fault(raw.path, text, key=True))
        return False
    names[raw.section][raw.name] = raw.document.where(raw.path, key=True)
    return True
