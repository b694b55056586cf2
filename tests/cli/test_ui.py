"""`gateway ui`."""

from __future__ import annotations

import json

import pytest

from tests.cli.conftest import Terminal, reply

SECRET = "an-admins-own-token-of-many-letters"


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    found: list[str] = []
    monkeypatch.setattr("gateway.cli.login.open_browser", found.append)
    return found


def test_the_console_is_opened(listener, opened):
    """At the gateway that the other commands speak to; no secret is in the address or sent to look for it."""
    listener.answers = [reply(200, b"{}")]
    done = Terminal(listener.url).run("ui", GATEWAY_ADMIN_TOKEN=SECRET)
    assert (0, f"{listener.url}/ui/") == (done.exit_code, done.stdout.strip())
    assert [f"{listener.url}/ui/"] == opened


def test_the_address_can_be_printed_alone(listener, opened):
    """For machines without a browser."""
    listener.answers = [reply(200, b"{}")]
    done = Terminal(listener.url).run("ui", "--print")
    assert (0, f"{listener.url}/ui/", []) == (done.exit_code, done.stdout.strip(), opened)
    listener.answers = [reply(200, b"{}")]
    done = Terminal(listener.url).run("ui", "--json")
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
