"""Owns which texts can be the name of a bucket of ours, of a store's own bucket, of a region and of a backend.

Owns too which characters a name for people may have.

Refuses to own object keys and patterns over them (`gateway.core.pattern`) and principals (`gateway.core.attempt`).

Law: each kind of name has one grammar. What settings accept, the API accepts and a request can reach, and nothing else.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from gateway.core.said import phrase

BUCKET: Final = r"(?=[a-z0-9.-]{3,63}$)(?!(?:[0-9]+\.){3}[0-9]+$)[a-z0-9]+(?:(?:\.|-+)[a-z0-9]+)*"
"""S3's rules for general purpose buckets: labels of letters, digits and hyphens, joined by dots, and no address.

Three characters at least, so that one-letter paths are the gateway's own.
"""

STORED_BUCKET: Final = r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,255}"
"""What stores took before those rules, and some still take. A dot or two would be a step in a path."""

REGION: Final = r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9])?"
"""Part of what is signed and of host names; stores of one's own have regions of any name."""

_BUCKET: Final = re.compile(BUCKET, re.ASCII)
_BUCKET_LETTERS: Final = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]", re.ASCII)
_BACKEND: Final = re.compile(r"[a-z0-9][a-z0-9_-]{0,62}", re.ASCII)
"""Short and plain, since it is a metric label."""

_JOINERS: Final = frozenset("\u200c\u200d")
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Zl", "Zp"})

is_bucket_name: Final = _BUCKET.fullmatch
"""A match, or None: asked of every request, so it is the pattern's own method."""


def bucket_name_fault(name: str) -> str | None:
    """Why a name cannot be a bucket of ours, or None."""
    if is_bucket_name(name):
        return None
    if not _BUCKET_LETTERS.fullmatch(name):
        return phrase(
            "bucket_form",
            "a bucket name has 3 to 63 lower-case letters, digits, dots and hyphens, a letter or digit at both ends",
        )
    if ".." in name or ".-" in name or "-." in name:
        return phrase("bucket_dots", "a bucket name has no two dots in a row and no hyphen beside a dot")
    return phrase("bucket_address", "a bucket name is not shaped like an address")


def backend_name_fault(name: str) -> str | None:
    """Why a name cannot be a backend's, or None."""
    return None if _BACKEND.fullmatch(name) else "a backend name has up to 63 lower-case letters, digits, _ and -"


def is_shown(character: str) -> bool:
    """Whether a name for people may have this character: it shows as what it is.

    Blanks that do not break and joiners are in the names of real files: screenshots, Persian, families of emoji. What
    ends a line or turns its direction around is not.
    """
    return character in _JOINERS or unicodedata.category(character) not in _HIDDEN
