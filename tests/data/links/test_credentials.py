"""S3 credentials of a link before the whole data plane: who gets them, what they are for, and how they end."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest

from gateway.core import lease
from gateway.core.backend import Credentials
from gateway.core.grant import Grant
from gateway.core.holders import Holder
from gateway.core.intake import Intake
from gateway.core.issued import IssuedKey
from gateway.core.link_credentials import link_of
from gateway.core.password import SALT_BYTES, hash_password
from gateway.core.pattern import NamePattern
from gateway.core.reasons import DependencyDown
from gateway.core.request import OF_LINKS, Action, Operation
from gateway.core.revocation_target import FeedKind
from gateway.core.route import Capability
from gateway.core.rule import LimitRule, LinkLimits
from gateway.core.token import hash_secret
from gateway.core.units import Rate
from gateway.data import serve
from gateway.data.state import names
from gateway.data.steps import authenticate, renew
from gateway.data.steps.authorise import authorise
from gateway.wire.sig.sigv4 import SigningKeys, presign
from tests.data.harness import APP, EVERY, Rig, deny, policy, request, rule, running
from tests.data.raw_client import Got
from tests.data.scripted_store import Scripted, xml
from tests.data.test_narrowed import LISTINGS, NAMED
from tests.waiting import until

BODY = b"0123456789"
WRITING = frozenset({Action.READ, Action.LIST, Action.WRITE})
_COMPLETE = (
    b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&quot;e&quot;</ETag></Part>"
    b"</CompleteMultipartUpload>"
)
_COMPLETED = xml("<CompleteMultipartUploadResult><ETag>&quot;e&quot;</ETag></CompleteMultipartUploadResult>")


class Held:
    """Credentials of a link, and requests with them."""

    def __init__(self, rig: Rig, document: dict[str, Any]) -> None:
        given = document["credentials"]
        self.rig, self.document = rig, document
        self.pair, self.token = Credentials(given["accessKeyId"], given["secretAccessKey"]), given["sessionToken"]

    def signed(self, method: str, place: str, query: Any = (), **headers: str) -> tuple[str, dict[str, str]]:
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        fields["x-amz-security-token"] = self.token
        return self.rig.signed(self.pair, method, place, query=sorted(query), headers=fields)

    async def ask(self, method: str, place: str, query: Any = (), body: bytes = b"", **headers: str) -> Got:
        target, signed = self.signed(method, place, query, **headers)
        return await self.rig.ask(method, target, signed, body)

    async def status(self, method: str, place: str, query: Any = (), body: bytes = b"") -> int:
        return (await self.ask(method, place, query, body)).status

    async def key(self) -> Grant:
        found = await self.rig.state.grants.find(hash_secret(self.pair.access_key))
        assert found is not None
        return found


async def had(rig: Rig, token: str, headers: dict[str, str] | None = None, body: bytes = b"") -> Got:
    return await rig.ask("POST", f"/s/{token}/credentials", headers, body)


async def hold(rig: Rig, token: str, **more: Any) -> Held:
    got = await had(rig, token, **more)
    assert 200 == got.status, got.body
    return Held(rig, json.loads(got.body))


# who gets them


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


# what they are for


@pytest.mark.parametrize(("operation", "method", "query", "body"), NAMED, ids=lambda value: str(value)[:24])
async def test_an_operation_on_a_name_is_for_what_the_link_does(
    rig: Rig, operation: Operation, method: str, query: list[tuple[str, str]], body: bytes
) -> None:
    """Within the link it reaches the store if a link does such a thing at all; everywhere else it is AccessDenied."""
    rig.store.always = lambda call: None
    token = await rig.link(None, prefix="2026/", actions=WRITING, overwrite=True)
    one = await rig.link("2026/a", actions=frozenset({Action.READ, Action.WRITE}), overwrite=True)
    more = {"x_amz_object_attributes": "ETag"} if operation is Operation.GET_OBJECT_ATTRIBUTES else {}
    places = ("reports/2026/a", "reports/2026/in/b", "reports/b", "reports/2026-old/a", "reports/2026", "other/2026/a")
    offered = operation in OF_LINKS
    for link, inside in ((token, places[:2]), (one, places[:1])):
        held = await hold(rig, link)
        for place in places:
            before = len(rig.store.seen)
            got = await held.ask(method, place, query, body, **more)
            reached = len(rig.store.seen) > before
            assert (offered and place in inside) is reached, place
            if not reached:
                assert 403 == got.status
                assert method == "HEAD" or b"<Code>AccessDenied</Code>" in got.body


@pytest.mark.parametrize("query", LISTINGS, ids=lambda query: query[0][0] if query else "v1")
async def test_a_listing_shows_what_the_link_shows(rig: Rig, query: list[tuple[str, str]]) -> None:
    """The names below its folder, neither old versions nor uploads of others; a link to one object lists nothing."""
    folder = await hold(rig, await rig.link(prefix="2026/"))
    unlisted = await hold(rig, await rig.link(prefix="2026/", actions={Action.READ}))
    one = await hold(rig, await rig.link("2026/a"))
    offered = query in LISTINGS[:2]
    for prefix, inside in (("2026/", True), ("2026/in", True), ("", False), ("2026", False), ("2026-old/", False)):
        asked = [*query, ("prefix", prefix)] if prefix else query
        assert (200 if inside and offered else 403) == await folder.status("GET", "reports", asked), prefix
        assert 403 == await one.status("GET", "reports", asked)
        assert 403 == await unlisted.status("GET", "reports", asked)


async def test_its_bucket_is_the_only_one(rig: Rig) -> None:
    """The list of buckets shows it, and no other can be looked at, created or located."""
    held = await hold(rig, await rig.link(prefix="2026/"))
    listed = (await held.ask("GET", "")).body
    shown = [name for name in ("far", "other", "reports") if f"<Name>{name}</Name>".encode() in listed]
    assert ["reports"] == shown
    for method, query in (("HEAD", []), ("GET", [("location", "")]), ("GET", [("versioning", "")])):
        assert [200, 403] == [await held.status(method, place, query) for place in ("reports", "other")]


async def test_a_batch_a_copy_a_version_and_tags_are_refused(rig: Rig) -> None:
    """No link deletes, copies, shows what an object was before, or sets what policies may be about."""
    rig.store.hold("inside/2026/a", BODY)
    held = await hold(rig, await rig.link(prefix="2026/", actions=WRITING, overwrite=True))
    for got in (
        await held.ask("POST", "reports", [("delete", "")], b"<Delete/>"),
        await held.ask("PUT", "reports/2026/c", x_amz_copy_source="/reports/2026/a"),
        await held.ask("GET", "reports/2026/a", [("versionId", "v1")]),
        await held.ask("PUT", "reports/2026/c", (), BODY, x_amz_tagging="a=b"),
    ):
        assert (403, True) == (got.status, b"<Code>AccessDenied</Code>" in got.body)


async def test_what_an_object_costs_is_not_theirs_to_choose(rig: Rig) -> None:
    """Another storage class than the usual one is refused; metadata are taken."""
    held = await hold(rig, await rig.link(prefix="2026/", actions=WRITING))
    asked = [(), [("uploads", "")]]
    for query, method in zip(asked, ("PUT", "POST"), strict=True):
        body = BODY if method == "PUT" else b""
        got = await held.ask(method, "reports/2026/a", query, body, x_amz_storage_class="GLACIER")
        assert (403, True) == (got.status, b"AccessDenied" in got.body)
    got = await held.ask("PUT", "reports/2026/a", (), BODY, x_amz_storage_class="STANDARD", x_amz_meta_by="me")
    assert (200, "me") == (got.status, rig.store.seen[-1].header("x-amz-meta-by"))


@pytest.mark.parametrize(
    ("intake", "takes"),
    [
        (Intake(max_files=3), False),
        (Intake(total_bytes=1000), False),
        (Intake(types=("image/*",)), False),
        (Intake(names="{date}"), False),
        (Intake(blind=True), False),
        (Intake(rename=True), True),
        (Intake(undo=60.0), True),
        (Intake(message="hello"), True),
    ],
    ids=str,
)
async def test_what_a_link_wants_of_files_is_never_gone_around(rig: Rig, intake: Intake, takes: bool) -> None:
    """Who uploads to such a link does so at its address; where nothing is held back, or for reading, they are given."""
    rig.store.hold("inside/2026/a", BODY)
    inbox = await rig.link(prefix="2026/", actions={Action.WRITE}, intake=intake)
    got = await had(rig, inbox)
    assert (200 if takes else 403) == got.status
    held = await hold(rig, await rig.link(prefix="2026/", actions=WRITING, intake=intake))
    assert 200 == await held.status("GET", "reports/2026/a")
    assert (200 if takes else 403) == await held.status("PUT", "reports/2026/new", (), BODY)
    if not takes:
        assert 403 == await held.status("POST", "reports/2026/b", [("uploads", "")])


async def test_an_edit_that_wants_something_of_files_ends_uploads_by_credentials(rig: Rig) -> None:
    """Those that were given before it, too."""
    token, grant = await rig.granted(prefix="2026/", actions=WRITING)
    held = await hold(rig, token)
    assert 200 == await held.status("PUT", "reports/2026/a", (), BODY)
    await rig.edit(grant, intake=Intake(max_files=3))
    assert 403 == await held.status("PUT", "reports/2026/b", (), BODY)


@pytest.mark.parametrize("prefix", ["", "2026/"])
@pytest.mark.parametrize("actions", [{action} for action in (Action.READ, Action.LIST, Action.WRITE)], ids=str)
async def test_a_folder_with_one_action_gives_them_too(rig: Rig, prefix: str, actions: set[Action]) -> None:
    """Of a whole bucket as of a folder; for that action and no other."""
    rig.store.hold(f"inside/{prefix}a", BODY)
    held = await hold(rig, await rig.link(prefix=prefix, actions=actions, overwrite=True))
    place, listing = f"reports/{prefix}a", [("prefix", prefix)] if prefix else []
    tried = [
        await held.status("GET", place),
        await held.status("GET", "reports", listing),
        await held.status("PUT", place, (), BODY),
    ]
    assert [200 if {action} == actions else 403 for action in (Action.READ, Action.LIST, Action.WRITE)] == tried


async def test_an_action_that_the_link_has_not_is_refused(rig: Rig) -> None:
    """Credentials of a link that reads do not write, and the other way round."""
    rig.store.hold("inside/2026/a", BODY)
    reading = await hold(rig, await rig.link(prefix="2026/"))
    writing = await hold(rig, await rig.link(prefix="2026/", actions={Action.WRITE}))
    assert 403 == await reading.status("PUT", "reports/2026/b", (), BODY)
    assert 200 == await writing.status("PUT", "reports/2026/b", (), BODY)
    assert 403 == await writing.status("GET", "reports/2026/a")


async def test_a_presigned_url_is_as_good_as_they_are(rig: Rig) -> None:
    """And ends with the link."""
    rig.store.hold("inside/a.txt", BODY)
    token, grant = await rig.granted()
    held = await hold(rig, token)
    now, extra = rig.clock.now, (("X-Amz-Security-Token", held.token),)
    query = presign(
        held.pair,
        SigningKeys(),
        method="GET",
        host="gw",
        path="/reports/a.txt",
        region="us-east-1",
        now=now,
        expires=60,
        query=extra,
    )
    assert 200 == (await rig.ask("GET", f"/reports/a.txt?{query}")).status
    await rig.revoke(FeedKind.LINK, grant.id)
    assert 403 == (await rig.ask("GET", f"/reports/a.txt?{query}")).status


@pytest.mark.skipif("config.getoption('--without-plans')", reason="each is decided on")
async def test_requests_that_are_alike_are_decided_on_once(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of any key; an edit of the link is another decision, and what has ended is refused all the same."""
    decided: list[str] = []

    def noted(plane: Any, grant: Any, attempt: Any) -> Any:
        decided.append(attempt.key)
        return authorise(plane, grant, attempt)

    monkeypatch.setattr(serve, "authorise", noted)
    rig.store.hold("inside/a.txt", BODY)
    token, grant = await rig.granted()
    held = await hold(rig, token)
    decided.clear()
    for _ in range(4):
        rig.clock.now += 1
        assert 200 == await held.status("GET", "reports/a.txt")
    assert 2 == len(decided)
    await rig.edit(grant, label="x")
    assert 200 == await held.status("GET", "reports/a.txt")
    assert 3 == len(decided)
    await rig.revoke(FeedKind.KEY, (await held.key()).id)
    assert 403 == await held.status("GET", "reports/a.txt")


