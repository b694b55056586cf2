"""Web identity tokens: what is believed, and every kind that must not be."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import os
import ssl
import threading
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from joserfc import jwt
from joserfc.jwk import ECKey, Key, OctKey, OKPKey, RSAKey

from gateway.core.identity import IdentityRules, Role
from gateway.core.reasons import DependencyDown
from gateway.oidc.issuers import Identity, ask_issuer
from gateway.oidc.tokens import Keys
from tests.servers.certificate import certificate

NOW = 1_800_000_000.0
ISSUER = "https://issuer.example"
SUBJECT = "system:serviceaccount:billing:default"
GOOD = {"iss": ISSUER, "aud": ["gateway", "other"], "sub": SUBJECT, "exp": NOW + 600, "iat": NOW - 5, "nbf": NOW - 5}
RSA = RSAKey.generate_key(2048, {"kid": "one", "use": "sig"})
EC = ECKey.generate_key("P-256", {"kid": "two"})
ED = OKPKey.generate_key("Ed25519", {"kid": "three"})
SECRET = OctKey.generate_key(256, {"kid": "four"})
ROLES = {
    "billing": Role("billing", (SUBJECT,)),
    "etl": Role("etl", ("system:serviceaccount:etl:*",)),
}


def key_set(*keys: Key) -> str:
    """What an issuer publishes."""
    return json.dumps({"keys": [key.as_dict(private=isinstance(key, OctKey)) for key in keys]})


def token(key: Key = RSA, algorithm: str = "RS256", header: dict[str, Any] | None = None, **changes: Any) -> str:
    claims = {name: value for name, value in (GOOD | changes).items() if value is not None}
    head = {"alg": algorithm, "kid": key.kid} | (header or {})
    return jwt.encode({name: value for name, value in head.items() if value is not None}, claims, key, [algorithm])


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def rules(tmp_path: Path) -> IdentityRules:
    """An issuer whose keys lie in a file."""
    (tmp_path / "jwks.json").write_text(key_set(RSA, EC, ED, SECRET))
    return IdentityRules(ISSUER, "gateway", str(tmp_path / "jwks.json"), ROLES)


async def app_for(identity: Identity, text: str, role: str) -> str | None:
    """The app that a token proves to be, if any."""
    proved = await identity.prove(text, role)
    return None if proved is None else proved.app


@pytest.fixture
def identity(rules: IdentityRules, clock: Clock) -> Identity:
    return Identity(lambda: [rules], clock)


@pytest.mark.parametrize(
    ("key", "algorithm"),
    [(RSA, "RS256"), (RSA, "PS512"), (EC, "ES256"), (ED, "Ed25519")],
    ids=["RS256", "PS512", "ES256", "Ed25519"],
)
async def test_a_good_token_gives_its_role(identity: Identity, key: Key, algorithm: str) -> None:
    """Each asymmetric algorithm proves the subject, which gets the role that names it and no other."""
    good = token(key, algorithm)
    assert "billing" == await app_for(identity, good, "billing")
    assert None is await app_for(identity, good, "etl")
    assert None is await app_for(identity, good, "nobody")


async def test_a_star_means_all_that_begin_so(identity: Identity) -> None:
    """A namespace is everything after its colon, and nothing that only looks like it."""
    for subject, app in (
        ("system:serviceaccount:etl:a", "etl"),
        ("system:serviceaccount:etl:", "etl"),
        ("system:serviceaccount:etl2:a", None),
        (SUBJECT, None),
    ):
        assert app == await app_for(identity, token(sub=subject), "etl")


@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://issuer.example/"},
        {"iss": "https://other.example"},
        {"iss": None},
        {"aud": "other"},
        {"aud": ["gateway2"]},
        {"aud": None},
        {"exp": NOW - 61},
        {"exp": None},
        {"exp": "tomorrow"},
        {"nbf": NOW + 61},
        {"iat": NOW + 3600},
        {"sub": None},
        {"sub": ""},
        {"sub": "system:serviceaccount:billing:other"},
        {"sub": [SUBJECT]},
    ],
    ids=str,
)
async def test_a_wrong_claim_is_refused(identity: Identity, changes: dict[str, Any]) -> None:
    """Issuer, audience, times and subject must all be there and right."""
    assert None is await app_for(identity, token(**changes), "billing")


async def test_the_clocks_of_two_machines_may_differ_a_little(identity: Identity) -> None:
    """Up to a minute on either side."""
    assert "billing" == await app_for(identity, token(exp=NOW - 59), "billing")
    assert "billing" == await app_for(identity, token(nbf=NOW + 59), "billing")


def _part(value: object) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=").decode()


def _unsigned(algorithm: str) -> str:
    return f"{_part({'alg': algorithm, 'kid': 'one'})}.{_part(GOOD)}."


@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE", ""])
async def test_no_signature_is_no_proof(identity: Identity, algorithm: str) -> None:
    """`none` in any spelling is refused."""
    assert None is await app_for(identity, _unsigned(algorithm), "billing")


async def test_a_public_key_is_no_shared_secret(identity: Identity) -> None:
    """An HMAC with the public key's text as its secret is refused, and so is one with a secret key of the set."""
    signed = f"{_part({'alg': 'HS256', 'kid': 'one'})}.{_part(GOOD)}"
    for text in (RSA.as_pem(private=False), json.dumps(RSA.as_dict(private=False)).encode()):
        mac = base64.urlsafe_b64encode(hmac.digest(text, signed.encode(), "sha256")).rstrip(b"=").decode()
        assert None is await app_for(identity, f"{signed}.{mac}", "billing")
    assert None is await app_for(identity, token(SECRET, "HS256"), "billing")


