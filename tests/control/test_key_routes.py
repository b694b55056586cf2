"""Keys and revocations through the API."""

from __future__ import annotations

import asyncio
import os
from dataclasses import replace

import pytest

from gateway.core.attempt import Principal
from gateway.core.rule import KeyLimits
from gateway.core.session_policy_text import read_session_policy
from gateway.core.source import Session
from gateway.core.token import hash_secret
from gateway.core.trail import entry_fields
from gateway.stores.keyring import KeyRing
from gateway.stores.memory import open_memory
from gateway.stores.seal import Sealer
from gateway.stores.sealed import SealedGrants, count_seals
from tests.contract import sample
from tests.control.desk import POLICY, Desk, rule, serving

OPS = Principal("admin", "ops")


async def test_a_key_is_shown_once_and_stored_sealed(desk: Desk) -> None:
    """The secret is in one answer; the store has it sealed under an id that it knows only as a hash."""
    answer = await desk.ask("POST", "/v1/keys", {"app": "billing", "label": "batch", "expires_in": "1h"})
    assert answer.status == 201
    key = answer.json
    assert answer.headers["Location"] == f"/v1/keys/{key['id']}"
    assert key["session_token"] is None
    assert key["expires_at"] == "2027-01-15T09:00:00Z"
    grant = await desk.state.grants.find(hash_secret(key["access_key_id"]))
    assert grant is not None
    assert grant.sealed is not None
    assert Sealer().open(key["access_key_id"], grant.sealed) == key["secret_access_key"]
    for secret in (key["access_key_id"], key["secret_access_key"]):
        assert secret not in repr(grant)
        for path in (f"/v1/keys/{key['id']}", "/v1/keys"):
            assert secret not in (await desk.ask("GET", path)).text
    shown = (await desk.ask("GET", f"/v1/keys/{key['id']}")).json
    assert (shown["app"], shown["owner"], shown["state"], shown["session"]) == (
        "billing",
        "app:billing",
        "active",
        False,
    )


async def test_a_session_key_comes_with_its_token(desk: Desk) -> None:
    """A session key's token is stored as a hash only."""
    key = (await desk.ask("POST", "/v1/keys", {"app": "billing", "session": True})).json
    grant = await desk.state.grants.find(hash_secret(key["access_key_id"]))
    assert grant is not None
    assert grant.session_hash == hash_secret(key["session_token"])


async def test_a_key_that_is_asked_for_again_is_made_once(desk: Desk) -> None:
    """Under the same Idempotency-Key of the same caller; told of once. Another caller's is another."""
    headers = {"Idempotency-Key": "k-1"}
    first = await desk.ask("POST", "/v1/keys", {"app": "billing"}, headers=headers)
    again = await desk.ask("POST", "/v1/keys", {"app": "billing"}, headers=headers)
    assert (201, 409) == (first.status, again.status)
    assert first.json["id"] in again.json["detail"]
    assert "secret_access_key" not in again.json
    assert 1 == len((await desk.ask("GET", "/v1/keys")).json["keys"])
    assert 1 == sum(one["act"] == "key.create" for one in (await desk.ask("GET", "/v1/audit")).json["entries"])
    other = headers | {"Authorization": "Bearer an-admin-token-of-many-letters2"}
    assert 201 == (await desk.ask("POST", "/v1/keys", {"app": "billing"}, headers=other)).status
    assert 201 == (await desk.ask("POST", "/v1/keys", {"app": "billing"})).status
    assert 400 == (await desk.ask("POST", "/v1/keys", {"app": "billing"}, headers={"Idempotency-Key": "a b"})).status


async def test_keys_and_links_do_not_mix(desk: Desk) -> None:
    """A key is no link and a link no key, in lists and by id."""
    link = await desk.link()
    key = (await desk.ask("POST", "/v1/keys", {"app": "billing"})).json
    assert [found["id"] for found in (await desk.ask("GET", "/v1/keys")).json["keys"]] == [key["id"]]
    assert [found["id"] for found in (await desk.ask("GET", "/v1/links")).json["links"]] == [link["id"]]
    assert (await desk.ask("GET", f"/v1/keys/{link['id']}")).status == 404
    assert (await desk.ask("DELETE", f"/v1/links/{key['id']}")).status == 404


