"""The way back from a browser: this machine alone, one answer, nothing shown of it."""

from __future__ import annotations

import os
import socket
import threading
from http.client import HTTPConnection
from urllib.parse import urlsplit

import click
import pytest

from gateway.cli.loopback import Loopback


def get(address: str, path: str, host: str | None = None) -> tuple[int, dict[str, str], str]:
    connection = HTTPConnection(urlsplit(address).netloc, timeout=5)
    connection.request("GET", path, headers={} if host is None else {"Host": host})
    answer = connection.getresponse()
    text = answer.read().decode()
    connection.close()
    return answer.status, dict(answer.headers), text


def test_the_first_answer_is_taken_and_shown_to_nobody():
    """The page has nothing of it, is kept nowhere and runs nothing."""
    with Loopback() as back:
        assert back.address.startswith("http://127.0.0.1:")
        status, headers, text = get(back.address, "/callback?code=canary&state=b")
        assert "code=canary&state=b" == back.take_answer(5)
    assert 200 == status
    assert "canary" not in text + str(headers)
    assert ("no-store", "no-referrer") == (headers["Cache-Control"], headers["Referrer-Policy"])
    assert "default-src 'none'" in headers["Content-Security-Policy"]
    assert "Python" not in headers["Server"]


def test_what_is_no_answer_is_not_taken(capsys):
    """Another path, another host's name; then nobody came in time."""
    with Loopback() as back:
        assert 404 == get(back.address, "/favicon.ico")[0]
        assert 404 == get(back.address, "/callback?code=x", host="evil.example")[0]
        with pytest.raises(click.exceptions.Exit):
            back.take_answer(0.0)
    assert "in time" in capsys.readouterr().err


def test_an_address_that_is_pasted_is_an_answer_too(capsys):
    """Where the browser is on another machine; what is another address is not taken, and is said to be none."""
    reading, writing = os.pipe()
    with Loopback() as back, os.fdopen(reading, "rb", 0) as terminal, os.fdopen(writing, "wb", 0) as keyboard:
        keyboard.write(b"https://evil.example/callback?code=evil\n")
        with pytest.raises(click.exceptions.Exit):
            back.take_answer(0.3, terminal=terminal.fileno())
        assert f"begins with {back.address}?" in capsys.readouterr().err
        keyboard.write(f"  {back.address}?code=canary&state=b\n".encode())
        assert "code=canary&state=b" == back.take_answer(5, terminal=terminal.fileno())


def test_a_terminal_that_was_closed_is_not_waited_for(capsys):
    """The browser may come all the same."""
    reading, writing = os.pipe()
    os.close(writing)
    with Loopback() as back, os.fdopen(reading, "rb", 0) as terminal:
        coming = threading.Timer(0.5, get, (back.address, "/callback?a=b"))
        coming.start()
        assert "a=b" == back.take_answer(5, terminal=terminal.fileno())
        coming.join()


def test_a_connection_that_says_nothing_keeps_nobody_waiting():
    """Browsers open some ahead of need."""
    with Loopback() as back:
        parts = urlsplit(back.address)
        with socket.create_connection((parts.hostname, parts.port)):
            assert 200 == get(back.address, "/callback?a=b")[0]
        assert "a=b" == back.take_answer(5)


def test_nobody_listens_afterwards():
    """The port is closed with the question."""
    with Loopback() as back:
        pass
    with pytest.raises(OSError):
        get(back.address, "/callback?a=b")


def test_each_question_has_a_port_of_its_own_on_this_machine_alone():
    """Two at once do not meet; the listener is bound to 127.0.0.1."""
    with Loopback() as one, Loopback() as other:
        assert one.address != other.address
        assert "127.0.0.1" == one._server.server_address[0]
