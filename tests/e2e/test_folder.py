"""Folder links: lists, files below, archives."""

from __future__ import annotations

import io
import json
import os
import tarfile
import zipfile
from pathlib import Path

import pytest

from tests.e2e.conftest import Run
from tests.e2e.place import Place, noise

_FILES = {"a.txt": b"a", "sub/b.bin": noise(200_000), "sub/deeper/ü c.txt": b"c" * 10, "empty": b""}


@pytest.fixture(scope="module")
def filled() -> set[str]:
    """The buckets that the files are in by now."""
    return set()


@pytest.fixture
def folder(place: Place, filled: set[str]) -> str:
    """A link of each test's own to files that none of them changes."""
    if place.bucket not in filled:
        for name, body in _FILES.items():
            place.put("album/" + name, body)
        place.put("album-private/secret.txt", b"secret")
        place.put("secret.txt", b"secret")
        filled.add(place.bucket)
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


@pytest.mark.parametrize(
    "command",
    [
        ("rclone", "copy", ":http:", "got", "--http-url", "{url}/"),
        ("lftp", "-c", "open {url}/; mirror . got"),
        ("wget", "-q", "-e", "robots=off", "-r", "-np", "-nH", "--cut-dirs=2", "-P", "got", "{url}/"),
    ],
    ids=lambda command: command[0],
)
def test_programs_that_read_an_index_fetch_the_whole_folder(
    folder: str, run: Run, tmp_path: Path, command: tuple[str, ...]
) -> None:
    """With all folders below, as from any web server, and with nothing told to them but the address."""
    run(*(part.format(url=folder) for part in command), env=os.environ | {"HOME": str(tmp_path), "LC_ALL": "C.UTF-8"})
    assert _FILES == {name: (tmp_path / "got" / name).read_bytes() for name in _FILES}


@pytest.mark.parametrize(("told", "kept"), [(("--default-page=.list",), True), ((), False)])
def test_wget_keeps_an_index_of_the_folders_own_if_it_is_told_to(
    weed: Place, run: Run, tmp_path: Path, told: tuple[str, ...], kept: bool
) -> None:
    """By the option that docs/links.md names; else a list stands in the place of the file (which is the control)."""
    weed.put("site/index.html", b"own")
    weed.put("site/page.html", b"page")
    url = weed.link(prefix="site/").url
    run("wget", "-q", "-e", "robots=off", *told, "-m", "-np", "-nH", "--cut-dirs=2", "-P", "got", f"{url}/")
    assert b"page" == (tmp_path / "got" / "page.html").read_bytes()
    assert kept == (b"own" == (tmp_path / "got" / "index.html").read_bytes())


def test_apt_takes_a_folder_for_a_repository(place: Place, run: Run, tmp_path: Path) -> None:
    """It names what it wants by `./Packages`."""
    place.put("repo/Packages", b"Package: a-link\nVersion: 1.0\nArchitecture: all\nFilename: ./a.deb\nSize: 3\n")
    (tmp_path / "list").write_text(f"deb [trusted=yes] {place.link(prefix='repo/').url} ./\n")
    (tmp_path / "lists" / "partial").mkdir(parents=True)
    here = {"sourcelist": "list", "sourceparts": "-"}
    options = [f"-oDir::Etc::{name}={tmp_path / file if file != '-' else file}" for name, file in here.items()]
    options += [f"-oDir::State::lists={tmp_path / 'lists'}", f"-oDir::Cache={tmp_path}", "-oAPT::Sandbox::User=root"]
    run("apt-get", *options, "update")
    assert "1.0" in run("apt-cache", *options, "show", "a-link").stdout


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
