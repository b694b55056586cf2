"""The way to the control API: what each kind of failure means to a person."""

from __future__ import annotations

import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import click
import pytest

from gateway.cli.client import Control, connect, control
from gateway.cli.contexts import Context, Contexts, change_contexts
from tests.cli.conftest import Terminal, reply
from tests.servers.certificate import certificate


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


@pytest.fixture
def behind_tls(tmp_path):
    """The URL of a control API with a certificate of its own authority, that authority's file, and what was asked."""
    seen = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            seen.append(self.headers.get("Authorization"))
            reply(200, b'{"principal": "admin:ops", "groups": [], "sees": "own", "may": [], "until": null}')(self)

        def log_message(self, *_):
            """Tests are silent."""

    class Quiet(ThreadingHTTPServer):
        def handle_error(self, *_):
            """A client that does not trust us hangs up."""

    cert, key = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    server = Quiet(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}", str(cert), seen
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_contexts_authorities_are_trusted_and_no_others(behind_tls, tmp_path):
    """Without them, and with another's, no token leaves; with theirs it does."""
    url, authority, seen = behind_tls
    other = tmp_path / "other"
    other.mkdir()
    foreign, _ = certificate(other)
    (tmp_path / "no.pem").write_text("nothing")
    files = {"none": None, "foreign": str(foreign), "right": authority, "damaged": str(tmp_path / "no.pem")}
    change_contexts(lambda before: Contexts({name: Context(name, url, file) for name, file in files.items()}, None))
    for name, code in (("none", 3), ("foreign", 3), ("damaged", 2)):
        done = Terminal("").run("whoami", "--context", name)
        assert (code, []) == (done.exit_code, seen), done.output
        assert ("(its certificate is not believed: " in done.stderr) is (code == 3)
    assert 0 == Terminal("").run("whoami", "--context", "right").exit_code
    assert 1 == len(seen)
