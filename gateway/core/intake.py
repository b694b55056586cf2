"""Owns what the maker of a link wants of the files that come in through it: how many, what, under which names.

Refuses to own what else a link is (`gateway.core.grant`), how names are made (`gateway.core.naming`) and the types that
bytes are (`gateway.data.uploads.file_types`).

Law: what narrows a link here narrows it for every way in: a gateway, a key or a program that does not know of it is
not let in at all.
"""

from __future__ import annotations

from typing import Final

from gateway.core.values import dataclass

FILES: Final = "+files"
"""What stands behind a grant's id where the files are counted that came in, beside the uses under the id itself."""

_ALIASES: Final = {
    "application/vnd.microsoft.icon": "image/icon",
    "application/matroska": "video/matroska",
    "application/zip-compressed": "application/zip",
    "application/javascript": "text/javascript",
    "application/xml": "text/xml",
    "audio/mp3": "audio/mpeg",
    "audio/m4a": "audio/mp4",
    "audio/wave": "audio/wav",
    "image/heif": "image/heic",
    "image/jpg": "image/jpeg",
    "image/ms-bmp": "image/bmp",
    "image/vnd.microsoft.icon": "image/icon",
}
"""Names of one type, after the `x-` that many carry was left out."""


def canonical_type(text: str) -> str:
    """A media type without parameters, by the one name under which types are compared; `image/*` stays."""
    kind, slash, subtype = text.partition(";")[0].strip().lower().partition("/")
    plain = f"{kind}{slash}{subtype.removeprefix('x-')}"
    return _ALIASES.get(plain, plain)


def allows_type(types: tuple[str, ...], text: str) -> bool:
    """Whether a media type is among these; `image/*` has all of its kind, `*/*` has every one."""
    found = canonical_type(text)
    kinds = {"*/*", f"{found.partition('/')[0]}/*", found}
    return any(canonical_type(allowed) in kinds for allowed in types)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intake:
    """None and "nothing" mean that it does not matter.

    `max_files` and `total_bytes` are of all files that were ever stored, beside `uses` and `budget` of the grant, which
    count what is sent, too. `types` are media types, or all of a kind as `image/*`. `names` is a template
    (`gateway.core.naming`). `rename` gives a file another name where its own is taken. `blind` tells nobody whether one
    was. `undo` is for how many seconds an uploader may take a file back. `message` is for who uploads.
    """

    max_files: int | None = None
    total_bytes: int | None = None
    types: tuple[str, ...] = ()
    names: str | None = None
    rename: bool = False
    blind: bool = False
    undo: float | None = None
    message: str | None = None

    @property
    def counted(self) -> bool:
        """Whether the number of files or of their bytes is limited."""
        return self.max_files is not None or self.total_bytes is not None

    @property
    def narrows(self) -> bool:
        """Whether anything is held back that a plain link would let in, or would tell."""
        return self.counted or bool(self.types) or self.names is not None or self.blind

    def within(self, other: Intake) -> bool:
        """Whether it lets nothing in, and tells nothing, that the other does not."""
        return (
            _at_most(self.max_files, other.max_files)
            and _at_most(self.total_bytes, other.total_bytes)
            and (not other.types or (bool(self.types) and all(allows_type(other.types, kind) for kind in self.types)))
            and other.names in {None, self.names}
            and self.rename <= other.rename
            and self.blind >= other.blind
            and (self.undo or 0.0) <= (other.undo or 0.0)
        )


def _at_most(count: int | None, most: int | None) -> bool:
    return most is None or (count is not None and count <= most)


ANY_FILES: Final = Intake()