async def test_a_key_is_revoked(desk: Desk) -> None:
    """DELETE ends a key in this process before it answers, once."""
    key = (await desk.ask("POST", "/v1/keys", {"app": "billing"})).json
    answer = await desk.ask("DELETE", f"/v1/keys/{key['id']}")
    assert answer.json["state"] == "revoked"
    grant = await desk.state.grants.get(key["id"])
    assert grant is not None
    assert desk.view.revoked(grant, "reports", "a", "archive") is not None
    assert (await desk.ask("DELETE", f"/v1/keys/{key['id']}")).json == answer.json
    assert desk.audited() == ["key.create", "key.revoke", "key.revoke"]


async def test_a_key_is_held_to_what_was_asked_for_and_shown(desk: Desk) -> None:
    """Place, actions, networks, life, rate, uses and bytes, in the answer that makes it, by its id and in the list."""
    body = {
        "app": "billing", "bucket": "reports", "prefix": "invoices/", "actions": ["read", "list"], "uses": 3,
        "bytes": "50GiB", "cidrs": ["10.0.0.0/8"], "rate": "10/s", "not_before": "2027-01-15T08:30:00Z",
        "expires_in": "8h", "label": "batch",
    }  # fmt: skip
    made = await desk.ask("POST", "/v1/keys", body)
    assert made.status == 201
    expected = {
        "state": "pending", "bucket": "reports", "prefix": "invoices/", "keys": None, "actions": ["list", "read"],
        "uses": 3, "uses_used": 0, "bytes": 50 * 1024**3, "bytes_used": 0, "cidrs": ["10.0.0.0/8"], "rate": "10/1s",
        "not_before": "2027-01-15T08:30:00Z", "expires_at": "2027-01-15T16:00:00Z", "label": "batch",
        "scopes": [{"bucket": "reports", "prefix": "invoices/", "keys": None, "actions": ["list", "read"]}],
    }  # fmt: skip
    path = f"/v1/keys/{made.json['id']}"
    for shown in (made.json, (await desk.ask("GET", path)).json, (await desk.ask("GET", "/v1/keys")).json["keys"][0]):
        assert expected == {name: shown[name] for name in expected}
    whole = (await desk.ask("POST", "/v1/keys", {"app": "billing"})).json
    assert {None} == {whole[name] for name in ("bucket", "prefix", "keys", "actions", "scopes", "uses", "uses_used")}


async def test_a_key_of_several_places_shows_them_all(desk: Desk) -> None:
    """The fields of the only place are null where there are several."""
    scopes = [
        {"bucket": "reports", "keys": ["b", "a"], "actions": ["read"]},
        {"bucket": "drafts", "actions": ["write"]},
    ]
    shown = (await desk.ask("POST", "/v1/keys", {"app": "billing", "scopes": scopes})).json
    assert (None, None) == (shown["bucket"], shown["actions"])
    assert [
        {"bucket": "reports", "prefix": None, "keys": ["a", "b"], "actions": ["read"]},
        {"bucket": "drafts", "prefix": "", "keys": None, "actions": ["write"]},
    ] == shown["scopes"]


