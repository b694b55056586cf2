"""Owns file names in headers: RFC 6266 `Content-Disposition`, and the cleaning of names that strangers chose.

Refuses to own the choice between attachment and inline (`gateway.wire.s3.response_headers`).
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from typing import Final, Literal
from urllib.parse import quote, unquote_to_bytes

from gateway.core.names import is_shown

_LONGEST: Final = 180
"""Characters; below the 255 bytes of common file systems for most scripts."""
_RESERVED: Final = re.compile(r'[<>:"|?*]')
_EDGES: Final = ". \xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f\u3000"
"""Dots, and what Unicode calls a space."""
_FALLBACK: Final = re.compile(r'[^\x20-\x7e]|["\\%]')
# RFC 5987, attr-char; quote() never escapes letters, digits and "_.-~".
_ATTR_SAFE: Final = "!#$&+^`|"
_EXTENDED: Final = re.compile(r"UTF-8'[\w-]{0,20}'([^\s;]{1,3072})", re.ASCII | re.IGNORECASE)


def clean_filename(name: str) -> str:
    """The last path part of a name, without control, format and reserved characters; "download" if nothing is left.

    Format characters (Unicode category Cf) include the bidirectional controls that let `exe.gpj` read as `jpg.exe`.
    """
    last = name.replace("\\", "/").rstrip("/").rpartition("/")[2]
    kept = last if last.isprintable() else "".join(filter(is_shown, last))
    kept = _RESERVED.sub("_", kept).strip(_EDGES)
    if len(kept) > _LONGEST:
        stem, dot, ending = kept.rpartition(".")
        keep_ending = bool(dot) and len(ending) <= 16
        kept = f"{stem[: _LONGEST - len(ending) - 1]}.{ending}" if keep_ending else kept[:_LONGEST]
    return kept or "download"


@lru_cache(1024)
def content_disposition(kind: Literal["attachment", "inline"], name: str) -> str:
    """The header's value: an ASCII `filename` for old readers, and `filename*` when that could not say it all."""
    cleaned = clean_filename(name)
    plain = _FALLBACK.sub("_", unicodedata.normalize("NFC", cleaned))
    value = f'{kind}; filename="{plain}"'
    if plain != cleaned:
        value += f"; filename*=UTF-8''{quote(cleaned, safe=_ATTR_SAFE)}"
    return value


def extended_name(value: str) -> bytes | None:
    """What a `filename*` says (RFC 8187), which counts before `filename` (RFC 6266, 4.3); None for one that is not in
    UTF-8."""
    found = _EXTENDED.fullmatch(value)
    return None if found is None else unquote_to_bytes(found[1])
