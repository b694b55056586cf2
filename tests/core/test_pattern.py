"""The laws of confinement: what a pattern covers, it covers whole; what stands beside it is never reached."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.pattern import RESERVED, NamePattern, PathPattern, Wildcard, key_fault, names_any, prefix_fault

_segment = st.text(st.sampled_from("ab.-_ *%é/"), min_size=1, max_size=6).map(lambda text: text.replace("/", "x"))
_key = st.lists(_segment, min_size=1, max_size=5).map("/".join)
_folder = st.text(st.sampled_from("abc-"), min_size=1, max_size=4)


@given(st.lists(_folder, min_size=1, max_size=3), _key)
def test_a_deep_pattern_covers_exactly_what_is_below(folders: list[str], key: str) -> None:
    """`b/x/y/**` covers a key if and only if it starts with `x/y/`."""
    prefix = "/".join(folders) + "/"
    pattern = PathPattern.parse(f"bucket/{prefix}**")
    assert pattern.covers("bucket", prefix + key)
    assert key.startswith(prefix) == pattern.covers("bucket", key)
    assert not pattern.covers("bucket2", prefix + key)


@given(_folder, _key, st.text(st.sampled_from("ab-. "), min_size=1, max_size=3))
def test_siblings_that_share_a_prefix_are_not_covered(folder: str, key: str, more: str) -> None:
    """`b/reports/**` never covers `reports-old/x`, whatever follows the shared text."""
    pattern = PathPattern.parse(f"bucket/{folder}/**")
    assert not pattern.covers("bucket", f"{folder}{more}/{key}")
    assert not pattern.covers("bucket", folder)


@pytest.mark.parametrize(
    ("pattern", "key", "covered"),
    [
        ("b/*.pdf", "a.pdf", True),
        ("b/*.pdf", "x/a.pdf", False),
        ("b/*/logs/*.gz", "web/logs/1.gz", True),
        ("b/*/logs/*.gz", "web/eu/logs/1.gz", False),
        ("b/*/logs/*.gz", "web/logs/1.gz/2", False),
        ("b/a*c", "abc", True),
        ("b/a*c", "ab/c", False),
        ("b/a.c", "abc", False),
        ("b/a+", "aa", False),
        ("b/a\nb", "a\nb", True),
        ("b/*", "line\nbreak", True),
        ("b/a*a", "a", False),
        ("b/*ab*b", "aab", False),
        ("b/*ab*b", "abb", True),
        ("b/*ab*ba*", "aba", False),
        ("b/[ab]", "a", False),
        ("b/x/**", "x/", True),
        ("b/x/**", "x/../y", True),
    ],
)
def test_what_a_star_covers(pattern: str, key: str, covered: bool) -> None:
    """A star stays inside one segment; everything else in a pattern is meant literally."""
    assert covered == PathPattern.parse(pattern).covers("b", key)


def _expression(pattern: str) -> re.Pattern[str]:
    """A simple reference: each run of stars is anything but a slash."""
    return re.compile("[^/]*".join(map(re.escape, re.split(r"\*+", pattern))), re.DOTALL)


_starred = st.text(st.sampled_from("ab**"), min_size=1, max_size=6).filter(lambda text: "**" not in text)
_plain = st.lists(st.text(st.sampled_from("ab"), max_size=6), min_size=1, max_size=2).map("/".join)


@given(st.lists(_starred, min_size=1, max_size=3).map("/".join), _plain)
def test_a_star_is_any_text_of_its_segment(pattern: str, key: str) -> None:
    """Texts that overlap, repeat or stand twice are found as a search with every alternative finds them."""
    expected = _expression(pattern).fullmatch(key) is not None
    assert expected == PathPattern.parse(f"b/{pattern}").covers("b", key)


@given(st.text(st.sampled_from("aab*/"), min_size=1, max_size=8), _plain)
def test_a_star_in_a_principal_is_any_text_without_a_slash(pattern: str, name: str) -> None:
    """The same for names of principals, with any number of stars in a row."""
    expected = _expression(f"app:{pattern}").fullmatch(f"app:{name}") is not None
    assert expected == NamePattern.parse(f"app:{pattern}").matches(f"app:{name}")


@given(_key)
def test_an_encoded_slash_is_one_letter_like_any_other(key: str) -> None:
    """Names arrive decoded once: a literal `%2f` is no separator and `%2e%2e` no dot segment."""
    assert not PathPattern.parse("b/x/**").covers("b", "x%2f" + key)
    assert key_fault("x/%2e%2e/y") is None
    assert PathPattern.parse("b/x/**").covers("b", "x/%2e%2e/y")


@pytest.mark.parametrize(
    "text", ["", "b", "b/", "/x", "**/x", "b/**/x", "b/x**", "b/a//b", "b/../x", "b/./x", "b/x/", "b*b**/x"]
)
def test_patterns_that_could_be_read_two_ways_are_refused(text: str) -> None:
    """Empty segments, dot segments and inner double stars are faults of the file, not guesses."""
    with pytest.raises(ValueError):
        PathPattern.parse(text)


@given(st.lists(_folder, max_size=3), st.booleans(), st.text(st.sampled_from("abc-/"), max_size=8), _key)
def test_a_listing_is_covered_only_if_all_it_could_show_is(
    folders: list[str], deep: bool, prefix: str, rest: str
) -> None:
    """When a pattern covers a listing's prefix, it covers every key that the listing could show."""
    text = "/".join(["bucket", *folders, "**" if deep else "*"])
    pattern = PathPattern.parse(text)
    if pattern.covers_all_below("bucket", prefix):
        assert pattern.covers("bucket", prefix + rest)


