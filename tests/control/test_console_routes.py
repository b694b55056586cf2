"""Laws of `gateway.control.console_routes`."""

from __future__ import annotations

from dataclasses import replace

from gateway.core.token import hash_secret
from tests.control.desk import ADMIN, CONSOLE, Desk, serving

URL = {"url": "http://127.0.0.1:8081"}


async def test_a_code_stands_behind_the_address(desk: Desk) -> None:
    """Of where the caller asks, or of where browsers reach the console if the settings say; it ends in a minute."""
    made = (await desk.ask("POST", "/v1/console/codes", URL)).json
    assert f"http://127.0.0.1:8081/ui/enter#{made['code']}" == made["url"]
    assert "2027-01-15T08:01:00Z" == made["expires_at"]
    rules = replace(CONSOLE, public_url="https://gw.example/below")
    async with serving(console=lambda: rules) as other:
        made = (await other.ask("POST", "/v1/console/codes", URL)).json
        assert made["url"].startswith("https://gw.example/below/ui/enter#")


async def test_what_is_no_url_is_refused(desk: Desk) -> None:
    """The address is opened in a browser."""
    for url in ("javascript:alert(1)", "file:///etc", "https://a@b.example", "http://a.example/?x=1", ""):
        assert 422 == (await desk.ask("POST", "/v1/console/codes", {"url": url})).status


async def test_there_is_no_code_where_nobody_enters() -> None:
    """A sidecar has no console, and where that is switched off there is none for anybody."""
    async with serving(sidecars=lambda: {hash_secret("a-sidecars-token"): "edge"}) as desk:
        desk.token = "a-sidecars-token"
        assert 401 == (await desk.ask("POST", "/v1/console/codes", URL)).status
        desk.token = ADMIN
        assert 201 == (await desk.ask("POST", "/v1/console/codes", URL)).status
    rules = replace(CONSOLE, enabled=False)
    async with serving(console=lambda: rules) as desk:
        assert 404 == (await desk.ask("POST", "/v1/console/codes", URL)).status
