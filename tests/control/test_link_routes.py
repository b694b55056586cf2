"""Links through the API: what is made, shown, changed and ended."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.holders import ProvedBy
from gateway.core.lease import LEASE_WINDOW, Reservation, Settlement
from gateway.core.token import LinkToken
from tests.contract.sample import record
from tests.control.desk import START, Desk, serving


async def test_create_shows_the_token_once(desk: Desk) -> None:
    """The answer that makes a link is the only one that holds its token."""
    answer = await desk.ask("POST", "/v1/links", {"bucket": "reports", "key": "a.pdf", "expires_in": "30d"})
    assert answer.status == 201
    made = answer.json
    assert answer.headers["Location"] == f"/v1/links/{made['id']}"
    assert made["url"] == f"https://files.example/s/{made['token']}"
    assert made["actions"] == ["read"]
    assert made["owner"] == "admin:ops"
    assert made["expires_at"] == "2027-02-14T08:00:00Z"
    assert made["state"] == "active"
    for path in (f"/v1/links/{made['id']}", "/v1/links"):
        shown = await desk.ask("GET", path)
        assert shown.status == 200
        assert made["id"] in shown.text
        assert made["token"] not in shown.text
    assert "link.create" in desk.audited()


async def test_a_stored_link_has_the_hash_only(desk: Desk) -> None:
    """Neither the token nor the password is stored in clear."""
    made = await desk.link(password="open sesame")
    stored = await desk.state.grants.find(LinkToken(made["token"]).hash)
    assert stored is not None
    assert stored.id == made["id"]
    assert made["token"] not in repr(stored)
    assert "sesame" not in repr(stored)
    assert made["password"] is True


async def test_prefix_links_end_with_a_slash(desk: Desk) -> None:
    """A prefix link's prefix and URL end with a slash, so that it cannot reach siblings."""
    made = await desk.link(key=None, prefix="out/2026", actions=["read", "list", "write"])
    assert made["prefix"] == "out/2026/"
    assert made["url"].endswith(made["token"] + "/")


async def test_every_member_arrives(desk: Desk) -> None:
    """Every member of the body is stored and shown."""
    wanted = {
        "bucket": "reports",
        "prefix": "in/",
        "actions": ["write"],
        "expires_at": "2027-02-01T00:00:00Z",
        "not_before": "2027-01-20T00:00:00+01:00",
        "uses": 3,
        "bytes": "1MiB",
        "password": "x",
        "cidrs": ["192.0.2.0/24", "2001:db8::/32"],
        "label": "Für Zoë",
        "owner": "admin:night",
        "filename": "résumé.pdf",
        "content_type": "application/pdf",
        "max_size": "5GiB",
        "overwrite": True,
        "rate": "10/min",
    }
    answer = await desk.ask("POST", "/v1/links", wanted)
    assert answer.status == 201, answer.text
    shown = (await desk.ask("GET", f"/v1/links/{answer.json['id']}")).json
    expected = wanted | {
        "not_before": "2027-01-19T23:00:00Z",
        "bytes": 1048576,
        "password": True,
        "max_size": 5 * 1024**3,
        "rate": "10/60s",
        "key": None,
        "state": "pending",
        "issued_by": "admin:ops",
    }
    assert {name: shown[name] for name in expected} == expected


async def test_a_link_for_one_version_says_which(desk: Desk) -> None:
    """With or without the quotes; only for an object, and only to read it."""
    answer = await desk.ask("POST", "/v1/links", {"bucket": "reports", "key": "a.pdf", "etag": "v1"})
    assert (201, '"v1"') == (answer.status, answer.json["etag"])
    place = f"/v1/links/{answer.json['id']}"
    assert 422 == (await desk.ask("PATCH", place, {"prefix": "in/"})).status
    assert (await desk.ask("PATCH", place, {"etag": None, "prefix": "in/"})).json["etag"] is None


