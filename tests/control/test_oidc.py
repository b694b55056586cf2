"""People with tokens of a real OpenID Connect provider, over its own code flow, discovery and key set."""

from __future__ import annotations

import hmac
import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

import aiohttp
import flask
import oidc_provider_mock
import pytest
from joserfc import jwt
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server

from gateway.core.identity import IdentityRules, UserRules
from gateway.core.pattern import NamePattern
from gateway.core.rule import LinkLimits
from gateway.oidc.issuers import Identity
from gateway.oidc.tokens import claims_of, read_keys
from tests.control.desk import POLICY, Desk, rule, serving

# The provider calls parts of its own library that are going.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ANN, BOB = "ann@acme.example", "bob@other.example"
BACK = "http://localhost:1/back"


@dataclass
class Provider:
    """The provider's address, and what only its operator can do."""

    issuer: str
    storage: Any = None

    def rotate(self) -> None:
        from authlib.jose import RSAKey as ProvidersKey  # noqa: PLC0415 (its own kind of key)

        self.storage.jwk = ProvidersKey.generate_key(is_private=True)

    async def login(self, sub: str, audience: str = "gateway", nonce: str = "n") -> str:
        """The id token that somebody gets who signs in: authorization code flow."""
        asked = {"client_id": audience, "redirect_uri": BACK, "response_type": "code", "nonce": nonce}
        query = urlencode(asked | {"scope": "openid email profile", "state": "s"})
        async with aiohttp.ClientSession() as session:
            authorize = f"{self.issuer}/oauth2/authorize?{query}"
            async with session.post(authorize, data={"sub": sub}, allow_redirects=False) as answer:
                code = parse_qs(urlsplit(answer.headers["Location"]).query)["code"][0]
            form = {"grant_type": "authorization_code", "code": code, "redirect_uri": BACK, "client_id": audience}
            async with session.post(f"{self.issuer}/oauth2/token", data=form | {"client_secret": "x"}) as answer:
                assert 200 == answer.status, await answer.text()
                found: str = (await answer.json())["id_token"]
                return found


def _serve() -> Iterator[Provider]:
    users = [
        oidc_provider_mock.User(sub=ANN, claims={"email": ANN, "email_verified": True, "groups": ["finance", "/ops"]}),
        oidc_provider_mock.User(sub=BOB, claims={"email": BOB, "email_verified": True}),
        oidc_provider_mock.User(sub="eve", claims={"email": ANN, "email_verified": False}),
    ]
    app = oidc_provider_mock.app(user_claims=users)
    provider = Provider("")

    @app.before_request
    def keep() -> None:
        provider.storage = flask.g.oidc_provider_mock_storage

    server = make_server("localhost", 0, app, threaded=True)
    provider.issuer = f"http://localhost:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def provider() -> Iterator[Provider]:
    yield from _serve()


class Clock:
    """The real time, and what tests add to it: the provider's clock is its own."""

    ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rules(provider: Provider) -> IdentityRules:
    users = UserRules("email", "groups", (NamePattern.parse("user:*@acme.example"),))
    return IdentityRules(provider.issuer, "gateway", None, {}, users=users)


@pytest.fixture
async def desk(rules: IdentityRules, clock: Clock) -> AsyncIterator[Desk]:
    limits = LinkLimits(max_uses=5)
    theirs = rule("acme shares", "user:*@acme.example", "read share", "reports/acme/**", links=limits)
    policy = replace(POLICY, rules=(*POLICY.rules, theirs))
    roles = {"audit": (NamePattern.of("group:/audit"),)}
    identity = Identity(lambda: [rules], clock)
    async with serving(identity=identity, clock=clock, policy=lambda: policy, roles=lambda: roles) as opened:
        yield opened


async def status(desk: Desk, token: str) -> int:
    desk.token = token
    return (await desk.ask("GET", "/v1/links")).status


async def test_a_user_shares_and_sees_their_own(desk: Desk, provider: Provider) -> None:
    """Who signed in makes a link as `user:EMAIL`, within the rules that name them."""
    await desk.link()
    desk.token = await provider.login(ANN)
    made = await desk.link(key="acme/a.pdf", uses=1)
    assert (f"user:{ANN}", f"user:{ANN}") == (made["owner"], made["issued_by"])
    assert [made["id"]] == [link["id"] for link in (await desk.ask("GET", "/v1/links")).json["links"]]
    assert 403 == (await desk.ask("GET", "/v1/audit")).status
    assert 403 == (await desk.ask("POST", "/v1/links", {"bucket": "reports", "key": "a", "uses": 1})).status
    assert 403 == (await desk.ask("POST", "/v1/keys", {"app": "billing"})).status


