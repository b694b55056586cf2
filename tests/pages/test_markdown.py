"""Laws of `gateway.pages.markdown`."""

from __future__ import annotations

import re
import time
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.pages.markdown import LONGEST, render_markdown

_ELEMENTS = {
    *("p", "h3", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "pre", "code", "em", "strong", "s", "a", "hr", "br"),
    *("table", "thead", "tbody", "tr", "th", "td"),
}
_ATTRIBUTES = {"href", "rel", "class", "start"}


class Seen(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


def tame(text: str) -> bool:
    """Whether there are only elements and attributes of ours, and addresses that lead to the web, mail or below."""
    seen = Seen(render_markdown(text))
    addresses = [value or "" for name, value in seen.attributes if name == "href"]
    schemes = [found[0].lower() for one in addresses if (found := re.match(r"[a-z0-9+.-]+:|//|/", one, re.I))]
    kinds = [value or "" for name, value in seen.attributes if name == "class"]
    return (
        set(seen.tags) <= _ELEMENTS
        and {name for name, _ in seen.attributes} <= _ATTRIBUTES
        and set(schemes) <= {"http:", "https:", "mailto:"}
        and all(kind.startswith("language-") for kind in kinds)
    )


HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "[a](javascript:alert(1))",
    "[a](JaVaScRiPt:alert(1))",
    "[a](java&#115;cript:alert(1))",
    "[a](data:text/html,<script>alert(1)</script>)",
    "[a](vbscript:x)",
    "[a](//evil.example)",
    "[a](/s/other)",
    "[a](\\\\evil.example)",
    "![a](http://evil.example/track.png)",
    "![a](data:image/svg+xml,<svg onload=alert(1)>)",
    "[![a](x)](javascript:x)",
    "<javascript:alert(1)>",
    "[a]: javascript:alert(1)\n\n[a]",
    '[a](x "\\" onmouseover=alert(1) \\"")',
    '```" onmouseover=alert(1) "\nx\n```',
    "|a|b|\n|:-|-:|\n|<b>|x|",
    "<!-- --><iframe src=x>",
    "<style>*{display:none}</style>",
    "&lt;script&gt;",
    "# <b>x",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_nothing_of_a_text_acts(text: str) -> None:
    """No element, attribute or address but those that are known."""
    assert tame(text)


@given(st.text(alphabet="[]()<>!*_`#|-\n\\:/\"'& ajs", max_size=200))
def test_nothing_of_any_text_acts(text: str) -> None:
    """The same of what nobody thought of."""
    assert tame(text)


def test_what_people_write_is_rendered() -> None:
    """Both sides: headings below the page's own, lists, tables, code and links stay what they are."""
    made = render_markdown(
        "# Title\n\nA **bold** [link](https://a.example) and [another](docs/a.md).\n\n- one\n- two\n\n"
        "|a|b|\n|-|-|\n|1|2|\n"
    )
    for part in ("<h3>Title</h3>", "<strong>bold</strong>", "<li>one</li>", "<td>2</td>", 'href="docs/a.md"'):
        assert part in made
    assert 'href="https://a.example" rel="noopener noreferrer nofollow ugc"' in made


def test_a_picture_is_its_description() -> None:
    """Nothing is loaded by looking, within a link neither."""
    assert "<p>[a cat]</p>" == render_markdown("![a cat](https://evil.example/cat.png)").strip()
    assert '">[a]</a>' in render_markdown("[![a](x.png)](https://a.example)")


@pytest.mark.parametrize(
    "piece",
    ["[", "![[", "*a ", "_a", "> ", "- ", "`a", "<", "[a](", "**a", "*_", "~~a", "[x][", "# a\n", "|a", "a|b\n-|-\n"],
)
def test_the_worst_text_is_bounded(piece: str) -> None:
    """However long a file is, a part of fixed length is rendered, in a time that a thread can take."""
    started = time.process_time()
    long = render_markdown(piece * (1_000_000 // len(piece)))
    assert time.process_time() - started < 3
    assert long == render_markdown((piece * LONGEST)[:LONGEST])


def test_a_wide_table_is_text() -> None:
    """Its rows would be filled up to its width."""
    assert "<table" not in render_markdown("|a" * 40 + "\n" + "|-" * 40 + "\n|x")
    assert "<table" in render_markdown("|a" * 20 + "\n" + "|-" * 20 + "\n|x")
