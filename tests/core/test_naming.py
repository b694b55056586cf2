"""Names that templates make, and names that are numbered."""

from __future__ import annotations

from itertools import islice

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.naming import PLACEHOLDERS, NameTemplate, next_names, numbered_stem, split_extension
from gateway.core.pattern import key_fault

NOW = 1_790_000_000.0
UUID = "0b5c9f1e-4a43-4c2e-8f06-3f3a9c0a6f11"


@pytest.mark.parametrize(
    ("template", "made"),
    [
        ("{name}", "a.tar.gz"),
        ("{date}/{uuid}-{name}", f"2026-09-21/{UUID}-a.tar.gz"),
        ("{folder}{stem}-{time}{ext}", "x/y/a-141320.tar.gz"),
        ("in/{folder}{name}", "in/x/y/a.tar.gz"),
        ("{{{name}}}", "{a.tar.gz}"),
    ],
)
def test_placeholders_are_filled(template: str, made: str) -> None:
    """With the file's own name, the day and what nobody can guess."""
    assert made == NameTemplate.parse(template).render("x/y/a.tar.gz", NOW, UUID)


@pytest.mark.parametrize(
    "template",
    [
        *("", "fixed", "{date}", "{nme}", "{0}", "{}", "{name", "name}", "{name!r}", "{name:>9}", "{name.upper}"),
        *("../{name}", "{name}/..", "./{name}", "/{name}", "{name}/", "a//{name}", ".{ext}/{name}", "{ext}/{name}"),
        *("a{folder}{name}", "{folder}/{name}", "{folder}", "a\\{name}", "\0{name}", "\n{name}", "{name[0]}"),
        *(".gateway-uploads/{name}", "x" * 200 + "{name}"),
    ],
)
def test_a_template_that_would_not_always_make_a_name_is_refused(template: str) -> None:
    """With a sentence, and before any file has come."""
    with pytest.raises(ValueError, match=r"^[^\n]{10,}$"):
        NameTemplate.parse(template)


STEP = st.text(st.characters(blacklist_characters="/\0", blacklist_categories=("Cs",)), min_size=1, max_size=12)
LITERAL = st.sampled_from(["", "-", "in/", "/", ".", "..", "a", "{{", "}}", "ü", " "])


@given(
    st.lists(st.one_of(LITERAL, st.sampled_from([f"{{{name}}}" for name in PLACEHOLDERS])), min_size=1, max_size=6),
    st.lists(STEP, min_size=1, max_size=3).map("/".join).filter(lambda path: key_fault(path) is None),
)
def test_what_a_template_makes_stays_below_its_prefix(parts: list[str], path: str) -> None:
    """Whatever template was accepted and whatever name came: the key is below, and no step of it is none or dots."""
    try:
        template = NameTemplate.parse("".join(parts))
    except ValueError:
        return
    made = template.render(path, NOW, UUID)
    assert not {"", ".", ".."} & set(made.split("/"))
    assert key_fault(f"drop/{made}") in {None, "lies in the folder of unfinished uploads"}


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("a.txt", ("a", ".txt")),
        ("a.tar.gz", ("a", ".tar.gz")),
        ("a", ("a", "")),
        (".profile", (".profile", "")),
        ("..x.y", ("..x", ".y")),
        ("a.", ("a.", "")),
        ("a.b c", ("a.b c", "")),
        ("v1.2", ("v1", ".2")),
    ],
)
def test_an_extension_is_what_programs_take_for_one(name: str, parts: tuple[str, str]) -> None:
    """And stays at the end of a numbered name."""
    assert parts == split_extension(name)


def test_names_are_numbered_from_one() -> None:
    """As people know it from their own machines; all of them begin alike, so that one look shows which are there."""
    names = list(islice(next_names("a.txt"), 3))
    assert ["a.txt", "a (1).txt", "a (2).txt"] == names
    assert all(name.startswith(numbered_stem("a.txt")) for name in names[1:])
