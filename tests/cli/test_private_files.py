"""Files of one person: nobody else's to read, replaced whole, one change after the other."""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path

import click
import pytest

from gateway.cli.private_files import config_folder, locked, read_object, remove, write_object


def test_the_folder_is_where_the_person_has_configuration(monkeypatch):
    """GATEWAY_CONFIG_DIR, else XDG's, which counts only when it is absolute, else the home's."""
    monkeypatch.setenv("GATEWAY_CONFIG_DIR", "/a/b")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/x")
    assert Path("/a/b") == config_folder()
    monkeypatch.delenv("GATEWAY_CONFIG_DIR")
    assert Path("/x/gateway") == config_folder()
    monkeypatch.setenv("XDG_CONFIG_HOME", "x")
    monkeypatch.setenv("HOME", "/people/ann")
    assert Path("/people/ann/.config/gateway") == config_folder()


def test_what_is_written_is_the_persons_alone(config, monkeypatch):
    """File and folder, whatever the umask lets through; and from the first byte on."""
    seen = []
    real = os.fdopen
    monkeypatch.setattr(
        os,
        "fdopen",
        lambda handle, *rest, **more: (seen.append(os.fstat(handle).st_mode), real(handle, *rest, **more))[1],
    )
    before = os.umask(0)
    try:
        write_object("sign-ins/a.json", {"token": "x"})
    finally:
        os.umask(before)
    assert {"token": "x"} == read_object("sign-ins/a.json")
    path = config / "sign-ins" / "a.json"
    assert [0o600, 0o600] == [stat.S_IMODE(seen[0]), stat.S_IMODE(path.stat().st_mode)]
    assert 0o700 == stat.S_IMODE(path.parent.stat().st_mode)
    assert ["a.json"] == [one.name for one in path.parent.iterdir()]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o666])
def test_what_others_can_read_or_write_is_not_believed(mode, config, capsys):
    """It is said which file, and how to close it."""
    write_object("contexts.json", {"a": 1})
    (config / "contexts.json").chmod(mode)
    with pytest.raises(click.exceptions.Exit):
        read_object("contexts.json")
    assert "chmod 600" in capsys.readouterr().err
    (config / "contexts.json").chmod(0o600)
    assert {"a": 1} == read_object("contexts.json")


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"\xff"])
def test_a_damaged_file_is_told_and_not_taken_for_empty(text, config, capsys):
    """Nobody's contexts vanish by a full disk."""
    write_object("contexts.json", {})
    (config / "contexts.json").write_bytes(text)
    with pytest.raises(click.exceptions.Exit):
        read_object("contexts.json")
    assert "damaged" in capsys.readouterr().err


def test_what_is_not_there_says_nothing():
    """And is not removed."""
    assert {} == read_object("contexts.json")
    assert not remove("contexts.json")
    write_object("contexts.json", {})
    assert remove("contexts.json")


def test_a_file_that_cannot_be_written_is_one_sentence(config, capsys):
    """Here because the folder is a file."""
    config.write_text("")
    for call in (lambda: write_object("a.json", {}), lambda: locked("a.json").__enter__()):
        with pytest.raises(click.exceptions.Exit):
            call()
    assert "cannot be written" in capsys.readouterr().err


def test_nothing_of_a_failed_write_is_left(config, monkeypatch):
    """The old file stands, and no other beside it."""
    write_object("a.json", {"old": True})
    monkeypatch.setattr(Path, "replace", lambda *_: (_ for _ in ()).throw(OSError("full")))
    with pytest.raises(click.exceptions.Exit):
        write_object("a.json", {"new": True})
    assert {"old": True} == read_object("a.json")
    assert ["a.json"] == [one.name for one in config.iterdir()]


def test_changes_come_one_after_the_other():
    """Of eight who count up at once, each is counted."""
    write_object("n.json", {"n": 0})

    def count() -> None:
        for _ in range(20):
            with locked("n.json"):
                write_object("n.json", {"n": read_object("n.json")["n"] + 1})

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {"n": 160} == read_object("n.json")
