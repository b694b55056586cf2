"""S3 credentials of a link before the whole data plane: who gets them, what is stored of them, and what they use up."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from gateway.core import lease
from gateway.core.grant import Grant
from gateway.core.holders import Holder
from gateway.core.issued import IssuedKey
from gateway.core.link_credentials import link_of
from gateway.core.password import SALT_BYTES, hash_password
from gateway.core.reasons import DependencyDown
from gateway.core.request import Action
from gateway.core.rule import LinkLimits
from tests.data.harness import APP, Rig, policy, rule, running
from tests.data.links.held_credentials import BODY, WRITING, had, hold


async def test_a_link_to_a_folder_is_a_bucket(rig: Rig) -> None:
    """The answer says where they are good, by our names, and nobody may keep it."""
    token, grant = await rig.granted(prefix="2026/")
    got = await had(rig, token)
    assert (200, "application/json") == (got.status, got.header("content-type"))
    assert "no-store" in (got.header("cache-control") or "")
    found = json.loads(got.body)
    assert {"accessKeyId", "secretAccessKey", "sessionToken", "expiration"} == found.pop("credentials").keys()
    assert {"region": "us-east-1", "endpoint": "http://gw", "bucket": "reports", "prefix": "2026/"} == found
    record = await rig.last()
    assert (grant.id, "CreateSession") == (record.grant_id, record.operation)
    assert got.body not in repr(record).encode()


async def test_a_link_to_an_object_names_it(rig: Rig) -> None:
    """The answer says which bucket and key they open, and no listing names the store's own bucket."""
    rig.store.hold("inside/a.txt", BODY)
    held = await hold(rig, await rig.link())
    assert ("reports", None, "a.txt") == tuple(held.document[name] for name in ("bucket", "prefix", "key"))
    assert BODY == (await held.ask("GET", "reports/a.txt")).body
    assert b"real" not in (await held.ask("GET", "")).body


async def test_a_slash_a_get_and_a_form_with_a_file_ask_for_none(rig: Rig) -> None:
    """Only a POST to that very path does, which is a name like any other for all else."""
    token = await rig.link(None, prefix="", actions=WRITING)
    rig.store.hold("inside/credentials", BODY)
    assert BODY == (await rig.fetch(token, "/credentials")).body
    form = b'--b\r\nContent-Disposition: form-data; name="file"; filename="new"\r\n\r\n' + BODY + b"\r\n--b--\r\n"
    kind = {"Content-Type": "multipart/form-data; boundary=b"}
    assert 201 == (await rig.ask("POST", f"/s/{token}/credentials", kind, form)).status
    assert BODY == rig.store.stored("inside/new")
    page = {"Content-Type": "application/x-www-form-urlencoded", "Accept": "text/html"}
    assert 303 == (await rig.ask("POST", f"/s/{token}/credentials", page, b"download=1")).status


async def test_a_password_is_asked_for(rig: Rig) -> None:
    """By a form or by Basic, as of the link; without it, and with another, there are none."""
    word = hash_password("open sesame", b"s" * SALT_BYTES)
    token = await rig.link(password=word)
    form = {"Content-Type": "application/x-www-form-urlencoded"}
    basic = {"Authorization": "Basic " + b64encode(b":open sesame").decode()}
    got = await had(rig, token)
    assert (401, True) == (got.status, (got.header("www-authenticate") or "").startswith("Basic"))
    assert 401 == (await had(rig, token, form, b"password=wrong")).status
    assert 200 == (await had(rig, token, form, b"password=open+sesame")).status
    assert 200 == (await had(rig, token, basic)).status
    assert 415 == (await had(rig, token, {"Content-Type": "application/json"}, b'{"password": "open sesame"}')).status


@pytest.mark.parametrize(
    ("fields", "status", "reason"),
    [
        ({"not_before": 1_790_000_100.0}, 403, "not_yet_valid"),
        ({"expires_at": 1_789_999_999.0}, 410, "expired"),
        ({"suspended_at": 1.0}, 403, "suspended"),
        ({"cidrs": (ip_network("192.0.2.0/24"),)}, 403, "peer_not_allowed"),
        ({"uses": 0}, 410, "used_up"),
        ({"credentials": False}, 403, "no_credentials"),
        ({"once": True, "uses": 1}, 403, "no_credentials"),
        ({"owner": replace(APP, name="nobody")}, 410, "owner_not_allowed"),
    ],
    ids=lambda value: str(value)[:20],
)
async def test_what_keeps_a_link_from_being_used_keeps_its_credentials(
    fields: dict[str, Any], status: int, reason: str
) -> None:
    """And a link that gives none says so, and stays a link."""
    async with running(policy(rule("billing", who="app:billing"))) as rig:
        rig.store.hold("inside/a.txt", BODY)
        token, grant = await rig.granted(**fields)
        got = await had(rig, token)
        assert (status, reason) == (got.status, json.loads(got.body)["reason"])
        if reason == "no_credentials":
            assert 0 == await rig.used(grant)
            assert 200 == (await rig.fetch(token)).status


async def test_a_link_that_asks_first_gives_them(rig: Rig) -> None:
    """To POST is a deliberate act, as its button is."""
    rig.store.hold("inside/a.txt", BODY)
    token = await rig.link(confirm=True)
    assert 403 == (await rig.fetch(token)).status
    assert 200 == await (await hold(rig, token)).status("GET", "reports/a.txt")


