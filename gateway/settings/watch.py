"""Owns when settings are read again, and that a reload takes everything over or nothing.

Refuses to own what a reload changes in a running gateway, its log lines and its metrics (`gateway.app`).
Laws: files are asked for by name, again and again. An editor and a ConfigMap both replace a file by another one of the
same name, and a network mount reports no change at all; two looks a second find each of them, and cost a few calls.
What changes is read when two looks have found it the same: a copy is written bit by bit, and the first half of a policy
may be a policy that lacks what the second half denies.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, Protocol

from gateway.beat import sleep_to_beat
from gateway.core.backend import BackendSpec
from gateway.core.profile import Profile
from gateway.core.reasons import SettingsError
from gateway.core.values import dataclass
from gateway.settings.collect import list_files
from gateway.settings.faults import sort_faults
from gateway.settings.load import find_policies, read_settings
from gateway.settings.model import SHORTEST_TOKEN, Settings
from gateway.settings.policies import PolicySet, check_examples, read_policies
from gateway.settings.references import References
from gateway.settings.secret import SecretReader

_LOOK_SECONDS: Final = 0.5
_MOST_LOOKS: Final = 20
"""So often a change is looked at and found to go on, before it is read all the same: some file may never rest."""


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """One consistent reading of everything."""

    settings: Settings
    policies: PolicySet

    @property
    def backends(self) -> list[BackendSpec]:
        """The policies' backends with the settings' deadlines."""
        timeout = self.settings.deadlines.connect
        return [replace(spec, connect_timeout=timeout) for spec in self.policies.backends]

    @property
    def warnings(self) -> tuple[str, ...]:
        """What is allowed and seldom meant: within the policies, and between them and the settings."""
        named = [
            f"{rule.source}: {rule.name!r} names {pattern.text}, but nobody says whose groups are which: "
            "set users.groups of an issuer in control.identity, or groups_header of control.proxy_user"
            for rule in self.policies.policy.rules
            for pattern in rule.who
            if pattern.text.startswith("group:")
        ]
        short = [
            f"{name} has a token of fewer than {SHORTEST_TOKEN} characters: `openssl rand -hex 32` makes a longer one"
            for name in self.settings.guessable
        ]
        return (*self.policies.warnings, *(() if self.settings.says_groups else named), *short)


class Reloader:
    """Reads gateway.yaml and the policies together; remembers the last good reading and what it was made of."""

    def __init__(self, path: Path, environ: Mapping[str, str], profiles: Mapping[str, Profile]) -> None:
        self._path = path
        self._environ = environ
        self._profiles = profiles
        self._policies: Path | None = None
        self._named: frozenset[Path] = frozenset()
        self._seen: dict[Path, object] = {}
        self.last: LoadedSettings | None = None

    def load(self) -> LoadedSettings:
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
        directory = find_policies(self._path, self._environ) if settings is None else settings.policies
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
            raise SettingsError(*sort_faults(faults))
        self.last = LoadedSettings(settings, policies)
        return self.last

    def changed(self) -> object:
        """What tells the files apart from all others, if any of them is not as the last `load` read it, good or bad."""
        found = self._fingerprint()
        return found if found != self._seen else None

    def _listed(self) -> list[tuple[Path, Path, int, int]]:
        if self._policies is not None:
            with suppress(SettingsError):
                return list_files(self._policies)
        return []

    def _fingerprint(self) -> dict[Path, object]:
        """What tells this version of every known file from another; what is not there is None."""
        listed = {path: facts for path, *facts in self._listed()}
        return listed | {path: _stat(path) for path in (self._path, *self._named)}


def _stat(path: Path) -> object:
    try:
        facts = path.stat()
        return path.resolve(), facts.st_ino, facts.st_mtime_ns, facts.st_size
    except (OSError, ValueError):
        return None


class Watched(Protocol):
    """Files that are looked at again and again."""

    def changed(self) -> object:
        """What tells the files apart from all others; nothing, if they are those last settled."""
        ...


async def watch(watched: Watched, on_change: Callable[[], None], *, most_looks: int = _MOST_LOOKS) -> None:
    """Call `on_change` whenever the files differ from those last settled, until cancelled.

    A change is waited for until two looks have found the same, or until it was looked at `most_looks` times: after one,
    what is written whole need not rest. `on_change` is expected to settle the change whether the files are good or bad,
    as `Reloader.load` does.
    """
    before, looks = None, 0
    while True:
        await sleep_to_beat(_LOOK_SECONDS)
        found = watched.changed()
        looks = looks + 1 if found else 0
        if looks and (found == before or looks >= most_looks):
            on_change()
            found, looks = None, 0
        before = found