async def test_another_key_under_a_known_id_is_refused(identity: Identity) -> None:
    """Who is not the issuer cannot sign, whatever key id, embedded key or key address the token names."""
    stranger = RSAKey.generate_key(2048, {"kid": "one"})
    embedded = {"jwk": stranger.as_dict(private=False), "jku": "https://stranger.example/jwks"}
    assert None is await app_for(identity, token(stranger), "billing")
    assert None is await app_for(identity, token(stranger, header=embedded), "billing")
    assert None is await app_for(identity, token(RSA, header={"kid": "two"}), "billing")
    assert None is await app_for(identity, token(RSA, header={"kid": None}), "billing")


async def test_a_changed_token_is_refused(identity: Identity) -> None:
    """Each part is covered by the signature."""
    head, claims, signature = token().split(".")
    other = _part(GOOD | {"sub": "system:serviceaccount:etl:a"})
    cut = (f"{head}.{claims}", f"{head}.{claims}.{signature[:-4]}AAAA", "x.y.z", "é", "")
    for text in (f"{head}.{other}.{signature}", *cut):
        assert None is await app_for(identity, text, "etl")
        assert None is await app_for(identity, text, "billing")


async def test_a_lone_key_needs_no_id(rules: IdentityRules, clock: Clock) -> None:
    """An issuer with one key may leave the id out of its tokens."""
    Path(rules.jwks or "").write_text(key_set(EC))
    lone = Identity(lambda: [rules], clock)
    assert "billing" == await app_for(lone, token(EC, "ES256", header={"kid": None}), "billing")
    assert None is await app_for(lone, token(RSA, "RS256", header={"kid": None}), "billing")


async def test_nobody_is_believed_without_rules(clock: Clock) -> None:
    """No provider is a fault that is told, never an open door."""
    with pytest.raises(DependencyDown):
        await app_for(Identity(list, clock), token(), "billing")


async def test_new_keys_are_found_and_old_ones_forgotten(
    rules: IdentityRules, clock: Clock, identity: Identity
) -> None:
    """An unknown key id leads to a look at the keys, at most every half minute; a withdrawn key ends with the next."""
    new = RSAKey.generate_key(2048, {"kid": "new"})
    assert "billing" == await app_for(identity, token(), "billing")
    Path(rules.jwks or "").write_text(key_set(new))
    assert None is await app_for(identity, token(new), "billing")
    clock.now += 30
    assert "billing" == await app_for(identity, token(new), "billing")
    assert None is await app_for(identity, token(), "billing")


