"""Owns when settings are read again, and that a reload takes everything over or nothing.

Refuses to own what a reload changes in a running gateway, its log lines and its metrics (`gateway.app`).
Law: directories are watched, never files. An editor and a ConfigMap both replace a file by another one of the same
name, and a watch on the file itself would go on looking at the old one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from watchfiles import Change, awatch

from gateway.core.profile import Profile
from gateway.core.reasons import SettingsError
from gateway.settings.collect import listing
from gateway.settings.faults import in_order
from gateway.settings.load import policies_directory, read_settings
from gateway.settings.model import Settings
from gateway.settings.policies import PolicySet, check_examples, read_policies
from gateway.settings.secret import SecretReader
from gateway.settings.words import References

__all__ = ["Loaded", "Reloader", "Watched", "watch"]

DEBOUNCE_MS: Final = 100
"""How long a burst of changes is collected: an editor's or a kubelet's several steps are one reload."""

_TICK_MS: Final = 500
"""How often the files are looked at even if no change is reported: for network mounts, directories that were replaced,
and what happened while a watch was being set up anew."""

_POLL_MS: Final = 300


@dataclass(frozen=True, slots=True)
class Loaded:
    """One consistent reading of everything."""

    settings: Settings
    policies: PolicySet


class Reloader:
    """Reads gateway.yaml and the policies together; remembers the last good reading and what it was made of."""

    def __init__(self, path: Path, environ: Mapping[str, str], profiles: Mapping[str, Profile]) -> None:
        self._path = path
        self._environ = environ
        self._profiles = profiles
        self._policies: Path | None = None
        self._named: frozenset[Path] = frozenset()
        self._seen: dict[Path, object] = {}
        self.last: Loaded | None = None

    def load(self) -> Loaded:
        """Read everything anew; what was good before stays in `last` when this raises.

        Raises:
            SettingsError: with every fault of every file, failed examples included.
        """
        before = self._fingerprint()
        reader = SecretReader(self._environ, self._path.absolute().parent)
        faults: list[str] = []
        settings = policies = None
        try:
            settings = read_settings(self._path, reader)
        except SettingsError as error:
            faults.extend(error.faults)
        directory = policies_directory(self._path, self._environ) if settings is None else settings.policies
        references = References(self._environ, Path(), profiles=self._profiles)
        if directory is not None:
            references.directory = directory.absolute()
            try:
                policies = read_policies(directory, references)
                faults.extend(check_examples(policies))
            except SettingsError as error:
                faults.extend(error.faults)
            self._policies = directory
        self._named = frozenset(reader.files | references.files)
        after = self._fingerprint()
        self._seen = {path: before.get(path, facts) for path, facts in after.items()}
        if settings is None or policies is None or faults:
            raise SettingsError(*in_order(faults))
        self.last = Loaded(settings, policies)
        return self.last

    def changed(self) -> bool:
        """Whether any file is another one than the last `load` read, good or bad."""
        return self._fingerprint() != self._seen

    def directories(self) -> dict[Path, int]:
        """Every directory in which a change could matter, those of the files behind symbolic links included.

        With its inode number: a directory that was replaced has to be watched anew.
        """
        files = {self._path.absolute(), *self._named, *(path for path, *_ in self._listed())}
        found = {file.parent for file in files} | {file.resolve().parent for file in files}
        if self._policies is not None:
            found.add(self._policies.absolute())
        return {directory: number for directory in found if (number := _inode(directory)) is not None}

    def concerns(self, path: str) -> bool:
        """Whether a changed path can matter; a database beside gateway.yaml changes all the time and does not."""
        changed = Path(path)
        if changed.name.startswith("..") or changed.suffix in {".yaml", ".yml"}:
            return True
        return changed in self._named or any(changed == file.resolve() for file in self._named)

    def _listed(self) -> list[tuple[Path, Path, int, int]]:
        if self._policies is not None:
            with suppress(SettingsError):
                return listing(self._policies)
        return []

    def _fingerprint(self) -> dict[Path, object]:
        """What tells this version of every known file from another; what is not there is None."""
        listed = {path: facts for path, *facts in self._listed()}
        return listed | {path: _facts(path) for path in (self._path, *self._named)}


def _inode(directory: Path) -> int | None:
    """What tells this directory from another of the same name; None if it is not there."""
    try:
        return directory.stat().st_ino if directory.is_dir() else None
    except OSError:
        return None


def _facts(path: Path) -> object:
    try:
        facts = path.stat()
        return path.resolve(), facts.st_ino, facts.st_mtime_ns, facts.st_size
    except (OSError, ValueError):
        return None


class Watched(Protocol):
    """Files that are looked at again and again."""

    def changed(self) -> bool:
        """Whether any file is another one than those last settled."""
        ...

    def directories(self) -> dict[Path, int]:
        """Every directory in which a change could matter, with its inode number."""
        ...

    def concerns(self, path: str) -> bool:
        """Whether a changed path can matter."""
        ...


async def watch(watched: Watched, on_change: Callable[[], None], *, force_polling: bool = False) -> None:
    """Call `on_change` whenever the files differ from those last settled, until cancelled.

    `on_change` is expected to settle the change whether the files are good or bad, as `Reloader.load` does.
    `force_polling` is for file systems that report no changes, such as NFS. It is also what is left where the system
    has no watch to give: a node shares its `fs.inotify.max_user_instances` among all its containers.
    """

    def relevant(_: Change, path: str) -> bool:
        return watched.concerns(path)

    polling = force_polling
    while True:
        directories = watched.directories()
        if not directories:
            await asyncio.sleep(_TICK_MS / 1000)
            continue
        try:
            async for _ in awatch(
                *directories,
                watch_filter=relevant,
                debounce=DEBOUNCE_MS,
                rust_timeout=_TICK_MS,
                yield_on_timeout=True,
                force_polling=polling,
                poll_delay_ms=_POLL_MS,
                recursive=False,
                ignore_permission_denied=True,
            ):
                if watched.changed():
                    on_change()
                if watched.directories() != directories:
                    break
        except FileNotFoundError:
            continue
        except (OSError, RuntimeError):  # the latter is what the library makes of an errno it does not know
            if polling:
                raise
            polling = True
