"""Laws of `gateway.wire.links.archive_names`."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.reasons import Reason, Refused
from gateway.wire.links import archive_names
from gateway.wire.links.archive_names import MemberNames, note

_HARD = st.sampled_from(
    [*'aAbB./\\:*?<>|"-_ ~()2', "..", "CON", "nul", "com1", ".txt", "ü", "u\u0308", "ß", "ss", "\u202e", "\x01"]
)
_PATHS = st.lists(st.lists(_HARD, min_size=1, max_size=6).map("".join), max_size=12)
_DEVICES = {"con", "prn", "aux", "nul", *(f"{kind}{number}" for kind in ("com", "lpt") for number in range(10))}


def named(*paths: str) -> list[str]:
    names = MemberNames()
    return [names.folder(path) if path.endswith("/") else names.file(path) for path in paths]


@given(_PATHS)
def test_every_system_can_have_every_name(paths: list[str]) -> None:
    """Relative, without what Windows, macOS, a shell or an unpacker takes for something else, and never empty."""
    for name in named(*(path for path in paths if path.strip("/"))):
        for step in name.removesuffix("/").split("/"):
            assert step not in {"", ".", ".."}
            assert not set(step) & set('<>:"|?*\\')
            assert step[-1] not in ". "
            assert step[0] != "-"
            assert step.partition(".")[0].rstrip().casefold() not in _DEVICES
            assert len(step.encode()) <= 255
            assert not any(unicodedata.category(letter) in {"Cc", "Cs", "Zl", "Zp"} for letter in step)
            assert not set(step) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")


@given(_PATHS)
def test_no_two_names_are_one_on_any_system(paths: list[str]) -> None:
    """Letters in other capitals, composed otherwise, a file where a folder is: each gets a name of its own."""
    files = named(*(path for path in paths if not path.endswith("/")))
    folded = [unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold()) for name in files]
    assert len(set(folded)) == len(files)
    for name in folded:
        assert not any(other.startswith(f"{name}/") for other in folded)


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/b.txt", "a/b.txt"),
        (".env", ".env"),
        ("a b (2).tar.gz", "a b (2).tar.gz"),
        ("日本/ü.pdf", "日本/ü.pdf"),
        ("console.log", "console.log"),
        ("\U0001f468\u200d\U0001f469.png", "\U0001f468\u200d\U0001f469.png"),
        ("a-b/-", "a-b/_"),
        ("/etc/passwd", "etc/passwd"),
        ("a//b", "a/b"),
        ("..\\..\\up", ".._.._up"),
        ("C:\\x", "C__x"),
        ("con", "_con"),
        ("x/NUL.tar.gz", "x/_NUL.tar.gz"),
        ("Lpt9 .txt", "_Lpt9 .txt"),
        ("COM\xb9", "_COM\xb9"),
        ("name.", "name_"),
        ("name. .", "name_"),
        ("folder./x", "folder_/x"),
        ("..", "_"),
        ("-rf", "_rf"),
        ("gpj\u202eexe", "gpj_exe"),
        ("tab\there", "tab_here"),
        ("empty/", "empty/"),
        ("aux/", "_aux/"),
        ("é" * 200 + ".jpeg", "é" * 117 + ".jpeg"),
    ],
)
def test_a_name_is_changed_only_where_it_has_to_be(path: str, name: str) -> None:
    """And then so that one still knows it."""
    assert [name] == named(path)


def test_names_that_would_be_one_are_numbered() -> None:
    """Before their endings, in the order of the objects; a folder that is changed is so for all that is in it."""
    assert ["a.txt", "A (2).txt", "a (3).TXT"] == named("a.txt", "A.txt", "a.TXT")
    assert ["u\u0308", "\u00fc (2)"] == named("u\u0308", "\u00fc")
    assert ["a.txt", "a (2).txt/b", "a (2).txt/c"] == named("a.txt", "a.txt/b", "a.txt/c")
    assert ["D/x", "d (2)/x", "d (2)/y", "d (2)/"] == named("D/x", "d/x", "d/y", "d/")
    assert ["x (2)", "x", "X (3)"] == named("x (2)", "x", "X")


def test_many_names_that_are_one_are_numbered_in_turn() -> None:
    """Without looking through all numbers again for each."""
    names = named(*("/" * count + "a" for count in range(1000)))
    assert ["a", "a (2)", "a (1000)"] == [names[0], names[1], names[-1]]


def test_folders_without_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key of a kilobyte can have five hundred of them."""
    monkeypatch.setattr(archive_names, "MOST_FOLDERS", 100)
    names = MemberNames()
    names.file("a/" * 100 + "x")
    with pytest.raises(Refused) as refused:
        names.file("b/x")
    assert refused.value.reason is Reason.TOO_LARGE


def test_what_was_changed_is_told() -> None:
    """With what it was, escaped where it could not be seen; and nothing where there is nothing to tell."""
    names = MemberNames()
    names.file("plain")
    assert b"" == note(names.changed, [])
    names.file("gpj\u202eexe")
    names.folder("nul/")
    told = note(names.changed, ["a/../b"]).decode()
    assert 'gpj_exe was "gpj\\u202eexe"\r\n' in told
    assert '_nul/ was "nul/"\r\n' in told
    assert '"a/../b"\r\n' in told


def test_a_note_is_bounded() -> None:
    """However many names there are to tell of."""
    told = note([("a:", "a_")] * 20_000, [".."] * 20_000).decode()
    assert 2 == told.count("and 10000 more")
