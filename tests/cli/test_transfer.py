"""Moving bytes through links: whole, resumed, never mixed, never under a name before they are all there."""

from __future__ import annotations

import json

import pytest
from click.shell_completion import ShellComplete

from gateway.cli import transfer
from gateway.cli.group import cli
from gateway.core.token import LinkToken
from tests.cli.conftest import reply

TOKEN = LinkToken.mint(b"\x05" * 21).text
BODY = bytes(range(256)) * 1024


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch, tmp_path):
    monkeypatch.setattr(transfer.time, "sleep", lambda _: None)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def url(listener):
    return f"{listener.url}/s/{TOKEN}"


def part(start: int, *, tag: str = '"v1"', cut: int | None = None):
    """The rest of the body from `start` as a 206."""
    rest = BODY[start:]
    return reply(206, rest, cut=cut, ETag=tag, Content_Range=f"bytes {start}-{len(BODY) - 1}/{len(BODY)}")


def test_a_download_is_the_bytes_and_no_leftovers(terminal, listener, url, tmp_path):
    """The file appears; nothing else stays behind."""
    listener.answers = [reply(200, BODY, ETag='"v1"')]
    done = terminal.run("link", "download", url, "-o", "a.bin")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "a.bin").read_bytes() == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]
    assert TOKEN not in done.output


def test_what_was_saved_is_told_to_programs(terminal, listener, url):
    """`--json` names the file and its bytes; one stream cannot hold both the document and the object."""
    listener.answers = [reply(200, BODY, ETag='"v1"')]
    done = terminal.run("link", "download", url, "-o", "a.bin", "--json")
    assert {"file": "a.bin", "bytes": len(BODY)} == json.loads(done.stdout)
    assert terminal.run("link", "download", url, "-o", "-", "--json").exit_code == 2


@pytest.mark.parametrize("name", ["-o", "--out", "--output"])
def test_where_to_has_one_name_in_all_commands_and_keeps_its_former_one(terminal, listener, url, tmp_path, name):
    """`--out`, as elsewhere; `--output` is understood, and neither shown by help nor offered by a shell."""
    listener.answers = [reply(200, BODY, ETag='"v1"')]
    for number, command in enumerate(("download", "qr")):
        assert terminal.run("link", command, url, name, f"{number}.svg").exit_code == 0
        assert (tmp_path / f"{number}.svg").stat().st_size
        assert "--output" not in terminal.run("link", command, "--help").stdout
        offered = ShellComplete(cli, {}, "gateway", "_C").get_completions(["link", command], "--o")
        assert ["--out"] == [one.value for one in offered]


def test_a_broken_download_goes_on_where_it_broke(terminal, listener, url, tmp_path):
    """The rest is asked for, on the condition that the object is still the same."""
    listener.answers = [reply(200, BODY, cut=1000, ETag='"v1"'), part(1000, cut=5000), part(6000)]
    done = terminal.run("link", "download", url, "-o", "a.bin")
    assert done.exit_code == 0, done.output
    assert (tmp_path / "a.bin").read_bytes() == BODY
    assert [listener.headers(index).get("Range") for index in range(3)] == [None, "bytes=1000-", "bytes=6000-"]
    assert listener.headers(1)["If-Range"] == '"v1"'


def test_an_object_that_changed_on_the_way_is_begun_anew(terminal, listener, url, tmp_path):
    """Two versions are never mixed."""
    new = b"new" * 1000
    listener.answers = [reply(200, BODY, cut=100_000, ETag='"v1"'), reply(200, new, ETag='"v2"')]
    assert terminal.run("link", "download", url, "-o", "a.bin").exit_code == 0
    assert (tmp_path / "a.bin").read_bytes() == new


def test_an_object_that_changed_cannot_be_unwritten_from_a_pipe(terminal, listener, url):
    """Standard output has the old bytes already: the command fails rather than go on with others."""
    listener.answers = [reply(200, BODY, cut=1000, ETag='"v1"'), reply(200, b"new", ETag='"v2"')]
    done = terminal.run("link", "download", url, "-o", "-")
    assert done.exit_code == 1
    assert b"new" not in done.stdout_bytes


