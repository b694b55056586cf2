"""Notes are found by requests that are alike, and are bounded."""

from __future__ import annotations

import pytest

from gateway.core.request import RawRequest
from gateway.data.state.alike import Alike

pytestmark = pytest.mark.skipif("config.getoption('--without-plans')", reason="nothing is kept")


def raw(path: str, **headers: str) -> RawRequest:
    return RawRequest("GET", path, "", tuple(headers.items()))


def test_a_note_is_found_by_what_is_alike() -> None:
    """Signed anew or not; by nothing else."""
    alike = Alike()
    assert alike.find(raw("/b/k")) is None
    alike.keep(raw("/b/k", authorization="one"), "note")
    assert "note" == alike.find(raw("/b/k", authorization="two"))
    assert alike.find(raw("/b/k", range="bytes=0-1")) is None


def test_what_was_unused_for_longest_leaves() -> None:
    """So many are kept, and no request that is very long."""
    alike = Alike(2)
    for path in ("/a", "/b"):
        alike.keep(raw(path), path)
    assert "/a" == alike.find(raw("/a"))
    alike.keep(raw("/c"), "/c")
    alike.keep(raw("/" + "d" * 4096), "long")
    assert ["/a", None, "/c", None] == [alike.find(raw(path)) for path in ("/a", "/b", "/c", "/" + "d" * 4096)]
