"""Laws of `gateway.wire.http.disposition`."""

from __future__ import annotations

import re
from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.http.disposition import clean_filename, content_disposition


@pytest.mark.parametrize(
    ("name", "cleaned"),
    [
        ("report.pdf", "report.pdf"),
        ("a/b/c.txt", "c.txt"),
        ("..\\..\\evil.exe", "evil.exe"),
        ("folder/", "folder"),
        ("", "download"),
        ("\u00a0", "download"),
        ("..", "download"),
        ("a\r\nSet-Cookie: x=1", "aSet-Cookie_ x=1"),
        ("invoice\u202egpj.exe", "invoicegpj.exe"),
        ("zero\u200bwidth\u2066.txt", "zerowidth.txt"),
        ("\U0001f468\u200d\U0001f467 9\u202fAM.png", "\U0001f468\u200d\U0001f467 9\u202fAM.png"),
        ('a"b<c>d|e?f*g', "a_b_c_d_e_f_g"),
        ("caf\u00e9.txt", "caf\u00e9.txt"),
        ("\ud800x", "x"),
        ("x" * 300 + ".tar", "x" * 176 + ".tar"),
        ("x" * 300, "x" * 180),
    ],
)
def test_clean_filename(name: str, cleaned: str) -> None:
    """A file name is one path part without anything that fools an eye, a shell or a file system."""
    assert clean_filename(name) == cleaned


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("a b.txt", 'attachment; filename="a b.txt"'),
        ("caf\u00e9 100%.txt", "attachment; filename=\"caf_ 100_.txt\"; filename*=UTF-8''caf%C3%A9%20100%25.txt"),
        ("\u65e5.txt", "attachment; filename=\"_.txt\"; filename*=UTF-8''%E6%97%A5.txt"),
    ],
)
def test_content_disposition(name: str, value: str) -> None:
    """ASCII readers get a fallback, others the whole name (RFC 6266, 4.3)."""
    assert content_disposition("attachment", name) == value


@given(st.text(max_size=300))
def test_content_disposition_is_one_safe_header(name: str) -> None:
    """Any name gives printable ASCII that a header parser reads back as the cleaned name."""
    value = content_disposition("inline", name)
    assert re.fullmatch(r"[\x20-\x7e]+", value)
    cleaned = clean_filename(name)
    extended = re.search(r"filename\*=UTF-8''([!#$&+^`|~0-9A-Za-z%._-]+)$", value)
    plain = re.search(r'filename="([^"\\]+)"', value)
    assert (unquote(extended[1]) if extended else plain and plain[1]) == cleaned
