"""Every row of the API, asked by every kind of caller; and two tenants, neither of whom exists for the other."""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import replace
from typing import Any, Final

import pytest

from gateway.control.endpoint import Endpoint
from gateway.control.rows import ROWS
from gateway.core.approval import ApprovalTerms
from gateway.core.attempt import Principal
from gateway.core.duty import AdminTerms, Duty
from gateway.core.identity import Proved, User
from gateway.core.issued import IssuedKey
from gateway.core.pattern import NamePattern
from gateway.core.rule import LinkLimits
from gateway.core.token import grant_id, hash_secret
from tests.control.desk import ADMIN, APP, CALLERS, POLICY, Desk, Reply, basic, rule, serving

OPS: Final = Principal("admin", "ops")
OTHER: Final = APP + "2"
TOKENS: Final = {
    "admin": ADMIN,
    "auditor": "an-auditors-token",
    "revoker": "a-revokers-token",
    "former": "a-token-that-has-ended",
    "sidecar": "a-sidecars-token",
    "app": APP,
    "other": OTHER,
    "user": "a.b.c",
    "sharer": "d.e.f",
    "staff": "s.t.u",
}
BY_KEY: Final = ("signer", "shower")
IDENTITIES: Final = ("nobody", *TOKENS, *BY_KEY)

STRANGERS: Final = {"other", "user", "sharer"}
OWNERS: Final = {"app", "signer", "shower"} | STRANGERS
EVERYBODY: Final = frozenset(IDENTITIES)
SIDECARS: Final = frozenset({"admin", "sidecar"})
READERS: Final = frozenset({"admin", "auditor", "staff"})

EXPECTED: Final[dict[str, frozenset[str]]] = {
    **dict.fromkeys(
        ("healthy", "ready", "metrics", "description", "signIn", "assumeRole", "assumeRoleBelow"), EVERYBODY
    ),
    "containerCredentials": frozenset({"app"}),
    "whoami": EVERYBODY - {"nobody", "former"},
    "openConsole": EVERYBODY - {"nobody", "former", "sidecar"},
    **dict.fromkeys(("setLogLevel", "drainBackend", "examineBackend", "resealKeys"), frozenset({"admin"})),
    **dict.fromkeys(("createLink", "editLink", "rotateLink", "presign"), frozenset({"admin"} | OWNERS)),
    **dict.fromkeys(("createKey", "editKey"), frozenset({"admin"} | OWNERS)),
    **dict.fromkeys(
        ("listLinks", "showLink", "listRecords", "listKeys", "showKey", "listTransfers", "listBuckets"),
        READERS | OWNERS,
    ),
    **dict.fromkeys(("resumeLink", "resumeKey"), frozenset({"admin"} | OWNERS)),
    **dict.fromkeys(("approveLink", "rejectLink", "approveKey", "rejectKey"), frozenset({"admin"} | OWNERS)),
    **dict.fromkeys(("revokeLink", "revokeKey", "revoke"), frozenset({"admin", "revoker"} | OWNERS)),
    **dict.fromkeys(("suspendLink", "suspendKey", "cutTransfer"), frozenset({"admin", "revoker"} | OWNERS)),
    **dict.fromkeys(("readTrail", "exportRecords", "listBackends", "showPolicy", "explain"), READERS),
    "listRevocations": READERS | {"sidecar"},
    **dict.fromkeys(("findGrant", "issueSession", "issueLinkSession", "listSessions", "endSessions"), SIDECARS),
    **dict.fromkeys(("openUse", "joinUse", "readUsage", "giveUseBack", "reserveBytes", "settleBytes"), SIDECARS),
}
"""Who is let in. A row that is not named here fails the test: whoever adds one says whom it is for."""

UNKNOWN: Final = {"nobody", "former", "sidecar"}
"""Who is told no more than that a valid secret is needed. Others are known, and hear that it is not for them."""


