"""Laws of `gateway.wire.http.media`."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.http.media import (
    OCTETS,
    PASSIVE_TYPES,
    SHOWN_TYPES,
    VIEWED_TYPES,
    declared_essence,
    read_type,
    sandbox_of,
)


@pytest.mark.parametrize(
    "value",
    [
        "image/png",
        "text/plain;charset=UTF-8",
        "Text/Plain; Charset=utf-8",
        'video/mp4; codecs="avc1.42E01E, mp4a.40.2"',
        'multipart/mixed; boundary="a\\"b c"; x=y',
        "application/x-directory; charset=UTF-8",
        "application/vnd.a+json;",
        "text/html ; ; charset=us-ascii",
    ],
)
def test_a_type_that_reads_is_written_as_it_came(value: str) -> None:
    """What a client stored as a type is what a client gets."""
    assert value == read_type(value).written
    assert declared_essence(value) == read_type(value).essence


@pytest.mark.parametrize(
    "value",
    [
        "",
        " ",
        "jpeg",
        "text/",
        "/html",
        "text/plain, text/html",
        "text /plain",
        "téxt/plain",
        "*",
        "a/b/c",
        "text/html,",
    ],
)
def test_what_is_no_type_is_bytes(value: str) -> None:
    """Neither none nor several: nobody shall pick one."""
    assert (OCTETS, OCTETS) == (read_type(value).essence, read_type(value).written)


@pytest.mark.parametrize(
    "rest",
    [
        "; a=b, text/html",
        ";text/html",
        "; a",
        '; a="b',
        "; charset=utf-8; charset=utf-7",
        "; charset=utf-8; CHARSET=utf-7",
        "; a=b\x0b",
        "; a=é",
        ';a="\x00"',
    ],
)
def test_parameters_that_do_not_read_are_left_out(rest: str) -> None:
    """The type that was judged is written without them, and so is the only one that anybody can read."""
    assert ("text/plain", "text/plain") == (
        read_type("text/plain" + rest).essence,
        read_type("text/plain" + rest).written,
    )


@given(st.text(st.sampled_from('abtexhml/;,=" \t\\+*.-charset8\x00\x0b\u00e9'), max_size=40), st.text(max_size=20))
def test_what_is_written_is_one_type_and_reads_as_the_one_judged(value: str, tail: str) -> None:
    """Written types read the same again, and no comma outside of quotes makes two of one."""
    for stored in (value, "text/html;" + value, value + tail):
        found = read_type(stored)
        assert found == read_type(found.written)
        assert "," not in re.sub(r'"(?:[^"\\]|\\.)*"', "", found.written)
        assert found.written.isprintable() or "\t" in found.written


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("text/plain", "text/plain; charset=utf-8"),
        ("text/plain; charset=utf-7", "text/plain; charset=utf-8"),
        ("text/plain; charset=iso-2022-jp", "text/plain; charset=utf-8"),
        ("text/plain; charset=x-user-defined", "text/plain; charset=utf-8"),
        ("text/plain; a=b, text/html", "text/plain; charset=utf-8"),
        ('text/plain; charset="windows-1252"', 'text/plain; charset="windows-1252"'),
        ("text/plain; charset=Shift_JIS", "text/plain; charset=Shift_JIS"),
        ("image/png", "image/png"),
        ("image/png; charset=utf-7", "image/png; charset=utf-7"),
    ],
)
def test_shown_text_says_its_encoding(value: str, shown: str) -> None:
    """No browser guesses one, and none that hides markup is offered; a plain one that its sender named is kept."""
    assert shown == read_type(value).shown


@pytest.mark.parametrize(
    "essence",
    [
        *("text/html", "application/xhtml+xml", "image/svg+xml", "text/xml", "application/xml", "text/xsl"),
        *("application/rdf+xml", "application/atom+xml", "application/mathml+xml", "x/y+xml", "text/javascript"),
        *("multipart/x-mixed-replace", "text/cache-manifest", "text/css", "application/x-pdf", "nobody/knows", OCTETS),
    ],
)
def test_what_is_on_no_list_can_do_nothing(essence: str) -> None:
    """The bare sandbox is what every type gets that nobody has called passive."""
    assert "default-src 'none'; sandbox" == sandbox_of(essence)


def test_no_policy_lets_a_script_run() -> None:
    """Whatever the type: nothing is a source for scripts, and none is sandboxed with `allow-scripts`. What a browser
    shows by a program of its own stands in no sandbox, in which WebKit's does nothing; all else does."""
    for essence in SHOWN_TYPES | {"text/html", "image/svg+xml"}:
        policy = sandbox_of(essence)
        assert policy.startswith("default-src 'none'; ")
        assert not re.search("script|frame|worker|connect", policy)
        closed = "; form-action 'none'; base-uri 'none'"  # what the default does not speak of
        assert policy.endswith(closed if essence in VIEWED_TYPES else "; sandbox")
    assert not {name for name in PASSIVE_TYPES if re.search("html|xml|svg|script|pdf|multipart", name)}
    assert {"application/pdf"} == VIEWED_TYPES - PASSIVE_TYPES


def test_reading_is_linear() -> None:
    """A long value that fails at its end costs no more than its length: no repetition is tried twice."""
    for piece in ("; ", ' ;\t;a="b"', "; a=b ", ';a="\\"', "    "):
        assert "text/plain" == read_type("text/plain;" + piece * 20_000 + "\x00").written


@pytest.mark.parametrize(
    ("value", "essence"),
    [(None, ""), ("", ""), (" Text/HTML ;charset=x", "text/html"), ("no type", "no type"), (";a=b", "")],
)
def test_what_is_declared_is_compared_without_parameters(value: str | None, essence: str) -> None:
    """In small letters, whether it is a type or not."""
    assert essence == declared_essence(value)
