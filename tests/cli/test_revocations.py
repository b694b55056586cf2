"""Writing the revocation list into a file, before a real control API."""

from __future__ import annotations

import json
import time

import pytest

from gateway.cli.client import Control
from gateway.cli.revocations import _wait_for_next
from gateway.core.revocation_list import ListText


def read(text: str) -> tuple[list[str], ListText]:
    """The names in a list, as a follower reads it."""
    found = ListText(text, "list", time.time())
    return [entry.name for batch in found.entries() for entry in batch], found


@pytest.fixture
def made(terminal):
    """Three links, two of them revoked."""
    links = [terminal.json("link", "create", f"reports/{name}")["id"] for name in "abc"]
    for link in links[:2]:
        terminal.run("link", "revoke", link)
    return links


def test_the_list_is_what_a_follower_reads(terminal, made, monkeypatch):
    """Whole, however many pages it takes, and with the time at which it was complete."""
    monkeypatch.setattr("gateway.cli.revocations._PAGE", 1)
    began = int(time.time())
    done = terminal.run("revocations", "export")
    names, found = read(done.stdout)
    assert made[:2] == names
    assert found.leads
    assert found.as_of is not None
    assert began <= found.as_of <= time.time()


def test_an_empty_list_is_a_list(terminal):
    """Nothing is revoked, and that is known."""
    assert [] == read(terminal.run("revocations", "export").stdout)[0]


def test_it_goes_on_with_what_is_new(terminal, made, tmp_path, monkeypatch):
    """The file that grew begins as it did before, and nothing else is left beside it."""
    out, written = tmp_path / "revoked.json", []

    def wait(api, serial, seconds):
        written.append(out.read_text())
        if len(written) == 2:
            raise SystemExit(0)
        assert api.call("DELETE", f"/v1/links/{made[2]}")

    monkeypatch.setattr("gateway.cli.revocations._wait_for_next", wait)
    terminal.run("revocations", "export", "--out", str(out), "--every", "30s")
    before, after = written
    assert (made[:2], made) == (read(before)[0], read(after)[0])
    assert after.startswith(before[: before.index("\n]")])
    assert [out] == list(tmp_path.iterdir())


def test_a_wait_ends_with_a_revocation_or_in_time(terminal, made):
    """News end it at once, and without any it is as long as was said."""
    api = Control(terminal.url, terminal.token)
    _wait_for_next(api, 0, 60.0)
    last = api.call("GET", "/v1/revocations")["serial"]
    _wait_for_next(api, last, 0.05)


def test_an_outage_is_waited_for(terminal, made, tmp_path, monkeypatch):
    """However it shows: the file stays as it was, two lines tell of it, and then the list is whole and young again."""
    out, real, answers = tmp_path / "revoked.json", Control.ask, []
    monkeypatch.setattr("gateway.cli.revocations._AGAIN", 0.001)

    def ask(api, *arguments, **named):
        """Nobody is there at the start, and once the first list is written."""
        answers.append(out.read_bytes() if out.exists() else None)
        match len(answers):
            case 1 | 5:
                raise ConnectionRefusedError(111, "Connection refused")
            case 2 | 6:
                return 503, b'{"detail": "the store of revocations cannot answer now"}'
            case 3 | 7:
                return 200, b"<html>a proxy speaks</html>"
            case 8:
                assert 200 == real(api, "DELETE", f"/v1/links/{made[2]}")[0]
            case 9:
                raise SystemExit(0)
        return real(api, *arguments, **named)

    monkeypatch.setattr(Control, "ask", ask)
    done = terminal.run("revocations", "export", "--out", str(out), "--every", "20s")
    assert 0 == done.exit_code
    told = done.stderr.splitlines()
    assert ["No", "The", "No", "The"] == [line.split()[0] for line in told], told
    assert [None] * 4 == answers[:4]
    assert (made[:2], made) == (read(answers[4].decode())[0], read(out.read_text())[0])
    assert [answers[4]] * 4 == answers[4:8]


def test_what_trying_again_would_not_change_ends_it(terminal, tmp_path):
    """A token that the gateway does not know is told at once."""
    wanted = ("revocations", "export", "--out", str(tmp_path / "revoked.json"), "--every", "20s")
    done = terminal.run(*wanted, GATEWAY_ADMIN_TOKEN="a-wrong-token-of-many-letters")
    assert 1 == done.exit_code
    assert "does not know this admin token" in done.stderr


def test_a_place_that_cannot_be_written_is_told(terminal, tmp_path):
    """And to go on needs a file."""
    assert 2 == terminal.run("revocations", "export", "--every", "5s").exit_code
    done = terminal.run("revocations", "export", "--out", str(tmp_path / "none" / "list.json"))
    assert 1 == done.exit_code
    assert "No such file" in done.stderr


def test_a_page_of_the_api_is_no_whole_list(terminal, made):
    """Only an answer that holds everything says when it was complete."""
    api = Control(terminal.url, terminal.token)
    assert None is api.call("GET", "/v1/revocations", query={"limit": 1})["as_of"]
    assert None is api.call("GET", "/v1/revocations", query={"after": 1, "wait": 0})["as_of"]
    whole = api.call("GET", "/v1/revocations")
    assert None is not whole["as_of"]
    whole["as_of"] = None
    with pytest.raises(Exception, match="one page of a longer list"):
        read(json.dumps(whole))