async def test_a_link_says_whether_it_asks_and_whether_it_is_for_one_download(desk: Desk) -> None:
    """`confirm` and `once` are kept, shown and edited; without them a link does neither."""
    plain = await desk.ask("POST", "/v1/links", {"bucket": "reports", "key": "a.pdf"})
    assert (False, False, None) == tuple(plain.json[name] for name in ("confirm", "once", "uses"))
    body = {"bucket": "reports", "key": "a.pdf", "confirm": True, "once": True}
    made = await desk.ask("POST", "/v1/links", body)
    assert (201, True, True, 1) == (made.status, *(made.json[name] for name in ("confirm", "once", "uses")))
    place = f"/v1/links/{made.json['id']}"
    assert 422 == (await desk.ask("PATCH", place, {"uses": 5})).status
    edited = await desk.ask("PATCH", place, {"uses": 5, "once": False, "confirm": False})
    assert (False, False, 5) == tuple(edited.json[name] for name in ("confirm", "once", "uses"))


async def test_a_link_says_what_it_shows(desk: Desk) -> None:
    """Nothing unless its owner chose so; an edit says it anew."""
    plain = await desk.ask("POST", "/v1/links", {"bucket": "reports", "key": "a.pdf"})
    assert [] == plain.json["shows"]
    made = await desk.ask(
        "POST", "/v1/links", {"bucket": "reports", "key": "a.pdf", "shows": ["sender", "page", "page"]}
    )
    assert (201, ["page", "sender"]) == (made.status, made.json["shows"])
    edited = await desk.ask("PATCH", f"/v1/links/{made.json['id']}", {"shows": []})
    assert [] == edited.json["shows"]


async def test_all_faults_at_once(desk: Desk) -> None:
    """A wrong body is answered with every fault and its JSON pointer, and never repeats what was sent."""
    body = {
        "bucket": 7,
        "key": "a/../b",
        "prefix": "x/",
        "expires_in": "soon",
        "expires_at": "tomorrow",
        "uses": 0,
        "pasword": "hunter2",
        "cidrs": ["10.0.0.0/8", "10.0.0.1/8"],
    }
    answer = await desk.ask("POST", "/v1/links", body)
    assert answer.status == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    problem = answer.json
    assert problem["reason"] == "bad_argument"
    assert problem["request_id"] == answer.headers["X-Request-Id"]
    expected = {"/bucket", "/key", "/prefix", "/expires_in", "/expires_at", "/uses", "/pasword", "/cidrs/1"}
    assert {fault["pointer"] for fault in problem["errors"]} == expected
    assert "hunter2" not in answer.text


@pytest.mark.parametrize(
    "member",
    [
        {"expires_at": "2020-01-01T00:00:00Z"},
        {"not_before": "2029-01-01T00:00:00Z", "expires_at": "2028-01-01T00:00:00Z"},
        {"actions": ["list"]},
        {"actions": ["delete"]},
        {"actions": []},
        {"uses": True},
        {"uses": "3"},
        {"bytes": 0},
        {"rate": "fast"},
        {"owner": "link:l_1"},
        {"filename": "a/b"},
        {"content_type": "nonsense"},
        {"label": "two\nlines"},
        {"etag": 'W/"v1"'},
        {"etag": '"v1"', "actions": ["read", "write"]},
        {"overwrite": None},
        {"confirm": None},
        {"once": None},
        {"shows": None},
        {"shows": ["everything"]},
        {"once": True, "uses": 2},
        {"once": True, "actions": ["write"]},
        {"prefix": "", "key": ""},
        {"uses": 2**63},
    ],
)
async def test_senseless_links_are_refused(desk: Desk, member: dict[str, object]) -> None:
    """A link that could never work, or does not fit its types, is a fault of the body."""
    answer = await desk.ask("POST", "/v1/links", {"bucket": "reports", "key": "a.pdf"} | member)
    assert answer.status == 422
    assert (await desk.ask("GET", "/v1/links")).json["links"] == []


async def test_the_owners_policy_decides(desk: Desk) -> None:
    """A link that its owner may not share is refused with all reasons."""
    body = {"bucket": "reports", "key": "payroll/x", "owner": "app:billing", "actions": ["read", "write"]}
    answer = await desk.ask("POST", "/v1/links", body)
    assert answer.status == 403
    reasons = {found["reason"] for found in answer.json["objections"]}
    assert reasons == {"denied_by_rule", "not_allowed", "owner_not_allowed"}


