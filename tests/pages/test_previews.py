"""Laws of `gateway.pages.previews`."""

from __future__ import annotations

import pytest

from gateway.pages.previews import READ_AT_MOST, Kind, kind_of, preview_of
from gateway.wire.http.media import SHOWN_TYPES

SHOWN = frozenset(SHOWN_TYPES)


@pytest.mark.parametrize(
    ("essence", "name", "kind"),
    [
        ("image/png", "a", Kind.IMAGE),
        ("video/mp4", "a.txt", Kind.VIDEO),
        ("audio/mpeg", "a", Kind.AUDIO),
        ("application/pdf", "a", Kind.DOCUMENT),
        ("text/plain", "a", Kind.TEXT),
        ("text/plain", "README.md", Kind.MARKDOWN),
        ("text/markdown", "a", Kind.MARKDOWN),
        ("text/csv", "a", Kind.TABLE),
        ("application/octet-stream", "a.CSV", Kind.TABLE),
        ("application/octet-stream", "a.json", Kind.TEXT),
        ("application/json", "a", Kind.TEXT),
        ("application/geo+json", "a", Kind.TEXT),
        ("image/svg+xml", "a.svg", Kind.TEXT),
        ("text/html", "a.html", Kind.TEXT),
        ("image/tiff", "a.txt", None),
        ("application/octet-stream", "a.png", None),
        ("application/octet-stream", "md", None),
        ("application/zip", "a.md", None),
    ],
)
def test_a_preview_suits_the_type(essence: str, name: str, kind: Kind | None) -> None:
    """What is shown in place is fetched by browsers; what is text is read; a name tells where the type does not."""
    assert kind is kind_of(essence, name, SHOWN)


def test_every_type_that_is_shown_has_a_preview() -> None:
    """A type on that list that no preview knows would be an error on a page."""
    assert all(kind_of(essence, "a", SHOWN) is not None for essence in SHOWN)


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"hello", "hello"),
        ("grüße".encode(), "grüße"),
        ("grüße".encode("utf-8-sig"), "grüße"),
        ("grüße".encode("cp1252"), "grüße"),
        ("grüße".encode("utf-16"), "grüße"),
        (b"", ""),
    ],
)
def test_text_is_read_in_its_encoding(data: bytes, text: str) -> None:
    """UTF-8, UTF-16 that says so, or Windows-1252."""
    made = preview_of(Kind.TEXT, data, whole=True)
    assert made is not None
    assert (text, True) == (made.text, made.whole)


def test_bytes_are_no_text() -> None:
    """A file that only pretends has no preview."""
    assert preview_of(Kind.TEXT, b"\x7fELF\0\0", whole=True) is None


def test_a_beginning_ends_with_its_last_whole_line() -> None:
    """Neither half a line nor half a character; one long line is shown as far as it goes."""
    made = preview_of(Kind.TEXT, "one\ntwo\nthré".encode()[:-1], whole=False)
    assert made is not None
    assert ("one\ntwo\n", False) == (made.text, made.whole)
    made = preview_of(Kind.TEXT, "aé".encode()[:-1], whole=False)
    assert made is not None
    assert "a" == made.text


def test_nothing_beyond_the_bound_is_looked_at() -> None:
    """However much a caller hands over."""
    made = preview_of(Kind.TEXT, b"a" * (2 * READ_AT_MOST), whole=False)
    assert made is not None
    assert READ_AT_MOST == len(made.text)


@pytest.mark.parametrize(
    ("data", "rows"),
    [
        (b"a,b\n1,2\n", [["a", "b"], ["1", "2"]]),
        (b"a;b\n\n1,5;2\n", [["a", "b"], ["1,5", "2"]]),
        (b"a\tb\n1\n", [["a", "b"], ["1", ""]]),
        (b'"x, y",z\n', [["x, y", "z"]]),
        (b"", []),
    ],
)
def test_a_table_has_its_cells(data: bytes, rows: list[list[str]]) -> None:
    """By the separator that its first line has most of; all rows are as wide as the widest."""
    made = preview_of(Kind.TABLE, data, whole=True)
    assert made is not None
    assert (rows, True) == ([list(row) for row in made.rows], made.whole)


def test_a_large_table_is_its_beginning() -> None:
    """So many rows, columns and characters, and it says so."""
    made = preview_of(Kind.TABLE, b"x" * 500 + b",b\n" + b"1,2\n" * 100, whole=True)
    assert made is not None
    assert (50, False, 200) == (len(made.rows), made.whole, len(made.rows[0][0]))
    made = preview_of(Kind.TABLE, b",".join([b"a"] * 30), whole=True)
    assert made is not None
    assert (20, False) == (len(made.rows[0]), made.whole)


def test_what_is_no_table_is_text() -> None:
    """As it stands."""
    made = preview_of(Kind.TABLE, b"a\rb\0", whole=True)
    assert made is None
    made = preview_of(Kind.TABLE, b'"' + b"x" * 10, whole=True)
    assert made is not None


def test_markdown_is_markup_of_ours() -> None:
    """And says when there is more."""
    made = preview_of(Kind.MARKDOWN, b"# A\n<b>", whole=True)
    assert made is not None
    assert "<h3>A</h3>\n<p>&lt;b&gt;</p>" == made.markup.strip()
    made = preview_of(Kind.MARKDOWN, b"a\n" * 10_000, whole=True)
    assert made is not None
    assert not made.whole