async def test_a_key_is_edited_in_one_write(desk: Desk) -> None:
    """Any fields at once, none else changed, with the version that was seen if that is asked for, and audited."""
    made = (await desk.ask("POST", "/v1/keys", {"app": "billing", "bucket": "reports", "label": "x", "uses": 2})).json
    path = f"/v1/keys/{made['id']}"
    edited = await desk.ask("PATCH", path, {"prefix": "invoices/", "uses": None}, headers={"If-Match": '"1"'})
    assert (200, '"2"') == (edited.status, edited.headers["ETag"])
    shown = edited.json
    assert ("reports", "invoices/", None, "x", 2) == tuple(
        shown[name] for name in ("bucket", "prefix", "uses", "label", "version")
    )
    assert 412 == (await desk.ask("PATCH", path, {"label": "y"}, headers={"If-Match": '"1"'})).status
    assert 422 == (await desk.ask("PATCH", path, {"app": "payroll"})).status
    grant = await desk.state.grants.find(hash_secret(made["access_key_id"]))
    assert grant is not None
    assert Sealer().open(made["access_key_id"], grant.sealed or b"") == made["secret_access_key"]
    await desk.ask("DELETE", path)
    assert 409 == (await desk.ask("PATCH", path, {"label": "y"})).status
    assert 404 == (await desk.ask("PATCH", "/v1/keys/k_none", {"label": "y"})).status
    assert desk.audited() == ["key.create", "key.edit", "key.revoke"]


@pytest.mark.parametrize(
    ("more", "status"),
    [
        ({"bucket": "nowhere"}, 404),
        ({"expires_at": "2020-01-01"}, 422),
        ({"expires_in": "1h", "not_before": "2028-01-01T00:00:00Z"}, 422),
    ],
)
async def test_a_key_that_could_do_nothing_is_not_made(desk: Desk, more: dict[str, object], status: int) -> None:
    """An unknown bucket, an end in the past, and a life without any time, at birth and by an edit."""
    assert status == (await desk.ask("POST", "/v1/keys", {"app": "billing", **more})).status
    made = (await desk.ask("POST", "/v1/keys", {"app": "billing"})).json
    assert status == (await desk.ask("PATCH", f"/v1/keys/{made['id']}", more)).status
    assert 1 == len((await desk.ask("GET", "/v1/keys")).json["keys"])


async def test_exact_names_are_not_listed(desk: Desk) -> None:
    """However it is asked for: at birth, in one of several places, or by an edit that speaks of the actions alone."""
    names = {"bucket": "reports", "keys": ["invoices/a"]}
    listed = names | {"actions": ["list"]}
    for more in (listed, {"scopes": [listed]}):
        assert 422 == (await desk.ask("POST", "/v1/keys", {"app": "billing", **more})).status
    made = (await desk.ask("POST", "/v1/keys", {"app": "billing", **names, "actions": ["read"]})).json
    edited = await desk.ask("PATCH", f"/v1/keys/{made['id']}", {"actions": ["list"]})
    assert (422, "the action list needs a prefix, not keys") == (edited.status, edited.json["detail"])
    assert (
        200 == (await desk.ask("PATCH", f"/v1/keys/{made['id']}", {"prefix": "invoices/", "actions": ["list"]})).status
    )


async def test_the_policy_says_what_a_key_has_to_be() -> None:
    """A key that no rule of its app would count for is refused with what each has against it, also by an edit."""
    limits = KeyLimits(max_expires=28800.0, max_uses=10, max_bytes=1000, narrowed=True)
    rules = tuple(replace(one, keys=limits) if one.name == "billing shares invoices" else one for one in POLICY.rules)
    async with serving(policy=lambda: replace(POLICY, rules=rules)) as desk:
        good = {"app": "billing", "bucket": "reports", "expires_in": "8h", "uses": 10, "bytes": 1000}
        made = await desk.ask("POST", "/v1/keys", good)
        assert 201 == made.status
        for name, more in (("expires_in", "9h"), ("uses", 11), ("bytes", 1001)):
            refused = await desk.ask("POST", "/v1/keys", good | {name: more})
            assert (403, "billing shares invoices") == (refused.status, refused.json["objections"][0]["rule"])
            assert 403 == (await desk.ask("PATCH", f"/v1/keys/{made.json['id']}", {name: more})).status
        del good["bucket"]
        assert 403 == (await desk.ask("POST", "/v1/keys", good)).status
        assert 201 == (await desk.ask("POST", "/v1/keys", {"app": "unruled"})).status


