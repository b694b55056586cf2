"""The small chart of a link's uses."""

from __future__ import annotations

from gateway.control.console.charts import chart_of


def record(at: str, moved: int) -> dict[str, object]:
    return {"at": at, "bytes_in": 0, "bytes_out": moved}


def test_every_record_is_in_one_column() -> None:
    """Requests and bytes add up, and the highest column is the highest there is."""
    records = [record(f"2027-01-01T{hour:02}:00:00Z", hour * 100) for hour in range(24)]
    chart = chart_of(records)
    assert chart is not None
    assert (24, sum(range(24)) * 100) == (
        sum(column.requests for column in chart.columns),
        sum(column.moved for column in chart.columns),
    )
    assert 100 == max(column.moved_high for column in chart.columns) == max(c.requests_high for c in chart.columns)
    assert "2027-01-01T00:00:00Z" == chart.columns[0].since


def test_little_is_seen_and_nothing_is_not() -> None:
    """One byte beside a gigabyte has a mark; an empty column has none."""
    chart = chart_of([record("2027-01-01T00:00:00Z", 1), record("2027-01-02T00:00:00Z", 2**30)])
    assert chart is not None
    assert (1, 0, 100) == (chart.columns[0].moved_high, chart.columns[5].moved_high, chart.columns[-1].moved_high)


def test_one_record_is_a_chart_and_none_is_none() -> None:
    """A single instant has a length, too."""
    chart = chart_of([record("2027-01-01T00:00:00Z", 0)])
    assert chart is not None
    assert (1, 0) == (chart.most_requests, chart.most_moved)
    assert None is chart_of([])