async def test_the_session_token_has_to_come(rig: Rig) -> None:
    """The pair alone signs nothing that is let in."""
    rig.store.hold("inside/a.txt", BODY)
    held = await hold(rig, await rig.link())
    target, signed = rig.signed(held.pair, "GET", "reports/a.txt")
    assert 400 == (await rig.ask("GET", target, signed)).status


@pytest.mark.parametrize("able", [True, False], ids=["conditional", "plain"])
async def test_what_is_there_is_not_replaced(able: bool) -> None:
    """Unless the link may, by one PUT or in parts; by the store's condition, or by looking first."""
    conditions = {Capability.CONDITIONAL_WRITES, Capability.CONDITIONAL_COMPLETE}
    async with running(policy(capabilities=EVERY if able else EVERY - conditions)) as rig:
        rig.store.hold("inside/2026/a", BODY)
        held = await hold(rig, await rig.link(prefix="2026/", actions=WRITING))
        over = await hold(rig, await rig.link(prefix="2026/", actions=WRITING, overwrite=True))
        assert 412 == await held.status("PUT", "reports/2026/a", (), b"other")
        assert BODY == rig.store.stored("inside/2026/a")
        assert 200 == await held.status("PUT", "reports/2026/new", (), b"other")
        seen = len(rig.store.seen)
        if able:
            rig.store.script(_COMPLETED)
        status = await held.status("POST", "reports/2026/a", [("uploadId", "u")], _COMPLETE)
        asked = [(one.call.method, one.header("if-none-match")) for one in rig.store.seen[seen:]]
        assert ([("POST", "*")] if able else [("HEAD", None)]) == asked
        assert able == (status == 200)
        assert 200 == await over.status("PUT", "reports/2026/a", (), b"other")
        part = [("partNumber", "1"), ("uploadId", "u")]
        rig.store.script(Scripted(200, {"etag": '"e"'}))
        assert 200 == await held.status("PUT", "reports/2026/a", part, BODY)
        assert rig.store.seen[-1].header("if-none-match") is None