@pytest.mark.parametrize("body", [{}, {"app": "a b"}, {"app": "x", "expires_in": -1}, {"app": "x", "secret": "y"}])
async def test_wrong_key_bodies_are_faults(desk: Desk, body: dict[str, object]) -> None:
    """A key needs a plain app name and a life above zero."""
    assert (await desk.ask("POST", "/v1/keys", body)).status == 422


async def test_each_target_revokes_what_it_names(desk: Desk) -> None:
    """One write ends all that match, here and at once, and the answer says how many."""
    plain = await desk.link(key="a/1")
    invoice = await desk.link(key="invoices/1", owner="app:billing", uses=1, expires_in=3600)
    key = (await desk.ask("POST", "/v1/keys", {"app": "billing"})).json

    async def states() -> list[str]:
        paths = (f"/v1/links/{plain['id']}", f"/v1/links/{invoice['id']}", f"/v1/keys/{key['id']}")
        return [(await desk.ask("GET", path)).json["state"] for path in paths]

    dry = await desk.ask("POST", "/v1/revocations", {"owner": "app:billing", "dry_run": True})
    assert dry.json == {"revoked": 2, "serial": None, "dry_run": True, "known": True}
    assert await states() == ["active", "active", "active"]
    wet = await desk.ask("POST", "/v1/revocations", {"owner": "app:billing", "reason": "left"})
    assert wet.json["revoked"] == 2
    assert await states() == ["active", "revoked", "revoked"]
    prefix = await desk.ask("POST", "/v1/revocations", {"bucket": "reports", "prefix": "a/"})
    assert prefix.json["revoked"] == 1
    assert prefix.json["serial"] > wet.json["serial"]
    assert await states() == ["revoked", "revoked", "revoked"]
    assert desk.audited()[-2:] == ["revoke", "revoke"]


async def test_a_backends_links_end_and_are_counted(desk: Desk) -> None:
    """A backend's revocation marks the links of its buckets and ends uses of keys there."""
    one, two = await desk.link(), await desk.link(key="b")
    drafts = await desk.link(bucket="drafts")
    key = (await desk.ask("POST", "/v1/keys", {"app": "billing"})).json
    assert (await desk.ask("POST", "/v1/revocations", {"backend": "archive", "dry_run": True})).json["revoked"] == 2
    assert (await desk.ask("POST", "/v1/revocations", {"backend": "archive"})).json["revoked"] == 2
    for link, state in ((one, "revoked"), (two, "revoked"), (drafts, "active")):
        assert (await desk.ask("GET", f"/v1/links/{link['id']}")).json["state"] == state
    grant = await desk.state.grants.get(key["id"])
    assert grant is not None
    assert desk.view.revoked(grant, "reports", "x", "archive") is not None
    assert desk.view.revoked(grant, "drafts", "x", "lab") is None


async def test_a_rules_links_end(desk: Desk) -> None:
    """Revoking a policy rule ends the links it allowed, and no others."""
    invoice = await desk.link(key="invoices/1", owner="app:billing", uses=1, expires_in=3600)
    await desk.link()
    answer = await desk.ask("POST", "/v1/revocations", {"policy": "billing shares invoices"})
    assert answer.json["revoked"] == 1
    assert (await desk.ask("GET", f"/v1/links/{invoice['id']}")).json["state"] == "revoked"


