"""The metrics page, read."""

from __future__ import annotations

from gateway.control.console.numbers import read_numbers
from gateway.telemetry.metrics import Metrics


def test_sums_are_those_of_the_page() -> None:
    """By a label's values, the greatest first, and for those that have certain labels."""
    metrics = Metrics()
    metrics.announce_names(backends=["lab"])
    for outcome, count in (("ok", 3), ("refused", 5)):
        for _ in range(count):
            metrics.count_request("data", "GetObject", "lab", outcome, 0.1, None)
    metrics.count_control_request("x", 200, 0.1)
    numbers = read_numbers(metrics.render()[1].decode())
    assert ["refused", "ok"] == list(numbers.by("gateway_requests_total", "outcome", plane="data"))
    assert 9.0 == numbers.total("gateway_requests_total")
    assert 3.0 == numbers.total("gateway_requests_total", outcome="ok", backend="lab")
    assert (0.0, {}) == (numbers.total("nothing"), numbers.by("nothing", "label"))


def test_a_label_may_hold_anything() -> None:
    """A brace, a quotation mark; and a line that is none is passed over."""
    numbers = read_numbers('# HELP x y\na{b="c} \\" d",e="f"} 2\nnonsense line here too\na 1 1700000000\n')
    assert 3.0 == numbers.total("a")
    assert 2.0 == numbers.total("a", e="f")