def test_a_later_run_goes_on_with_what_is_there(terminal, listener, url, tmp_path):
    """The part file and the entity tag beside it are enough."""
    (tmp_path / "a.bin.part").write_bytes(BODY[:7000])
    (tmp_path / "a.bin.part.etag").write_text('"v1"')
    listener.answers = [part(7000)]
    assert terminal.run("link", "download", url, "-o", "a.bin").exit_code == 0
    assert (tmp_path / "a.bin").read_bytes() == BODY
    assert [path.name for path in tmp_path.iterdir()] == ["a.bin"]


def test_a_part_of_unknown_origin_is_not_used(terminal, listener, url, tmp_path):
    """Without its entity tag nobody knows what it is part of."""
    (tmp_path / "a.bin.part").write_bytes(b"?" * 7000)
    listener.answers = [reply(200, BODY, ETag='"v1"')]
    assert terminal.run("link", "download", url, "-o", "a.bin").exit_code == 0
    assert "Range" not in listener.headers(0)
    assert (tmp_path / "a.bin").read_bytes() == BODY


def test_a_part_that_is_whole_already_is_taken(terminal, listener, url, tmp_path):
    """A run that was stopped after the last byte needs no byte more."""
    (tmp_path / "a.bin.part").write_bytes(BODY)
    (tmp_path / "a.bin.part.etag").write_text('"v1"')
    listener.answers = [reply(416, Content_Range=f"bytes */{len(BODY)}")]
    assert terminal.run("link", "download", url, "-o", "a.bin").exit_code == 0
    assert (tmp_path / "a.bin").read_bytes() == BODY


@pytest.mark.parametrize("tag", [{}, {"ETag": 'W/"v1"'}])
def test_a_truncated_body_never_looks_whole(terminal, listener, url, tmp_path, tag):
    """Without a strong entity tag it cannot be resumed: the command fails and no file appears."""
    listener.answers = [reply(200, BODY, cut=1000, **tag)]
    done = terminal.run("link", "download", url, "-o", "a.bin")
    assert done.exit_code == 1
    assert not (tmp_path / "a.bin").exists()
    assert TOKEN not in done.output


def test_a_download_without_any_progress_gives_up(terminal, listener, url, tmp_path):
    """A host that is gone for good ends the command."""
    listener.answers = [reply(200, BODY, cut=1000, ETag='"v1"'), part(1000, cut=0)]
    assert terminal.run("link", "download", url, "-o", "a.bin").exit_code == 1
    assert len(listener.seen) == 1 + transfer._TRIES
    assert not (tmp_path / "a.bin").exists()


@pytest.mark.parametrize(
    ("status", "title", "code"),
    [
        (410, "This link was revoked.", 1),
        (404, "This link does not exist.", 4),
        (401, "This link needs a password.", 1),
    ],
)
def test_what_the_link_says_is_what_the_person_reads(terminal, listener, url, tmp_path, status, title, code):
    """The problem's own words, and no file."""
    listener.answers = [reply(status, json.dumps({"title": title}).encode())]
    done = terminal.run("link", "download", url, "-o", "a.bin")
    assert (done.exit_code, done.stderr) == (code, f"Error: {title}\n")
    assert not (tmp_path / "a.bin").exists()


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ('attachment; filename="q3.pdf"', "q3.pdf"),
        ("attachment; filename*=UTF-8''%C3%BCber.pdf", "über.pdf"),
        ('attachment; filename="../../etc/passwd"', "passwd"),
        ('attachment; filename="..\\\\..\\\\evil.exe"', "evil.exe"),
        ('attachment; filename=".bashrc"', "bashrc"),
        ("attachment; filename*=UTF-8''a%1B%5B31m.txt", "a[31m.txt"),
        ("attachment", "download"),
    ],
)
def test_the_links_own_name_is_made_safe(terminal, listener, url, tmp_path, header, name):
    """No path, nothing hidden, nothing a terminal would obey; the token is never a file name."""
    listener.answers = [reply(200, b"x", Content_Disposition=header)]
    done = terminal.run("link", "download", url)
    assert done.exit_code == 0, done.output
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_a_name_under_a_prefix_link_is_its_last_part(terminal, listener, url, tmp_path):
    """`/s/TOKEN/a/b.txt` is saved as b.txt."""
    listener.answers = [reply(200, b"x")]
    assert terminal.run("link", "download", f"{url}/a/b%20c.txt").exit_code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["b c.txt"]


