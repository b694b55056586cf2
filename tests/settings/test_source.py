"""The law of reading: what is read is what is written, and every value knows its place."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.reasons import SettingsError
from gateway.settings.source import MAX_BYTES, Document, Place, format_path, parse_document, read_document


def faults_of(text: str) -> list[str]:
    with pytest.raises(SettingsError) as raised:
        parse_document(text, "f")
    return list(raised.value.faults)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("on", "on"),
        ("Yes", "Yes"),
        ("010", "010"),
        ("0o10", "0o10"),
        ("0x1f", "0x1f"),
        ("1_000", "1_000"),
        ("12:30:45", "12:30:45"),
        ("2031-01-02", "2031-01-02"),
        (".inf", ".inf"),
        ("1e999", "1e999"),
        ("=", "="),
        ("1" * 40, "1" * 40),
        ("'7'", "7"),
        ('"true"', "true"),
        ("true", True),
        ("False", False),
        ("~", None),
        ("null", None),
        ("", None),
        ("7", 7),
        ("-7", -7),
        ("1.5", 1.5),
        ("2e3", 2000.0),
    ],
)
def test_only_plain_decimals_and_the_words_of_json_are_no_texts(text: str, value: object) -> None:
    """YAML 1.1's surprises stay the texts that somebody wrote."""
    data = parse_document(f"key: {text}", "f").data
    assert {"key": value} == data
    assert isinstance(data, dict)
    assert type(value) is type(data["key"])


def test_a_key_is_always_a_text() -> None:
    """`on:` and `404:` are the keys that they look like."""
    assert {"on": 1, "404": 2, "true": 3, "<<": 4} == parse_document("on: 1\n404: 2\ntrue: 3\n<<: 4", "f").data


@pytest.mark.parametrize(
    ("text", "faults"),
    [
        ("a: 1\nb: {c: 1, c: 2}", ["f:2:11: the key 'c' stands twice (first on line 2)"]),
        ("rules: []\nrules: [1]", ["f:2:1: the key 'rules' stands twice (first on line 1)"]),
        (
            "a: &x 1\nb: *x",
            [
                "f:1:4: anchors are not allowed: write the value out where it is needed",
                "f:2:4: aliases are not allowed: write the value out, or quote a text that begins with a star",
            ],
        ),
        (
            "a: !!python/object:os.system x",
            ["f:1:4: tags are not allowed: values are texts, numbers, true, false, lists and mappings"],
        ),
        (
            "a: !!set {x}",
            ["f:1:4: tags are not allowed: values are texts, numbers, true, false, lists and mappings"],
        ),
        ("a: 1\n---\nb: 1", ["f:2:1: a second document starts here; one file holds one document"]),
        ("? [x]\n: 1", ["f:1:3: a key must be a text"]),
        ("? \n: 1", ["f:1:2: a key must be a text"]),
        ("a: b: c", ["f:1:5: is not YAML: mapping values are not allowed here"]),
        ("a:\n\t- b", ["f:2:1: is not YAML: found character '\\t' that cannot start any token"]),
        *(
            (text, [f'f:1:{column}: is not YAML: a text that begins with a star has to be quoted, like "**"'])
            for text, column in (("on: **", 6), ("who: [*]", 8), ("on: */a.pdf", 6))
        ),
        ("a: [1, 2", ["f:1:9: is not YAML: expected ',' or ']', but got '<stream end>'"]),
        ('a: "\\ud800"', ["f:1:4: holds a control character or half a surrogate pair"]),
        ('a: "\\0"', ["f:1:4: holds a control character or half a surrogate pair"]),
        ('a: 1\nb: "\\U00110000"', ["f:2:1: holds an escape that is not a character"]),
        ("a: 1\nbc: \x07", ["f:2:5: holds a character that YAML does not allow"]),
    ],
)
def test_what_is_refused_is_told_with_its_place(text: str, faults: list[str]) -> None:
    """Duplicates, aliases, anchors, tags, second documents and odd keys are faults at their line and column."""
    assert faults == faults_of(text)


def test_faults_before_a_syntax_error_are_told_too() -> None:
    """One reading tells all it can know."""
    assert [
        "f:1:8: the key 'a' stands twice (first on line 1)",
        "f:2:5: is not YAML: expected the node content, but found ']'",
    ] == faults_of("{a: 1, a: 2,\n b: ]}")


def test_deep_nesting_is_refused_before_it_costs_anything() -> None:
    """A file of ten thousand brackets ends in one fault, not in a stack overflow."""
    assert ["f:1:34: is nested deeper than 32 levels"] == faults_of("[" * 10_000)


def test_alias_bombs_cost_nothing() -> None:
    """The text that grows a thousandfold at each level is refused where it begins."""
    levels = ["a0: &a0 [x, x, x]", *(f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9))]
    assert "f:1:5: anchors are not allowed: write the value out where it is needed" == faults_of("\n".join(levels))[0]


