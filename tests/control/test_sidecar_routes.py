"""What a sidecar's token opens, and what it does not."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator

import pytest

from gateway.control.caller import Access
from gateway.control.rows import ROWS
from gateway.core.attempt import Principal
from gateway.core.grant import Grant
from gateway.core.intake import Intake
from gateway.core.lease import Reservation
from gateway.core.pattern import NamePattern
from gateway.core.request import Action
from gateway.core.token import SecretHash, hash_secret
from gateway.core.trail import entry_fields
from tests.contract.sample import key, link
from tests.control.desk import ADMIN, Desk, Reply, serving

TOKEN = "a-sidecars-token-of-many-letters"
OPENED = {
    ("GET", "/v1/whoami"),
    ("GET", "/v1/revocations"),
    ("GET", "/v1/grants/by-hash/{hash}"),
    ("POST", "/v1/sessions"),
    ("POST", "/v1/sessions/link"),
    ("GET", "/v1/sessions"),
    ("POST", "/v1/sessions/end"),
    ("POST", "/v1/uses/open"),
    ("POST", "/v1/uses/join"),
    ("POST", "/v1/uses/usage"),
    ("POST", "/v1/uses/give-back"),
    ("POST", "/v1/uses/reserve"),
    ("POST", "/v1/uses/settle"),
}


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    known = {hash_secret(TOKEN): "first", hash_secret(TOKEN + "2"): "second"}
    apps = {"first": frozenset({"billing"}), "second": frozenset[str]()}
    serves = {"first": (NamePattern.parse("app:billing"),), "second": (NamePattern.parse("*"),)}
    async with serving(sidecars=lambda: known, sidecar_apps=lambda: apps, sidecar_serves=lambda: serves) as opened:
        yield opened


async def test_a_sidecars_token_opens_these_rows_only(desk: Desk) -> None:
    """Asked over HTTP, row by row: 401 everywhere else."""
    desk.token = TOKEN
    opened = set()
    for row in ROWS:
        if row.access not in {Access.PUBLIC, Access.APP}:
            path = re.sub(r"\{\w+\}", "x", row.path.replace("{hash}", "00" * 32))
            answer = await desk.ask(row.method, path, {} if row.method != "GET" else None)
            if answer.status not in {401, 429}:
                opened.add((row.method, row.path))
    assert opened == OPENED


async def test_an_admin_token_opens_them_too(desk: Desk) -> None:
    """Whoever may do everything may do this."""
    assert (await desk.ask("GET", f"/v1/grants/by-hash/{'00' * 32}")).json == {"grant": None}


@pytest.mark.parametrize("text", ["00", "zz" * 32, "00" * 33])
async def test_a_hash_has_64_digits(desk: Desk, text: str) -> None:
    """Anything else is told."""
    assert (await desk.ask("GET", f"/v1/grants/by-hash/{text}")).status == 422


async def test_no_secret_is_handed_on_in_clear(desk: Desk) -> None:
    """A key's secret travels sealed under an id that the answer does not hold."""
    made = (await desk.ask("POST", "/v1/keys", {"app": "billing"})).json
    answer = await desk.ask("GET", f"/v1/grants/by-hash/{hash_secret(made['access_key_id']).hex()}")
    assert answer.json["grant"][0] == made["id"]
    assert made["secret_access_key"] not in answer.text
    assert made["access_key_id"] not in answer.text


HASH = hash_secret("a link's secret").hex()


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("open", {"key": "a"}),
        ("open", {"key": "a", "window": 1, "hash": HASH.upper()}),
        ("open", {"key": "a", "window": 1, "hash": "l_1"}),
        ("open", {"key": "a", "window": 1, "uses": 5}),
        ("open", {"key": "a", "window": -1}),
        ("reserve", {"request": "r", "wanted": -1}),
        ("reserve", {"request": "r", "wanted": "1"}),
        ("reserve", {"request": "", "wanted": 1}),
        ("reserve", {"request": "r", "wanted": 1, "budget": 5}),
        ("settle", {"request": "r", "moved": 2**63}),
        ("settle", {"request": "r", "moved": 1, "reserved": 5}),
        ("usage", {"key": "a"}),
    ],
)
async def test_wrong_bodies_are_told(desk: Desk, path: str, body: dict[str, object]) -> None:
    """422 names the fields, limits of the sidecar's own among them; nothing is counted."""
    stored = await desk.state.grants.create(link(hash=SecretHash(bytes.fromhex(HASH))))
    assert (await desk.ask("POST", f"/v1/uses/{path}", {"hash": HASH} | body)).status == 422
    assert await desk.state.leases.usage([stored.id]) == {}


