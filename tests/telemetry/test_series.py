"""The numbers behind the metrics: exact, bounded, and readable by prometheus_client."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from gateway.telemetry import series
from gateway.telemetry.series import Counter, Gauge, Histogram, Switch, Vocabulary


def page(*collectors) -> dict[tuple[str, tuple], float]:
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    text = generate_latest(registry).decode()
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


@given(st.lists(st.floats(0, 1000), max_size=50))
def test_a_timing_counts_every_observation_in_exactly_one_bucket(seconds):
    """The cumulative counts of the page equal a naive count of the observations, and so does their sum."""
    bounds = (0.005, 1, 60)
    timing = Histogram("t_seconds", "x", bounds)
    for value in seconds:
        timing.observe((), value)
    samples = page(timing)
    for bound in bounds:
        assert samples["t_seconds_bucket", (("le", str(float(bound))),)] == sum(value <= bound for value in seconds)
    assert samples["t_seconds_bucket", (("le", "+Inf"),)] == len(seconds)
    assert samples["t_seconds_count", ()] == len(seconds)
    assert samples["t_seconds_sum", ()] == pytest.approx(sum(seconds))


def test_a_timing_keeps_few_times_as_they_came():
    """However many are observed and nobody reads the page: they are counted in between, and none is counted twice."""
    timing = Histogram("t_seconds", "x", (0.5, 1), (Vocabulary("word", ("a", "b")),))
    for number in range(3 * series._UNSORTED):
        timing.observe(("a" if number % 2 else "b",), number % 4 / 2)
        assert sum(map(len, timing._came.values())) < 2 * series._UNSORTED
    for _ in range(2):
        samples = page(timing)
        for word, below in (("a", 384), ("b", 384)):
            assert samples["t_seconds_bucket", (("le", "0.5"), ("word", word))] == below
            assert samples["t_seconds_count", (("word", word),)] == 768


@given(st.lists(st.tuples(st.text(max_size=8), st.integers(0, 10)), max_size=60))
def test_a_label_never_leaves_its_vocabulary(events):
    """Whatever callers say, at most the known words and `other` become series, and nothing is lost in between."""
    tally = Counter("t", "x", (Vocabulary("word", ("a", "b")),))
    timing = Histogram("d_seconds", "x", (1,), (Vocabulary("word", ("a", "b")),))
    for word, amount in events:
        tally.add((word,), amount)
        timing.observe((word,), 0.5)
    samples = page(tally, timing)
    words = {dict(labels).get("word") for _, labels in samples}
    assert words <= {"a", "b", "other"}
    assert sum(value for (name, _), value in samples.items() if name == "t_total") == sum(n for _, n in events)
    assert sum(value for (name, _), value in samples.items() if name == "d_seconds_count") == len(events)


def test_a_learned_word_becomes_a_series_of_its_own():
    """`learn` widens a vocabulary from then on."""
    backends = Vocabulary("backend")
    tally = Counter("t", "x", (backends,))
    tally.add(("archive",))
    backends.learn(["archive"])
    tally.add(("archive",))
    samples = page(tally)
    assert samples["t_total", (("backend", "other"),)] == 1
    assert samples["t_total", (("backend", "archive"),)] == 1


def test_a_started_series_is_shown_at_zero_and_keeps_its_count():
    """`start` never resets."""
    tally = Counter("t", "x", (Vocabulary("word", ("a",)),))
    tally.start([("a",)])
    assert page(tally)["t_total", (("word", "a"),)] == 0
    tally.add(("a",), 3)
    tally.start([("a",)])
    assert page(tally)["t_total", (("word", "a"),)] == 3


def test_a_tally_is_a_part_of_its_series():
    """What was added to it stands on every page once, beside what was counted otherwise."""
    counter = Counter("t", "x", (Vocabulary("word", ("a", "b")),))
    tally = counter.tally(("a",))
    counter.add(("a",))
    for expected in (3, 5):
        tally.count += 2
        assert expected == page(counter)["t_total", (("word", "a"),)]


def test_a_key_of_the_wrong_length_is_the_programmers_error():
    """A tally with one label refuses two."""
    tally = Counter("t", "x", (Vocabulary("word", ("a",)),))
    with pytest.raises(ValueError, match="1 labels"):
        tally.add(("a", "b"))


def test_a_count_that_another_keeps_is_asked_for():
    """A counter without labels is its own number until a function is given, and is a counter on the page."""
    tally = Counter("t", "x")
    tally.add()
    assert page(tally) == {("t_total", ()): 1}
    tally.ask(lambda: 7)
    assert page(tally) == {("t_total", ()): 7}


def test_a_level_is_what_was_set_or_asks():
    """A level is its own number until a function is given."""
    level = Gauge("g", "x", 3)
    assert page(level)["g", ()] == 3
    level.value = 2
    assert page(level)["g", ()] == 2
    level.ask(lambda: 7.5)
    assert page(level)["g", ()] == 7.5


def test_a_switch_is_on_or_off_for_each_known_name():
    """The last word counts; an unknown name is `other`."""
    switch = Switch("s", "x", (Vocabulary("store", ("grants",)),))
    switch.turn(("grants",), on=True)
    switch.turn(("grants",), on=False)
    switch.turn(("a secret",), on=True)
    assert page(switch) == {("s", (("store", "grants"),)): 0, ("s", (("store", "other"),)): 1}