async def test_share_limits_hold(desk: Desk) -> None:
    """A share rule's limits are checked at issue."""
    body = {"bucket": "reports", "key": "invoices/1.pdf", "owner": "app:billing", "uses": 5, "expires_in": 86400}
    assert (await desk.ask("POST", "/v1/links", body)).json["rule"] == "billing shares invoices"
    for wrong in ({"uses": 6}, {"expires_in": "2d"}, {"uses": None}, {"expires_in": None}):
        assert (await desk.ask("POST", "/v1/links", body | wrong)).status == 403


async def test_an_unknown_bucket_is_404(desk: Desk) -> None:
    """A bucket that no policy names is not there."""
    answer = await desk.ask("POST", "/v1/links", {"bucket": "nowhere", "key": "a"})
    assert answer.status == 404
    assert answer.json["reason"] == "unknown_bucket"


async def test_idempotency(desk: Desk) -> None:
    """The same key and body make one link, whose token is not shown again; another body is a conflict."""
    body = {"bucket": "reports", "key": "a.pdf", "expires_in": "1d", "password": "p"}
    headers = {"Idempotency-Key": "k-1"}
    first = await desk.ask("POST", "/v1/links", body, headers=headers)
    desk.clock.now += 30
    second = await desk.ask("POST", "/v1/links", body, headers=headers)
    assert first.status == 201
    assert second.status == 200
    assert second.json["id"] == first.json["id"]
    assert second.json["token"] is None
    assert second.json["url"] is None
    assert "rotate" in second.json["note"]
    for other in ({"uses": 1}, {"password": "q"}, {"password": None}, {"expires_in": "2d"}, {"label": "x"}):
        assert (await desk.ask("POST", "/v1/links", body | other, headers=headers)).status == 409
    assert len((await desk.ask("GET", "/v1/links")).json["links"]) == 1
    other_admin = await desk.ask(
        "POST", "/v1/links", body, headers=headers | {"Authorization": "Bearer an-admin-token-of-many-letters2"}
    )
    assert other_admin.status == 201


async def test_list_filters_and_pages(desk: Desk) -> None:
    """Every filter narrows, and pages add up to the whole."""
    one = await desk.link(label="x", key="a/1")
    two = await desk.link(label="y", key="b/2", expires_in=60)
    three = await desk.link(key="invoices/1", owner="app:billing", uses=1, expires_in=3600)

    async def ids(query: str) -> list[str]:
        answer = await desk.ask("GET", f"/v1/links?{query}")
        assert answer.status == 200, answer.text
        return [link["id"] for link in answer.json["links"]]

    assert await ids("") == [three["id"], two["id"], one["id"]]
    assert await ids("label=x") == [one["id"]]
    assert await ids("prefix=b/") == [two["id"]]
    assert await ids("owner=app:billing") == [three["id"]]
    assert await ids("bucket=drafts") == []
    desk.clock.now += 61
    assert await ids("state=expired") == [two["id"]]
    assert await ids("state=active") == [three["id"], one["id"]]
    page = (await desk.ask("GET", "/v1/links?limit=2")).json
    rest = (await desk.ask("GET", "/v1/links", params={"limit": "2", "cursor": page["cursor"]})).json
    assert [link["id"] for link in page["links"] + rest["links"]] == [three["id"], two["id"], one["id"]]
    assert rest["cursor"] is None


@pytest.mark.parametrize("query", ["limit=0", "limit=x", "state=odd", "cursor=zzz", "colour=red", "limit=1&limit=2"])
async def test_wrong_queries_are_faults(desk: Desk, query: str) -> None:
    """An unknown, doubled or wrong parameter is never ignored."""
    answer = await desk.ask("GET", f"/v1/links?{query}")
    assert answer.status == 422
    assert answer.json["reason"] == "bad_argument"