class Issuer:
    """Knows three users: one whom no rule names, one who shares and one who is an auditor by their groups."""

    groups: Mapping[str, tuple[str, ...]] = {
        TOKENS["user"]: (),
        TOKENS["sharer"]: ("finance", "people"),
        TOKENS["staff"]: ("audit",),
    }

    async def prove(self, token: str, role: str) -> Proved | None:
        return None

    async def prove_user(self, token: str) -> User | None:
        groups = self.groups.get(token)
        return None if groups is None else User(Principal("user", f"u{token[0]}"), groups, None)


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    admins = {
        **CALLERS["admins"],
        hash_secret(TOKENS["auditor"]): AdminTerms("auditor", may=frozenset({Duty.READ})),
        hash_secret(TOKENS["revoker"]): AdminTerms("revoker", may=frozenset({Duty.REVOKE})),
        hash_secret(TOKENS["former"]): AdminTerms("former", expires=1.0),
    }
    sidecars = {hash_secret(TOKENS["sidecar"]): "edge"}
    roles = {"audit": (NamePattern.of("group:audit"),)}
    limits = LinkLimits(max_expires=86400.0, max_uses=5)
    theirs = (
        rule("others share theirs", "app:other", "read share", "reports/o/**", links=limits),
        rule("finance shares", "group:finance", "read share sign", "reports/f/**", links=limits),
        rule("looked at by a user", "app:other", "read share", "reports/w/**", approval=by("user:ua")),
        rule("looked at by others", "app:other", "read share", "reports/s/**", approval=by("group:nobody")),
    )
    policy = replace(POLICY, rules=(*POLICY.rules, *theirs))
    async with serving(
        admins=lambda: admins,
        sidecars=lambda: sidecars,
        policy=lambda: policy,
        roles=lambda: roles,
        identity=Issuer(),
    ) as opened:
        yield opened


def by(who: str) -> ApprovalTerms:
    return ApprovalTerms((NamePattern.of(who),), 3600.0)


FORM: Final = {"uses": 5, "expires_in": 3600}


async def make(desk: Desk, app: str) -> tuple[str, IssuedKey]:
    """A link and a key of an app."""
    folder = {"billing": "invoices", "other": "o"}[app]
    desk.token = ADMIN
    link = await desk.link(key=f"{folder}/a.pdf", owner=f"app:{app}", label=f"of {app}", **FORM)
    return link["id"], await desk.api.keys.issue(OPS, app, label=f"of {app}")


async def ask(desk: Desk, who: str, key: IssuedKey, method: str, path: str, text: bytes) -> Reply:
    desk.clock.now += 60  # wrong secrets of before are forgiven
    if who == "signer":
        return await desk.sign(key, method, path, text)
    headers = basic(key) if who == "shower" else {}
    if who in TOKENS:
        headers = {"Authorization": f"Bearer {TOKENS[who]}"}
    if text:
        headers |= {"Content-Type": "application/json"}
    async with desk.session.request(method, desk.url + path, data=text or None, headers=headers) as answer:
        return Reply(answer.status, answer.headers, await answer.text())


def test_every_row_says_whom_it_is_for() -> None:
    """A row that nobody has thought about is a fault, and so is a word about a row that is gone."""
    assert {row.name for row in ROWS} == EXPECTED.keys()


def path_of(row: Endpoint[Any, Any], link: str, key: str) -> str:
    values = {"id": key if "/keys/" in row.path else link, "app": "billing", "name": "archive", "hash": "00" * 32}
    return re.sub(r"\{(\w+)\}", lambda found: values[found[1]], row.path)


def without_id(reply: Reply) -> tuple[int, str, dict[str, str]]:
    """An answer without what is another one in every answer."""
    headers = {name: value for name, value in reply.headers.items() if name.lower() not in {"date", "x-request-id"}}
    return reply.status, re.sub(r'"request_id":"[^"]*"', "", reply.text), headers


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.name)
async def test_each_caller_is_let_in_where_the_row_is_for_them(row: Endpoint[Any, Any], desk: Desk) -> None:
    """And nowhere else; and what belongs to another owner is answered as what never was."""
    text = b"" if row.method == "GET" or row.body is None else b"{}"
    for who in IDENTITIES:
        link, key = await make(desk, "billing")
        answer = await ask(desk, who, key, row.method, path_of(row, link, key.grant.id), text)
        if who not in EXPECTED[row.name]:
            known = who not in UNKNOWN and row.name != "containerCredentials"
            assert (403 if known else 401) == answer.status, (row.name, who, answer.text)
        elif who in STRANGERS and "{id}" in row.path:
            never = await ask(desk, who, key, row.method, path_of(row, "l_never", "k_never"), text)
            assert 404 == answer.status, (row.name, who, answer.text)
            assert without_id(never) == without_id(answer)
        else:
            assert answer.status not in {401, 403, 500}, (row.name, who, answer.text)