async def use(desk: Desk, what: str, grant: Grant | bytes, token: str = TOKEN, **fields: object) -> Reply:
    """One row, asked by a sidecar."""
    desk.token = token
    named = grant.hash if isinstance(grant, Grant) else grant
    return await desk.ask("POST", f"/v1/uses/{what}", {"hash": named.hex()} | fields)


OPENING = {"key": "k", "request": "r", "window": 60.0}


async def test_limits_are_the_stored_grants(desk: Desk) -> None:
    """However many uses or bytes a sidecar would like: it is not even asked."""
    stored = await desk.state.grants.create(link(uses=1, budget=100))
    assert (await use(desk, "open", stored, **OPENING)).json == {"granted": True, "fresh": True}
    assert not (await use(desk, "open", stored, **OPENING | {"key": "other"})).json["granted"]
    assert (await use(desk, "reserve", stored, request="r", key="k", wanted=101)).json == {"room": "spent"}
    assert (await use(desk, "reserve", stored, request="r", key="k", wanted=100)).json == {"room": "taken"}
    assert (await use(desk, "reserve", stored, request="s", key="k", wanted=1)).json == {"room": "held"}


async def test_a_sidecar_settles_at_most_what_it_reserved(desk: Desk) -> None:
    """A count cannot be lowered by it, and not raised past what was reserved, by whatever it says has moved."""
    stored = await desk.state.grants.create(link(budget=100))
    assert (await use(desk, "reserve", stored, request="r", wanted=60)).json == {"room": "taken"}
    for _ in range(3):
        await use(desk, "settle", stored, request="invented", moved=0)
        await use(desk, "give-back", stored, request="invented")
    assert (await desk.state.leases.usage([stored.id]))[stored.id].moved == 60
    await use(desk, "settle", stored, request="r", moved=1000)
    await use(desk, "settle", stored, request="r", moved=0)
    assert (await use(desk, "usage", stored)).json["moved"] == 60
    assert (await use(desk, "reserve", stored, request="s", wanted=41)).json == {"room": "spent"}


async def test_files_that_came_in_are_counted_beside_uses(desk: Desk) -> None:
    """By the stored link's limits, and nothing that was counted is taken back."""
    wanted = Intake(max_files=1, total_bytes=100)
    stored = await desk.state.grants.create(link(uses=9, actions=frozenset({Action.WRITE}), intake=wanted))
    assert (await use(desk, "open", stored, files=True, **OPENING)).json == {"granted": True, "fresh": True}
    assert not (await use(desk, "open", stored, files=True, **OPENING | {"key": "other"})).json["granted"]
    assert (await use(desk, "reserve", stored, files=True, request="r", key="k", wanted=101)).json == {"room": "spent"}
    assert (await use(desk, "reserve", stored, files=True, request="r", key="k", wanted=60)).json == {"room": "taken"}
    await use(desk, "settle", stored, files=True, request="r", key="k", moved=0)
    await use(desk, "settle", stored, files=True, moved=60)
    assert 422 == (await use(desk, "settle", stored, files=True, moved=-60)).status
    used = (await use(desk, "usage", stored, files=True)).json
    assert (1, 60) == (used["uses"], used["moved"])
    assert 0 == (await use(desk, "usage", stored)).json["uses"]


