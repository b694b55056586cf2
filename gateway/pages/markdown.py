"""Owns Markdown as elements of ours: a stranger's text becomes paragraphs, lists, code, links, nothing that acts.

Refuses to own where it stands, and how much of a file is read.

Laws: HTML in a text stays text. A picture becomes its description, so that nothing is loaded by looking; a link goes to
the web, to mail or below the page, and tells its target nothing. Headings stand below the page's own. The work is
bounded by `LONGEST`. The parser is imported when the first text is shown.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.token import Token

LONGEST: Final = 16 * 1024
"""Characters that are rendered. The parser looks back for what opens a bracket: the worst texts cost the square."""

_MOST_COLUMNS: Final = 30
"""Rows of a table are filled up to its width, so that few characters make many cells."""

_BELOW: Final = 2
"""How far headings are moved down: a page has an `h1`, and an `h2` above the text."""

_ADDRESS: Final = re.compile(r"(?:https?://|mailto:|#|\./|(?![a-z0-9+.-]*:|//|/|\\))", re.IGNORECASE)
_DEEPEST: Final = 20


def render_markdown(text: str) -> str:
    """The elements of the text, up to its bound."""
    text = text[:LONGEST]
    parser = _parser(tables=all(line.count("|") <= _MOST_COLUMNS for line in text.splitlines()))
    environment: dict[str, Any] = {}
    tokens = parser.parse(text, environment)
    _tame(tokens)
    return str(parser.renderer.render(tokens, parser.options, environment))


@cache
def _parser(*, tables: bool) -> MarkdownIt:
    from markdown_it import MarkdownIt

    options = {"html": False, "linkify": False, "typographer": False, "maxNesting": _DEEPEST}
    return MarkdownIt("commonmark", options).enable(["table", "strikethrough"] if tables else ["strikethrough"])


def _tame(tokens: Sequence[Token]) -> None:
    for token in tokens:
        if token.type in {"heading_open", "heading_close"}:
            token.tag = f"h{min(6, int(token.tag[1]) + _BELOW)}"
        elif token.type == "link_open":
            _tame_link(token)
        elif token.type == "image":
            _turn_into_text(token)
        elif token.type in {"th_open", "td_open"}:
            token.attrs.pop("style", None)  # no style but the page's own is allowed
        if token.children:
            _tame(token.children)


def _tame_link(token: Token) -> None:
    if _ADDRESS.match(str(token.attrs.get("href", ""))) is None:
        token.attrs.pop("href", None)
    token.attrs["rel"] = "noopener noreferrer nofollow ugc"
    token.attrs.pop("title", None)


def _turn_into_text(token: Token) -> None:
    """What the picture is said to show. It may stand in a link, so that it cannot be one itself."""
    token.type, token.tag, token.content = "text", "", f"[{token.content}]"
    token.children = None