@pytest.mark.parametrize(
    ("below", "asked"),
    [
        ("/", "/?archive=zip"),
        ("/a/?download=1", "/a/?download=1&archive=zip"),
        ("/?archive=tar", "/?archive=tar"),
        ("/?view=index", "/?view=index"),
        ("/a", "/a"),
    ],
)
def test_a_folder_is_saved_as_one_file_unless_something_else_of_it_is_asked_for(
    terminal, listener, url, tmp_path, below, asked
):
    """A list of its names under the folder's name would be none of its files."""
    listener.answers = [reply(200, b"PK", Content_Disposition='attachment; filename="a.zip"')]
    assert terminal.run("link", "download", url + below).exit_code == 0
    assert [f"/s/{TOKEN}{asked}"] * 2 == [path for _, path, _, _ in listener.seen]
    assert ["a.zip"] == [path.name for path in tmp_path.iterdir()]


def test_a_file_that_is_there_is_not_replaced_unasked(terminal, listener, url, tmp_path):
    """--force is the word."""
    (tmp_path / "a.bin").write_bytes(b"mine")
    listener.answers = [reply(200, BODY)]
    assert terminal.run("link", "download", url, "-o", "a.bin").exit_code == 1
    assert (tmp_path / "a.bin").read_bytes() == b"mine"
    assert terminal.run("link", "download", url, "-o", "a.bin", "--force").exit_code == 0
    assert (tmp_path / "a.bin").read_bytes() == BODY


def test_a_password_travels_in_a_header(terminal, listener, url):
    """Basic credentials without a user, as the data listener takes them."""
    listener.answers = [reply(200, b"x")]
    assert terminal.run("link", "download", url, "-o", "a", "--password", typed="open sesame\n").exit_code == 0
    assert listener.headers(0)["Authorization"] == "Basic Om9wZW4gc2VzYW1l"
    assert "sesame" not in listener.seen[0][1]


def test_a_password_may_be_in_a_file(terminal, listener, url, tmp_path):
    """For programs, which nobody can ask; one way or the other."""
    (tmp_path / "word").write_text("open sesame\r\nmore\n")
    listener.answers = [reply(200, b"x")]
    asked = ("link", "download", url, "-o", "a", "--password-file", "word")
    assert terminal.run(*asked).exit_code == 0
    assert listener.headers(0)["Authorization"] == "Basic Om9wZW4gc2VzYW1l"
    assert terminal.run(*asked, "--force", "--password").exit_code == 2


def test_an_upload_that_is_refused_early_tells_why(terminal, listener, tmp_path):
    """The answer that came while the body was still on its way is read."""
    (tmp_path / "big.bin").write_bytes(BODY)
    listener.answers = [reply(413, b'{"title": "The body is larger than allowed."}')]
    done = terminal.run("link", "create", "reports/big.bin", "--file", "big.bin")
    assert (done.exit_code, done.stderr) == (1, "Error: The body is larger than allowed.\n")


def test_a_qr_code_needs_a_url(terminal, url, tmp_path):
    """An id cannot become one, and says how to get one."""
    assert terminal.run("link", "qr", "l_11111111111111111").exit_code == 2
    assert len(terminal.run("link", "qr", url).stdout.splitlines()) > 10
    assert terminal.run("link", "qr", url, "-o", "code.svg").exit_code == 0
    assert b"<svg" in (tmp_path / "code.svg").read_bytes()
    assert terminal.run("link", "qr", url, "-o", "code.exe").exit_code == 2
    told = json.loads(terminal.run("link", "qr", url, "--json").stdout)
    assert (url, True) == (told["url"], "█" in told["code"])