async def test_patch_changes_several_fields(desk: Desk) -> None:
    """One PATCH sets, clears and leaves; the counters and the token stay."""
    made = await desk.link(uses=3, label="old", expires_in=60)
    await desk.state.leases.open_lease(Reservation(made["id"], "k"), 3, desk.clock.now, LEASE_WINDOW)
    desk.clock.now += 100
    change = {"uses": None, "label": "new", "expires_in": "1h", "cidrs": ["192.0.2.7"], "password": "p"}
    answer = await desk.ask("PATCH", f"/v1/links/{made['id']}", change)
    assert answer.status == 200, answer.text
    link = answer.json
    assert link["uses"] is None
    assert link["uses_used"] == 1
    assert link["label"] == "new"
    assert link["cidrs"] == ["192.0.2.7/32"]
    assert link["expires_at"] == "2027-01-15T09:01:40Z"
    assert link["password"] is True
    assert link["state"] == "active"
    assert link["key"] == "a.pdf"
    assert await desk.state.grants.find(LinkToken(made["token"]).hash) is not None
    cleared = await desk.ask("PATCH", f"/v1/links/{made['id']}", {"password": None, "expires_at": None, "cidrs": None})
    assert cleared.json["password"] is False
    assert cleared.json["expires_at"] is None
    assert cleared.json["cidrs"] == []
    assert desk.audited().count("link.edit") == 2


async def test_patch_is_judged_like_a_new_link(desk: Desk) -> None:
    """An edit cannot give a link more than its owner may share."""
    made = await desk.link(key="invoices/1", owner="app:billing", uses=1, expires_in=3600)
    for change in ({"uses": None}, {"expires_in": "9d"}, {"key": "other"}, {"actions": ["write"]}):
        assert (await desk.ask("PATCH", f"/v1/links/{made['id']}", change)).status == 403
    assert (await desk.ask("PATCH", f"/v1/links/{made['id']}", {"owner": "link:x"})).status == 422


async def test_patch_moves_the_scope(desk: Desk) -> None:
    """A key link can become a prefix link; its bucket alone can change too."""
    made = await desk.link()
    moved = await desk.ask("PATCH", f"/v1/links/{made['id']}", {"prefix": "x"})
    assert (moved.json["key"], moved.json["prefix"]) == (None, "x/")
    again = await desk.ask("PATCH", f"/v1/links/{made['id']}", {"bucket": "drafts"})
    assert (again.json["bucket"], again.json["prefix"]) == ("drafts", "x/")


async def test_an_expired_link_can_be_edited_and_revived(desk: Desk) -> None:
    """An end that has passed may stay, may be moved into the future, and may not be set anew in the past."""
    made = await desk.link(expires_in=60)
    path = f"/v1/links/{made['id']}"
    desk.clock.now += 3600
    assert (await desk.ask("PATCH", path, {"label": "late"})).json["state"] == "expired"
    assert (await desk.ask("PATCH", path, {"expires_at": "2027-01-15T08:30:00Z"})).status == 422
    assert (await desk.ask("PATCH", path, {"expires_in": "1d"})).json["state"] == "active"


async def test_rotate_ends_the_old_token(desk: Desk) -> None:
    """After a rotation only the new token finds the link."""
    made = await desk.link()
    answer = await desk.ask("POST", f"/v1/links/{made['id']}/rotate")
    assert answer.status == 200
    assert answer.json["id"] == made["id"]
    assert await desk.state.grants.find(LinkToken(made["token"]).hash) is None
    assert await desk.state.grants.find(LinkToken(answer.json["token"]).hash) is not None


async def test_used_up_shows(desk: Desk) -> None:
    """A link whose uses are spent says so, with its counters."""
    made = await desk.link(uses=1)
    await desk.state.leases.open_lease(Reservation(made["id"], "k"), 1, START + 9, LEASE_WINDOW)
    await desk.state.leases.settle_bytes(Reservation(made["id"], "k"), Settlement(700), START + 9)
    link = (await desk.ask("GET", f"/v1/links/{made['id']}")).json
    assert (link["state"], link["uses_used"], link["bytes_used"]) == ("used_up", 1, 700)
    assert link["last_used_at"] == "2027-01-15T08:00:09Z"


