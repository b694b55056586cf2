"""Owns whom to believe by a file of certificate authorities, as it is written now.

Refuses to own which file that is (settings), and what is said of whom it does not vouch for
(`gateway.certificate_fault`).

Law: a file that was renewed is read anew, once for all who ask.
"""

from __future__ import annotations

import ssl
from functools import lru_cache
from pathlib import Path


def trust(ca_file: str | None) -> ssl.SSLContext:
    """The authorities of this file alone, or the system's, which take tens of milliseconds to read.

    Raises:
        OSError: the file is not there, or holds none.
    """
    return _read(ca_file, 0 if ca_file is None else Path(ca_file).stat().st_mtime_ns)


@lru_cache(maxsize=8)
def _read(ca_file: str | None, written: int) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=ca_file)
