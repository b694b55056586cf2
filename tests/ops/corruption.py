"""Corrupted reloads: `python -m tests.ops.corruption 1000` harms a file of a running gateway so often, each time
another way, has it reload, and compares every answer with the one before.

A harm that leaves a correct file (a comment cut off, say) is not one, and is not counted: the gateway's own reader,
which is not under test here, tells them apart.
"""

from __future__ import annotations

import os
import random
import shutil
import signal
import ssl
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from gateway.backends.profiles import PROFILES
from gateway.core.reasons import SettingsError
from gateway.settings.watch import Reloader
from tests.ops.mounted import Mounted, Volume, mounted_gateway, within

__all__ = ["Report", "corrupt"]

_SEED: Final = 20301
_KEYWORDS: Final = ("backends", "buckets", "rules", "listen", "policies", "profile", "who", "may", "credentials", "tls")


@dataclass(slots=True)
class Report:
    """How many harmed reloads were refused, and which answers differed afterwards."""

    refused: int = 0
    harmless: int = 0
    differences: list[str] = field(default_factory=list)
    slowest: float = 0.0


def _truncate(text: str, dice: random.Random) -> str:
    return text[: dice.randrange(len(text))]


def _flip(text: str, dice: random.Random) -> str:
    at = dice.randrange(len(text))
    return text[:at] + chr(dice.randrange(1, 0x500)) + text[at + 1 :]


def _misspell(text: str, dice: random.Random) -> str:
    word = dice.choice([word for word in _KEYWORDS if word in text] or [text[:3]])
    return text.replace(word, word[1:] + word[0], 1)


def _double(text: str, dice: random.Random) -> str:
    return f"{text}\n{text}"


def _blank(text: str, dice: random.Random) -> str:
    return ""


def _garble(text: str, dice: random.Random) -> str:
    return "".join(chr(dice.randrange(1, 0xD7FF)) for _ in range(dice.randrange(1, 400)))


_HARMS: Final[tuple[Callable[[str, random.Random], str], ...]] = (_truncate, _flip, _misspell, _double, _blank, _garble)


def corrupt(mounted: Mounted, count: int) -> Report:
    """Harm and reload until `count` reloads were refused; files are whole again afterwards."""
    report, dice = Report(), random.Random(_SEED)
    gateway = mounted.gateway
    paths = {
        200: urlsplit(gateway.link("files", key="kept/a.txt").url).path,
        404: "/s/gl_" + "A" * 40,
        403: "/files/kept/a.txt",
    }
    expected = _answers(mounted, paths)
    volumes = _volumes(mounted)
    with tempfile.TemporaryDirectory() as shadow:
        while report.refused < count:
            volume, harm = dice.choice(volumes), dice.choice(_HARMS)
            whole = dict(volume.files)
            name = dice.choice(sorted(whole))
            harmed = {**whole, name: harm(whole[name], dice)}
            if _is_harmless(volumes, volume, harmed, Path(shadow)):
                report.harmless += 1
                continue
            volume.swap(harmed)
            report.slowest = max(report.slowest, _reload(mounted))
            found = _answers(mounted, paths)
            if found != expected:
                report.differences.append(f"{harm.__name__} of {name}: {found} in place of {expected}")
            volume.swap(whole)
            report.refused += 1
    within(5, lambda: mounted.gateway.metric("gateway_config_last_reload_successful") == 1)
    return report


def _volumes(mounted: Mounted) -> tuple[Volume, ...]:
    return (mounted.settings, mounted.policies, mounted.store, mounted.admin, mounted.tls)


def _reload(mounted: Mounted) -> float:
    """Have it refuse what is there now; returns how long that took, in seconds."""
    before = mounted.reloads("failed")
    os.kill(mounted.gateway.pid, signal.SIGHUP)
    return within(5, lambda: mounted.reloads("failed") > before)


def _is_harmless(volumes: tuple[Volume, ...], harmed: Volume, files: dict[str, str], shadow: Path) -> bool:
    """Whether the harmed files would be a correct set, tried on a copy that no gateway looks at."""
    original = str(harmed.directory.parent)
    for volume in volumes:
        place = shadow / volume.directory.name
        shutil.rmtree(place, ignore_errors=True)
        place.mkdir()
        for name, text in (files if volume is harmed else volume.files).items():
            place.joinpath(name).write_text(text.replace(original, str(shadow)))
    try:
        Reloader(shadow / "settings" / "gateway.yaml", os.environ, PROFILES).load()
        ssl.create_default_context().load_cert_chain(shadow / "tls/tls.crt", shadow / "tls/tls.key", password="")
    except (SettingsError, OSError, ValueError):
        return False
    return True


def _answers(mounted: Mounted, paths: dict[int, str]) -> dict[int, object]:
    """What the gateway says now to a link, to a wrong link, to a stranger, to its administrator and in a handshake."""
    answers: dict[int, object] = {meant: mounted.get(path) for meant, path in paths.items()}
    answers[1] = mounted.gateway.api("GET", "/v1/policy")
    answers[2] = mounted.served_certificate()
    answers[3] = mounted.keys_seen[-1]
    return answers


def _main(count: int) -> int:
    with tempfile.TemporaryDirectory() as place, mounted_gateway(Path(place) / "mounted") as mounted:
        started = time.monotonic()
        report = corrupt(mounted, count)
        seconds = time.monotonic() - started
    print(f"{report.refused} corrupted reloads refused in {seconds:.0f} s, {report.harmless} harmless ones left out")
    print(f"the slowest refusal took {report.slowest * 1000:.0f} ms; {len(report.differences)} answers differed")
    for difference in report.differences[:20]:
        print("  ", difference)
    return 1 if report.differences else 0


if __name__ == "__main__":
    sys.exit(_main(int(sys.argv[1]) if len(sys.argv) > 1 else 1000))
