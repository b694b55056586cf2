"""Owns opening a file that somebody named, so that nobody waits for what is none.

Refuses to own what is read from it, and what is said when it cannot be.

Law: a pipe, a terminal or a device in the place of a file is refused by what was opened and not by a look before it, as
the name may lead elsewhere in between; no open waits for another program.
"""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path
from typing import BinaryIO


def open_regular(path: Path) -> BinaryIO:
    """The file, to be read. Raises OSError, and ValueError where no name can be so."""
    file = open(path, "rb", opener=_open_at_once)  # noqa: SIM115 (whoever asked closes it)
    if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
        file.close()
        raise OSError(errno.EINVAL, "not a regular file")
    return file


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK | os.O_NOCTTY)