def guesses(rng: random.Random, real: list[str]) -> Iterator[str]:
    """Ids of the other tenant, ids that are nearly theirs, and ids that nobody has."""
    while True:
        known = rng.choice(real)
        yield known
        yield known[:-1] + rng.choice("123456789ABCDEFGHJKLMNPQRSTUVWXYZ")
        yield grant_id(rng.choice("lk"), rng.randbytes(12))


ROUTES: Final = (
    ("GET", "/v1/links/{}", b""),
    ("GET", "/v1/links/{}/records", b""),
    ("PATCH", "/v1/links/{}", b'{"label": "mine now"}'),
    ("POST", "/v1/links/{}/rotate", b""),
    ("POST", "/v1/links/{}/suspend", b""),
    ("POST", "/v1/keys/{}/resume", b""),
    ("POST", "/v1/links/{}/approve", b""),
    ("POST", "/v1/links/{}/reject", b""),
    ("POST", "/v1/keys/{}/approve", b""),
    ("POST", "/v1/keys/{}/reject", b""),
    ("DELETE", "/v1/links/{}", b""),
    ("GET", "/v1/keys/{}", b""),
    ("PATCH", "/v1/keys/{}", b'{"label": "mine now"}'),
    ("DELETE", "/v1/keys/{}", b""),
    ("POST", "/v1/revocations", b'{"link": "%s"}'),
    ("POST", "/v1/revocations", b'{"key": "%s"}'),
    ("POST", "/v1/revocations", b'{"link": "%s", "dry_run": true}'),
)


async def test_ten_thousand_guesses_show_nothing(desk: Desk) -> None:
    """Whether an id is somebody else's or nobody's, each row has one answer; and nothing of theirs has changed."""
    made = [await make(desk, "other") for _ in range(30)]
    real = [link for link, _ in made] + [key.grant.id for _, key in made]
    before = [await desk.state.grants.get(name) for name in real]
    rng, seen = random.Random(12), {route: set[str]() for route in ROUTES}
    asked = [(ROUTES[number % len(ROUTES)], name) for number, name in zip(range(10_000), guesses(rng, real))]  # noqa: B905 (the second has no end)

    async def work(part: list[tuple[tuple[str, str, bytes], str]]) -> None:
        for route, name in part:
            method, path, body = route
            text = body % name.encode() if b"%s" in body else body
            headers = {"Authorization": f"Bearer {APP}"} | ({"Content-Type": "application/json"} if text else {})
            target = desk.url + path.format(name)
            async with desk.session.request(method, target, data=text or None, headers=headers) as answer:
                seen[route].add(str(without_id(Reply(answer.status, answer.headers, await answer.text()))))

    await asyncio.gather(*(work(asked[start::8]) for start in range(8)))
    for route, answers in seen.items():
        assert 1 == len(answers), (route, answers)
        assert answers.pop().startswith("(404, ")
    assert before == [await desk.state.grants.get(name) for name in real]


async def lists(desk: Desk, token: str, query: str = "", what: str = "links") -> dict[str, Any]:
    desk.token = token
    answer = await desk.ask("GET", f"/v1/{what}{query}")
    assert 200 == answer.status, answer.text
    return answer.json


@pytest.mark.parametrize("what", ["links", "keys"])
async def test_lists_hold_what_is_ones_own(what: str, desk: Desk) -> None:
    """With every filter, and with the cursor of anybody's list; an admin and an auditor see all."""
    for _ in range(3):
        for app in ("billing", "other"):
            await make(desk, app)
    for query in ("", "?owner=app:billing", "?label=of%20billing", "?state=active", "?limit=2"):
        assert {"app:billing"} == {one["owner"] for one in (await lists(desk, APP, query, what))[what]}, query
    for query in ("?owner=app:other", "?owner=app:nobody", "?label=of%20other"):
        assert {what: [], "cursor": None} == await lists(desk, APP, query, what)
    for token in (ADMIN, OTHER):
        cursor = (await lists(desk, token, "?limit=1", what))["cursor"]
        assert {"app:billing"} == {one["owner"] for one in (await lists(desk, APP, f"?cursor={cursor}", what))[what]}
    for token in (ADMIN, TOKENS["auditor"]):
        assert {"app:billing", "app:other"} == {one["owner"] for one in (await lists(desk, token, "", what))[what]}


