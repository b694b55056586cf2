"""The public suite's figures say what was seen."""

from __future__ import annotations

import pytest

from tests.clients.conformance import Seen, judge, report


def seen(test: str, outcome: str = "failed", said: str = "", *calls: tuple[str, str]) -> Seen:
    return Seen(test, outcome, said, calls)


@pytest.mark.parametrize(
    ("given", "verdict"),
    [
        (seen("t", "passed", "", ("PutBucketAcl", "NotImplemented")), "passed"),
        (seen("t", "skipped"), "skipped"),
        (seen("t", "failed", "", ("CreateBucket", ""), ("PutBucketAcl", "NotImplemented")), "not offered"),
        (seen("t", "failed", "assert 501 == 400"), "not offered"),
        (seen("t", "failed", "", ("CreateBucket", "NoSuchBucket")), "setup"),
        (seen("t", "failed", "", ("CreateBucket", "BucketAlreadyOwnedByYou"), ("GetObject", "")), "failed"),
        (seen("t", "failed", "assert 500 == 200", ("GetObject", "InternalError")), "failed"),
    ],
)
def test_a_verdict_needs_its_evidence(given: Seen, verdict: str) -> None:
    """Only an answer of ours makes a failure one by design; everything else is a failure."""
    assert verdict == judge(given)


def test_what_only_we_fail_is_named() -> None:
    """A failure counts as the store's only when the store alone fails it too."""
    page = report(
        [seen("ours"), seen("theirs"), seen("fine", "passed")], [seen("ours", "passed"), seen("theirs")], "c0"
    )
    assert "- `ours`" in page
    assert "`theirs`" not in page
    assert "| failed here and straight at the store | 1 |" in page
    assert "| failed here, passed straight at the store | 1 |" in page
