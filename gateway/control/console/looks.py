"""Owns how a page of the console is made: the shared layout, the console's own style sheet, words and module.

Refuses to own the words and the templates themselves (`gateway/pages/`), and what is on a page.
"""

from __future__ import annotations

from typing import Any, Final, Protocol

from gateway.control.console.browser import FORM_FIELD, Browser
from gateway.control.deps import ConsoleRules
from gateway.core.duty import Duty
from gateway.core.request import RawRequest
from gateway.core.values import dataclass
from gateway.pages.assets import Asset
from gateway.pages.render import ONCE, TIMES, Look, look_for, render
from gateway.wire.replies import Reply

_ASSETS: Final = "assets/"
_HEADERS: Final = (("Referrer-Policy", "same-origin"), ("Cross-Origin-Opener-Policy", "same-origin"))
"""`same-origin`, and not `no-referrer`: else a browser names no origin with a form, and none would be taken."""


@dataclass(frozen=True, slots=True)
class Who:
    """The visitor, for what a page offers. What they may do is asked again when they do it."""

    name: str
    may: frozenset[Duty]
    all: bool
    proxied: bool


class Seen(Protocol):
    """A request for a page (`gateway.control.console.visit`), as far as its looks go."""

    raw: RawRequest
    browser: Browser
    rules: ConsoleRules
    place: str
    who: Who | None

    @property
    def root(self) -> str: ...

    @property
    def cookies(self) -> tuple[tuple[str, str], ...]: ...


def show(visit: Seen, template: str, status: int, **values: Any) -> Reply:
    """A page of the console. `live` is the page whose events it hears, `posts_to` are origins its forms go to."""
    page = render(
        template,
        _look(visit),
        scripts=(*TIMES, *ONCE, "console.js"),
        sheets=("console.css",),
        fetches=("connect-src",),
        posts_to=values.pop("posts_to", ()),
        live=values.pop("live", ""),
        who=visit.who,
        **_of(visit),
        **values,
    )
    return Reply(status, (*page.headers, *_HEADERS, *visit.cookies), page.body)


def choose_text(visit: Seen, key: str) -> str:
    """One text in the visitor's language."""
    return _look(visit).language.text(key)


def draw(visit: Seen, template: str, **values: Any) -> str:
    """The part of a page that changes."""
    return render(template, _look(visit), **_of(visit), **values).body.decode()


def _look(visit: Seen) -> Look:
    return look_for(visit.rules.branding, visit.raw.header("accept-language"), visit.root + _ASSETS)


def _of(visit: Seen) -> dict[str, Any]:
    """What every form and address in a page is made of."""
    token = visit.browser.form_token
    return {"root": visit.root, "place": visit.place, "form_field": FORM_FIELD, "form_token": token}


def asset_reply(asset: Asset) -> Reply:
    """A file that pages load; its name changes with its bytes."""
    headers = (("Content-Type", asset.content_type), ("Cache-Control", "public, max-age=31536000, immutable"))
    return Reply(200, headers, asset.body)