def _listed(*parts: tuple[int, str, int], more: str = "") -> Scripted:
    body = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>&quot;{etag}&quot;</ETag><Size>{size}</Size></Part>"
        for number, etag, size in parts
    )
    return xml(f"<ListPartsResult>{body}{more}</ListPartsResult>")


def _completing(*parts: tuple[int, str]) -> bytes:
    named = "".join(f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>" for number, etag in parts)
    return f"<CompleteMultipartUpload>{named}</CompleteMultipartUpload>".encode()


_MORE = "<IsTruncated>true</IsTruncated><NextPartNumberMarker>1</NextPartNumberMarker>"


async def test_a_largest_size_holds(rig: Rig) -> None:
    """For one PUT, and for each part."""
    held = await hold(rig, await rig.link(prefix="2026/", actions=WRITING, max_size=5))
    assert 400 == await held.status("PUT", "reports/2026/a", (), BODY)
    assert 200 == await held.status("PUT", "reports/2026/a", (), BODY[:5])
    part = [("partNumber", "1"), ("uploadId", "u")]
    assert 400 == await held.status("PUT", "reports/2026/b", part, BODY)


@pytest.mark.parametrize(
    ("pages", "named", "status", "code"),
    [
        ([_listed((1, "a", 3), (2, "b", 2))], [(1, "a"), (2, "b")], 200, b""),
        ([_listed((1, "a", 3), (2, "b", 2))], [(1, '"a"'), (2, '"b"')], 200, b""),
        ([_listed((1, "a", 3), (2, "b", 3))], [(1, "a"), (2, "b")], 400, b"EntityTooLarge"),
        ([_listed((1, "a", 3), (2, "b", 3))], [(1, "a")], 200, b""),
        ([_listed((1, "a", 3), more=_MORE), _listed((2, "b", 3))], [(1, "a"), (2, "b")], 400, b"EntityTooLarge"),
        ([_listed((1, "a", 3), more=_MORE), _listed((2, "b", 2))], [(1, "a"), (2, "b")], 200, b""),
        ([_listed((1, "c", 3))], [(1, "a")], 400, b"InvalidArgument"),
        ([_listed()], [(1, "a")], 400, b"InvalidArgument"),
        ([xml("<Error><Code>NoSuchUpload</Code></Error>", 404)], [(1, "a")], 404, b"NoSuchUpload"),
    ],
)
async def test_a_largest_size_holds_for_all_parts_together(
    rig: Rig, pages: list[Scripted], named: list[tuple[int, str]], status: int, code: bytes
) -> None:
    """Before they become an object; what is not among the store's parts becomes none."""
    held = await hold(rig, await rig.link(prefix="2026/", actions=WRITING, overwrite=True, max_size=5))
    rig.store.script(*pages, _COMPLETED)
    got = await held.ask("POST", "reports/2026/b", [("uploadId", "u")], _completing(*named))
    assert (status, True) == (got.status, code in got.body)
    assert (status == 200) == ("POST" == rig.store.seen[-1].call.method)
    everything = await hold(rig, await rig.link(prefix="2026/", actions=WRITING, overwrite=True))
    rig.store.script(_COMPLETED)
    before = len(rig.store.seen)
    assert 200 == await everything.status("POST", "reports/2026/b", [("uploadId", "u")], _completing((1, "a")))
    assert 1 == len(rig.store.seen) - before


async def test_the_one_version_of_a_link_is_theirs_too(rig: Rig) -> None:
    """Once the object is another version, they open it no more than the link does."""
    rig.store.hold("inside/a.txt", BODY, etag='"v1"')
    held = await hold(rig, await rig.link(etag='"v1"'))
    assert 200 == await held.status("GET", "reports/a.txt")
    rig.store.hold("inside/a.txt", BODY, etag='"v2"')
    assert 412 == await held.status("GET", "reports/a.txt")


async def test_limits_of_links_are_theirs() -> None:
    """The link's own rate, and a limit for each link, count its requests by whatever way they come."""
    per_link = LimitRule(who=NamePattern.parse("app:*"), per="link", requests=Rate(3, 60.0, 3))
    for given, fields in ((policy(), {"rate": Rate(3, 60.0, 3)}), (policy(limits=(per_link,)), {})):
        async with running(given) as rig:
            rig.store.hold("inside/a.txt", BODY)
            token = await rig.link(**fields)
            held = await hold(rig, token)
            assert [200, 200] == [(await rig.fetch(token)).status, await held.status("GET", "reports/a.txt")]
            assert 503 == await held.status("GET", "reports/a.txt")


# uses and bytes


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


# how they end

Change = Callable[[Rig, Grant, Held], Any]


async def _rotate(rig: Rig, grant: Grant, held: Held) -> None:
    await rig.edit(grant, hash=hash_secret("another"))


async def _revoke_key(rig: Rig, grant: Grant, held: Held) -> None:
    await rig.revoke(FeedKind.KEY, (await held.key()).id)


async def _expire(rig: Rig, grant: Grant, held: Held) -> None:
    rig.clock.now += 12 * 3600
    rig.plane.transfers.cut_expired(rig.clock.now)


ENDING: dict[str, Change] = {
    "revoked": lambda rig, grant, held: rig.revoke(FeedKind.LINK, grant.id),
    "the owner is": lambda rig, grant, held: rig.revoke(FeedKind.OWNER, str(APP)),
    "the folder is": lambda rig, grant, held: rig.revoke(FeedKind.PREFIX, "reports", "2026/"),
    "the backend is": lambda rig, grant, held: rig.revoke(FeedKind.BACKEND, "lab"),
    "the key is": _revoke_key,
    "suspended": lambda rig, grant, held: rig.edit(grant, suspended_at=1.0),
    "rotated": _rotate,
    "given a password": lambda rig, grant, held: rig.edit(grant, password="scrypt"),
    "another folder": lambda rig, grant, held: rig.edit(grant, scope=replace(grant.scope, prefix="2027/")),
    "an end": lambda rig, grant, held: rig.edit(grant, expires_at=1.0),
    "other networks": lambda rig, grant, held: rig.edit(grant, cidrs=(ip_network("192.0.2.0/24"),)),
    "no credentials": lambda rig, grant, held: rig.edit(grant, credentials=False),
    "once": lambda rig, grant, held: rig.edit(grant, once=True, uses=1),
    "its rule gone": lambda rig, grant, held: rig.reload(policy(rule("other", who="app:other"))),
    "a rule against it": lambda rig, grant, held: rig.reload(policy(rule("all"), deny("not", "reports/2026/**"))),
    "its time over": _expire,
}
HARMLESS: dict[str, Change] = {
    "a label": lambda rig, grant, held: rig.edit(grant, label="x"),
    "a wider folder": lambda rig, grant, held: rig.edit(grant, scope=replace(grant.scope, prefix="")),
    "a later end": lambda rig, grant, held: rig.edit(grant, expires_at=rig.clock.now + 10**6),
    "uses": lambda rig, grant, held: rig.edit(grant, uses=5),
    "another link's end": lambda rig, grant, held: rig.revoke(FeedKind.LINK, "l_other"),
}
_SIZE = 100_000


@pytest.mark.parametrize(("change", "ends"), [*((e, True) for e in ENDING), *((e, False) for e in HARMLESS)])
@pytest.mark.parametrize("writing", [False, True], ids=["get", "put"])
async def test_they_end_with_the_link_and_what_runs_is_cut(change: str, ends: bool, writing: bool) -> None:
    """A download and an upload alike, in the turn in which it is known; the next request is refused. What changes
    nothing for them cuts nothing."""
    async with running(policy(rule("all"))) as rig:
        token, grant = await rig.granted(prefix="2026/", actions=WRITING, overwrite=True)
        held, wait, half = await hold(rig, token), asyncio.Event(), b"x" * (_SIZE // 2)
        async with rig.client() as client:
            target, signed = held.signed("PUT" if writing else "GET", "reports/2026/a")
            if writing:
                await client.send(request("PUT", target, {**signed, "Content-Length": str(_SIZE)}) + half)
                await until(lambda: any(permit.moved for permit in rig.plane.transfers))
            else:
                rig.store.script(Scripted(200, {"etag": '"v"'}, [half, wait, half], length=_SIZE))
                await client.send(request("GET", target, signed))
                assert 200 == (await client.head()).status
                await client.rest_of(_SIZE // 2)
            await (ENDING | HARMLESS)[change](rig, grant, held)
            cut = [permit.exchange.cut_reason for permit in rig.plane.transfers]
            assert ends == (not cut or cut[0] is not None)
            wait.set()
            if not ends and writing:
                await client.send(half)
                assert 200 == (await client.answer("PUT")).status
            elif not ends:
                assert _SIZE // 2 == len(await client.rest_of(_SIZE // 2))
        await rig.settled()
        rig.store.hold("inside/2026/a", BODY)
        assert ends == ((await held.status("GET", "reports/2026/a")) >= 400)


async def test_the_same_password_kept_or_taken_away_ends_nothing(rig: Rig) -> None:
    """Only another password does: an edit that leaves it, or asks for none, goes on."""
    word = hash_password("open sesame", b"s" * SALT_BYTES)
    rig.store.hold("inside/a.txt", BODY)
    token, grant = await rig.granted(password=word)
    held = await hold(
        rig, token, headers={"Content-Type": "application/x-www-form-urlencoded"}, body=b"password=open+sesame"
    )
    assert 200 == await held.status("GET", "reports/a.txt")
    grant = await rig.edit(grant, label="x")
    assert 200 == await held.status("GET", "reports/a.txt")
    await rig.edit(grant, password=None)
    assert 200 == await held.status("GET", "reports/a.txt")


async def test_what_is_stored_says_which_link(rig: Rig) -> None:
    """The key is its owner's to take back; it never outlives the link, and keeps no secret in the clear."""
    token, grant = await rig.granted(expires_at=rig.clock.now + 100)
    held = await hold(rig, token)
    key = await held.key()
    assert (APP, grant.hash, grant.id, grant.expires_at) == (key.owner, key.link, link_of(key), key.expires_at)
    assert held.pair.secret_key not in repr(key) + str(key.sealed)
    assert token not in repr(key)


async def test_a_key_that_stands_for_a_link_is_never_its_owners(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: without the look at the link, the key would have all that the owner has."""
    rig.store.hold("b", BODY, "real-other")
    held = await hold(rig, await rig.link())
    assert 403 == await held.status("GET", "other/b")

    async def blind(plane: Any, key: Grant, **proved: Any) -> Any:
        return authenticate.ResolvedCaller(key.principal, key, **proved)

    monkeypatch.setattr(authenticate, "_stand_for_link", blind)
    assert 200 == await held.status("GET", "other/b")


async def test_control_an_edit_read_again_without_the_key_would_let_it_live(monkeypatch: pytest.MonkeyPatch) -> None:
    """The key's own end is kept when its link is read again for what runs."""
    for broken in (False, True):
        async with running(policy(rule("all"))) as rig:
            token, grant = await rig.granted()
            held, wait, half = await hold(rig, token), asyncio.Event(), b"x" * 50_000
            if broken:
                monkeypatch.setattr(renew, "standing", lambda key, link: link)
            async with rig.client() as client:
                rig.store.script(Scripted(200, {"etag": '"v"'}, [half, wait, half], length=_SIZE))
                target, signed = held.signed("GET", "reports/a.txt")
                await client.send(request("GET", target, signed))
                assert 200 == (await client.head()).status
                await client.rest_of(50_000)
                await rig.edit(grant, label="x")
                await rig.revoke(FeedKind.KEY, (await held.key()).id)
                [permit] = rig.plane.transfers
                assert broken == (permit.exchange.cut_reason is None)
                wait.set()


async def test_control_a_completed_upload_would_replace(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the look at the name, an upload in parts would replace what is there."""
    conditions = {Capability.CONDITIONAL_WRITES, Capability.CONDITIONAL_COMPLETE}
    async with running(policy(capabilities=EVERY - conditions)) as rig:
        rig.store.hold("inside/2026/a", BODY)
        held = await hold(rig, await rig.link(prefix="2026/", actions=WRITING))

        async def absent(*_: Any) -> None: ...

        monkeypatch.setattr(names, "require_absent", absent)
        rig.store.script(_COMPLETED)
        assert 200 == await held.status("POST", "reports/2026/a", [("uploadId", "u")], _COMPLETE)
