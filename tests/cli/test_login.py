"""`gateway login` and `logout`, before a real control API that believes a real provider."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import oidc_provider_mock
import pytest
from oidc_provider_mock._app import AuthorizationCodeGrant

from gateway.cli import login as login_module
from gateway.core.identity import IdentityRules, PublicClient, UserRules
from gateway.core.pattern import NamePattern
from gateway.oidc.issuers import Identity
from tests.cli.conftest import Terminal, control_api
from tests.control.desk import POLICY, rule
from tests.servers.oidc import PERSON, Provider, come_back, running_provider

# The provider's library calls parts of its own that are going.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

SCOPES = ("openid", "email", "profile")


@dataclass
class Place:
    """A gateway, its issuer, and the command line before them."""

    provider: Provider
    shell: Terminal
    clients: list[PublicClient]

    def login(self, *arguments: str, **environ: str) -> Any:
        return self.shell.run("login", *arguments, **environ)


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    with running_provider() as provider:
        users = UserRules("email", "groups", (NamePattern.parse("user:*@acme.example"),))
        rules = IdentityRules(provider.issuer, "cli", None, {}, users=users, algorithms=("ES256",))
        clients = [PublicClient(provider.issuer, "cli", "cli", SCOPES)]
        finance = rule("finance shares", "group:finance", "read share", "reports/f/**")
        changes = {
            "clients": lambda: tuple(clients),
            "identity": Identity(lambda: [rules], time.time),
            "policy": lambda: replace(POLICY, rules=(*POLICY.rules, finance)),
            "clock": time.time,
        }
        monkeypatch.setattr(login_module, "open_browser", provider.sign_in)
        with control_api(**changes) as url:
            yield Place(provider, Terminal(url, ""), clients)


def test_who_signs_in_acts_as_themselves(place: Place, config: Path) -> None:
    """Name, links of their own by a group of theirs, and out again; nothing secret is on the screen."""
    done = place.login()
    assert (0, f"user:{PERSON}\n") == (done.exit_code, done.stdout), done.stderr
    assert "renewed by itself" in done.stderr
    who = place.shell.json("whoami")
    assert (f"user:{PERSON}", ["finance"], "your sign-in") == (who["principal"], who["groups"], who["by"])
    made = place.shell.run("link", "create", "reports/f/a.pdf", "--expires", "1d")
    assert 0 == made.exit_code, made.stderr
    [link] = place.shell.json("link", "ls")["links"]
    assert (f"user:{PERSON}", ["finance"]) == (link["owner"], link["groups"])
    shown = place.shell.run("link", "show", link["id"]).stdout
    assert ["by", "the", "groups", "finance"] in [line.split() for line in shown.splitlines()]
    [kept] = (config / "sign-ins").iterdir()
    assert 0o600 == kept.stat().st_mode & 0o777
    for secret in (*place.provider.refresh, *place.provider.codes):
        assert secret not in done.output
    assert "eyJ" not in done.output

    out = place.shell.json("logout")
    assert {"signed_out": True, "taken_back": True} == out
    assert ({}, []) == (place.provider.refresh, list((config / "sign-ins").iterdir()))
    assert 2 == place.shell.run("link", "ls").exit_code
    assert {"signed_out": False, "taken_back": False} == place.shell.json("logout")


def test_each_context_has_a_sign_in_of_its_own(place: Place) -> None:
    """Two people at one gateway, by two names of it; removing one leaves the other."""
    for name in ("ann", "bob"):
        assert 0 == place.shell.run("context", "add", name, "--url", place.shell.url, GATEWAY_URL="").exit_code
    for name in ("ann", "bob"):
        login_module.open_browser = lambda address, sub=f"{name}@acme.example": place.provider.sign_in(address, sub)  # type: ignore[assignment,misc]
        done = place.login("--context", name)
        assert f"user:{name}@acme.example\n" == done.stdout, done.stderr
    for name in ("ann", "bob"):
        assert f"user:{name}@acme.example" == place.shell.json("whoami", "--context", name)["principal"]
    assert 0 == place.shell.run("context", "rm", "bob").exit_code
    assert "user:ann@acme.example" == place.shell.json("whoami", "--context", "ann")["principal"]
    assert 2 == place.shell.run("whoami").exit_code


def test_a_sign_in_is_renewed_while_it_is_used(place: Place) -> None:
    """A token of ten seconds does for as long as the issuer gives another one."""
    place.provider.lifetime = 10
    assert 0 == place.login().exit_code
    assert 0 == place.shell.run("link", "ls").exit_code
    assert "refresh_token" in [form["grant_type"] for form in place.provider.forms("/token")]
    place.provider.refresh.clear()
    place.provider.lifetime = 3600
    assert 0 == place.login().exit_code
    assert 0 == place.shell.run("link", "ls").exit_code


@pytest.mark.parametrize(
    ("answer", "claims", "told"),
    [
        ({"state": "x"}, {}, "(state)"),
        ({"iss": "https://evil.example"}, {}, "(iss)"),
        ({"code": None, "error": "access_denied"}, {}, "access_denied"),
        ({"code": "guessed"}, {}, "invalid_grant"),
        ({}, {"nonce": "x"}, "(nonce)"),
        ({}, {"aud": "other"}, "(aud)"),
        ({}, {"email": "eve@other.example"}, "does not take what"),
        ({}, {"email_verified": False}, "does not take what"),
    ],
)
def test_who_is_not_signed_in_leaves_nothing(answer: Any, claims: Any, told: str, place: Place, config: Path) -> None:
    """One sentence, exit code 1, and no file."""
    place.provider.answer, place.provider.claims = answer, claims
    done = place.login()
    assert (1, "") == (done.exit_code, done.stdout)
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert not (config / "sign-ins").exists()


def test_a_code_from_another_device(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The address and the code are shown, and no browser is opened."""
    monkeypatch.setattr(login_module, "open_browser", lambda _: pytest.fail("no browser"))
    shown: list[str] = []

    def type_code(text: str) -> None:
        shown.append(text)
        for credential in place.provider.devices.values():
            place.provider.decide(credential["user_code"])

    monkeypatch.setattr(login_module, "say", type_code)
    done = place.login("--device")
    assert f"user:{PERSON}\n" == done.stdout, done.stderr
    [credential] = place.provider.devices.values()
    assert credential["user_code"] in shown[0]
    assert f"{place.provider.issuer}/device" in shown[0]


