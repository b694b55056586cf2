"""Owns environment overrides: `GATEWAY_DATA__LISTEN` replaces `data.listen`.

Refuses to own what the keys mean. Law: two underscores lead one level down; a value is JSON when it begins and ends
like JSON and a plain scalar otherwise; a fault names the variable. Other programs' variables (`GATEWAY_URL`, and the
`GATEWAY_SERVICE_HOST`, `GATEWAY_PORT…` that Kubernetes injects for a Service named gateway) are not ours.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from gateway.settings.faults import did_you_mean
from gateway.settings.source import Document, Plain, child, resolve_plain

_PREFIX: Final = "GATEWAY_"


def apply_overrides(document: Document, environ: Mapping[str, str], sections: Iterable[str]) -> list[str]:
    """Replace values of the document in place; returns the faults. Outer levels are replaced before inner ones."""
    known = set(sections)
    faults: list[str] = []
    for variable, parts in sorted(_find_overrides(environ, known), key=lambda found: (len(found[1]), found[0])):
        if parts[0] not in known:
            faults.append(f"{variable}: there is no section {parts[0]!r}{did_you_mean(parts[0], known)}")
            continue
        try:
            value = _parse_value(environ[variable], parts[0], variable)
        except ValueError:
            faults.append(f"{variable}: begins and ends like JSON but is none")
            continue
        if (fault := _replace(document, parts, value, variable)) is not None:
            faults.append(f"{variable}: {fault}")
    return faults


def _find_overrides(environ: Mapping[str, str], sections: set[str]) -> Iterator[tuple[str, list[str]]]:
    for variable in environ:
        if not variable.startswith(_PREFIX):
            continue
        parts = variable.removeprefix(_PREFIX).lower().split("__")
        if len(parts) > 1 or parts[0] in sections:
            yield variable, parts


def _parse_value(text: str, section: str, variable: str) -> Plain:
    """What a variable's text means. A store's URL may hold a password here, so it is passed on as a reference."""
    if section == "state" and "://" in text and not text.startswith("{"):
        return f"env:{variable}"
    if len(text) > 1 and text[0] + text[-1] in {"{}", "[]", '""'}:
        value: Plain = json.loads(text, object_pairs_hook=_refuse_twice, parse_constant=_refuse_constant)
        return value
    return text if text == "" else resolve_plain(text)


def _refuse_twice(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands twice")
    return found


def _refuse_constant(text: str) -> None:
    raise ValueError(f"{text} is not JSON")


def _replace(document: Document, parts: list[str], value: Plain, variable: str) -> str | None:
    """Set one value; returns why it cannot be set."""
    if document.data is None:
        document.data = {}
    node: Plain = document.data
    path: list[str | int] = []
    for part in parts[:-1]:
        step = _step(node, part)
        if step is None:
            return f"{'.'.join(map(str, path)) or 'the file'} is not a mapping that {part!r} could be in"
        path.append(step)
        if isinstance(node, dict) and node.get(part) is None:
            node[part] = {}
        node = child(node, step)
    last = _step(node, parts[-1])
    if last is None:
        return f"{'.'.join(map(str, path)) or 'the file'} is not a mapping that {parts[-1]!r} could be in"
    path.append(last)
    if isinstance(node, dict):
        node[parts[-1]] = value
    elif isinstance(node, list):
        node[int(parts[-1])] = value
    document.override(tuple(path), value, variable)
    return None


def _step(node: Plain, part: str) -> str | int | None:
    """The key or index that a part of a variable's name means in this node, or None."""
    if isinstance(node, dict):
        return part
    if isinstance(node, list) and part.isdecimal() and part.isascii() and int(part) < len(node):
        return int(part)
    return None