async def test_who_signed_in_elsewhere_is_nobody(desk: Desk, provider: Provider) -> None:
    """Another audience, a user whom the issuer may not name, an address that nobody verified."""
    assert 200 == await status(desk, await provider.login(ANN))
    assert 401 == await status(desk, await provider.login(ANN, audience="another"))
    assert 401 == await status(desk, await provider.login(BOB))
    assert 401 == await status(desk, await provider.login("eve"))


async def test_a_token_has_its_time(desk: Desk, provider: Provider, clock: Clock) -> None:
    """An hour, and a minute for clocks that differ; a token of the future is none yet."""
    token = await provider.login(ANN)
    for ahead, expected in ((0.0, 200), (3600.0, 200), (3665.0, 401), (-120.0, 401)):
        clock.ahead = ahead
        desk.api.guard._wrong.clear()
        assert expected == await status(desk, token), ahead


async def test_keys_are_rotated(desk: Desk, provider: Provider, clock: Clock) -> None:
    """A key that is not known is looked for, at most every half minute; what the old one signed ends with it."""
    old = await provider.login(ANN)
    assert 200 == await status(desk, old)
    provider.rotate()
    new = await provider.login(ANN)
    assert 401 == await status(desk, new)
    clock.ahead = 31
    assert 200 == await status(desk, new)
    assert 401 == await status(desk, old)


async def test_a_key_of_an_unknown_id_is_asked_for_once(desk: Desk, provider: Provider, clock: Clock) -> None:
    """However many tokens name one, the provider hears of it at most every half minute."""
    assert 200 == await status(desk, await provider.login(ANN))
    asked = []
    storage, provider.storage = provider.storage, None
    stranger = RSAKey.generate_key(2048, {"kid": "nobodys"})
    forged = jwt.encode({"alg": "RS256", "kid": "nobodys"}, await _claims(provider, storage), stranger)
    for _ in range(5):
        asked.append(await status(desk, forged))
        clock.ahead += 1
    assert [401] * 5 == asked
    assert provider.storage is None


async def _claims(provider: Provider, storage: Any) -> dict[str, Any]:
    return {
        "iss": provider.issuer,
        "aud": "gateway",
        "sub": ANN,
        "email": ANN,
        "email_verified": True,
        "exp": int(time.time()) + 600,
        "iat": int(time.time()),
    }


def _part(value: dict[str, Any]) -> str:
    return urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


async def test_what_the_provider_did_not_sign_is_refused(desk: Desk, provider: Provider) -> None:
    """`none`, a secret made of the public key, another's key under a known id, another issuer's name."""
    good = await provider.login(ANN)
    assert 200 == await status(desk, good)
    async with desk.session.get(f"{provider.issuer}/jwks") as answer:
        [public] = (await answer.json())["keys"]
    claims = await _claims(provider, None)
    stranger = RSAKey.generate_key(2048, {"kid": public.get("kid")})
    head, body, _ = good.split(".")
    confused = f"{_part({'alg': 'HS256', 'kid': public.get('kid')})}.{body}"
    mac = hmac.digest(RSAKey.import_key(public).as_pem(private=False), confused.encode(), "sha256")
    forged = [
        f"{_part({'alg': 'none'})}.{body}.",
        f"{head}.{body}.",
        f"{confused}.{urlsafe_b64encode(mac).rstrip(b'=').decode()}",
        jwt.encode({"alg": "RS256", "kid": public.get("kid")}, claims, stranger),
        jwt.encode({"alg": "RS256", "kid": public.get("kid")}, claims | {"iss": "https://other.example"}, stranger),
    ]
    for text in forged:
        desk.api.guard._wrong.clear()
        assert 401 == await status(desk, text), text
    assert 200 == await status(desk, good)


async def test_the_provider_is_believed_about_itself_alone(provider: Provider, clock: Clock) -> None:
    """A discovery document that names another issuer gives no keys."""
    token = await provider.login(ANN)
    users = UserRules("email", None, (NamePattern.parse("user:*@acme.example"),))
    other = provider.issuer.replace("localhost", "127.0.0.1")
    rules = IdentityRules(provider.issuer, "gateway", None, {}, users=users)
    assert await Identity(lambda: [rules], clock).prove_user(token) is not None
    assert await Identity(lambda: [replace(rules, issuer=other)], clock).prove_user(token) is None
    async with aiohttp.ClientSession() as session, session.get(f"{provider.issuer}/jwks") as answer:
        keys = read_keys(await answer.read())
    assert claims_of(token, keys, rules, int(clock())) is not None
    assert claims_of(token, keys, replace(rules, issuer=other), int(clock())) is None
