"""A link for people who sign in, from its settings to its bytes: a gateway of its own before a real provider."""

from __future__ import annotations

import json
from collections.abc import Iterator
from urllib.parse import urljoin

import pytest

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
        yield Place(running, seaweedfs, seaweedfs.profile, running.real_buckets[seaweedfs.profile])


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
    records = place.gateway.api("GET", f"/v1/links/{by_address.id}/records")
    assert ANN in json.dumps(records)
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


def test_no_code_can_be_asked_for_where_no_mail_is_sent(place: Place) -> None:
    """Such a link is not made: it would open for nobody."""
    body = {"bucket": place.bucket, "key": "a", "actions": ["read"], "holders": {"emails": [ANN], "by": "code"}}
    told = place.gateway.api("POST", "/v1/links", body, expect=422)
    assert "mail" in json.dumps(told)