async def test_leaked_texts_are_recognised(desk: Desk) -> None:
    """A link can be named by its id, token or URL, and a key by its id or access key id."""
    for form in ("id", "token", "url"):
        link = await desk.link()
        answer = await desk.ask("POST", "/v1/revocations", {"link": link[form]})
        assert answer.json["revoked"] == 1
        assert (await desk.ask("GET", f"/v1/links/{link['id']}")).json["state"] == "revoked"
    for form in ("id", "access_key_id"):
        key = (await desk.ask("POST", "/v1/keys", {"app": "billing"})).json
        assert (await desk.ask("POST", "/v1/revocations", {"key": key[form]})).json["revoked"] == 1
    for event in desk.state.ledger._trail:
        assert "gl_" not in repr(event)
        assert "GWK" not in repr(event)
    for body in ({"link": "l_x"}, {"key": "k_x"}, {"link": "https://x.example/s/gl_" + "1" * 34}):
        assert (await desk.ask("POST", "/v1/revocations", body)).status == 404


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"reason": "x"},
        {"link": "a", "key": "b"},
        {"bucket": "reports"},
        {"prefix": "a/"},
        {"owner": "app:a", "bucket": "b", "prefix": "c"},
        {"owner": "nobody"},
        {"backend": None},
    ],
)
async def test_exactly_one_target(desk: Desk, body: dict[str, object]) -> None:
    """No target, two targets or half a target revoke nothing."""
    assert (await desk.ask("POST", "/v1/revocations", body)).status == 422
    assert await desk.state.feed.revocations(0, 10) == []


async def test_the_list_has_an_etag(desk: Desk) -> None:
    """The list is read on from a serial, and an unchanged one is a 304."""
    empty = await desk.ask("GET", "/v1/revocations")
    assert empty.json == {"revocations": [], "serial": 0, "as_of": "2027-01-15T08:00:00Z"}
    await desk.ask("POST", "/v1/revocations", {"owner": "app:a", "reason": "left"})
    await desk.ask("POST", "/v1/revocations", {"bucket": "reports", "prefix": "x/"})
    full = await desk.ask("GET", "/v1/revocations")
    assert [(entry["kind"], entry["name"], entry["prefix"]) for entry in full.json["revocations"]] == [
        ("owner", "app:a", ""),
        ("prefix", "reports", "x/"),
    ]
    assert full.json["revocations"][0]["by"] == "admin:ops"
    same = await desk.ask("GET", "/v1/revocations", headers={"If-None-Match": full.headers["ETag"]})
    assert same.status == 304
    first = full.json["revocations"][0]["serial"]
    rest = (await desk.ask("GET", f"/v1/revocations?after={first}")).json
    assert [entry["name"] for entry in rest["revocations"]] == ["reports"]
    after = (await desk.ask("GET", f"/v1/revocations?after={rest['serial']}&wait=0")).json
    assert after == {"revocations": [], "serial": rest["serial"], "as_of": None}


async def test_the_long_poll_waits_for_a_revocation(desk: Desk) -> None:
    """A waiting caller is answered by the next revocation, not by a new link, and by nothing at its time's end."""

    async def polled(query: str) -> list[str]:
        answer = await desk.ask("GET", f"/v1/revocations?{query}")
        return [entry["name"] for entry in answer.json["revocations"]]

    async with asyncio.timeout(5), asyncio.TaskGroup() as group:
        waiting = group.create_task(polled("after=0"))
        await desk.link()
        assert not waiting.done()
        await desk.ask("POST", "/v1/revocations", {"owner": "app:a"})
    assert waiting.result() == ["app:a"]
    async with asyncio.timeout(5):
        answer = await desk.ask("GET", "/v1/revocations?after=1000&wait=0.05")
    assert answer.json == {"revocations": [], "serial": 1000, "as_of": None}


async def test_a_reseal_goes_batch_by_batch_and_leaves_its_trace() -> None:
    """Counts and a cursor in the answer, one entry in the trail; the grants look as before."""
    store = open_memory()
    ring = KeyRing([(7, "a sealing key of enough characters")])
    grants = SealedGrants(store.grants, store.seals, ring, os.urandom)
    async with serving(
        grants=grants, resealer=grants, leases=store.leases, feed=store.feed, ledger=store.ledger
    ) as desk:
        made = [await store.grants.create(sample.link(password="scrypt$a$b")) for _ in range(3)]
        first = (await desk.ask("POST", "/v1/reseal", {"limit": 2})).json
        assert (2, 2, 0) == (first["examined"], first["resealed"], first["unreadable"])
        rest = (await desk.ask("POST", "/v1/reseal", {"cursor": first["cursor"]})).json
        assert {"examined": 1, "resealed": 1, "unreadable": 0, "cursor": None} == rest
        assert {7: 3} == await count_seals(store.grants)
        assert "scrypt$a$b" == (await grants.find(made[0].hash)).password  # type: ignore[union-attr]
        acts = [entry_fields(entry) for entry in (await store.ledger.trail(0, 10)).entries]
        assert [("key.reseal", "2"), ("key.reseal", "1")] == [(act["act"], act["detail"]["resealed"]) for act in acts]
        assert 422 == (await desk.ask("POST", "/v1/reseal", {"cursor": "garbage"})).status