@pytest.mark.parametrize(
    ("actions", "limit", "state"),
    [
        (["write"], {"max_files": 1}, "used_up"),
        (["write"], {"total_bytes": 700}, "used_up"),
        (["write"], {"max_files": 2, "total_bytes": 701}, "active"),
        (["read", "write"], {"max_files": 1, "total_bytes": 700}, "active"),
    ],
)
async def test_a_full_link_shows(desk: Desk, actions: list[str], limit: dict[str, int], state: str) -> None:
    """A link that only takes files is used up when it has all of them, alone and in lists; one that can be read is
    not."""
    made = await desk.link(key=None, prefix="in/", actions=actions, **limit)
    counter = Reservation(f"{made['id']}+files", "k")
    await desk.state.leases.open_lease(counter, None, START + 9, LEASE_WINDOW)
    await desk.state.leases.settle_bytes(counter, Settlement(700), START + 9)
    link = (await desk.ask("GET", f"/v1/links/{made['id']}")).json
    assert (state, 1, 700) == (link["state"], link["files_received"], link["bytes_received"])
    listed = (await desk.ask("GET", f"/v1/links?state={state}")).json
    assert [made["id"]] == [one["id"] for one in listed["links"]]


async def test_records(desk: Desk) -> None:
    """A link's uses are listed, newest first, in pages."""
    made = await desk.link()
    for number in range(3):
        use = record(made["id"], START + number, request_id=f"r{number}")
        await desk.state.ledger.append([use])
    path = f"/v1/links/{made['id']}/records"
    page = (await desk.ask("GET", f"{path}?limit=2")).json
    assert [use["request_id"] for use in page["records"]] == ["r2", "r1"]
    rest = (await desk.ask("GET", path, params={"cursor": page["cursor"]})).json
    assert [use["request_id"] for use in rest["records"]] == ["r0"]
    assert rest["records"][0]["peer"] == "192.0.2.7"


@pytest.mark.parametrize("path", ["", "/rotate", "/records"])
@pytest.mark.parametrize("link_id", ["l_unknown", "%00", "k_1"])
async def test_unknown_links_are_404(desk: Desk, path: str, link_id: str) -> None:
    """An id that names no link is not there, whatever is asked of it."""
    method = "POST" if path == "/rotate" else "GET"
    answer = await desk.ask(method, f"/v1/links/{link_id}{path}")
    assert answer.status == 404
    assert answer.json["reason"] in {"unknown_token", "unsupported_operation"}


FILES = {"bucket": "reports", "key": None, "prefix": "in/", "actions": ["write"]}


async def test_what_a_link_wants_of_files_is_shown_and_edited(desk: Desk) -> None:
    """Each wish is kept, shown and taken back by itself; a link that wants nothing says so."""
    wanted = {
        "max_files": 10,
        "total_bytes": 2**30,
        "types": ["image/*", "application/pdf"],
        "names": "{date}/{uuid}-{name}",
        "on_conflict": "rename",
        "blind": True,
        "message": "Photos, please.\nThank you.",
    }
    made = await desk.link(**FILES, **wanted)
    assert {name: made[name] for name in wanted} == wanted
    assert (0, 0, False) == (made["files_received"], made["bytes_received"], made["overwrite"])
    place = f"/v1/links/{made['id']}"
    assert {name: (await desk.ask("GET", place)).json[name] for name in wanted} == wanted
    cleared = {"max_files": None, "total_bytes": None, "types": None, "names": "keep", "message": None}
    edited = (await desk.ask("PATCH", place, cleared | {"blind": False, "on_conflict": "overwrite"})).json
    assert {name: edited[name] for name in cleared} == cleared
    assert (False, "overwrite", True) == (edited["blind"], edited["on_conflict"], edited["overwrite"])
    plain = await desk.link()
    assert ("refuse", "keep", None, None) == tuple(plain[name] for name in ("on_conflict", "names", "types", "undo"))


async def test_what_was_received_shows(desk: Desk) -> None:
    """Files and their bytes beside the uses, where they are limited, in one look and in the list."""
    made = await desk.link(**FILES, max_files=2)
    counter = Reservation(f"{made['id']}+files", "k", "r")
    assert await desk.state.leases.open_lease(counter, 2, START, 0) is not None
    await desk.state.leases.settle_bytes(counter, Settlement(100), START)
    for shown in (
        (await desk.ask("GET", f"/v1/links/{made['id']}")).json,
        (await desk.ask("GET", "/v1/links")).json["links"][0],
    ):
        assert (1, 100, 0) == (shown["files_received"], shown["bytes_received"], shown["uses_used"])