async def test_an_owner_makes_what_policy_lets_them_share(desk: Desk) -> None:
    """As themselves alone: whoever else is named, the answer is 403, whether there is such an owner or not."""
    desk.token = APP
    own = await desk.link(key="invoices/b.pdf", **FORM)
    assert ("app:billing", "app:billing") == (own["owner"], own["issued_by"])
    for body in ({"key": "invoices/b.pdf", "owner": "app:other"}, {"key": "invoices/b.pdf", "owner": "app:nobody"}):
        answer = await desk.ask("POST", "/v1/links", {"bucket": "reports", **FORM, **body})
        assert (403, "owner_not_allowed") == (answer.status, answer.json["reason"])
    for bucket, key in (("reports", "o/a.pdf"), ("reports", "payroll/a"), ("nowhere", "a"), ("drafts", "a")):
        answer = await desk.ask("POST", "/v1/links", {"bucket": bucket, "key": key, **FORM})
        assert (403, "not_allowed") == (answer.status, answer.json["reason"].replace("denied_by_rule", "not_allowed"))
    for path in (f"/v1/links/{own['id']}", f"/v1/links/{own['id']}/records"):
        assert 200 == (await desk.ask("GET", path)).status
    given_away = await desk.ask("PATCH", f"/v1/links/{own['id']}", {"owner": "app:other"})
    assert 403 == given_away.status
    for call in (
        desk.ask("PATCH", f"/v1/links/{own['id']}", {"label": "new"}),
        desk.ask("POST", f"/v1/links/{own['id']}/rotate"),
        desk.ask("DELETE", f"/v1/links/{own['id']}"),
    ):
        assert 200 == (await call).status
    assert ["link.create", "link.edit", "link.rotate", "link.revoke"] == desk.audited()


async def test_an_app_makes_keys_of_its_own(desk: Desk) -> None:
    """And of no other app, real or not."""
    desk.token = APP
    made = await desk.ask("POST", "/v1/keys", {"app": "billing"})
    assert 201 == made.status
    assert 200 == (await desk.ask("GET", f"/v1/keys/{made.json['id']}")).status
    for app in ("other", "nobody"):
        assert 403 == (await desk.ask("POST", "/v1/keys", {"app": app})).status
    stored = await desk.state.grants.get(made.json["id"])
    assert stored is not None
    assert "entry" == stored.source[0]


async def test_a_key_outlives_none_that_it_was_made_with(desk: Desk) -> None:
    """A session may make keys that end before it does; what it came from is theirs as well."""
    session = await desk.api.keys.issue(OPS, "billing", expires_in=3600.0, session=True, source=("entry", "x", "y"))
    for life, status in ((None, 403), (3601, 403), (3600, 201)):
        text = json.dumps({"app": "billing"} | ({} if life is None else {"expires_in": life})).encode()
        answer = await desk.sign(session, "POST", "/v1/keys", text)
        assert status == answer.status, answer.text
    path = f"/v1/keys/{answer.json['id']}"
    for life, status in ((None, 403), (3601, 403), (1800, 200)):
        edit = json.dumps({"expires_in": life}).encode()
        assert status == (await desk.sign(session, "PATCH", path, edit)).status
    stored = await desk.state.grants.get(answer.json["id"])
    assert stored is not None
    assert ("entry", "x", "y") == stored.source


async def test_a_narrowed_key_does_not_shed_its_narrowing_here(desk: Desk) -> None:
    """Whatever it is held to, it neither makes another key nor edits itself; the whole key of its app does both."""
    desk.token = ADMIN
    whole = await desk.api.keys.issue(OPS, "billing")
    for held in ({"bucket": "reports"}, {"actions": ["read"]}, {"uses": 1}, {"bytes": 1}, {"rate": "1/s"}):
        made = (await desk.ask("POST", "/v1/keys", {"app": "billing", **held})).json
        grant = await desk.state.grants.get(made["id"])
        assert grant is not None
        narrow = IssuedKey(grant, made["access_key_id"], made["secret_access_key"], None)
        for key, status in ((narrow, (403, 403)), (whole, (201, 200))):
            asked = (
                ("POST", "/v1/keys", b'{"app": "billing"}'),
                ("PATCH", f"/v1/keys/{made['id']}", b'{"scopes": []}'),
            )
            assert status == tuple([(await desk.sign(key, *each)).status for each in asked])


