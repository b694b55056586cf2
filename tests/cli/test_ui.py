"""`gateway ui`."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Terminal, reply

SECRET = "an-admins-own-token-of-many-letters"
ENTRANCE = "https://gw.example/ui/enter#a-code"
MADE = b'{"code": "a-code", "url": "https://gw.example/ui/enter#a-code", "expires_at": "2027-01-01T00:00:00Z"}'


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []

    def open_it(address: str) -> bool:
        found.append(address)
        return True

    monkeypatch.setattr("gateway.cli.login.open_browser", open_it)
    return found


def test_the_console_is_opened_signed_in(listener, opened):
    """As whoever the command line acts as, by a code: what it shows the gateway is not in what the browser is given,
    and the code is not on the terminal."""
    listener.answers = [reply(200, b"{}"), reply(201, MADE)]
    done = Terminal(listener.url).run("ui", GATEWAY_ADMIN_TOKEN=SECRET)
    assert (0, f"{listener.url}/ui/") == (done.exit_code, done.stdout.strip())
    assert [ENTRANCE] == opened
    assert "a-code" not in done.stderr
    method, path, _, body = listener.seen[-1]
    assert ("POST", "/v1/console/codes", {"url": listener.url}) == (method, path, json.loads(body))


def test_who_acts_as_nobody_signs_in_there(listener, opened):
    """Nothing is asked for them; nor where a gateway knows no codes."""
    listener.answers = [reply(200, b"{}")]
    assert 0 == Terminal(listener.url).run("ui", GATEWAY_ADMIN_TOKEN="").exit_code
    listener.answers = [reply(200, b"{}"), reply(404, b'{"detail": "no endpoint has this path"}')]
    assert 0 == Terminal(listener.url).run("ui", GATEWAY_ADMIN_TOKEN=SECRET).exit_code
    assert [f"{listener.url}/ui/"] * 2 == opened


def test_a_token_that_is_not_known_opens_nothing(listener, opened):
    """It is told in a sentence."""
    listener.answers = [reply(200, b"{}"), reply(401, b"{}")]
    done = Terminal(listener.url).run("ui", GATEWAY_ADMIN_TOKEN=SECRET)
    assert (1, []) == (done.exit_code, opened)
    assert "does not know this admin token" in done.stderr


def test_where_no_browser_opens_the_address_is_printed(listener, monkeypatch):
    """With its code: else nobody could use it."""
    monkeypatch.setattr("gateway.cli.login.open_browser", lambda address: False)
    listener.answers = [reply(200, b"{}"), reply(201, MADE)]
    done = Terminal(listener.url).run("ui", GATEWAY_ADMIN_TOKEN=SECRET)
    assert (0, ENTRANCE) == (done.exit_code, done.stdout.strip())
    assert "once, for a minute" in done.stderr


def test_the_address_can_be_printed_alone(listener, opened):
    """For machines without a browser."""
    listener.answers = [reply(200, b"{}")]
    done = Terminal(listener.url).run("ui", "--print", GATEWAY_ADMIN_TOKEN="")
    assert (0, f"{listener.url}/ui/", []) == (done.exit_code, done.stdout.strip(), opened)
    listener.answers = [reply(200, b"{}")]
    done = Terminal(listener.url).run("ui", "--json", GATEWAY_ADMIN_TOKEN="")
    assert ({"url": f"{listener.url}/ui/"}, []) == (json.loads(done.stdout), opened)


def test_a_gateway_without_a_console_is_told(listener, opened):
    """And one that does not answer: in a sentence, and nothing is opened."""
    listener.answers = [reply(404, b"{}")]
    done = Terminal(listener.url).run("ui")
    assert "no console" in done.stderr
    gone = Terminal("http://127.0.0.1:1").run("ui")
    assert "No gateway answers" in gone.stderr
    assert 0 not in {done.exit_code, gone.exit_code}
    assert [] == opened
