"""Owns the numbers behind a metric: counters, timings and levels cheap enough for every request.

Refuses to own which metrics exist and what they are called (`gateway.telemetry.metrics`), and how a page is written
(prometheus_client).

Law: a label takes only values of its vocabulary; anything else is counted as `other`. So no caller, however wrong,
can make the number of series grow or put a secret on the page.

A series is changed by the event loop's thread only, which is what makes it three times cheaper than a locked one.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import accumulate
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from prometheus_client import Metric

OTHER = "other"
Key = tuple[str, ...]


class Vocabulary:
    """The closed set of values of one label. It grows only by `learn`, with names from settings and code."""

    __slots__ = ("_words", "label")

    def __init__(self, label: str, words: Iterable[str] = ()) -> None:
        self.label = label
        self._words = set(words)

    def learn(self, words: Iterable[str]) -> None:
        self._words.update(words)

    def fold(self, word: str) -> str:
        """The word itself if it is known, else `other`."""
        return word if word in self._words else OTHER

    def __iter__(self) -> Iterator[str]:
        return iter(sorted(self._words))


class _Labelled:
    """What a tally and a timing share: a name, a help text, and labels with their vocabularies."""

    def __init__(self, name: str, text: str, labels: Sequence[Vocabulary] = ()) -> None:
        self.name = name
        self.text = text
        self.labels = tuple(labels)

    def _fold(self, key: Key) -> Key:
        if len(key) != len(self.labels):
            raise ValueError(f"{self.name} has {len(self.labels)} labels")
        return tuple(vocabulary.fold(word) for vocabulary, word in zip(self.labels, key, strict=True))

    @property
    def _label_names(self) -> list[str]:
        return [vocabulary.label for vocabulary in self.labels]


class Tally:
    """A part of a counter's series, for who counts so often that a call would cost more than all else: it adds here."""

    __slots__ = ("count",)

    def __init__(self) -> None:
        self.count = 0


class Counter(_Labelled):
    """A counter. The page adds `_total` to its name."""

    def __init__(self, name: str, text: str, labels: Sequence[Vocabulary] = ()) -> None:
        super().__init__(name, text, labels)
        self._counts: dict[Key, float] = {} if self.labels else {(): 0}
        self._tallies: list[tuple[Key, Tally]] = []
        self._function: Callable[[], float] | None = None

    def ask(self, function: Callable[[], float]) -> None:
        """From now on the count is what this function answers: another thread counts. Only where there is no label."""
        self._function = function

    def tally(self, key: Key) -> Tally:
        """A new one of this series."""
        tally = Tally()
        self._tallies.append((self._fold(key), tally))
        return tally

    def start(self, keys: Iterable[Key]) -> None:
        """Show these series at zero, so that a rate sees their first event."""
        for key in keys:
            self._counts.setdefault(self._fold(key), 0)

    def add(self, key: Key = (), amount: float = 1) -> None:
        try:
            self._counts[key] += amount
        except KeyError:
            folded = self._fold(key)
            self._counts[folded] = self._counts.get(folded, 0) + amount

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import CounterMetricFamily  # noqa: PLC0415 (loaded at the first page)

        for key, tally in self._tallies:
            self.add(key, tally.count)
            tally.count = 0
        family = CounterMetricFamily(self.name, self.text, labels=self._label_names)
        counts = self._counts if self._function is None else {(): self._function()}
        for key, count in counts.items():
            family.add_metric(key, count)
        yield family


_UNSORTED: Final = 512
"""Times of a series that are kept as they came, until they are put into its buckets together."""


class Histogram(_Labelled):
    """A histogram over seconds. `bounds` are the upper edges of its buckets, in rising order."""

    def __init__(self, name: str, text: str, bounds: Sequence[float], labels: Sequence[Vocabulary] = ()) -> None:
        super().__init__(name, text, labels)
        self.bounds = tuple(bounds)
        self._edges = [*(str(float(bound)) for bound in self.bounds), "+Inf"]
        self._rows: dict[Key, list[float]] = {}
        self._came: dict[Key, list[float]] = {}
        if not self.labels:
            self._row(())

    def observe(self, key: Key, seconds: float) -> None:
        try:
            came = self._came[key]
        except KeyError:
            came = self._row(self._fold(key))
        came.append(seconds)
        if len(came) >= _UNSORTED:
            self._sort()

    def _row(self, key: Key) -> list[float]:
        """Where the times of one series are kept as they come."""
        self._rows.setdefault(key, [0] * len(self._edges) + [0.0])
        return self._came.setdefault(key, [])

    def _sort(self) -> None:
        """Count what came: a row has one number an edge, and behind them the sum of its seconds."""
        for key, came in self._came.items():
            if not came:
                continue
            row, below = self._rows[key], 0
            came.sort()
            for number, bound in enumerate(self.bounds):
                up_to = bisect_right(came, bound, below)
                row[number] += up_to - below
                below = up_to
            row[-2] += len(came) - below
            row[-1] += sum(came)
            came.clear()

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import HistogramMetricFamily  # noqa: PLC0415 (as above)

        self._sort()
        family = HistogramMetricFamily(self.name, self.text, labels=self._label_names)
        for key, (*counts, total) in self._rows.items():
            buckets = [(edge, float(reached)) for edge, reached in zip(self._edges, accumulate(counts), strict=True)]
            family.add_metric(key, buckets, sum_value=total)
        yield family


class Switch(_Labelled):
    """A gauge that is 1 or 0 for each value of its labels."""

    def __init__(self, name: str, text: str, labels: Sequence[Vocabulary]) -> None:
        super().__init__(name, text, labels)
        self._states: dict[Key, bool] = {}

    def turn(self, key: Key, *, on: bool) -> None:
        if self._states.get(key) is not on:
            self._states[self._fold(key)] = on

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 (as above)

        family = GaugeMetricFamily(self.name, self.text, labels=self._label_names)
        for key, on in self._states.items():
            family.add_metric(key, on)
        yield family


class Gauge:
    """A gauge without labels: a number that is set, or a function asked at every scrape."""

    __slots__ = ("_function", "name", "text", "value")

    def __init__(self, name: str, text: str, value: float = 0) -> None:
        self.name = name
        self.text = text
        self.value = value
        self._function: Callable[[], float] | None = None

    def ask(self, function: Callable[[], float]) -> None:
        """From now on the value is what this function answers."""
        self._function = function

    def collect(self) -> Iterator[Metric]:
        from prometheus_client.core import GaugeMetricFamily  # noqa: PLC0415 (as above)

        yield GaugeMetricFamily(self.name, self.text, value=self._function() if self._function else self.value)
