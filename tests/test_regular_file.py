"""What is read as a file is one, and nobody waits for anything else."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gateway.regular_file import open_regular


def test_a_file_is_opened_by_its_name_and_through_links(tmp_path: Path) -> None:
    """As a mounted volume has it: the name is a link to a link to the file."""
    (tmp_path / "..v1").mkdir()
    (tmp_path / "..v1" / "x").write_bytes(b"whole")
    (tmp_path / "..data").symlink_to("..v1")
    (tmp_path / "x").symlink_to("..data/x")
    with open_regular(tmp_path / "x") as file:
        assert b"whole" == file.read()


@pytest.mark.timeout(10)
def test_a_pipe_is_refused_and_not_waited_for(tmp_path: Path) -> None:
    """Whether somebody writes into it or nobody ever will; so is a device that never ends, and a directory."""
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="not a regular file"):
        open_regular(tmp_path / "pipe")
    writer = os.open(tmp_path / "pipe", os.O_RDWR)
    try:
        with pytest.raises(OSError, match="not a regular file"):
            open_regular(tmp_path / "pipe")
    finally:
        os.close(writer)
    with pytest.raises(OSError, match="not a regular file"):
        open_regular(Path("/dev/zero"))
    with pytest.raises(OSError, match="Is a directory"):
        open_regular(tmp_path)


def test_what_is_not_there_or_no_name_is_told_as_by_any_open(tmp_path: Path) -> None:
    """The reasons are the system's own."""
    with pytest.raises(FileNotFoundError):
        open_regular(tmp_path / "x")
    with pytest.raises(ValueError, match="null"):
        open_regular(Path("\0"))