async def test_no_sidecar_speaks_for_anothers_requests(desk: Desk) -> None:
    """It ends neither what another sidecar holds nor what the central gateway's own requests do; its own it does."""
    stored = await desk.state.grants.create(link(uses=3, budget=100))
    await desk.state.leases.open_lease(Reservation(stored.id, "k", "r"), 3, desk.clock.now, 60.0)
    await desk.state.leases.reserve_bytes(Reservation(stored.id, "k", "r"), 50, budget=100)
    assert (await use(desk, "open", stored, TOKEN + "2", **OPENING | {"key": "k2"})).json["granted"]
    assert (await use(desk, "reserve", stored, TOKEN + "2", request="r", key="k2", wanted=50)).json["room"] == "taken"
    for shared in ("k", "k2"):
        for what, more in (("give-back", {}), ("settle", {"moved": 0, "keeps": False})):
            await use(desk, what, stored, request="r", key=shared, **more)
    used = (await desk.state.leases.usage([stored.id]))[stored.id]
    assert (used.uses, used.moved) == (2, 100)
    await use(desk, "give-back", stored, TOKEN + "2", request="r", key="k2")
    used = (await desk.state.leases.usage([stored.id]))[stored.id]
    assert (used.uses, used.moved) == (1, 50)


@pytest.mark.parametrize(
    ("what", "fields"),
    [
        ("open", OPENING),
        ("join", {"key": "k"}),
        ("usage", {}),
        ("give-back", {"key": "k", "request": "r"}),
        ("reserve", {"request": "r", "wanted": 1}),
        ("settle", {"request": "r", "moved": 1}),
    ],
)
async def test_who_never_saw_the_secret_reaches_nothing(desk: Desk, what: str, fields: dict[str, object]) -> None:
    """Not by the public id, not by another hash, and not for a grant of an owner that it does not serve: one answer for
    all, and no counter moves. Who knows the hash of one that it serves is answered, for a link and for a key."""
    stored, held = [await desk.state.grants.create(made(uses=3, budget=100)) for made in (link, key)]
    others = await desk.state.grants.create(link(owner=Principal("app", "payroll"), uses=3, budget=100))
    for refused in (hash_secret("another"), hash_secret(stored.id), others):
        answer = await use(desk, what, refused, **fields)
        assert (answer.status, answer.json["reason"]) == (404, "unknown_token")
    assert await desk.state.leases.usage([stored.id, others.id, held.id]) == {}
    for served in (stored, held):
        assert (await use(desk, what, served, **fields)).status == 200
    assert (await use(desk, what, others, TOKEN + "2", **fields)).status == 200


async def test_grants_of_owners_that_a_sidecar_does_not_serve_are_not_there(desk: Desk) -> None:
    """Neither links nor keys; those that it serves are, and an admin is given all."""
    mine = await desk.state.grants.create(link())
    others = await desk.state.grants.create(link(owner=Principal("app", "payroll")))
    for token, found in ((TOKEN, [True, False]), (TOKEN + "2", [True, True]), (ADMIN, [True, True])):
        desk.token = token
        answers = [await desk.ask("GET", f"/v1/grants/by-hash/{grant.hash.hex()}") for grant in (mine, others)]
        assert [answer.json["grant"] is not None for answer in answers] == found


def _session(**more: object) -> dict[str, object]:
    return {"app": "billing", "label": "container credentials", "expires_in": 3600.0, **more}


async def test_a_sidecar_has_keys_of_its_apps_issued(desk: Desk) -> None:
    """Short-lived ones with a session token; the audit trail and the key say who asked."""
    desk.token = TOKEN
    answer = await desk.ask("POST", "/v1/sessions", _session())
    assert answer.status == 201, answer.text
    grant = await desk.state.grants.find(hash_secret(answer.json["access_key_id"]))
    assert grant is not None
    assert (str(grant.owner), grant.issued_by, grant.label) == ("app:billing", "admin:first", "container credentials")
    assert grant.expires_at == desk.clock.now + 3600
    assert grant.session_hash == hash_secret(answer.json["session_token"])
    assert answer.json["grant"][0] == grant.id
    event = entry_fields(desk.state.ledger._trail[-1])
    assert (event["act"], event["actor"], event["target"]) == ("key.create", "admin:first", grant.id)


@pytest.mark.parametrize(
    ("token", "app"), [(TOKEN, "payroll"), (TOKEN + "2", "billing"), (ADMIN, "billing")], ids=["app", "none", "admin"]
)
async def test_only_apps_that_are_named_for_the_sidecar(desk: Desk, token: str, app: str) -> None:
    """403 with a sentence that names the setting, and no key: another app, a sidecar without any, an admin."""
    desk.token = token
    answer = await desk.ask("POST", "/v1/sessions", _session(app=app))
    assert (answer.status, answer.json["reason"]) == (403, "not_allowed")
    assert f"app:{app}" in answer.json["detail"]
    assert "control.sidecars" in answer.json["detail"]
    desk.token = ADMIN
    assert (await desk.ask("GET", "/v1/keys")).json["keys"] == []


