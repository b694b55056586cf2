"""Owns the files that the command line keeps for one person: where they are, who may read them, how they are replaced.

Refuses to own what stands in them (`gateway.cli.contexts`, `gateway.cli.sign_ins`).

Laws: a file is its owner's alone from its first byte on, and is replaced whole. What others can read or write is not
believed. Two commands that change one file do so one after the other.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from gateway.cli.output import Exit, fail

_OTHERS: Final = 0o077


def config_folder() -> Path:
    """GATEWAY_CONFIG_DIR, else the folder `gateway` of the person's configuration."""
    chosen = os.environ.get("GATEWAY_CONFIG_DIR", "")
    if chosen:
        return Path(chosen)
    base = os.environ.get("XDG_CONFIG_HOME", "")  # "all paths must be absolute", else they are ignored, says XDG
    return (Path(base) if base.startswith("/") else Path.home() / ".config") / "gateway"


def read_object(name: str) -> dict[str, Any]:
    """The JSON object of a file in the folder, `{}` where there is none.

    Raises:
        click.exceptions.Exit: it cannot be read, is none, or is open to others.
    """
    path = config_folder() / name
    try:
        with path.open("rb") as file:
            status = os.fstat(file.fileno())
            if status.st_mode & _OTHERS or status.st_uid not in {os.geteuid(), 0}:
                fail(f"{path} is open to others: chmod 600 it, or remove it.", Exit.USAGE)
            found = json.load(file)
    except FileNotFoundError:
        return {}
    except OSError as error:
        fail(f"{path}: {error.strerror or error}.", Exit.USAGE)
    except ValueError:
        found = None
    if not isinstance(found, dict):
        fail(f"{path} is damaged: remove it.", Exit.USAGE)
    return found


def write_object(name: str, value: dict[str, Any]) -> None:
    """Replace a file of the folder by this object. Raises as `write_text`."""
    write_text(name, json.dumps(value, ensure_ascii=False, indent=2))


def write_text(name: str, text: str) -> Path:
    """Replace a file of the folder, which is made where it is missing; where it is.

    Raises:
        click.exceptions.Exit: it cannot be written.
    """
    path = config_folder() / name
    beside = path.with_name(f".{path.name}.{os.urandom(8).hex()}")
    try:
        _make_folder(path.parent)
        handle = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
            beside.replace(path)
        except BaseException:
            beside.unlink(missing_ok=True)
            raise
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror or error}.", Exit.USAGE)
    return path


def remove(name: str) -> bool:
    """Whether there was such a file. Raises as `write_object`."""
    path = config_folder() / name
    try:
        path.unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        fail(f"{path} cannot be removed: {error.strerror or error}.", Exit.USAGE)
    return True


@contextmanager
def locked(name: str) -> Iterator[None]:
    """Nobody else changes the file meanwhile. Raises as `write_object`."""
    import fcntl

    path = config_folder() / f".{name.replace('/', '-')}.lock"
    try:
        _make_folder(path.parent)
        handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        fail(f"{path} cannot be written: {error.strerror or error}.", Exit.USAGE)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _make_folder(folder: Path) -> None:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