@given(st.lists(_folder | st.just("*"), max_size=3), st.booleans(), st.text(st.sampled_from("abc-/"), max_size=8), _key)
def test_a_listing_that_could_show_a_covered_name_is_touched(
    folders: list[str], deep: bool, prefix: str, rest: str
) -> None:
    """When a pattern covers a key, it touches every listing of a prefix of that key."""
    pattern = PathPattern.parse("/".join(["bucket", *folders, "**" if deep else "*"]))
    if pattern.covers("bucket", prefix + rest):
        assert pattern.may_touch_below("bucket", prefix)


@pytest.mark.parametrize(
    ("key", "fault"),
    [
        ("a/../b", "dot segment"),
        ("..", "dot segment"),
        ("./a", "dot segment"),
        ("a/.", "dot segment"),
        ("a\0b", "NUL"),
        ("a\udcffb", "not UTF-8"),
        ("é" * 513, "1024 bytes"),
        ("x" * 1025, "1024 bytes"),
    ],
)
def test_keys_that_parsers_read_differently_are_refused(key: str, fault: str) -> None:
    """Dot segments, NUL, broken UTF-8 and oversized names have a fault."""
    assert fault in (key_fault(key) or "")


@pytest.mark.parametrize(
    "key",
    [
        "a",
        "...",
        "a/..b/c",
        ".hidden",
        "a b",
        "ü/日本",
        "a//b",
        "/lead",
        "x" * 1024,
        "\u202e",
        "😀",
        "\x01",
        "a\r\nb",
        "\x7f\x85",
        "\uffff",
    ],
)
def test_odd_but_clear_keys_have_no_fault(key: str) -> None:
    """What means one thing to every parser is let through."""
    assert key_fault(key) is None


@pytest.mark.parametrize(
    ("pattern", "principal", "matched"),
    [
        ("app:billing", "app:billing", True),
        ("app:billing", "app:billing2", False),
        ("app:*", "app:x", True),
        ("app:*", "link:x", False),
        ("app:*", "anonymous", False),
        ("*", "anonymous", True),
        ("*", "admin:root", True),
        ("app:b.d", "app:bxd", False),
    ],
)
def test_who_a_name_pattern_matches(pattern: str, principal: str, matched: bool) -> None:
    """A star stands for any name of the kind; `*` alone for everybody."""
    assert matched == NamePattern.parse(pattern).matches(principal)


@pytest.mark.parametrize("text", ["", "billing", "app:", "group:x", "person:x", "user:", "anonymous:x", "App:x"])
def test_a_name_pattern_that_matches_nobody_is_refused(text: str) -> None:
    """A typo in `who` is a fault of the file; it does not silently match nobody."""
    with pytest.raises(ValueError, match="names nobody"):
        NamePattern.parse(text)