def test_an_empty_text_is_nothing() -> None:
    """An empty file and one of comments alone are no fault here."""
    assert None is parse_document("", "f").data
    assert None is parse_document("# nothing\n", "f").data


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"a: \xff", "1:4: is not UTF-8 text"),
        (b"a: 1\nb: \xe9", "2:4: is not UTF-8 text"),
        ("a: 1".encode("utf-16"), "1:1: is not UTF-8 text"),
        (b"#" * (MAX_BYTES + 1), " is larger than 1048576 bytes"),
    ],
)
def test_a_file_is_utf_8_of_a_sensible_size(tmp_path: Path, content: bytes, fault: str) -> None:
    """Other encodings and huge files are refused before they are parsed."""
    path = tmp_path / "f.yaml"
    path.write_bytes(content)
    with pytest.raises(SettingsError) as raised:
        read_document(path)
    assert (f"{path}:{fault}",) == raised.value.faults


def test_what_cannot_be_read_is_a_fault(tmp_path: Path) -> None:
    """A directory, a missing file and an impossible path give a sentence, not a traceback."""
    for path, why in (
        (tmp_path, "Is a directory"),
        (tmp_path / "x", "No such file or directory"),
        (Path("\0"), "not a"),
    ):
        with pytest.raises(SettingsError, match=why):
            read_document(path)


@pytest.mark.timeout(10)
def test_a_pipe_in_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    """`gateway check` ends and says so; nor is a device read that never ends."""
    os.mkfifo(tmp_path / "gateway.yaml")
    for path in (tmp_path / "gateway.yaml", Path("/dev/zero")):
        with pytest.raises(SettingsError, match="cannot be read: not a regular file"):
            read_document(path)


def test_a_byte_order_mark_is_harmless(tmp_path: Path) -> None:
    """Editors that write one shift no column."""
    path = tmp_path / "f.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1")
    document = read_document(path)
    assert {"a": 1} == document.data
    assert f"{path}:1:4" == document.where(("a",))


def test_every_value_and_key_knows_its_place() -> None:
    """Lines and columns count from one; a path that is not there has the place of what is around it."""
    document = parse_document("a:\n  - b: 1\n    c: [x, yy]\n", "f")
    assert "f:2:8" == document.where(("a", 0, "b"))
    assert "f:2:5" == document.where(("a", 0, "b"), key=True)
    assert "f:3:12" == document.where(("a", 0, "c", 1))
    assert "f:2:5" == document.where(("a", 0, "missing"))
    assert "f:1:1" == document.where(("nothing",))
    assert ("a", 0) == document.known(("a", 0, "missing", "x"))
    assert "f:3:12: a[0].c[1]: is wrong" == document.fault(("a", 0, "c", 1), "is wrong")


@pytest.mark.parametrize(
    ("text", "inside", "where"),
    [
        ("k: abc def", (1, 5), "f:1:8"),
        ("k: 'abc def'", (1, 5), "f:1:9"),
        ('k: "abc def"', (1, 5), "f:1:9"),
        ("k: 'a''b def'", (1, 5), "f:1:4"),
        ("k: |\n  abc\n    def\n", (2, 3), "f:3:5"),
        ("k: |\n\n  abc\n", (2, 1), "f:3:3"),
        ("k: >\n  abc\n  def\n", (1, 5), "f:1:4"),
        ("k: abc\n   def", (1, 5), "f:1:4"),
    ],
)
def test_a_place_inside_a_text_is_exact_or_its_start(text: str, inside: tuple[int, int], where: str) -> None:
    """A column in an expression becomes a column of the file where the file holds the text as it is."""
    assert where == parse_document(text, "f").where_inside(("k",), *inside)


def test_what_a_variable_replaced_is_told_by_its_name() -> None:
    """A value from the environment has no line."""
    document = parse_document("a: {b: 1, c: 2}", "f")
    document.override(("a",), {"b": [1]}, "GATEWAY_A")
    assert "GATEWAY_A" == document.where(("a", "b", 0))
    assert "GATEWAY_A" == document.where(("a", "c"))
    assert "GATEWAY_A" == document.where_inside(("a", "b"), 1, 2)
    assert Place((1, 1), variable="GATEWAY_A") == document.places[("a",)]


def test_paths_are_written_for_people() -> None:
    """`rules[2].on` is what everybody would write."""
    assert "rules[2].on" == format_path(("rules", 2, "on"))


@given(st.text())
def test_no_text_gives_anything_but_a_document_or_faults(text: str) -> None:
    """Whatever is in a file, reading it ends in data or in a SettingsError with sentences."""
    found = read_or_refuse(text)
    assert isinstance(found, Document) or (found and all(fault.startswith("f:") for fault in found))


@given(
    st.lists(st.sampled_from([*list("[]{}:-,?&*!|>'\"%@`#\n \tab0"), "\\u12", "\\", ": ", "- ", "--- ", "<<"])).map(
        "".join
    )
)
def test_no_heap_of_yaml_marks_gives_anything_but_a_document_or_faults(text: str) -> None:
    """The same for texts made of the characters that mean something."""
    found = read_or_refuse(text)
    assert isinstance(found, Document) or (found and all(fault.startswith("f:") for fault in found))


def read_or_refuse(text: str) -> Document | tuple[str, ...]:
    try:
        return parse_document(text, "f")
    except SettingsError as error:
        return error.faults
