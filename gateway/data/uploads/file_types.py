"""Owns what type of file bytes are, by their beginning, and the check of an upload against the types of its link.

Refuses to own how types are named and compared (`gateway.core.intake`).

Laws: what the bytes say counts, and a type that the sender declares has to be allowed beside it. Bytes that say nothing
are of no type, and are refused. The check is made on the first KiB, or on all of a smaller file, before a store hears
the end of it.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Final

from gateway.core.intake import allows_type
from gateway.core.reasons import Reason, Refused
from gateway.wire.http.media import declared_essence

HEAD_BYTES: Final = 1024
"""As many as are looked at."""

_TEXT: Final = (
    "text/plain",
    "text/csv",
    "text/markdown",
    "text/calendar",
    "text/vcard",
    "application/json",
    "application/yaml",
)
"""Types that no bytes tell apart: text is whichever of them is asked for, or any other text."""

_ACTIVE: Final = ("text/html", "text/xml")

_MARKUP: Final = (
    (re.compile(rb"<!doctype html|<(?:html|head|body|script|iframe|h1|div|table|p|a|style|title)[\s>]"), "text/html"),
    (
        # A comment ends where it first can, in one way alone: else as many comments as fit have a way for each subset.
        re.compile(rb"(?:<\?xml[^>]*>\s*)?(?:<!--(?:[^-]|-(?!->))*-->\s*|<!doctype svg[^>]*>\s*)*<svg[\s>]"),
        "image/svg+xml",
    ),
    (re.compile(rb"<\?xml[\s?]"), "text/xml"),
)
_OFFICE: Final = "application/vnd.openxmlformats-officedocument."
_PACKAGES: Final = {
    b"[Content_Types].xml": ("wordprocessingml.document", "spreadsheetml.sheet", "presentationml.presentation"),
    b"word/": ("wordprocessingml.document",),
    b"xl/": ("spreadsheetml.sheet",),
    b"ppt/": ("presentationml.presentation",),
    b"_rels/": ("wordprocessingml.document", "spreadsheetml.sheet", "presentationml.presentation"),
    b"docProps/": ("wordprocessingml.document", "spreadsheetml.sheet", "presentationml.presentation"),
}
"""What office documents begin with. Which of them it is stands behind the first KiB in most."""

_CONTAINER: Final = re.compile(
    r"application/(?:vnd\.(?:oasis\.opendocument|sun\.xml)\.[a-z.-]{1,60}|[a-z0-9.-]{1,60}\+zip"
    r"|x-krita|vnd\.adobe\.indesign-idml-package|vnd\.recordare\.musicxml)",
    re.ASCII,
)
"""Types of files that are archives and say within what they are. Of any other an archive is none, whatever it says."""

_OLD_OFFICE: Final = ("application/msword", "application/vnd.ms-excel", "application/vnd.ms-powerpoint")
_COMPOUND: Final = bytes.fromhex("d0cf11e0a1b11ae1")
_DIB_SIZES: Final = frozenset({12, 40, 52, 56, 64, 108, 124})


def read_types(head: bytes) -> tuple[str, ...]:
    """Every type that a file may be which begins like this; none if its bytes say nothing."""
    if head.startswith(b"PK\x03\x04"):
        return _read_zip(head)
    if head.startswith(_COMPOUND):
        return _OLD_OFFICE
    if head.startswith(b"BM"):  # two letters, which words begin with, too
        return ("image/bmp",) if int.from_bytes(head[14:18], "little") in _DIB_SIZES else _read_text(head)
    import filetype  # noqa: PLC0415 (most gateways never look at a type)

    found = filetype.guess(head)
    if found is not None and not (found.mime == "application/x-msdownload" and _read_text(head)):
        return (str(found.mime),)
    return _read_text(head)


def _read_zip(head: bytes) -> tuple[str, ...]:
    size = int.from_bytes(head[26:28], "little")
    name, extra = head[30 : 30 + size], int.from_bytes(head[28:30], "little")
    if name == b"mimetype":  # by which OpenDocument and EPUB say what they are, uncompressed
        kept = head[30 + size + extra :][: int.from_bytes(head[18:22], "little")].decode("latin-1").strip()
        return (kept, "application/zip") if _CONTAINER.fullmatch(kept) else ("application/zip",)
    for start, kinds in _PACKAGES.items():
        if name.startswith(start):
            return (*(_OFFICE + kind for kind in kinds), "application/zip")
    return ("application/zip",)


def _read_text(head: bytes) -> tuple[str, ...]:
    if head.startswith((b"\xff\xfe", b"\xfe\xff")):
        text = head[: len(head) // 2 * 2].decode("utf-16", "replace")
    else:
        try:
            text = head.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            if len(head) < HEAD_BYTES or error.end < len(head) or len(head) - error.start > 3:  # not only cut off
                return ()
            text = head[: error.start].decode("utf-8-sig")
    if not text.strip() or any(letter < " " and letter not in "\t\n\r\f\x1b" for letter in text):
        return ()
    begins = text.lstrip().lower().encode()
    return next(((kind,) for pattern, kind in _MARKUP if pattern.match(begins)), _TEXT)


def check_declared(types: tuple[str, ...], declared: str | None) -> None:
    """Raises Refused TYPE_NOT_ALLOWED for a file that is said to be of none of these types."""
    if not types:
        return
    plain = declared_essence(declared)
    if plain not in {"", "application/octet-stream", "binary/octet-stream"} and not allows_type(types, plain):
        raise Refused(Reason.TYPE_NOT_ALLOWED, f"the file is declared as {plain}")


def check_bytes(types: tuple[str, ...], head: bytes) -> None:
    """Raises Refused TYPE_NOT_ALLOWED for a file that is of none of these types; `head` is its first KiB."""
    found = read_types(head[:HEAD_BYTES])
    if any(allows_type(types, kind) for kind in found):
        return
    if found != _TEXT or not any(kind.startswith("text/") and kind not in _ACTIVE for kind in types):
        raise Refused(Reason.TYPE_NOT_ALLOWED, f"the file's bytes are {found[0] if found else 'of no known type'}")


async def checked(
    source: AsyncIterator[bytes], types: tuple[str, ...], *, before: bytes = b"", ends_at: int | None = None
) -> AsyncIterator[bytes]:
    """The same bytes, which follow `before`, none of them until it is known that the file is of one of these types.

    Of a file that goes on after them nothing is said while it is short of a KiB: `ends_at` is how long it is, None when
    it ends with these.

    Raises:
        Refused: TYPE_NOT_ALLOWED.
    """
    held, known = b"", False
    async for chunk in source:
        if known:
            yield chunk
            continue
        held += chunk
        if len(before) + len(held) >= HEAD_BYTES:
            check_bytes(types, before + held)
            known = True
            yield held
            held = b""
    if not known:
        if ends_at in {None, len(before) + len(held)}:
            check_bytes(types, before + held)
        if held:
            yield held