async def test_without_sealing_keys_there_is_nothing_to_reseal(desk: Desk) -> None:
    """And the answer names the setting."""
    answer = await desk.ask("POST", "/v1/reseal", {})
    assert 422 == answer.status
    assert "state.sealing_keys" in answer.text


async def test_keys_are_found_by_where_they_reach(desk: Desk) -> None:
    """By bucket and by prefix, as links are; a whole key is in no bucket."""
    whole = (await desk.ask("POST", "/v1/keys", {"app": "billing"})).json["id"]
    held = (await desk.ask("POST", "/v1/keys", {"app": "billing", "bucket": "reports", "prefix": "2026/"})).json["id"]
    for query, expected in (
        ("bucket=reports", [held]),
        ("bucket=reports&prefix=2026/", [held]),
        ("prefix=2027/", []),
        ("bucket=drafts", []),
        ("state=active", [held, whole]),
    ):
        answer = await desk.ask("GET", f"/v1/keys?{query}")
        assert expected == [key["id"] for key in answer.json["keys"]], query


async def test_a_key_says_by_what_it_came(desk: Desk) -> None:
    """The rules that count for it; and of a session the role, its name and its policy."""
    policy = read_session_policy('{"Version":"2012-10-17","Statement":[{"Effect":"Deny","Action":"*","Resource":"*"}]}')
    holder = (await desk.api.keys.issue(OPS, "billing")).grant
    made = await desk.api.keys.issue_by(holder, "signer", 900.0, Session("lake", "etl-1"), policy)
    shown = (await desk.ask("GET", f"/v1/keys/{made.grant.id}")).json
    assert ("lake", "etl-1", policy.text) == (shown["role"], shown["session_name"], shown["session_policy"])
    assert ["signer signs"] == shown["rules"]
    plain = (await desk.ask("GET", f"/v1/keys/{holder.id}")).json
    assert (None, None, None) == (plain["role"], plain["session_name"], plain["session_policy"])
    assert ["billing shares invoices"] == plain["rules"]


async def test_a_rule_that_asks_more_of_keys_is_none_that_a_key_comes_by() -> None:
    """Shown are the rules that count for such a key, not those that would for another."""
    rules = (rule("short keys", "app:billing", "read", "reports/**", keys=KeyLimits(max_expires=60.0)),)
    async with serving(policy=lambda: replace(POLICY, rules=(*POLICY.rules, *rules))) as desk:
        for life, expected in ((30, ["billing shares invoices", "short keys"]), (3600, ["billing shares invoices"])):
            made = await desk.ask("POST", "/v1/keys", {"app": "billing", "expires_in": life})
            assert expected == made.json["rules"]


async def test_who_follows_every_change_hears_that_the_store_lost_some(desk: Desk) -> None:
    """A sidecar that has read more than there is now is told so; who has read all, or nothing yet, and who only lists
    revocations, is answered as ever."""
    await desk.link()
    last = await desk.state.feed.last()
    for query, told in (
        (f"after={last}&notices=true", None),
        (f"after={last + 1}&notices=true", last),
        ("after=0&notices=true", None),
        ("after=99", None),
    ):
        answer = await desk.ask("GET", f"/v1/revocations?{query}&wait=0")
        assert (200, told) == (answer.status, answer.json.get("last")), query