@pytest.mark.parametrize("form", ["{}", "{}/x", "a/{}/x", "a/{}"])
def test_the_reserved_folder_is_in_no_key(form: str) -> None:
    """As a whole segment, at any depth; a name that only looks like it is free."""
    assert key_fault(form.format(RESERVED)) is not None
    assert key_fault(form.format(RESERVED + "x")) is None
    assert key_fault(form.format("x" + RESERVED)) is None


@pytest.mark.parametrize("prefix", [".", "..", "a/.", "a/..", "a/.h", ""])
def test_a_prefix_may_end_within_a_name(prefix: str) -> None:
    """A listing of names that begin with dots is asked for by dots; whole steps of dots stay refused."""
    assert None is prefix_fault(prefix)
    assert prefix_fault(f"../{prefix}") is not None
    assert prefix_fault(f"{prefix}\0") is not None
    assert prefix_fault("x" * 1024 + "/" + prefix) is not None


@given(st.text(st.sampled_from("ab/*?$[\n"), max_size=8), st.text(st.sampled_from("ab/$[\n"), max_size=8))
def test_a_wildcard_is_as_a_plain_reading_of_it(pattern: str, name: str) -> None:
    """A star is any text, slashes and line ends included, a question mark any one character, all else itself."""
    obvious = "".join({"*": ".*", "?": "."}.get(character, re.escape(character)) for character in pattern)
    assert (re.fullmatch(obvious, name, re.DOTALL) is not None) == Wildcard.parse(pattern).matches(name)


@pytest.mark.parametrize("plain", ["", "?x"])
def test_the_marks_themselves(plain: str) -> None:
    """`${*}`, `${?}` and `${$}` are the characters in them; without marks a star is a star."""
    assert Wildcard.parse("a${*}b${?}${$}c" + plain).matches("a*b?$c" + plain)
    assert not Wildcard.parse("a${*}b" + plain).matches("axb" + plain)
    assert Wildcard.parse("a*?", marks=False).matches("a*?")
    assert not Wildcard.parse("a*?", marks=False).matches("abc")
    with pytest.raises(ValueError, match="variable"):
        Wildcard.parse("a/${aws:userid}")


@pytest.mark.parametrize("text", ["group:finance", "group:/teams/*", "group:Domain Users", "user:*@acme.example", "*"])
def test_a_group_is_named_where_groups_are(text: str) -> None:
    """By its whole name, blanks and slashes included; a star stays inside a segment."""
    assert text == NamePattern.parse_with_groups(text).text


@pytest.mark.parametrize("text", ["group:", "groups:finance", "finance", ""])
def test_what_is_no_group_either_is_refused(text: str) -> None:
    """With the forms that there are."""
    with pytest.raises(ValueError, match="group:NAME"):
        NamePattern.parse_with_groups(text)


def test_groups_are_named_by_patterns_of_groups_alone() -> None:
    """A pattern of users that looks like a group is none, and everybody is everybody."""
    finance, star = NamePattern.parse_with_groups("group:finance"), NamePattern.parse_with_groups("*")
    assert names_any([finance], "user:ann", ("finance",))
    assert names_any([star], "user:ann", ())
    assert not names_any([finance], "user:finance", ())
    assert not names_any([NamePattern.parse("user:*")], "app:a", ("user:x",))
    assert not names_any([NamePattern.parse_with_groups("group:*")], "user:ann", ("/teams/finance",))


@pytest.mark.parametrize(
    ("outer", "inner", "included"),
    [
        ("**", "reports/a/**", True),
        ("reports/**", "reports/a/*.pdf", True),
        ("reports/a/**", "reports/a/**", True),
        ("reports/*/**", "reports/*/x", True),
        ("reports/a/**", "reports/**", False),
        ("reports/a/**", "reports/ab/**", False),
        ("reports/a", "reports/a/b", False),
        ("reports/*", "reports/a", False),
        ("reports/**", "**", False),
    ],
)
def test_one_pattern_includes_another_where_their_texts_show_it(outer: str, inner: str, included: bool) -> None:
    """Everything that the inner one means, the outer one means; in doubt it is not said."""
    assert included is PathPattern.parse(outer).includes(PathPattern.parse(inner))
