"""What lists of links and of keys have in common."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(("noun", "made"), [("link", ("reports/a.pdf",)), ("key", ("billing",))])
def test_a_list_that_was_cut_off_says_so(terminal, noun: str, made: tuple[str, ...]) -> None:
    """To the person, with the limit that would show more; not where all were shown, nor in the document of --json."""
    for _ in range(3):
        assert 0 == terminal.run(noun, "create", *made).exit_code
    for limit, cut in ((2, True), (3, True), (4, False)):
        done = terminal.run(noun, "ls", "--limit", str(limit))
        assert min(3, limit) + 1 == len(done.stdout.splitlines())
        assert cut is (f"--limit {limit * 10} shows them" in done.stderr)
    assert "" == terminal.run(noun, "ls", "--limit", "2", "--json").stderr


@pytest.mark.parametrize("noun", ["link", "key"])
def test_both_are_filtered_alike(terminal, noun: str) -> None:
    """By the same options, with the same help."""
    text = terminal.run(noun, "ls", "--help").stdout
    assert all(option in text for option in ("--owner", "--bucket", "--prefix", "--state", "--label", "--limit"))
    assert 2 == terminal.run(noun, "ls", "--limit", "0").exit_code
