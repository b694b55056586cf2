"""What a caller is told about themselves."""

from __future__ import annotations

from gateway.core.attempt import Principal
from gateway.core.duty import OWNERS_DUTIES, Duty
from gateway.core.identity import PublicClient
from tests.control.desk import APP, START, Desk, serving


async def test_an_admin_may_everything(desk: Desk) -> None:
    """By a token that never ends."""
    answer = await desk.ask("GET", "/v1/whoami")
    whole = {"principal": "admin:ops", "groups": [], "sees": "everything", "may": [*map(str, Duty)], "until": None}
    assert (200, whole) == (answer.status, answer.json)


async def test_an_app_has_its_own(desk: Desk) -> None:
    """By its token, and by a key, with the key's end."""
    own = {"groups": [], "sees": "own", "may": [str(duty) for duty in Duty if duty in OWNERS_DUTIES]}
    desk.token = APP
    assert {"principal": "app:billing", **own, "until": None} == (await desk.ask("GET", "/v1/whoami")).json
    key = await desk.api.keys.issue(Principal("admin", "ops"), "other", expires_in=60.0)
    assert START == desk.clock.now
    found = (await desk.sign(key, "GET", "/v1/whoami")).json
    assert {"principal": "app:other", **own, "until": "2027-01-15T08:01:00Z"} == found


async def test_nobody_is_told_nothing(desk: Desk) -> None:
    """Who is not known hears 401 here as everywhere."""
    desk.token = None
    assert 401 == (await desk.ask("GET", "/v1/whoami")).status


async def test_everybody_is_told_where_people_sign_in() -> None:
    """Issuer, public client, audience and scopes; nothing else of the settings, and no credential is asked for."""
    client = PublicClient("https://login.example", "gateway-cli", "gateway", ("openid", "email"))
    async with serving(clients=lambda: (client,)) as desk:
        desk.token = ""
        answer = await desk.ask("GET", "/v1/sign-in")
        told = {
            "issuer": "https://login.example",
            "client_id": "gateway-cli",
            "audience": "gateway",
            "scopes": ["openid", "email"],
        }
        assert (200, {"issuers": [told]}) == (answer.status, answer.json)


async def test_without_a_client_nobody_signs_in_here(desk: Desk) -> None:
    """The list is empty."""
    assert {"issuers": []} == (await desk.ask("GET", "/v1/sign-in")).json
