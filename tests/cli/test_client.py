"""The way to the control API: what each kind of failure means to a person."""

from __future__ import annotations

import socket

import click
import pytest

from gateway.cli.client import Control, connect, control
from tests.cli.conftest import Terminal, reply


def test_nobody_there_is_exit_code_3():
    """With the address, and what to look at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{probe.getsockname()[1]}"
        done = Terminal(url).run("link", "ls")
    assert done.exit_code == 3
    assert url in done.stderr
    assert "connection refused" in done.stderr


def test_without_an_admin_token_nothing_is_sent(listener):
    """Wrong usage, and the variable's name."""
    done = Terminal(listener.url).run("link", "ls", GATEWAY_ADMIN_TOKEN="")
    assert done.exit_code == 2
    assert "GATEWAY_ADMIN_TOKEN" in done.stderr
    assert listener.seen == []


def test_a_wrong_admin_token_is_named_as_such(terminal):
    """Exit code 1; the token is not repeated."""
    done = terminal.run("link", "ls", GATEWAY_ADMIN_TOKEN="another-token")
    assert done.exit_code == 1
    assert "GATEWAY_ADMIN_TOKEN" in done.stderr
    assert "another-token" not in done.output


def test_an_answer_of_something_else_is_not_believed(listener):
    """A web server at the wrong port is exit code 3, whatever its status says."""
    for status in (200, 404):
        listener.answers = [reply(status, b"<html>hello</html>")]
        assert Terminal(listener.url).run("link", "ls").exit_code == 3


def test_an_answer_that_breaks_off_is_no_answer(listener):
    """Half a list must not look like a list."""
    listener.answers = [reply(200, b'{"links": [], "cursor": null}', cut=10)]
    assert Terminal(listener.url).run("link", "ls").exit_code == 3


def test_a_redirect_is_not_followed(listener):
    """The admin token goes to the host that was named, and to no other."""
    listener.answers = [reply(307, b"{}", Location="http://127.0.0.1:1/")]
    assert Terminal(listener.url).run("link", "ls").exit_code == 1
    assert len(listener.seen) == 1


def test_a_fault_of_what_was_sent_is_told_by_name(terminal):
    """Which member, and what is wrong with it, instead of a count of faults."""
    done = terminal.run("revoke", "--owner", "nobody", "--yes")
    assert (1, True) == (done.exit_code, done.stderr.startswith("Error: owner: 'nobody' is not a principal"))


def test_a_base_path_is_kept(listener):
    """The API may live below a path of a reverse proxy."""
    listener.answers = [reply(200, b'{"links": [], "cursor": null}')]
    assert Terminal(listener.url + "/gateway/").run("link", "ls").exit_code == 0
    assert listener.seen[0][1].startswith("/gateway/v1/links?")


def test_the_token_is_in_no_repr():
    """Nor in a traceback that prints one."""
    assert "hush" not in repr(Control("http://h", "hush"))


@pytest.mark.parametrize("url", ["ftp://h", "h:80", "http://", "", "http://h:port", "http://[::1"])
def test_what_is_no_url_is_wrong_usage(url):
    """Exit code 2."""
    with pytest.raises(click.exceptions.Exit) as caught:
        connect(url, 1)
    assert caught.value.exit_code == 2


def test_the_environment_names_the_gateway(monkeypatch):
    """With a default for the one on this machine; a token with a line end is trimmed."""
    monkeypatch.setenv("GATEWAY_ADMIN_TOKEN", "abc\n")
    monkeypatch.delenv("GATEWAY_URL", raising=False)
    assert control() == Control("http://127.0.0.1:8081", "abc")
    monkeypatch.setenv("GATEWAY_ADMIN_TOKEN", "a\nb")
    with pytest.raises(click.exceptions.Exit):
        control()
