"""Texts for people and for headers: they show as what they are."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.schema import texts
from tests.schema.conftest import no_surprise, parsed, sentence

SCREENSHOT = "Screenshot 2030-01-01 at 9.41.00\u202fAM.png"
UNPRINTABLE = "has characters that cannot be printed"


@pytest.mark.parametrize(
    ("kind", "value", "result"),
    [
        (texts.Text, "Rapport\u00a0: final", "Rapport\u00a0: final"),
        (texts.Text, "\u0645\u06cc\u200c\u0631\u0648\u0645", "\u0645\u06cc\u200c\u0631\u0648\u0645"),
        (texts.Note, "in two\nlines\n", "in two\nlines\n"),
        (
            texts.Filename,
            SCREENSHOT,
            SCREENSHOT,
        ),
        (texts.Filename, "\U0001f468\u200d\U0001f467.png", "\U0001f468\u200d\U0001f467.png"),
        (texts.ContentType, "text/plain; charset=utf-8", "text/plain; charset=utf-8"),
        (texts.EntityTag, "abc", '"abc"'),
        (texts.EntityTag, '"abc-2"', '"abc-2"'),
        (texts.HeaderName, "x-amz-meta-a", "x-amz-meta-a"),
    ],
)
def test_what_people_write_stays(kind: Any, value: str, result: str) -> None:
    """Blanks that do not break and joiners are in real names: screenshots, French, Persian, emoji."""
    assert result == parsed(kind, value)


@pytest.mark.parametrize(
    ("kind", "value", "why"),
    [
        (texts.Text, "a\nb", UNPRINTABLE),
        (texts.Text, "a\u2028b", UNPRINTABLE),
        (texts.Text, "a\x1b[2Jb", UNPRINTABLE),
        (texts.Filename, "fdp.\u202egnp.exe", UNPRINTABLE),
        (texts.Filename, "a\u2066b", UNPRINTABLE),
        (texts.Filename, "a/b", "a file name has no slashes and is more than dots"),
        (texts.Filename, "..", "a file name has no slashes and is more than dots"),
        (texts.ContentType, "pdf", "not a media type: write one like application/pdf"),
        (texts.HeaderName, "X Y", "must be the name of a header"),
        (texts.HeaderName, "ETag\n", "must be the name of a header"),
        (texts.Cursor, "a\0", UNPRINTABLE),
    ],
)
def test_what_would_show_as_something_else_is_told(kind: Any, value: str, why: str) -> None:
    """No line ends inside of a label, and no mark turns a name around."""
    assert why == sentence(kind, value)


@given(st.text() | st.integers() | st.floats() | st.none() | st.booleans() | st.lists(st.text()))
def test_no_value_gives_anything_but_a_value_or_a_sentence(value: object) -> None:
    """Whatever is written, each type ends in a value or in a validation error."""
    no_surprise(texts, value)
