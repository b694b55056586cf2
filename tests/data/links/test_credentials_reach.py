"""S3 credentials of a link before the whole data plane: what they are for, and for nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.core.grant import Grant
from gateway.core.intake import Intake
from gateway.core.pattern import NamePattern
from gateway.core.request import OF_LINKS, Action, Operation
from gateway.core.revocation_target import FeedKind
from gateway.core.route import Capability
from gateway.core.rule import LimitRule
from gateway.core.units import Rate
from gateway.data import serve
from gateway.data.state import names
from gateway.data.steps import authenticate
from gateway.data.steps.authorise import authorise
from gateway.wire.sig.sigv4 import SigningKeys, presign
from tests.data.harness import EVERY, Rig, policy, running
from tests.data.links.held_credentials import BODY, WRITING, had, hold
from tests.data.scripted_store import Scripted, xml
from tests.data.test_narrowed import LISTINGS, NAMED

_COMPLETE = (
    b"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&quot;e&quot;</ETag></Part>"
    b"</CompleteMultipartUpload>"
)
_COMPLETED = xml("<CompleteMultipartUploadResult><ETag>&quot;e&quot;</ETag></CompleteMultipartUploadResult>")


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


async def test_a_key_that_stands_for_a_link_is_never_its_owners(rig: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    """Control: without the look at the link, the key would have all that the owner has."""
    rig.store.hold("b", BODY, "real-other")
    held = await hold(rig, await rig.link())
    assert 403 == await held.status("GET", "other/b")

    async def blind(plane: Any, key: Grant) -> Grant:
        return key

    monkeypatch.setattr(authenticate, "_link_of", blind)
    assert 200 == await held.status("GET", "other/b")


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
