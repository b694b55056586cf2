"""Owns how a page is made: from a template, values, a visitor's language and an operator's branding to HTML.

Refuses to own what is on a page (`gateway.pages.links` and whoever else has templates), HTTP beyond the headers that a
page needs to be safe, and the files that pages load (`gateway.pages.assets`).

Laws: every value is escaped, and one that is missing is an error. A page's policy allows the one style sheet by its
hash, scripts of ours by theirs, and nothing else; there is no inline script and no foreign address. jinja2 is imported
and its templates are read when the first page is shown, never at start, and in another thread, so that nothing else
waits for it (`read_templates`). What templates were compiled to is kept beside them, as Python keeps modules.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Sequence
from contextlib import suppress
from functools import cache, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.core.units import format_duration, format_instant
from gateway.core.values import dataclass
from gateway.pages.assets import Asset, stored_assets
from gateway.pages.branding import Branding, brand_style
from gateway.pages.languages import SOURCE, Language, choose_language

if TYPE_CHECKING:
    from jinja2 import Environment
    from jinja2.bccache import Bucket

ASSETS_AT: Final = "/s/-/"
"""Where the data listener serves assets: no token reads like this, and a bucket's name has three characters or more."""

UPLOADING: Final = ("upload.js",)
"""Files are sent with progress, and go on after a break, where scripts run."""

TIMES: Final = ("times.js",)
"""The module that shows instants in the visitor's zone, for pages that have any."""

ONCE: Final = ("forms.js",)
"""A form whose answer must not be lost is sent once, where scripts run."""

_JOINERS: Final = frozenset("\u200c\u200d")
_TEMPLATES: Final = Path(__file__).parent / "templates"
_COMPILED: Final = _TEMPLATES / "__pycache__"

_read: set[str] = set()
"""The rooms whose templates this process has."""


@dataclass(frozen=True, slots=True)
class Page:
    """A page's own headers and its bytes. Those of the face that it is shown on come on top."""

    headers: tuple[tuple[str, str], ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Look:
    """What differs between operators and visitors. `assets_at` is the path before the names of assets."""

    branding: Branding
    language: Language
    assets_at: str = ASSETS_AT


def look_for(branding: Branding, accept_language: str | None, assets_at: str = ASSETS_AT) -> Look:
    """How a page looks for who sends this `Accept-Language`."""
    return Look(branding, choose_language(accept_language, branding.language), assets_at)


def render(
    template: str,
    look: Look,
    *,
    scripts: Sequence[str] = (),
    sheets: tuple[str, ...] = (),
    fetches: Sequence[str] = (),
    posts_to: Sequence[str] = (),
    **values: object,
) -> Page:
    """A page.

    `scripts` are names of our ES modules, `sheets` of style sheets beside the one that all pages have, and `posts_to`
    are origins other than the page's own to which its forms go. `fetches` are the directives, as `connect-src`, under
    which the page may ask its own host for more. Templates also get `t`, the text of a key in the visitor's language,
    `tell`, which says a sentence in it, `look`, and `style`.
    """
    modules = [stored_assets()[name] for name in scripts]
    style = _style(look.branding, sheets)
    text = (
        _environment()
        .get_template(template)
        .render(
            look=look,
            t=look.language.text,
            tell=look.language.tell,
            size=look.language.size,
            style=style,
            modules=modules,
            **values,
        )
    )
    headers = (
        ("Content-Type", "text/html; charset=utf-8"),
        ("Content-Language", look.language.code),
        ("Content-Security-Policy", _policy(style, look, modules, fetches, posts_to)),
    )
    return Page(headers, text.encode("utf-8", "replace"))


def are_read(room: str = "") -> bool:
    """Whether `read_templates` was called; it is, from another thread, before the first page of a room is rendered."""
    return room in _read


def read_templates(room: str = "") -> None:
    """Import jinja2, and read the templates of a room, `console/` or those of links, and the texts.

    An image does so once while it is built.
    """
    made = _environment()
    for name in made.list_templates(filter_func=lambda name: name.endswith(".html")):
        if name.rpartition("/")[1:] == ("", name) or name.startswith(room or "/"):
            made.get_template(name)
    stored_assets()
    choose_language(None, SOURCE)
    _read.add(room)


def visible(name: str) -> str:
    """A name as a person may be shown it: without characters that are not seen, or that turn the rest around.

    Joiners stay where they are needed, as in Persian words and families of emoji: between what is not ASCII.
    """
    if name.isprintable():
        return name
    return "".join(letter if _is_seen(name, at) else "\ufffd" for at, letter in enumerate(name))


def _is_seen(name: str, at: int) -> bool:
    letter = name[at]
    if letter not in _JOINERS:
        return letter.isprintable() or letter == "\u3000"
    beside = name[at - 1 : at] + name[at + 1 : at + 2]
    return len(beside) == 2 and all(one.isprintable() and not one.isascii() for one in beside)


@cache
def _environment() -> Environment:
    from jinja2 import Environment, FileSystemBytecodeCache, FileSystemLoader, StrictUndefined

    class Kept(FileSystemBytecodeCache):
        """Where nothing can be written, templates are compiled once a process."""

        def load_bytecode(self, bucket: Bucket) -> None:
            with suppress(OSError):
                super().load_bytecode(bucket)

        def dump_bytecode(self, bucket: Bucket) -> None:
            with suppress(OSError):
                _COMPILED.mkdir(exist_ok=True)
                super().dump_bytecode(bucket)

    made = Environment(
        bytecode_cache=Kept(str(_COMPILED)),
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        cache_size=-1,
    )
    made.filters["visible"] = visible
    made.filters["json"] = json.dumps
    made.filters["rfc3339"] = format_instant
    made.filters["duration"] = format_duration
    return made


@lru_cache(maxsize=8)
def _style(branding: Branding, sheets: tuple[str, ...]) -> str:
    texts = [stored_assets()[name].body.decode().strip() for name in ("pages.css", *sheets)]
    return "".join(texts) + brand_style(branding)


@lru_cache(maxsize=8)
def _style_hash(style: str) -> str:
    return "sha256-" + b64encode(sha256(style.encode()).digest()).decode()


def _policy(style: str, look: Look, modules: Sequence[Asset], fetches: Sequence[str], posts_to: Sequence[str]) -> str:
    """Scripts are allowed by their hashes and not by our host, which also serves what strangers upload."""
    parts = ["default-src 'none'", f"style-src '{_style_hash(style)}'"]
    if modules:
        parts.append("script-src " + " ".join(f"'{one.integrity}'" for one in modules))
    if look.branding.logo is not None and "img-src" not in fetches:
        parts.append("img-src 'self'")
    parts += [f"{directive} 'self'" for directive in fetches]
    forms = " ".join(["'self'", *posts_to])
    return "; ".join([*parts, f"form-action {forms}", "base-uri 'none'", "frame-ancestors 'none'"])