@pytest.mark.parametrize("seconds", [899, 43201, None, "3600"])
async def test_a_session_is_as_long_as_any_other(desk: Desk, seconds: object) -> None:
    """A quarter of an hour to twelve hours, never without an end."""
    desk.token = TOKEN
    assert (await desk.ask("POST", "/v1/sessions", _session(expires_in=seconds))).status == 422


async def test_a_sidecar_ends_keys_that_it_had_issued_and_no_others(desk: Desk) -> None:
    """Not an admin's, not another sidecar's, not a link; how many were its own is all that it hears."""
    desk.token = TOKEN
    body = {"app": "billing", "label": "x", "expires_in": 900.0, "source": ["entry", "here", "00"]}
    mine = (await desk.ask("POST", "/v1/sessions", body)).json["grant"][0]
    plain = (await desk.ask("POST", "/v1/sessions", body | {"source": []})).json["grant"][0]
    desk.token = ADMIN
    made = (await desk.ask("POST", "/v1/keys", {"app": "billing"})).json["id"]
    others = {"ids": [made, plain, (await desk.link())["id"], "k_nothing"]}
    for token, asked, expected in ((TOKEN, others, 0), (TOKEN + "2", {"ids": [mine]}, 0), (TOKEN, {"ids": [mine]}, 1)):
        desk.token = token
        assert {"ended": expected} == (await desk.ask("POST", "/v1/sessions/end", asked)).json
    living = (await desk.ask("GET", "/v1/sessions?address=here")).json
    assert {"sessions": []} == living
    assert "key.revoke" == desk.audited()[-1]


async def test_a_sidecar_hears_whose_grants_it_is_given_and_an_admin_does_not(desk: Desk) -> None:
    """By a fingerprint that is part of the entity tag too, so that no cache on the way hides another one."""
    found = []
    for token in (TOKEN, TOKEN + "2", ADMIN):
        desk.token = token
        answer = await desk.ask("GET", "/v1/revocations")
        found.append(answer.json.get("serves"))
        assert f'"0-{found[-1]}"' == answer.headers["ETag"] or token == ADMIN
    assert (3, None) == (len(set(found)), found[-1])


async def test_a_sidecar_has_the_credentials_of_a_link_issued(desk: Desk) -> None:
    """Of one whose token it was shown, and whose owner it serves; nothing but the link says what they are for."""
    stored = await desk.state.grants.create(link(expires_at=desk.clock.now + 100))
    others = await desk.state.grants.create(link(owner=Principal("app", "payroll")))
    desk.token = TOKEN
    asked = {"hash": stored.hash.hex(), "use": "w:R1"}
    answer = await desk.ask("POST", "/v1/sessions/link", asked)
    assert (201, True) == (answer.status, bool(answer.json["session_token"]))
    made = await desk.state.grants.find(hash_secret(answer.json["access_key_id"]))
    assert made is not None
    assert (stored.owner, stored.hash, stored.expires_at) == (made.owner, made.link, made.expires_at)
    assert (stored.id, "w:R1", f"link:{stored.id}") == (*made.source[2:], made.issued_by)
    for named in (others.hash, hash_secret(stored.id), made.hash):
        answer = await desk.ask("POST", "/v1/sessions/link", asked | {"hash": named.hex()})
        assert answer.status == (403 if named == made.hash else 404)


@pytest.mark.parametrize("fields", [{"credentials": False}, {"once": True, "uses": 1}, {"expires_at": 1.0}])
async def test_a_link_that_gives_none_gives_a_sidecar_none(desk: Desk, fields: dict[str, object]) -> None:
    """Whatever the sidecar thinks of it; and so for one that was revoked."""
    for revoked in (True, False):
        stored = await desk.state.grants.create(link(**({} if revoked else fields)))
        desk.token = ADMIN
        if revoked:
            assert (await desk.ask("DELETE", f"/v1/links/{stored.id}")).status == 200
        desk.token = TOKEN
        answer = await desk.ask("POST", "/v1/sessions/link", {"hash": stored.hash.hex(), "use": "w:R1"})
        assert answer.status == 403
