"""Owns what the overview tells of the process's own metrics: sums over the page that Prometheus scrapes.

Refuses to own the metrics (`gateway.telemetry.metrics`); it reads their text, so that the two say the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from gateway.core.values import dataclass

_SAMPLE: Final = re.compile(r"([a-zA-Z_:]\w*)(?:\{(.*)\})? (\S+)(?: \S+)?")
_LABEL: Final = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')

Sample = tuple[Mapping[str, str], float]


@dataclass(frozen=True, slots=True)
class Numbers:
    """All samples, by the name of their metric."""

    samples: Mapping[str, list[Sample]]

    def total(self, name: str, **labels: str) -> float:
        """The sum of those that have these labels."""
        return sum(
            value
            for found, value in self.samples.get(name, ())
            if all(found.get(label) == text for label, text in labels.items())
        )

    def by(self, name: str, label: str, **labels: str) -> dict[str, float]:
        """The sums by one label's values, the greatest first; what is nothing is left out."""
        sums: dict[str, float] = {}
        for found, value in self.samples.get(name, ()):
            if all(found.get(other) == text for other, text in labels.items()):
                sums[found.get(label, "")] = sums.get(found.get(label, ""), 0.0) + value
        return {text: total for text, total in sorted(sums.items(), key=lambda pair: -pair[1]) if total}


def read_numbers(text: str) -> Numbers:
    """The samples of a page in the Prometheus text format."""
    samples: dict[str, list[Sample]] = {}
    for line in text.splitlines():
        found = None if line.startswith("#") else _SAMPLE.fullmatch(line)
        if found is not None:
            samples.setdefault(found[1], []).append((dict(_LABEL.findall(found[2] or "")), float(found[3])))
    return Numbers(samples)
