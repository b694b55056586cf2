"""Owns the files that pages load: their bytes, and names that change with them.

Refuses to own the paths that they are served at, and the style sheet's place (it stands in each page, see `render`).

Laws: an asset's name holds a digest of its bytes, so what was once served under it never changes and may be kept for
good. Scripts are served without their comments, indentation and empty lines, and are what is written otherwise.
Nothing is served but what lies in `assets/`, found by its whole name in a table.
"""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import field
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Final

from gateway.core.values import dataclass

_FOLDER: Final = Path(__file__).parent / "assets"
_TYPES: Final = {
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".webp": "image/webp",
    ".ico": "image/x-icon",
}
"""What may be an asset, by the end of its name."""

_UNSAID: Final = re.compile(rb"^[ \n]*(?://.*\n)?", re.MULTILINE)

PICTURES: Final = frozenset(end for end, kind in _TYPES.items() if kind.startswith("image/"))
"""How the names of pictures end."""


@dataclass(frozen=True, slots=True)
class Asset:
    """One file. `name` is as it is written, `served_as` has the digest in it: `times.0f3a….js`."""

    name: str
    body: bytes = field(repr=False)

    @property
    def content_type(self) -> str:
        return _TYPES[Path(self.name).suffix]

    @property
    def served_as(self) -> str:
        stem, dot, end = self.name.rpartition(".")
        return f"{stem}.{_digest(self.body).hex()[:16]}{dot}{end}"

    @property
    def integrity(self) -> str:
        """As the attribute `integrity` and a `Content-Security-Policy` name it, without quotes."""
        return "sha256-" + b64encode(_digest(self.body)).decode()


@lru_cache(maxsize=64)
def _digest(body: bytes) -> bytes:
    return sha256(body).digest()


@cache
def stored_assets() -> Mapping[str, Asset]:
    """All there are, by their names as they are written."""
    paths = sorted(path for path in _FOLDER.iterdir() if path.suffix in _TYPES)
    return {path.name: Asset(path.name, _body(path)) for path in paths}


def _body(path: Path) -> bytes:
    """Where lines begin, and lines that are empty or comments, do not count in a script: no text of ours goes over
    lines."""
    body = path.read_bytes()
    return _UNSAID.sub(b"", body) if path.suffix == ".js" else body


@cache
def assets() -> Mapping[str, Asset]:
    """All there are, by the names that they are served under."""
    return {asset.served_as: asset for asset in stored_assets().values()}


def find_asset(served_as: str) -> Asset | None:
    """The asset that is served under this name."""
    return assets().get(served_as)
