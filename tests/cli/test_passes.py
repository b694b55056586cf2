"""Laws of `gateway.cli.passes`."""

from __future__ import annotations

from pathlib import Path

import pytest

from gateway.cli.passes import find_pass, keep_pass, name_for, shown_pass
from gateway.core.token import LinkToken

TOKEN, OTHER = (LinkToken.mint(bytes([number]) * 21).text for number in (7, 8))
URL = f"https://files.example/s/{TOKEN}"
LATER = "2099-01-01T00:00:00Z"


def test_a_pass_is_found_for_its_link_alone() -> None:
    """However its address is written; not for another link, host, scheme, or what is no link."""
    keep_pass(URL, "a-pass", LATER)
    for same in (URL, f"{URL}/in/a?download=1", f"https://FILES.example/s/{TOKEN}"):
        assert ("a-pass", LATER) == find_pass(same)
        assert (("Gateway-Holder", "a-pass"),) == shown_pass(same)
    for other in (URL.replace(TOKEN, OTHER), URL.replace("files", "evil"), URL.replace("https", "http"), "https://x/a"):
        assert (("", ""), ()) == (find_pass(other), shown_pass(other))


@pytest.mark.parametrize("until", ["2020-01-01T00:00:00Z", "", "soon"])
def test_a_pass_that_is_over_is_none(until: str) -> None:
    """Nor is one of which nobody can say when it ends."""
    keep_pass(URL, "a-pass", until)
    assert ("", "") == find_pass(URL)


def test_what_is_kept_tells_nothing_of_a_link_to_who_lists_it(config: Path) -> None:
    """A file's name is a digest, and the file is one's own."""
    keep_pass(URL, "a-pass", LATER)
    [kept] = (config / "passes").iterdir()
    assert (0o600, False, True) == (
        kept.stat().st_mode & 0o777,
        TOKEN in kept.name + kept.read_text(),
        kept.name.startswith(name_for(URL).rpartition("/")[2]),
    )
