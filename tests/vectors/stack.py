"""Owns the file of one stack's requests: how it is written, and read again to the byte.

Refuses to own recording (`tests.vectors.record`) and replaying (`tests/vectors/test_stacks.py`).

Law: the same requests give the same file; what is read is what came over the wire. The form is told in `README.md`.
"""

from __future__ import annotations

import json
import re
from base64 import b64decode, b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["STACKS", "Request", "Stack", "packed_size", "read", "write"]

STACKS = Path(__file__).with_name("stacks")
_RUN = re.compile(rb"(.)\1{63,}", re.DOTALL)
_TEXT = re.compile(rb"[\t\r\n\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class Request:
    """One request as it came. `head` are its lines; `body` is what followed, framing included; `at` is the time."""

    over: str
    at: int
    head: tuple[str, ...]
    body: bytes = b""

    @property
    def wire(self) -> bytes:
        """The bytes to send again."""
        return "".join(f"{line}\r\n" for line in (*self.head, "")).encode("latin-1") + self.body


@dataclass(frozen=True, slots=True)
class Stack:
    """A client's requests. `origin` is the package it came from, or for a shape the published source it follows."""

    name: str
    version: str
    language: str
    origin: str
    recorded: bool
    access_key: str
    secret_key: str
    requests: tuple[Request, ...] = field(default=(), repr=False)


def write(stack: Stack) -> str:
    """The text of a stack's file: a line for each request."""
    about = {
        "about": "Requests as one client stack sent them; the form is told in tests/vectors/README.md.",
        "stack": stack.name,
        "version": stack.version,
        "language": stack.language,
        "origin": stack.origin,
        "kind": "recorded" if stack.recorded else "shape",
        "access_key": stack.access_key,
        "secret_key": stack.secret_key,
    }
    fields = "".join(f"{json.dumps(name)}: {_json(value)},\n" for name, value in about.items())
    rows = ",\n".join(_json(_row(request)) for request in stack.requests)
    return f'{{\n{fields}"requests": [\n{rows}\n]\n}}\n'


def read(path: Path) -> Stack:
    """The stack of a file."""
    found: dict[str, Any] = json.loads(path.read_text())
    return Stack(
        found["stack"],
        found["version"],
        found["language"],
        found["origin"],
        found["kind"] == "recorded",
        found["access_key"],
        found["secret_key"],
        tuple(
            Request(row["over"], row["at"], tuple(row["head"]), b"".join(map(_unpacked, row.get("body", []))))
            for row in found["requests"]
        ),
    )


def packed_size(request: Request) -> int:
    """Characters that the request takes in a file."""
    return len(_json(_row(request)))


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=True)


def _row(request: Request) -> dict[str, object]:
    row: dict[str, object] = {"over": request.over, "at": request.at, "head": list(request.head)}
    return row | {"body": _packed(request.body)} if request.body else row


def _packed(body: bytes) -> list[object]:
    """Text as it is, `[octet, times]` for a long run of one octet, `{"base64": …}` for the rest."""
    pieces: list[object] = []
    at = 0
    for run in _RUN.finditer(body):
        pieces.extend(_plain(body[at : run.start()]))
        pieces.append([run[0][0], len(run[0])])
        at = run.end()
    return [*pieces, *_plain(body[at:])]


def _plain(piece: bytes) -> list[object]:
    if not piece:
        return []
    return [piece.decode("ascii") if _TEXT.fullmatch(piece) else {"base64": b64encode(piece).decode()}]


def _unpacked(piece: str | list[int] | dict[str, str]) -> bytes:
    if isinstance(piece, str):
        return piece.encode("ascii")
    if isinstance(piece, list):
        return bytes([piece[0]]) * piece[1]
    return b64decode(piece["base64"])