async def test_a_bucket_that_ones_rules_do_not_show_is_none(desk: Desk) -> None:
    """For an app's key, a bucket of others is answered like one that never was; an admin is told the truth."""
    for token, expected in ((APP, {"reports": 201, "drafts": 404, "nowhere": 404}), (ADMIN, {"drafts": 201})):
        desk.token = token
        found = {
            bucket: (await desk.ask("POST", "/v1/keys", {"app": "billing", "bucket": bucket})).status
            for bucket in expected
        }
        assert expected == found


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ({"owner": "app:other"}, 404),
        ({"owner": "app:nobody"}, 404),
        ({"backend": "archive"}, 403),
        ({"policy": "others share theirs"}, 403),
        ({"owner": "app:billing"}, 200),
        ({"bucket": "reports", "prefix": ""}, 200),
    ],
)
async def test_an_owner_revokes_their_own(target: dict[str, str], status: int, desk: Desk) -> None:
    """Whatever the target names, nothing of another owner ends, and no count speaks of theirs."""
    (mine, _), (theirs, their_key) = await make(desk, "billing"), await make(desk, "other")
    desk.token = APP
    dry = await desk.ask("POST", "/v1/revocations", target | {"dry_run": True})
    answer = await desk.ask("POST", "/v1/revocations", target)
    assert [status, status] == [dry.status, answer.status], answer.text
    if status == 200:
        ended = 1 if "bucket" in target else 2
        assert [ended, ended] == [dry.json["revoked"], answer.json["revoked"]]
        assert [None, None] == [dry.json["serial"], answer.json["serial"]]
    for name in (theirs, their_key.grant.id):
        grant = await desk.state.grants.get(name)
        assert grant is not None
        assert grant.revoked_at is None
        assert desk.view.revoked(grant, "archive", "reports", "o/a.pdf") is None
    own = await desk.state.grants.get(mine)
    assert own is not None
    assert (status == 200) is (own.revoked_at is not None)


async def test_a_prefix_of_ones_own_leaves_its_siblings(desk: Desk) -> None:
    """Only links inside it end; an unknown bucket is like one without anything of the caller's."""
    await make(desk, "billing")
    desk.token = APP
    for bucket, prefix, count in (("reports", "inv/", 0), ("nowhere", "", 0), ("reports", "invoices/", 1)):
        answer = await desk.ask("POST", "/v1/revocations", {"bucket": bucket, "prefix": prefix})
        assert (200, count, count > 0) == (answer.status, answer.json["revoked"], answer.json["known"])


async def test_a_leaked_secret_of_another_ends_nothing(desk: Desk) -> None:
    """Who holds another owner's link or key id still cannot revoke it here, nor learn that it is one."""
    desk.token = ADMIN
    link = await desk.link(key="o/a.pdf", owner="app:other", **FORM)
    _, key = await make(desk, "other")
    desk.token = APP
    for target in ({"link": link["url"]}, {"link": link["token"]}, {"key": key.access_key_id}):
        assert 404 == (await desk.ask("POST", "/v1/revocations", target)).status


async def test_idempotency_keys_are_each_callers_own(desk: Desk) -> None:
    """The same text of two owners makes two links; a link that was given away is not shown to who had made it."""
    found = []
    for token, key in ((APP, "invoices/a.pdf"), (OTHER, "o/a.pdf")):
        desk.token = token
        body = {"bucket": "reports", "key": key, **FORM}
        answers = [await desk.ask("POST", "/v1/links", body, headers={"Idempotency-Key": "x"}) for _ in range(2)]
        assert [201, 200] == [answer.status for answer in answers]
        found.append(answers[0].json["id"])
    assert found[0] != found[1]
    desk.token = ADMIN
    moved = await desk.ask("PATCH", f"/v1/links/{found[1]}", {"owner": "admin:ops"})
    assert 200 == moved.status, moved.text
    desk.token = OTHER
    again = await desk.ask("POST", "/v1/links", body, headers={"Idempotency-Key": "x"})
    assert (422, False) == (again.status, found[1] in again.text)


