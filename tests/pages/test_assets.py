"""Laws of `gateway.pages.assets`."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from importlib.resources import files

import pytest

from gateway.pages.assets import Asset, assets, find_asset, stored_assets


def test_a_name_changes_with_the_bytes() -> None:
    """So that what was served under a name may be kept for good."""
    one, other = Asset("a.js", b"1"), Asset("a.js", b"2")
    assert re.fullmatch(r"a\.[0-9a-f]{16}\.js", one.served_as)
    assert one.served_as != other.served_as
    assert one.served_as == Asset("a.js", b"1").served_as


def test_integrity_is_of_the_bytes() -> None:
    """As browsers compute it."""
    assert "sha256-" + b64encode(sha256(b"1").digest()).decode() == Asset("a.js", b"1").integrity


def test_all_files_are_found_by_their_whole_names() -> None:
    """Each by the name that it is served under."""
    assert "pages.css" in stored_assets()
    assert {asset.served_as: asset for asset in stored_assets().values()} == assets()
    for name, asset in assets().items():
        assert asset is find_asset(name)
        assert asset.content_type.partition("/")[0] in {"text", "image"}


@pytest.mark.parametrize("name", ["", "pages.css", "../links.py", "pages.0000000000000000.css", "/etc/passwd", "."])
def test_nothing_else_is_found(name: str) -> None:
    """Nothing is looked up in a file system."""
    assert find_asset(name) is None


def test_a_script_is_served_without_what_only_its_readers_need() -> None:
    """Comments of their own lines, empty lines and indentation: no text of ours goes over lines, where that would be
    part of it."""
    for name, asset in stored_assets().items():
        written = (files("gateway.pages") / "assets" / name).read_text()
        if not name.endswith(".js"):
            assert written == asset.body.decode()
            continue
        lines = [line for line in map(str.lstrip, written.splitlines()) if line and not line.startswith("//")]
        assert lines == asset.body.decode().splitlines()
        assert all(line.count("`") % 2 == 0 for line in written.splitlines())


def test_our_own_are_small() -> None:
    """A page and all that it loads stay below 100 KiB, of which these may have the half."""
    assert sum(len(asset.body) for asset in assets().values()) < 50 * 1024


def test_what_an_upload_page_loads_is_small() -> None:
    """One module of ours, under 12 KiB as it is sent, which imports nothing."""
    body = stored_assets()["upload.js"].body.decode()
    assert len(body.encode()) < 12 * 1024
    assert "import" not in body
