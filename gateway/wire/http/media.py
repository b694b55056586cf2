"""Owns media types: their one reading (RFC 9110, 8.3.1), how they are written, and what a browser may make of them.

Refuses to own the other headers of an answer (`gateway.wire.s3.response_headers`).

Law: the type that is judged is the type that is written. What does not read as one type is written as bytes, and what
is on no list here is shown to no one: it is sandboxed, wherever it is opened. No script of a file's ever runs.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

from gateway.core.values import dataclass

OCTETS: Final = "application/octet-stream"

PLAYED_TYPES: Final = frozenset(
    {
        "audio/3gpp",
        "audio/aac",
        "audio/aacp",
        "audio/flac",
        "audio/m4a",
        "audio/mp3",
        "audio/mp4",
        "audio/mpeg",
        "audio/ogg",
        "audio/opus",
        "audio/vnd.wave",
        "audio/wav",
        "audio/wave",
        "audio/webm",
        "audio/x-flac",
        "audio/x-m4a",
        "audio/x-wav",
        "video/3gpp",
        "video/mp4",
        "video/ogg",
        "video/quicktime",
        "video/webm",
        "video/x-m4v",
        "video/x-matroska",
    }
)
"""Sound and films, under the names that common tools give them. A browser's player fetches ranges by itself."""

PASSIVE_TYPES: Final = PLAYED_TYPES | {
    "image/apng",
    "image/avif",
    "image/bmp",
    "image/gif",
    "image/jpeg",
    "image/jpg",
    "image/png",
    "image/vnd.microsoft.icon",
    "image/webp",
    "image/x-icon",
    "text/plain",
}
"""Types that hold nothing that a browser runs."""

VIEWED_TYPES: Final = PLAYED_TYPES | {"application/pdf"}
"""Types that a browser shows by a program of its own. A PDF's own scripts run in its viewer, which has no page, no
origin and no net."""

SHOWN_TYPES: Final = PASSIVE_TYPES | VIEWED_TYPES
"""Types that a link shows in place."""

_BARE: Final = "default-src 'none'; sandbox"
# A browser shows pictures and text in a page of its own making, with styles.
_SHOWN: Final = "default-src 'none'; img-src 'self'; style-src 'unsafe-inline'; sandbox"
# A player and a PDF viewer are programs of the browser's own. WebKit (Safari) runs them as parts of the page, and in a
# sandbox not at all: no button does anything, and a PDF stays blank. In the sandbox's opaque origin a player's ranges
# would be another origin's, too. Older Safaris ask whether the PDF may be an object. No script of the file's may run
# here either: none has a source that is allowed.
_VIEWED: Final = (
    "default-src 'none'; img-src 'self'; media-src 'self'; object-src 'self'; style-src 'unsafe-inline'; "
    "form-action 'none'; base-uri 'none'"
)

_WORD: Final = r"[!#$%&'*+.^_`|~0-9A-Za-z-]++"
_ESSENCE: Final = re.compile(rf"{_WORD}/{_WORD}", re.ASCII)
_VALUE: Final = rf'(?:{_WORD}|"(?:[\t !#-\[\]-~]|\\[\t -~])*")'
_PARAMETERS: Final = re.compile(rf"(?:[ \t]*+;[ \t]*+(?:{_WORD}={_VALUE})?)*", re.ASCII)
_EACH: Final = re.compile(rf"({_WORD})=({_VALUE})", re.ASCII)
# Those in which no byte below 0x80 means anything but ASCII, or whose browser support is for text alone. Not UTF-7,
# ISO-2022 or HZ, in which the bytes do not show markup.
_CHARSET: Final = re.compile(
    r"utf-?8|utf-16(?:le|be)?|us-ascii|iso-8859-\d{1,2}|windows-125\d|koi8-[ru]|shift_jis|euc-(?:jp|kr)"
    r"|gb(?:k|2312|18030)|big5",
    re.ASCII | re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class MediaType:
    """One type. `essence` is in small letters; `written` is the value of a header that says this type and no other."""

    essence: str
    written: str
    charset: str | None = None

    @property
    def shown(self) -> str:
        """As it is written where a browser shows it: text says its encoding, so that no browser guesses one."""
        if self.essence != "text/plain" or (self.charset is not None and _CHARSET.fullmatch(self.charset)):
            return self.written
        return "text/plain; charset=utf-8"


_UNREAD: Final = MediaType(OCTETS, OCTETS)


@lru_cache(512)
def read_type(value: str) -> MediaType:
    """The type that a value names, bytes if it names none or several.

    Malformed or repeated parameters are left out, so that no other reader can interpret them differently.
    """
    essence, semicolon, rest = value.strip(" \t").partition(";")
    essence = essence.rstrip(" \t")
    if not _ESSENCE.fullmatch(essence):
        return _UNREAD
    written, folded = essence, essence.lower()
    if not _PARAMETERS.fullmatch(semicolon + rest):
        return MediaType(folded, written)
    found = [(name.lower(), text) for name, text in _EACH.findall(semicolon + rest)]
    given = dict(found)
    if len(given) < len(found):
        return MediaType(folded, written)
    charset = given.get("charset")
    return MediaType(folded, value.strip(" \t"), charset.strip('"') if charset is not None else None)


def declared_essence(value: str | None) -> str:
    """What a Content-Type is called, without parameters and in small letters, be it a type or not; "" without one."""
    return (value or "").partition(";")[0].strip().lower()


def sandbox_of(essence: str) -> str:
    """The content security policy for a body of this type. None of them lets a script run."""
    if essence in VIEWED_TYPES:
        return _VIEWED
    return _SHOWN if essence in PASSIVE_TYPES else _BARE