async def test_nobody_else_is_signed_for(desk: Desk) -> None:
    """A presigned URL is made by the caller's own rules; only an admin names somebody else."""
    desk.token = APP
    body = {"bucket": "reports", "key": "signed/a"}
    for who, status in (({}, 403), ({"as": "app:billing"}, 403), ({"as": "app:signer"}, 403)):
        assert status == (await desk.ask("POST", "/v1/presign", body | who)).status
    desk.token = ADMIN
    assert 200 == (await desk.ask("POST", "/v1/presign", body | {"as": "app:signer"})).status
    signer = await desk.api.keys.issue(OPS, "signer")
    assert 200 == (await desk.sign(signer, "POST", "/v1/presign", json.dumps(body).encode())).status


async def test_a_user_has_links_of_their_own(desk: Desk) -> None:
    """By a group they make, list, edit, rotate, pause, show and end them, and see records; others do nothing."""
    desk.token = TOKENS["sharer"]
    own = await desk.link(key="f/a.pdf", label="mine", **FORM)
    path = f"/v1/links/{own['id']}"
    assert ("user:ud", "user:ud", "finance shares") == (own["owner"], own["issued_by"], own["rule"])
    assert ["finance", "people"] == own["groups"]
    assert [own["id"]] == [link["id"] for link in (await lists(desk, desk.token))["links"]]
    calls = (
        ("GET", path, None),
        ("GET", f"{path}/records", None),
        ("PATCH", path, {"label": "new"}),
        ("POST", f"{path}/rotate", None),
        ("POST", f"{path}/suspend", None),
        ("POST", f"{path}/resume", None),
        ("POST", "/v1/revocations", {"link": own["id"], "dry_run": True}),
        ("DELETE", path, None),
    )
    for token, status in ((TOKENS["user"], 404), (APP, 404), (TOKENS["sharer"], 200)):
        desk.token = token
        assert [status] * len(calls) == [(await desk.ask(*call)).status for call in calls]
    acts = ["create", "edit", "rotate", "suspend", "resume", "revoke"]
    assert [f"link.{act}" for act in acts] == desk.audited()
    assert {"links": [], "cursor": None} == await lists(desk, TOKENS["user"])


async def test_a_group_lets_its_users_share_and_sign_and_nobody_else(desk: Desk) -> None:
    """Where the rules about it say, and no key of any app's."""
    for who, status in (("sharer", 201), ("user", 403), ("app", 403)):
        desk.token = TOKENS[who]
        body = {"bucket": "reports", "key": "f/a.pdf", **FORM}
        assert status == (await desk.ask("POST", "/v1/links", body)).status, who
        signed = await desk.ask("POST", "/v1/presign", {"bucket": "reports", "key": "f/a.pdf"})
        assert (200 if status == 201 else 403) == signed.status, who
    desk.token = TOKENS["sharer"]
    for refused in ({"key": "invoices/a.pdf"}, {"key": "f/a.pdf", "owner": "user:ua"}, {"key": "f/a.pdf", "uses": 6}):
        assert 403 == (await desk.ask("POST", "/v1/links", {"bucket": "reports", **FORM, **refused})).status, refused
    assert 403 == (await desk.ask("POST", "/v1/keys", {"app": "billing"})).status


