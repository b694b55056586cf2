"""Names that clients, proxies and stores like to misread."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import pytest

from tests.e2e.conftest import Run
from tests.e2e.place import Place

_EVERYWHERE = [
    "with space.txt",
    "plus+plus.txt",
    "per%cent.txt",
    "%2e%2e%2fliteral.txt",
    "日本語 🎬.txt",
    "ümläut.txt",
    "a&b=c;d.txt",
    "question?mark#hash.txt",
    "\"double\" 'single'.txt",
    "angle<brackets>{braces}.txt",
    "semi;colon,comma:colon@at$dollar!.txt",
    ".hidden",
    "...three",
    "~tilde*star|pipe^caret`tick.txt",
    "bell\x07 escape\x1b[31m delete\x7f next\x85.txt",
    "deep/" * 20 + "leaf.txt",
    "x" * 250,
    "/".join(["y" * 90] * 11),
]
_FOLDED_BY_SOME = ["/lead", "double//slash", "back\\slash"]


@pytest.mark.parametrize("key", _EVERYWHERE, ids=lambda key: key[:20])
def test_an_awkward_name_reaches_its_own_object(place: Place, run: Run, tmp_path: Path, key: str) -> None:
    """Through an object link and through a folder link, up and down, each name is that name and no other."""
    body = key.encode() * 3
    place.put("names/" + key, body)
    run("curl", "-sSf", "-o", "one", place.link("names/" + key).url)
    run("curl", "-sSf", "-o", "two", f"{place.link(prefix='names/').url}/{quote(key, safe='/')}")
    assert body == (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    (tmp_path / "up").write_bytes(body + b"!")
    run("curl", "-sSf", "-T", "up", place.link("sent/" + key, actions=["write"]).url)
    assert body + b"!" == place.stored("sent/" + key)


@pytest.mark.parametrize("key", _FOLDED_BY_SOME)
def test_a_name_that_a_store_folds_is_refused_there_and_served_elsewhere(
    place: Place, run: Run, tmp_path: Path, key: str
) -> None:
    """Where three spellings reach one object only the plain one passes, so no rule on names is walked around."""
    if place.bucket == "seaweedfs":
        with pytest.raises(AssertionError, match=r": 4(00|03|22) "):
            place.link("n/" + key)
        url = f"{place.link(prefix='n/').url}/{quote(key, safe='')}"
        assert run("curl", "-sS", "-o", "x", "-w", "%{http_code}", url).stdout.startswith("4")
    else:
        place.put("n/" + key, key.encode())
        run("curl", "-sSf", "-o", "one", place.link("n/" + key).url)
        assert key.encode() == (tmp_path / "one").read_bytes()


@pytest.mark.parametrize("key", ["../x", "a/../b", "a/./b", "..", "nul\0byte", "x" * 1025])
def test_a_name_that_parsers_disagree_on_has_no_link(weed: Place, key: str) -> None:
    """Dot segments, control bytes and oversized names are refused when the link is made."""
    with pytest.raises(AssertionError, match=r": 4(00|03|22) "):
        weed.link(key)
