"""A link for people who sign in, from its settings to its bytes: a gateway of its own before a real provider."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Browser

from tests.e2e.place import Place, noise
from tests.servers.gateway import gateway_before
from tests.servers.oidc import Provider, running_provider
from tests.servers.scanner import Scanner, Visitor
from tests.servers.store import RunningStore

# The provider calls parts of its own library that are going.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

ANN, BOB, EVE = "ann@acme.example", "bob@acme.example", "eve@evil.example"
BODY = noise(3000)


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with running_provider() as running:
        yield running


@pytest.fixture(scope="module")
def place(seaweedfs: RunningStore, provider: Provider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    holders = {"client_id": "links", "admit": "*@acme.example", "groups": "groups", "label": "Acme"}
    issuer = {"issuer": provider.issuer, "audience": "gateway", "holders": holders}
    environ = {"GATEWAY_CONTROL__IDENTITY": json.dumps([issuer])}
    with gateway_before([seaweedfs], tmp_path_factory.mktemp("signing"), environ=environ) as running:
        yield Place.before(running, seaweedfs)


def sign_in(person: Visitor, url: str, sub: str) -> tuple[int, str, str]:
    """By the button of the link's page, and what the provider's page asks."""
    _, where, page = person.ask(url)
    [button] = [link for link in person.forms(where, page)[1] if "sign_in" in link]
    _, there, _ = person.ask(button)
    return person.ask(there, {"sub": sub})


def test_who_is_on_the_list_signs_in_and_has_it(place: Place, provider: Provider) -> None:
    """By address or by group; nobody else; and the record says who."""
    place.put("signing/a.bin", BODY)
    by_address = place.link("signing/a.bin", holders={"emails": [ANN], "by": "oidc"})
    by_group = place.link("signing/a.bin", holders={"groups": ["finance"], "by": "oidc"})
    for link, sub in ((by_address, ANN), (by_group, BOB)):
        person = Visitor()
        status, where, _ = sign_in(person, link.url, sub)
        assert (200, link.url) == (status, where)
        with person.opener.open(urljoin(link.url, "?download=1")) as answer:
            assert BODY == answer.read()
    status, _, page = sign_in(Visitor(), by_address.url, BOB)
    assert (403, True) == (status, "not as somebody whom this link is for" in page)
    status, _, page = sign_in(Visitor(), by_address.url, EVE)
    assert (401, True) == (status, "Nobody was signed in" in page)
    deadline = time.monotonic() + 10  # records are written behind the answer
    while ANN not in json.dumps(place.gateway.api("GET", f"/v1/links/{by_address.id}/records")):
        assert time.monotonic() < deadline
    assert ANN not in json.dumps(place.gateway.api("GET", f"/v1/links/{by_group.id}/records"))


def test_who_opens_and_submits_everything_signs_nobody_in(place: Place, provider: Provider) -> None:
    """A scanner that follows the button to the issuer comes back as nobody."""
    place.put("signing/b.bin", BODY)
    link = place.link("signing/b.bin", holders={"emails": [ANN], "by": "oidc"})
    scanner = Scanner()
    scanner.scan(f"Here it is: {link.url}")
    assert any("sign_in=0" in asked for asked in scanner.asked)
    assert 401 == Visitor().ask(link.url)[0]
    assert 200 == sign_in(Visitor(), link.url, ANN)[0]


@contextmanager
def opening(url: str, folder: Path, *more: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`gateway link open` in a process of its own, and the address that it prints for a browser."""
    environ = os.environ | {"GATEWAY_CONFIG_DIR": str(folder / "kept"), "PYTHONUNBUFFERED": "1"}
    words = [sys.executable, "-m", "gateway", "link", "open", url, "--no-browser", "--out", str(folder / "got"), *more]
    with subprocess.Popen(words, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environ) as running:
        assert running.stderr is not None
        try:
            yield running, next(line.strip() for line in running.stderr if "sign_in=any" in line)
        finally:
            running.kill()


def test_a_program_opens_it_as_who_signs_in_in_a_browser(place: Place, provider: Provider, tmp_path: Path) -> None:
    """`gateway link open` beside a browser: the button at the end brings it a code, and the bytes come; who is not on
    the list brings it nothing, and it goes on waiting."""
    place.put("signing/c.bin", BODY)
    link = place.link("signing/c.bin", holders={"emails": [ANN], "by": "oidc"})
    with opening(link.url, tmp_path) as (running, address):
        other = Visitor()
        _, there, _ = other.ask(address)
        assert 403 == other.ask(there, {"sub": BOB})[0]
        assert None is running.poll()
        person = Visitor()
        _, there, _ = person.ask(address)
        status, where, page = person.ask(there, {"sub": ANN})
        assert (200, True) == (status, ANN in page)
        [back] = [one for one in person.forms(where, page)[1] if one.startswith("http://127.0.0.1") and "code=" in one]
        assert 200 == person.ask(back)[0]
        assert 0 == running.wait(30), running.stderr and running.stderr.read()
    assert BODY == (tmp_path / "got").read_bytes()
    assert 401 == person.ask(link.url)[0], "the pass is the program's alone"


def test_no_code_can_be_asked_for_where_no_mail_is_sent(place: Place) -> None:
    """Such a link is not made: it would open for nobody."""
    body = {"bucket": place.bucket, "key": "a", "actions": ["read"], "holders": {"emails": [ANN], "by": "code"}}
    told = place.gateway.api("POST", "/v1/links", body, expect=422)
    assert "mail" in json.dumps(told)


@pytest.mark.browser
def test_a_real_browser_brings_the_program_its_code(
    place: Place, provider: Provider, browser: Browser, tmp_path: Path
) -> None:
    """Chromium goes to the issuer and back, shows who it is, and goes on to the program at a click and not before."""
    place.put("signing/d.bin", BODY)
    link = place.link("signing/d.bin", holders={"emails": [ANN], "by": "oidc"}, password="open sesame")
    word = tmp_path / "word"
    word.write_text("open sesame\n")
    with opening(link.url, tmp_path, "--password-file", str(word)) as (running, address):
        page = browser.new_context().new_page()
        page.goto(address)
        page.locator("input[type=password]").fill("open sesame")
        page.keyboard.press("Enter")
        page.locator("a.button").click()
        page.wait_for_url(f"{provider.issuer}/**")
        with page.expect_navigation(url=f"{link.url}?**"):
            page.evaluate(_SIGNS_IN, ANN)
        assert (True, None) == (ANN in page.content(), running.poll())
        page.locator("a.button").click()
        page.wait_for_url("http://127.0.0.1:*/callback?**")
        assert "The terminal has what it needs" in page.content()
        assert 0 == running.wait(30), running.stderr and running.stderr.read()
        page.close()
    assert BODY == (tmp_path / "got").read_bytes()


_SIGNS_IN = """sub => {
  const form = document.body.appendChild(document.createElement("form"));
  form.method = "post";
  form.appendChild(Object.assign(document.createElement("input"), { name: "sub", value: sub }));
  form.submit();
}"""
