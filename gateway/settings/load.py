"""Owns the way from `gateway.yaml` and the environment to one `Settings`, or to every fault at once.

Refuses to own reloading (`gateway.settings.watch`) and policy files (`gateway.settings.policies`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from gateway.core.reasons import SettingsError
from gateway.schema.addresses import ListenAddress
from gateway.settings.entry import Section
from gateway.settings.faults import describe_errors, sort_faults
from gateway.settings.model import ControlSettings, DataSettings, Settings
from gateway.settings.overrides import apply_overrides
from gateway.settings.secret import SecretReader
from gateway.settings.source import Document, NodePath, Plain, child, read_document

_LISTENERS: Final[Mapping[str, type[Section]]] = {"data": DataSettings, "control": ControlSettings}


def load_settings(path: Path, environ: Mapping[str, str]) -> Settings:
    """The settings of a file with the overrides of an environment.

    Raises:
        SettingsError: with every fault; a missing file names `gateway demo`.
    """
    return read_settings(path, SecretReader(environ, path.absolute().parent))


def read_settings(path: Path, reader: SecretReader) -> Settings:
    """The same; every file that was named, readable or not, is noted in `reader` even when this raises."""
    if _is_missing(path):
        raise SettingsError(
            f"{path}: there is no such file; write one (`gateway check --schema` describes it), "
            "name another with --config, or run `gateway demo`, which needs none"
        )
    document = read_document(path)
    faults = apply_overrides(document, reader.environ, Settings.model_fields)
    settings = None
    try:
        settings = Settings.model_validate({} if document.data is None else document.data, context=reader)
    except ValidationError as error:
        faults.extend(describe_errors(error, Settings, document))
    faults.extend(_find_clashes(document))
    if settings is None or faults:
        raise SettingsError(*sort_faults(faults))
    return settings


def _is_missing(path: Path) -> bool:
    try:
        return not path.exists()
    except (OSError, ValueError):  # whoever opens it is told why
        return False


def find_policies(path: Path, environ: Mapping[str, str]) -> Path | None:
    """Where the policies are, even if the settings have faults elsewhere; None if that cannot be told."""
    try:
        document = read_document(path)
    except SettingsError:
        return None
    apply_overrides(document, environ, Settings.model_fields)
    written = child(document.data, "policies") or "policies/"
    return path.absolute().parent / written if isinstance(written, str) else None


def _find_clashes(document: Document) -> Iterator[str]:
    """Faults between keys that are each right by themselves, found even while others are wrong."""
    taken: dict[ListenAddress, str] = {
        model.model_fields["listen"].default: f"{section}.listen, which is left out"
        for section, model in _LISTENERS.items()
        if child(child(document.data, section), "listen") is None
    }
    for path, text in _list_addresses(document.data):
        try:
            address = ListenAddress.parse(text)
        except ValueError:
            continue
        if address in taken and (address.path or address.port):
            yield document.fault(path, f"the address {address} is already taken by {taken[address]}")
        taken.setdefault(address, ".".join(map(str, path)))
    names: set[str] = set()
    for index, name in enumerate(_list_values(document.data, "control", "tokens", "name")):
        if not isinstance(name, str):
            continue
        if name in names:
            yield document.fault(("control", "tokens", index, "name"), f"a second token is named {name!r}")
        names.add(name)


def _list_addresses(data: Plain) -> Iterator[tuple[NodePath, object]]:
    for section in ("data", "control"):
        below = data.get(section) if isinstance(data, dict) else None
        if isinstance(below, dict) and "listen" in below:
            yield (section, "listen"), below["listen"]
    for index, text in enumerate(_list_values(data, "data", "trusted", "listen")):
        yield ("data", "trusted", index, "listen"), text


def _list_values(data: Plain, section: str, key: str, wanted: str) -> list[Plain]:
    """One key of every mapping in a list of a section; None for what is not there."""
    below = data.get(section) if isinstance(data, dict) else None
    entries = below.get(key) if isinstance(below, dict) else None
    if not isinstance(entries, list):
        return []
    return [entry.get(wanted) if isinstance(entry, dict) else None for entry in entries]
