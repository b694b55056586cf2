"""Owns the pages that people see at a link: landing, upload, receipt, a preview's card, the host's front.

Refuses to own what is on them (sizes, names, instants arrive as values), which of them is answered, and how they look
(`gateway.pages.render`, `templates/`).

Law: no address of the link itself is in a page. Forms post to the address that the browser is at, so that looking at a
page (or letting a mail scanner look at it) never takes a use.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gateway.core.reasons import Reason
from gateway.core.values import dataclass
from gateway.pages.previews import Kind, Preview
from gateway.pages.refusals import refusal_texts
from gateway.pages.render import ONCE, TIMES, UPLOADING, Look, Page, render

_FETCHED_BY: Final = {
    Kind.IMAGE: ("img-src",),
    Kind.AUDIO: ("media-src",),
    Kind.VIDEO: ("media-src",),
    Kind.DOCUMENT: ("frame-src",),
}
"""The directives under which a browser fetches a preview."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a page tells of a file. `expires_at` in seconds since the epoch; "" and None are not mentioned.

    `sha256` is in hexadecimal.
    """

    name: str
    size: int | None = None
    content_type: str = ""
    expires_at: float | None = None
    uses_left: int | None = None
    sender: str = ""
    sha256: str = ""


def landing_page(
    look: Look, told: Told, *, asks: bool, may_show: bool = False, card: bool = False, preview: Preview | None = None
) -> Page:
    """What a link leads to, and how to get it.

    With `asks` it is got by a button that posts, because getting it takes something; `may_show` adds one that shows it
    in the browser. Without, it is got by its address. `card` has the page say to programs what it says to people.
    """
    kind = preview.kind if preview is not None else None
    return render(
        "landing.html",
        look,
        scripts=TIMES,
        fetches=_FETCHED_BY.get(kind, ()) if kind is not None else (),
        told=told,
        asks=asks,
        may_show=may_show,
        card=card,
        preview=preview,
    )


def card_page(look: Look, told: Told | None = None) -> Page:
    """What a preview shows of a link that must not be used up by it: that a file is shared, and what is told of it."""
    return render("card.html", look, told=told)


@dataclass(frozen=True, slots=True, kw_only=True)
class Receives:
    """What a link takes of files that are sent to it: how large each, how many more and how much of them together
    (None for any), and of these types, none for any. `single` is for one file of one name; with `undo` files can be
    taken back."""

    max_size: int | None = None
    files_left: int | None = None
    bytes_left: int | None = None
    types: Sequence[str] = ()
    on_conflict: str = "refuse"
    message: str | None = None
    single: bool = False
    undo: bool = False


def upload_page(look: Look, receives: Receives, *, title: str = "", expires_at: float | None = None) -> Page:
    """A form that works without script. It shows the limits before anything is sent, and no existing file."""
    return render(
        "upload.html",
        look,
        scripts=(*TIMES, *UPLOADING),
        fetches=("connect-src",),
        title=title or look.language.text("upload.title"),
        expires_at=expires_at,
        receives=receives,
        reasons=refusal_texts(look),
    )


@dataclass(frozen=True, slots=True)
class _Refused:
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class FileReceived:
    """A file that was stored, with the SHA-256 of its bytes in hex where it is known, and the secret that undoes it."""

    name: str
    bytes: int
    sha256: str | None = None
    undo: str | None = None


@dataclass(frozen=True, slots=True)
class FileFailed:
    """One that was not."""

    name: str
    reason: Reason


def receipt_page(
    look: Look, *, stored: Sequence[FileReceived], failed: Sequence[FileFailed] = (), request_id: str
) -> Page:
    """What the uploader sees once the bytes are stored, or some of them were refused."""
    refused = [_Refused(one.name, look.language.text(f"reasons.{one.reason}")) for one in failed]
    undoes = any(one.undo for one in stored)
    return render(
        "receipt.html", look, scripts=ONCE if undoes else (), stored=stored, failed=refused, request_id=request_id
    )


def undone_page(look: Look) -> Page:
    """What the uploader sees once a file was taken back."""
    return render("undone.html", look)


def program_page(look: Look, *, who: str, port: str, address: str) -> Page:
    """Who signed in, and the way on to the program on their computer that asked for it, which nobody goes unasked."""
    return render("program.html", look, who=who, port=port, address=address)


def front_page(look: Look) -> Page:
    """The page at the share host's root, for a visitor who removed a link's path."""
    return render("front.html", look)