async def test_keys_outlive_a_short_silence_of_the_issuer(
    rules: IdentityRules, clock: Clock, identity: Identity
) -> None:
    """For an hour after they were fetched; then there is no answer instead of a wrong one."""
    assert "billing" == await app_for(identity, token(), "billing")
    Path(rules.jwks or "").unlink()
    clock.now += 3599
    assert "billing" == await app_for(identity, token(exp=clock.now + 60), "billing")
    for _ in range(2):
        clock.now += 1
        with pytest.raises(DependencyDown):
            await app_for(identity, token(exp=clock.now + 60), "billing")


async def test_a_known_key_waits_for_no_other(
    rules: IdentityRules, clock: Clock, identity: Identity, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever comes with an unknown key id has the issuer asked, which may take its time, and holds up nobody else."""
    asked, answers = asyncio.Event(), asyncio.Event()
    assert "billing" == await app_for(identity, token(), "billing")

    async def fetch(_: IdentityRules) -> Keys:
        asked.set()
        await answers.wait()
        raise TimeoutError

    monkeypatch.setattr("gateway.oidc.issuers._fetch", fetch)
    clock.now += 30
    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        stranger = group.create_task(app_for(identity, token(header={"kid": "unknown"}), "billing"))
        await asked.wait()
        assert "billing" == await app_for(identity, token(), "billing")
        assert not stranger.done()
        answers.set()
    assert None is stranger.result()


async def test_a_changed_rule_holds_at_once(rules: IdentityRules, clock: Clock, tmp_path: Path) -> None:
    """After a reload the new issuer and roles count, and the old keys are forgotten."""
    current = [rules]
    identity = Identity(lambda: current, clock)
    assert "billing" == await app_for(identity, token(), "billing")
    current[0] = replace(rules, roles={"billing": Role("other", (SUBJECT,))})
    assert "other" == await app_for(identity, token(), "billing")
    current[0] = replace(rules, issuer="https://other.example")
    assert None is await app_for(identity, token(), "billing")
    successor = RSAKey.generate_key(2048, {"kid": "one"})
    (tmp_path / "next.json").write_text(key_set(successor))
    current[0] = replace(rules, jwks=str(tmp_path / "next.json"))
    assert "billing" == await app_for(identity, token(successor), "billing")
    assert None is await app_for(identity, token(), "billing")


async def test_a_key_of_an_unknown_kind_spoils_no_other(rules: IdentityRules, clock: Clock) -> None:
    """An issuer may sign for others in ways that we do not know; RFC 7517 has us pass those keys over."""
    known = json.loads(Path(rules.jwks or "").read_text())["keys"]
    strange = [{"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA", "kid": "new"}, {"kty": "RSA", "kid": "bare"}, "text"]
    Path(rules.jwks or "").write_text(json.dumps({"keys": strange + known}))
    identity = Identity(lambda: [rules], clock)
    assert "billing" == await app_for(identity, token(), "billing")


Issuer = Callable[[web.Request], web.Response]


@pytest.fixture
async def issuer() -> AsyncIterator[tuple[str, list[web.Request], list[Issuer]]]:
    """An issuer's server: its address, what it was asked, and what it answers."""
    asked: list[web.Request] = []
    answers: list[Issuer] = [lambda _: web.Response(text=key_set(RSA), content_type="application/json")]

    async def answer(request: web.Request) -> web.Response:
        asked.append(request)
        return answers[0](request)

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}", asked, answers
    await runner.cleanup()


async def test_keys_are_fetched_once_for_many_tokens(
    rules: IdentityRules, clock: Clock, issuer: tuple[str, list[web.Request], list[Issuer]]
) -> None:
    """One look serves five minutes, and shows the bearer token that the settings name."""
    url, asked, _ = issuer
    remote = replace(rules, jwks=f"{url}/jwks", bearer="a-pods-own-token")
    identity = Identity(lambda: [remote], clock)
    for _ in range(5):
        assert "billing" == await app_for(identity, token(), "billing")
    assert ["Bearer a-pods-own-token"] == [request.headers["Authorization"] for request in asked]
    clock.now += 300
    assert "billing" == await app_for(identity, token(), "billing")
    assert 2 == len(asked)
    assert "a-pods-own-token" not in repr(remote)