def test_the_gateway_says_where_people_sign_in(place: Place) -> None:
    """Nowhere; at one; at one of several, which is to be named; and nowhere else."""
    other = PublicClient("https://other.example", "cli", "cli", SCOPES)
    place.clients.append(other)
    assert (2, True) == (
        (done := place.login()).exit_code,
        f"{place.provider.issuer} | https://other.example" in done.stderr,
    )
    assert (2, True) == ((done := place.login("https://evil.example")).exit_code, "does not believe" in done.stderr)
    assert 0 == place.login(place.provider.issuer).exit_code
    place.clients.clear()
    assert (1, True) == ((done := place.login()).exit_code, "control.identity[].cli" in done.stderr)


def test_a_stale_sign_in_is_told_as_such(place: Place) -> None:
    """Not as an admin's wrong token."""
    assert 0 == place.login().exit_code
    place.provider.key = type(place.provider.key).generate_key("P-256", {"kid": "k2"})
    assert 0 == place.shell.run("link", "ls").exit_code
    place.provider.lifetime = 10
    done = place.login()
    assert (1, True) == (done.exit_code, "does not take what" in done.stderr)


def test_a_process_of_its_own_waits_for_the_browser(place: Place, config: Path) -> None:
    """It prints the address, takes the one answer and ends; no secret is among its arguments."""
    environ = os.environ | {"GATEWAY_URL": place.shell.url, "GATEWAY_CONFIG_DIR": str(config)}
    command = [sys.executable, "-m", "gateway", "login", "--no-browser"]
    process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stderr is not None
    address = next(line.strip() for line in process.stderr if line.strip().startswith("http"))
    arguments = Path(f"/proc/{process.pid}/cmdline").read_bytes()
    place.provider.sign_in(address)
    out, err = process.communicate(timeout=60)
    assert (0, f"user:{PERSON}\n") == (process.returncode, out), err
    [kept] = (config / "sign-ins").iterdir()
    assert kept.read_bytes()
    assert b"eyJ" not in arguments
    assert "eyJ" not in err


def test_another_provider_signs_people_in(monkeypatch: pytest.MonkeyPatch) -> None:
    """One that names itself in no answer, says nothing of PKCE and signs with RSA."""
    monkeypatch.setattr(AuthorizationCodeGrant, "TOKEN_ENDPOINT_AUTH_METHODS", ["none"])  # a public client
    person = oidc_provider_mock.User(sub=PERSON, claims={"email": PERSON, "email_verified": True})
    with oidc_provider_mock.run_server_in_thread(user_claims=[person]) as server:
        issuer = f"http://localhost:{server.server_port}"
        users = UserRules("email", None, (NamePattern.parse("user:*@acme.example"),))
        rules = IdentityRules(issuer, "cli", None, {}, users=users)
        monkeypatch.setattr(login_module, "open_browser", come_back)
        changes = {
            "clients": lambda: (PublicClient(issuer, "cli", "cli", SCOPES),),
            "identity": Identity(lambda: [rules], time.time),
            "clock": time.time,
        }
        with control_api(**changes) as url:
            done = Terminal(url, "").run("login")
            assert (0, f"user:{PERSON}\n") == (done.exit_code, done.stdout), done.stderr
            assert 0 == Terminal(url, "").run("link", "ls").exit_code


def test_who_signs_in_over_a_way_that_others_read_is_told(place: Place) -> None:
    """Another machine without TLS; not this one."""
    assert "Without TLS" in place.login(GATEWAY_URL="http://0:1").stderr
    assert "Without TLS" not in place.login().stderr
