"""Owns what is asked about the place of the state before anything runs: whether its file could be written, and for the
doctor whether its file system keeps locks, and under which sealing keys the secrets in it are.

Refuses to own the looking (`gateway.stores.survey`), sealing and resealing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Final

from gateway.core.finding import Finding
from gateway.core.sealing import UNSEALED

if TYPE_CHECKING:
    from gateway.settings.state import StateSettings

_KEYS: Final = "sealing keys"
_RESEAL: Final = "run `gateway key reseal`"


def warn_of_places(state: StateSettings) -> list[str]:
    """Why a gateway that this user starts here could not keep its state; nothing is made by asking."""
    from gateway.stores.survey import unwritable

    return unwritable((state.grants.url, state.limits.url, state.records.url))


async def examine_state(state: StateSettings) -> list[Finding]:
    """What can be tried of these settings here; of state in memory or at a central gateway, nothing."""
    from gateway.stores.survey import survey

    seen = await survey(state.grants.url, (state.limits.url, state.records.url))
    found = list(_judge_locks(seen.locks))
    if seen.fault:
        found.append(Finding("state", _KEYS, False, seen.fault))
    elif seen.older:
        found.append(Finding("state", _KEYS, None, seen.older))
    elif seen.seals is not None:
        found.append(_judge_seals(seen.seals, [one.id for one in state.sealing_keys]))
    return found


def _judge_locks(locks: Mapping[Path, bool | str]) -> Iterator[Finding]:
    for folder, works in ((place.absolute(), works) for place, works in locks.items()):
        if works is True:
            yield Finding("state", "locks", True, f"{folder} keeps them")
        elif works is False:
            advice = "SQLite loses data without: put the file on a disk of this host"
            yield Finding("state", "locks", False, f"the file system of {folder} keeps no locks; {advice}")
        else:
            yield Finding("state", "locks", None, f"{folder}: {works}")


def _judge_seals(seals: Mapping[int, int], keys: list[int]) -> Finding:
    """Bad where a reseal would change something, or could not, as the key is gone."""
    newest = keys[0] if keys else UNSEALED
    lost = {number: count for number, count in seals.items() if count and number not in {UNSEALED, *keys}}
    old = {number: count for number, count in seals.items() if count and number not in {newest, *lost}}
    if lost:
        detail = f"{_tell(lost)}, which state.sealing_keys does not name: bring it back, then {_RESEAL}"
        return Finding("state", _KEYS, False, detail)
    if old:
        detail = f"{_tell(old)}, and not the first of state.sealing_keys: {_RESEAL}"
        return Finding("state", _KEYS, False, detail)
    held = seals.get(newest, 0)
    if held and newest == UNSEALED:
        return Finding("state", _KEYS, None, f"{_tell(seals)}: see state.sealing_keys in gateway.yaml")
    return Finding("state", _KEYS, True, _tell({newest: held}) if held else "no secret is stored")


def _tell(seals: Mapping[int, int]) -> str:
    """How many are under which key."""
    parts = [
        f"{count} with a secret under {'no key' if number == UNSEALED else f'key {number}'}"
        for number, count in sorted(seals.items())
    ]
    return f"of the stored grants {', '.join(parts)}"
