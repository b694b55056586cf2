"""Owns what a test looks at of the log: each line as a dict, with `event` and `log_level` beside its own fields."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["capture_logs"]

_OWN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}


class _Kept(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[dict[str, Any]] = []

    def emit(self, record: logging.LogRecord) -> None:
        fields = {name: value for name, value in vars(record).items() if name not in _OWN}
        self.lines.append({"event": record.getMessage(), "log_level": record.levelname.lower(), **fields})


@contextmanager
def capture_logs() -> Iterator[list[dict[str, Any]]]:
    """All lines of our own that are logged meanwhile, wherever else they go."""
    ours, kept = logging.getLogger("gateway"), _Kept()
    before = ours.level
    ours.addHandler(kept)
    ours.setLevel(logging.DEBUG)
    try:
        yield kept.lines
    finally:
        ours.removeHandler(kept)
        ours.setLevel(before)
