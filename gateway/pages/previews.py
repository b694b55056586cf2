"""Owns what a page shows of a file: which kind of preview suits it, and texts, tables and Markdown made from its bytes.

Refuses to own reading those bytes, and whether a preview may be shown at all (`gateway.data.links`).

Laws: what is made here is text, cells and elements of ours; nothing of a file becomes markup, loads anything or runs.
The work is bounded by `READ_AT_MOST`, whatever the file holds. Pictures, films, sound and PDFs stay files: the browser
gets them by an address of their own, under a policy of their own.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from enum import StrEnum
from typing import Final

from gateway.core.values import dataclass
from gateway.pages.markdown import LONGEST, render_markdown

READ_AT_MOST: Final = 32 * 1024
"""Bytes of a text that are shown; who wants more opens the file."""

_MOST_ROWS, _MOST_COLUMNS, _LONGEST_CELL = 50, 20, 200


class Kind(StrEnum):
    """How a file is previewed. The first four are fetched by the browser, the others are read by us."""

    IMAGE = "image"
    AUDIO = "audio"
    VIDEO = "video"
    DOCUMENT = "document"
    TEXT = "text"
    MARKDOWN = "markdown"
    TABLE = "table"

    @property
    def read_here(self) -> bool:
        return self in {Kind.TEXT, Kind.MARKDOWN, Kind.TABLE}


@dataclass(frozen=True, slots=True)
class Preview:
    """What a page shows. `markup` is ours, made from Markdown; `whole` says that nothing of the file is left out."""

    kind: Kind
    text: str = ""
    markup: str = ""
    rows: Sequence[Sequence[str]] = ()
    whole: bool = True


_TEXT_TYPES: Final = frozenset(
    f"application/{name}"
    for name in (
        *("json", "xml", "yaml", "x-yaml", "toml", "sql", "javascript", "x-javascript", "x-sh", "x-ndjson", "jsonl"),
        *("graphql", "x-httpd-php", "x-python", "rtf"),
    )
)
_UNTYPED: Final = frozenset({"application/octet-stream", "binary/octet-stream", "text/plain"})
"""What says nothing, or too little: the name's end tells more."""

_BY_END: Final[dict[str, Kind]] = {
    **dict.fromkeys(("md", "markdown"), Kind.MARKDOWN),
    **dict.fromkeys(("csv", "tsv"), Kind.TABLE),
    **dict.fromkeys(
        (
            *("txt", "text", "log", "json", "jsonl", "ndjson", "xml", "yaml", "yml", "toml", "ini", "cfg", "conf"),
            *("py", "js", "mjs", "ts", "tsx", "css", "html", "htm", "sh", "go", "rs", "java", "c", "h", "cpp", "sql"),
            *("rb", "php", "tex", "rst", "srt", "vtt", "m3u8", "diff", "patch"),
        ),
        Kind.TEXT,
    ),
}


def kind_of(essence: str, name: str, shown: frozenset[str]) -> Kind | None:
    """The preview that suits a file of this type and name. `shown` are the types that browsers are shown in place."""
    top, _, sub = essence.partition("/")
    if essence in shown and essence != "text/plain":
        return Kind.DOCUMENT if essence == "application/pdf" else Kind(top)
    ended = _BY_END.get(name.rpartition(".")[2].lower()) if "." in name else None
    if essence in _UNTYPED and ended is not None:
        return ended
    match essence:
        case "text/markdown" | "text/x-markdown":
            return Kind.MARKDOWN
        case "text/csv" | "text/tab-separated-values":
            return Kind.TABLE
        case _:
            texts = top == "text" or essence in _TEXT_TYPES or sub.endswith(("+json", "+xml"))
            return Kind.TEXT if texts else None


def preview_of(kind: Kind, data: bytes, *, whole: bool) -> Preview | None:
    """What is shown of a file that begins with `data`, at most `READ_AT_MOST` bytes; None if that is no text."""
    text = _decode(data[:READ_AT_MOST], whole=whole)
    if text is None:
        return None
    if not whole:
        text = text[: text.rfind("\n") + 1] or text  # the last line is likely to be half of one
    match kind:
        case Kind.MARKDOWN:
            return Preview(kind, markup=render_markdown(text), whole=whole and len(text) <= LONGEST)
        case Kind.TABLE:
            return _table(text, whole=whole)
        case _:
            return Preview(Kind.TEXT, text=text, whole=whole)


def _decode(data: bytes, *, whole: bool) -> str | None:
    """UTF-8, or UTF-16 that says so, or else the encoding that old files on Windows are in."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data[: len(data) & ~1].decode("utf-16", "replace")
    if b"\0" in data:
        return None
    for left_out in range(1 if whole else 4):  # a character may be cut in two
        try:
            return data[: len(data) - left_out].decode("utf-8-sig")
        except UnicodeDecodeError:
            continue
    return data.decode("cp1252", "replace")


def _table(text: str, *, whole: bool) -> Preview:
    first = text.partition("\n")[0]
    delimiter = max(",;\t|", key=first.count)
    rows: list[list[str]] = []
    complete = whole
    try:
        for row in csv.reader(io.StringIO(text, newline=""), delimiter=delimiter):
            if len(rows) == _MOST_ROWS:
                complete = False
                break
            complete = complete and len(row) <= _MOST_COLUMNS
            rows.append([cell[:_LONGEST_CELL] for cell in row[:_MOST_COLUMNS]])
    except csv.Error:
        return Preview(Kind.TEXT, text=text, whole=whole)
    width = max((len(row) for row in rows), default=0)
    return Preview(Kind.TABLE, rows=[row + [""] * (width - len(row)) for row in rows if row], whole=complete)