@pytest.mark.parametrize(
    "members",
    [
        {"actions": ["read"], "max_files": 1},
        {"actions": ["read", "list"], "message": "hello"},
        {"key": "a", "prefix": None, "names": "{uuid}"},
        {"key": "a", "prefix": None, "on_conflict": "rename"},
        {"key": "a", "prefix": None, "blind": True},
        {"actions": ["read", "write"], "blind": True},
        {"actions": ["list", "write"], "blind": True},
        {"blind": True, "on_conflict": "refuse"},
    ],
)
async def test_wishes_that_could_not_be_kept_are_refused(desk: Desk, members: dict[str, object]) -> None:
    """A link that reads receives nothing, one object has one name, and who may look is told."""
    answer = await desk.ask("POST", "/v1/links", FILES | members)
    assert 422 == answer.status, answer.text


async def test_who_may_not_delete_lets_nobody_undo(desk: Desk) -> None:
    """To take an upload back is to delete it: the rules say who may, when the link is made."""
    answer = await desk.ask("POST", "/v1/links", FILES | {"undo": "5m"})
    assert 403 == answer.status
    assert ["delete"] == [word for word in ("delete", "write") if word in answer.text]


@pytest.mark.parametrize(
    ("terms", "status"),
    [("x", 201), ("a\nb", 201), ("ü" * 10_000, 201), ("", 422), ("x" * 10_001, 422), ("a\x07b", 422), (5, 422)],
)
async def test_terms_are_a_text_of_lines(desk: Desk, terms: object, status: int) -> None:
    """Of what can be shown, and not longer than people read; the same text again is the same link."""
    body = {"bucket": "reports", "key": "a.pdf", "terms": terms}
    for expected in (status, 200 if status == 201 else status):
        made = await desk.ask("POST", "/v1/links", body, headers={"Idempotency-Key": "t"})
        assert expected == made.status
    if status == 201:
        assert terms == made.json["terms"]
        again = await desk.ask("POST", "/v1/links", body | {"terms": "z"}, headers={"Idempotency-Key": "t"})
        assert 409 == again.status


PLACE: dict[str, Any] = {"bucket": "reports", "key": "a.pdf"}


async def _secret(desk: Desk, link_id: str) -> bytes:
    """What codes and passes of a link are made with."""
    stored = await desk.state.grants.get(link_id)
    holders = None if stored is None else stored.holders
    assert holders is not None
    return holders.key


@pytest.mark.parametrize(
    ("holders", "shown"),
    [
        ({"emails": ["Ann@ACME.example", "ann@acme.example"]}, {"emails": ["Ann@acme.example"]}),
        ({"domains": ["Bücher.example", "bücher.example"]}, {"domains": ["xn--bcher-kva.example"]}),
        ({"groups": ["finance"], "by": "oidc"}, {"groups": ["finance"], "by": "oidc"}),
        ({"emails": ["a@a.example"], "domains": ["b.example"], "by": "oidc"}, {"emails": ["a@a.example"]}),
        ({"emails": [f"a{number}@a.example" for number in range(100)]}, {}),
        ({"domains": ["b.example"], "excluded": ["E@B.example", "e@b.example"]}, {"excluded": ["E@b.example"]}),
    ],
)
async def test_holders_are_shown_as_they_are_compared(desk: Desk, holders: object, shown: dict[str, object]) -> None:
    """Each once; the link's secret for them is in no answer, and stays when they are changed."""
    made = await desk.ask("POST", "/v1/links", PLACE | {"holders": holders})
    assert 201 == made.status, made.text
    assert shown == {name: made.json["holders"][name] for name in shown}
    assert ["by", "domains", "emails", "excluded", "groups"] == sorted(made.json["holders"])
    secret = await _secret(desk, made.json["id"])
    assert 33 == len(secret)
    path = f"/v1/links/{made.json['id']}"
    edited = await desk.ask("PATCH", path, {"holders": {"emails": ["bob@a.example"]}})
    assert ["bob@a.example"] == edited.json["holders"]["emails"]
    assert secret == await _secret(desk, made.json["id"])
    assert (await desk.ask("PATCH", path, {"holders": None})).json["holders"] is None
    anew = await desk.ask("PATCH", path, {"holders": {"emails": ["bob@a.example"]}})
    assert 200 == anew.status
    last = await _secret(desk, made.json["id"])
    assert (33, True) == (len(last), last != secret)


