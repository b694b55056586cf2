"""Cross-origin requests: what the bucket's rules say, on every answer."""

from __future__ import annotations

import pytest

from gateway.core.route import Cors
from gateway.core.token import ENTROPY_BYTES, LinkToken
from tests.data.harness import APP, Rig, policy, running

PAGE = "https://app.example"
CORS = policy(cors=(Cors(origins=(PAGE,), methods=("GET", "PUT"), headers=("x-*",)),))


def preflight(method: str = "GET", origin: str = PAGE, headers: str = "") -> dict[str, str]:
    more = {"Access-Control-Request-Headers": headers} if headers else {}
    return {"Origin": origin, "Access-Control-Request-Method": method} | more


async def test_a_preflight_of_a_named_page_is_let_in() -> None:
    """Without any credential, as browsers send it, and without touching a store."""
    async with running(CORS) as rig:
        got = await rig.ask("OPTIONS", "/reports/a", preflight("PUT", headers="x-one"))
        assert (200, PAGE) == (got.status, got.header("access-control-allow-origin"))
        assert "x-one" == got.header("access-control-allow-headers")
        assert None is got.header("access-control-allow-credentials")
        assert [] == rig.store.seen
        assert "Preflight" == (await rig.last()).operation


@pytest.mark.parametrize(
    "headers", [preflight(origin="https://evil.example"), preflight("DELETE"), preflight(headers="authorization")]
)
async def test_every_other_preflight_is_not(headers: dict[str, str]) -> None:
    """Another page, method or header."""
    async with running(CORS) as rig:
        got = await rig.ask("OPTIONS", "/reports/a", headers)
        assert (403, None) == (got.status, got.header("access-control-allow-origin"))


async def test_a_links_preflight_follows_its_bucket() -> None:
    """A page may upload through a link where the bucket's rules name the page."""
    async with running(CORS) as rig:
        got = await rig.ask("OPTIONS", f"/s/{await rig.link()}", preflight("PUT"))
        assert (200, PAGE) == (got.status, got.header("access-control-allow-origin"))
        for path in ("/s/none", f"/s/{await rig.link(bucket='other')}"):
            assert (await rig.ask("OPTIONS", path, preflight())).status in {403, 404}


async def test_answers_can_be_read_by_the_page_refusals_too() -> None:
    """A script learns why it was refused."""
    async with running(CORS) as app:
        app.store.hold("inside/a", b"hello")
        credentials, _ = await app.key()
        for key, status in (("reports/a", 200), ("reports/none", 404), (f"s/{await app.link()}", 404)):
            target, headers = app.signed(credentials, "GET", key) if key.startswith("reports") else (f"/{key}", {})
            got = await app.ask("GET", target, headers | {"Origin": PAGE})
            assert (status, PAGE) == (got.status, got.header("access-control-allow-origin"))
            assert "Origin" in ", ".join(got.headers_named("vary"))


@pytest.mark.parametrize(
    ("method", "target", "headers", "status"),
    [
        ("GET", "/reports/" + "x" * 1025, {}, 400),
        ("GET", "/reports/a?acl", {}, 501),
        ("PUT", "/reports/a", {"Content-Range": "bytes 0-4/10"}, 501),
        ("GET", "/s/{link}/" + "x" * 1025, {}, 400),
        ("PUT", "/s/{link}", {"Content-Range": "bytes 0-4/10"}, 501),
        ("GET", "/s/{link}", {"Authorization": "Bearer x"}, 400),
        ("GET", "/s/{secret}", {}, 401),
        ("GET", "/s/{secret}", {"Authorization": "Basic OndyaW5n"}, 401),
    ],
)
async def test_a_refusal_of_the_first_steps_can_be_read_too(
    method: str, target: str, headers: dict[str, str], status: int
) -> None:
    """Before a request is understood, or its link's password is right: a script that cannot read why takes it for a
    broken line, and tries again without end. Another page still cannot read it."""
    async with running(CORS) as rig:
        path = target.format(link=await rig.link(), secret=await rig.link(password="right"))
        got = await rig.ask(method, path, headers | {"Origin": PAGE})
        assert (status, PAGE) == (got.status, got.header("access-control-allow-origin")), got.text
        other = await rig.ask(method, path, headers | {"Origin": "https://evil.example"})
        assert (status, None) == (other.status, other.header("access-control-allow-origin"))


async def test_no_refusal_tells_a_page_more_of_a_token_than_a_look_up_would() -> None:
    """What is wrong with a request is no way to guess tokens uncounted, and a guess is counted once."""
    async with running(CORS) as rig:
        statuses = []
        for n in range(62):
            token = LinkToken.mint(bytes([n]) * ENTROPY_BYTES).text
            got = await rig.ask("GET", f"/s/{token}/{'x' * 1025}" if n < 30 else f"/s/{token}", {"Origin": PAGE})
            assert None is got.header("access-control-allow-origin")
            statuses.append(got.status)
        assert [400] * 30 + [404] * 31 + [429] == statuses


async def test_answers_to_others_cannot() -> None:
    """Whoever is not named gets the bytes' status and no permission; caches are told why."""
    async with running(CORS, trusted=APP) as app:
        app.store.hold("inside/a", b"hello")
        got = await app.ask("GET", "/reports/a", {"Origin": "https://evil.example"})
        assert (None, "Origin") == (got.header("access-control-allow-origin"), got.header("vary"))


async def test_without_rules_nothing_is_said(app: Rig) -> None:
    """Most buckets have none."""
    app.store.hold("inside/a", b"hello")
    got = await app.ask("GET", "/reports/a", {"Origin": PAGE})
    assert (None, None) == (got.header("access-control-allow-origin"), got.header("vary"))
    assert 403 == (await app.ask("OPTIONS", "/reports/a", preflight())).status


async def test_guessing_by_preflights_is_guessing() -> None:
    """The same budget as for any other method."""
    async with running(CORS) as rig:
        tokens = [LinkToken.mint(bytes([n]) * ENTROPY_BYTES).text for n in range(62)]
        statuses = [(await rig.ask("OPTIONS", f"/s/{token}", preflight())).status for token in tokens]
        assert [404] * 61 + [429] == statuses