async def test_a_link_keeps_its_groups_until_its_owner_comes_with_others(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An admin's edit leaves them, and who gets a link that was another's has none; what its owner changes is decided
    with the groups of now."""
    desk.token = TOKENS["sharer"]
    own = await desk.link(key="f/a.pdf", **FORM)
    path = f"/v1/links/{own['id']}"
    desk.token = ADMIN
    assert ["finance", "people"] == (await desk.ask("PATCH", path, {"label": "by ops"})).json["groups"]
    assert 403 == (await desk.ask("PATCH", path, {"owner": "user:ua"})).status
    given = await desk.ask("PATCH", path, {"owner": "admin:ops"})
    assert (200, []) == (given.status, given.json["groups"])
    assert 403 == (await desk.ask("PATCH", path, {"owner": "user:ud"})).status

    desk.token = TOKENS["sharer"]
    path = f"/v1/links/{(await desk.link(key='f/b.pdf', **FORM))['id']}"
    for groups, status in ((("people",), 403), (("finance",), 200)):
        monkeypatch.setattr(Issuer, "groups", {TOKENS["sharer"]: groups})
        answer = await desk.ask("PATCH", path, {"label": "mine"})
        assert status == answer.status
    assert ["finance"] == answer.json["groups"]
    monkeypatch.setattr(Issuer, "groups", {TOKENS["sharer"]: ("people",)})
    assert ["people"] == (await desk.ask("POST", f"{path}/rotate")).json["groups"]
    explained = await _explain(desk, {"link": path.rpartition("/")[2]})
    assert (False, "owner_not_allowed") == (explained["allowed"], explained["objections"][0]["reason"])


async def _explain(desk: Desk, who: Mapping[str, Any]) -> dict[str, Any]:
    desk.token = ADMIN
    answer = await desk.ask("POST", "/v1/policy/explain", {"do": "read", "on": "reports/f/b.pdf", **who})
    assert 200 == answer.status, answer.text
    return answer.json


async def test_explain_knows_groups(desk: Desk) -> None:
    """Those of a user who is named; of nobody else."""
    for groups, allowed in ((["finance"], True), (["ops"], False), ([], False)):
        assert allowed is (await _explain(desk, {"who": "user:x", "groups": groups}))["allowed"]
    for who in ({"who": "app:billing"}, {"link": "l_x"}, {"who": "user:x", "key": "k_x"}, {"who": "group:finance"}):
        body = {"do": "read", "on": "reports/f/a", "groups": ["finance"], **who}
        assert 422 == (await desk.ask("POST", "/v1/policy/explain", body)).status, who


async def waiting(desk: Desk, folder: str) -> dict[str, str]:
    """A link and a narrowed key of app:other that wait, by the word for their rows."""
    desk.token = OTHER
    link = await desk.link(key=f"{folder}/a.pdf", **FORM)
    desk.token = ADMIN
    key = await desk.ask("POST", "/v1/keys", {"app": "other", "bucket": "reports", "prefix": f"{folder}/"})
    for made in (link, key.json):
        assert "awaiting_approval" == made["state"]
    return {"links": link["id"], "keys": key.json["id"]}


@pytest.mark.parametrize("what", ["links", "keys"])
async def test_who_approves_sees_what_waits_for_them(what: str, desk: Desk) -> None:
    """And nothing else that is not theirs: by lists with every filter, by id and in every act, neither what waits for
    others, nor what does not wait, before or after. Only two acts are open to them."""
    mine, theirs = await waiting(desk, "w"), await waiting(desk, "s")
    link, key = await make(desk, "other")
    other = {"links": link, "keys": key.grant.id}
    user, path = TOKENS["user"], f"/v1/{what}/{mine[what]}"
    for query in ("", "?state=awaiting_approval", "?owner=app:other", "?bucket=reports&prefix=w/", "?limit=1"):
        assert [mine[what]] == [one["id"] for one in (await lists(desk, user, query, what))[what]], query
    for query in ("?state=active", "?owner=app:billing", "?bucket=reports&prefix=s/", "?label=x"):
        assert {what: [], "cursor": None} == await lists(desk, user, query, what), query
    assert 200 == (await desk.ask("GET", path)).status
    nothing = without_id(await desk.ask("GET", f"/v1/{what}/{what[0]}_never"))
    for stranger in (theirs[what], other[what]):
        for method, act in (("GET", ""), ("POST", "/approve"), ("POST", "/reject")):
            assert nothing == without_id(await desk.ask(method, f"/v1/{what}/{stranger}{act}"))
    for method, act in (("PATCH", ""), ("DELETE", ""), ("POST", "/suspend"), ("POST", "/resume"), ("POST", "/rotate")):
        body = {"label": "mine"} if method == "PATCH" else None
        if (what, act) != ("keys", "/rotate"):
            assert nothing == without_id(await desk.ask(method, path + act, body)), act
    if what == "links":
        assert nothing == without_id(await desk.ask("GET", path + "/records"))
    assert 404 == (await desk.ask("POST", "/v1/revocations", {what[:-1]: mine[what]})).status
    for token in (APP, TOKENS["staff"]):
        desk.token = token
        assert (404 if token == APP else 403) == (await desk.ask("POST", path + "/approve")).status
    desk.token = user
    assert 200 == (await desk.ask("POST", path + "/approve")).status
    assert nothing == without_id(await desk.ask("GET", path))
    assert {what: [], "cursor": None} == await lists(desk, user, "", what)