@pytest.mark.parametrize(
    ("holders", "pointer"),
    [
        ({}, "/holders"),
        ({"emails": []}, "/holders"),
        ({"emails": ["ann"]}, "/holders/emails/0"),
        ({"emails": ["ann@acme.example\r\nBcc: eve@x.example"]}, "/holders/emails/0"),
        ({"emails": [5]}, "/holders/emails/0"),
        ({"emails": "ann@acme.example"}, "/holders/emails"),
        ({"domains": ["straße.example"]}, "/holders/domains/0"),
        ({"domains": ["@acme.example"]}, "/holders/domains/0"),
        ({"groups": ["finance"]}, "/holders/groups"),
        ({"groups": ["finance"], "by": "code"}, "/holders/groups"),
        ({"groups": ["a\x07"], "by": "oidc"}, "/holders/groups/0"),
        ({"emails": ["a@a.example"], "by": "sms"}, "/holders/by"),
        ({"emails": ["a@a.example"], "key": "x"}, "/holders/key"),
        ({"emails": [f"a{number}@a.example" for number in range(101)]}, "/holders/emails"),
        ({"excluded": ["a@a.example"]}, "/holders"),
        ({"domains": ["a.example"], "excluded": ["@a.example"]}, "/holders/excluded/0"),
        (
            {"domains": ["a.example"], "excluded": [f"a{number}@a.example" for number in range(501)]},
            "/holders/excluded",
        ),
        ([], "/holders"),
        ("ann@acme.example", "/holders"),
    ],
)
async def test_holders_that_are_nobody_are_told_where(desk: Desk, holders: object, pointer: str) -> None:
    """Each fault of a list of people names its place in the body."""
    got = await desk.ask("POST", "/v1/links", PLACE | {"holders": holders})
    assert (422, True) == (got.status, pointer in [fault["pointer"] for fault in got.json["errors"]]), got.text


@pytest.mark.parametrize(("by", "word"), [("code", "mail"), ("oidc", "issuer")])
async def test_nobody_is_asked_for_what_cannot_be_proved_here(by: str, word: str) -> None:
    """A gateway that sends no mail makes no links with codes, and one without an issuer none with sign-in; the other
    way each works, and what is as it was can be edited."""
    other = {"code": ProvedBy.OIDC, "oidc": ProvedBy.CODE}[by]
    proofs = {other}
    body = PLACE | {"holders": {"emails": ["a@a.example"], "by": by}}
    async with serving(proofs=lambda: frozenset(proofs)) as desk:
        refused = await desk.ask("POST", "/v1/links", body)
        assert (422, True) == (refused.status, word in refused.text)
        plain = await desk.ask("POST", "/v1/links", PLACE)
        path = f"/v1/links/{plain.json['id']}"
        assert 422 == (await desk.ask("PATCH", path, {"holders": body["holders"]})).status
        assert (
            201 == (await desk.ask("POST", "/v1/links", PLACE | {"holders": {**body["holders"], "by": other}})).status
        )
        proofs.add(ProvedBy(by))
        made = await desk.ask("POST", "/v1/links", body)
        assert 201 == made.status
        proofs.discard(ProvedBy(by))
        path = f"/v1/links/{made.json['id']}"
        assert 200 == (await desk.ask("PATCH", path, {"label": "x", "holders": body["holders"]})).status


async def test_other_holders_are_another_link(desk: Desk) -> None:
    """To an Idempotency-Key; the same ones are the same link."""
    sent = [PLACE | {"holders": {"emails": [name]}} for name in ("a@a.example", "A@a.example", "b@a.example")]
    sent[1] = sent[0]
    got = [await desk.ask("POST", "/v1/links", body, headers={"Idempotency-Key": "h"}) for body in sent]
    assert [201, 200, 409] == [one.status for one in got]
