"""Owns a look at places of state that nothing is served from: whether SQLite files could be written, whether their file
systems keep locks, and under which sealing keys the stored secrets are.

Refuses to own what the last two mean to a person (`gateway.cli.state_checks`).

Law: no file is made that is not there, no number of a key is noted, and no secret is opened. Tables of an older form
stay as they are: gateways that run would not start again on newer ones.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from gateway.core.reasons import DependencyDown, SettingsError
from gateway.core.values import dataclass
from gateway.stores.sealed import count_seals
from gateway.stores.sqlite.schema import locks_work
from gateway.stores.state import open_engine, read_form, sqlite_path

_OLDER: Final = (
    "the tables are of form {}: the first start of this version brings them to form {}, and gateways of the one before "
    "do not start any more then"
)


@dataclass(frozen=True, slots=True)
class Survey:
    """What was seen. `locks` has each folder of a SQLite file, True where a lock there holds, or why that is unknown;
    `seals` how many grants hold a secret under each number, None where nothing is stored here; `fault` why that is
    unknown; `older` that it is, as the tables are those of an older version."""

    locks: Mapping[Path, bool | str]
    seals: Mapping[int, int] | None
    fault: str = ""
    older: str = ""


async def survey(grants: str, others: Iterable[str] = ()) -> Survey:
    """Look at the state in `grants`, and at the folders of `others` that are SQLite files."""
    files = [sqlite_path(url) for url in (grants, *others) if url.startswith("sqlite:")]
    locks = {path.parent: _try_locks(path.parent) for path in files}
    if grants.startswith(("memory:", "central+")) or (grants.startswith("sqlite:") and not files[0].exists()):
        return Survey(locks, None)
    try:
        form, newest = await read_form(grants)
        if form == 0:
            return Survey(locks, None)
        if form < newest:
            return Survey(locks, None, older=_OLDER.format(form, newest))
        return Survey(locks, await _count(grants))
    except SettingsError as failure:
        return Survey(locks, None, str(failure))
    except DependencyDown as failure:
        return Survey(locks, None, failure.detail or failure.dependency)


def unwritable(urls: Iterable[str]) -> list[str]:
    """What keeps this user from the SQLite files among `urls`, as far as permissions tell: a sentence for each."""
    paths = dict.fromkeys(sqlite_path(url) for url in urls if url.startswith("sqlite:"))
    return [f"state: {path}: {fault}" for path in paths if (fault := _place_fault(path))]


def _place_fault(path: Path) -> str:
    if not path.parent.is_dir():
        return f"there is no folder {path.parent}"
    if not os.access(path.parent, os.W_OK | os.X_OK):
        return f"this user may not make files in {path.parent}"
    if path.exists() and not (path.is_file() and os.access(path, os.R_OK | os.W_OK)):
        return "is no file that this user may write"
    return ""


def _try_locks(folder: Path) -> bool | str:
    try:
        return locks_work(folder)
    except OSError as error:
        return error.strerror or str(error)


async def _count(grants: str) -> Mapping[int, int]:
    engine = await open_engine(grants, time.time, "", 1, counts_only=False)
    try:
        return await count_seals(engine.grants)
    finally:
        await engine.close()
