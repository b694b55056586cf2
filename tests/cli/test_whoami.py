"""`gateway whoami`, and acting as an app by its key."""

from __future__ import annotations

import asyncio
import time

import pytest

from gateway.cli.client import Control, control
from gateway.core.attempt import Principal
from tests.cli.conftest import Terminal, reply
from tests.control.desk import serving

WHO = b'{"principal": "app:billing", "groups": [], "sees": "own", "may": ["read", "share"], "until": null}'


def test_who_one_is_is_said(listener):
    """The name stands alone on the first line."""
    listener.answers = [reply(200, WHO)]
    done = Terminal(listener.url).run("whoami")
    assert (0, "app:billing") == (done.exit_code, done.stdout.splitlines()[0])
    assert "your own links and keys" in done.stderr


@pytest.mark.parametrize("public", ["AKIAIOSFODNN7EXAMPLE", ""])
def test_a_key_of_another_store_is_never_shown_to_a_gateway(public, listener):
    """Only what begins as gateways' keys do is signed with."""
    done = Terminal(listener.url).run(
        "whoami", GATEWAY_ADMIN_TOKEN="", AWS_ACCESS_KEY_ID=public, AWS_SECRET_ACCESS_KEY="x"
    )
    assert (2, []) == (done.exit_code, listener.seen)


def test_an_apps_key_signs_and_is_not_sent(listener):
    """With the session token; an admin's token comes first."""
    keys = {"AWS_ACCESS_KEY_ID": "GWKABC", "AWS_SECRET_ACCESS_KEY": "s3cr3t", "AWS_SESSION_TOKEN": "gs_x"}
    listener.answers = [reply(200, WHO), reply(200, WHO)]
    assert 0 == Terminal(listener.url).run("whoami", GATEWAY_ADMIN_TOKEN="", **keys).exit_code
    assert 0 == Terminal(listener.url).run("whoami", **keys).exit_code
    signed, shown = [str(seen) for seen in listener.seen]
    assert "AWS4-HMAC-SHA256 Credential=GWKABC/" in signed
    assert "s3cr3t" not in signed
    assert "AWS4-HMAC-SHA256" not in shown


def test_the_secret_is_in_no_repr(monkeypatch):
    """Tracebacks show what stands in them."""
    for name, value in {"AWS_ACCESS_KEY_ID": "GWKABC", "AWS_SECRET_ACCESS_KEY": "s3cr3t"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("GATEWAY_ADMIN_TOKEN", raising=False)
    made = control()
    assert isinstance(made, Control)
    assert made.key is not None
    assert "s3cr3t" not in repr(made)


async def test_the_command_line_acts_as_the_app_against_a_real_gateway(monkeypatch):
    """Bodies, queries and pages are signed as the gateway reads them."""
    async with serving(clock=time.time) as desk:
        key = await desk.api.keys.issue(Principal("admin", "ops"), "billing", session=True)
        names = {
            "AWS_ACCESS_KEY_ID": key.access_key_id,
            "AWS_SECRET_ACCESS_KEY": key.secret_access_key,
            "AWS_SESSION_TOKEN": key.session_token or "",
            "GATEWAY_URL": desk.url,
        }
        for name, value in names.items():
            monkeypatch.setenv(name, value)
        monkeypatch.delenv("GATEWAY_ADMIN_TOKEN", raising=False)
        api = control()
        body = {"bucket": "reports", "key": "invoices/a b.pdf", "uses": 1, "expires_in": 60, "label": "ä + b"}
        made = await asyncio.to_thread(api.call, "POST", "/v1/links", body)
        assert "app:billing" == made["owner"]
        found = await asyncio.to_thread(lambda: list(api.pages("/v1/links", "links", {"label": "ä + b"}, 5)))
        assert [made["id"]] == [link["id"] for link in found]
        assert "app:billing" == (await asyncio.to_thread(api.call, "GET", "/v1/whoami"))["principal"]
