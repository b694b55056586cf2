"""The plain index of a folder."""

from __future__ import annotations

import re
from html import unescape
from urllib.parse import unquote, urljoin

import pytest

from gateway.pages.index import INDEX_HEADERS, index_begin, index_end, index_line
from gateway.wire.s3.listing import Entry

ODD = [
    "a.txt",
    "with space & more.txt",
    "<b>.txt",
    "q\"uote's.txt",
    "http:x",
    "?x=1#y",
    "100%41.txt",
    "日本 🎉.bin",
    "sub/",
    "x" * 200,
]


@pytest.mark.parametrize("name", ODD)
def test_a_line_leads_to_its_name(name: str) -> None:
    """And to nothing else, whatever is in it; read as HTML, the name is the name."""
    line = index_line(Entry(name, 5, "2026-11-30T00:12:47.000Z"))
    href, shown = re.findall(r'<a href="([^"]*)">(.*)</a>', line)[0]
    assert f"http://host/s/tok/{name}" == unquote(urljoin("http://host/s/tok/", unescape(href)))
    assert name == unescape(shown)
    assert "<b>" not in line


@pytest.mark.parametrize("name", ["a\nb", "\u202egpj.exe", "a\x1b[2Jb", "a\x9bb", "a\u2028b"])
def test_a_name_is_one_line_as_people_see_it(name: str) -> None:
    """Its address is the name to the letter; what is shown of it has nothing that is not seen."""
    line = index_line(Entry(name, 5, "2026-11-30T00:12:47.000Z"))
    href, shown = re.findall(r'<a href="([^"]*)">(.*)</a>', line)[0]
    assert name == unquote(href)
    assert "\ufffd" in shown
    assert line[:-1].isprintable()
    assert index_begin(f"{name}/").replace("\n", "").isprintable()


def test_a_line_is_as_nginx_writes_it() -> None:
    """The day and the size stand where programs look for them; a folder has neither."""
    assert f'<a href="a.txt">a.txt</a>{" " * 46}30-Nov-2026 00:12{"5":>20}\n' == index_line(
        Entry("a.txt", 5, "2026-11-30T00:12:47.000Z")
    )
    assert f'<a href="sub/">sub/</a>{" " * 47}{"-":17}{"-":>20}\n' == index_line(Entry("sub/"))


@pytest.mark.parametrize(
    "modified",
    [
        *("", "yesterday", "2026-13-30T00:12:47Z", "2026-11-30", "0000-00-00T00:00"),
        *("2026-²1-30T00:12:47Z", "2026-11-30T<hr>x:47Z", "2026-11-30 00:12"),
    ],
)
def test_a_day_that_is_none_is_a_dash(modified: str) -> None:
    """A store that tells no day, or says it oddly, makes no other line."""
    assert ["-", "5"] == index_line(Entry("a", 5, modified)).split()[-2:]


def test_the_frame_holds_the_folders_name_alone() -> None:
    """Escaped; and what is shown may do nothing."""
    assert "Index of /a&lt;b/" in index_begin("a<b/")
    assert index_end().endswith("</html>\n")
    assert "default-src 'none'" in dict(INDEX_HEADERS)["Content-Security-Policy"]
