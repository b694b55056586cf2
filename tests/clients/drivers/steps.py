"""Owns what every driver is given and what it tells: run by a client's own Python, it may import nothing of ours."""

from __future__ import annotations

import hashlib
import json
import os
import sys
import traceback
from collections.abc import Callable
from pathlib import Path

__all__ = ["BIG", "BUCKET", "COUNT", "HOST", "MANY", "PREFIX", "SECURE", "SMALL", "UNICODE", "WORK", "digest", "report"]

BUCKET = os.environ["BUCKET"]
PREFIX = os.environ["PREFIX"]
"""Where this client works; ends with a slash."""
SECURE = os.environ["AWS_ENDPOINT_URL_S3"].startswith("https:")
HOST = os.environ["AWS_ENDPOINT_URL_S3"].partition("//")[2]
WORK = Path(os.environ["WORK"])
SMALL = WORK / "small.bin"
BIG = WORK / "big.bin"
MANY = os.environ["MANY"]
COUNT = int(os.environ["COUNT"])
"""How many objects there are below MANY."""
UNICODE = "ünïcode/日本 語 + & ='🎉.bin"

Step = Callable[[], "str | None"]


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def report(version: str, steps: dict[str, Step | str]) -> None:
    """Take each step and print what came of it, one JSON line each. A text instead of a step says why there is none;
    a text that a step returns is a remark."""
    _say(version=version)
    for name, step in steps.items():
        if isinstance(step, str):
            _say(step=name, ok=None, said=step)
            continue
        try:
            _say(step=name, ok=True, said=step() or "")
        except Exception as failure:  # noqa: BLE001 (whatever it is, it is this step's result)
            traceback.print_exc()
            _say(step=name, ok=False, said=f"{type(failure).__name__}: {failure}"[:300])


def _say(**what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()
