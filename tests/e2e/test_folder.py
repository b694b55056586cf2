"""Folder links: lists, files below, archives."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.e2e.conftest import Run
from tests.e2e.place import Place, noise

_FILES = {"a.txt": b"a", "sub/b.bin": noise(200_000), "sub/deeper/ü c.txt": b"c" * 10, "empty": b""}


@pytest.fixture
def folder(place: Place) -> str:
    for name, body in _FILES.items():
        place.put("album/" + name, body)
    place.put("album-private/secret.txt", b"secret")
    place.put("secret.txt", b"secret")
    return place.link(prefix="album/").url


def _json(run: Run, url: str) -> dict[str, object]:
    return json.loads(run("curl", "-sSf", "-H", "Accept: application/json", url).stdout)


def test_a_list_shows_the_folder_and_nothing_beside_it(folder: str, run: Run) -> None:
    """Names are relative to the link; siblings that share the prefix's text are not there."""
    shown = json.dumps(_json(run, folder + "/"), ensure_ascii=False)
    assert "a.txt" in shown
    assert "sub/" in shown
    for word in ("secret", "private", "inside", "album"):
        assert word not in shown


def test_a_browser_gets_a_page_with_links_that_work(folder: str, run: Run) -> None:
    """The page names the files, and holds no script within itself and no real name."""
    page = run("curl", "-sSf", "-H", "Accept: text/html", folder + "/").stdout
    assert "a.txt" in page
    for word in ("<script>", "secret", "inside/"):
        assert word not in page


@pytest.mark.parametrize("name", list(_FILES))
def test_files_below_are_reached_by_their_names(folder: str, run: Run, tmp_path: Path, name: str) -> None:
    """Each file comes byte for byte."""
    run("curl", "-sSf", "-g", "-o", "got", f"{folder}/{name.replace(' ', '%20')}")
    assert _FILES[name] == (tmp_path / "got").read_bytes()


@pytest.mark.parametrize(
    "way",
    [
        "../secret.txt",
        "%2e%2e/secret.txt",
        "..%2fsecret.txt",
        "sub/../../secret.txt",
        "..%5csecret.txt",
        "/../secret.txt",
    ],
)
def test_no_way_leads_above_the_folder(folder: str, run: Run, way: str) -> None:
    """Dot segments in any spelling do not reach the neighbour."""
    answer = run("curl", "-sS", "--path-as-is", "-w", "\n%{http_code}", f"{folder}/{way}").stdout
    assert answer.rsplit("\n", 1)[1].startswith("4")
    assert "secret\n" not in answer


def test_a_zip_holds_every_file(folder: str, run: Run) -> None:
    """`?archive=zip` streams the whole folder as one archive that tests as sound."""
    archive = zipfile.ZipFile(io.BytesIO(run("curl", "-sSf", folder + "/?archive=zip", text=False).stdout))
    assert archive.testzip() is None
    assert _FILES == {name: archive.read(name) for name in archive.namelist()}


def test_a_tar_holds_every_file(folder: str, run: Run) -> None:
    """`?archive=tar` does the same as tar."""
    body = io.BytesIO(run("curl", "-sSf", folder + "/?archive=tar", text=False).stdout)
    with tarfile.open(fileobj=body) as archive:
        members = {member.name: archive.extractfile(member) for member in archive if member.isfile()}
        assert _FILES == {name: file.read() for name, file in members.items() if file is not None}