@pytest.mark.parametrize(
    ("host", "named", "shown"), [("127.0.0.1", False, True), ("localhost", False, False), ("localhost", True, True)]
)
async def test_our_token_for_an_issuer_goes_no_further_than_to_it(
    rules: IdentityRules,
    clock: Clock,
    issuer: tuple[str, list[web.Request], list[Issuer]],
    host: str,
    named: bool,
    shown: bool,
) -> None:
    """Its own origin is shown it, and a place of keys that the settings name; not another place that its document
    names, whose keys are believed all the same."""
    url, asked, answers = issuer
    keys = f"{url.replace('127.0.0.1', host)}/jwks"

    def answer(request: web.Request) -> web.Response:
        if request.path == "/jwks":
            return web.Response(text=key_set(RSA), content_type="application/json")
        return web.json_response({"issuer": url, "jwks_uri": keys})

    answers[0] = answer
    remote = replace(rules, issuer=url, jwks=keys if named else None, bearer="a-pods-own-token")
    assert "billing" == await app_for(Identity(lambda: [remote], clock), token(iss=url), "billing")
    held = {request.path: request.headers.get("Authorization") for request in asked}
    described = {} if named else {"/.well-known/openid-configuration": "Bearer a-pods-own-token"}
    assert described | {"/jwks": "Bearer a-pods-own-token" if shown else None} == held


@pytest.mark.parametrize(
    "answer",
    [
        lambda _: web.Response(status=500),
        lambda _: web.Response(text="no json"),
        lambda _: web.Response(text="[]"),
        lambda _: web.Response(text='{"keys": [{"kty": "RSA"}]}'),
        lambda _: web.Response(text=key_set(RSA) + " " * 300_000),
        lambda _: web.Response(status=302, headers={"Location": "/elsewhere"}),
    ],
    ids=["an error", "no JSON", "no set", "a broken key", "too large", "a redirect"],
)
async def test_a_faulty_issuer_is_a_dependency_that_is_down(
    rules: IdentityRules, clock: Clock, issuer: tuple[str, list[web.Request], list[Issuer]], answer: Issuer
) -> None:
    """Nothing is believed, and the issuer is not asked again for every token that arrives."""
    url, asked, answers = issuer
    answers[0] = answer
    remote = replace(rules, jwks=f"{url}/jwks")
    identity = Identity(lambda: [remote], clock)
    for _ in range(3):
        with pytest.raises(DependencyDown):
            await app_for(identity, token(), "billing")
    assert 1 == len(asked)


async def test_what_was_proved_says_who_it_was(identity: Identity, rules: IdentityRules) -> None:
    """Whose subject, and for whom: by that the key of a session is known to have outlived its role."""
    proved = await identity.prove(token(), "billing")
    assert ("billing", ISSUER, "gateway", SUBJECT) == proved
    assert "billing" == rules.app_of(ISSUER, "gateway", "billing", SUBJECT)
    for who in (
        ("https://other.example", "gateway", "billing", SUBJECT),
        (ISSUER, "another", "billing", SUBJECT),
        (ISSUER, "gateway", "nobody", SUBJECT),
        (ISSUER, "gateway", "billing", "somebody"),
    ):
        assert None is rules.app_of(*who)


async def test_authorities_are_read_beside_the_loop_and_again_when_they_change(tmp_path: Path, monkeypatch) -> None:
    """Reading them would stop every transfer for as long; a new authority in the same file counts at once."""
    read: list[str] = []
    usual = ssl.create_default_context

    def noted(**options: Any) -> ssl.SSLContext:
        read.append(threading.current_thread().name)
        return usual(**options)

    monkeypatch.setattr("gateway.trust.ssl.create_default_context", noted)
    file, _ = certificate(tmp_path)
    rules = IdentityRules("https://127.0.0.1:9", "x", None, {}, ca_file=str(file))
    for seconds in (1, 1, 2):
        os.utime(file, (seconds, seconds))
        with pytest.raises((OSError, ValueError)):
            await ask_issuer(rules, "https://127.0.0.1:9/", {})
    assert [False, False] == [name == threading.main_thread().name for name in read]
