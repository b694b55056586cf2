"""Owns how the numbers of several processes become one: what is added, and what is not.

Refuses to own the metrics (`gateway.telemetry.metrics`) and the way from process to process (`worker_mesh`).

Law: counters and histograms are added. A gauge is added too, unless the table says that its least or greatest value is
the truth about the whole: an age is that of the oldest view, a store is up when everybody reaches it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from prometheus_client import CollectorRegistry, Metric
from prometheus_client.registry import Collector

Choose = Callable[[float, float], float]

_CHOSEN: Final[Mapping[str, Choose]] = {
    "gateway_revocation_view_age_seconds": max,
    "gateway_revocation_list_age_seconds": max,
    "gateway_clock_skew_seconds": max,
    "gateway_grants_awaiting_approval": max,
    "gateway_state_store_up": min,
    "gateway_config_last_reload_successful": min,
    "gateway_config_last_reload_success_timestamp_seconds": min,
    "gateway_tls_certificate_expiry_timestamp_seconds": min,
    "gateway_build": max,
    "process_start_time_seconds": min,
    "process_max_fds": min,
}


def families_text(registry: CollectorRegistry) -> bytes:
    """All samples of a registry, as one line of JSON."""
    return json.dumps(
        [
            [family.name, family.documentation, family.type, [sample[:3] for sample in family.samples]]
            for family in registry.collect()
        ]
    ).encode()


def families_from(text: bytes) -> list[Metric]:
    """What `families_text` wrote. Raises ValueError for anything else."""
    try:
        return [_family(*written) for written in json.loads(text)]
    except (TypeError, KeyError) as fault:
        raise ValueError("these are no metrics") from fault


def _family(name: str, documentation: str, kind: str, samples: list[tuple[str, dict[str, str], float]]) -> Metric:
    family = Metric(name, documentation, kind)
    for sample_name, labels, value in samples:
        family.add_sample(sample_name, labels, float(value))
    return family


def merge_pages(pages: Iterable[Iterable[Metric]]) -> CollectorRegistry:
    """One registry with the numbers of all pages."""
    found: dict[str, _Sum] = {}
    for page in pages:
        for family in page:
            found.setdefault(family.name, _Sum(family)).take(family)
    registry = CollectorRegistry(auto_describe=False)
    for total in found.values():
        registry.register(total)
    return registry


class _Sum(Collector):
    """One family's samples, in the order in which they were first seen."""

    def __init__(self, family: Metric) -> None:
        self._family = family
        self._choose: Choose = _CHOSEN.get(family.name, float.__add__)
        self._values: dict[tuple[Any, ...], float] = {}

    def take(self, family: Metric) -> None:
        for sample in family.samples:
            at = (sample.name, *sorted(sample.labels.items()))
            known = self._values.get(at)
            self._values[at] = float(sample.value) if known is None else self._choose(known, float(sample.value))

    def collect(self) -> Iterable[Metric]:
        family = Metric(self._family.name, self._family.documentation, self._family.type)
        for (name, *labels), value in self._values.items():
            family.add_sample(name, dict(labels), value)
        yield family
