"""Owns the page of a folder: its rows as a table or as pictures, in an order, some or all, and a form to take several.

Refuses to own which rows there are (`gateway.data.links.listing`), and the order itself.

Law: all addresses are relative, so the page works at whatever path it is served, and never leads above the root. What
can be chosen is an address or a form: nothing needs a script.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import field
from typing import Final, Protocol
from urllib.parse import quote, urlencode

from gateway.core.values import dataclass
from gateway.pages.links import Receives
from gateway.pages.previews import Preview
from gateway.pages.refusals import refusal_texts
from gateway.pages.render import TIMES, UPLOADING, Look, Page, render

ORDERS: Final = ("name", "size", "changed")
"""What rows can be put in order by; with a minus sign before it, the other way round."""

_LONGEST_SEARCH: Final = 200
_PICTURES: Final = (".apng", ".avif", ".bmp", ".gif", ".jpeg", ".jpg", ".png", ".webp")
_LARGEST_PICTURE: Final = 4 * 1024**2
_ALL_PICTURES: Final = 24 * 1024**2
"""Bytes of pictures that a page has the browser load, each and all together."""


class Entry(Protocol):
    """One row of a listing: a folder (`name` ends with a slash) or an object. `modified` is RFC 3339."""

    @property
    def name(self) -> str: ...

    @property
    def size(self) -> int | None: ...

    @property
    def modified(self) -> str: ...

    @property
    def folder(self) -> bool: ...


@dataclass(frozen=True, slots=True)
class FolderView:
    """What a visitor chose to see: an order, a part of names, and pictures instead of a table."""

    order: str = "name"
    find: str = ""
    grid: bool = False

    @classmethod
    def read(cls, params: Mapping[str, str]) -> FolderView:
        """What an address says; what it says that means nothing is left out."""
        order = params.get("sort", "name")
        known = order.removeprefix("-") in ORDERS
        find = params.get("find", "").strip()[:_LONGEST_SEARCH]
        return cls(order if known else "name", find, params.get("view") == "grid")

    @property
    def natural(self) -> bool:
        """Whether the store's own order and all its rows are meant."""
        return self.order == "name" and not self.find

    def address(self, **changes: object) -> str:
        """The address of this view, or of another one that differs so."""
        chosen: dict[str, object] = {
            "sort": "" if self.order == "name" else self.order,
            "find": self.find,
            "view": "grid" if self.grid else "",
        }
        query = urlencode({name: value for name, value in (chosen | changes).items() if value}, errors="replace")
        return f"?{query}" if query else "./"


@dataclass(frozen=True, slots=True)
class _Row:
    href: str
    name: str
    size: int | None
    modified: str
    picture: bool


@dataclass(frozen=True, slots=True)
class _Crumb:
    href: str
    name: str


@dataclass(frozen=True, slots=True)
class _Column:
    """A column's head: the address that has rows put in its order, and how they are in it now, "" if they are not."""

    label: str
    href: str
    sorted: str
    kind: str


@dataclass(frozen=True, slots=True)
class Folder:
    """The folder at `path`, its parts below the link's root. Unless it is `free` to look at files, pictures are not
    loaded."""

    title: str
    path: Sequence[str] = ()
    expires_at: float | None = None
    free: bool = True
    readme: Preview | None = None
    receives: Receives | None = None


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one page, in order. `following` are the parameters of the next one, none at the end; `begun` is
    whether there were others before. `block` says that the order holds among so many rows at a time only."""

    entries: Sequence[Entry] = ()
    following: Mapping[str, str] = field(default_factory=dict)
    begun: bool = False
    block: int | None = None


def folder_page(
    look: Look, folder: Folder, shown: Rows, view: FolderView | None = None, *, none_selected: bool = False
) -> Page:
    """A page of a folder. `none_selected` is for who asked for what is selected, and had selected nothing."""
    view, receives = view or FolderView(), folder.receives
    pictures = view.grid and folder.free
    return render(
        "folder.html",
        look,
        scripts=TIMES if receives is None else (*TIMES, *UPLOADING),
        fetches=(*(("img-src",) if pictures else ()), *(("connect-src",) if receives is not None else ())),
        folder=folder,
        crumbs=_crumbs(folder.title, folder.path),
        columns=_columns(look, view),
        rows=_rows(shown.entries, pictures=pictures),
        view=view,
        following=view.address(**shown.following) if shown.following else "",
        begun=shown.begun,
        block=shown.block,
        none_selected=none_selected,
        reasons={} if receives is None else refusal_texts(look),
    )


def _rows(entries: Sequence[Entry], *, pictures: bool) -> list[_Row]:
    rows, left = [], _ALL_PICTURES if pictures else 0
    for entry in entries:
        size = entry.size or 0
        picture = 0 < size <= min(left, _LARGEST_PICTURE) and entry.name.lower().endswith(_PICTURES)
        left -= size if picture else 0
        rows.append(_Row(_address(entry.name), entry.name, entry.size, entry.modified, picture))
    return rows


def _columns(look: Look, view: FolderView) -> list[_Column]:
    text = look.language.text
    heads = {"name": (text("listing.name"), ""), "size": (text("facts.size"), "size")}
    heads["changed"] = (text("listing.changed"), "date")
    columns = []
    for name in ORDERS:
        other_way = view.order == name
        now = "ascending" if other_way else "descending" if view.order == f"-{name}" else ""
        wanted = f"-{name}" if other_way else name
        href = view.address(sort="" if wanted == "name" else wanted)
        label, kind = heads[name]
        columns.append(_Column(label, href, now, kind))
    return columns


def _address(name: str) -> str:
    """The leading "./" keeps a name with a colon from being read as a scheme."""
    return "./" + quote(name, safe="/", errors="replace")


def _crumbs(title: str, path: Sequence[str]) -> list[_Crumb]:
    """The way from the link's root down to here; the last one is here."""
    if not path:
        return []
    return [_Crumb("../" * (len(path) - depth), name) for depth, name in enumerate([title, *path])]
