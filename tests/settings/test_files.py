"""Paths in settings: what has to be there is asked for, and whatever is named is watched."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from gateway.settings.files import Authorities, Directory, FilePath, LaterFile
from gateway.settings.secret import SecretReader


def parsed(kind: Any, value: object, reader: SecretReader) -> Any:
    return TypeAdapter(kind).validate_python(value, context=reader)


def sentence(kind: Any, value: object, reader: SecretReader) -> str:
    with pytest.raises(ValidationError) as raised:
        parsed(kind, value, reader)
    return raised.value.errors()[0]["msg"].removeprefix("Value error, ")


def test_a_file_has_to_be_there_and_is_watched(tmp_path: Path) -> None:
    """A certificate that is missing is found at start, and one that arrives later is noticed."""
    reader = SecretReader({}, tmp_path)
    assert f"there is no file {tmp_path}/x.pem" == sentence(FilePath, "x.pem", reader)
    (tmp_path / "x.pem").touch()
    assert tmp_path / "x.pem" == parsed(FilePath, "x.pem", reader)
    assert {tmp_path / "x.pem"} == reader.files


def test_a_file_that_cannot_be_looked_at_is_a_fault_like_any_other(tmp_path: Path) -> None:
    """With the system's reason, and a pipe is not waited for."""
    reader = SecretReader({}, tmp_path)
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    assert sentence(FilePath, "x" * 5000, reader).endswith("cannot be read: File name too long")
    for name in ("file/x", "pipe", "\0"):
        assert f"there is no file {tmp_path}/{name}" == sentence(FilePath, name, reader)


def test_authorities_are_read_where_they_are_named(tmp_path: Path) -> None:
    """A file that no connection could be made with is a fault of the settings, not of the first request."""
    reader = SecretReader({}, tmp_path)
    (tmp_path / "ca.pem").write_text("no certificate")
    assert f"the file {tmp_path}/ca.pem holds no certificate authorities in PEM" == sentence(
        Authorities, "ca.pem", reader
    )


def test_what_is_opened_later_need_not_be_there(tmp_path: Path) -> None:
    """Whoever opens it says so then; its path starts at the settings file."""
    reader = SecretReader({}, tmp_path)
    assert tmp_path / "revoked.json" == parsed(LaterFile, "revoked.json", reader)
    assert tmp_path / "policies" == parsed(Directory, "policies/", reader)
    assert set() == reader.files


@pytest.mark.parametrize("value", ["", 7, None])
def test_anything_else_is_no_path(value: object, tmp_path: Path) -> None:
    """And is told what it is not."""
    reader = SecretReader({}, tmp_path)
    for kind, what in ((FilePath, "file"), (LaterFile, "file"), (Directory, "directory")):
        assert f"must be the path of a {what}" == sentence(kind, value, reader)