async def test_a_share_rule_can_say_that_there_are_none() -> None:
    """At the time of asking and at each use; one rule that gives them is enough."""
    silent = rule("no credentials", "reports/**", links=LinkLimits(frozenset(Action), credentials=False))
    async with running(policy(rule("share"))) as rig:
        rig.store.hold("inside/a.txt", BODY)
        token = await rig.link()
        held = await hold(rig, token)
        assert 200 == await held.status("GET", "reports/a.txt")
        await rig.reload(policy(silent))
        got = await had(rig, token)
        assert (403, "no_credentials") == (got.status, json.loads(got.body)["reason"])
        assert 403 == await held.status("GET", "reports/a.txt")
        assert 200 == (await rig.fetch(token)).status
        await rig.reload(policy(silent, rule("share", "reports/a.txt")))
        assert 200 == await held.status("GET", "reports/a.txt")


async def test_so_many_a_minute_and_no_more(rig: Rig) -> None:
    """Each is a row in the store, and anybody with the link could fill it."""
    token, grant = await rig.granted(uses=100)
    statuses = [(await had(rig, token)).status for _ in range(31)]
    assert [200] * 30 + [429] == statuses
    assert 30 == await rig.used(grant)
    rig.clock.now += 60
    assert 200 == (await had(rig, token)).status


async def test_what_is_stored_says_which_link(rig: Rig) -> None:
    """The key is its owner's to take back; it never outlives the link, and keeps no secret in the clear."""
    token, grant = await rig.granted(expires_at=rig.clock.now + 100)
    held = await hold(rig, token)
    key = await held.key()
    assert (APP, grant.hash, grant.id, grant.expires_at) == (key.owner, key.link, link_of(key), key.expires_at)
    assert held.pair.secret_key not in repr(key) + str(key.sealed)
    assert token not in repr(key)


async def test_they_are_one_use(rig: Rig) -> None:
    """However much is done with them while it lasts; and who comes after the last use gets none."""
    rig.store.hold("inside/2026/a", BODY)
    rig.store.hold("inside/2026/b", BODY)
    token, grant = await rig.granted(prefix="2026/", uses=1)
    held = await hold(rig, token)
    assert 1 == await rig.used(grant)
    for _ in range(3):
        assert [200, 200] == [await held.status("GET", f"reports/2026/{name}") for name in "ab"]
    assert 200 == await held.status("GET", "reports", [("prefix", "2026/")])
    assert 1 == await rig.used(grant)
    got = await had(rig, token)
    assert (410, "used_up") == (got.status, json.loads(got.body)["reason"])
    rig.clock.tick(3600)
    assert 400 == await held.status("GET", "reports/2026/a")  # as long as a use lasts


async def test_of_many_at_once_one_gets_the_last_use(rig: Rig) -> None:
    """Twelve that ask together: one is given credentials, the others are refused."""
    token, grant = await rig.granted(uses=1)
    statuses = [got.status for got in await asyncio.gather(*(had(rig, token) for _ in range(12)))]
    assert [200] + [410] * 11 == sorted(statuses)
    assert 1 == await rig.used(grant)


async def test_a_use_that_brought_no_credentials_is_given_back(rig: Rig) -> None:
    """A store that cannot keep the key is told, and costs nobody a use."""
    token, grant = await rig.granted(uses=1)
    working = rig.plane.link_issuer

    class Down:
        async def issue_for_link(self, link: Grant, use: str, holder: Holder | None) -> IssuedKey:
            raise DependencyDown("grants", "away")

    rig.plane.link_issuer = Down()
    assert 503 == (await had(rig, token)).status
    assert 0 == await rig.used(grant)
    rig.plane.link_issuer = working
    assert 200 == (await had(rig, token)).status


async def test_one_object_is_had_three_times_at_most(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """As by any use: it is no free pass. The control has no such cap."""
    rig.store.hold("inside/a.txt", BODY)
    token, grant = await rig.granted(uses=1)
    held = await hold(rig, token)
    assert [200, 200, 200, 403] == [await held.status("GET", "reports/a.txt") for _ in range(4)]
    assert 1 == await rig.used(grant)
    monkeypatch.setattr(lease, "LEASE_BYTES_FACTOR", 10**6)
    assert 200 == await held.status("GET", "reports/a.txt")


async def test_a_use_that_is_counted_later_is_taken_then(rig: Rig) -> None:
    """A link that counts uses since an edit takes one of them for credentials that were given before."""
    rig.store.hold("inside/a.txt", BODY)
    token, grant = await rig.granted()
    held = await hold(rig, token)
    await rig.edit(grant, uses=1)
    assert 200 == await held.status("GET", "reports/a.txt")
    assert 1 == await rig.used(grant)
    assert 410 == (await had(rig, token)).status


async def test_their_bytes_are_the_links(rig: Rig) -> None:
    """Both ways, on one budget; what would not fit is refused before its first byte. A listing is no object's bytes."""
    rig.store.hold("inside/2026/a", BODY)
    token, grant = await rig.granted(prefix="2026/", actions=WRITING, budget=30)
    held = await hold(rig, token)
    assert 200 == await held.status("GET", "reports/2026/a")
    assert 200 == await held.status("PUT", "reports/2026/b", (), BODY)
    assert 200 == await held.status("GET", "reports", [("prefix", "2026/")])
    assert 200 == (await rig.fetch(token, "/a")).status
    assert 30 == await rig.moved(grant)
    assert 403 == await held.status("GET", "reports/2026/a")
    assert [410, 410] == [(await rig.fetch(token, "/a")).status, (await had(rig, token)).status]
    record = await rig.last()
    assert grant.id == record.grant_id


async def test_records_name_the_link(rig: Rig) -> None:
    """What they move is recorded as the link's, with its bytes."""
    rig.store.hold("inside/a.txt", BODY)
    token, grant = await rig.granted()
    held = await hold(rig, token)
    await held.ask("GET", "reports/a.txt")
    record = await rig.last()
    assert (grant.id, f"link:{grant.id}", 10) == (record.grant_id, str(record.principal), record.bytes_out)
